"""Numbers that describe each beat: RR intervals, shape, P wave, and the beats that look like it.

All numbers are relative to the recording's own usual beats, so that no patient needs a model of his
own.  References must be those of sinus rhythm even if most beats are ectopic.  Therefore the usual
RR interval is an upper quantile, since most ectopic beats are premature, and the usual beat is the
median of beats that are not premature.

Leads are interchangeable: correlations use all usable leads together, and each number per lead is
given as the smallest and the largest over the leads.  The first and last beats of a recording use
the references of the nearest beats.
"""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

FS = 250.0  # Hz, of the windows
R_PEAK = 150  # index of the R peak in a window
BEFORE, AFTER = 62, 113  # samples about the R peak that are read: 0.25 s and 0.45 s
LAGS = np.arange(-10, 11, 2)  # samples: the detector marks ventricular beats up to 40 ms off
P, QRS, WIDE, T = slice(0, 44), slice(37, 92), slice(24, 125), slice(100, 175)  # after alignment
FLOOR_MV = 0.05  # added to amplitudes: a lead below has no QRS complex
SMALL_MV = 0.01  # added to amplitudes of P waves
STEEP = 0.2  # share of the steepest slope below which slopes are noise

PREMATURE = 0.12  # natural logarithm: an RR interval 11 % shorter than usual
STEP, REACH, MOST = 64, 160, 96  # beats: a usual beat per STEP, from at most MOST within REACH
NEIGHBOURS, SIMILAR, ALIKE_SIZE = 512, 0.85, 0.35  # beats, correlation, log ratio of size
TOGETHER = 256  # beats whose neighbours are found at once; a multiple of STEP
BLOCK, CONTEXT = 2048, 768  # beats; multiples of TOGETHER; context for NEIGHBOURS and REACH

INTERVALS = (
    "before / near", "before / usual", "before / slow", "before / far", "before / previous 8",
    "after / near", "after / usual", "after / slow", "previous / usual", "second previous / usual",
    "second next / usual", "before / previous", "after / before", "after / next", "pair / usual",
    "shorter / usual", "near / slow", "usual / slow", "slow", "median change", "mean change",
    "median change of 120", "premature share of 120", "premature share of 16",
)  # fmt: skip
SHAPES = (
    "QRS", "wide", "P", "T", "lag", "wide before alignment", "previous beat", "next beat",
)  # fmt: skip
PER_LEAD = (
    "QRS", "P", "T", "amplitude", "area", "slope spread ms", "slope spread ratio", "width ms",
    "width ratio", "residual", "P residual", "P size", "slope", "polarity", "polarity change",
    "T change", "usual slope spread ms", "usual width ms",
)  # fmt: skip
AVERAGED = ("before / slow", "before / usual", "after / usual", "pair / usual")
ALIKE = (*AVERAGED, "wide", "share", "premature share")
GROUPS = {
    "RR": INTERVALS,
    "all leads": tuple(f"{name}, all leads" for name in SHAPES),
    "per lead": tuple(f"{name}, {end}" for name in PER_LEAD for end in ("smallest", "largest")),
    "alike": tuple(f"{name}, beats alike" for name in ALIKE),
}
NAMES = tuple(name for names in GROUPS.values() for name in names)


class Aligned(NamedTuple):
    """Beats of a block beside the usual beat, both of shape (beats, leads, BEFORE + AFTER)."""

    beats: np.ndarray  # mV, aligned with the usual beat
    usual: np.ndarray
    weights: np.ndarray  # (beats, leads, 1): 1 / amplitude of the usual beat, 0 for unusable leads
    lags: np.ndarray  # (beats,) samples
    unaligned: np.ndarray  # (beats,) correlation before alignment


class Description(NamedTuple):
    """The numbers of each beat, and its shape in all leads.

    `numbers` is float32 of shape (beats, len(NAMES)), named by `NAMES` and finite.  Intervals,
    amplitudes and widths are natural logarithms of ratios, except where the name has a unit.
    """

    numbers: np.ndarray
    shapes: np.ndarray  # float16 (beats, values): QRS complex of all leads, of mean 0 and norm 1
    sizes: np.ndarray  # float32 (beats,): natural logarithm of the norm, relative to usual beats


