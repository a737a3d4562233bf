"""The published rules against values from their authors' code and against its answers."""

import sys
from pathlib import Path

import numpy as np
import pytest

from ecg import LeadwiseError
from ecg.leads import LEAD_SETS, LIMB, STANDARD, choose
from ecg.records import read_record
from ecg.rules.published import PRECORDIAL, axis, axis_as_intended, detect, judge, rate

SAMPLES = Path(__file__).parents[2] / "data" / "challenge-samples"
FS = 500
BEATS = np.arange(250, 5000, FS)  # ten in 10 s
NONE = np.array([], int)
CODES = ("LAD", "RAD", "bradycardia", "tachycardia", "LQRSV", "pacing")

# From DeepPSP/cinc2021, the rules' answers on all public records, with 12, 6, 4, 3 and 2 leads:
# LAD, RAD, brady, tachy, LQRSV and PR.
PUBLISHED = {
    "HR03961": ("000000", "000000", "000000", "000000", "000000"),
    "HR06001": ("100000", "100000", "000000", "000000", "000000"),
}


def beats(**peaks_mv: float) -> tuple[np.ndarray, tuple[str, ...]]:
    """Make ten beats of one sample each on a zero line, with the heights in mV by lead."""
    signal = np.zeros((len(peaks_mv), 10 * FS))
    signal[:, BEATS] = np.array(list(peaks_mv.values()))[:, None]
    return signal, tuple(peaks_mv)


def limbs(*heights: float) -> dict[str, float]:
    return dict(zip(LIMB, heights, strict=True))


def chest(*heights: float) -> dict[str, float]:
    return dict(zip(PRECORDIAL, heights, strict=True))


def low(**peaks_mv: float) -> bool:
    return judge(*beats(**peaks_mv), FS, BEATS)["LQRSV"]


@pytest.mark.parametrize("record", PUBLISHED)
@pytest.mark.parametrize("lead_set", LEAD_SETS.values(), ids=len)
def test_genuine_records_have_the_authors_answers(record: str, lead_set: tuple[str, ...]) -> None:
    genuine = read_record(SAMPLES / f"{record}.hea")
    signal = choose(genuine.signal, genuine.leads, lead_set).signal
    answers = judge(signal, lead_set, genuine.fs)
    expected = PUBLISHED[record][list(LEAD_SETS.values()).index(lead_set)]
    assert "".join(str(int(answers[code])) for code in CODES) == expected


@pytest.mark.parametrize("fs", [100, 257, 500, 1000])
@pytest.mark.parametrize(
    ("rr_ms", "expected"),
    [
        (599, "tachycardia"),
        (600, "normal"),
        (601, "normal"),
        (999, "normal"),
        (1000, "normal"),
        (1001, "bradycardia"),
    ],
)
def test_rate(fs: int, rr_ms: int, expected: str) -> None:
    assert rate(np.rint(np.arange(21) * rr_ms * fs / 1000).astype(int), fs) == expected


@pytest.mark.parametrize(
    ("r_peaks", "expected"),
    [
        (np.cumsum([100, 500, 500, 500, 501]), "bradycardia"),
        (np.array([100]), "normal"),
        (NONE, "normal"),
    ],
    ids=["mean just above 1 s", "one beat", "no beat"],
)
def test_rate_in_edge_cases(r_peaks: np.ndarray, expected: str) -> None:
    assert rate(r_peaks, FS) == expected


@pytest.mark.parametrize(
    ("signs", "two_leads", "three_leads"),  # of I, II, aVF
    [
        ("+++", "normal", "normal"),
        ("++-", "LAD", "normal"),
        ("+-+", "normal", "normal"),
        ("+--", "LAD", "LAD"),
        ("-++", "RAD", "RAD"),
        ("-+-", "normal", "normal"),
        ("--+", "RAD", "RAD"),  # the paper requires a positive II
        ("---", "normal", "normal"),
    ],
)
def test_axis_of_clean_beats(signs: str, two_leads: str, three_leads: str) -> None:
    heights = (float(sign + "1") for sign in signs)
    signal, leads = beats(**dict(zip(("I", "II", "aVF"), heights, strict=True)))
    for method, expected in (("2-lead", two_leads), ("3-lead", three_leads)):
        assert axis(signal, leads, BEATS, method) == expected
        assert axis_as_intended(signal, leads, BEATS, FS, method) == expected
        answers = judge(signal, leads, FS, BEATS, axis_method=method)
        assert (answers["LAD"], answers["RAD"]) == (expected == "LAD", expected == "RAD")
        assert axis(signal, leads, NONE, method) == "normal"
        assert axis_as_intended(signal, leads, NONE, FS, method) == "normal"


