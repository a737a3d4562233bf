"""Measures of drawn beats whose numbers are computed by hand."""

import numpy as np
import pytest

from ecg.beats import heart_rate
from ecg.rules import average_beat, measure
from ecg.rules.average_beat import Waves

FS = 200.0  # the grid of the average beat: no interpolation, no smoothing
PEAKS = np.arange(100, 2000, 160)  # twelve beats, RR 0.8 s


def draw(leads: dict[str, dict[tuple[int, int], float]], peaks: np.ndarray = PEAKS):
    """Draw plateaus on a line at 0.1 mV: {(first, last) sample around the R peak: mV}."""
    signal = np.full((len(leads), 2100), 0.1, np.float32)
    for row, plateaus in enumerate(leads.values()):
        for (first, last), height in plateaus.items():
            for peak in peaks:
                signal[row, peak + first : peak + last + 1] += height
    return signal, tuple(leads)


def values(leads: dict[str, dict[tuple[int, int], float]], peaks: np.ndarray = PEAKS):
    return measure(*draw(leads, peaks), FS, peaks)


R, S = (-2, 2), (4, 8)  # samples of 5 ms
# I and II; aVF = II - I/2 has R 0.5 and S -0.1, III R 0.1, aVR R -0.85 and S 0.2 mV.
LIMBS = {"I": {R: 0.8, S: -0.2}, "II": {R: 0.9, S: -0.2}}


def test_net_voltages_and_axis() -> None:
    """arctan of 0.4 · 2/√3 over 0.6 is 37.59°; unscaled aVF would give 33.69°."""
    measured, _ = values(LIMBS)
    assert measured["I"] == pytest.approx(0.6, abs=1e-6)
    assert measured["II"] == pytest.approx(0.7, abs=1e-6)
    assert measured["aVF"] == pytest.approx(0.4, abs=1e-6)
    assert measured["axis"] == pytest.approx(37.589, abs=1e-3)
    assert measured["limb QRS"] == pytest.approx(1.1, abs=1e-6)
    assert measured["beats"] == 12


@pytest.mark.parametrize(
    ("net_i", "net_avf", "degrees"),
    [(1, 0, 0), (0, 1, 90), (-1, 0, 180), (0, -1, -90), (0.5, 0.75, 60),
     (0.5, -0.75, -60), (-0.5, 0.75, 120), (-0.5, -0.75, -120), (0.75**0.5, -0.75**0.5 / 2, -30)],
)  # fmt: skip
def test_the_axis_of_the_hexaxial_system(net_i: float, net_avf: float, degrees: float) -> None:
    """A vector of length 1 at 60° has 0.5 in I and √3/2 · √3/2 = 0.75 in aVF."""
    t_wave = {(50, 60): 0.2}  # so that no lead is flat
    measured, _ = values({"I": {R: net_i} | t_wave, "II": {R: net_avf + net_i / 2} | t_wave})
    assert measured["axis"] % 360 == pytest.approx(degrees % 360, abs=1e-3)


@pytest.mark.parametrize(
    "leads", [("I", "II"), ("I", "III"), ("II", "III"), ("aVR", "aVL"), ("I", "aVF")]
)
def test_any_two_limb_leads_give_the_same(leads: tuple[str, str]) -> None:
    row = {"I": (0.8, -0.2), "II": (0.9, -0.2), "III": (0.1, 0.0), "aVR": (-0.85, 0.2),
           "aVL": (0.35, -0.1), "aVF": (0.5, -0.1)}  # fmt: skip
    measured, _ = values({lead: {R: row[lead][0], S: row[lead][1]} for lead in leads})
    assert measured["axis"] == pytest.approx(37.589, abs=2e-3)
    assert measured["limb QRS"] == pytest.approx(1.1, abs=1e-5)


@pytest.mark.parametrize(
    ("sample", "net", "swing"),
    [(-15, 0.6, 1.1), (-14, 1.6, 1.1), (-13, 1.6, 1.1), (-12, 1.6, 2.1),
     (12, 1.6, 2.1), (13, 1.6, 1.1), (14, 1.6, 1.1), (15, 0.6, 1.1)],
)  # fmt: skip
def test_net_voltage_within_70_ms_and_swing_within_60_ms(
    sample: int, net: float, swing: float
) -> None:
    """A peak of 1.8 mV in I and 1.9 mV in II, which has the largest complex."""
    tall = {(sample, sample): 1.8}
    measured, _ = values({"I": LIMBS["I"] | tall, "II": LIMBS["II"] | {(sample, sample): 1.9}})
    assert measured["I"] == pytest.approx(net, abs=1e-6)
    assert measured["limb QRS"] == pytest.approx(swing, abs=1e-6)


