"""Beats of a recording as a table of windows, read part by part.

A window depends on nothing but the samples around its R peak, so the table is the same for any
length of the parts.  Of 24 hours with three leads the table takes 200 MB, a part 2 MB.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from ecg.beats import detect_long
from ecg.records import Record
from holter.parts import choose_rows, read_parts

FS = 250.0  # Hz, of the windows
HALF = 150  # samples of a window before the R peak, and from it on
PART_S = 300.0  # seconds of the recording in memory
BATCH = 256  # beats that are resampled together
TAPS = 10  # of the resampling filter on each side, in samples of the lower rate
MOST_MISSING = 0.1  # share of a usable window
FLAT_MV = 0.02  # range of a window below which its lead is flat
MOST_MV = 30.0  # range of a window above which its lead has lost contact
RAIL_S, RAIL_MV = 0.04, 1.0  # equal extreme samples, this far from the median, are saturated


@dataclass(frozen=True, eq=False)
class BeatTable:
    """Beats of one recording.

    Attributes
    ----------
    name : str
        Of the record.
    fs : float
        Hz of the recording.
    peaks : np.ndarray of int64, shape (beats,)
        R peaks in samples of the recording, ascending.
    windows : np.ndarray of float16, shape (beats, leads, 300)
        mV at 250 Hz less the window's median; the R peak is sample 150.  Beyond the ends of the
        recording a window has the first or last value.  Missing samples are 0.
    leads : tuple of str
    usable : np.ndarray of bool, shape (beats, leads)
        False where a window is flat, saturated, beyond 30 mV, or has over a tenth missing.
    """

    name: str
    fs: float
    peaks: np.ndarray
    windows: np.ndarray
    leads: tuple[str, ...]
    usable: np.ndarray

    def __len__(self) -> int:
        return len(self.peaks)

    def keep(self, chosen: np.ndarray) -> "BeatTable":
        """Select beats by a mask, in the memory of this table, which is not valid afterwards."""
        index = np.flatnonzero(chosen)
        if len(index) == len(self):
            return self
        for first in range(0, len(index), BATCH):
            some = index[first : first + BATCH]
            self.windows[first : first + len(some)] = self.windows[some]
        kept = replace(self, windows=self.windows[: len(index)])
        return replace(kept, peaks=self.peaks[index], usable=self.usable[index])

    def take(self, index: np.ndarray) -> "BeatTable":
        """Select beats by a boolean or integer index."""
        return replace(
            self, peaks=self.peaks[index], windows=self.windows[index], usable=self.usable[index]
        )


def read_table(
    record: Record,
    leads: Sequence[str] = (),
    peaks: np.ndarray | None = None,
    *,
    part_s: float = PART_S,
    advance: Callable[[int], object] = int,
) -> BeatTable:
    """Read the beats of a recording.

    Parameters
    ----------
    leads : sequence of str
        Leads to read, by their names in the record; () for all.
    peaks : np.ndarray of int, shape (beats,), optional
        R peaks in samples, ascending, within the recording; default: those of `ecg.beats`.
    part_s : float
        Seconds of the recording in memory; the table does not depend on it.
    advance : callable
        Is told the number of samples of each part that was cut, for a progress bar.

    Raises
    ------
    LeadwiseError
        The record has none of the leads, cannot be read, or has a rate below 100 Hz.
    """
    rows = choose_rows(record, leads)
    length = max(1, round(part_s * record.fs))
    if peaks is None:
        peaks = detect_long((part.signal for part in read_parts(record, rows, length)), record.fs)
    peaks = np.asarray(peaks, np.int64)
    reach = _Reach.at(record.fs)
    windows = np.zeros((len(peaks), len(rows), 2 * HALF), np.float16)
    usable = np.zeros(windows.shape[:2], bool)
    for part in read_parts(record, rows, length, reach.margin):
        begin, end = np.searchsorted(peaks, (part.begin, part.end))
        for first in range(begin, end, BATCH):
            some = slice(first, min(first + BATCH, end))
            around = reach.segments(part.signal, peaks[some] - part.first)
            usable[some] = usable_leads(around[..., reach.own], record.fs)
            windows[some] = reach.windows(around)
        advance(part.end - part.begin)
    names = tuple(record.leads[row] for row in rows)
    return BeatTable(record.name, record.fs, peaks, windows, names, usable)


class _Reach(NamedTuple):
    """Samples before the R peak, and from it on, from which a window is resampled."""

    fs: float
    up: int
    down: int
    before: int
    after: int

    @classmethod
    def at(cls, fs: float) -> "_Reach":
        """Choose the samples so that the R peak stays a sample after resampling."""
        ratio = (Fraction(FS) / Fraction(fs)).limit_denominator(1000)
        up, down = ratio.numerator, ratio.denominator
        extra = 0 if up == down else math.ceil(TAPS * max(up, down) / down)
        before = math.ceil((HALF + extra) / up) * down
        return cls(fs, up, down, before, math.ceil((HALF + extra) * down / up) + 1)

    @property
    def margin(self) -> int:
        """Samples that a part needs at either side."""
        return max(self.before, self.after)

    @property
    def own(self) -> slice:
        """The samples of the window itself."""
        half = round(HALF * self.fs / FS)
        return slice(max(0, self.before - half), self.before + half)

    def segments(self, signal: np.ndarray, peaks: np.ndarray) -> np.ndarray:
        """Cut (beats, leads, samples), with the edge values beyond the ends of the signal."""
        at = peaks[:, None] + np.arange(-self.before, self.after)
        return signal[:, at.clip(0, signal.shape[1] - 1)].transpose(1, 0, 2)

    def windows(self, around: np.ndarray) -> np.ndarray:
        """Resample to 250 Hz and subtract the median: (beats, leads, 300)."""
        known = np.isfinite(around)
        if not known.all():
            around = np.where(known, around, _median(around, known))
        centred = around - np.median(around[..., self.own], axis=-1, keepdims=True)
        if self.up != self.down:
            from scipy.signal import resample_poly

            centred = resample_poly(centred, self.up, self.down, axis=-1)
        peak = self.before * self.up // self.down
        cut = centred[..., peak - HALF : peak + HALF]
        cut = cut - np.median(cut, axis=-1, keepdims=True)
        return np.asarray(cut.clip(-MOST_MV, MOST_MV))


def _median(around: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Give the median of the known samples along the last axis; 0 without any."""
    ordered = np.sort(np.where(known, around, np.inf), axis=-1)
    middle = np.maximum(known.sum(axis=-1, keepdims=True) - 1, 0) // 2
    median = np.take_along_axis(ordered, middle, axis=-1)
    return np.where(np.isfinite(median), median, 0).astype(around.dtype)


