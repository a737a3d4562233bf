"""Detected beats compared with marked beats: matching, counts, sensitivity, predictivity.

After `bxb` and ANSI/AAMI EC57: a beat detected within 150 ms of a marked beat is correct, one to
one.  Where we differ: the matching is optimal (most pairs, then the smallest total distance), where
`bxb` goes from left to right; the first five minutes count, unless `since_s` leaves them out.  Wave
onsets and offsets use the same matching.
"""

import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from scoring.measures import macro, ratio

TOLERANCE_MS = 150.0  # EC57
TOLERANCES_MS = (36.0, 50.0, 75.0, 150.0)  # for accuracy as a function of tolerance
LEARNING_S = 300.0  # left out by bxb at the beginning
ROUNDING = 1e-9  # relative: 150 ms may be 75.00000000000001 samples


class BeatCounts(NamedTuple):
    """Numbers of beats: integers, or arrays with one per record or tolerance."""

    tp: np.ndarray | int  # marked and detected
    fn: np.ndarray | int  # marked, not detected
    fp: np.ndarray | int  # detected, not marked


def match(marked: np.ndarray, detected: np.ndarray, tolerance: float) -> np.ndarray:
    """Match marks with detections: most pairs, then the smallest total distance.

    Parameters
    ----------
    marked, detected : np.ndarray of real numbers, shapes (marks,) and (detections,)
        Ascending, in samples or any other unit.
    tolerance : float
        Largest distance of a pair, in the same unit.

    Memory grows with the square of the longest run of marks and detections whose neighbours are all
    within the tolerance: a few, unless all beats are shifted by half of a short RR interval.

    Returns
    -------
    np.ndarray of int, shape (pairs, 2)
        Indices into `marked` and `detected`, ascending.

    Examples
    --------
    >>> match(np.array([100, 300, 500]), np.array([110, 290, 295, 700]), 75).tolist()
    [[0, 0], [1, 2]]
    """
    marked, detected = np.asarray(marked, float), np.asarray(detected, float)
    tolerance *= 1 + ROUNDING
    times = np.concatenate([marked, detected])
    order = np.argsort(times, kind="stable")
    # No pair spans a gap that is longer than the tolerance.
    cluster = np.zeros(len(times), int)
    cluster[order[1:]] = np.cumsum(np.diff(times[order]) > tolerance)
    clusters = int(cluster.max(initial=-1)) + 1
    of_marked = np.searchsorted(cluster[: len(marked)], np.arange(clusters + 1))
    of_detected = np.searchsorted(cluster[len(marked) :], np.arange(clusters + 1))
    marks, detections = np.diff(of_marked), np.diff(of_detected)
    single = (marks == 1) & (detections == 1)
    pairs = [np.stack([of_marked[:-1][single], of_detected[:-1][single]], axis=1)]
    for index in np.flatnonzero((marks > 0) & (detections > 0) & ~single).tolist():
        first = [of_marked[index], of_detected[index]]
        cluster_pairs = _match_cluster(
            marked[first[0] : of_marked[index + 1]],
            detected[first[1] : of_detected[index + 1]],
            tolerance,
        )
        pairs.append(cluster_pairs + first)
    all_pairs = np.concatenate(pairs)
    return all_pairs[np.argsort(all_pairs[:, 0], kind="stable")]


def _match_cluster(marked: np.ndarray, detected: np.ndarray, tolerance: float) -> np.ndarray:
    """Match by dynamic programming over prefixes; optimal pairs never cross."""
    distance = np.abs(marked[:, None] - detected)
    pair = (tolerance + 1) * (min(distance.shape) + 1)  # exceeds the sum of all distances
    cost = np.where(distance <= tolerance, distance - pair, np.inf)
    best = np.zeros((len(marked) + 1, len(detected) + 1))
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
    detected: np.ndarray,
    fs: float,
    *,
    tolerance_ms: float = TOLERANCE_MS,
    since_s: float = 0.0,
    left_out: np.ndarray | None = None,
) -> BeatCounts:
    """Count the true positive, missed and false beats of a record.

    Parameters
    ----------
    marked, detected : np.ndarray of int, shapes (marks,) and (detections,)
        Samples, ascending.
    fs : float
        Hz.
    tolerance_ms : float
    since_s : float
        Marked beats and false beats before this are not counted: `LEARNING_S` for bxb's figures.
        The whole record is matched, so that no beat at the border is lost.
    left_out : np.ndarray, shape (stretches, 2), optional
        First and last sample of stretches without scoring, such as ventricular flutter.

    Examples
    --------
    >>> count(np.array([100, 300, 500]), np.array([110, 290, 295, 700]), 500)
    BeatCounts(tp=2, fn=1, fp=2)
    """
    marked, detected = outside(marked, left_out), outside(detected, left_out)
    pairs = match(marked, detected, tolerance_ms * fs / 1000)
    missed, false = np.ones(len(marked), bool), np.ones(len(detected), bool)
    missed[pairs[:, 0]] = false[pairs[:, 1]] = False
    counted = marked >= since_s * fs
    cases = (counted & ~missed, counted & missed, false & (detected >= since_s * fs))
    return BeatCounts(*(int(case.sum()) for case in cases))


def outside(marks: np.ndarray, stretches: np.ndarray | None) -> np.ndarray:
    """Return the marks outside of stretches, (stretches, 2) first and last sample."""
    marks = np.asarray(marks)
    if stretches is None:
        return marks
    inside = [(marks >= first) & (marks <= last) for first, last in stretches]
    return marks[~np.any(inside, axis=0)] if inside else marks


def sensitivity(counts: BeatCounts) -> np.ndarray:
    """Compute the share of marked beats that are detected, 0 to 1; NaN without marks."""
    return ratio(counts.tp, np.add(counts.tp, counts.fn))


def positive_predictivity(counts: BeatCounts) -> np.ndarray:
    """Compute the share of detected beats that are marked, 0 to 1; NaN without detections."""
    return ratio(counts.tp, np.add(counts.tp, counts.fp))


def f1(counts: BeatCounts) -> np.ndarray:
    """Compute the harmonic mean of both, 0 to 1; NaN without marks and detections."""
    double = 2 * np.asarray(counts.tp)
    return ratio(double, double + counts.fn + counts.fp)


def stack(records: Sequence[BeatCounts]) -> BeatCounts:
    """Stack the counts of records: each of shape (records, …)."""
    return BeatCounts(*(np.array(column) for column in zip(*records, strict=True)))


def gross(counts: BeatCounts) -> BeatCounts:
    """Add up records, the first axis, for EC57's gross figures: each beat counts once."""
    return BeatCounts(*(np.sum(column, axis=0) for column in counts))


def average(figures: np.ndarray) -> np.ndarray:
    """Average over records, the first axis, without NaN: each record counts once."""
    return macro(np.moveaxis(np.asarray(figures, float), 0, -1))


if __name__ == "__main__":
    message = "scoring.beats is no command; `python -m benchmarks.beats` scores detectors."
    print(message) if "--help" in sys.argv else sys.exit(message)