@pytest.mark.parametrize(
    ("sample", "net"), [(-21, 0.6), (-20, 0.44), (-16, 0.44), (-15, 0.6)]
)  # fmt: skip
def test_the_base_line_is_the_mean_from_100_to_80_ms_before(sample: int, net: float) -> None:
    """One of its five samples 0.4 mV higher: 0.08 mV, which count twice in R + S."""
    higher = {(sample, sample): 0.4}
    measured, _ = values({"I": LIMBS["I"] | higher, "II": LIMBS["II"]})
    assert measured["I"] == pytest.approx(net, abs=1e-6)


@pytest.mark.parametrize(("net", "known"), [(0.11, True), (0.09, False)])
def test_a_short_vector_has_no_direction(net: float, known: bool) -> None:
    """Shorter than a tenth of the largest complex, which has 1 mV."""
    up, down = 0.5 + net / 2, net / 2 - 0.5
    measured, reasons = values({"I": {R: up, S: down}, "II": {R: up / 2, S: down / 2}})
    if known:
        assert measured["axis"] == pytest.approx(0, abs=1e-3)
    else:
        assert np.isnan(measured["axis"])
        assert reasons["axis"] == "R equals S in all limb leads: no axis"


@pytest.mark.parametrize(("error_mv", "known"), [(0.38, True), (0.42, False)])
def test_limb_leads_may_differ_by_four_tenths_of_the_largest(error_mv: float, known: bool) -> None:
    measured, reasons = values({"I": {R: 1.0}, "II": {R: 0.5}, "III": {R: -0.5 + error_mv}})
    assert np.isnan(measured["axis"]) == np.isnan(measured["limb QRS"]) == (not known)
    assert known or "contradict each other" in reasons["axis"]


@pytest.mark.parametrize(
    ("largest_mv", "known"), [(0.049, False), (0.051, True), (19.9, True), (20.1, False)]
)
def test_voltages_need_a_plausible_gain(largest_mv: float, known: bool) -> None:
    measured, reasons = values({"I": {R: largest_mv}, "II": {R: largest_mv}, "V3": {R: 0.02}})
    for name in ("limb QRS", "R in V3", "spikes in"):
        assert name == "spikes in" or np.isnan(measured[name]) == (not known)
        assert known or name == "spikes in" or "the gain must be wrong" in reasons[name]
    assert measured["axis"] == pytest.approx(60 - 30, abs=1e-2)  # I = II: +30°


def test_r_waves_of_v1_to_v4_are_medians_above_the_base_line() -> None:
    heights = {"V1": 0.2, "V2": 0.45, "V3": 0.3, "V4": 1.25}
    measured, _ = values({lead: {R: height, S: -0.5} for lead, height in heights.items()})
    for lead, height in heights.items():
        assert measured[f"R in {lead}"] == pytest.approx(height, abs=1e-6)
    only_s, _ = values({"V3": {(-20, -16): 0.4, R: -0.7}})
    assert only_s["R in V3"] == 0
    signal, leads = draw({"V3": {R: 0.3}})
    for peak in PEAKS[:5]:  # five of twelve beats are tall
        signal[0, peak - 2 : peak + 3] = 3.1
    assert measure(signal, leads, FS, PEAKS).values["R in V3"] == pytest.approx(0.3, abs=1e-6)


