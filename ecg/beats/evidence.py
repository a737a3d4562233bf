"""Evidence: for each moment that may be a QRS complex, how much speaks for it.

In each trace (lead and band) beats have a level, and so has the largest wave between two beats.
Both are running medians, first guessed from windows, then measured with the beats found so.  A
moment is judged by where it lies between the two levels, as two normal distributions of the log
envelope would have it; a trace counts the more, the farther its levels lie apart, and not at all
where they coincide.  So a bad lead, or the wrong band, falls silent by itself.
"""

from typing import NamedTuple

import numpy as np

from ecg.beats.traces import RATE_HZ, Traces

WINDOW_S = 2.0  # holds at least a beat from 30 a minute on
WINDOWS = 9  # of a running median
BEATS = 15  # of a running median: some 10 s, and up to seven odd beats do not change it
SPREAD = 0.8  # standard deviation of the log envelope within a class: a factor of 2.2; ours
BELOW = 0.55  # of the way down from the level of beats, either class is as likely: ours
AGAINST = 1.0  # one trace's most against a beat: some beats are wide, or of another axis, ...
FOR = 2.0  # ... and for it: in one trace, an artefact looks like one
# In windows of noise alone the largest value is some 2.3 times the median one: it has the Rayleigh
# distribution, and the bands have 30 to 60 independent values in 2 s.
NOISE_RATIO = np.log(2.3)
WAVES_RATIO = 0.75  # of what the ratio exceeds that by, on a log scale, beats exceed T and P by
MOST_APART = np.log(20.0)  # a beat of a twentieth of the level is none, however clean the signal
NOT_APART = np.log(1.3)  # as guessed; noise alone comes so far
TOO_LARGE = np.log(4.5)  # ectopic beats reach three or four times the level, artefacts any
NEAR_S = 0.04  # how far the bands' humps may lie apart
APART_S = 0.1  # candidates are the largest within this on either side
WAVE_S = 0.15  # from a beat's peak on, waves are no longer its QRS complex
LIMIT = 4.0  # of evidence, either way: e^4 to 1


class Levels(NamedTuple):
    """Levels of log envelopes, each of shape (traces, moments)."""

    beats: np.ndarray
    apart: np.ndarray  # how much less the largest wave between beats is


def guess(traces: Traces) -> tuple[Levels, np.ndarray]:
    """Guess the levels at each step from the largest and the median value of windows.

    Returns
    -------
    levels : Levels
    trust : np.ndarray, shape (traces, steps)
        0 to 1: whether there is more than noise.
    """
    rows, steps = traces.logs.shape
    width = min(int(WINDOW_S * RATE_HZ), steps)
    count = steps // width
    windows = traces.logs[:, : count * width].reshape(rows, count, width)
    alive = traces.alive[:, : count * width].reshape(rows, count, width).any(axis=2)
    largest = np.where(alive, windows.max(axis=2), np.nan)
    typical = np.where(alive, np.median(windows[:, :, ::4], axis=2), np.nan)
    largest, typical = running_median(largest, WINDOWS), running_median(typical, WINDOWS)
    apart = _known(np.clip(WAVES_RATIO * (largest - typical - NOISE_RATIO), 0, MOST_APART))
    trust = np.clip(apart / NOT_APART - 1, 0, 1)
    lengths = np.full(count, width)
    lengths[-1] += steps - count * width
    level, apart, trust = (
        np.repeat(values, lengths, axis=1) for values in (_known(largest), apart, trust)
    )
    return Levels(level, apart), trust * traces.alive