def describe(peaks: np.ndarray, fs: float, windows: np.ndarray, usable: np.ndarray) -> Description:
    """Describe each beat.

    Memory beyond the arguments and the result is that of some thousand beats.

    Parameters
    ----------
    peaks : np.ndarray of int, shape (beats,)
        R peaks in samples at `fs`, ascending.
    fs : float
        Hz, of `peaks`.
    windows : np.ndarray of float, shape (beats, leads, 300)
        mV at 250 Hz; the R peak has index 150.
    usable : np.ndarray of bool, shape (leads,) or (beats, leads)
        Leads that show the beats.
    """
    beats, leads = windows.shape[:2]
    width = leads * len(range(WIDE.start, WIDE.stop, 2))
    result = Description(
        np.zeros((beats, len(NAMES)), np.float32),
        np.zeros((beats, width), np.float16),
        np.zeros(beats, np.float32),
    )
    if beats < 2:
        return result
    intervals = interval_numbers(peaks, fs)
    result.numbers[:, : len(INTERVALS)] = intervals
    usable = np.broadcast_to(usable, windows.shape[:2])
    premature = intervals[:, INTERVALS.index("before / slow")] < -PREMATURE
    for first in range(0, beats, BLOCK):
        start = max(0, first - CONTEXT)
        block = slice(start, first + BLOCK + CONTEXT)
        part = _describe_shapes(windows[block], usable[block], premature[block], intervals[block])
        own, inner = slice(first, first + BLOCK), slice(first - start, first - start + BLOCK)
        result.numbers[own, len(INTERVALS) :] = part.numbers[inner]
        result.shapes[own], result.sizes[own] = part.shapes[inner], part.sizes[inner]
    return result


def interval_numbers(peaks: np.ndarray, fs: float) -> np.ndarray:
    """Compute the numbers of `INTERVALS`, shape (beats, len(INTERVALS)), of at least two beats."""
    rr = np.clip(np.diff(peaks) / fs, 0.15, 4.0)  # s: 400 to 15 beats per minute
    before = np.log(np.concatenate([[np.median(rr)], rr]))
    after = np.append(before[1:], np.log(np.median(rr)))
    near = np.median(around(before, 5), axis=1)
    usual = _quantile_around(before, 15, 0.75)
    slow = _quantile_around(before, 60, 0.75)
    far = _quantile_around(before, 250, 0.6)
    padded = sliding_window_view(np.pad(before, (8, 3), mode="edge"), 12)  # 8 before, 3 after
    previous, second, second_next = padded[:, 7], padded[:, 6], padded[:, 10]
    change = np.diff(before, prepend=before[0])
    premature = (before - slow < -PREMATURE).astype(float)
    return np.stack(
        [
            before - near, before - usual, before - slow, before - far,
            before - np.median(padded[:, :8], axis=1),
            after - near, after - usual, after - slow, previous - usual, second - usual,
            second_next - usual, before - previous, after - before, after - second_next,
            np.log((np.exp(before) + np.exp(after)) / 2) - usual,
            np.minimum(before, after) - usual, near - slow, usual - slow, slow,
            np.sqrt(np.median(around(change, 10) ** 2, axis=1)),
            np.sqrt(np.mean(around(change, 10) ** 2, axis=1)),
            np.median(np.abs(around(change, 60)), axis=1),
            around(premature, 60).mean(axis=1), around(premature, 8).mean(axis=1),
        ],
        axis=1,
    )  # fmt: skip


def around(values: np.ndarray, reach: int) -> np.ndarray:
    """View the values within `reach` of each one, (beats, 2 * reach + 1), mirrored at the ends."""
    mirrored = len(values) > reach
    padded = (
        np.pad(values, reach, mode="reflect") if mirrored else np.pad(values, reach, mode="edge")
    )
    return sliding_window_view(padded, 2 * reach + 1)


def _quantile_around(values: np.ndarray, reach: int, share: float) -> np.ndarray:
    """Compute a quantile of the values within `reach` of each one, in blocks of beats."""
    view = around(values, reach)
    parts = [
        np.quantile(view[first : first + BLOCK], share, axis=1)
        for first in range(0, len(values), BLOCK)
    ]
    return np.concatenate(parts)


