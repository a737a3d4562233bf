"""Pacing spikes: a jump out of quiet, far steeper than all that follows, and then a wide complex.

The published filter asks for peaks above 47 Hz, which a narrow R wave has as well; what no beat of
its own has is the order of events.  A stimulus of the ventricle is the steepest moment of its beat,
comes out of quiet, and a wide complex follows, since excitation spreads slowly from the electrode.
Spikes before P waves alone (atrial pacing) are not looked for.
"""

import numpy as np

LOWEST_HZ = 250.0  # below, a spike of some 2 ms is lost between samples or rounded by filters
# Ours, chosen on MIT-BIH's 4 and LUDB's 6 paced records beside 176 others (docs/results.md).
STEEPEST = 0.05  # mV/ms at least
TIMES_AFTER = 1.4  # as steep as anything from 10 to 150 ms after
TIMES_BEFORE = 6.0  # as steep as anything from 100 to 10 ms before
WIDE_SHARE = 0.5  # of the largest deflection, that is left (or comes) 50 to 160 ms after
_LOOK_S = (0.18, 0.06)  # around the R peak, for the spike
_QUIET_S, _GAP_S, _AFTER_S, _LATE_S = 0.10, 0.010, 0.15, (0.05, 0.16)
_SMOOTH_S = 0.02
_MOST_BEATS = 60  # per lead: enough for a median


def spiked_leads(signal: np.ndarray, r_peaks: np.ndarray, fs: float) -> np.ndarray:
    """Mark the leads whose usual beat begins with a pacing spike.

    Parameters
    ----------
    signal : np.ndarray, shape (leads, samples)
        mV, without NaN.
    r_peaks : np.ndarray of int, shape (beats,)
        Samples.
    fs : float
        Hz, from `LOWEST_HZ`.

    Returns
    -------
    np.ndarray of bool, shape (leads,)
        All False where no beat has enough signal around it.
    """
    from scipy.ndimage import uniform_filter1d

    before, after = (round(side * fs) for side in _LOOK_S)
    quiet, gap, later = (round(s * fs) for s in (_QUIET_S, _GAP_S, _AFTER_S))
    late, end = (round(s * fs) for s in _LATE_S)
    inside = (r_peaks >= before + quiet) & (r_peaks < signal.shape[1] - after - end - 1)
    some = r_peaks[inside]
    some = some[:: len(some) // _MOST_BEATS + 1]
    marks = np.zeros(len(signal), bool)
    if not len(some):
        return marks
    for row, lead in enumerate(signal):
        slope = np.abs(np.diff(lead)) * (fs / 1000)  # mV/ms
        smooth = uniform_filter1d(lead, max(round(_SMOOTH_S * fs), 1))
        spikes = some - before + slope[some[:, None] + np.arange(-before, after)].argmax(axis=1)
        steep = slope[spikes]
        follows = slope[spikes[:, None] + np.arange(gap, later)].max(axis=1)
        precedes = slope[spikes[:, None] - np.arange(gap, quiet)].max(axis=1)
        level = np.median(lead[spikes[:, None] - np.arange(gap, quiet // 2)], axis=1)
        deflection = np.abs(smooth[spikes[:, None] + np.arange(end)] - level[:, None])
        tiny = 1e-6
        marks[row] = (
            np.median(steep) >= STEEPEST
            and np.median(steep / (follows + tiny)) >= TIMES_AFTER
            and np.median(steep / (precedes + tiny)) >= TIMES_BEFORE
            and np.median(deflection[:, late:].max(axis=1) / (deflection.max(axis=1) + tiny))
            >= WIDE_SHARE
        )
    return marks