def heights(traces: Traces, beats: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Measure beats, and the largest wave from each to the next.

    Parameters
    ----------
    traces : Traces
    beats : np.ndarray of int, shape (beats,)
        Steps, ascending; at least one.

    Returns
    -------
    tops, waves : np.ndarray of float, shape (traces, beats)
        Logarithms; NaN where a lead has no values.  Where the next beat follows so fast that
        nothing lies between, `waves` is -inf.
    """
    tops = np.where(traces.alive[:, beats], near(traces.logs, beats), np.nan)
    reach = int(WAVE_S * RATE_HZ)
    around = np.clip(beats[:, None] + np.arange(-reach, reach + 1), 0, traces.logs.shape[1] - 1)
    between = traces.logs.copy()
    between[:, around.ravel()] = -np.inf
    waves = np.maximum.reduceat(between, beats, axis=1)
    waves[np.isnan(tops)] = np.nan
    return tops, waves


def measure(traces: Traces, beats: np.ndarray, guessed: np.ndarray) -> Levels:
    """Measure the levels at the beats, as `heights` takes them.

    Where beats follow so fast that nothing lies between, from some 200 a minute on, `apart` stays
    as it was guessed: of shape (traces, beats).
    """
    tops, waves = heights(traces, beats)
    level = running_median(tops, BEATS)
    waves = running_median(np.where(np.isneginf(waves), np.nan, waves), BEATS)
    apart = np.where(np.isnan(waves), guessed, level - waves)
    apart[np.isnan(level)] = 0
    return Levels(_known(level), np.clip(apart, 0, MOST_APART))


def weigh(logs: np.ndarray, trust: np.ndarray, levels: Levels) -> np.ndarray:
    """Weigh what speaks for a beat, at each of so many moments.

    Parameters
    ----------
    logs, trust : np.ndarray, shape (traces, moments)
    levels : Levels
        Of the same shape.

    Returns
    -------
    np.ndarray of float32, shape (moments,)
        Log likelihood ratio; -LIMIT where no trace can tell.
    """
    over = logs - levels.beats
    over = np.minimum(over, 2 * TOO_LARGE - over)
    over = np.maximum(over, -levels.apart)  # less than the waves between is not less likely
    over += BELOW * levels.apart
    weights = levels.apart * trust
    total = weights.sum(axis=0)
    silent = total == 0
    total[silent] = 1
    votes = np.clip(weights * over / SPREAD**2, -AGAINST, FOR)
    # The traces see one heart, so n of them tell less than n independent ones: divided by √n,
    # where n is the effective number (of equal weights that would vary as these).
    ratio = votes.sum(axis=0) * np.sqrt((weights**2).sum(axis=0)) / total
    return np.where(silent, -LIMIT, ratio)


def candidates(weight: np.ndarray) -> np.ndarray:
    """Find the steps that may be beats: largest within `APART_S` of what `weigh` gave."""
    from scipy.ndimage import maximum_filter1d, uniform_filter1d

    smooth = uniform_filter1d(weight, 7, mode="nearest")
    around = maximum_filter1d(smooth, 2 * int(APART_S * RATE_HZ) + 1, mode="nearest")
    top = (smooth == around) & (smooth > -LIMIT)
    top[1:] &= smooth[1:] > smooth[:-1]  # the first of equals, and none on a plateau
    return np.flatnonzero(top)


def near(logs: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """Look for the largest value of each trace near these steps, shape (traces, moments)."""
    reach = int(NEAR_S * RATE_HZ)
    around = moments[:, None] + np.arange(-reach, reach + 1)
    return logs[:, np.clip(around, 0, logs.shape[1] - 1)].max(axis=2)


def running_median(values: np.ndarray, width: int) -> np.ndarray:
    """Take the median of so many values around each along the last axis, NaN left out."""
    half = width // 2
    edge = [(0, 0)] * (values.ndim - 1) + [(half, half)]
    padded = np.pad(values, edge, constant_values=np.nan)
    ordered = np.sort(np.lib.stride_tricks.sliding_window_view(padded, width, axis=-1), axis=-1)
    count = (~np.isnan(ordered)).sum(axis=-1, keepdims=True)
    upper = np.take_along_axis(ordered, count // 2, axis=-1)
    lower = np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, axis=-1)
    return ((lower + upper) / 2)[..., 0]


def _known(values: np.ndarray) -> np.ndarray:
    """Put 0 where nothing is known."""
    return np.nan_to_num(values, nan=0.0)
