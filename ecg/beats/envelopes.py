"""Envelopes of each lead in two frequency bands that show QRS complexes.

The envelope of a band (the magnitude of the analytic signal) has one peak per QRS complex, whatever
the polarity of the complex.  At high frequencies narrow complexes exceed P waves, T waves and
baseline wander; at low frequencies ventricular complexes do.  Filter, envelope and resampling are
one multiplication between two Fourier transforms.  They add no delay and hardly depend on fs.
"""

from typing import NamedTuple

import numpy as np

RATE_HZ = 100.0  # sampling rate of the envelopes, whose peaks are about 80 ms wide
# Centre and width (standard deviation).  QRS complexes differ most from P, T and noise at about
# 8 to 17 Hz (Thakor, Webster & Tompkins, IEEE TBME 1984;31:702).  Only narrow complexes have power
# above that.  Both bands end below 50 Hz, so records of 100 Hz contain them completely.
BANDS_HZ = ((10.0, 4.0), (25.0, 8.0))
WANDER_HZ = 2.0  # both bands are attenuated below this by a fourth-order term; ours
MARGIN_S = 1.0  # mirrored signal at each end, longer than the filters' response
FLOOR = 1e-6  # of a channel's maximum: below is rounding error, even next to a damaged sample
ACTIVITY_S = 0.1  # a lead is tested for change in steps of this duration
FLAT_S = 0.5  # a lead without change for this duration is flat


class Envelopes(NamedTuple):
    """Log envelopes of all channels; a channel is one band of one lead.

    Attributes
    ----------
    logs : np.ndarray of float32, shape (channels, steps)
        Natural logarithms; the bands of a lead are adjacent.
    active : np.ndarray of bool, shape (channels, steps)
        True where the lead has values that change.
    stride : float
        Samples per step: step k lies at sample k * stride.
    """

    logs: np.ndarray
    active: np.ndarray
    stride: float


def log_envelopes(filled: np.ndarray, changing: np.ndarray, fs: float) -> Envelopes:
    """Compute the log envelopes of each lead.

    Parameters
    ----------
    filled, changing : np.ndarray, shape (leads, samples)
        As returned by `interpolate_gaps`; in any unit.
    fs : float
        Hz, at least 100.
    """
    from scipy.fft import ifft, next_fast_len, rfft

    samples = filled.shape[1]
    length = next_fast_len(samples + 2 * round(MARGIN_S * fs), real=True)
    size = next_fast_len(round(length * RATE_HZ / fs))
    spectrum = rfft(_pad_mirrored(filled, length), axis=1)
    bins = min(spectrum.shape[1], size // 2)
    bands = _band_responses(np.arange(bins) * (fs / length)) * np.float32(size / length)
    product = np.zeros((len(filled), len(BANDS_HZ), size), np.complex64)
    np.multiply(spectrum[:, None, :bins], bands, out=product[:, :, :bins])
    stride = length / size
    steps = int((samples - 1) / stride) + 1
    envelopes = np.abs(ifft(product, axis=2, overwrite_x=True)[:, :, :steps]).reshape(-1, steps)
    floor = FLOOR * envelopes.max(axis=1, keepdims=True)
    logs = np.log(np.maximum(envelopes, np.maximum(floor, np.finfo(np.float32).tiny)))
    active = _active(changing, fs, np.arange(steps) * stride)
    return Envelopes(logs, np.repeat(active, len(BANDS_HZ), axis=0), stride)


def interpolate_gaps(signal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Interpolate missing values linearly and subtract the mean of each lead.

    Returns
    -------
    filled : np.ndarray of float32, shape (leads, samples)
    changing : np.ndarray of bool, shape (leads, samples)
        True where the input has a value that differs from the sample before.
    """
    filled = np.array(signal, np.float32, order="C")
    known = np.isfinite(filled)
    for lead in np.flatnonzero(~known.all(axis=1)):
        indices = np.flatnonzero(known[lead])
        if indices.size:
            bridged = np.interp(np.arange(filled.shape[1]), indices, filled[lead, indices])
            filled[lead] = bridged
        else:
            filled[lead] = 0
    filled -= filled.mean(axis=1, dtype=np.float64, keepdims=True).astype(np.float32)
    changing = known
    changing[:, 1:] &= filled[:, 1:] != filled[:, :-1]
    changing[:, :1] = False
    return filled, changing


def _pad_mirrored(signal: np.ndarray, length: int) -> np.ndarray:
    """Append to a signal the mirror image of its end, then that of its beginning."""
    samples = signal.shape[1]
    indices = np.arange(samples, length)
    indices[len(indices) // 2 :] -= length
    period = max(2 * (samples - 1), 1)
    indices %= period
    return np.concatenate([signal, signal[:, np.minimum(indices, period - indices)]], axis=1)


def _band_responses(hertz: np.ndarray) -> np.ndarray:
    """Compute the analytic filter of each band, float32 of shape (bands, frequencies)."""
    wander = 1 - np.exp(-((hertz / WANDER_HZ) ** 4))
    shapes = [2 * wander * np.exp(-0.5 * ((hertz - c) / width) ** 2) for c, width in BANDS_HZ]
    return np.array(shapes, np.float32)


def _active(changing: np.ndarray, fs: float, samples: np.ndarray) -> np.ndarray:
    """Mark where a lead changes within `FLAT_S` of these samples, bool of shape (leads, steps)."""
    from scipy.ndimage import maximum_filter1d

    width = max(round(ACTIVITY_S * fs), 1)
    changes = np.logical_or.reduceat(changing, np.arange(0, changing.shape[1], width), axis=1)
    around = maximum_filter1d(changes, round(FLAT_S / ACTIVITY_S), axis=1, mode="nearest")
    return np.asarray(around[:, (samples / width).astype(int)])
