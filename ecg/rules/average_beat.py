"""Delineation of the average beat: PQ, QT and the P wave, from all leads at once.

This simple delineation is accurate enough for rules about long PQ and QT intervals.  A network's
wave masks are more accurate (`ecg.waves`).  Slopes and sizes are norms over all leads.  To find the
onset of P and the offset of T, the leads are projected onto the direction that the wave has at its
peak, so that leads without the wave add no noise.
"""

from typing import NamedTuple

import numpy as np

GRID_HZ = 200.0  # common sampling rate of beats; limits are interpolated between its steps
BEFORE_S, AFTER_S = 0.40, 0.75  # of a beat, around the R peak
MIN_BEATS = 3
# Ours, chosen on PTB-XL's folds 1 to 9, as are the shares below.
ONSET_STEEP, ONSET_SHARE = 0.30, 0.06  # of the steepest slope: certainly in QRS; before its onset
P_GAP_S = 0.03  # a P peak lies at least this far before QRS onset
P_HALF_S = 0.05  # the height of a P wave is above the line between points this far on either side
P_REACH_S, P_REACH_RR = 0.36, 0.55  # a P peak lies at most this far before the R peak
P_SHARE = 0.20  # of the P wave's height, at which it begins
P_RISE_S = 0.12  # at most, from P onset to P peak
NOISE_SHARE = 0.004  # of the QRS complex: noise level that is always assumed
T_FROM_S, T_TO_S, T_TO_RR = 0.12, 0.45, 0.60  # limits of the T peak after the R peak
T_SMOOTH_S = 0.05
T_FALL_S = 0.18  # at most, from T peak to T offset


class Waves(NamedTuple):
    """Measurements of the average beat; NaN if unknown.

    Attributes
    ----------
    pq_ms : float
        From P onset to QRS onset.
    qt_ms : float
        From QRS onset to T offset, by the tangent method.
    p_ratio : float
        Median height of the P wave over its variation between beats; below about 2 there is no P
        wave.
    p_heights : np.ndarray, shape (leads,)
        Signed height of the P wave in each lead, in the unit of the signal.
    """

    pq_ms: float
    qt_ms: float
    p_ratio: float
    p_heights: np.ndarray


def unknown_waves(leads: int) -> Waves:
    """Give NaN for all measurements."""
    return Waves(np.nan, np.nan, np.nan, np.full(leads, np.nan))


def cut_beats(signal: np.ndarray, r_peaks: np.ndarray, fs: float) -> np.ndarray:
    """Cut beats from a signal, on a common time grid with the R peak at `grid_steps(BEFORE_S)`.

    Parameters
    ----------
    signal : np.ndarray, shape (leads, samples)
    r_peaks : np.ndarray of int, shape (beats,)
    fs : float
        Hz.

    Returns
    -------
    np.ndarray of float32, shape (leads, beats, steps)
        NaN beyond the ends of the record.
    """
    from scipy.ndimage import uniform_filter1d

    smooth = np.asarray(signal, np.float32)
    if fs >= 2 * GRID_HZ:
        smooth = uniform_filter1d(smooth, round(fs / GRID_HZ), axis=1, mode="nearest")
    grid = np.arange(-grid_steps(BEFORE_S), grid_steps(AFTER_S) + 1) * (fs / GRID_HZ)
    positions = np.asarray(r_peaks)[:, None] + grid
    last = smooth.shape[1] - 1
    left = np.clip(np.floor(positions).astype(int), 0, max(last - 1, 0))
    share = (positions - left).astype(np.float32)
    right = np.minimum(left + 1, last)
    beats: np.ndarray = smooth[:, left] * (1 - share) + smooth[:, right] * share
    beats[:, (positions < 0) | (positions > last)] = np.nan
    return beats


def grid_steps(seconds: float) -> int:
    """Convert a duration to steps of the grid."""
    return round(seconds * GRID_HZ)


def delineate(beats: np.ndarray, rr_s: float) -> Waves:
    """Measure the waves of the average beat.

    Parameters
    ----------
    beats : np.ndarray, shape (leads, beats, steps)
        As returned by `cut_beats`, in any unit.
    rr_s : float
        Median RR interval.
    """
    middle = grid_steps(BEFORE_S)
    end = middle + grid_steps(min(AFTER_S, max(0.4, 0.8 * rr_s)))
    complete = beats[:, ~np.isnan(beats[:, :, :end]).any(axis=(0, 2)), :end]
    if complete.shape[1] < MIN_BEATS:
        return unknown_waves(len(beats))
    average = np.median(complete, axis=1)
    size = float(np.linalg.norm(np.ptp(average, axis=1)))
    onset = _qrs_onset(average, middle)
    pq, ratio, heights = _p_wave(average, complete, onset, middle, rr_s, NOISE_SHARE * size)
    return Waves(pq, _qt(average, onset, middle, rr_s), ratio, heights)


