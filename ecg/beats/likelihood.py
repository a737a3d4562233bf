"""Log likelihood ratio of a QRS complex at each moment.

Each channel (one band of one lead) has two levels: that of QRS complexes, and that of the largest
wave between two beats.  Both are running medians, first estimated from windows, then measured at
the beats that these estimates give.  The likelihood ratio compares a moment with both levels, each
with a normal distribution of the log envelope.  The weight of a channel grows with the distance of
its two levels and is 0 where they coincide.  So noisy leads and unsuitable bands have no influence.
"""

from typing import NamedTuple

import numpy as np

from ecg.beats.envelopes import RATE_HZ, Envelopes

WINDOW_S = 2.0  # contains at least one beat down to 30 beats per minute
WINDOWS = 9  # length of a running median over windows
BEATS = 15  # length of a running median over beats: about 10 s, robust to seven ectopic beats
SPREAD = 0.8  # standard deviation of the log envelope within a class: a factor of 2.2; ours
BELOW = 0.55  # both classes are equally likely this far down from the QRS level; ours
# Maximum contribution of one channel; ours.
AGAINST = 1.0  # a beat: some beats are wide or have another axis
FOR = 2.0  # a beat: in one channel an artefact looks like a beat
# In windows of noise alone the maximum is about 2.3 times the median: the values have a Rayleigh
# distribution, and the bands have 30 to 60 independent values in 2 s.
NOISE_RATIO = np.log(2.3)
WAVES_RATIO = 0.75  # contrast = WAVES_RATIO * (log(maximum / median) - NOISE_RATIO); ours
MAX_CONTRAST = np.log(20.0)  # values below a twentieth of the QRS level are not beats
NOISE_CONTRAST = np.log(1.3)  # noise alone has initial estimates up to this
# Rapid beats leave no rest, so the median is no level of noise; but their envelope repeats itself.
RAPID_S = (0.24, 0.34)  # RR intervals: 250 to 176 beats per minute
REPEATED = 0.85  # correlation of the envelope one RR interval apart; noise stays below 0.6
QUIET = 0.25  # quantile of a window that is lower than the flanks of rapid beats
TOO_LARGE = np.log(4.5)  # ectopic beats reach three or four times the level; artefacts exceed it
NEAR_S = 0.04  # tolerance for peaks of different channels at one beat
SEPARATION_S = 0.1  # candidates are local maxima within this on either side
WAVE_S = 0.15  # from here on after a beat's peak, a wave is not part of its QRS complex
LIMIT = 4.0  # bounds of the log likelihood ratio are ± this


class Levels(NamedTuple):
    """Levels of log envelopes, each of shape (channels, moments)."""

    qrs: np.ndarray
    contrast: np.ndarray  # QRS level less the level of the largest wave between beats


def initial_levels(envelopes: Envelopes) -> tuple[Levels, np.ndarray]:
    """Estimate the levels at each step from the maximum and the median of windows.

    In windows of rapid beats, a lower quantile replaces the median.

    Returns
    -------
    levels : Levels
    trust : np.ndarray, shape (channels, steps)
        From 0 (noise alone) to 1 (clear beats).
    """
    channels, steps = envelopes.logs.shape
    width = min(int(WINDOW_S * RATE_HZ), steps)
    count = steps // width
    windows = envelopes.logs[:, : count * width].reshape(channels, count, width)
    active = envelopes.active[:, : count * width].reshape(channels, count, width).any(axis=2)

    def level_of(values: np.ndarray) -> np.ndarray:
        return running_median(np.where(active, values, np.nan), WINDOWS)

    largest = level_of(windows.max(axis=2))
    contrast = largest - level_of(np.median(windows[:, :, ::4], axis=2)) - NOISE_RATIO
    rapid = level_of(_repetition(windows)) > REPEATED
    if rapid.any():
        quiet = level_of(np.quantile(windows[:, :, ::4], QUIET, axis=2))
        contrast[rapid] = (largest - quiet)[rapid]
    contrast = _zero_nan(np.clip(WAVES_RATIO * contrast, 0, MAX_CONTRAST))
    trust = np.clip(contrast / NOISE_CONTRAST - 1, 0, 1)
    lengths = np.full(count, width)
    lengths[-1] += steps - count * width
    level, contrast, trust = (
        np.repeat(values, lengths, axis=1) for values in (_zero_nan(largest), contrast, trust)
    )
    return Levels(level, contrast), trust * envelopes.active


def _repetition(windows: np.ndarray) -> np.ndarray:
    """Correlate each window's envelope with itself one RR interval of rapid beats later.

    Returns
    -------
    np.ndarray, shape (channels, windows)
        The largest local maximum over the intervals `RAPID_S`; 0 without one, and in windows too
        short to contain several beats.
    """
    first, last = (round(seconds * RATE_HZ) for seconds in RAPID_S)
    if windows.shape[2] < WINDOW_S * RATE_HZ:
        return np.zeros(windows.shape[:2])
    envelopes = np.exp(windows - windows.max(axis=2, keepdims=True))
    envelopes -= envelopes.mean(axis=2, keepdims=True)
    power = np.cumsum(envelopes**2, axis=2)
    correlations = []
    for lag in range(first - 1, last + 2):
        product = np.einsum("cws,cws->cw", envelopes[:, :, :-lag], envelopes[:, :, lag:])
        both = power[:, :, -lag - 1] * (power[:, :, -1] - power[:, :, lag - 1])
        correlations.append(product / np.sqrt(np.maximum(both, 1e-12)))
    at = np.array(correlations)
    peak = (at[1:-1] >= at[:-2]) & (at[1:-1] >= at[2:])
    return np.asarray(np.where(peak, at[1:-1], 0).max(axis=0))