@pytest.mark.parametrize(
    ("avf_mv", "artefact_mv", "offset_mv", "published", "intended"),
    [
        (1, -3, 0, "LAD", "normal"),
        (-1, 3, 0, "normal", "LAD"),
        (1, 0, -1, "LAD", None),
    ],
    ids=["artefact below", "artefact above", "offset"],
)
def test_axis_uses_whole_leads(
    avf_mv: float, artefact_mv: float, offset_mv: float, published: str, intended: str | None
) -> None:
    signal, leads = beats(I=1, II=1, aVF=avf_mv)
    signal[2] += offset_mv
    signal[2, 500] += artefact_mv  # half a second from any beat
    assert axis(signal, leads, BEATS) == published
    if intended:
        assert axis_as_intended(signal, leads, BEATS, FS) == intended


def test_axis_with_equal_extremes_is_not_positive() -> None:
    signal, leads = beats(I=1, II=1, aVF=1)
    signal[2, BEATS + 5] = -1
    assert axis(signal, leads, BEATS) == axis_as_intended(signal, leads, BEATS, FS) == "LAD"


def test_axis_needs_a_majority_of_beats() -> None:
    signal, leads = beats(I=1, II=1, aVF=1)
    signal[2, BEATS[:5]] = -1  # five of ten remain positive
    assert axis_as_intended(signal, leads, BEATS, FS) == "LAD"
    assert axis_as_intended(signal, leads, BEATS[1:], FS) == "normal"  # five of nine


@pytest.mark.parametrize(
    "leads", [LEAD_SETS[4], LEAD_SETS[3], LEAD_SETS[2], ("II", "aVF")], ids=str
)
def test_axis_is_normal_without_i_or_avf(leads: tuple[str, ...]) -> None:
    signal, _ = beats(**dict.fromkeys(leads, -1.0))
    assert axis(signal, leads, BEATS) == "normal"
    assert axis_as_intended(signal, leads, BEATS, FS) == "normal"


def test_axis_without_ii_uses_the_2_lead_method() -> None:
    assert axis(*beats(I=1, aVF=-1), BEATS, "3-lead") == "LAD"  # the published code raises


@pytest.mark.parametrize(
    ("height_mv", "expected"), [(0.50, True), (0.52, True), (0.5200001, False), (0.53, False)]
)
def test_low_limb_leads(height_mv: float, expected: bool) -> None:
    assert low(**limbs(*6 * [height_mv])) == expected


@pytest.mark.parametrize(("height_mv", "expected"), [(1.00, True), (1.02, True), (1.03, False)])
def test_low_precordial_leads(height_mv: float, expected: bool) -> None:
    assert low(**limbs(*6 * [1.0]), **chest(*6 * [height_mv])) == expected


@pytest.mark.parametrize(("count", "expected"), [(6, True), (5, True), (4, False)])
def test_low_in_four_fifths(count: int, expected: bool) -> None:
    heights = count * [0.4] + (6 - count) * [2.0]
    assert low(**limbs(*heights)) == expected
    assert low(**limbs(*heights), **chest(*6 * [2.0])) == expected
    assert low(**limbs(*6 * [2.0]), **chest(*heights)) == expected


