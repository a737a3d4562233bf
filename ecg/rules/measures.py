"""Measures: the numbers that rules compare, each with a reason where it is not known.

Voltages are those of the usual beat (median over beats).  Since any two limb leads give the other
four, the frontal axis is known with 6, 4, 3 and 2 leads as with 12.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ecg import LeadwiseError
from ecg.beats import detect, heart_rate, rr
from ecg.leads import LIMB, canonical_name, choose, sort_leads
from ecg.rules import average, pacing
from ecg.rules.average import BEFORE_S, steps

MOST_BEATS = 300  # evenly spread over the record: more do not change a median
BASE_S = (0.10, 0.08)  # before the R peak: where the level is taken
NET_S, SWING_S = 0.07, 0.06  # around the R peak: for R + S, and for peak to peak; both as published
GAIN_MV = (0.05, 20.0)  # of the largest QRS complex: outside, the gain is wrong
UNDECIDED = 0.1  # of the limb leads' QRS: a frontal vector so short has no direction
CONTRADICTION = 0.4  # of the limb leads' QRS: how far a limb lead may be from what two others say
P_SURE, P_SHARE = 3.0, 0.2  # a P wave that varies so little, and is so large in I, has a sign
VARIATION_BEATS = 12  # RR intervals: some 10 s, so that long records are like short ones

# What there is, and how it is written: unit, digits after the point.
UNITS = {
    "beats": ("beats", 0),
    "rate": ("/min", 0),
    "irregularity": ("%", 1),  # median change of RR from beat to beat, of the median RR
    "variation": ("%", 0),  # longest RR less the shortest, of the median RR; median of 10 s
    "axis": ("°", 0),  # of QRS in the frontal plane: I is 0°, aVF +90°
    "I": ("mV", 2),  # net QRS, R + S: largest and smallest value from the level before, added
    "II": ("mV", 2),
    "aVF": ("mV", 2),
    "limb QRS": ("mV", 2),  # the largest peak-to-peak of the six limb leads
    "R in V1": ("mV", 2),
    "R in V2": ("mV", 2),
    "R in V3": ("mV", 2),
    "R in V4": ("mV", 2),
    "P": ("times its variation", 1),  # its height over how much that varies from beat to beat
    "PQ": ("ms", 0),
    "QT": ("ms", 0),
    "QTc": ("ms", 0),  # by Fridericia
    "spikes in": ("leads", 0),
}


class Measured(NamedTuple):
    """What was measured in a record.

    Attributes
    ----------
    values : dict of float
        By the names of `UNITS`; NaN where not known.
    reasons : dict of str
        Why not, for each of those.
    """

    values: dict[str, float]
    reasons: dict[str, str]


class _View(NamedTuple):
    """A record as rules look at it: rows with a signal, their beats, and the limb leads."""

    signal: np.ndarray  # (leads, samples) mV
    leads: tuple[str, ...]
    fs: float
    r_peaks: np.ndarray
    beats: np.ndarray  # (leads, beats, steps) of average.gather
    waves: average.Waves


def measure(
    signal: np.ndarray, leads: Sequence[str], fs: float, r_peaks: np.ndarray | None = None
) -> Measured:
    """Measure a record, whatever it is like: what cannot be told has a reason.

    Parameters
    ----------
    signal : np.ndarray, shape (leads, samples)
        mV; NaN where there is no value.
    leads : sequence of str
        Names of the rows, in any order and case.
    fs : float
        Hz.
    r_peaks : np.ndarray of int, shape (beats,), optional
        Samples; `ecg.beats.detect` finds them if not given.

    Examples
    --------
    >>> from simulate import simulate
    >>> record = simulate(["STach"], seed=1, fs=100, leads=["II", "I"])
    >>> found = measure(record.signal, record.leads, record.fs)
    >>> 100 < found.values["rate"] < 150, found.reasons["R in V3"], found.reasons["spikes in"]
    (True, 'needs lead V3', 'pacing spikes cannot be seen at 100 Hz')
    """
    values = dict.fromkeys(UNITS, float("nan"))
    reasons: dict[str, str] = {}
    try:
        view = _look(np.asarray(signal, np.float32), leads, fs, r_peaks)
    except LeadwiseError as error:
        return Measured(values, dict.fromkeys(UNITS, str(error)))
    values["beats"] = float(len(view.r_peaks))
    for names, part in _PARTS:
        try:
            found = part(view)
        except LeadwiseError as error:
            reasons |= dict.fromkeys(names, str(error))
        else:
            values |= {name: float(value) for name, value in zip(names, found, strict=True)}
    unsaid = [name for name, value in values.items() if np.isnan(value) and name not in reasons]
    reasons |= dict.fromkeys(unsaid, "too few whole beats")
    return Measured(values, reasons)


def _look(signal: np.ndarray, leads: Sequence[str], fs: float, r_peaks: np.ndarray | None) -> _View:
    """Keep the rows that have a signal, in the standard order, and find their beats."""
    rows: dict[str, int] = {}
    known = np.isfinite(signal)
    signal = np.where(known, signal, np.float32(np.nan))
    low = np.where(known, signal, np.inf).min(axis=1, initial=np.inf)
    high = np.where(known, signal, -np.inf).max(axis=1, initial=-np.inf)
    for row, lead in enumerate(leads):
        if low[row] < high[row]:
            rows.setdefault(canonical_name(lead), row)
    if not rows:
        raise LeadwiseError("no lead has a signal")
    names = sort_leads(rows)
    kept = signal[[rows[name] for name in names]]
    found = detect(kept, fs) if r_peaks is None else np.asarray(r_peaks, int)
    if not len(found):
        raise LeadwiseError("no beats found")
    some = found[np.unique(np.linspace(0, len(found) - 1, MOST_BEATS).astype(int))]
    beats, waves = average.gather(kept, some, fs), average.unknown(len(kept))
    if len(found) >= average.LEAST_BEATS:
        waves = average.measure(beats, float(np.median(rr(found, fs))))
    return _View(kept, names, fs, found, beats, waves)


def _rate(view: _View) -> tuple[float, ...]:
    if len(view.r_peaks) < 2:
        raise LeadwiseError("one beat only")
    return (heart_rate(view.r_peaks, view.fs),)


def _regularity(view: _View) -> tuple[float, ...]:
    intervals = rr(view.r_peaks, view.fs)
    if len(intervals) < 2:
        raise LeadwiseError("fewer than three beats")
    usual = np.median(intervals)
    width = min(VARIATION_BEATS, len(intervals))
    ranges = np.ptp(np.lib.stride_tricks.sliding_window_view(intervals, width), axis=1)
    changes = np.median(np.abs(np.diff(intervals)))
    return 100 * changes / usual, 100 * np.median(ranges) / usual


def _axis(view: _View) -> tuple[float, ...]:
    """Frontal axis from the net QRS in I and aVF, the latter scaled to I's length (2 / √3)."""
    beats = _limb_beats(view, ("I", "II", "aVF"))
    middle, reach = steps(BEFORE_S), steps(NET_S)
    around = beats[:, :, middle - reach : middle + reach + 1] - _level(beats)
    one, two, foot = _usual(around.max(axis=2) + around.min(axis=2))
    size = _usual(np.ptp(around, axis=2)).max()
    if one < 0 and _p_in_one(view) < 0:
        raise LeadwiseError("P and QRS are negative in I: are the arms' electrodes swapped?")
    up = foot * 2 / np.sqrt(3)
    if np.hypot(one, up) < UNDECIDED * size:
        raise LeadwiseError("as much R as S in all limb leads: no axis")
    return np.degrees(np.arctan2(up, one)), one, two, foot


