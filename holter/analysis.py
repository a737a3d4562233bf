"""The pipeline of one recording: R peaks, noise, windows, labels, clusters."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ecg.beats import detect_long
from ecg.records import Record
from holter.activity import Activity, Meter, noise
from holter.clusters import Cluster, find_clusters
from holter.events import find_gaps, overlap
from holter.parts import choose_rows, read_parts
from holter.result import Heat, Look, Result, label_of
from holter.table import PART_S, BeatTable, read_table

# Probabilities of N, S and V, (beats, 3); a row of zeros is no beat.
Classifier = Callable[[BeatTable], np.ndarray]
# Which R peaks are beats, not artefacts: bool (beats,).
Gate = Callable[[BeatTable], np.ndarray]
# Grad-CAM of some beats and their labels, (some, leads, 300).
Explain = Callable[[BeatTable, Sequence[int], Sequence[str]], np.ndarray]


def analyse(
    record: Record,
    classify: Classifier,
    leads: Sequence[str] = (),
    *,
    model: dict[str, str] | None = None,
    gate: Gate | None = None,
    explain: Explain | None = None,
    without: Collection[str] = (),
    part_s: float = PART_S,
    advance: Callable[[int], object] = int,
) -> Result:
    """Find, label and group the beats of a recording.

    Parameters
    ----------
    leads : sequence of str
        Leads to use, by name; () for all.
    model : dict of str to str, optional
        Name and sha256 of the classifier, for the report.
    gate : callable, optional
        Tells artefacts from beats, before the classifier.
    explain : callable, optional
        Explains the beat most like the mean of each cluster.
    without : collection of str
        Steps of `holter.steps.OF_ALL` that are left out.
    part_s : float
        Seconds of the recording in memory; the result does not depend on it.
    advance : callable
        Is told the number of samples after each part, of two readings, for a progress bar.

    Raises
    ------
    LeadwiseError
        The record has none of the leads, cannot be read, or has a rate below 100 Hz.
    """
    table, activity, stretches, peaks = find_beats(
        record, leads, gate, part_s=part_s, advance=advance
    )
    probabilities = np.asarray(classify(table), float)
    beats = np.asarray(probabilities.any(axis=1))
    table, probabilities = table.keep(beats), probabilities[beats]
    clusters = np.zeros(len(table), int)
    found = find_clusters(table, label_of(probabilities), without)
    for one in found:
        clusters[one.members] = one.number
    looks = [
        Look(one.number, one.label, one.centre, one.mean, one.spread, heat)
        for one, heat in zip(found, explained(table, found, explain), strict=True)
    ]
    return Result(
        table.name, table.fs, activity.samples, table.leads, model or {}, table.peaks,
        probabilities, clusters, tuple(looks),
        find_gaps(table.peaks, activity, record.fs, stretches), stretches,
        left_out=peaks - len(table),
    )  # fmt: skip


def explained(
    table: BeatTable, found: Sequence[Cluster], explain: Explain | None
) -> Sequence[Heat | None]:
    """Explain the label of each cluster's most typical beat."""
    if not (explain and found):
        return [None] * len(found)
    centres, labels = [one.centre for one in found], [one.label for one in found]
    beats = np.where(table.usable[centres][..., None], table.windows[centres], np.nan)
    heats = explain(table, centres, labels)
    return [Heat(*one) for one in zip(labels, beats.astype(np.float32), heats, strict=True)]


class Found(NamedTuple):
    """Beats of a recording, its activity and noise, and the number of R peaks before the gate."""

    table: BeatTable
    activity: Activity
    noise: np.ndarray
    peaks: int


def find_beats(
    record: Record,
    leads: Sequence[str] = (),
    gate: Gate | None = None,
    *,
    part_s: float = PART_S,
    advance: Callable[[int], object] = int,
) -> Found:
    """Find the beats: R peaks that a usable lead has, outside noise, which the gate lets pass.

    Raises
    ------
    LeadwiseError
        As for `analyse`.
    """
    peaks, activity = scan(record, leads, part_s=part_s, advance=advance)
    table = read_table(record, leads, peaks, part_s=part_s, advance=advance)
    table = table.keep(np.asarray(table.usable.any(axis=1)))
    beats = gate(table) if gate else None
    stretches = noise(activity, table.peaks, record.fs, beats)
    clear = ~overlap(table.peaks, table.peaks + 1, stretches)
    table = table.keep(clear if beats is None else clear & beats)
    return Found(table, activity, stretches, len(peaks))


def scan(
    record: Record,
    leads: Sequence[str] = (),
    *,
    part_s: float = PART_S,
    advance: Callable[[int], object] = int,
) -> tuple[np.ndarray, Activity]:
    """Find the R peaks and measure the activity of the leads, in one reading.

    Raises
    ------
    LeadwiseError
        As for `analyse`.
    """
    rows, meter = choose_rows(record, leads), Meter(record.fs)
    length = meter.step * max(1, round(part_s * record.fs / meter.step))

    def signals() -> Iterator[np.ndarray]:
        for part in read_parts(record, rows, length, meter.margin):
            meter.add(part)
            advance(part.end - part.begin)
            yield part.signal[:, part.begin - part.first :][:, : part.end - part.begin]

    return detect_long(signals(), record.fs), meter.finish()
