"""Pacing spikes: a sudden jump, far steeper than the signal before and after, then a wide complex.

The published rule searches for peaks above 47 Hz, which narrow R waves have as well.  The order of
events separates paced beats from all others: a ventricular stimulus is the steepest part of its
beat, no activity precedes it, and a wide complex follows, since excitation spreads slowly from the
electrode.  Spikes before P waves alone (atrial pacing) are not detected.
"""

import numpy as np

LOWEST_HZ = 250.0  # below, a spike of about 2 ms is lost between samples or smoothed by filters
# Ours, chosen on MIT-BIH's 4 and LUDB's 6 paced records and 176 others (docs/results.md).
STEEPEST = 0.05  # mV/ms at least
TIMES_AFTER = 1.4  # at least so many times as steep as anything 10 to 150 ms later
TIMES_BEFORE = 6.0  # at least so many times as steep as anything 100 to 10 ms earlier
WIDE_SHARE = 0.5  # of the largest deflection, which 50 to 160 ms later the signal still reaches
_SEARCH_S = (0.18, 0.06)  # before and after the R peak, for the spike
_QUIET_S, _GAP_S, _AFTER_S, _LATE_S = 0.10, 0.010, 0.15, (0.05, 0.16)
_SMOOTH_S = 0.02
_MAX_BEATS = 60  # per lead: enough for a median


def spiked_leads(signal: np.ndarray, r_peaks: np.ndarray, fs: float) -> np.ndarray:
    """Mark the leads in which the median beat begins with a pacing spike.

    Parameters
    ----------
    signal : np.ndarray, shape (leads, samples)
        mV, without NaN.
    r_peaks : np.ndarray of int, shape (beats,)
        Samples.
    fs : float
        Hz, at least `LOWEST_HZ`.

    Returns
    -------
    np.ndarray of bool, shape (leads,)
        All False if no beat has enough signal around it.
    """
    from scipy.ndimage import uniform_filter1d

    before, after = (round(side * fs) for side in _SEARCH_S)
    quiet, gap, later = (round(s * fs) for s in (_QUIET_S, _GAP_S, _AFTER_S))
    late, end = (round(s * fs) for s in _LATE_S)
    inside = (r_peaks >= before + quiet) & (r_peaks < signal.shape[1] - after - end - 1)
    peaks = r_peaks[inside]
    peaks = peaks[:: len(peaks) // _MAX_BEATS + 1]
    spiked = np.zeros(len(signal), bool)
    if not len(peaks):
        return spiked
    for index, lead in enumerate(signal):
        slope = np.abs(np.diff(lead)) * (fs / 1000)  # mV/ms
        smooth = uniform_filter1d(lead, max(round(_SMOOTH_S * fs), 1))
        spikes = peaks - before + slope[peaks[:, None] + np.arange(-before, after)].argmax(axis=1)
        steep = slope[spikes]
        follows = slope[spikes[:, None] + np.arange(gap, later)].max(axis=1)
        precedes = slope[spikes[:, None] - np.arange(gap, quiet)].max(axis=1)
        level = np.median(lead[spikes[:, None] - np.arange(gap, quiet // 2)], axis=1)
        deflection = np.abs(smooth[spikes[:, None] + np.arange(end)] - level[:, None])
        tiny = 1e-6
        spiked[index] = (
            np.median(steep) >= STEEPEST
            and np.median(steep / (follows + tiny)) >= TIMES_AFTER
            and np.median(steep / (precedes + tiny)) >= TIMES_BEFORE
            and np.median(deflection[:, late:].max(axis=1) / (deflection.max(axis=1) + tiny))
            >= WIDE_SHARE
        )
    return spiked
