"""Transforms of a signal, from mV to a network's input.

A transform is `transform(signal, fs, **numbers) -> signal, fs` on (leads, samples) in mV, without
side effects; recipes name transforms by their key in `TRANSFORMS`.  NumPy alone at import.
"""

from collections.abc import Callable
from fractions import Fraction

import numpy as np

FLAT_MV = 1e-5  # standard deviation; 0.01 µV is rounding, not a signal

Transform = Callable[..., tuple[np.ndarray, float]]


def fill(signal: np.ndarray, fs: float) -> tuple[np.ndarray, float]:
    """Set samples without a value (NaN, ±inf) to 0 mV."""
    return np.nan_to_num(signal, nan=0.0, posinf=0.0, neginf=0.0), fs


def hold(signal: np.ndarray, fs: float, *, limit_mv: float = 20) -> tuple[np.ndarray, float]:
    """Replace samples without a value or beyond ±`limit_mv` by the previous sample of the lead.

    Kang & Wen 2022.  A first sample beyond the limit is kept; without a value it becomes 0.
    """
    with np.errstate(invalid="ignore"):
        good = np.abs(signal) <= limit_mv
    source = np.where(good, np.arange(signal.shape[1]), 0)
    held = np.take_along_axis(signal, np.maximum.accumulate(source, axis=1), axis=1)
    return fill(held, fs)


def resample(
    signal: np.ndarray, fs: float, *, to_hz: float, tolerance: float = 0.0
) -> tuple[np.ndarray, float]:
    """Resample by a polyphase filter (SciPy's, Kaiser 5.0) to `to_hz`.

    Within the relative `tolerance` of `to_hz` the signal is returned unchanged: ISIBrno 2020 uses
    257 Hz as 250 Hz.  The output has ceil(samples · to_hz / fs) samples, with the ratio rounded to
    a fraction of denominator 1000 at most.
    """
    if abs(fs - to_hz) <= tolerance * to_hz:
        return signal, fs
    from scipy.signal import resample_poly

    ratio = (Fraction(to_hz) / Fraction(fs)).limit_denominator(1000)
    return resample_poly(signal, ratio.numerator, ratio.denominator, axis=1), float(to_hz)


def remove_mean(signal: np.ndarray, fs: float) -> tuple[np.ndarray, float]:
    """Subtract each lead's mean over the record."""
    return signal - signal.mean(axis=1, keepdims=True), fs


def z_score(signal: np.ndarray, fs: float) -> tuple[np.ndarray, float]:
    """Scale each lead to mean 0 and standard deviation 1 over the record; a flat lead becomes 0."""
    centred = signal - signal.mean(axis=1, keepdims=True)
    deviation = centred.std(axis=1, keepdims=True)
    return np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation > 1e-9), fs


def record_z_score(signal: np.ndarray, fs: float) -> tuple[np.ndarray, float]:
    """Scale all leads together to mean 0 and standard deviation 1; flat leads become 0.

    Kang & Wen 2022: x → (x − mean) / (std + 1e-7), mean and std over leads and samples.  Ours:
    without flat leads, so that a missing or dropped lead does not change the others.
    """
    lively = signal.std(axis=1) > FLAT_MV
    scaled = np.zeros_like(signal)
    if lively.any():
        subset = signal[lively]
        mean = subset.mean(dtype=np.float64)
        scaled[lively] = (subset - mean) / (subset.std(dtype=np.float64) + 1e-7)
    return scaled, fs


def fir_band_pass(
    signal: np.ndarray, fs: float, *, low_hz: float, high_hz: float, order_s: float = 0.3
) -> tuple[np.ndarray, float]:
    """Filter forward and backward by a Hamming-window FIR filter of about `order_s` seconds.

    Kang & Wen 2022, runs of November 2021: int(order_s · fs) taps, rounded up to odd.  A window of
    0.3 s cannot resolve 0.5 Hz: 70 % of a constant passes (`docs/filters.md`).  With `high_hz` at
    or above half the sampling frequency the filter is a high-pass.
    """
    from scipy.signal import filtfilt, firwin

    taps = int(order_s * fs) | 1
    edges, kind = _edges(low_hz, high_hz, fs)
    weights = firwin(taps, edges, pass_zero=kind, window="hamming", fs=fs)
    padding = min(
        3 * taps, signal.shape[1] - 1
    )  # 3 · taps is SciPy's default; short records allow less
    return filtfilt(weights, 1.0, signal, axis=1, padlen=padding), fs