def usable_leads(windows: np.ndarray, fs: float) -> np.ndarray:
    """Tell which windows hold a signal.

    Parameters
    ----------
    windows : np.ndarray of float, shape (beats, leads, samples)
        In mV, NaN for missing samples.
    fs : float
        Hz.

    Returns
    -------
    np.ndarray of bool, shape (beats, leads)

    Examples
    --------
    >>> beat = np.sin(np.arange(300) / 9)
    >>> usable_leads(np.stack([beat, 0 * beat, 9 * beat.clip(-0.5, 0.5)])[None], 250)
    array([[ True, False, False]])
    """
    known = np.isfinite(windows)
    highest = np.where(known, windows, -np.inf).max(axis=-1)
    lowest = np.where(known, windows, np.inf).min(axis=-1)
    middle = _median(windows, known)[..., 0]
    span = highest - lowest
    usable = (known.mean(axis=-1) >= 1 - MOST_MISSING) & (span >= FLAT_MV) & (span <= MOST_MV)
    run = max(2, round(RAIL_S * fs))
    for extreme in (highest, lowest):
        far = np.abs(extreme - middle) > RAIL_MV
        equal = np.cumsum(windows == extreme[..., None], axis=-1, dtype=np.int32)
        usable &= ~(far & (equal[..., run:] - equal[..., :-run] == run).any(axis=-1))
    return np.asarray(usable)
