"""Measures that rules compare with constants, each with a reason where it is unknown.

Voltages are medians over beats.  Any two limb leads determine the other four, so the frontal axis
is known with 6, 4, 3 and 2 leads as well as with 12.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ecg import LeadwiseError
from ecg.beats import HIGHEST_HZ, detect, heart_rate, rr
from ecg.leads import LIMB, canonical_name, choose, sort_leads
from ecg.rules import average_beat, pacing
from ecg.rules.average_beat import BEFORE_S, MIN_BEATS, Waves, grid_steps

MAX_BEATS = 300  # evenly spread over the record: more hardly change a median
BASE_S = (0.10, 0.08)  # before the R peak: interval of the base line
NET_S, SWING_S = 0.07, 0.06  # around the R peak, for R + S and for peak to peak; both as published
GAIN_MV = (0.05, 20.0)  # plausible range of the largest QRS complex; otherwise the gain is wrong
UNDECIDED = 0.1  # of the limb leads' QRS: a shorter frontal vector has no direction
CONTRADICTION = 0.4  # of the limb leads' QRS: maximum error of a lead derived from two others
P_SURE, P_SHARE = 3.0, 0.2  # minimum ratio, and share in I, of a P wave whose sign counts
VARIATION_BEATS = 12  # RR intervals: about 10 s, so that the duration of a record has no effect

# Unit of each measure, and digits after the decimal point.
UNITS = {
    "beats": ("beats", 0),
    "rate": ("/min", 0),
    "irregularity": ("%", 1),  # median change of RR between beats, relative to the median RR
    "variation": ("%", 0),  # longest less shortest RR within 10 s (median), relative to median RR
    "axis": ("°", 0),  # of QRS in the frontal plane: I is 0°, aVF +90°
    "I": ("mV", 2),  # net QRS, R + S: maximum plus minimum, from the level before QRS
    "II": ("mV", 2),
    "aVF": ("mV", 2),
    "limb QRS": ("mV", 2),  # largest peak-to-peak amplitude of the six limb leads
    "R in V1": ("mV", 2),
    "R in V2": ("mV", 2),
    "R in V3": ("mV", 2),
    "R in V4": ("mV", 2),
    "P": ("times its variation", 1),  # height over its variation between beats
    "PQ": ("ms", 0),
    "QT": ("ms", 0),
    "QTc": ("ms", 0),  # Fridericia
    "spikes in": ("leads", 0),
}


class Measurements(NamedTuple):
    """Measures of a record.

    Attributes
    ----------
    values : dict of float
        By the names of `UNITS`; NaN if unknown.
    reasons : dict of str
        Why a measure is unknown, by its name.
    """

    values: dict[str, float]
    reasons: dict[str, str]


class _Beats(NamedTuple):
    """The leads with a signal, in standard order, and their beats."""

    signal: np.ndarray  # (leads, samples) mV
    leads: tuple[str, ...]
    fs: float
    r_peaks: np.ndarray
    beats: np.ndarray  # (leads, beats, steps), from average_beat.cut_beats
    waves: Waves


@np.errstate(over="ignore", invalid="ignore")  # of amplitudes that no heart has
def measure(
    signal: np.ndarray, leads: Sequence[str], fs: float, r_peaks: np.ndarray | None = None
) -> Measurements:
    """Measure any record; unknown measures have a reason.

    Parameters
    ----------
    signal : np.ndarray, shape (leads, samples)
        mV; NaN for missing values.
    leads : sequence of str
        Names of the leads, in any order and case.
    fs : float
        Hz.
    r_peaks : np.ndarray of int, shape (beats,), optional
        Samples; by default from `ecg.beats.detect`.

    Examples
    --------
    >>> from simulate import simulate
    >>> record = simulate(["STach"], seed=1, fs=100, leads=["II", "I"])
    >>> values, reasons = measure(record.signal, record.leads, record.fs)
    >>> 100 < values["rate"] < 150, reasons["R in V3"], reasons["spikes in"]
    (True, 'needs lead V3', 'pacing spikes are not visible at 100 Hz')
    """
    values = dict.fromkeys(UNITS, float("nan"))
    reasons: dict[str, str] = {}
    try:
        beats = _find_beats(np.asarray(signal, np.float32), leads, fs, r_peaks)
    except LeadwiseError as error:
        return Measurements(values, dict.fromkeys(UNITS, str(error)))
    values["beats"] = float(len(beats.r_peaks))
    for names, function in _FUNCTIONS:
        try:
            results = function(beats)
        except LeadwiseError as error:
            reasons |= dict.fromkeys(names, str(error))
        else:
            values |= {name: float(value) for name, value in zip(names, results, strict=True)}
    unknown = [name for name, value in values.items() if np.isnan(value) and name not in reasons]
    reasons |= dict.fromkeys(unknown, "too few complete beats")
    return Measurements(values, reasons)


def _find_beats(
    signal: np.ndarray, leads: Sequence[str], fs: float, r_peaks: np.ndarray | None
) -> _Beats:
    """Select the leads that have a signal, in standard order, and find their beats."""
    if not 0 < fs <= HIGHEST_HZ:
        raise LeadwiseError(f"a sampling rate of {fs:g} Hz is not possible")
    indices: dict[str, int] = {}
    known = np.isfinite(signal)
    signal = np.where(known, signal, np.float32(np.nan))
    low = np.where(known, signal, np.inf).min(axis=1, initial=np.inf)
    high = np.where(known, signal, -np.inf).max(axis=1, initial=-np.inf)
    for index, lead in enumerate(leads):
        if low[index] < high[index]:
            indices.setdefault(canonical_name(lead), index)
    if not indices:
        raise LeadwiseError("no lead has a signal")
    names = sort_leads(indices)
    signal = signal[[indices[name] for name in names]]
    r_peaks = detect(signal, fs) if r_peaks is None else np.asarray(r_peaks, int)
    if not len(r_peaks):
        raise LeadwiseError("no beats detected")
    subset = r_peaks[np.unique(np.linspace(0, len(r_peaks) - 1, MAX_BEATS).astype(int))]
    beats = average_beat.cut_beats(signal, subset, fs)
    waves = average_beat.unknown_waves(len(signal))
    if len(r_peaks) >= MIN_BEATS:
        waves = average_beat.delineate(beats, float(np.median(rr(r_peaks, fs))))
    return _Beats(signal, names, fs, r_peaks, beats, waves)


def _rate(beats: _Beats) -> tuple[float, ...]:
    if len(beats.r_peaks) < 2:
        raise LeadwiseError("one beat only")
    return (heart_rate(beats.r_peaks, beats.fs),)


def _regularity(beats: _Beats) -> tuple[float, ...]:
    intervals = rr(beats.r_peaks, beats.fs)
    if len(intervals) < 2:
        raise LeadwiseError("fewer than three beats")
    median = np.median(intervals)
    width = min(VARIATION_BEATS, len(intervals))
    ranges = np.ptp(np.lib.stride_tricks.sliding_window_view(intervals, width), axis=1)
    changes = np.median(np.abs(np.diff(intervals)))
    return 100 * changes / median, 100 * np.median(ranges) / median


def _axis(beats: _Beats) -> tuple[float, ...]:
    """Compute the frontal axis from the net QRS in I and aVF, the latter scaled by 2 / √3."""
    complexes = _around_r_peak(_limb_beats(beats, ("I", "II", "aVF")), NET_S)
    net_i, net_ii, net_avf = _median(complexes.max(axis=2) + complexes.min(axis=2))
    size = _median(np.ptp(complexes, axis=2)).max()
    if net_i < 0 and _p_in_lead_i(beats) < 0:
        raise LeadwiseError("P and QRS are negative in I: are the arms' electrodes swapped?")
    vertical = net_avf * 2 / np.sqrt(3)
    if np.hypot(net_i, vertical) < UNDECIDED * size:
        raise LeadwiseError("R equals S in all limb leads: no axis")
    return np.degrees(np.arctan2(vertical, net_i)), net_i, net_ii, net_avf


def _p_in_lead_i(beats: _Beats) -> float:
    """Give the P wave's height in I as a share of its height in all leads; 0 if uncertain."""
    ratio, heights = beats.waves.p_ratio, beats.waves.p_heights
    if not ratio >= P_SURE:
        return 0.0
    indices = _limb_indices(beats)
    have = [beats.leads[index] for index in indices]
    height = float(choose(heights[indices][:, None], have, ("I",)).signal[0, 0])
    share = height / float(np.linalg.norm(heights))
    return share if abs(share) >= P_SHARE else 0.0


