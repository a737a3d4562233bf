"""What to look at first: a row per event, cluster or beat, the most important first."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from holter.result import CLASSES, Result

COLUMNS = ("rank", "kind", "time", "sample", "beats", "label", "cluster", "p", "why")
UNSURE = 30  # single beats listed
MOST = 50  # rows of each other kind
LIMIT = 0.9  # probability of the label below which a beat is listed


class Row(NamedTuple):
    """A row of the list.

    Attributes
    ----------
    kind : str
        run, pause, gap, cluster, couplet, bigeminy or beat.
    beat : int
        The first beat, or the one most like a cluster's mean.
    beats : int
        Number of beats.
    label : str
        Of the beats; "" for pauses and gaps.
    why : str
    cluster : int
        Number; 0 for none.
    p : float
        Mean probability of the label.
    """

    kind: str
    beat: int
    beats: int
    label: str
    why: str
    cluster: int = 0
    p: float = 1.0


def review(result: Result) -> list[Row]:
    """List what a person should look at.

    Runs, pauses and gaps come first, then clusters by the number of beats that are likely wrong
    (the sum of 1 - p), then couplets, bigeminy, and the beats of the lowest probability.
    """
    return [*_rows(result, result.probabilities.max(axis=1, initial=0))]


def _rows(result: Result, certain: np.ndarray) -> Iterator[Row]:
    events, gaps = result.events, result.gaps
    for label in "VS":
        for run in sorted(events.runs[label], key=lambda one: -one.beats)[:MOST]:
            p = float(certain[run.first : run.last].mean())
            why = f"{run.beats} in a row at {run.rate:.0f} per minute"
            yield Row("run", run.first, run.beats, label, why, p=p)
    for one in sorted(gaps.pauses, key=lambda one: -one.seconds)[:MOST]:
        yield Row("pause", one.beat, 2, "", f"{one.seconds:.2f} s without a beat")
    for one in sorted(gaps.unclear, key=lambda one: -one.seconds)[:MOST]:
        why = f"{one.seconds:.2f} s without a beat, not quiet: beats may be missing"
        yield Row("gap", one.beat, 2, "", why)
    yield from _clusters(result, certain)
    for kind, found in (("couplet", events.couplets["V"]), ("bigeminy", events.bigeminy)):
        for row in sorted(found, key=lambda one: -one.beats)[:MOST]:
            p = float(certain[row.first : row.last].mean())
            why = f"{row.beats} beats at {row.rate:.0f} per minute"
            yield Row(kind, row.first, row.beats, "V", why, p=p)
    for beat in np.argsort(certain, kind="stable")[:UNSURE].tolist():
        if certain[beat] < LIMIT:
            odds = zip(CLASSES, result.probabilities[beat], strict=True)
            why = "not sure: " + ", ".join(f"{label} {p:.2f}" for label, p in odds)
            label, cluster = str(result.labels[beat]), int(result.clusters[beat])
            yield Row("beat", beat, 1, label, why, cluster, float(certain[beat]))


def _clusters(result: Result, certain: np.ndarray) -> Iterator[Row]:
    rows = []
    for look in result.looks:
        own = certain[result.clusters == look.number]
        doubt = float((1 - own).sum())
        why = f"about {doubt:.0f} of its beats may have another label"
        if doubt < 0.5:
            why = "its beats most likely have the right label" if doubt else "reviewed"
        row = Row("cluster", look.centre, len(own), look.label, why, look.number, float(own.mean()))
        rows.append((doubt, row))
    yield from (row for _, row in sorted(rows, key=lambda one: -one[0]))


def cells(rank: int, row: Row, result: Result) -> tuple[str, ...]:
    """Give the texts of a row, as in `COLUMNS`."""
    sample = int(result.peaks[row.beat])
    return (
        str(rank), row.kind, clock(sample / result.fs), str(sample), str(row.beats), row.label,
        str(row.cluster) if row.cluster else "", f"{row.p:.3f}", row.why,
    )  # fmt: skip


def clock(seconds: float) -> str:
    """Format a time since the start of the recording.

    Examples
    --------
    >>> clock(3723.46), clock(86400)
    ('1:02:03.5', '24:00:00.0')
    """
    minutes, tenths = divmod(round(10 * seconds), 600)
    return f"{minutes // 60}:{minutes % 60:02d}:{tenths / 10:04.1f}"
