"""The rule detectors of Revenger 2021 as published, faults included, for comparison alone.

Kang & Wen, Physiol. Meas. 43 (2022) 064007.  Where the paper is silent or its code does otherwise
(DeepPSP/cinc2021, utils/special_detectors.py; its functions are named below), the code holds.  The
signal is taken as it is, with all wander: what that code calls filtered is not.  We differ where it
raises, as each function says, and round float32 mV to a nanovolt, so that amplitudes on a threshold
fall to the same side as its float64 ones.  In a lead with NaN nothing is found, as there.
"""

from collections.abc import Sequence

import numpy as np

from ecg import LeadwiseError
from ecg.leads import LIMB, STANDARD, canonical_name

PRECORDIAL = STANDARD[6:]
AXIS_METHODS = ("2-lead", "3-lead")  # of the published answers, and of the authors' run_model

# All from the authors' cfg.py and ecg_preproc.py unless said otherwise.
MERGE_MS, MERGE_SHARE = 50, 8 / 12  # around an R peak of a lead; share of the leads
CORRECTION_S = 0.05  # biosppy 2.2.4, correct_rpeaks
BRADYCARDIA_RR_MS, TACHYCARDIA_RR_MS = 1000, 600  # 60 and 100 beats a minute
AXIS_MS = 70  # either side of an R peak
LQRSV_MS, LQRSV_SHARE = 60, 0.8  # either side of an R peak; share of the low leads
LOW_LIMB_MV, LOW_PRECORDIAL_MV = 0.5 + 0.02, 1 + 0.02  # 5 and 10 mm, and the authors' allowance
SPIKE_HZ, SPIKE_ORDER = 47, 20  # high-pass Butterworth
SPIKE_TIMES_MEAN, SPIKE_PROMINENCE_MV = 15, 0.3
SPIKE_APART_MS, SPIKE_WINDOW_MS = 300, 120  # between spikes; in which the prominence counts
SPIKE_EVERY_MS, SPIKE_SHARE = 2500, 7 / 12  # at most, in the mean; share of the leads
POOR_V3_MV = 0.3  # 3 mm


def detect(signal: np.ndarray, fs: float) -> np.ndarray:
    """Find the R peaks as published: XQRS on each lead, corrected, and merged by majority.

    Source: `xqrs_detect`, `merge_rpeaks`.  XQRS is wfdb's, with its defaults.  Each R peak moves to
    the maximum of its lead within 50 ms and is dropped where that reaches beyond the record.  What
    lies within 50 ms of the R peaks of int(8/12 leads) leads forms intervals; each has one beat:
    the place that most of its R peaks share, else their mean.  Faults: of two leads one is enough;
    of a single lead none is needed, and the record is one interval with one "beat" in its middle;
    a beat whose R peaks lie too far apart, outside the interval, is lost.

    Parameters
    ----------
    signal : np.ndarray, shape (leads, samples)
        In mV, as XQRS's first threshold.
    fs : float
        Hz, above 94.

    Returns
    -------
    np.ndarray of int, shape (beats,)
        Samples, ascending; none in up to 0.3 s, at which XQRS's filters raise.

    Raises
    ------
    LeadwiseError
        wfdb is missing, fs is too low, or the signal is not of leads and samples.
    """
    signal = _checked(signal, fs)
    try:
        from wfdb.processing import xqrs_detect
    except ImportError as error:
        text = "the published rules find R peaks by wfdb: pip install wfdb, or give the R peaks"
        raise LeadwiseError(text) from error
    if signal.shape[1] <= 3 * int(0.1 * fs):  # filtfilt's padding for XQRS's wavelet of 0.1 s
        return np.array([], int)
    with np.errstate(all="ignore"):
        found = [xqrs_detect(lead, fs, verbose=False).astype(int) for lead in signal]
    corrected = [_correct(lead, peaks, fs) for lead, peaks in zip(signal, found, strict=True)]
    return _merge(corrected, signal.shape[1], fs)


