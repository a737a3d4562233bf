"""Soft targets of a data folder: probabilities of other networks in place of the labels.

`soft.tsv` has a row per record and a column per class, and probabilities that add up to 1.
`experiments.soft` writes it from the networks of a study.  A head with `targets="soft"` is trained
on it; records that it does not list, and all validation records, keep their labels.

The probabilities of an ensemble train a small network (distillation; Hinton et al., "Distilling the
knowledge in a neural network", 2015).  A mix with the labels takes account of wrong ones
(bootstrapping; Reed et al., ICLR 2015 workshop).
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from datasets.tables import read_rows, record_name
from ecg import LeadwiseError
from ecg.files import atomic_write

FILE = "soft.tsv"
SUM_ERROR = 1e-3  # of a row: numbers have four digits


def write_soft(
    folder: Path, classes: Sequence[str], targets: Mapping[str, Sequence[float]]
) -> None:
    """Write the soft targets of records."""
    rows = [
        "\t".join([name, *(f"{value:.4f}" for value in row)])
        for name, row in sorted(targets.items())
    ]
    with atomic_write(folder / FILE) as draft:
        draft.write_text("\n".join(["\t".join(["record", *classes]), *rows]) + "\n", "utf-8")


def read_soft(folder: Path, classes: Sequence[str]) -> dict[str, np.ndarray]:
    """Read the soft targets: record to float32 (classes,).

    Raises
    ------
    LeadwiseError
        The table is missing or has other columns, or a row is not of probabilities; the message
        names it.
    """
    path = folder / FILE
    if not path.is_file():
        raise LeadwiseError(
            f"{path}: is missing; `python -m experiments soften STUDY RUNS DATA` writes it, or set "
            "the head's targets to 'labels'"
        )
    rows = read_rows(path)
    if not rows or rows[0].cells != ["record", *classes]:
        raise LeadwiseError(f"{path}: must have the columns record, {', '.join(classes)}")
    return {
        record_name(row.cells[0]): _probabilities(path, row.line, row.cells, len(classes))
        for row in rows[1:]
    }


def _probabilities(path: Path, line: int, cells: Sequence[str], count: int) -> np.ndarray:
    try:
        values = [float(cell) for cell in cells[1:]]
    except ValueError:
        values = []
    complete = len(values) == count and all(0 <= one <= 1 for one in values)
    if not complete or abs(math.fsum(values) - 1) > SUM_ERROR:
        raise LeadwiseError(
            f"{path}: line {line} ({cells[0]}) must have probabilities that add up to 1"
        )
    return np.array(values, np.float32)


def soft_targets(
    folder: Path, names: Sequence[str], classes: Sequence[str], labels: np.ndarray
) -> np.ndarray:
    """Give records their soft targets, or else their labels: float32 (records, classes)."""
    known = read_soft(folder, classes)
    targets = labels.astype(np.float32)
    for index, name in enumerate(names):
        if name in known:
            targets[index] = known[name]
    return targets