@pytest.mark.parametrize(
    ("peaks_mv", "expected"),
    [
        ({"I": 2, "II": 2, "III": 2, "V2": 0.4}, True),
        ({"I": 2, "II": 2, "V2": 0.4}, True),
        ({**limbs(*6 * [2.0]), **chest(2, 0.4, 2, 2, 2, 2)}, False),
        ({"I": 0.4, "II": 0.4, "III": 0.4}, True),
        ({"I": 0.4, "II": 0.4, "III": 2}, False),
        ({"I": 0.4, "II": 0.4}, True),
        ({"I": 0.4, "II": 2}, False),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_low_in_few_leads(peaks_mv: dict[str, float], expected: bool) -> None:
    assert low(**peaks_mv) == expected


def test_one_tall_beat_prevents_low_voltage() -> None:
    signal, leads = beats(**limbs(*6 * [0.4]))
    assert judge(signal, leads, FS, BEATS)["LQRSV"]
    signal[:, BEATS[3]] = 2
    assert not judge(signal, leads, FS, BEATS)["LQRSV"]


@pytest.mark.parametrize(("shift", "counts"), [(-31, False), (-30, True), (29, True), (30, False)])
def test_window_of_low_voltage(shift: int, counts: bool) -> None:
    signal, leads = beats(**limbs(*6 * [0.3]))
    signal[:, BEATS[4] + shift] = -0.5
    assert judge(signal, leads, FS, BEATS)["LQRSV"] == (not counts)


def test_windows_beyond_the_record_contain_zeros() -> None:
    signal = np.ones((6, 5000))
    signal[:, 10] = 1.2
    assert not judge(signal, list(LIMB), FS, np.array([10]))["LQRSV"]
    assert judge(signal, list(LIMB), FS, np.array([40]))["LQRSV"]


def test_low_voltage_without_beats() -> None:
    signal = np.zeros((12, 5000))
    assert judge(signal, STANDARD, FS)["LQRSV"]
    signal[:, 1000] = 2
    assert not judge(signal, STANDARD, FS, NONE)["LQRSV"]
    assert judge(signal[:, :50], STANDARD, FS)["LQRSV"]  # the published code raises


def test_float32_is_rounded_to_its_decimal_value() -> None:
    signal, leads = beats(**limbs(*6 * [0.3]))
    signal[:, BEATS + 5] = -0.22
    rounded = signal.astype(np.float32)
    assert np.ptp(rounded.astype(float)) > 0.52
    assert judge(rounded, leads, FS, BEATS)["LQRSV"]


@pytest.mark.parametrize(
    ("count", "paced", "expected"),
    [
        (12, 6, False),
        (12, 7, True),
        (6, 3, False),
        (6, 4, True),
        (4, 1, False),
        (4, 2, True),
        (3, 1, False),
        (3, 2, True),
        (2, 1, True),
    ],
)
def test_pacing_in_some_leads(count: int, paced: int, expected: bool) -> None:
    signal = np.zeros((count, 5000))
    signal[:paced, BEATS] = 1
    assert judge(signal, LEAD_SETS[count], FS, NONE)["pacing"] == expected


@pytest.mark.parametrize(("count", "expected"), [(3, False), (4, True)])
def test_pacing_by_few_spikes(count: int, expected: bool) -> None:
    signal = np.zeros((12, 5000))
    signal[:, BEATS[:count]] = 1
    assert judge(signal, STANDARD, FS, NONE)["pacing"] == expected


@pytest.mark.parametrize(
    ("amplitude_mv", "width", "expected"),
    [(0.36, 1, False), (0.37, 1, True), (0.45, 2, False), (0.50, 2, True)],
)
def test_pacing_by_small_spikes(amplitude_mv: float, width: int, expected: bool) -> None:
    signal = np.zeros((12, 5000))
    for sample in range(width):
        signal[:, BEATS + sample] = amplitude_mv
    assert judge(signal, STANDARD, FS, NONE)["pacing"] == expected


def test_pacing_spikes_are_300_ms_apart_and_exceed_15_times_the_mean() -> None:
    for gap, expected in ((140, False), (160, True)):  # 280 ms: two spikes; 320 ms: four
        signal = np.zeros((12, 5000))
        signal[:, np.concatenate([BEATS[:2], BEATS[:2] + gap])] = 1
        assert judge(signal, STANDARD, FS, NONE)["pacing"] == expected
    for hum_mv, expected in ((0.02, True), (0.1, False)):  # the mean of 0.1 mV is 0.064 mV
        signal = hum_mv * np.cos(2 * np.pi * 100 * np.arange(5000) / FS)[None].repeat(12, axis=0)
        signal[:, BEATS] += 1
        assert judge(signal, STANDARD, FS, NONE)["pacing"] == expected


@pytest.mark.parametrize(("fs", "height"), [(500, 0.81185), (250, 0.62389), (257, 0.63412)])
def test_pacing_at_other_rates(fs: int, height: float) -> None:
    """A filtered unit spike has this height and up to 0.4 % less prominence; 0.3 mV count."""
    for factor, expected in ((0.999, False), (1.004, True)):
        signal = np.zeros((12, 10 * fs))
        signal[:, fs // 2 :: fs] = factor * 0.3 / height
        assert judge(signal, STANDARD, fs, NONE)["pacing"] == expected


@pytest.mark.parametrize("fs", [100, 1000])
def test_an_unstable_pacing_filter_raises_no_exception(fs: int) -> None:
    signal = np.random.default_rng(1).normal(size=(2, 10 * fs))
    assert judge(signal, ("I", "II"), fs, NONE)["pacing"] in (True, False)


@pytest.mark.parametrize(
    ("peaks_mv", "expected"),
    [
        (chest(0.1, 0.2, 0.29, 0.5, 1, 1), True),
        (chest(0.1, 0.5, 0.4, 0.6, 1, 1), True),
        (chest(0.1, 0.2, 0.4, 0.6, 1, 1), False),
        (chest(0.1, 0.2, 0.4, 0.6, 0.1, 0), False),
        ({"I": 1, "II": 1, "V2": 0.1}, False),
        ({"I": 1, "II": 1}, False),
        ({"V1": 0.5, "V4": 0.4}, True),
    ],
    ids=str,
)
def test_poor_progression(peaks_mv: dict[str, float], expected: bool) -> None:
    signal, leads = beats(**peaks_mv)
    assert judge(signal, leads, FS, BEATS)["PRWP"] == expected
    assert not judge(signal, leads, FS, NONE)["PRWP"]  # the published code raises


def test_r_peaks_move_to_the_maximum_and_are_dropped_at_the_ends() -> None:
    from ecg.rules.published import _correct

    lead = np.zeros(1000)
    lead[[90, 224, 225, 500]] = 1, 2, 3, 1
    lead[10] = 1
    detected = np.array([24, 25, 80, 100, 200, 510, 975, 976])
    # 25 samples on the left, 24 on the right; biosppy 2.2.4 skips incomplete windows
    assert _correct(lead, detected, FS).tolist() == [10, 90, 224, 500, 950]


@pytest.mark.parametrize(
    ("lead_peaks", "expected"),
    [
        ([[100], [100], [103]], [100]),
        ([[100], [102], [107]], [103]),  # no majority: the mean, rounded down
        ([[100], [], []], []),
        ([[100], []], [100]),  # of two leads one suffices
        ([[100, 400, 700]], [400]),  # a single lead: one interval
        ([[100], [125], []], [100]),  # the second is just outside the overlap [100, 125)
        ([[100], [126], []], [100]),  # the interval begins one sample before the overlap
        ([[100], [127], []], []),  # both are outside: the beat is lost
    ],
    ids=str,
)
def test_merging(lead_peaks: list[list[int]], expected: list[int]) -> None:
    from ecg.rules.published import _merge

    assert _merge([np.array(peaks, int) for peaks in lead_peaks], 1000, FS).tolist() == expected


@pytest.mark.parametrize("samples", [1, 10, 150, 151, 310])
@pytest.mark.parametrize("fs", [100, 500])
def test_short_records_are_answered(samples: int, fs: int) -> None:
    signal = np.random.default_rng(2).normal(size=(2, samples))
    assert not judge(signal, ("I", "II"), fs)["pacing"]


def test_leads_with_nan_are_ignored() -> None:
    record = read_record(SAMPLES / "HR06001.hea")
    signal = record.signal
    signal[record.leads.index("aVR"), 100] = np.nan
    assert len(detect(signal, FS)) == 12
    assert judge(signal, record.leads, FS)["LAD"]


@pytest.mark.parametrize(
    ("shape", "fs", "text"),
    [
        ((2, 5000), 1e20, "fs is 1e.20 Hz; no electrocardiogram has that"),
        ((2, 5000), float("inf"), "fs is inf Hz; no electrocardiogram has that"),
        ((2, 5000), 90, "fs is 90 Hz; the published rules need more than 94 Hz. Resample"),
        ((5000,), 500, r"shape \(5000,\); expected \(leads, samples\)"),
        ((3, 5000), 500, "3 leads, but 2 names"),
    ],
)
def test_invalid_signals_raise_an_error(shape: tuple[int, ...], fs: float, text: str) -> None:
    with pytest.raises(LeadwiseError, match=text):
        judge(np.zeros(shape), ("I", "II"), fs)


def test_unknown_method() -> None:
    with pytest.raises(
        LeadwiseError, match="unknown axis method '4-lead'; known are 2-lead, 3-lead"
    ):
        judge(np.zeros((2, 5000)), ("I", "II"), FS, axis_method="4-lead")


def test_a_missing_wfdb_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wfdb.processing", None)
    with pytest.raises(
        LeadwiseError, match="need wfdb to find R peaks: pip install wfdb, or pass r_peaks"
    ):
        detect(np.zeros((2, 5000)), FS)
