"""Curves of a model's outputs: ROC, precision and recall, and scores over thresholds, per class."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from docs.generate import table
from ecg import LeadwiseError
from ecg.files import atomic_write, make_folder
from ecg.labels import AF_LETTERS, CODES, class_name
from experiments.charts import Panel, plot_panels
from experiments.outputs import Scored, classes_of, read_scored
from scoring.measures import areas, ratio

POINTS = 400  # of a curve, at most


class Curve(NamedTuple):
    """Rates of one class at each threshold, from the highest one on: arrays of (thresholds,).

    A record is positive if its probability is at least the threshold.
    """

    thresholds: np.ndarray
    recall: np.ndarray
    precision: np.ndarray
    false_positive_rate: np.ndarray
    f1: np.ndarray


def curve(positive: np.ndarray, probabilities: np.ndarray) -> Curve:
    """Compute the rates of a class at each of its probabilities.

    Parameters
    ----------
    positive : np.ndarray of bool, shape (records,)
    probabilities : np.ndarray, shape (records,)
        NaN counts as 0.
    """
    values = np.where(np.isnan(probabilities), 0.0, probabilities)
    order = np.argsort(-values, kind="stable")
    values, positive = values[order], positive[order]
    last = np.append(values[1:] != values[:-1], True)  # of equal probabilities
    tp, fp = np.cumsum(positive)[last], np.cumsum(~positive)[last]
    positives, negatives = np.full_like(tp, tp[-1]), np.full_like(fp, fp[-1])
    return Curve(
        values[last], ratio(tp, positives), ratio(tp, tp + fp), ratio(fp, negatives),
        ratio(2 * tp, tp + fp + positives),
    )  # fmt: skip


def draw_curves(data: Path, outputs: Path, out: Path) -> list[str]:
    """Write pictures with one panel per class, `curves.tsv` with their numbers; make a table.

    Raises
    ------
    LeadwiseError
        Records and outputs do not fit each other, or no class has positive and negative records.
    """
    scored = read_any(data, outputs)
    columns = np.flatnonzero(scored.labels.any(0) & ~scored.labels.all(0)).tolist()
    if not columns:
        raise LeadwiseError(f"{data}: no class has both positive and negative records")
    make_folder(out)
    curves = {
        scored.classes[index]: curve(scored.labels[:, index], scored.probabilities[:, index])
        for index in columns
    }
    area = areas(scored.labels, scored.probabilities)
    titles = {scored.classes[i]: f"{class_name(scored.classes[i])}, {scored.labels[:, i].sum()}"
              for i in columns}  # fmt: skip
    roc, precision_recall, thresholds = [], [], []
    for index, (code, one) in zip(columns, curves.items(), strict=True):
        auroc, auprc = f"AUROC {area.auroc[index]:.3f}", f"AUPRC {area.auprc[index]:.3f}"
        rates = (np.append(0.0, one.false_positive_rate), np.append(0.0, one.recall))
        roc.append(Panel(f"{titles[code]}: {auroc}", {"": rates}))
        pairs = {"": (one.recall, one.precision)}
        precision_recall.append(Panel(f"{titles[code]}: {auprc}", pairs))
        scores = {"recall": one.recall, "precision": one.precision, "F1": one.f1}
        lines = {name: (one.thresholds[::-1], values[::-1]) for name, values in scores.items()}
        thresholds.append(Panel(titles[code], lines))
    plot_panels(out / "roc.png", roc, "false positive rate", "recall")
    plot_panels(out / "precision-recall.png", precision_recall, "recall", "precision")
    # Between two probabilities the records are those of the higher one.
    plot_panels(out / "thresholds.png", thresholds, "threshold", "", drawstyle="steps-pre")
    _write(out / "curves.tsv", curves)
    return table("class | code | positives | AUROC | AUPRC | best F1 | its threshold",
                 [_row(scored, area.auroc[i], area.auprc[i], i, curves[scored.classes[i]])
                  for i in columns])  # fmt: skip


def read_any(data: Path, outputs: Path) -> Scored:
    """Read labels and outputs: of 2017's classes if the outputs have them, else the Challenge's."""
    classes = classes_of(outputs)
    of_2017 = set("|".join(classes).split("|")) <= set(AF_LETTERS)
    return read_scored(data, outputs, classes if of_2017 else CODES)


def _row(scored: Scored, auroc: float, auprc: float, column: int, one: Curve) -> str:
    best, code = int(np.nanargmax(one.f1)), scored.classes[column]
    return (
        f"{class_name(code)} | {code} | {scored.labels[:, column].sum()} | {auroc:.3f} | "
        f"{auprc:.3f} | {one.f1[best]:.3f} | {one.thresholds[best]:.3f}"
    )


def _write(path: Path, curves: dict[str, Curve]) -> None:
    """Write the curves' numbers, at most `POINTS` per class."""
    lines = ["\t".join(("class", "code", *(name.replace("_", " ") for name in Curve._fields)))]
    for code, one in curves.items():
        size = len(one.thresholds)
        for index in np.unique(np.linspace(0, size - 1, min(size, POINTS)).round().astype(int)):
            numbers = (f"{values[index]:.6g}" for values in one)
            lines.append("\t".join((class_name(code), code, *numbers)))
    with atomic_write(path) as draft:
        draft.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    from experiments.__main__ import main

    main("curves")