def _describe_shapes(
    windows: np.ndarray, usable: np.ndarray, premature: np.ndarray, intervals: np.ndarray
) -> Description:
    """Compute the shapes and all numbers after `INTERVALS` for a block of beats."""
    aligned = _align(windows, usable, premature)
    beats = _flat(aligned.beats[..., WIDE], aligned.weights)
    together = np.stack(
        [
            *(_joint(aligned, span) for span in (QRS, WIDE, P, T)),
            aligned.lags, aligned.unaligned,
            correlation(beats, np.concatenate([beats[:1], beats[:-1]])),
            correlation(beats, np.concatenate([beats[1:], beats[-1:]])),
        ],
        axis=1,
    )  # fmt: skip
    leads = _lead_numbers(aligned)[..., None]  # (numbers, beats, leads, 1)
    known = usable[..., None]
    ends = [np.where(known, leads, np.inf).min(axis=2), np.where(known, leads, -np.inf).max(axis=2)]
    per_lead = np.concatenate(ends, axis=2).transpose(1, 0, 2).reshape(len(windows), -1)
    per_lead[~usable.any(axis=1)] = 0.0
    shapes, sizes = _normalised(_flat(aligned.beats[..., WIDE][..., ::2], aligned.weights))
    columns = [INTERVALS.index(name) for name in AVERAGED]
    wide = together[:, SHAPES.index("wide")]
    averaged = np.column_stack([intervals[:, columns], wide, premature])
    means, share = average_alike(shapes, sizes, averaged)
    alike = [means[:, :-1], share[:, None], means[:, -1:]]
    return Description(np.concatenate([together, per_lead, *alike], axis=1), shapes, sizes)


