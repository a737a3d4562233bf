"""Traces: how much of a QRS complex there is in each lead, moment by moment, in two bands.

The envelope of a band (the size of the analytic signal) has one hump a QRS complex, whatever its
polarity.  Two bands, since narrow complexes stand out from P, T and wander at high frequencies,
and ventricular ones at low.  Filter, envelope and change of rate are one product between two
Fourier transforms: nothing is delayed, and little depends on fs.
"""

from typing import NamedTuple

import numpy as np

RATE_HZ = 100.0  # of the traces: enough for humps some 80 ms wide
# Centre and width (standard deviation).  QRS complexes differ most from P, T and noise at some 8 to
# 17 Hz (Thakor, Webster & Tompkins, IEEE TBME 1984;31:702); above lies what only narrow ones have.
# Both bands end below 50 Hz, so that records of 100 Hz are like others.
BANDS_HZ = ((10.0, 4.0), (25.0, 8.0))
WANDER_HZ = 2.0  # below, the bands' feet are cut off by the fourth order: ours
MARGIN_S = 1.0  # of mirrored signal at either end, by when the filters have rung out
FLOOR = 1e-6  # of a trace's largest value, were it a damaged sample: what is less is rounding
STILL_S = 0.1  # steps in which a lead is looked at for signs of life, ...
DEAD_S = 0.5  # ... and how long it has to be without


class Traces(NamedTuple):
    """What the leads show of QRS complexes.

    Attributes
    ----------
    logs : np.ndarray of float32, shape (leads * bands, steps)
        Natural logarithms of the envelopes; a lead's bands side by side.
    alive : np.ndarray of bool, shape (leads * bands, steps)
        Where the lead has values that change.
    stride : float
        Samples a step; step k lies at sample k * stride.
    """

    logs: np.ndarray
    alive: np.ndarray
    stride: float


def trace(filled: np.ndarray, changing: np.ndarray, fs: float) -> Traces:
    """Measure the envelopes of each lead.

    Parameters
    ----------
    filled, changing : np.ndarray, shape (leads, samples)
        What `fill` gives; the unit does not matter.
    fs : float
        Hz, from 100.
    """
    from scipy.fft import ifft, next_fast_len, rfft

    samples = filled.shape[1]
    length = next_fast_len(samples + 2 * round(MARGIN_S * fs), real=True)
    size = next_fast_len(round(length * RATE_HZ / fs))
    spectrum = rfft(_mirrored(filled, length), axis=1)
    bins = min(spectrum.shape[1], size // 2)
    bands = _bands(np.arange(bins) * (fs / length)) * np.float32(size / length)
    product = np.zeros((len(filled), len(BANDS_HZ), size), np.complex64)
    np.multiply(spectrum[:, None, :bins], bands, out=product[:, :, :bins])
    stride = length / size
    steps = int((samples - 1) / stride) + 1
    envelopes = np.abs(ifft(product, axis=2, overwrite_x=True)[:, :, :steps]).reshape(-1, steps)
    floor = FLOOR * envelopes.max(axis=1, keepdims=True)
    logs = np.log(np.maximum(envelopes, np.maximum(floor, np.finfo(np.float32).tiny)))
    alive = _alive(changing, fs, np.arange(steps) * stride)
    return Traces(logs, np.repeat(alive, len(BANDS_HZ), axis=0), stride)


def fill(signal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bridge what has no value by straight lines, around a mean of 0.

    Returns
    -------
    filled : np.ndarray of float32, shape (leads, samples)
    changing : np.ndarray of bool, shape (leads, samples)
        Where a value is, and not that of the sample before.
    """
    filled = np.array(signal, np.float32, order="C")
    known = np.isfinite(filled)
    for row in np.flatnonzero(~known.all(axis=1)):
        here = np.flatnonzero(known[row])
        if here.size:
            bridged = np.interp(np.arange(filled.shape[1]), here, filled[row, here])
            filled[row] = bridged
        else:
            filled[row] = 0
    filled -= filled.mean(axis=1, dtype=np.float64, keepdims=True).astype(np.float32)
    changing = known
    changing[:, 1:] &= filled[:, 1:] != filled[:, :-1]
    changing[:, :1] = False
    return filled, changing


def _mirrored(signal: np.ndarray, length: int) -> np.ndarray:
    """Lengthen a signal to a circle: behind its end what mirrors the end, then the beginning."""
    samples = signal.shape[1]
    places = np.arange(samples, length)
    places[len(places) // 2 :] -= length
    turn = max(2 * (samples - 1), 1)
    places %= turn
    return np.concatenate([signal, signal[:, np.minimum(places, turn - places)]], axis=1)


def _bands(hertz: np.ndarray) -> np.ndarray:
    """Evaluate the bands, float32 of shape (bands, frequencies); twice, for the analytic signal."""
    wander = 1 - np.exp(-((hertz / WANDER_HZ) ** 4))
    shapes = [2 * wander * np.exp(-0.5 * ((hertz - c) / width) ** 2) for c, width in BANDS_HZ]
    return np.array(shapes, np.float32)


def _alive(changing: np.ndarray, fs: float, places: np.ndarray) -> np.ndarray:
    """Tell where a lead changes within `DEAD_S`, bool of shape (leads, places)."""
    from scipy.ndimage import maximum_filter1d

    width = max(round(STILL_S * fs), 1)
    changes = np.logical_or.reduceat(changing, np.arange(0, changing.shape[1], width), axis=1)
    around = maximum_filter1d(changes, round(DEAD_S / STILL_S), axis=1, mode="nearest")
    return around[:, (places / width).astype(int)]
