"""What a model gets wrong on labelled records: a matrix, and the records that contradict it most.

The matrix is that of Kang & Wen 2022, figure B1: of the records that have a label, the mean
probability of each class.  A record contradicts the model where it bears a label that the model
gives next to no probability, or where the model is sure of a class that it is not labelled with:
one of the two is wrong, and the paper's appendix A shows that it may well be the label.
"""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datasets.sources import source_of
from ecg.files import atomic_write, make_folder
from ecg.labels import CODES, class_name
from ecg.plots import plot_record
from ecg.records import read_record
from experiments.charts import plot_matrix
from experiments.outputs import Scored, read_scored

NAMED = 3  # classes of a record that its picture names


class Contradiction(NamedTuple):
    """A record, a class, and what label and model say of it."""

    record: str
    place: int  # of the class
    labelled: bool
    probability: float

    @property
    def text(self) -> str:
        """Say it for people."""
        said = "labelled" if self.labelled else "not labelled"
        return f"{class_name(CODES[self.place])} {said}, probability {self.probability:.2f}"


def mean_probabilities(scored: Scored) -> np.ndarray:
    """Average the probabilities of the records of each class: (labelled class, class).

    A record counts for each of its labels; a class without a record is NaN.
    """
    labels = scored.labels.astype(float)
    counts = labels.sum(0)[:, None]
    sums = labels.T @ scored.probabilities
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def draw_matrix(records: Path, outputs: Path, picture: Path) -> None:
    """Draw the matrix of a folder of labelled records and the outputs on it.

    Raises
    ------
    LeadwiseError
        They do not fit each other.
    """
    scored = read_scored(records, outputs)
    counts = scored.labels.sum(0)
    names = [class_name(code) for code in CODES]
    plot_matrix(
        picture, mean_probabilities(scored),
        [f"{name} ({count})" for name, count in zip(names, counts, strict=True)], names,
        title=f"Mean probability, percent, of {len(scored.labels)} records",
        row_name="labelled class (records)", column_name="class",
    )  # fmt: skip


def contradictions(scored: Scored, count: int, each: int = 2) -> list[Contradiction]:
    """Find the records that contradict the model most.

    Parameters
    ----------
    count : int
        Records; half of them are labelled with what the model denies, half the other way, as long
        as there are so many.  A record is shown once.
    each : int
        Records a class and kind: else one class would fill the list.

    Returns
    -------
    list of Contradiction
        The denied labels first, each kind from the strongest on.
    """
    found: list[Contradiction] = []
    for labelled, wanted in ((True, (count + 1) // 2), (False, count // 2)):
        sureness = np.where(scored.labels == labelled, scored.probabilities, np.nan)
        strength = 1 - sureness if labelled else sureness
        order = np.argsort(-strength, axis=None, kind="stable")  # NaN come last
        of_class: Counter[int] = Counter()
        shown = {one.record for one in found}
        some: list[Contradiction] = []
        for row, place in zip(*np.unravel_index(order, strength.shape), strict=True):
            if len(some) == wanted or not strength[row, place] > 0.5:
                break
            name = scored.names[row]
            if name not in shown and of_class[place] < each:
                some.append(Contradiction(name, int(place), labelled, float(sureness[row, place])))
                shown.add(name)
                of_class[place] += 1
        found += some
    return found


def draw_contradictions(records: Path, outputs: Path, out: Path, count: int) -> list[str]:
    """Draw the records that contradict the model most, and list them in `contradictions.md`.

    Raises
    ------
    LeadwiseError
        Records and outputs do not fit each other, or the folder cannot be written.
    """
    scored = read_scored(records, outputs)
    place_of = {name: row for row, name in enumerate(scored.names)}
    make_folder(out)
    lines = ["| record | source | contradiction | labels | most probable | picture |",
             "| --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    for one in contradictions(scored, count):
        row = place_of[one.record]
        labels = ", ".join(class_name(CODES[k]) for k in np.flatnonzero(scored.labels[row]))
        best = np.argsort(-scored.probabilities[row], kind="stable")[:NAMED]
        likely = ", ".join(
            f"{class_name(CODES[k])} {scored.probabilities[row, k]:.2f}" for k in best
        )
        source, picture = source_of(one.record), f"{one.record}.png"
        stamp = "simulated; " if source == "simulated" else ""
        record = read_record(records / f"{one.record}.hea")
        plot_record(
            out / picture, record.signal, record.leads, record.fs,
            title=f"{one.record} ({source}): {one.text}",
            note=f"{stamp}labels: {labels or 'none scored'}; most probable: {likely}",
        )  # fmt: skip
        lines.append(
            f"| {one.record} | {source} | {one.text} | {labels or 'none scored'} | {likely} | "
            f"[picture]({picture}) |"
        )
    with atomic_write(out / "contradictions.md") as draft:
        draft.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return lines
