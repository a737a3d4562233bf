"""The average beat: what P, QRS and T are like in most beats, in all leads at once.

A simple delineation, good enough for a rule that says how long PQ and QT are; a network's mask is
better (`ecg.waves`).  All leads vote: sizes are root sums of squares over leads, and a wave's
limits are looked for along the direction that it has at its peak, where leads without it add no
noise.
"""

from typing import NamedTuple

import numpy as np

GRID_HZ = 200.0  # of the beats: 5 ms; averaged limits lie between its steps
BEFORE_S, AFTER_S = 0.40, 0.75  # of the R peak
LEAST_BEATS = 3
# Ours, chosen by looking at PTB-XL's folds 1 to 9, as are the shares below.
ONSET_STEEP, ONSET_SHARE = 0.30, 0.06  # of the steepest slope: inside QRS; QRS has not begun
P_GAP_S = 0.03  # a P peak lies at least so far before QRS, whose own foot looks like one
P_HALF_S = 0.05  # a P wave rises above the line between points so far on either side
P_REACH_S, P_REACH_RR = 0.36, 0.55  # a P peak lies no farther before the R peak
P_SHARE = 0.20  # of its height, at which a P wave begins
P_RISE_S = 0.12  # from P onset to P peak at most
NOISE_SHARE = 0.004  # of the QRS complex: noise that is always there
T_FROM_S, T_TO_S, T_TO_RR = 0.12, 0.45, 0.60  # where the T peak lies, after the R peak
T_SMOOTH_S = 0.05
T_FALL_S = 0.18  # from T peak to T offset at most


class Waves(NamedTuple):
    """What the average beat shows; NaN where it cannot be told.

    `pq_ms` from P onset to QRS onset, `qt_ms` from QRS onset to T offset (tangent), `p_ratio` the
    usual height of the P wave over its variation from beat to beat: below some 2, there is none;
    `p_heights` its signed height in each lead, (leads,), in the signal's unit.
    """

    pq_ms: float
    qt_ms: float
    p_ratio: float
    p_heights: np.ndarray


def unknown(leads: int) -> Waves:
    """Say that nothing can be told of so many leads."""
    return Waves(np.nan, np.nan, np.nan, np.full(leads, np.nan))


def gather(signal: np.ndarray, r_peaks: np.ndarray, fs: float) -> np.ndarray:
    """Cut out beats on a common time grid, in which the R peak lies at `steps(BEFORE_S)`.

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
    grid = np.arange(-steps(BEFORE_S), steps(AFTER_S) + 1) * (fs / GRID_HZ)
    places = np.asarray(r_peaks)[:, None] + grid
    last = smooth.shape[1] - 1
    left = np.clip(np.floor(places).astype(int), 0, max(last - 1, 0))
    share = (places - left).astype(np.float32)
    beats = smooth[:, left] * (1 - share) + smooth[:, np.minimum(left + 1, last)] * share
    beats[:, (places < 0) | (places > last)] = np.nan
    return beats


def steps(seconds: float) -> int:
    """Count the grid's steps in a time."""
    return round(seconds * GRID_HZ)


def measure(beats: np.ndarray, rr_s: float) -> Waves:
    """Measure the average beat.

    Parameters
    ----------
    beats : np.ndarray, shape (leads, beats, steps)
        Of `gather`, in any unit.
    rr_s : float
        The usual RR interval.
    """
    middle = steps(BEFORE_S)
    end = middle + steps(min(AFTER_S, max(0.4, 0.8 * rr_s)))
    whole = beats[:, ~np.isnan(beats[:, :, :end]).any(axis=(0, 2)), :end]
    if whole.shape[1] < LEAST_BEATS:
        return unknown(len(beats))
    average = np.median(whole, axis=1)
    size = float(np.linalg.norm(np.ptp(average, axis=1)))
    onset = _qrs_onset(average, middle)
    pq, ratio, heights = _p_wave(average, whole, onset, middle, rr_s, NOISE_SHARE * size)
    return Waves(pq, _t_offset(average, onset, middle, rr_s), ratio, heights)


