"""Preprocessing of HeartlyAI 2021, in the paper's order: (leads, samples) in mV.

Spikes, low-pass, baseline, trimmed mean, amplification.  The paper gives the edges of the filter
and the limits in mV; what it leaves open is ours and named in each function.
"""

from functools import lru_cache

import numpy as np

from ecg.signals import FLAT_MV, Transform

ROBUST_STEPS = 3  # Cleveland 1979
LEAST_WEIGHT = 1e-3  # of an outlier, so that a noisy stretch has a baseline too


def spikes(signal: np.ndarray, fs: float, *, limit_mv: float = 4) -> tuple[np.ndarray, float]:
    """Interpolate samples that differ from both neighbours by more than `limit_mv`."""
    large = np.abs(np.diff(signal, axis=1)) > limit_mv
    spike = np.zeros(signal.shape, bool)
    spike[:, 1:-1] = large[:, :-1] & large[:, 1:]
    cleaned, indices = signal.copy(), np.arange(signal.shape[1])
    for row, bad in zip(cleaned, spike, strict=True):
        if bad.any():
            row[bad] = np.interp(indices[bad], indices[~bad], row[~bad])
    return cleaned, fs


def low_pass(
    signal: np.ndarray, fs: float, *,
    pass_hz: float = 50, stop_hz: float = 60, pass_db: float = 3, stop_db: float = 40,
) -> tuple[np.ndarray, float]:  # fmt: skip
    """Apply a Butterworth low-pass of the lowest order that keeps these limits.

    Ours: 3 and 40 dB, and forward and backward, which doubles them, because one pass delays waves
    by 50 ms.  With `stop_hz` at or above half the sampling frequency the filter does not exist, and
    the signal is returned unchanged.
    """
    if stop_hz >= fs / 2:
        return signal, fs
    from scipy.signal import sosfiltfilt

    sections = _sections(fs, pass_hz, stop_hz, pass_db, stop_db)
    padding = min(3 * (2 * len(sections) + 1), signal.shape[1] - 1)  # at most SciPy's default
    return sosfiltfilt(sections, signal, axis=1, padlen=padding), fs


@lru_cache(maxsize=16)
def _sections(fs: float, *limits: float) -> np.ndarray:
    """Design the filter in second-order sections; at order 24 other forms are not stable."""
    from scipy.signal import butter, buttord

    order, cutoff_hz = buttord(*limits, fs=fs)
    return np.asarray(butter(order, cutoff_hz, output="sos", fs=fs))


def lowess(
    signal: np.ndarray, fs: float, *, window_s: float = 1.1, every_s: float = 0.02
) -> tuple[np.ndarray, float]:
    """Subtract the baseline, by locally weighted regression (Cleveland 1979).

    At each mean of `every_s` a line is fitted with tricube weights over `window_s`.  Further fits
    give less weight to samples far from the line before, so P, QRS and T hardly change it.  The
    window is ours.
    """
    leads, samples = signal.shape
    step = max(1, round(every_s * fs))
    padded = np.pad(signal, ((0, 0), (0, -samples % step)), mode="edge")
    means = padded.reshape(leads, -1, step).mean(2, dtype=np.float64)
    half = min(max(2, round(window_s * fs / step / 2)), means.shape[1])
    line = _local_lines(means, np.ones_like(means), half)
    for _ in range(ROBUST_STEPS):
        distance = np.abs(means - line)
        scale = np.maximum(6 * np.median(distance, axis=1, keepdims=True), FLAT_MV)
        weights = np.maximum((1 - np.minimum(distance / scale, 1) ** 2) ** 2, LEAST_WEIGHT)
        line = _local_lines(means, weights, half)
    centres = np.arange(means.shape[1]) * step + (step - 1) / 2
    baseline = [np.interp(np.arange(samples), centres, row).astype(signal.dtype) for row in line]
    return signal - np.stack(baseline), fs


def _local_lines(values: np.ndarray, weights: np.ndarray, half: int) -> np.ndarray:
    """Fit a weighted line round each value, `half` values to each side; return its value there."""
    from scipy.ndimage import correlate1d

    distance = np.arange(-half, half + 1) / (half + 1)
    tricube = (1 - np.abs(distance) ** 3) ** 3

    def moment(power: int, of: np.ndarray) -> np.ndarray:
        return np.asarray(correlate1d(of, tricube * distance**power, axis=1, mode="constant"))

    total, first, second = (moment(power, weights) for power in range(3))
    product, slope = moment(0, weights * values), moment(1, weights * values)
    spread = total * second - first**2  # 0 if the record has a single value
    line = second * product - first * slope
    return np.asarray(np.divide(line, spread, out=product / total, where=spread > 0))


def trimmed_mean(signal: np.ndarray, fs: float, *, share: float = 0.1) -> tuple[np.ndarray, float]:
    """Subtract each lead's mean without the lowest and the highest `share`; the share is ours."""
    cut = int(share * signal.shape[1])
    middle = np.sort(signal, axis=1)[:, cut : signal.shape[1] - cut]
    return signal - middle.mean(axis=1, keepdims=True), fs


def amplify(
    signal: np.ndarray, fs: float, *, quantile: float = 0.98, to_mv: float = 1, most: float = 10
) -> tuple[np.ndarray, float]:
    """Scale a record whose absolute values have a quantile below `to_mv` so that it is `to_mv`.

    Ours: one factor for all leads, at most `most`; flat leads are not counted, so a missing lead
    does not change the others.
    """
    lively = signal.std(axis=1) > FLAT_MV
    if not lively.any():
        return signal, fs
    height = float(np.quantile(np.abs(signal[lively]), quantile))
    return signal * signal.dtype.type(max(1, to_mv / max(height, to_mv / most))), fs


TRANSFORMS: dict[str, Transform] = {
    "spikes": spikes,
    "low_pass": low_pass,
    "lowess": lowess,
    "trimmed_mean": trimmed_mean,
    "amplify": amplify,
}