def _qrs_onset(average: np.ndarray, middle: int) -> int:
    """Search backwards from the steep part of QRS to the first flat step."""
    slope = np.zeros(average.shape[1])
    slope[1:-1] = np.linalg.norm(average[:, 2:] - average[:, :-2], axis=0)
    reach = grid_steps(0.06)
    steepest = slope[middle - reach : middle + reach].max()
    onset = middle - reach
    onset += int(np.argmax(slope[onset : middle + reach] > ONSET_STEEP * steepest))
    while onset > middle - grid_steps(0.09) and slope[onset - 1] > ONSET_SHARE * steepest:
        onset -= 1
    return onset


def _p_wave(
    average: np.ndarray, beats: np.ndarray, onset: int, middle: int, rr_s: float, noise: float
) -> tuple[float, float, np.ndarray]:
    """Find the P wave; give PQ in ms, height over variation, and height in each lead."""
    half = grid_steps(P_HALF_S)
    first = max(0, middle - grid_steps(min(P_REACH_S, P_REACH_RR * rr_s)))
    steps = np.arange(first + half, onset - grid_steps(P_GAP_S))
    if len(steps) < 2:
        return np.nan, np.nan, np.full(len(average), np.nan)
    before, after = steps - half, np.minimum(steps + half, onset - 2)

    def above_line(signal: np.ndarray) -> np.ndarray:
        share = half / (after - before)
        return signal[..., steps] - signal[..., before] * (1 - share) - signal[..., after] * share

    humps = above_line(average)
    best = int(np.linalg.norm(humps, axis=0).argmax())
    direction = humps[:, best] / max(float(np.linalg.norm(humps[:, best])), 1e-12)
    heights = np.einsum("l,lbp->bp", direction, above_line(beats))[:, best]
    spread = 1.4826 * np.median(np.abs(heights - np.median(heights)))
    ratio = float(np.median(heights) / (spread + noise)) if noise else np.nan
    projection = direction @ average
    peak = int(steps[best])
    low = max(0, peak - grid_steps(P_RISE_S))
    floor = np.sort(projection[low : peak + 1])[: grid_steps(0.03)].mean()
    level = floor + P_SHARE * (projection[peak] - floor)
    step = peak
    while step > low and projection[step - 1] > level:
        step -= 1
    p_onset = step - _crossing(projection, step, level) if step else float(step)
    return (onset - p_onset) * 1000 / GRID_HZ, ratio, humps[:, best]


def _crossing(projection: np.ndarray, step: int, level: float) -> float:
    """Interpolate how far before a step, in steps, the projection crosses a level."""
    rise = projection[step] - projection[step - 1]
    return float(np.clip((projection[step] - level) / rise, 0, 1)) if rise > 0 else 0.0


def _qt(average: np.ndarray, onset: int, middle: int, rr_s: float) -> float:
    """Measure QT in ms; T ends where the tangent at its steepest descent meets the level after."""
    from scipy.ndimage import uniform_filter1d

    smooth = uniform_filter1d(average, grid_steps(T_SMOOTH_S), axis=1) - average[:, [onset - 1]]
    first, last = middle + grid_steps(T_FROM_S), smooth.shape[1] - grid_steps(0.02)
    reach = smooth[:, first : min(middle + grid_steps(min(T_TO_S, T_TO_RR * rr_s)), last)]
    if reach.shape[1] < 2:
        return np.nan
    size = np.linalg.norm(reach, axis=0)
    peak = first + int(size.argmax())
    projection = (reach[:, size.argmax()] / max(float(size.max()), 1e-12)) @ smooth
    slope = np.diff(projection[peak : min(peak + grid_steps(T_FALL_S), last)])
    if len(slope) < 3 or slope.min() >= 0:
        return np.nan
    steepest = peak + int(slope.argmin())
    after = projection[steepest : min(steepest + grid_steps(0.16), last)]
    floor = np.sort(after)[: grid_steps(0.03)].mean()
    height = (projection[steepest] + projection[steepest + 1]) / 2 - floor
    duration_ms: float = (steepest + 0.5 + height / -slope.min() - onset) * 1000 / GRID_HZ
    return duration_ms
