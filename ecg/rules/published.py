"""The rule detectors of Revenger 2021 as published, with their errors, for comparison only.

Kang & Wen, Physiol. Meas. 43 (2022) 064007, section 5, for axis and low voltages; appendix
A shows labels that contradict them.  Rates, pacing and all numbers are from the public code, and so
is the PRWP rule: the paper (appendix B) names the absence of the normal increase of R from V1 to
V6.  Where paper and code differ, we follow the code
(DeepPSP/cinc2021, utils/special_detectors.py); each docstring names its function.  The signal
includes baseline wander, since the authors' "filtered" signal is not filtered.  We differ where
their code raises an exception, as each docstring notes, and round float32 mV to a nanovolt, so that
amplitudes at a threshold compare as their float64 ones do.  As with their code, a lead with NaN has
no R peaks and no spikes.
"""

from collections.abc import Sequence

import numpy as np

from ecg import LeadwiseError
from ecg.beats import HIGHEST_HZ
from ecg.leads import LIMB, STANDARD, canonical_name

PRECORDIAL = STANDARD[6:]
AXIS_METHODS = ("2-lead", "3-lead")  # of the published answers; of the authors' run_model

# From the authors' cfg.py and ecg_preproc.py unless noted otherwise.
MERGE_MS, MERGE_SHARE = 50, 8 / 12  # on either side of an R peak; minimum share of leads
CORRECTION_S = 0.05  # biosppy 2.2.4, correct_rpeaks
BRADYCARDIA_RR_MS, TACHYCARDIA_RR_MS = 1000, 600  # 60 and 100 beats per minute
AXIS_MS = 70  # on either side of an R peak
LQRSV_MS, LQRSV_SHARE = 60, 0.8  # on either side of an R peak; minimum share of low leads
LOW_LIMB_MV, LOW_PRECORDIAL_MV = 0.5 + 0.02, 1 + 0.02  # 5 and 10 mm, plus the authors' tolerance
SPIKE_HZ, SPIKE_ORDER = 47, 20  # high-pass Butterworth
SPIKE_TIMES_MEAN, SPIKE_PROMINENCE_MV = 15, 0.3
SPIKE_APART_MS, SPIKE_WINDOW_MS = 300, 120  # minimum between spikes; window of the prominence
SPIKE_EVERY_MS, SPIKE_SHARE = 2500, 7 / 12  # maximum mean interval; minimum share of leads
POOR_V3_MV = 0.3  # 3 mm


def detect(signal: np.ndarray, fs: float) -> np.ndarray:
    """Find the R peaks as published: XQRS on each lead, corrected, and merged by majority.

    Source: `xqrs_detect`, `merge_rpeaks`.  XQRS is wfdb's, with its defaults.  Each R peak moves to
    the maximum of its lead within 50 ms.  It is dropped if that window exceeds the record.  Samples
    within 50 ms of R peaks in at least int(8/12 leads) leads form intervals.  Each interval has one
    beat: the sample that most of its R peaks share, else their mean.

    Errors: of two leads one suffices.  A record with a single lead is one interval with one "beat"
    in its middle.  A beat whose R peaks all lie outside the interval is lost.

    Parameters
    ----------
    signal : np.ndarray, shape (leads, samples)
        In mV, on which XQRS's first threshold depends.
    fs : float
        Hz, above 94, up to 100,000.

    Returns
    -------
    np.ndarray of int, shape (beats,)
        Samples, ascending; empty for records up to 0.3 s, for which XQRS raises an exception.

    Raises
    ------
    LeadwiseError
        wfdb is not installed, fs is too low, or the shape is not (leads, samples).
    """
    signal = _checked(signal, fs)
    try:
        from wfdb.processing import xqrs_detect
    except ImportError as error:
        text = "the published rules need wfdb to find R peaks: pip install wfdb, or pass r_peaks"
        raise LeadwiseError(text) from error
    if signal.shape[1] <= 3 * int(0.1 * fs):  # filtfilt's padding for XQRS's wavelet of 0.1 s
        return np.array([], int)
    with np.errstate(all="ignore"):
        detected = [xqrs_detect(lead, fs, verbose=False).astype(int) for lead in signal]
    corrected = [_correct(lead, peaks, fs) for lead, peaks in zip(signal, detected, strict=True)]
    return _merge(corrected, signal.shape[1], fs)