def _align(windows: np.ndarray, usable: np.ndarray, premature: np.ndarray) -> Aligned:
    """Align each beat with the usual beat: the best correlation of all usable leads."""
    margin = int(LAGS[-1])
    wanted = slice(R_PEAK - BEFORE - margin, R_PEAK + AFTER + margin)
    signal = np.nan_to_num(windows[..., wanted].astype(np.float32), posinf=0.0, neginf=0.0)
    signal -= np.median(signal, axis=-1, keepdims=True)
    signal *= usable[..., None]
    centred = signal[..., margin:-margin]
    usual = _usual_beats(centred, premature)
    weights = usable[..., None] / (np.ptp(usual[..., WIDE], axis=-1, keepdims=True) + FLOOR_MV)
    weighted = _flat(usual[..., WIDE], weights)
    width = WIDE.stop - WIDE.start
    correlations = np.stack(
        [
            correlation(_flat(signal[..., at : at + width], weights), weighted)
            for at in WIDE.start + margin + LAGS
        ],
        axis=1,
    )
    lags = LAGS[correlations.argmax(axis=1)]
    indices = np.arange(BEFORE + AFTER) + margin + lags[:, None]
    beats = np.take_along_axis(signal, indices[:, None, :], axis=2)
    return Aligned(beats, usual, weights, lags, correlations[:, len(LAGS) // 2])


def _usual_beats(signal: np.ndarray, premature: np.ndarray) -> np.ndarray:
    """Compute the usual beat of each beat: one per `STEP` beats, of beats that are not premature.

    After a first median, only the beats that correlate with it are used.
    """
    usual = np.empty_like(signal)
    for first in range(0, len(signal), STEP):
        near = np.arange(max(0, first - REACH), min(len(signal), first + STEP + REACH))
        chosen = near[~premature[near]]
        chosen = chosen if len(chosen) >= 8 else near
        if len(chosen) > MOST:
            chosen = chosen[np.linspace(0, len(chosen) - 1, MOST).astype(int)]
        beats = signal[chosen]
        qrs = _flat(beats[..., QRS])
        median = np.median(beats, axis=0)
        for _ in range(2):
            similarity = correlation(qrs, _flat(median[None, :, QRS]))
            median = np.median(beats[similarity >= min(0.9, np.median(similarity))], axis=0)
        usual[first : first + STEP] = median
    return usual


def correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Correlate along the last axis; 0 where one of them is flat."""
    first = first - first.mean(axis=-1, keepdims=True)
    second = second - second.mean(axis=-1, keepdims=True)
    power = (first * first).sum(axis=-1) * (second * second).sum(axis=-1)
    return np.asarray((first * second).sum(axis=-1) / np.sqrt(power + 1e-9))


def _flat(signal: np.ndarray, weights: np.ndarray | float = 1.0) -> np.ndarray:
    """Join the leads of each beat, each weighted and of mean 0: an unusable lead adds nothing."""
    centred = (signal - signal.mean(axis=-1, keepdims=True)) * weights
    return np.asarray(centred.reshape(len(centred), -1))


def _joint(aligned: Aligned, span: slice) -> np.ndarray:
    """Correlate each beat with the usual beat, all usable leads together."""
    flat = [_flat(part[..., span], aligned.weights) for part in (aligned.beats, aligned.usual)]
    return correlation(*flat)


def _lead_numbers(aligned: Aligned) -> np.ndarray:
    """Compute the numbers of `PER_LEAD`, shape (numbers, beats, leads)."""
    beats, usual = aligned.beats, aligned.usual
    wide, wide_usual = beats[..., WIDE], usual[..., WIDE]
    amplitude = np.ptp(wide_usual, axis=-1) + FLOOR_MV
    spread, usual_spread = slope_spread_ms(wide), slope_spread_ms(wide_usual)
    width, usual_width = width_ms(wide), width_ms(wide_usual)
    residual = beats - usual
    p_residual, p_usual = residual[..., P].std(axis=-1), usual[..., P].std(axis=-1) + SMALL_MV
    polarity, usual_polarity = (
        (part.max(axis=-1) + part.min(axis=-1)) / (np.ptp(part, axis=-1) + FLOOR_MV)
        for part in (wide, wide_usual)
    )
    steepest, usual_steepest = (
        np.abs(np.diff(part, axis=-1)).max(axis=-1) + 0.002 for part in (wide, wide_usual)
    )
    return np.stack(
        [
            *(correlation(beats[..., span], usual[..., span]) for span in (QRS, P, T)),
            np.log((np.ptp(wide, axis=-1) + FLOOR_MV) / amplitude),
            np.log(_size(wide) / _size(wide_usual)),
            spread, np.log((spread + 2) / (usual_spread + 2)),
            width, np.log((width + 2) / (usual_width + 2)),
            np.sqrt((residual[..., WIDE] ** 2).mean(axis=-1)) / amplitude,
            np.log((p_residual + SMALL_MV) / p_usual),
            np.log((beats[..., P].std(axis=-1) + SMALL_MV) / p_usual),
            np.log(steepest / usual_steepest),
            polarity, np.abs(polarity - usual_polarity),
            residual[..., T].mean(axis=-1) / amplitude,
            usual_spread, usual_width,
        ]
    )  # fmt: skip


def _size(signal: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(signal).mean(axis=-1) + SMALL_MV)


def slope_spread_ms(signal: np.ndarray) -> np.ndarray:
    """Compute the standard deviation in time of the squared slope, in ms: a QRS duration.

    Slopes are those of 16 ms; those below a share of the steepest one, as of noise, do not count.
    """
    slopes = np.abs(signal[..., 4:] - signal[..., :-4])
    steep = slopes - STEEP * slopes.max(axis=-1, keepdims=True)
    power = np.maximum(steep, 0) ** 2
    times = np.arange(power.shape[-1]) * 1000 / FS
    total = power.sum(axis=-1) + 1e-9
    mean = (power * times).sum(axis=-1) / total
    variance = (power * times**2).sum(axis=-1) / total - mean**2
    return np.asarray(np.sqrt(np.maximum(variance, 0.0)))


def width_ms(signal: np.ndarray) -> np.ndarray:
    """Compute the area of the rectified signal over its largest value, in ms."""
    rectified = np.abs(signal)
    return np.asarray(rectified.sum(axis=-1) * 1000 / FS / (rectified.max(axis=-1) + 1e-3))


def _normalised(beats: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give shapes and sizes of `Description` for (beats, values)."""
    norm = np.sqrt((beats**2).sum(axis=1, keepdims=True)) + 1e-6
    return (beats / norm).astype(np.float16), np.log(norm[:, 0])


def average_alike(
    shapes: np.ndarray, sizes: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Average values over the beats of like shape and size within `NEIGHBOURS` beats.

    A beat's weight falls with its correlation and is zero from `SIMILAR` down.

    Parameters
    ----------
    shapes, sizes : np.ndarray, shapes (beats, values) and (beats,)
        Of `Description`.
    values : np.ndarray, shape (beats, columns)

    Returns
    -------
    means : np.ndarray, shape (beats, columns)
    share : np.ndarray, shape (beats,)
        Natural logarithm of the share of such beats.
    """
    means, share = np.empty(values.shape), np.empty(len(values))
    for first in range(0, len(values), TOGETHER):
        own = slice(first, first + TOGETHER)
        near = slice(max(0, first - NEIGHBOURS), first + TOGETHER + NEIGHBOURS)
        similarity = shapes[own].astype(np.float32) @ shapes[near].astype(np.float32).T
        weights = np.clip((similarity - SIMILAR) / (1 - SIMILAR), 0, 1) ** 2
        weights *= np.abs(sizes[own, None] - sizes[near]) < ALIKE_SIZE
        total = weights.sum(axis=1) + 1e-9
        means[own] = weights @ values[near] / total[:, None]
        share[own] = np.log(total / weights.shape[1] + 1e-3)
    return means, share
