"""R peaks in one to twelve leads, RR intervals, heart rate, and the quality of each lead.

A recording is split into fixed blocks (`blocks`).  In each block, the envelopes of the leads in two
frequency bands (`envelopes`) are compared with the levels of beats and of the waves between beats
(`likelihood`).  The levels are first estimated, then measured at the beats that the estimates give.
Viterbi's algorithm chooses the beats among the candidates of the whole recording, from likelihood
and rhythm (`viterbi`).

The result does not depend on the unit, on the order of leads or on their polarity.  Stretches that
are flat, have no values or contain noise alone have no beats.  A record with one beat has no
intervals and no rate; one shorter than half a second has no beats.  Heart rates up to 240 beats per
minute are detected.
"""

from collections.abc import Iterable

import numpy as np

from ecg import LeadwiseError
from ecg.beats.blocks import block_candidates, check_shape, split_blocks
from ecg.beats.envelopes import BANDS_HZ, interpolate_gaps, log_envelopes
from ecg.beats.likelihood import beat_and_wave_heights
from ecg.beats.viterbi import Viterbi

__all__ = ["detect", "detect_long", "heart_rate", "quality", "rr", "windows"]

LOWEST_HZ = 100.0  # below, the upper band would be cut off
HIGHEST_HZ = 1e5  # ten times the fastest recorders; above, a number is not a sampling rate
GAP = 3.0  # times the median RR interval: longer ones are stretches without beats


def detect(signal: np.ndarray, fs: float) -> np.ndarray:
    """Find the R peaks.

    Parameters
    ----------
    signal : np.ndarray, shape (leads, samples)
        In any unit, the same within a lead; NaN for missing values.
    fs : float
        Hz, 100 to 100,000.

    Returns
    -------
    np.ndarray of int, shape (beats,)
        Samples of the R peaks, ascending; for ventricular beats, of the largest deflection.

    Raises
    ------
    LeadwiseError
        The shape is not (leads, samples), or fs is out of range.

    Examples
    --------
    >>> from simulate import simulate
    >>> record = simulate(["SB"], seed=1)
    >>> len(detect(record.signal, record.fs)), len(record.r_peaks)
    (7, 7)
    """
    return detect_long([signal], fs)


def detect_long(chunks: Iterable[np.ndarray], fs: float) -> np.ndarray:
    """Find the R peaks of a recording in chunks, with the same result for any chunks.

    Memory is proportional to the longest chunk, or to a block of 340 s if that is longer.

    Parameters
    ----------
    chunks : iterable of np.ndarray, each of shape (leads, samples)
        As for `detect`, in order, of any lengths.  Do not reuse an array for the next chunk: some
        are kept for the next block.
    fs : float
        Hz, 100 to 100,000.

    Returns
    -------
    np.ndarray of int, shape (beats,)
        Samples of the R peaks from the beginning of the recording.

    Raises
    ------
    LeadwiseError
        As for `detect`, or the number of leads differs between chunks.

    Examples
    --------
    >>> from simulate import simulate
    >>> record = simulate(["AF"], seed=1, duration_s=400, fs=250)
    >>> minutes = (record.signal[:, first : first + 15000] for first in range(0, 100000, 15000))
    >>> bool((detect_long(minutes, 250) == detect(record.signal, 250)).all())
    True
    """
    _check_fs(fs)
    viterbi = Viterbi()
    beats: list[int] = []
    last = -1.0
    for block in split_blocks(chunks, fs):
        candidates = block_candidates(block, fs, last)
        last = float(candidates.times[-1]) if len(candidates.times) else last
        viterbi.add(candidates)
        beats += viterbi.settle()
    return np.array(beats + viterbi.finish(), dtype=int)


def rr(r_peaks: np.ndarray, fs: float) -> np.ndarray:
    """Compute the RR intervals in s, shape (beats - 1,); empty for fewer than two beats."""
    return np.diff(np.asarray(r_peaks)) / fs


def heart_rate(r_peaks: np.ndarray, fs: float) -> float:
    """Compute the mean heart rate in beats per minute; NaN for fewer than two beats.

    Intervals longer than three times the median are stretches without beats and do not count.

    Examples
    --------
    >>> heart_rate(np.array([0, 250, 500, 4000, 4250]), 250)
    60.0
    """
    intervals = rr(r_peaks, fs)
    if not intervals.size:
        return float("nan")
    return float(60 / intervals[intervals <= GAP * np.median(intervals)].mean())


def windows(signal: np.ndarray, r_peaks: np.ndarray, before: int, after: int) -> np.ndarray:
    """Cut the signal around each R peak.

    Parameters
    ----------
    signal : np.ndarray of float, shape (leads, samples)
    r_peaks : np.ndarray of int, shape (beats,)
    before, after : int
        Samples before the R peak; samples from the R peak on.

    Returns
    -------
    np.ndarray, shape (beats, leads, before + after)
        Of the signal's dtype; NaN where a window exceeds the signal.
    """
    indices = np.asarray(r_peaks, int)[:, None] + np.arange(-before, after)
    inside = (indices >= 0) & (indices < signal.shape[1])
    around = signal[:, np.where(inside, indices, 0)]
    around[:, ~inside] = np.nan
    return around.transpose(1, 0, 2)


def quality(signal: np.ndarray, fs: float, r_peaks: np.ndarray) -> np.ndarray:
    """Rate each lead by the share of beats that it shows by itself.

    Parameters
    ----------
    signal : np.ndarray, shape (leads, samples)
        As for `detect`.
    fs : float
        Hz, 100 to 100,000.
    r_peaks : np.ndarray of int, shape (beats,)
        Samples, ascending; from `detect` or from annotations.

    Returns
    -------
    np.ndarray of float, shape (leads,)
        Share of the beats, 0 to 1, whose QRS complex exceeds all waves until the next beat, in
        either band: about 1 for a good lead, 0.2 for noise, 0 for a flat lead.  Beats without room
        for a wave (RR below about 0.3 s, or at the end of the record) do not count; NaN if none
        remains.
    """
    _check_fs(fs)
    check_shape(signal, signal)
    r_peaks = np.asarray(r_peaks, dtype=int)
    if not r_peaks.size:
        return np.full(len(signal), np.nan)
    envelopes = log_envelopes(*interpolate_gaps(signal), fs)
    steps = np.rint(r_peaks / envelopes.stride).astype(int)
    steps = np.minimum(steps, envelopes.logs.shape[1] - 1)
    peaks, waves = beat_and_wave_heights(envelopes, steps)
    counted = ~np.isneginf(waves)
    share = (counted & (peaks > waves)).sum(axis=1) / np.maximum(counted.sum(axis=1), 1)
    share[~counted.any(axis=1)] = np.nan
    return np.asarray(share.reshape(-1, len(BANDS_HZ)).max(axis=1))


def _check_fs(fs: float) -> None:
    """Raise an error if the sampling rate is too low, or not possible."""
    if not fs >= LOWEST_HZ:
        raise LeadwiseError(
            f"fs is {fs:g} Hz; R peaks are detected from {LOWEST_HZ:g} Hz on. Resample the signal."
        )
    if fs > HIGHEST_HZ:
        raise LeadwiseError(
            f"fs is {fs:g} Hz; no electrocardiogram has more than {HIGHEST_HZ:g} Hz. Correct it."
        )