def _p_in_one(view: _View) -> float:
    """Give the P wave's height in I as a share of its height in all leads; 0 where unsure."""
    ratio, heights = view.waves.p_ratio, view.waves.p_heights
    if not ratio >= P_SURE:
        return 0.0
    rows = [row for row, lead in enumerate(view.leads) if lead in LIMB]
    have = [view.leads[row] for row in rows]
    height = float(choose(heights[rows][:, None], have, ("I",)).signal[0, 0])
    share = height / float(np.linalg.norm(heights))
    return share if abs(share) >= P_SHARE else 0.0


def _limb_voltage(view: _View) -> tuple[float, ...]:
    _check_gain(view)
    return (_swings(_limb_beats(view, tuple(LIMB))).max(),)


def _limb_beats(view: _View, want: tuple[str, ...]) -> np.ndarray:
    """Derive limb leads, unless fewer than two are there or they contradict each other."""
    rows = [row for row, lead in enumerate(view.leads) if lead in LIMB]
    have = [view.leads[row] for row in rows]
    if len(have) < 2:
        raise LeadwiseError("needs two limb leads")
    beats = view.beats[rows]
    flat = beats.reshape(len(rows), -1)
    derived = choose(flat[:2], have[:2], have).signal.reshape(beats.shape)
    if (_swings(derived - beats) > CONTRADICTION * _swings(beats).max()).any():
        raise LeadwiseError("the limb leads contradict each other: are rows or names swapped?")
    return choose(flat, have, want).signal.reshape(len(want), *beats.shape[1:])


