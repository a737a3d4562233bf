"""Beats: R peaks in one to twelve leads, what follows from them, and how far to trust each lead.

The signal is taken in blocks that lie fixed in the recording (`blocks`).  In each, the envelopes of
the leads in two bands (`traces`) are weighed against the levels of beats and of the waves between
them (`evidence`): with guessed levels at first, then with those of the beats found so.  One chain
through all candidates of the recording decides with the rhythm (`chain`).

Nothing depends on the unit, nor on the order of leads or their polarity.  Stretches that are flat,
without values or of noise alone have no beats.  A record of one beat has that beat, no intervals
and no rate; one shorter than half a second has nothing.  Up to 240 beats a minute are found.
"""

from collections.abc import Iterable

import numpy as np

from ecg import LeadwiseError
from ecg.beats.blocks import check, cut, examine
from ecg.beats.chain import Chain
from ecg.beats.evidence import heights
from ecg.beats.traces import BANDS_HZ, fill, trace

__all__ = ["detect", "detect_long", "heart_rate", "quality", "rr", "windows"]

LOWEST_HZ = 100.0  # below, the upper band would be cut off
HOLE = 3.0  # times the median RR: what is longer is no interval but a stretch without beats


def detect(signal: np.ndarray, fs: float) -> np.ndarray:
    """Find the R peaks.

    Parameters
    ----------
    signal : np.ndarray, shape (leads, samples)
        In any unit, the same within a lead; NaN where there is no value.
    fs : float
        Hz, from 100.

    Returns
    -------
    np.ndarray of int, shape (beats,)
        Samples of the R peaks, ascending; of ventricular beats, of the largest deflection.

    Raises
    ------
    LeadwiseError
        The shape is not that of leads and samples, or fs is below 100 Hz.

    Examples
    --------
    >>> from simulate import simulate
    >>> record = simulate(["SB"], seed=1)
    >>> len(detect(record.signal, record.fs)), len(record.r_peaks)
    (7, 7)
    """
    return detect_long([signal], fs)


def detect_long(chunks: Iterable[np.ndarray], fs: float) -> np.ndarray:
    """Find the R peaks of a recording that comes in chunks; the same, however it is cut.

    Memory is in proportion to the longest chunk, or to a block of 340 s where that is longer.

    Parameters
    ----------
    chunks : iterable of np.ndarray, each of shape (leads, samples)
        As for `detect`, one after the other, of any lengths; each an array of its own, since some
        are kept for the next block.
    fs : float
        Hz, from 100.

    Returns
    -------
    np.ndarray of int, shape (beats,)
        Samples of the R peaks from the beginning of the recording.

    Raises
    ------
    LeadwiseError
        As for `detect`, or a chunk has another number of leads.

    Examples
    --------
    >>> from simulate import simulate
    >>> record = simulate(["AF"], seed=1, duration_s=400, fs=250)
    >>> minutes = (record.signal[:, first : first + 15000] for first in range(0, 100000, 15000))
    >>> bool((detect_long(minutes, 250) == detect(record.signal, 250)).all())
    True
    """
    _check_fs(fs)
    chain = Chain()
    beats: list[int] = []
    last = -1.0
    for block in cut(chunks, fs):
        found = examine(block, fs, last)
        last = float(found.times[-1]) if len(found.times) else last
        chain.add(found)
        beats += chain.settle()
    return np.array(beats + chain.finish(), dtype=int)


def rr(r_peaks: np.ndarray, fs: float) -> np.ndarray:
    """Give the intervals between R peaks in s, shape (beats - 1,); empty for fewer than two."""
    return np.diff(np.asarray(r_peaks)) / fs


def heart_rate(r_peaks: np.ndarray, fs: float) -> float:
    """Give the mean heart rate in beats a minute; NaN for fewer than two beats.

    Stretches without beats, longer than three times the median RR interval, are left out.

    Examples
    --------
    >>> heart_rate(np.array([0, 250, 500, 4000, 4250]), 250)
    60.0
    """
    intervals = rr(r_peaks, fs)
    if not intervals.size:
        return float("nan")
    return float(60 / intervals[intervals <= HOLE * np.median(intervals)].mean())


def windows(signal: np.ndarray, r_peaks: np.ndarray, before: int, after: int) -> np.ndarray:
    """Cut the signal around each R peak.

    Parameters
    ----------
    signal : np.ndarray of float, shape (leads, samples)
    r_peaks : np.ndarray of int, shape (beats,)
    before, after : int
        Samples before the R peak, and from it on.

    Returns
    -------
    np.ndarray, shape (beats, leads, before + after)
        Of the signal's type; NaN where a window reaches beyond the signal.
    """
    places = np.asarray(r_peaks, int)[:, None] + np.arange(-before, after)
    inside = (places >= 0) & (places < signal.shape[1])
    around = signal[:, np.where(inside, places, 0)]
    around[:, ~inside] = np.nan
    return around.transpose(1, 0, 2)


def quality(signal: np.ndarray, fs: float, r_peaks: np.ndarray) -> np.ndarray:
    """Mark each lead by how many of the beats it shows by itself.

    Parameters
    ----------
    signal : np.ndarray, shape (leads, samples)
        As for `detect`.
    fs : float
        Hz, from 100.
    r_peaks : np.ndarray of int, shape (beats,)
        Samples, ascending; found by `detect` or known.

    Returns
    -------
    np.ndarray of float, shape (leads,)
        Share of the beats, 0 to 1, at which the QRS complex exceeds all between it and the next
        beat, in either band: 1 is a good lead, noise has some 0.2, a flat lead 0.  Beats between
        which and the next one nothing lies (RR below some 0.3 s, the record's end) are left out;
        NaN where none remains.
    """
    _check_fs(fs)
    check(signal, signal)
    r_peaks = np.asarray(r_peaks, dtype=int)
    if not r_peaks.size:
        return np.full(len(signal), np.nan)
    traces = trace(*fill(signal), fs)
    steps = np.rint(r_peaks / traces.stride).astype(int)
    tops, waves = heights(traces, np.minimum(steps, traces.logs.shape[1] - 1))
    judged = ~np.isneginf(waves)
    seen = (judged & (tops > waves)).sum(axis=1) / np.maximum(judged.sum(axis=1), 1)
    seen[~judged.any(axis=1)] = np.nan
    return seen.reshape(-1, len(BANDS_HZ)).max(axis=1)


def _check_fs(fs: float) -> None:
    """Refuse what is too slow."""
    if not LOWEST_HZ <= fs < float("inf"):
        raise LeadwiseError(
            f"fs is {fs:g} Hz; R peaks are found from {LOWEST_HZ:g} Hz on. Resample the signal."
        )