@pytest.mark.parametrize(
    ("qt_ms", "rr_s", "fridericia_ms"),
    [(400, 1.0, 400.000), (400, 0.64, 464.159), (360, 0.8, 387.798), (440, 1.2, 414.056)],
)
def test_qt_is_corrected_by_fridericia(
    qt_ms: float, rr_s: float, fridericia_ms: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bazett's formula gives 500 ms for 400 ms at 0.64 s; figures of HeartlyAI 2021."""
    waves = Waves(163.0, qt_ms, 4.5, np.array([0.1]))
    monkeypatch.setattr(average_beat, "delineate", lambda beats, rr: waves)
    peaks = np.arange(100, 2000, round(200 * rr_s))
    measured, _ = values({"II": {R: 1.0}}, peaks)
    assert measured["QTc"] == pytest.approx(fridericia_ms, abs=5e-4)
    assert (measured["QT"], measured["PQ"], measured["P"]) == (qt_ms, 163, 4.5)


@pytest.mark.parametrize(
    ("ratio", "p_in_i", "qrs_in_i", "known"),
    [(3.1, -0.3, -0.8, False), (2.9, -0.3, -0.8, True), (3.1, 0.3, -0.8, True),
     (9, -0.19, -0.8, True), (9, -0.22, -0.8, False), (9, -0.3, 0.8, True)],
)  # fmt: skip
def test_a_negative_p_and_qrs_in_i_are_swapped_electrodes(
    ratio: float, p_in_i: float, qrs_in_i: float, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A P wave counts from three times its variation on, and from a fifth of all leads' height."""
    heights = np.array([p_in_i, (1 - p_in_i**2) ** 0.5])
    monkeypatch.setattr(average_beat, "delineate", lambda *_: Waves(160.0, 400.0, ratio, heights))
    measured, reasons = values({"I": {R: qrs_in_i}, "II": {R: 0.5}})
    assert np.isnan(measured["axis"]) == (not known)
    assert known or "are the arms' electrodes swapped?" in reasons["axis"]


def timed(intervals_s: list[float]) -> dict[str, float]:
    peaks = np.rint(200 * np.cumsum([0.5, *intervals_s])).astype(int)
    signal = np.zeros((1, peaks[-1] + 100), np.float32)
    signal[0, peaks] = 1
    return measure(signal, ("II",), FS, peaks).values


def test_rate_and_regularity_by_hand() -> None:
    """Median RR 0.8 s, changes of 0.04 s: 5 %; mean RR 0.816 s: 73.53 per minute."""
    measured = timed([0.80, 0.84, 0.80, 0.84, 0.80])
    assert measured["rate"] == pytest.approx(73.529, abs=1e-3)
    assert measured["irregularity"] == pytest.approx(5.0, abs=1e-6)
    assert measured["variation"] == pytest.approx(5.0, abs=1e-6)


def test_irregularity_is_the_median_change_and_not_the_spread() -> None:
    """One long interval changes two of eight differences; the median is 0."""
    measured = timed([0.8, 0.8, 0.8, 0.8, 1.2, 0.8, 0.8, 0.8, 0.8])
    assert measured["irregularity"] == 0
    assert measured["variation"] == pytest.approx(50, abs=1e-6)


def test_variation_is_that_of_twelve_intervals() -> None:
    """RR rises from 0.70 to 0.93 s: 0.11 s in twelve intervals, of a median of 0.815 s."""
    measured = timed([0.70 + 0.01 * k for k in range(24)])
    assert measured["variation"] == pytest.approx(13.497, abs=1e-3)


@pytest.mark.parametrize(
    ("intervals_s", "rate"),
    [([1, 1, 1, 2.96], 40.268), ([1, 1, 1, 3.04], 60.0), ([0.5, 1.0, 0.5, 1.0], 80.0)],
)
def test_the_rate_is_of_the_mean_interval_up_to_three_medians(
    intervals_s: list[float], rate: float
) -> None:
    assert timed(intervals_s)["rate"] == pytest.approx(rate, abs=1e-3)
    assert heart_rate(np.cumsum([0, *intervals_s]) * 200, 200) == pytest.approx(rate, abs=1e-3)


@pytest.mark.parametrize(("fs", "known"), [(249.0, False), (250.0, True)])
def test_spikes_need_250_hz(fs: float, known: bool) -> None:
    signal, leads = draw({"II": {R: 1.0}})
    measured, reasons = measure(signal, leads, fs, PEAKS)
    assert np.isnan(measured["spikes in"]) == (not known)
    assert known or reasons["spikes in"] == "pacing spikes are not visible at 249 Hz"


@pytest.mark.parametrize(("beats", "known"), [(2, False), (3, True)])
def test_waves_need_three_beats(beats: int, known: bool) -> None:
    drawn = {(-32, -24): 0.2, R: 1.0, (40, 60): 0.3}
    measured, reasons = values({"II": drawn}, PEAKS[:beats])
    assert np.isnan(measured["PQ"]) == (not known)
    assert known or reasons["PQ"] == "fewer than three beats"