def butterworth_band_pass(
    signal: np.ndarray, fs: float, *, low_hz: float, high_hz: float, order: int = 5
) -> tuple[np.ndarray, float]:
    """Filter forward and backward by a Butterworth filter, in second-order sections.

    Kang & Wen 2021's official-phase entry: order 5.  In transfer-function form, which later code
    used with order 25, it is unstable at 500 Hz.  With `high_hz` at or above half the sampling
    frequency the filter is a high-pass.
    """
    from scipy.signal import butter, sosfiltfilt

    edges, kind = _edges(low_hz, high_hz, fs)
    sections = butter(order, edges, kind, output="sos", fs=fs)
    padding = min(3 * (2 * len(sections) + 1), signal.shape[1] - 1)  # at most SciPy's default
    return sosfiltfilt(sections, signal, axis=1, padlen=padding), fs


def _edges(low_hz: float, high_hz: float, fs: float) -> tuple[float | list[float], str]:
    """Give the band edges below half the sampling frequency, and the kind of filter."""
    return ([low_hz, high_hz], "bandpass") if high_hz < fs / 2 else (low_hz, "highpass")


def fit_length(
    signal: np.ndarray, fs: float, *, seconds: float, tolerance: float
) -> tuple[np.ndarray, float]:
    """Crop the middle, or pad both sides with zeros, to `seconds`.

    A signal longer by more than the relative `tolerance` is kept: windows are cut from it later.
    Kang & Wen 2022: 10 s, 0.4; the left side gets the smaller half of an odd difference.
    """
    samples, target = signal.shape[1], round(seconds * fs)
    if samples > target * (1 + tolerance):
        return signal, fs
    left = abs(samples - target) // 2
    if samples >= target:
        return signal[:, left : left + target], fs
    return np.pad(signal, ((0, 0), (left, target - samples - left))), fs


def envelopes(
    signal: np.ndarray, fs: float, *, low_hz: float, mid_hz: float, centred: float = 0
) -> tuple[np.ndarray, float]:
    """Append the envelopes of two low bands as derived channels: (3 · leads, samples).

    The envelope is the absolute value of the Hilbert transform of the signal filtered, in the
    frequency domain, by a Tukey window (α = 0.5) over 0…`low_hz` or `mid_hz`; Nejedly et al., CinC
    2020, section 2.  With `centred` = 1 the window is centred on 0 Hz (a low-pass) instead.
    Channels: all leads in mV, then all low envelopes, then all mid envelopes.
    """
    from scipy.fft import fft, ifft

    samples = signal.shape[1]
    spectrum = fft(signal, axis=1)
    hertz = np.fft.fftfreq(samples, 1 / fs)
    # The analytic signal: positive frequencies doubled, negative ones removed.
    one_sided = np.where(hertz > 0, 2.0, np.where(hertz == 0, 1.0, 0.0))
    if samples % 2 == 0:
        one_sided[samples // 2] = 1.0
    channels = [signal]
    for cutoff in (low_hz, mid_hz):
        window = tukey_band(np.abs(hertz), cutoff, centred=bool(centred))
        analytic = ifft(spectrum * (window * one_sided).astype(signal.dtype), axis=1)
        channels.append(np.abs(analytic).astype(signal.dtype))
    return np.concatenate(channels), fs


def tukey_band(hertz: np.ndarray, cutoff_hz: float, *, centred: bool = False) -> np.ndarray:
    """Evaluate a Tukey window (α = 0.5) over 0…cutoff, or centred on 0 Hz.

    Parameters
    ----------
    hertz : np.ndarray
        Frequencies ≥ 0.
    """
    if centred:
        slope = np.clip(2 * hertz / cutoff_hz - 1, 0, 1)
        return 0.5 * (1 + np.cos(np.pi * slope))
    width = cutoff_hz / 4
    edge = np.clip(np.minimum(hertz, cutoff_hz - hertz) / width, 0, 1)
    return np.asarray(0.5 * (1 - np.cos(np.pi * edge)))


TRANSFORMS: dict[str, Transform] = {
    "fill": fill,
    "hold": hold,
    "resample": resample,
    "remove_mean": remove_mean,
    "z_score": z_score,
    "record_z_score": record_z_score,
    "fir_band_pass": fir_band_pass,
    "butterworth_band_pass": butterworth_band_pass,
    "fit_length": fit_length,
    "fit_training_length": fit_length,
    "envelopes": envelopes,
}
# Transforms that cut or pad the time axis and nothing else; those that running leaves out, so that
# a network reads a record whole, as Kang & Wen's does.
CROPPING = frozenset({"fit_length", "fit_training_length"})
TRAINING_ONLY = frozenset({"fit_training_length"})