def judge(
    signal: np.ndarray,
    leads: Sequence[str],
    fs: float,
    r_peaks: np.ndarray | None = None,
    *,
    axis_method: str = "2-lead",
) -> dict[str, bool]:
    """Answer all rules as published.

    Parameters
    ----------
    signal : np.ndarray, shape (leads, samples)
        In mV, unfiltered.
    leads : sequence of str
        Names of the rows, in any case.
    fs : float
        Hz, above 94.
    r_peaks : np.ndarray of int, shape (beats,), optional
        Samples, ascending; found by `detect` where not given.
    axis_method : {"2-lead", "3-lead"}
        As for `axis`.

    Returns
    -------
    dict of str to bool
        LAD, RAD, bradycardia, tachycardia, LQRSV, pacing, PRWP.

    Raises
    ------
    LeadwiseError
        As for `detect`; rows and leads are not of a number; the method is unknown.

    Examples
    --------
    >>> judge(np.zeros((2, 5000)), ["I", "II"], 500, r_peaks=np.array([], int))["LQRSV"]
    True
    """
    signal = _checked(signal, fs)
    if len(signal) != len(leads):
        raise LeadwiseError(f"the signal has {len(signal)} rows; {len(leads)} leads are named")
    r_peaks = detect(signal, fs) if r_peaks is None else np.asarray(r_peaks, int)
    side, speed = axis(signal, leads, r_peaks, axis_method), rate(r_peaks, fs)
    return {
        "LAD": side == "LAD",
        "RAD": side == "RAD",
        "bradycardia": speed == "bradycardia",
        "tachycardia": speed == "tachycardia",
        "LQRSV": low_voltage(signal, leads, r_peaks, fs),
        "pacing": pacing(signal, fs),
        "PRWP": poor_progression(signal, leads, r_peaks),
    }


def rate(r_peaks: np.ndarray, fs: float) -> str:
    """Name the rate "bradycardia", "tachycardia" or "normal" (of fewer than two beats too).

    Source: `brady_tachy_detector`.  Fault: one missed beat in 10 s moves the mean RR by some 10 %.
    """
    if len(r_peaks) < 2:
        return "normal"
    mean_rr = np.diff(r_peaks).mean()
    if mean_rr > _samples(BRADYCARDIA_RR_MS, fs):
        return "bradycardia"
    return "tachycardia" if mean_rr < _samples(TACHYCARDIA_RR_MS, fs) else "normal"


def axis(
    signal: np.ndarray, leads: Sequence[str], r_peaks: np.ndarray, method: str = "2-lead"
) -> str:
    """Name the axis "LAD", "RAD" or "normal" by the extremes of whole leads.

    Source: `electrical_axis_detector`.  Faults: its test for "no beats" holds whenever there are
    beats, so that signs come from the whole lead, artefacts and wander included; without beats, I
    or aVF (which I and II determine) the axis is "normal", and so is an extreme one; the 3-lead
    method asks for II in LAD but not in RAD.  Without II the published code raises; here the 2-lead
    method answers, as a comment there wishes.
    """
    rows = zip(map(canonical_name, leads), signal, strict=True) if len(r_peaks) else ()
    return _name_axis({lead: row.max() > abs(row.min()) for lead, row in rows}, method)


def axis_as_intended(
    signal: np.ndarray, leads: Sequence[str], r_peaks: np.ndarray, fs: float, method: str = "2-lead"
) -> str:
    """Name the axis by what most beats show, the part of `electrical_axis_detector` never reached.

    A lead is positive if its maximum within 70 ms exceeds the size of its minimum in more than half
    of the beats.  The faults of the lead sets, of extreme axes and of RAD are those of `axis`.
    """
    radius, last, positive = _samples(AXIS_MS, fs), signal.shape[1] - 1, {}
    for lead, row in zip(map(canonical_name, leads), signal, strict=True):
        beats = [row[max(0, peak - radius) : min(last, peak + radius)] for peak in r_peaks]
        votes = sum(beat.max() > abs(beat.min()) for beat in beats)
        positive[lead] = votes >= len(beats) // 2 + 1
    return _name_axis(positive, method)