def _limb_voltage(beats: _Beats) -> tuple[float, ...]:
    _check_gain(beats)
    return (_peak_to_peak(_limb_beats(beats, tuple(LIMB))).max(),)


def _limb_beats(beats: _Beats, want: tuple[str, ...]) -> np.ndarray:
    """Derive limb leads; raise an error for fewer than two, or if they contradict each other."""
    indices = _limb_indices(beats)
    have = [beats.leads[index] for index in indices]
    if len(have) < 2:
        raise LeadwiseError("needs two limb leads")
    limb = beats.beats[indices]
    flat = limb.reshape(len(indices), -1)
    derived = choose(flat[:2], have[:2], have).signal.reshape(limb.shape)
    if (_peak_to_peak(derived - limb) > CONTRADICTION * _peak_to_peak(limb).max()).any():
        raise LeadwiseError("the limb leads contradict each other: are leads or names swapped?")
    return choose(flat, have, want).signal.reshape(len(want), *limb.shape[1:])


def _limb_indices(beats: _Beats) -> list[int]:
    return [index for index, lead in enumerate(beats.leads) if lead in LIMB]


def _r_wave(lead: str) -> Callable[[_Beats], tuple[float, ...]]:
    def height(beats: _Beats) -> tuple[float, ...]:
        _check_gain(beats)
        if lead not in beats.leads:
            raise LeadwiseError(f"needs lead {lead}")
        complexes = _around_r_peak(beats.beats[[beats.leads.index(lead)]], SWING_S)
        return (max(_median(complexes.max(axis=2))[0], 0.0),)

    return height


