"""Noise at a stated ratio of signal to noise, as WFDB's `nst` defines it."""

import numpy as np

QRS_S = 0.05  # to either side of a mark: the range there is the size of a QRS complex


def noise_gain(
    signal: np.ndarray, marks: np.ndarray, noise: np.ndarray, fs: float, decibels: float
) -> np.ndarray:
    """Compute the factor of noise for a ratio of signal to noise, as WFDB's `nst`, per lead.

    Signal power is a²/8, the power of a sine as large as the QRS complexes: a is the mean over the
    beats of the range within 50 ms of the mark.  Noise power is the variance about the means of
    seconds.  `nst` computes both with trimming.

    Parameters
    ----------
    signal : np.ndarray of shape (leads, samples)
    marks : np.ndarray of int, shape (beats,)
        Samples of the QRS complexes.
    noise : np.ndarray of shape (leads, samples)
        At least one second.
    fs : float
        Sampling rate of both, in Hz.
    decibels : float
        Ratio of the powers.
    """
    second, reach = round(fs), round(QRS_S * fs)
    inner = marks[(marks >= reach) & (marks < signal.shape[1] - reach)]
    around = signal[:, inner[:, None] + np.arange(-reach, reach + 1)]
    power = np.ptp(around, axis=2).mean(axis=1) ** 2 / 8
    seconds = noise[:, : noise.shape[1] // second * second].reshape(len(noise), -1, second)
    gain: np.ndarray = np.sqrt(power / seconds.var(axis=2).mean(axis=1) / 10 ** (decibels / 10))
    return gain