def low_voltage(signal: np.ndarray, leads: Sequence[str], r_peaks: np.ndarray, fs: float) -> bool:
    """Tell whether the QRS complexes of 80 % of the limb, or of the precordial leads are low.

    Source: `LQRSV_detector`.  A lead is low up to 0.52 mV (limb) or 1.02 mV from minimum to maximum
    within 60 ms of an R peak.  Faults: the largest beat of a lead counts, so that one tall beat
    says no; windows beyond the record are filled with zeros, so that an offset counts there; V2
    decides alone where there is no other precordial lead; without beats windows of 120 ms are taken
    all over, so that a flat record is low; at a shorter record it raises: ours takes the whole.
    """
    radius, samples = int(round(2 * LQRSV_MS / 1000 * fs)) // 2, signal.shape[1]
    onsets = r_peaks - radius if len(r_peaks) else np.arange(samples // radius - 1) * radius
    places = onsets[:, None] + np.arange(2 * radius)
    inside = (places >= 0) & (places < samples)
    beats = np.where(inside, signal[:, np.where(inside, places, 0)], 0.0)  # (leads, beats, window)
    heights = np.ptp(beats, axis=2).max(axis=1) if len(onsets) else np.ptp(signal, axis=1)
    names = [canonical_name(lead) for lead in leads]
    for group, limit in ((LIMB, LOW_LIMB_MV), (PRECORDIAL, LOW_PRECORDIAL_MV)):
        low = [heights[row] <= limit for row, lead in enumerate(names) if lead in group]
        if low and sum(low) / len(low) >= LQRSV_SHARE:
            return True
    return False


def pacing(signal: np.ndarray, fs: float) -> bool:
    """Tell whether 7/12 of the leads have a pacing spike every 2.5 s, in the mean.

    Source: `pacing_rhythm_detector`.  Fault: the high-pass of order 20 in transfer-function form is
    unstable at some fs, as 100 and 1000 Hz; its output, of any size, is searched all the same.
    Records too short for the filter (0.13 s at 500 Hz), where the published code raises, have none.
    """
    from scipy.signal import butter, filtfilt, peak_prominences

    apart, window = _samples(SPIKE_APART_MS, fs), _samples(SPIKE_WINDOW_MS, fs)
    samples = signal.shape[1]
    if samples <= max(2 * apart, 3 * (SPIKE_ORDER + 1)):  # spikes at the ends; filtfilt's padding
        return False
    numerator, denominator = butter(SPIKE_ORDER, SPIKE_HZ / (fs / 2), "highpass")
    paced = 0
    for lead in signal:
        with np.errstate(all="ignore"):
            heights = np.abs(filtfilt(numerator, denominator, lead))
            spikes = _tops(heights, SPIKE_TIMES_MEAN * heights.mean(), apart)
            steep = (peak_prominences(heights, spikes, window)[0] >= SPIKE_PROMINENCE_MV).sum()
        paced += bool(steep) and samples * 1000 / fs / steep <= SPIKE_EVERY_MS
    return bool(paced >= round(SPIKE_SHARE * len(signal)))


def poor_progression(signal: np.ndarray, leads: Sequence[str], r_peaks: np.ndarray) -> bool:
    """Tell whether the mean R wave is below 0.3 mV in V3, or falls from one of V1-V4 to the next.

    Source: `PRWP_detector`, of December 2021: later than the published answers, and never used.
    Fault: missing leads are passed over, so that V1 and V4 alone decide.  Without V3 and without
    two of V1-V4 the answer is no; without beats too, where the published code raises.
    """
    if not len(r_peaks):
        return False
    rows = zip(map(canonical_name, leads), signal, strict=True)
    means = {lead: row[r_peaks].mean() for lead, row in rows if lead in PRECORDIAL[:4]}
    low_v3 = means.get("V3", POOR_V3_MV) < POOR_V3_MV
    return bool(low_v3 or (np.diff(list(means.values())) < 0).any())


def _checked(signal: np.ndarray, fs: float) -> np.ndarray:
    """Give the signal as float64 mV, float32 rounded to a nanovolt; refuse what no rule can use."""
    if signal.ndim != 2 or not signal.size:
        raise LeadwiseError(f"the signal has the shape {signal.shape}; (leads, samples) is needed")
    if not fs > 2 * SPIKE_HZ:
        text = f"fs is {fs:g} Hz; the published rules need more than {2 * SPIKE_HZ} Hz"
        raise LeadwiseError(f"{text}. Resample the signal to 500 Hz, as their authors do.")
    double = signal.astype(float)
    return np.round(double, 6) if signal.dtype == np.float32 else double


def _samples(duration_ms: float, fs: float) -> int:
    """Turn a duration into samples, cut off as by `ms2samples`."""
    return int(duration_ms * fs // 1000)


def _correct(lead: np.ndarray, r_peaks: np.ndarray, fs: float) -> np.ndarray:
    """Move R peaks to the maximum of [-50, 50) ms, drop them at the ends, as biosppy does."""
    radius = int(CORRECTION_S * fs)
    onsets = r_peaks[(r_peaks >= radius) & (r_peaks + radius <= len(lead))] - radius
    tops = [onset + lead[onset : onset + 2 * radius].argmax() for onset in onsets]
    return np.unique(np.array(tops, int))


def _merge(of_leads: list[np.ndarray], samples: int, fs: float) -> np.ndarray:
    """Merge the leads' R peaks, `merge_rpeaks`; the interval begins one sample before the mask."""
    radius = _samples(MERGE_MS, fs)
    covered = np.zeros((len(of_leads), samples), bool)
    for row, peaks in zip(covered, of_leads, strict=True):
        for peak in peaks:
            row[max(0, peak - radius) : min(samples - 1, peak + radius)] = True
    common = covered.sum(axis=0) >= int(MERGE_SHARE * len(of_leads))
    common[[0, -1]] = False
    merged, everyone = [], np.concatenate(of_leads)
    for first, last in np.flatnonzero(np.diff(common)).reshape(-1, 2):
        near = everyone[(everyone >= first) & (everyone <= last)]
        places, votes = np.unique(near, return_counts=True)
        if len(near):
            majority = votes.max() > len(near) // 2
            merged.append(places[votes.argmax()] if majority else int(near.mean()))
    return np.array(merged, int)


def _name_axis(positive: dict[str, bool], method: str) -> str:
    """Name the axis by the signs of I, aVF and, for LAD by the 3-lead method, II."""
    if method not in AXIS_METHODS:
        raise LeadwiseError(f"axis method {method!r}: there are {', '.join(AXIS_METHODS)}")
    if not {"I", "aVF"} <= positive.keys() or positive["I"] == positive["aVF"]:
        return "normal"
    if positive["aVF"]:
        return "RAD"
    return "normal" if method == "3-lead" and positive.get("II") else "LAD"


def _tops(heights: np.ndarray, least: float, apart: int) -> np.ndarray:
    """Find tops of at least this height, each the highest (of equals the last) so far around."""
    rise = np.diff(heights)
    tops = np.flatnonzero((rise[:-1] > 0) & (rise[1:] <= 0)) + 1
    tops = tops[(tops >= apart) & (tops < len(heights) - apart) & (heights[tops] >= least)]
    kept: list[int] = []
    for top in tops[np.argsort(heights[tops])][::-1]:
        if all(abs(top - other) > apart for other in kept):
            kept.append(top)
    highest = [top for top in kept if heights[top] == heights[top - apart : top + apart + 1].max()]
    return np.array(sorted(highest), int)
