"""Waves: from a mask of P, QRS and T to the waves of each beat, and to intervals.

A mask has the wave of each sample (`ecg.annotations.wave_mask`): an expert's, the simulator's or a
network's.  NumPy alone.
"""

from typing import NamedTuple

import numpy as np

from ecg.annotations import ABSENT, ALL_LEADS, KINDS, Waves, known_parts


class Intervals(NamedTuple):
    """Intervals of each beat in ms, each (beats,); NaN where a wave is missing or cut off.

    `pq`: P onset to QRS onset (clinically the PR interval).  `qrs`: duration of the QRS complex.
    `qt`: QRS onset to T offset.  `qq`: previous QRS onset to this one.  `qtc_fridericia` and
    `qtc_bazett`: QT corrected by `qq`, for the first beat by that of the second.
    """

    pq: np.ndarray
    qrs: np.ndarray
    qt: np.ndarray
    qq: np.ndarray
    qtc_fridericia: np.ndarray
    qtc_bazett: np.ndarray


def runs_of(mask: np.ndarray, wave: int) -> np.ndarray:
    """Find the runs of a value: onset and offset in samples, half-open, shape (runs, 2).

    Examples
    --------
    >>> runs_of(np.array([0, 1, 1, 0, 2, 1]), 1).tolist()
    [[1, 3], [5, 6]]
    """
    inside = np.concatenate([[False], np.asarray(mask) == wave, [False]])
    return np.flatnonzero(inside[1:] != inside[:-1]).reshape(-1, 2)


def annotate_mask(mask: np.ndarray, lead: str = ALL_LEADS) -> Waves:
    """Turn a mask into waves without peaks, in order of their onsets.

    Examples
    --------
    >>> waves = annotate_mask(np.array([0, 1, 1, 0, 2, 3]))
    >>> waves.onsets, waves.offsets, waves.kinds
    (array([1, 4, 5]), array([3, 5, 6]), array(['p', 'N', 't'], dtype='<U1'))
    """
    rows = [
        (onset, ABSENT, offset, kind, lead)
        for kind, value in KINDS.items()
        for onset, offset in runs_of(mask, value).tolist()
    ]
    return Waves.of(sorted(rows))


def waves_of(mask: np.ndarray) -> np.ndarray:
    """Assign the waves of a mask to beats, as `waves_of_beats` does.

    Parameters
    ----------
    mask : np.ndarray of int, shape (samples,)

    Returns
    -------
    np.ndarray of int, shape (beats, 3, 2)
        Onset and offset of P, QRS and T in samples, half-open; -1 and -1 for a missing wave.
    """
    return waves_of_beats(annotate_mask(mask))


def waves_of_beats(waves: Waves) -> np.ndarray:
    """Assign waves to beats.

    A beat is a QRS complex.  Its T is the first one between it and the next QRS, its P the last one
    between the previous beat's T and its QRS.  Other P waves (blocked ones) belong to no beat.

    Parameters
    ----------
    waves : Waves
        Of one lead, or those of all leads together.

    Returns
    -------
    np.ndarray of int, shape (beats, 3, 2)
        Onset and offset of P, QRS and T in samples, half-open; -1 where a limit is absent, -1 and
        -1 for a missing wave.
    """
    firsts, lasts = known_parts(waves)
    limits = np.stack([waves.onsets, waves.offsets], 1)
    p, qrs, t = (np.flatnonzero(waves.kinds == kind) for kind in KINDS)
    found = np.full((len(qrs), 3, 2), ABSENT)
    if not len(qrs):
        return found
    found[:, 1] = limits[qrs]
    beat = np.searchsorted(firsts[qrs], firsts[t]) - 1  # the last QRS that starts before the T
    t_ends = np.full(len(qrs), ABSENT)
    own = np.flatnonzero(beat >= 0)[::-1]  # written last: the first T of a beat
    found[beat[own], 2], t_ends[beat[own]] = limits[t[own]], lasts[t[own]]
    beat = np.searchsorted(firsts[qrs], firsts[p])  # the first QRS that starts after the P
    after = firsts[p] >= np.append(ABSENT, t_ends)[beat]
    own = np.flatnonzero((beat < len(qrs)) & after)
    found[beat[own], 0] = limits[p[own]]  # written last: the last P of a beat
    return found


def intervals(
    waves: np.ndarray, fs: float, samples: int, after_gap: np.ndarray | None = None
) -> Intervals:
    """Measure the intervals of each beat.

    Parameters
    ----------
    waves : np.ndarray of int, shape (beats, 3, 2)
        From `waves_of`.
    fs : float
        Hz.
    samples : int
        Of the record; where a wave touches its ends, it is cut off and the limit unknown.
    after_gap : np.ndarray of bool, shape (beats,), optional
        Where signal is missing between a beat and the one before: `qq` and QTc are unknown.

    Returns
    -------
    Intervals
        QTc by Fridericia is QT / RR^(1/3), by Bazett QT / RR^(1/2), with RR = Q-Q in s.

    Examples
    --------
    >>> from ecg.annotations import QRS, P, T
    >>> mask = np.zeros(700, int)
    >>> for wave, onset, offset in ((P, 100, 150), (QRS, 180, 225), (T, 300, 380), (QRS, 580, 625)):
    ...     mask[onset:offset] = wave
    >>> measured = intervals(waves_of(mask), 500, 700)
    >>> [round(float(values[0]), 3) for values in (measured.pq, measured.qrs, measured.qt)]
    [160.0, 90.0, 400.0]
    >>> round(float(measured.qq[1]), 3), round(float(measured.qtc_fridericia[0]), 3)
    (800.0, 430.887)
    """
    known = (waves != ABSENT) & (waves != np.array([0, samples]))
    ms = np.where(known, waves * 1000 / fs, np.nan)
    onset, offset = ms[..., 0], ms[..., 1]
    qt = offset[:, 2] - onset[:, 1]
    qq = np.diff(onset[:, 1], prepend=np.nan)
    if after_gap is not None:
        qq[after_gap] = np.nan
    rr_s = qq / 1000
    if len(rr_s) > 1:
        rr_s[0] = rr_s[1]
    return Intervals(
        onset[:, 1] - onset[:, 0],
        offset[:, 1] - onset[:, 1],
        qt,
        qq,
        qt / np.cbrt(rr_s),
        qt / np.sqrt(rr_s),
    )