def beat_and_wave_heights(envelopes: Envelopes, beats: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Measure the envelope at each beat, and the largest wave from each beat to the next.

    Parameters
    ----------
    envelopes : Envelopes
    beats : np.ndarray of int, shape (beats,)
        Steps, ascending; at least one.

    Returns
    -------
    peaks, waves : np.ndarray of float, shape (channels, beats)
        Logarithms; NaN where a lead has no values.  `waves` is -inf where the next beat follows too
        fast for a wave between.
    """
    peaks = np.where(envelopes.active[:, beats], local_maximum(envelopes.logs, beats), np.nan)
    reach = int(WAVE_S * RATE_HZ)
    around = np.clip(beats[:, None] + np.arange(-reach, reach + 1), 0, envelopes.logs.shape[1] - 1)
    between = envelopes.logs.copy()
    between[:, around.ravel()] = -np.inf
    waves = np.maximum.reduceat(between, beats, axis=1)
    waves[np.isnan(peaks)] = np.nan
    return peaks, waves


def measure_levels(envelopes: Envelopes, beats: np.ndarray, initial: np.ndarray) -> Levels:
    """Measure the levels at beats, given as for `beat_and_wave_heights`.

    Above about 200 beats per minute no wave fits between two beats.  The contrast then remains
    `initial`, of shape (channels, beats).
    """
    peaks, waves = beat_and_wave_heights(envelopes, beats)
    level = running_median(peaks, BEATS)
    waves = running_median(np.where(np.isneginf(waves), np.nan, waves), BEATS)
    contrast = np.where(np.isnan(waves), initial, level - waves)
    contrast[np.isnan(level)] = 0
    return Levels(_zero_nan(level), np.clip(contrast, 0, MAX_CONTRAST))


def log_likelihood_ratio(logs: np.ndarray, trust: np.ndarray, levels: Levels) -> np.ndarray:
    """Combine all channels into the log likelihood ratio of a beat at each moment.

    Parameters
    ----------
    logs, trust : np.ndarray, shape (channels, moments)
    levels : Levels
        Of the same shape.

    Returns
    -------
    np.ndarray of float32, shape (moments,)
        -LIMIT where all weights are 0.
    """
    over = logs - levels.qrs
    over = np.minimum(over, 2 * TOO_LARGE - over)
    over = np.maximum(over, -levels.contrast)  # constant below the level of waves
    over += BELOW * levels.contrast
    weights = levels.contrast * trust
    total = weights.sum(axis=0)
    silent = total == 0
    total[silent] = 1
    votes = np.clip(weights * over / SPREAD**2, -AGAINST, FOR)
    # All channels record the same heart, so n of them carry less information than n independent
    # ones.  The sum is divided by √n, where n is the effective number: that of equal weights with
    # the same variance.
    ratio = votes.sum(axis=0) * np.sqrt((weights**2).sum(axis=0)) / total
    return np.where(silent, -LIMIT, ratio)


def candidate_steps(ratio: np.ndarray) -> np.ndarray:
    """Find the steps that may be beats: local maxima of `log_likelihood_ratio`."""
    from scipy.ndimage import maximum_filter1d, uniform_filter1d

    smooth = uniform_filter1d(ratio, 7, mode="nearest")
    around = maximum_filter1d(smooth, 2 * int(SEPARATION_S * RATE_HZ) + 1, mode="nearest")
    peak = (smooth == around) & (smooth > -LIMIT)
    peak[1:] &= smooth[1:] > smooth[:-1]  # the first of equal values, and none on a plateau
    return np.flatnonzero(peak)


def local_maximum(logs: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """Give the maximum of each channel near these steps, shape (channels, moments)."""
    reach = int(NEAR_S * RATE_HZ)
    around = moments[:, None] + np.arange(-reach, reach + 1)
    return np.asarray(logs[:, np.clip(around, 0, logs.shape[1] - 1)].max(axis=2))


def running_median(values: np.ndarray, width: int) -> np.ndarray:
    """Compute the centred running median along the last axis, without NaN values."""
    half = width // 2
    edge = [(0, 0)] * (values.ndim - 1) + [(half, half)]
    padded = np.pad(values, edge, constant_values=np.nan)
    ordered = np.sort(np.lib.stride_tricks.sliding_window_view(padded, width, axis=-1), axis=-1)
    count = (~np.isnan(ordered)).sum(axis=-1, keepdims=True)
    upper = np.take_along_axis(ordered, count // 2, axis=-1)
    lower = np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, axis=-1)
    return np.asarray(((lower + upper) / 2)[..., 0])


def _zero_nan(values: np.ndarray) -> np.ndarray:
    """Replace NaN by 0."""
    return np.asarray(np.nan_to_num(values, nan=0.0))