def _r_wave(lead: str) -> Callable[[_View], tuple[float, ...]]:
    def height(view: _View) -> tuple[float, ...]:
        _check_gain(view)
        if lead not in view.leads:
            raise LeadwiseError(f"needs lead {lead}")
        beats = view.beats[[view.leads.index(lead)]]
        middle, reach = steps(BEFORE_S), steps(SWING_S)
        around = beats[:, :, middle - reach : middle + reach + 1] - _level(beats)
        return (max(_usual(around.max(axis=2))[0], 0.0),)

    return height


def _waves(view: _View) -> tuple[float, ...]:
    if len(view.r_peaks) < average.LEAST_BEATS:
        raise LeadwiseError("fewer than three beats")
    rr_s = float(np.median(rr(view.r_peaks, view.fs)))
    found = view.waves
    return found.p_ratio, found.pq_ms, found.qt_ms, found.qt_ms / np.cbrt(rr_s)


def _spikes(view: _View) -> tuple[float, ...]:
    if view.fs < pacing.LOWEST_HZ:
        raise LeadwiseError(f"pacing spikes cannot be seen at {view.fs:g} Hz")
    _check_gain(view)
    signal = np.nan_to_num(view.signal)
    return (int(pacing.spiked_leads(signal, view.r_peaks, view.fs).sum()),)


def _check_gain(view: _View) -> None:
    """Refuse voltages where no heart has them."""
    largest = _swings(view.beats).max()
    if not GAIN_MV[0] <= largest <= GAIN_MV[1]:
        raise LeadwiseError(f"the largest QRS has {largest:.2g} mV: the gain must be wrong")


def _swings(beats: np.ndarray) -> np.ndarray:
    """Measure each lead's usual peak-to-peak QRS, shape (leads,)."""
    middle, reach = steps(BEFORE_S), steps(SWING_S)
    return _usual(np.ptp(beats[:, :, middle - reach : middle + reach + 1], axis=2))


def _level(beats: np.ndarray) -> np.ndarray:
    """Take the level before QRS, shape (leads, beats, 1)."""
    first, last = (steps(BEFORE_S) - steps(before) for before in BASE_S)
    return beats[:, :, first : last + 1].mean(axis=2, keepdims=True)


def _usual(values: np.ndarray) -> np.ndarray:
    """Take medians over beats, (leads, beats) to (leads,), of beats that are whole."""
    ordered = np.sort(values, axis=1)  # NaN last
    count = np.count_nonzero(~np.isnan(values), axis=1)
    if not count.all():
        raise LeadwiseError("no whole beat in a lead that is needed")
    rows = np.arange(len(values))
    return (ordered[rows, (count - 1) // 2] + ordered[rows, count // 2]) / 2


_PARTS: tuple[tuple[tuple[str, ...], Callable[[_View], tuple[float, ...]]], ...] = (
    (("rate",), _rate),
    (("irregularity", "variation"), _regularity),
    (("axis", "I", "II", "aVF"), _axis),
    (("limb QRS",), _limb_voltage),
    *(((f"R in {lead}",), _r_wave(lead)) for lead in ("V1", "V2", "V3", "V4")),
    (("P", "PQ", "QT", "QTc"), _waves),
    (("spikes in",), _spikes),
)
