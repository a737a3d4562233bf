"""Soft targets of a data folder: probabilities of other networks in place of the labels.

`soft.tsv` has a row per record and a column per class.  Probabilities of exclusive classes add up
to 1.  `experiments.soft` writes it from the networks of a study, `experiments.statements` from the
likelihoods of PTB-XL's statements.  A head with `targets="soft"` is trained on it; records that it
does not list, and all validation records, keep their labels.

The probabilities of an ensemble train a small network (distillation; Hinton et al., "Distilling the
knowledge in a neural network", 2015).  A mix with the labels takes account of wrong ones
(bootstrapping; Reed et al., ICLR 2015 workshop).
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from datasets.tables import Row, read_rows, record_name
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


def read_soft(folder: Path, classes: Sequence[str], *, exclusive: bool) -> dict[str, np.ndarray]:
    """Read the soft targets: record to float32 (classes,).

    Raises
    ------
    LeadwiseError
        The table is missing or lacks a class, or a row is not of probabilities; the message names
        it.
    """
    path = folder / FILE
    if not path.is_file():
        raise LeadwiseError(
            f"{path}: is missing; `python -m experiments soften STUDY RUNS DATA` writes it, or set "
            "the head's targets to 'labels'"
        )
    rows = read_rows(path)
    titles = rows[0].cells if rows else []
    if titles[:1] != ["record"] or not set(classes) <= set(titles):
        raise LeadwiseError(f"{path}: must have the columns record, {', '.join(classes)}")
    columns = [titles.index(name) for name in classes]
    return {
        record_name(row.cells[0]): _probabilities(path, row, len(titles), columns, exclusive)
        for row in rows[1:]
    }


def _probabilities(
    path: Path, row: Row, count: int, columns: Sequence[int], exclusive: bool
) -> np.ndarray:
    try:
        values = [float(row.cells[column]) for column in columns]
    except (ValueError, IndexError):
        values = []
    known = len(row.cells) == count and values and all(0 <= one <= 1 for one in values)
    if not known or (exclusive and abs(math.fsum(values) - 1) > SUM_ERROR):
        wanted = "probabilities that add up to 1" if exclusive else "probabilities"
        raise LeadwiseError(f"{path}: line {row.line} ({row.cells[0]}) must have {wanted}")
    return np.array(values, np.float32)


def soft_targets(
    folder: Path,
    names: Sequence[str],
    classes: Sequence[str],
    labels: np.ndarray,
    *,
    exclusive: bool,
) -> np.ndarray:
    """Give records their soft targets, or else their labels: float32 (records, classes)."""
    known = read_soft(folder, classes, exclusive=exclusive)
    targets = labels.astype(np.float32)
    for index, name in enumerate(names):
        if name in known:
            targets[index] = known[name]
    return targets
