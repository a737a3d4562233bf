"""Marks beside the signal: peaks of waves, and limits where the signal has gaps."""

from dataclasses import replace

import numpy as np

from ecg.annotations import ABSENT, Waves
from ecg.waves import runs_of

FLAT_S = 3.0  # ours: a lead that is constant so long is disconnected


def readable(signal: np.ndarray, fs: float) -> np.ndarray:
    """Tell where a signal can have waves: it has a value, and is not constant for 3 s.

    A shorter signal is judged as a whole.

    Parameters
    ----------
    signal : np.ndarray of shape (leads, samples)
        In mV, NaN where a sample has no value.

    Returns
    -------
    np.ndarray of bool, shape (leads, samples)
    """
    able = np.isfinite(signal)
    least = min(round(FLAT_S * fs), signal.shape[1])
    for lead, row in zip(able, signal, strict=True):
        same = np.diff(row) == 0
        for first, last in runs_of(same, True):
            if last + 1 - first >= least:
                lead[first : last + 1] = False
    return np.asarray(able)


def gap_spans(inside: np.ndarray) -> np.ndarray:
    """Give the spans where a mask is False: onset and offset in samples, shape (gaps, 2)."""
    return runs_of(inside, False)


def without_gap_limits(waves: Waves, inside: np.ndarray, reach: float) -> Waves:
    """Delete limits on the edge of a gap or of the signal: the wave is cut off there.

    Parameters
    ----------
    inside : np.ndarray of bool, shape (samples,)
        False in gaps.
    reach : float
        Greatest distance of such a limit from the gap in samples.
    """
    gaps = gap_spans(inside)
    ends, starts = np.append(0, gaps[:, 1]), np.append(gaps[:, 0], len(inside))
    return replace(
        waves,
        onsets=np.where(_near(waves.onsets, ends, reach), ABSENT, waves.onsets),
        offsets=np.where(_near(waves.offsets, starts, reach), ABSENT, waves.offsets),
    )


def _near(limits: np.ndarray, edges: np.ndarray, reach: float) -> np.ndarray:
    """Tell which limits have an edge within reach; edges ascend."""
    after = np.searchsorted(edges, limits).clip(max=len(edges) - 1)
    before = (after - 1).clip(min=0)
    distance = np.minimum(np.abs(edges[after] - limits), np.abs(edges[before] - limits))
    return np.asarray(distance <= reach)


def with_peaks(waves: Waves, signal: np.ndarray) -> Waves:
    """Mark the peak of each wave: where the signal is farthest from the line between its limits.

    Of several leads the root mean square counts.

    Parameters
    ----------
    waves : Waves
        Of the leads of the signal together; a missing limit is the signal's start or end.
    signal : np.ndarray of shape (leads, samples)
        In mV; NaN counts as on the line.
    """
    if not len(waves):
        return waves
    samples = signal.shape[1]
    firsts = np.where(waves.onsets == ABSENT, 0, waves.onsets).clip(0, samples - 1)
    lasts = np.where(waves.offsets == ABSENT, samples, waves.offsets).clip(firsts + 1, samples)
    lengths = lasts - firsts
    starts = np.cumsum(lengths) - lengths
    wave = np.repeat(np.arange(len(waves)), lengths)
    within = np.arange(len(wave)) - starts[wave]
    share = within / np.maximum(lengths - 1, 1)[wave]
    squares = np.zeros(len(wave))
    for row in signal:
        left, right = row[firsts][wave], row[lasts - 1][wave]
        squares += np.nan_to_num(row[firsts[wave] + within] - left - share * (right - left)) ** 2
    highest = np.flatnonzero(squares == np.maximum.reduceat(squares, starts)[wave])
    _, first_of_wave = np.unique(wave[highest], return_index=True)
    peaks = firsts + within[highest[first_of_wave]]
    return replace(waves, peaks=peaks)
