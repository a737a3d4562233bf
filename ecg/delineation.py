"""Delineation: from the probabilities of a network to the limits of waves.

The classes with the highest probability give runs of P, QRS and T.  Short holes are closed, short
runs are deleted, and between two QRS complexes the likeliest T is kept.  A limit is where the
wave's probability equals the highest other one, interpolated between two samples, so that the
sampling rate of the network does not limit its precision.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from ecg.annotations import ABSENT, ALL_LEADS, KINDS, NONE, QRS, P, T, Waves
from ecg.waves import runs_of

# Ours, in s.  Of the waves marked in 160 records of LUDB the shortest P lasts 32 ms, the shortest
# QRS 38 ms; of a thousand T waves, one is shorter than 74 ms.
LONGEST_HOLE_S = 0.03
SHORTEST_S = {P: 0.03, QRS: 0.03, T: 0.06}
SYMBOLS = {value: symbol for symbol, value in KINDS.items()}


def delineate(
    probabilities: np.ndarray, fs: float, to_fs: float | None = None, lead: str = ALL_LEADS
) -> Waves:
    """Find the waves of one lead, or of all leads together.

    Parameters
    ----------
    probabilities : np.ndarray of shape (4, samples)
        Of no wave, P, QRS and T; for all leads their mean over leads.
    fs : float
        Sampling rate of the probabilities in Hz.
    to_fs : float, optional
        Sampling rate of the result in Hz, by default `fs`.
    lead : str

    Returns
    -------
    Waves
        In order of their onsets, without peaks.  A limit is absent where the wave touches the start
        or the end of the probabilities.

    Examples
    --------
    >>> wave = np.zeros(100)
    >>> wave[40:60] = 1
    >>> waves = delineate(np.stack([1 - wave, 0 * wave, wave, 0 * wave]), 250, to_fs=500)
    >>> waves.onsets, waves.offsets, waves.kinds
    (array([79]), array([119]), array(['N'], dtype='<U1'))
    """
    mask = cleaned(probabilities, fs)
    ratio = (to_fs or fs) / fs
    rows = []
    for wave in (P, QRS, T):
        others = np.delete(probabilities, wave, axis=0).max(0)
        margin = probabilities[wave] - others  # above 0 inside the wave
        for first, last in runs_of(mask, wave).tolist():
            onset = _sample(_crossing(margin, first), ratio) if first else ABSENT
            end = last < len(mask)
            offset = _sample(_crossing(margin, last), ratio) if end else ABSENT
            rows.append((first, (onset, ABSENT, offset, SYMBOLS[wave], lead)))
    return Waves.of([row for _, row in sorted(rows)])


def cleaned(probabilities: np.ndarray, fs: float) -> np.ndarray:
    """Give the mask of the likeliest classes without short holes, short runs and second T waves.

    Parameters
    ----------
    probabilities : np.ndarray of shape (4, samples)
    fs : float
        Hz.

    Returns
    -------
    np.ndarray of uint8, shape (samples,)
    """
    mask: np.ndarray = probabilities.argmax(0).astype(np.uint8)
    for wave in (QRS, T, P):
        runs = runs_of(mask, wave)
        for (_, before), (after, _) in zip(runs[:-1], runs[1:], strict=True):
            if after - before < LONGEST_HOLE_S * fs:
                mask[before:after] = wave
    for wave, shortest in SHORTEST_S.items():
        for first, last in runs_of(mask, wave):
            if last - first < shortest * fs and first > 0 and last < len(mask):
                mask[first:last] = NONE
    qrs = runs_of(mask, QRS)[:, 0]
    ts = runs_of(mask, T)
    weights = np.array([probabilities[T, first:last].sum() for first, last in ts])
    beat_of = np.searchsorted(qrs, ts[:, 0])
    for beat in np.unique(beat_of):
        own = np.flatnonzero(beat_of == beat)
        for index in own[own != own[weights[own].argmax()]]:
            mask[slice(*ts[index])] = NONE
    return mask


def fused(by_lead: Mapping[str, np.ndarray] | Sequence[np.ndarray]) -> np.ndarray:
    """Average the probabilities of leads, each (4, samples), so that leads vote on each wave."""
    values = by_lead.values() if isinstance(by_lead, Mapping) else by_lead
    return np.asarray(np.mean(list(values), axis=0))


def _crossing(margin: np.ndarray, index: int) -> float:
    """Interpolate where the margin changes its sign between a sample and the one before."""
    before, after = float(margin[index - 1]), float(margin[index])
    if before * after >= 0:  # a closed hole, a deleted neighbour
        return float(index)
    return index - 1 + before / (before - after)


def _sample(time: float, ratio: float) -> int:
    """Give the first sample at or after a time in samples of another rate."""
    return int(np.ceil(time * ratio - 1e-6))
