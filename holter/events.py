"""Events of a recording: heart rate by minute, ectopic beats in a row, bigeminy, pauses.

Two beats are neighbours unless noise lies between them, or a long gap that is not quiet, in which
beats may have been missed.  No event extends over such a place.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from holter.activity import Activity, quiet_gaps

PAUSE_S = 2.0  # RR interval of a pause
RUN = 3  # beats; two are a couplet
BIGEMINY = 3  # ectopic beats, each after one other beat
MINUTE_S = 60.0
FEWEST = 3  # RR intervals of a minute that has a heart rate
AFTER_S, BEFORE_S = 0.5, 0.15  # of a gap that hold the waves of the beats at its ends


class Episode(NamedTuple):
    """Beats `[first, last)` in a row; `rate` is beats per minute between them."""

    first: int
    last: int
    rate: float

    @property
    def beats(self) -> int:
        """Number of beats."""
        return self.last - self.first


class Interval(NamedTuple):
    """An RR interval: the beat at its onset, and seconds."""

    beat: int
    seconds: float


class Gaps(NamedTuple):
    """Intervals of 2 s or more, and which beats are neighbours in time.

    Attributes
    ----------
    joined : np.ndarray of bool, shape (beats - 1,)
        Whether neighbours in the list are neighbours in time.
    pauses, unclear : list of Interval
        Quiet ones; others, in which beats may have been missed.
    """

    joined: np.ndarray
    pauses: list[Interval]
    unclear: list[Interval]


@dataclass(frozen=True, eq=False)
class Events:
    """Events that follow from the labels.

    Attributes
    ----------
    counts : dict of str to int
        Beats of each label.
    trend : np.ndarray of float, shape (minutes,)
        Heart rate in beats per minute from the median RR interval; NaN for fewer than three.
    couplets, runs : dict of str to list of Episode
        For S and V: two beats in a row; three or more.
    bigeminy : list of Episode
        Every second beat ventricular, at least three of them.
    longest, shortest : Interval or None
        Among neighbours.
    """

    counts: dict[str, int]
    trend: np.ndarray
    couplets: dict[str, list[Episode]]
    runs: dict[str, list[Episode]]
    bigeminy: list[Episode]
    longest: Interval | None
    shortest: Interval | None


def find_gaps(peaks: np.ndarray, activity: Activity, fs: float, noise: np.ndarray) -> Gaps:
    """Find the long intervals, and decide which of them are pauses.

    Parameters
    ----------
    peaks : np.ndarray of int, shape (beats,)
        R peaks in samples.
    noise : np.ndarray of int, shape (stretches, 2)
        From `holter.activity.noise`.
    """
    intervals = np.diff(peaks) / fs
    joined = ~overlap(peaks[:-1], peaks[1:], noise)
    long = np.flatnonzero(joined & (intervals >= PAUSE_S))
    ends = np.stack([peaks[long] + round(AFTER_S * fs), peaks[long + 1] - round(BEFORE_S * fs)], 1)
    quiet = np.array(list(quiet_gaps(activity, ends, peaks, fs)), bool)
    joined[long[~quiet]] = False
    pauses, unclear = (
        [Interval(beat, float(intervals[beat])) for beat in long[chosen].tolist()]
        for chosen in (quiet, ~quiet)
    )
    return Gaps(joined, pauses, unclear)


def find_events(
    peaks: np.ndarray, labels: np.ndarray, joined: np.ndarray, samples: int, fs: float
) -> Events:
    """Find the events.

    Parameters
    ----------
    peaks : np.ndarray of int, shape (beats,)
        R peaks in samples.
    labels : np.ndarray of str, shape (beats,)
        N, S or V.
    joined : np.ndarray of bool, shape (beats - 1,)
        As in `Gaps`.
    samples : int
        Length of the recording.
    """
    intervals = np.diff(peaks) / fs
    rr = [Interval(beat, float(intervals[beat])) for beat in np.flatnonzero(joined).tolist()]
    rows = {label: list(_in_a_row(labels == label, joined, intervals)) for label in "SV"}
    return Events(
        {label: int((labels == label).sum()) for label in "NSV"},
        _trend(peaks, intervals, joined, samples, fs),
        {label: [row for row in rows[label] if row.beats == RUN - 1] for label in rows},
        {label: [row for row in rows[label] if row.beats >= RUN] for label in rows},
        list(_bigeminy(labels == "V", joined, intervals)),
        max(rr, key=lambda one: one.seconds, default=None),
        min(rr, key=lambda one: one.seconds, default=None),
    )


def overlap(onsets: np.ndarray, offsets: np.ndarray, stretches: np.ndarray) -> np.ndarray:
    """Tell which spans overlap one of the stretches, which are in order.

    Examples
    --------
    >>> overlap(np.array([0, 5, 9]), np.array([5, 9, 12]), np.array([[6, 9]]))
    array([False,  True, False])
    """
    following = np.searchsorted(stretches[:, 1], onsets, side="right")
    starts = np.append(stretches[:, 0], np.iinfo(np.int64).max)
    return np.asarray(starts[following] < offsets)


def _in_a_row(chosen: np.ndarray, joined: np.ndarray, intervals: np.ndarray) -> Iterator[Episode]:
    """Find the rows of chosen beats that are neighbours."""
    follows = chosen[1:] & chosen[:-1] & joined  # beat i + 1 continues the row of beat i
    starts = np.flatnonzero(chosen & ~np.append(False, follows)[: len(chosen)])
    ends = np.flatnonzero(chosen & ~np.append(follows, False)[: len(chosen)])
    for first, final in zip(starts.tolist(), ends.tolist(), strict=True):
        yield _episode(first, final + 1, intervals)


def _bigeminy(chosen: np.ndarray, joined: np.ndarray, intervals: np.ndarray) -> Iterator[Episode]:
    """Find the rows in which every second beat is chosen."""
    changes = (chosen[1:] != chosen[:-1]) & joined
    limits = np.flatnonzero(np.diff(changes.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
    for first, final in limits.tolist():
        if chosen[first : final + 1].sum() >= BIGEMINY:
            yield _episode(first, final + 1, intervals)


def _episode(first: int, last: int, intervals: np.ndarray) -> Episode:
    inside = intervals[first : last - 1]
    return Episode(first, last, float(60 / inside.mean()) if inside.size else float("nan"))


def _trend(
    peaks: np.ndarray, intervals: np.ndarray, joined: np.ndarray, samples: int, fs: float
) -> np.ndarray:
    """Give the heart rate of each minute, of the RR intervals that end in it."""
    rates = np.full(-(-samples // round(MINUTE_S * fs)), np.nan)
    minute = (peaks[1:] / fs // MINUTE_S).astype(int)[joined]
    limits = np.searchsorted(minute, np.arange(len(rates) + 1))
    for index, own in enumerate(np.split(intervals[joined], limits[1:-1])):
        if len(own) >= FEWEST:
            rates[index] = 60 / np.median(own)
    return rates
