"""Beats found against beats marked: who belongs to whom, and what follows from it.

In the manner of `bxb` and ANSI/AAMI EC57: a beat found within 150 ms of a marked one is right, one
to one.  Ours is the best matching there is (most pairs, then the least distance in all), where
`bxb` goes from left to right; and nothing is left out for learning unless asked for.  Count once
(`count`), derive the rest; the same matching serves the limits of waves.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from scoring.measures import macro, ratio

TOLERANCE_MS = 150.0  # EC57
TOLERANCES_MS = (36.0, 50.0, 75.0, 150.0)  # a curve: how exactly, not only whether
LEARNING_S = 300.0  # what bxb leaves out at the beginning
ROUNDING = 1e-9  # relative: 150 ms may be 75.00000000000001 samples


class BeatCounts(NamedTuple):
    """Numbers of beats; integers, or arrays with one for each record or tolerance."""

    tp: np.ndarray | int  # marked and found
    fn: np.ndarray | int  # marked, not found
    fp: np.ndarray | int  # found, not marked


def match(marked: np.ndarray, found: np.ndarray, tolerance: float) -> np.ndarray:
    """Pair marks with findings: as many pairs as possible, then the least distance in all.

    Parameters
    ----------
    marked, found : np.ndarray of real numbers, shapes (marks,) and (findings,)
        Ascending, in samples or any other unit.
    tolerance : float
        In the same unit; a pair may be so far apart, and no farther.

    Memory grows with the square of the longest run of marks and findings in which none is farther
    than the tolerance from the next: a few, unless all beats are shifted by half of a short RR.

    Returns
    -------
    np.ndarray of int, shape (pairs, 2)
        Places in `marked` and in `found`, ascending.

    Examples
    --------
    >>> match(np.array([100, 300, 500]), np.array([110, 290, 295, 700]), 75).tolist()
    [[0, 0], [1, 2]]
    """
    marked, found = np.asarray(marked, float), np.asarray(found, float)
    tolerance *= 1 + ROUNDING
    times = np.concatenate([marked, found])
    order = np.argsort(times, kind="stable")
    # Where neighbours are farther apart than the tolerance, no pair can lie across.
    cluster = np.zeros(len(times), int)
    cluster[order[1:]] = np.cumsum(np.diff(times[order]) > tolerance)
    clusters = int(cluster.max(initial=-1)) + 1
    of_marked = np.searchsorted(cluster[: len(marked)], np.arange(clusters + 1))
    of_found = np.searchsorted(cluster[len(marked) :], np.arange(clusters + 1))
    marks, findings = np.diff(of_marked), np.diff(of_found)
    alone = (marks == 1) & (findings == 1)
    pairs = [np.stack([of_marked[:-1][alone], of_found[:-1][alone]], axis=1)]
    for index in np.flatnonzero((marks > 0) & (findings > 0) & ~alone).tolist():
        here, there = of_marked[index], of_found[index]
        some = _match_cluster(
            marked[here : of_marked[index + 1]], found[there : of_found[index + 1]], tolerance
        )
        pairs.append(some + [here, there])
    together = np.concatenate(pairs)
    return together[np.argsort(together[:, 0], kind="stable")]


def _match_cluster(marked: np.ndarray, found: np.ndarray, tolerance: float) -> np.ndarray:
    """Match by dynamic programming over prefixes; the best pairs never cross (both ascending)."""
    distance = np.abs(marked[:, None] - found)
    pair = (tolerance + 1) * (min(distance.shape) + 1)  # worth more than all distances together
    cost = np.where(distance <= tolerance, distance - pair, np.inf)
    best = np.zeros((len(marked) + 1, len(found) + 1))
    for row in range(len(marked)):
        new = np.minimum(best[row, 1:], best[row, :-1] + cost[row])
        best[row + 1, 1:] = np.minimum.accumulate(new)
    pairs = []
    row, column = distance.shape
    while row and column:
        if best[row, column] == best[row - 1, column]:
            row -= 1
        elif best[row, column] == best[row, column - 1]:
            column -= 1
        else:
            row, column = row - 1, column - 1
            pairs.append((row, column))
    return np.array(pairs[::-1], int).reshape(-1, 2)


def count(
    marked: np.ndarray,
    found: np.ndarray,
    fs: float,
    *,
    tolerance_ms: float = TOLERANCE_MS,
    since_s: float = 0.0,
    left_out: np.ndarray | None = None,
) -> BeatCounts:
    """Count the beats of a record that are found, missed and made up.

    Parameters
    ----------
    marked, found : np.ndarray of int, shapes (marks,) and (findings,)
        Samples, ascending.
    fs : float
        Hz.
    tolerance_ms : float
    since_s : float
        Beats marked, and beats made up, before this are not counted: `LEARNING_S` for bxb's
        figures.  Whole records are matched all the same, so that no beat at the border is lost.
    left_out : np.ndarray, shape (stretches, 2), optional
        First and last sample of stretches in which nothing counts on either side, as ventricular
        flutter.

    Examples
    --------
    >>> count(np.array([100, 300, 500]), np.array([110, 290, 295, 700]), 500)
    BeatCounts(tp=2, fn=1, fp=2)
    """
    marked, found = outside(marked, left_out), outside(found, left_out)
    pairs = match(marked, found, tolerance_ms * fs / 1000)
    missed, made_up = np.ones(len(marked), bool), np.ones(len(found), bool)
    missed[pairs[:, 0]] = made_up[pairs[:, 1]] = False
    counted = marked >= since_s * fs
    cases = (counted & ~missed, counted & missed, made_up & (found >= since_s * fs))
    return BeatCounts(*(int(case.sum()) for case in cases))


def outside(marks: np.ndarray, stretches: np.ndarray | None) -> np.ndarray:
    """Leave out the marks within stretches, (stretches, 2) first and last sample."""
    marks = np.asarray(marks)
    if stretches is None:
        return marks
    inside = [(marks >= first) & (marks <= last) for first, last in stretches]
    return marks[~np.any(inside, axis=0)] if inside else marks


def sensitivity(counts: BeatCounts) -> np.ndarray:
    """Derive the share of marked beats that are found, 0 to 1; NaN where none is marked."""
    return ratio(counts.tp, np.add(counts.tp, counts.fn))


def positive_predictivity(counts: BeatCounts) -> np.ndarray:
    """Derive the share of found beats that are marked, 0 to 1; NaN where none is found."""
    return ratio(counts.tp, np.add(counts.tp, counts.fp))


def f1(counts: BeatCounts) -> np.ndarray:
    """Derive the harmonic mean of both, 0 to 1; NaN where there is nothing on either side."""
    double = 2 * np.asarray(counts.tp)
    return ratio(double, double + counts.fn + counts.fp)


def stack(records: Sequence[BeatCounts]) -> BeatCounts:
    """Put the counts of records side by side: each of shape (records, …)."""
    return BeatCounts(*(np.array(column) for column in zip(*records, strict=True)))


def gross(counts: BeatCounts) -> BeatCounts:
    """Add up records, the first axis: EC57's gross figures follow, each beat counting once."""
    return BeatCounts(*(np.sum(column, axis=0) for column in counts))


def average(figures: np.ndarray) -> np.ndarray:
    """Average records, the first axis, each counting once; what is NaN is left out."""
    return macro(np.moveaxis(np.asarray(figures, float), 0, -1))
