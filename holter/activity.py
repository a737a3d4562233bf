"""Activity of each lead in steps of a tenth of a second: where there is noise, where it is quiet.

Two measures of a step: `slope`, the largest change within 40 ms, which any QRS complex has; and
`sharp`, the largest second difference over 10 ms, which muscle noise has throughout, but wide beats
and waves have not.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from holter.parts import Part

STEP_S = 0.1
SLOPE_S, SHARP_S = 0.04, 0.01
NOISE_SHARE = 1.0  # of the usual QRS complex: a lead is noisy if half of the steps are sharper
NOISE_S = 2.0  # around a step
SHORTEST_NOISE_S = 1.0
TRUST_S = 5.0  # to either side of a step, in which beats are compared with artefacts
FEWEST_ARTEFACTS = 3  # of noise that is no sharper than QRS complexes
QRS_S = 0.1  # to either side of the R peak
QUIET_SHARE = 0.35  # of the slope of the usual QRS complex


class Activity(NamedTuple):
    """Activity of a recording.

    Attributes
    ----------
    step : int
        Samples.
    samples : int
        Of the recording.
    slope, sharp : np.ndarray of float32, shape (leads, steps)
        In mV; NaN where the step has no value.
    """

    step: int
    samples: int
    slope: np.ndarray
    sharp: np.ndarray


class Meter:
    """Measures the activity part by part; parts begin at a multiple of `step`.

    A part needs a margin of `margin` samples.
    """

    def __init__(self, fs: float) -> None:
        self.step = max(1, round(STEP_S * fs))
        self._slope, self._sharp = max(1, round(SLOPE_S * fs)), max(1, round(SHARP_S * fs))
        self.margin = max(self._slope, 2 * self._sharp)
        self._slopes: list[np.ndarray] = []
        self._sharps: list[np.ndarray] = []
        self._samples = 0

    def add(self, part: Part) -> None:
        """Measure the next part."""
        own = part.signal[:, part.begin - part.first :]
        length, steps = part.end - part.begin, -(-(part.end - part.begin) // self.step)
        own = np.pad(own[:, : length + self.margin], ((0, 0), (0, self.margin)), mode="edge")
        half = own[:, self._sharp : self._sharp + length]
        far = own[:, 2 * self._sharp : 2 * self._sharp + length]
        slopes = np.abs(own[:, self._slope : self._slope + length] - own[:, :length])
        sharps = np.abs(far - 2 * half + own[:, :length])
        padding = ((0, 0), (0, steps * self.step - length))
        for values, kept in ((slopes, self._slopes), (sharps, self._sharps)):
            values = np.pad(values, padding, mode="edge").reshape(len(own), steps, self.step)
            kept.append(values.max(axis=2))  # NaN if any sample has no value
        self._samples = part.end

    def finish(self) -> Activity:
        """Give the activity of all parts."""
        return Activity(
            self.step, self._samples,
            np.concatenate(self._slopes, axis=1), np.concatenate(self._sharps, axis=1),
        )  # fmt: skip


def usual(measure: np.ndarray, step: int, peaks: np.ndarray, fs: float) -> np.ndarray:
    """Give the median over all beats of a measure near the R peak, per lead; NaN without beats."""
    if not len(peaks):
        return np.full(len(measure), np.nan)
    reach = round(QRS_S * fs)
    last = measure.shape[1] - 1
    first, final = ((peaks + side) // step for side in (-reach, reach))
    at = np.linspace(first, final, 2 * (-(-reach // step)) + 1).astype(int).clip(0, last)
    near = np.nan_to_num(measure[:, at], nan=0.0).max(axis=1)
    return np.asarray(np.median(near, axis=1))


def noise(
    activity: Activity, peaks: np.ndarray, fs: float, beats: np.ndarray | None = None
) -> np.ndarray:
    """Find the stretches in which no lead can be read: missing, flat or noisy.

    A lead is noisy where, within two seconds, half of the steps are sharper than its usual QRS
    complex, unless most R peaks within five seconds are beats.  All leads are noisy where at least
    three R peaks, and half of them, are artefacts.

    Parameters
    ----------
    peaks : np.ndarray of int, shape (peaks,)
        R peaks in samples, ascending.
    beats : np.ndarray of bool, shape (peaks,), optional
        Which R peaks are beats, not artefacts; default: unknown.

    Returns
    -------
    np.ndarray of int, shape (stretches, 2)
        Onset and offset in samples, half-open; of a second or more.
    """
    from scipy.ndimage import median_filter

    around = round(NOISE_S / STEP_S) | 1
    absent = ~np.isfinite(activity.sharp) | (activity.slope == 0)
    filled = np.where(absent, 0, activity.sharp)
    middle = median_filter(filled, size=(1, around), mode="nearest")
    half = median_filter(absent.astype(np.uint8), size=(1, around), mode="nearest").astype(bool)
    level = usual(activity.sharp, activity.step, peaks, fs)
    with np.errstate(invalid="ignore"):
        noisy = middle > NOISE_SHARE * level[:, None]
    unread = half | np.isnan(level)[:, None]
    if beats is None:
        bad = (unread | noisy).all(axis=0)
    else:
        middles = (np.arange(len(unread[0])) + 0.5) * activity.step
        near = [np.searchsorted(peaks, middles + side * TRUST_S * fs) for side in (-1, 1)]
        right, all_of = (np.diff(_count(of)[near], axis=0)[0] for of in (beats, beats | True))
        doubtful, artefacts = 2 * right <= all_of, all_of - right
        bad = (unread | (noisy & doubtful)).all(axis=0)
        bad |= doubtful & (artefacts >= FEWEST_ARTEFACTS)
    limits = np.flatnonzero(np.diff(bad.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
    limits = np.minimum(limits * activity.step, activity.samples)
    return np.asarray(limits[np.diff(limits, axis=1)[:, 0] >= SHORTEST_NOISE_S * fs])


def _count(chosen: np.ndarray) -> np.ndarray:
    """Count the chosen ones before each place, (len(chosen) + 1,)."""
    return np.concatenate([[0], np.cumsum(chosen)])


def quiet_gaps(
    activity: Activity, gaps: np.ndarray, peaks: np.ndarray, fs: float
) -> Iterator[bool]:
    """Tell for each gap between beats whether it is quiet: no lead has a slope as of a beat.

    A lead counts that has a signal in the gap; without one the gap is not quiet.

    Parameters
    ----------
    gaps : np.ndarray of int, shape (gaps, 2)
        First and last sample.
    """
    level = usual(activity.slope, activity.step, peaks, fs)
    for first, last in gaps.tolist():
        inside = activity.slope[:, -(-first // activity.step) : last // activity.step]
        live = np.isfinite(inside).all(axis=1) & ((inside > 0).mean(axis=1) > 0.5)
        with np.errstate(invalid="ignore"):
            below = np.all(inside < QUIET_SHARE * level[:, None], axis=1)
        yield bool(inside.size and live.any() and np.all(below[live]))
