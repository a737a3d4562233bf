"""Events of a recording: heart rate by minute, ectopic beats in a row, bigeminy, pauses.

Two beats are neighbours unless noise lies between them, or a long gap that is not quiet, in which
beats may have been missed.  No event extends over such a place.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from holter.activity import Activity, noise, quiet_gaps

PAUSE_S = 2.0  # RR interval of a pause
RUN = 3  # beats; two are a couplet
BIGEMINY = 3  # ectopic beats, each after one other beat
MINUTE_S = 60.0
FEWEST = 3  # RR intervals of a minute that has a heart rate
AFTER_S, BEFORE_S = 0.5, 0.15  # of a gap that hold the waves of the beats at its ends
KINDS = ("N", "S", "V")


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


@dataclass(frozen=True, eq=False)
class Events:
    """Events of one recording; beats are counted as in `peaks`.

    Attributes
    ----------
    counts : dict of str to int
        Beats of each label.
    trend : np.ndarray of float, shape (minutes,)
        Heart rate in beats per minute from the median RR interval; NaN for fewer than three.
    joined : np.ndarray of bool, shape (beats - 1,)
        Whether neighbours in the list are neighbours in time.
    couplets, runs : dict of str to list of Episode
        For S and V: two beats in a row; three or more.
    bigeminy : list of Episode
        Every second beat ventricular, at least three of them.
    pauses, gaps : list of Interval
        Of 2 s or more: quiet; not quiet, so that beats may have been missed.
    longest, shortest : Interval or None
        Among neighbours.
    noise : np.ndarray of int, shape (stretches, 2)
        Onset and offset in samples.
    """

    counts: dict[str, int]
    trend: np.ndarray
    joined: np.ndarray
    couplets: dict[str, list[Episode]]
    runs: dict[str, list[Episode]]
    bigeminy: list[Episode]
    pauses: list[Interval]
    gaps: list[Interval]
    longest: Interval | None
    shortest: Interval | None
    noise: np.ndarray


def find_events(
    peaks: np.ndarray, labels: np.ndarray, activity: Activity, fs: float, stretches: np.ndarray
) -> Events:
    """Find the events.

    Parameters
    ----------
    peaks : np.ndarray of int, shape (beats,)
        R peaks in samples.
    labels : np.ndarray of str, shape (beats,)
        N, S or V.
    stretches : np.ndarray of int, shape (stretches, 2)
        Noise, from `holter.activity.noise`.
    """
    intervals = np.diff(peaks) / fs
    clear = ~_overlap(peaks[:-1], peaks[1:], stretches)
    long = np.flatnonzero(clear & (intervals >= PAUSE_S))
    ends = np.stack([peaks[long] + round(AFTER_S * fs), peaks[long + 1] - round(BEFORE_S * fs)], 1)
    quiet = np.array(list(quiet_gaps(activity, ends, peaks, fs)), bool)
    joined = clear.copy()
    joined[long[~quiet]] = False
    own = np.flatnonzero(joined)
    rr = [Interval(beat, float(intervals[beat])) for beat in own.tolist()]
    rows = {label: list(_in_a_row(labels == label, joined, intervals)) for label in "SV"}
    return Events(
        {label: int((labels == label).sum()) for label in KINDS},
        _trend(peaks, intervals, joined, activity.samples, fs),
        joined,
        {label: [row for row in rows[label] if row.beats == RUN - 1] for label in rows},
        {label: [row for row in rows[label] if row.beats >= RUN] for label in rows},
        list(_bigeminy(labels == "V", joined, intervals)),
        [Interval(int(beat), float(intervals[beat])) for beat in long[quiet]],
        [Interval(int(beat), float(intervals[beat])) for beat in long[~quiet]],
        max(rr, key=lambda one: one.seconds, default=None),
        min(rr, key=lambda one: one.seconds, default=None),
        stretches,
    )


def kept_beats(
    peaks: np.ndarray, activity: Activity, fs: float, usable: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Find the noise, and the beats outside it that have a usable lead.

    Returns
    -------
    kept : np.ndarray of bool, shape (beats,)
    stretches : np.ndarray of int, shape (stretches, 2)
    """
    stretches = noise(activity, peaks, fs)
    return ~_overlap(peaks, peaks + 1, stretches) & usable.any(axis=1), stretches


def _overlap(onsets: np.ndarray, offsets: np.ndarray, stretches: np.ndarray) -> np.ndarray:
    """Tell which spans overlap one of the stretches, which are in order."""
    following = np.searchsorted(stretches[:, 1], onsets, side="right")
    starts = np.append(stretches[:, 0], np.iinfo(np.int64).max)
    return np.asarray(starts[following] < offsets)


def _in_a_row(chosen: np.ndarray, joined: np.ndarray, intervals: np.ndarray) -> Iterator[Episode]:
    """Find the rows of chosen beats, `[first, last)`, that are neighbours."""
    follows = chosen[1:] & chosen[:-1] & joined  # beat i + 1 continues the row of beat i
    for first in np.flatnonzero(chosen & ~np.append(False, follows)).tolist():
        last = first + 1
        while last < len(chosen) and follows[last - 1]:
            last += 1
        yield _episode(first, last, intervals)


def _bigeminy(chosen: np.ndarray, joined: np.ndarray, intervals: np.ndarray) -> Iterator[Episode]:
    """Find the rows in which every second beat is chosen."""
    if not len(chosen):
        return
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
    """Give the heart rate of each minute in which RR intervals end."""
    minutes = np.full(-(-samples // round(MINUTE_S * fs)), np.nan)
    minute = (peaks[1:] / fs // MINUTE_S).astype(int)[joined]
    own = intervals[joined]
    starts = np.searchsorted(minute, np.arange(len(minutes) + 1))
    for index in range(len(minutes)):
        part = own[starts[index] : starts[index + 1]]
        if len(part) >= FEWEST:
            minutes[index] = 60 / np.median(part)
    return minutes
