"""Kang & Wen 2022, table 4 and figures A1 to A3: their rules counted and drawn.

PTBXL is PTB-XL as the Challenge publishes it, with its folds.tsv; OUT has the measures of
`rules-measure`; PUBLISHED has the authors' answers.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from docs.generate import table, write_tables
from ecg import LeadwiseError
from ecg.files import make_folder
from ecg.labels import class_name
from ecg.leads import LEAD_SETS
from ecg.plots import plot_record
from ecg.records import find_records
from ecg.rules import RULES, published
from experiments.outputs import NO
from experiments.rules import Table, cross_fitted, labels_of, read_published, read_table
from training.splits import read_folds

# TP, FP, TN, FN of the paper's table 4: 78,956 records of all sources, 12 leads.
COUNTS = {
    "bradycardia": (18905, 5342, 54403, 306),
    "LAD": (6547, 13547, 57778, 1084),
    "RAD": (927, 3723, 73953, 353),
    "LQRSV": (787, 2798, 74671, 700),
    "pacing": (671, 55, 77421, 809),
}
COLUMNS = {"LAD": 0, "RAD": 1, "bradycardia": 2, "LQRSV": 4, "pacing": 5}  # of the answers
HEAD = "class | rules | records | TP | FP | TN | FN | F1 | cannot say"
# Record, drawn leads: figures A1, A2 and A3, of which the first 6 s are drawn.
FIGURES = {"HR05631": ("I", "II", "aVF"), "A0226": ("I", "II", "aVF"), "A0095": LEAD_SETS[6]}
FIGURE_S = 6.0


def table4(ptbxl: Path, out: Path, published: Path, page: Path | None) -> list[str]:
    """Make the table: the paper's counts, the authors' answers on PTB-XL, and our rules there.

    Each fold has constants of our rules fitted on the other folds, as in docs/rules.md.

    Raises
    ------
    LeadwiseError
        No published answer is for a record of PTBXL, or the records were not measured.
    """
    measures, answers = read_table(ptbxl, out, 12), read_published(published)
    known = np.array([name in answers for name in measures.names])
    if not known.any():
        raise LeadwiseError(f"{published}: has no answer for a record of {ptbxl}")
    folds = read_folds(ptbxl)
    fold_of = np.array([folds[name][0] for name in measures.names])
    theirs = np.array([answers[name][12] for name in np.array(measures.names)[known]])
    rows = [row for name in COUNTS for row in _rows(name, measures, known, fold_of, theirs)]
    lines = table(HEAD, rows)
    if page:
        write_tables(page, {"table4": lines})
    return lines


def _rows(
    name: str, measures: Table, known: np.ndarray, folds: np.ndarray, theirs: np.ndarray
) -> Iterator[str]:
    """Make the three rows of a class."""
    rule = RULES[name]
    labels = labels_of(measures, rule)
    ours = cross_fitted(rule, measures, labels, folds)[known]
    title, labels = " or ".join(map(class_name, rule.codes)), labels[known]
    yield _row(f"{title} | published | all sources", COUNTS[name], 0)
    counts = _counts(labels, theirs[:, COLUMNS[name]])
    yield _row(f"{title} | published | PTB-XL", counts, 0)
    yield _row(f"{title} | ours | PTB-XL", _counts(labels, ours == 1), int((ours == -1).sum()))


def _counts(labels: np.ndarray, outputs: np.ndarray) -> tuple[int, ...]:
    """Count TP, FP, TN, FN."""
    pairs = ((True, True), (False, True), (False, False), (True, False))
    return tuple(int(((labels == label) & (outputs == output)).sum()) for label, output in pairs)


def _row(title: str, counts: tuple[int, ...], unknown: int) -> str:
    positive, wrong, _, missed = counts
    known = unknown < sum(counts)
    f1 = f"{2 * positive / max(1, 2 * positive + wrong + missed):.3f}" if known else NO
    shown = " | ".join(f"{count:,}" for count in counts)
    return f"{title}, {sum(counts):,} | {shown} | {f1} | {unknown:,}"


def figures(records: Path, folder: Path) -> Iterator[str]:
    """Draw those of the three records of appendix A that RECORDS holds; tell what rules answer.

    Raises
    ------
    LeadwiseError
        RECORDS holds none of them.
    """
    found = {record.name: record for record in find_records(records)[0]}
    if found.keys().isdisjoint(FIGURES):
        raise LeadwiseError(f"{records}: holds none of {', '.join(FIGURES)}")
    make_folder(folder)
    for name, leads in FIGURES.items():
        if name not in found:
            yield f"{name}: not in {records}"
            continue
        record = found[name]
        shown = record.signal[:, : int(FIGURE_S * record.fs)]
        text = answers_text(shown, record.leads, record.fs)
        labels = ", ".join(map(class_name, record.header.codes))
        plot_record(
            folder / f"{name}.png", shown[[record.leads.index(lead) for lead in leads]], leads,
            record.fs, title=f"{name}: {text}", note=f"labels: {labels}", seconds=FIGURE_S,
        )  # fmt: skip
        yield f"{name} ({labels}): {text}"


def answers_text(signal: np.ndarray, leads: tuple[str, ...], fs: float) -> str:
    """Describe the published rules' axis by both methods, and low voltages.

    Examples
    --------
    >>> answers_text(np.zeros((2, 500)), ("I", "II"), 100)
    'axis normal (2-lead), normal (3-lead); LQRSV'
    """
    r_peaks = published.detect(signal, fs)
    sides = [
        f"{published.axis_as_intended(signal, leads, r_peaks, fs, method)} ({method})"
        for method in published.AXIS_METHODS
    ]
    low = published.low_voltage(signal, leads, r_peaks, fs)
    return f"axis {', '.join(sides)}{'; LQRSV' * low}"


if __name__ == "__main__":
    from experiments.__main__ import main

    main("table4")