def _waves(beats: _Beats) -> tuple[float, ...]:
    if len(beats.r_peaks) < MIN_BEATS:
        raise LeadwiseError("fewer than three beats")
    rr_s = float(np.median(rr(beats.r_peaks, beats.fs)))
    waves = beats.waves
    return waves.p_ratio, waves.pq_ms, waves.qt_ms, waves.qt_ms / np.cbrt(rr_s)


def _spikes(beats: _Beats) -> tuple[float, ...]:
    if beats.fs < pacing.LOWEST_HZ:
        raise LeadwiseError(f"pacing spikes are not visible at {beats.fs:g} Hz")
    _check_gain(beats)
    signal = np.nan_to_num(beats.signal)
    return (int(pacing.spiked_leads(signal, beats.r_peaks, beats.fs).sum()),)


def _check_gain(beats: _Beats) -> None:
    """Raise an error if the voltages are not physiological."""
    largest = _peak_to_peak(beats.beats).max()
    if not GAIN_MV[0] <= largest <= GAIN_MV[1]:
        raise LeadwiseError(f"the largest QRS has {largest:.2g} mV: the gain must be wrong")


def _peak_to_peak(beats: np.ndarray) -> np.ndarray:
    """Measure the median peak-to-peak QRS of each lead, shape (leads,)."""
    middle, reach = grid_steps(BEFORE_S), grid_steps(SWING_S)
    return _median(np.ptp(beats[:, :, middle - reach : middle + reach + 1], axis=2))


def _around_r_peak(beats: np.ndarray, reach_s: float) -> np.ndarray:
    """Cut (leads, beats, steps) around the R peak, relative to the level before QRS."""
    middle, reach = grid_steps(BEFORE_S), grid_steps(reach_s)
    first, last = (middle - grid_steps(before) for before in BASE_S)
    level = beats[:, :, first : last + 1].mean(axis=2, keepdims=True)
    return np.asarray(beats[:, :, middle - reach : middle + reach + 1] - level)


def _median(values: np.ndarray) -> np.ndarray:
    """Compute medians over complete beats, (leads, beats) to (leads,)."""
    ordered = np.sort(values, axis=1)  # NaN last
    count = np.count_nonzero(~np.isnan(values), axis=1)
    if not count.all():
        raise LeadwiseError("a lead that is needed has no complete beat")
    leads = np.arange(len(values))
    return np.asarray((ordered[leads, (count - 1) // 2] + ordered[leads, count // 2]) / 2)


_FUNCTIONS: tuple[tuple[tuple[str, ...], Callable[[_Beats], tuple[float, ...]]], ...] = (
    (("rate",), _rate),
    (("irregularity", "variation"), _regularity),
    (("axis", "I", "II", "aVF"), _axis),
    (("limb QRS",), _limb_voltage),
    *(((f"R in {lead}",), _r_wave(lead)) for lead in ("V1", "V2", "V3", "V4")),
    (("P", "PQ", "QT", "QTc"), _waves),
    (("spikes in",), _spikes),
)