def judge(
    signal: np.ndarray,
    leads: Sequence[str],
    fs: float,
    r_peaks: np.ndarray | None = None,
    *,
    axis_method: str = "2-lead",
) -> dict[str, bool]:
    """Evaluate all rules as published.

    Parameters
    ----------
    signal : np.ndarray, shape (leads, samples)
        In mV, unfiltered.
    leads : sequence of str
        Names of the leads, in any case.
    fs : float
        Hz, above 94, up to 100,000.
    r_peaks : np.ndarray of int, shape (beats,), optional
        Samples, ascending; by default from `detect`.
    axis_method : {"2-lead", "3-lead"}
        As for `axis`.

    Returns
    -------
    dict of str to bool
        LAD, RAD, bradycardia, tachycardia, LQRSV, pacing, PRWP.

    Raises
    ------
    LeadwiseError
        As for `detect`, or the number of names differs from that of leads, or the method is
        unknown.

    Examples
    --------
    >>> judge(np.zeros((2, 5000)), ["I", "II"], 500, r_peaks=np.array([], int))["LQRSV"]
    True
    """
    signal = _checked(signal, fs)
    if len(signal) != len(leads):
        raise LeadwiseError(f"the signal has {len(signal)} leads, but {len(leads)} names")
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
    """Classify the rate as "bradycardia", "tachycardia" or "normal" (also below two beats).

    Source: `brady_tachy_detector`.  Error: one missed beat in 10 s changes the mean RR by about
    10 %.
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
    """Classify the axis as "LAD", "RAD" or "normal", from the extreme values of whole leads.

    Source: `electrical_axis_detector`.  Errors: its test for "no beats" is true if beats exist, so
    the signs come from the whole lead, including artefacts and wander.  The axis is "normal"
    without beats, without I or aVF (which I and II determine), and if it is extreme.  The 3-lead
    method requires II for LAD, but not for RAD.  Without II the published code raises an exception;
    ours uses the 2-lead method, as a comment of the authors suggests.
    """
    named = zip(map(canonical_name, leads), signal, strict=True) if len(r_peaks) else ()
    return _classify_axis({name: lead.max() > abs(lead.min()) for name, lead in named}, method)


def axis_as_intended(
    signal: np.ndarray, leads: Sequence[str], r_peaks: np.ndarray, fs: float, method: str = "2-lead"
) -> str:
    """Classify the axis by the majority of beats: unreachable code of `electrical_axis_detector`.

    A lead is positive if, in more than half of the beats, its maximum within 70 ms exceeds the
    absolute value of its minimum.  Missing leads, extreme axes and RAD have the errors of `axis`.
    """
    radius, last, positive = _samples(AXIS_MS, fs), signal.shape[1] - 1, {}
    for name, lead in zip(map(canonical_name, leads), signal, strict=True):
        beats = [lead[max(0, peak - radius) : min(last, peak + radius)] for peak in r_peaks]
        votes = sum(beat.max() > abs(beat.min()) for beat in beats)
        positive[name] = votes >= len(beats) // 2 + 1
    return _classify_axis(positive, method)


def low_voltage(signal: np.ndarray, leads: Sequence[str], r_peaks: np.ndarray, fs: float) -> bool:
    """Test whether QRS voltages are low in 80 % of the limb leads or of the precordial leads.

    Source: `LQRSV_detector`.  A lead is low up to 0.52 mV (limb) or 1.02 mV (precordial) from
    minimum to maximum within 60 ms of an R peak.

    Errors: the largest beat of a lead counts, so one tall beat prevents a yes.  Windows are filled
    with zeros beyond the record, so an offset counts as voltage.  V2 decides alone if it is the
    only precordial lead.  Without beats, windows of 120 ms cover the record, so a flat record is
    low.  A record shorter than that raises an exception; ours then uses the whole record.
    """
    radius, samples = int(round(2 * LQRSV_MS / 1000 * fs)) // 2, signal.shape[1]
    onsets = r_peaks - radius if len(r_peaks) else np.arange(samples // radius - 1) * radius
    indices = onsets[:, None] + np.arange(2 * radius)
    inside = (indices >= 0) & (indices < samples)
    beats = np.where(inside, signal[:, np.where(inside, indices, 0)], 0.0)  # (leads, beats, window)
    heights = np.ptp(beats, axis=2).max(axis=1) if len(onsets) else np.ptp(signal, axis=1)
    names = [canonical_name(lead) for lead in leads]
    for group, limit in ((LIMB, LOW_LIMB_MV), (PRECORDIAL, LOW_PRECORDIAL_MV)):
        low = [h <= limit for h, name in zip(heights, names, strict=True) if name in group]
        if low and sum(low) / len(low) >= LQRSV_SHARE:
            return True
    return False


def pacing(signal: np.ndarray, fs: float) -> bool:
    """Test whether 7/12 of the leads have a pacing spike at least every 2.5 s on average.

    Source: `pacing_rhythm_detector`.  Error: the high-pass of order 20 in transfer-function form is
    unstable at some fs, such as 100 and 1000 Hz, and its diverging output is searched for spikes.
    Records too short for the filter (0.13 s at 500 Hz) have no spikes; the published code raises an
    exception.
    """
    from scipy.signal import butter, filtfilt, peak_prominences

    apart, window = _samples(SPIKE_APART_MS, fs), _samples(SPIKE_WINDOW_MS, fs)
    samples = signal.shape[1]
    if samples <= max(2 * apart, 3 * (SPIKE_ORDER + 1)):  # margin of spikes; filtfilt's padding
        return False
    numerator, denominator = butter(SPIKE_ORDER, SPIKE_HZ / (fs / 2), "highpass")
    paced = 0
    for lead in signal:
        with np.errstate(all="ignore"):
            heights = np.abs(filtfilt(numerator, denominator, lead))
            spikes = _peaks(heights, SPIKE_TIMES_MEAN * heights.mean(), apart)
            steep = (peak_prominences(heights, spikes, window)[0] >= SPIKE_PROMINENCE_MV).sum()
        paced += bool(steep) and samples * 1000 / fs / steep <= SPIKE_EVERY_MS
    return bool(paced >= round(SPIKE_SHARE * len(signal)))


def poor_progression(signal: np.ndarray, leads: Sequence[str], r_peaks: np.ndarray) -> bool:
    """Test whether the mean R wave is below 0.3 mV in V3, or decreases from V1 to V4.

    Source: `PRWP_detector`, of December 2021: later than the published answers, and unused.  Error:
    missing leads are skipped, so V1 and V4 alone may decide.  The answer is no with fewer than two
    of V1 to V4, unless the one is V3, and without beats, where the published code raises an
    exception.
    """
    if not len(r_peaks):
        return False
    named = zip(map(canonical_name, leads), signal, strict=True)
    means = {name: lead[r_peaks].mean() for name, lead in named if name in PRECORDIAL[:4]}
    low_v3 = means.get("V3", POOR_V3_MV) < POOR_V3_MV
    return bool(low_v3 or (np.diff(list(means.values())) < 0).any())


def _checked(signal: np.ndarray, fs: float) -> np.ndarray:
    """Check shape and fs; give float64 mV, with float32 input rounded to a nanovolt."""
    if signal.ndim != 2 or not signal.size:
        raise LeadwiseError(f"the signal has the shape {signal.shape}; expected (leads, samples)")
    if fs > HIGHEST_HZ:
        raise LeadwiseError(f"fs is {fs:g} Hz; no electrocardiogram has that. Correct it.")
    if not fs > 2 * SPIKE_HZ:
        text = f"fs is {fs:g} Hz; the published rules need more than {2 * SPIKE_HZ} Hz"
        raise LeadwiseError(f"{text}. Resample the signal to 500 Hz, as their authors do.")
    double = signal.astype(float)
    return np.round(double, 6) if signal.dtype == np.float32 else double


def _samples(duration_ms: float, fs: float) -> int:
    """Convert a duration to samples, rounded down as in `ms2samples`."""
    return int(duration_ms * fs // 1000)


def _correct(lead: np.ndarray, r_peaks: np.ndarray, fs: float) -> np.ndarray:
    """Move R peaks to the maximum within [-50, 50) ms; drop them at the ends, as biosppy does."""
    radius = int(CORRECTION_S * fs)
    onsets = r_peaks[(r_peaks >= radius) & (r_peaks + radius <= len(lead))] - radius
    peaks = [onset + lead[onset : onset + 2 * radius].argmax() for onset in onsets]
    return np.unique(np.array(peaks, int))


def _merge(lead_peaks: list[np.ndarray], samples: int, fs: float) -> np.ndarray:
    """Merge R peaks of all leads as `merge_rpeaks`: intervals begin one sample before the mask."""
    radius = _samples(MERGE_MS, fs)
    covered = np.zeros((len(lead_peaks), samples), bool)
    for mask, peaks in zip(covered, lead_peaks, strict=True):
        for peak in peaks:
            mask[max(0, peak - radius) : min(samples - 1, peak + radius)] = True
    common = covered.sum(axis=0) >= int(MERGE_SHARE * len(lead_peaks))
    common[[0, -1]] = False
    merged, all_peaks = [], np.concatenate(lead_peaks)
    for first, last in np.flatnonzero(np.diff(common)).reshape(-1, 2):
        near = all_peaks[(all_peaks >= first) & (all_peaks <= last)]
        positions, votes = np.unique(near, return_counts=True)
        if len(near):
            majority = votes.max() > len(near) // 2
            merged.append(positions[votes.argmax()] if majority else int(near.mean()))
    return np.array(merged, int)


def _classify_axis(positive: dict[str, bool], method: str) -> str:
    """Classify the axis by the signs of I, aVF and, for LAD in the 3-lead method, II."""
    if method not in AXIS_METHODS:
        raise LeadwiseError(f"unknown axis method {method!r}; known are {', '.join(AXIS_METHODS)}")
    if not {"I", "aVF"} <= positive.keys() or positive["I"] == positive["aVF"]:
        return "normal"
    if positive["aVF"]:
        return "RAD"
    return "normal" if method == "3-lead" and positive.get("II") else "LAD"


def _peaks(heights: np.ndarray, lowest: float, apart: int) -> np.ndarray:
    """Find peaks of at least this height; each is the highest (last of equals) within `apart`."""
    rise = np.diff(heights)
    peaks = np.flatnonzero((rise[:-1] > 0) & (rise[1:] <= 0)) + 1
    peaks = peaks[(peaks >= apart) & (peaks < len(heights) - apart) & (heights[peaks] >= lowest)]
    kept: list[int] = []
    for peak in peaks[np.argsort(heights[peaks])][::-1]:
        if all(abs(peak - other) > apart for other in kept):
            kept.append(peak)
    highest = [p for p in kept if heights[p] == heights[p - apart : p + apart + 1].max()]
    return np.array(sorted(highest), int)
