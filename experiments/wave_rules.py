"""The rules of long PR and QT intervals by the average beat and by a network's marks, on PTB-XL.

    python delineate.py PTBXL --out MARKS
    python -m experiments rules-waves PTBXL MARKS --page docs/results/rules.md

PTBXL is a data folder with its folds.tsv.  Constants are those of `ecg.rules`, and those with the
best F1 on fold 8; fold 9 is the test fold.
"""

import csv
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from docs.generate import table, write_tables
from ecg import LeadwiseError
from ecg.leads import STANDARD
from ecg.records import Record, find_records
from ecg.rules import RULES, Rule, measure
from experiments.outputs import NO
from experiments.rules import BATCH, Table, cases, difference, f1_of, labels_of
from training.splits import read_folds

CHOOSES, REPORTS = "8", "9"
MARKED = {"PQ": "pr_ms", "QTc": "qtc_fridericia_ms"}  # measures, and columns of intervals.tsv
SHARE = "P"  # here the share of the beats that have a PR interval
# Grids of constants, by the source of the intervals.
GRIDS: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("long PR", "average beat"): {"pq": np.arange(180, 261, 2), "P": [0.5, 1, 1.5, 2, 3]},
    ("long PR", "marks"): {"pq": np.arange(180, 261, 2), "P": [0, 0.25, 0.5, 0.75]},
    ("long QT", "average beat"): {"qtc": np.arange(430, 541, 2)},
    ("long QT", "marks"): {"qtc": np.arange(430, 541, 2)},
}
# Constants of `ecg.rules` as they apply to marks: half of the beats have a P wave.
UNCHANGED: Mapping[str, Mapping[str, float]] = {"average beat": {}, "marks": {"P": 0.5}}


def report(ptbxl: Path, marks: Sequence[Path], page: Path | None = None) -> list[str]:
    """Make the table, and write it to a page.

    Raises
    ------
    LeadwiseError
        A record has no row in an intervals.tsv of the folders of marks.
    """
    folds = {name: fold for name, (fold, _) in read_folds(ptbxl).items()}
    records = [record for record in find_records(ptbxl)[0] if folds[record.name] in
               (CHOOSES, REPORTS)]  # fmt: skip
    names = [record.name for record in records]
    codes = [record.header.codes for record in records]
    fold = np.array([folds[name] for name in names])
    sources = {
        "average beat": Table(names, codes, average_beats(records)),
        "marks": Table(names, codes, marked_intervals(names, marks)),
    }
    rows = [row for name in ("long PR", "long QT") for row in _rows(RULES[name], sources, fold)]
    lines = table(
        "rule | constants | intervals from | numbers | F1, fold 8 | TP, FP, FN | "
        "marks less average beat (95 %) | F1, fold 9 | TP, FP, FN | "
        "marks less average beat (95 %) | cannot say", rows,
    )  # fmt: skip
    if page:
        write_tables(page, {"rules-waves": lines})
    return lines


def average_beats(records: Sequence[Record]) -> dict[str, np.ndarray]:
    """Measure the average beat of each record with 12 leads: measures, each (records,)."""
    batches = [records[first : first + BATCH] for first in range(0, len(records), BATCH)]
    results = Parallel(n_jobs=-1)(delayed(_measured)(batch) for batch in batches)
    columns = np.array([row for rows in results for row in rows]).T
    return dict(zip(("PQ", "P", "QTc"), columns, strict=True))


def _measured(records: Sequence[Record]) -> list[list[float]]:
    rows = []
    for record in records:
        signal = record.signal[[record.leads.index(lead) for lead in STANDARD]]
        values = measure(signal, STANDARD, record.fs).values
        rows.append([values[name] for name in ("PQ", "P", "QTc")])
    return rows


def marked_intervals(names: Sequence[str], marks: Sequence[Path]) -> dict[str, np.ndarray]:
    """Read the medians of records from the tables that `delineate.py` writes; NaN if absent."""
    rows: dict[str, dict[str, str]] = {}
    for folder in marks:
        with open(folder / "intervals.tsv", newline="", encoding="utf-8") as file:
            rows |= {row["record"]: row for row in csv.DictReader(file, delimiter="\t")}
    if missing := [name for name in names if name not in rows]:
        raise LeadwiseError(
            f"{len(missing)} records have no row in intervals.tsv ({missing[0]}); mark them by "
            "delineate.py"
        )
    own = [rows[name] for name in names]
    columns = {
        measure: np.array([float(row[column] or "nan") for row in own])
        for measure, column in MARKED.items()
    }
    beats = np.array([[float(row[name] or 0) for name in ("pr_beats", "beats_of_class")]
                      for row in own])  # fmt: skip
    return columns | {SHARE: beats[:, 0] / np.maximum(beats[:, 1], 1)}


def _rows(rule: Rule, sources: Mapping[str, Table], fold: np.ndarray) -> Iterator[str]:
    """Yield rows with the constants of the code, then rows with those chosen on fold 8."""
    masks = [fold == CHOOSES, fold == REPORTS]
    for title in ("of the code", "of fold 8"):
        before: list[np.ndarray] = []
        for source, measures in sources.items():
            labels = labels_of(measures, rule)
            numbers = (
                _of_the_code(rule, source)
                if title == "of the code"
                else _chosen(rule, source, measures, labels, masks[0])
            )
            answers = rule.answers(measures.columns, numbers)
            found = [answers[mask] == 1 for mask in masks]
            cells = []
            for number, (mask, own) in enumerate(zip(masks, found, strict=True)):
                gain = _gain(labels[mask], own, before[number]) if before else NO
                cells += [f"{f1_of(labels[mask], own):.3f}", cases(labels[mask], own), gain]
            before = found
            text = ", ".join(f"{name} {value:g}" for name, value in numbers.items())
            unknown = str((answers[masks[1]] == -1).sum())
            yield " | ".join([rule.name, title, source, text, *cells, unknown])


def _of_the_code(rule: Rule, source: str) -> dict[str, float]:
    numbers = rule.numbers()
    return numbers | {name: one for name, one in UNCHANGED[source].items() if name in numbers}


def _chosen(
    rule: Rule, source: str, measures: Table, labels: np.ndarray, subset: np.ndarray
) -> dict[str, float]:
    """Find the constants with the best F1 on a subset of the records."""
    grid = GRIDS[rule.name, source]
    columns = {name: column[subset] for name, column in measures.columns.items()}
    return max(
        (dict(zip(grid, map(float, one), strict=True))
         for one in itertools.product(*grid.values())),
        key=lambda one: f1_of(labels[subset], rule.answers(columns, one) == 1),
    )  # fmt: skip


def _gain(labels: np.ndarray, ours: np.ndarray, other: np.ndarray) -> str:
    low, high = difference(labels, ours, other)
    gain = f1_of(labels, ours) - f1_of(labels, other)
    return f"{gain:+.3f} ({low:+.3f} to {high:+.3f})"