def _qrs_onset(average: np.ndarray, middle: int) -> int:
    """Go back from where QRS is steep to where it is not."""
    slope = np.zeros(average.shape[1])
    slope[1:-1] = np.linalg.norm(average[:, 2:] - average[:, :-2], axis=0)
    reach = steps(0.06)
    steepest = slope[middle - reach : middle + reach].max()
    place = middle - reach
    place += int(np.argmax(slope[place : middle + reach] > ONSET_STEEP * steepest))
    while place > middle - steps(0.09) and slope[place - 1] > ONSET_SHARE * steepest:
        place -= 1
    return place


def _p_wave(
    average: np.ndarray, beats: np.ndarray, onset: int, middle: int, rr_s: float, noise: float
) -> tuple[float, float, np.ndarray]:
    """Find the hump before QRS: PQ in ms, the hump's height over its variation, and by lead."""
    half = steps(P_HALF_S)
    first = max(0, middle - steps(min(P_REACH_S, P_REACH_RR * rr_s)))
    places = np.arange(first + half, onset - steps(P_GAP_S))
    if len(places) < 2:
        return np.nan, np.nan, np.full(len(average), np.nan)
    before, after = places - half, np.minimum(places + half, onset - 2)

    def above_line(some: np.ndarray) -> np.ndarray:
        share = half / (after - before)
        return some[..., places] - some[..., before] * (1 - share) - some[..., after] * share

    humps = above_line(average)
    best = int(np.linalg.norm(humps, axis=0).argmax())
    direction = humps[:, best] / max(float(np.linalg.norm(humps[:, best])), 1e-12)
    heights = np.einsum("l,lbp->bp", direction, above_line(beats))[:, best]
    spread = 1.4826 * np.median(np.abs(heights - np.median(heights)))
    ratio = float(np.median(heights) / (spread + noise)) if noise else np.nan
    trace = direction @ average
    peak = int(places[best])
    low = max(0, peak - steps(P_RISE_S))
    floor = np.sort(trace[low : peak + 1])[: steps(0.03)].mean()
    level = floor + P_SHARE * (trace[peak] - floor)
    place = peak
    while place > low and trace[place - 1] > level:
        place -= 1
    begun = place - _crossing(trace, place, level) if place else float(place)
    return (onset - begun) * 1000 / GRID_HZ, ratio, humps[:, best]


def _crossing(trace: np.ndarray, place: int, level: float) -> float:
    """Tell how far before a place, in steps, the trace passes a level."""
    rise = trace[place] - trace[place - 1]
    return float(np.clip((trace[place] - level) / rise, 0, 1)) if rise > 0 else 0.0


def _t_offset(average: np.ndarray, onset: int, middle: int, rr_s: float) -> float:
    """Give QT in ms: the T wave ends where its steepest fall, prolonged, meets the level after."""
    from scipy.ndimage import uniform_filter1d

    smooth = uniform_filter1d(average, steps(T_SMOOTH_S), axis=1) - average[:, [onset - 1]]
    first, last = middle + steps(T_FROM_S), smooth.shape[1] - steps(0.02)
    reach = smooth[:, first : min(middle + steps(min(T_TO_S, T_TO_RR * rr_s)), last)]
    if reach.shape[1] < 2:
        return np.nan
    size = np.linalg.norm(reach, axis=0)
    peak = first + int(size.argmax())
    trace = (reach[:, size.argmax()] / max(float(size.max()), 1e-12)) @ smooth
    slope = np.diff(trace[peak : min(peak + steps(T_FALL_S), last)])
    if len(slope) < 3 or slope.min() >= 0:
        return np.nan
    steepest = peak + int(slope.argmin())
    after = trace[steepest : min(steepest + steps(0.16), last)]
    floor = np.sort(after)[: steps(0.03)].mean()
    height = (trace[steepest] + trace[steepest + 1]) / 2 - floor
    return (steepest + 0.5 + height / -slope.min() - onset) * 1000 / GRID_HZ
