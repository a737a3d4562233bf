"""A model's errors on labelled records: mean probabilities, contradictions, and 2017's errors.

The matrix is that of Kang & Wen 2022, figure B1.  A record contradicts the model if one of its
labels has a probability near 0, or a class without label one near 1.  Then either the model or the
label is wrong; appendix A of the paper shows wrong labels.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datasets.sources import source_of
from docs.generate import table
from ecg.beats import detect, heart_rate, rr
from ecg.files import atomic_write, make_folder
from ecg.labels import AF_LETTERS, CODES, class_name
from ecg.plots import plot_record
from ecg.records import Record, read_record
from experiments.charts import plot_matrix
from experiments.outputs import Scored, read_scored

TOP_CLASSES = 3  # named in a record's picture
PER_CLASS = 2  # contradictions per class and kind, so that no class fills the list
KINDS, EXAMPLES, STRIPS, STRIP_S = 3, 2, 3, 10
EARLY = 0.85  # of the median RR interval; a shorter one is early


class Contradiction(NamedTuple):
    """A record and a class whose label and probability differ most."""

    record: int  # index
    column: int
    labelled: bool
    probability: float

    @property
    def text(self) -> str:
        """Class, label and probability."""
        label = "labelled" if self.labelled else "not labelled"
        return f"{class_name(CODES[self.column])} {label}, probability {self.probability:.2f}"


def mean_probabilities(scored: Scored) -> np.ndarray:
    """Average the probabilities over the records of each label: (label, class).

    A record counts for each of its labels; a label without a record is NaN.
    """
    labels = scored.labels.astype(float)
    counts = labels.sum(0)[:, None]
    sums = labels.T @ scored.probabilities
    return np.asarray(np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0))


def draw_matrix(records: Path, outputs: Path, picture: Path) -> None:
    """Draw the mean probabilities for a folder of labelled records and the outputs on it."""
    scored = read_scored(records, outputs)
    names = [class_name(code) for code in CODES]
    counts = zip(names, scored.labels.sum(0), strict=True)
    plot_matrix(
        picture, mean_probabilities(scored), [f"{name} ({count})" for name, count in counts], names,
        title=f"Mean probability, percent, of {len(scored.labels)} records",
        row_name="labelled class (records)", column_name="class",
    )  # fmt: skip


def contradictions(scored: Scored, count: int) -> list[Contradiction]:
    """Find the records that contradict the model most, each at most once.

    First half: a label with a low probability.  Second half: a class without label but with a high
    probability.  Both are sorted by the size of the contradiction.
    """
    chosen: dict[int, Contradiction] = {}
    for labelled in (True, False):
        limit = len(chosen) + (count + labelled) // 2
        wrong = 1 - scored.probabilities if labelled else scored.probabilities
        strength = np.where(scored.labels == labelled, wrong, 0)
        per_class: Counter[int] = Counter()
        for flat in np.argsort(-strength, axis=None, kind="stable").tolist():
            record, column = divmod(flat, strength.shape[1])
            if len(chosen) == limit or not strength[record, column] > 0.5:
                break
            if record not in chosen and per_class[column] < PER_CLASS:
                value = float(scored.probabilities[record, column])
                chosen[record] = Contradiction(record, column, labelled, value)
                per_class[column] += 1
    return list(chosen.values())


def draw_contradictions(records: Path, outputs: Path, folder: Path, count: int) -> list[str]:
    """Draw the strongest contradictions and list them in `contradictions.md`."""
    scored = read_scored(records, outputs)
    make_folder(folder)
    rows = []
    for one in contradictions(scored, count):
        name, probabilities = scored.names[one.record], scored.probabilities[one.record]
        labels = ", ".join(class_name(CODES[k]) for k in np.flatnonzero(scored.labels[one.record]))
        labels, source = labels or "none scored", source_of(name)
        top = np.argsort(-probabilities, kind="stable")[:TOP_CLASSES]
        likely = ", ".join(f"{class_name(CODES[k])} {probabilities[k]:.2f}" for k in top)
        stamp = "simulated; " if source == "simulated" else ""
        record = read_record(records / f"{name}.hea")
        plot_record(
            folder / f"{name}.png", record.signal, record.leads, record.fs,
            title=f"{name} ({source}): {one.text}",
            note=f"{stamp}labels: {labels}; most probable: {likely}",
        )  # fmt: skip
        rows.append(f"{name} | {source} | {one.text} | {labels} | {likely} | [picture]({name}.png)")
    head = "record | source | contradiction | labels | most probable | picture"
    return _written(folder / "contradictions.md", table(head, rows))


def _written(path: Path, lines: list[str]) -> list[str]:
    with atomic_write(path) as draft:
        draft.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return lines


def common_errors(scored: Scored) -> list[tuple[int, int, np.ndarray]]:
    """Find the most frequent confusions of 2017's classes.

    Returns
    -------
    list of (label, output, indices)
        Columns, and the records in descending probability of the output.
    """
    confusion = scored.labels.astype(int).T @ scored.outputs.astype(int)
    np.fill_diagonal(confusion, 0)
    errors = []
    for flat in np.argsort(-confusion, axis=None, kind="stable")[:KINDS].tolist():
        label, output = divmod(flat, len(confusion))
        indices = np.flatnonzero(scored.labels[:, label] & scored.outputs[:, output])
        order = np.argsort(-scored.probabilities[indices, output], kind="stable")
        if confusion[label, output]:
            errors.append((label, output, indices[order]))
    return errors


def rhythm(record: Record) -> tuple[float, float, float]:
    """Measure heart rate (1/min), early beats, and the median change between RR intervals.

    The change is a share of the median interval; NaN with fewer than two intervals.
    """
    r_peaks = detect(record.signal[:1], record.fs)
    intervals = rr(r_peaks, record.fs)
    if len(intervals) < 2:
        return (np.nan,) * 3
    usual = np.median(intervals)
    change = np.median(np.abs(np.diff(intervals))) / usual
    return heart_rate(r_peaks, record.fs), float((intervals < EARLY * usual).sum()), float(change)


def rhythm_rows(scored: Scored, rhythms: np.ndarray) -> Iterator[str]:
    """Describe the most frequent confusions, then the correct outputs, by medians.

    Parameters
    ----------
    rhythms : np.ndarray, shape (records, 3)
        Of `rhythm`.
    """
    confused = [(label, output) for label, output, _ in common_errors(scored)]
    for label, output in [*confused, *((k, k) for k in range(len(scored.classes)))]:
        members = scored.labels[:, label] & scored.outputs[:, output]
        if not members.any():
            continue
        measured = rhythms[members & np.isfinite(rhythms).all(1)]
        rate, early, change = np.median(measured, 0) if len(measured) else np.full(3, np.nan)
        yield (
            f"{scored.classes[label]} | {scored.classes[output]} | {members.sum()} | {rate:.0f} | "
            f"{early:.0f} | ± {100 * change:.1f} % | "
            f"{np.median(scored.probabilities[members, output]):.2f}"
        )


def draw_errors(records: Path, outputs: Path, folder: Path) -> list[str]:
    """Draw examples of 2017's most frequent confusions and describe all in `errors.md`."""
    scored = read_scored(records, outputs, AF_LETTERS)
    make_folder(folder)
    signals = [read_record(records / f"{name}.hea") for name in scored.names]
    rows = []
    for label, output, indices in common_errors(scored):
        for index in indices[:EXAMPLES].tolist():
            record, names = signals[index], (AF_LETTERS[label], AF_LETTERS[output])
            title = f"{record.name}: labelled {names[0]}, predicted {names[1]}"
            probability = f"{scored.probabilities[index, output]:.2f}"
            _draw_strips(record, folder / f"{record.name}.png", title, probability)
            rows.append(f"{' | '.join(names)} | [{record.name}]({record.name}.png) | {probability}")
    measured = rhythm_rows(scored, np.array([rhythm(record) for record in signals]))
    head = ("label | output | records | heart rate | early beats | change of RR | "
            "probability of the output")  # fmt: skip
    examples = table("label | output | picture of | probability of the output", rows)
    return _written(folder / "errors.md", [*table(head, list(measured)), "", *examples])


def _draw_strips(record: Record, path: Path, title: str, probability: str) -> None:
    length = int(STRIP_S * record.fs)
    shown = record.signal[0, : STRIPS * length]
    strips = np.pad(shown, (0, -len(shown) % length), constant_values=np.nan).reshape(-1, length)
    plot_record(
        path, strips, [f"{STRIP_S * row} s" for row in range(len(strips))], record.fs, title=title,
        note=f"probability {probability}; {record.signal.shape[1] / record.fs:.0f} s",
    )  # fmt: skip
