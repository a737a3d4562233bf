"""Rules: answers for simulated diagnoses, unknown answers, and invariances."""

import numpy as np
import pytest

from ecg.beats import detect, heart_rate
from ecg.labels import codes_by_name
from ecg.leads import LEAD_SETS, STANDARD
from ecg.rules import RULES, UNITS, Finding, format_measure, judge, measure
from ecg.signals import TRANSFORMS
from simulate import CLEAN, simulate

YES = {
    "tachycardia": "STach", "sinus bradycardia": "SB", "sinus arrhythmia": "SA", "LAD": "LAD",
    "RAD": "RAD", "LQRSV": "LQRSV", "pacing": "PR", "PRWP": "PRWP", "long PR": "IAVB",
    "long QT": "LQT",
}  # fmt: skip
VOLTAGE = {"LQRSV", "PRWP", "pacing"}


def answers(signal: np.ndarray, leads, fs: float) -> dict[str, bool | None]:
    return {name: finding.answer for name, finding in judge(signal, leads, fs).items()}


@pytest.mark.parametrize(("rule", "diagnosis"), YES.items())
def test_simulated_diagnoses_give_yes_and_normal_records_no(rule, diagnosis) -> None:
    for seed in range(5):
        ill = simulate([diagnosis], seed=seed, fs=500)
        well = simulate(["NSR"], seed=seed, fs=500)
        # 50 to 60 beats per minute are bradycardia for the simulator, not for PTB-XL's physicians.
        slow_enough = diagnosis != "SB" or heart_rate(ill.r_peaks, 500) < 50
        assert answers(ill.signal, ill.leads, ill.fs)[rule] is slow_enough
        assert answers(well.signal, well.leads, well.fs)[rule] is False


def test_bradycardia_depends_on_the_rate_alone() -> None:
    for seed in range(6):
        for diagnosis in ("SB", "AF"):
            record = simulate([diagnosis], seed=seed)
            slow = heart_rate(record.r_peaks, 500) < 50
            assert answers(record.signal, record.leads, 500)["bradycardia"] is slow


def test_fibrillation_is_neither_tachycardia_nor_sinus_arrhythmia() -> None:
    """Irregularity and missing P waves prevent a yes in 20 records of fibrillation at any rate."""
    for seed in range(20):
        record = simulate(["AF"], seed=seed, fs=250)
        given = answers(record.signal, record.leads, record.fs)
        assert given["tachycardia"] is False
        assert given["sinus arrhythmia"] is False


def test_a_finding_reports_its_measures() -> None:
    record = simulate(["LAD"], seed=1, noise=CLEAN)
    finding = judge(record.signal, record.leads, record.fs)["LAD"]
    assert finding.rule == "LAD"
    axis, net_i, net_ii, net_avf, beats = finding.why.split(", ")
    assert axis.startswith("axis −")
    assert net_i.startswith("I +")
    assert net_ii.startswith("II ")
    assert net_avf.startswith("aVF −")
    assert beats == f"{len(detect(record.signal, record.fs))} beats"
    assert str(finding) == f"LAD: yes ({finding.why})"
    assert str(Finding("RAD", None, "no beats detected")) == "RAD: cannot say (no beats detected)"
    assert format_measure("axis", -120.0) == "axis −120° (extreme)"


@pytest.mark.parametrize("size", LEAD_SETS)
def test_the_axis_is_known_with_each_lead_set(size: int) -> None:
    """I and II determine aVF; the published system answers normal without aVF."""
    whole = simulate(["RAD"], seed=2, noise=CLEAN)
    few = simulate(["RAD"], seed=2, noise=CLEAN, leads=LEAD_SETS[size])
    axes = [measure(r.signal, r.leads, r.fs).values["axis"] for r in (whole, few)]
    assert axes[1] == pytest.approx(axes[0], abs=0.5)
    assert answers(few.signal, few.leads, few.fs)["RAD"] is True


def test_the_order_of_leads_does_not_matter() -> None:
    record = simulate(["LAD", "SB"], seed=5)
    order = np.random.default_rng(0).permutation(12)
    names = [STANDARD[index].lower() for index in order]
    before = measure(record.signal, record.leads, record.fs)
    after = measure(record.signal[order], names, record.fs)
    assert before == after


@pytest.mark.parametrize("gain", [0.25, 4.0])
def test_scaling_changes_only_voltage_rules(gain: float) -> None:
    for diagnosis in ("LAD", "STach", "SA", "IAVB", "LQT"):
        record = simulate([diagnosis], seed=4)
        before = answers(record.signal, record.leads, record.fs)
        after = answers(record.signal * np.float32(gain), record.leads, record.fs)
        for rule in RULES.keys() - VOLTAGE:
            assert after[rule] is before[rule], (diagnosis, rule)


@pytest.mark.parametrize("fs", [100.0, 257.0, 500.0, 1000.0])
def test_resampling_changes_no_answer(fs: float) -> None:
    """Except pacing at 100 Hz, where spikes are not visible."""
    for diagnosis in YES.values():
        record = simulate([diagnosis], seed=6, fs=500, noise=CLEAN)
        signal, rate = TRANSFORMS["resample"](record.signal, record.fs, to_hz=fs)
        before = judge(record.signal, record.leads, record.fs)
        after = judge(signal, record.leads, rate)
        for name in RULES:
            if name != "pacing":
                assert after[name].answer == before[name].answer, (diagnosis, name)
        if fs == 100:
            assert str(after["pacing"]) == (
                "pacing: cannot say (pacing spikes are not visible at 100 Hz)"
            )


def test_padding_changes_no_answer() -> None:
    for diagnosis in YES.values():
        record = simulate([diagnosis], seed=7, fs=250)
        padded = np.pad(record.signal, ((0, 0), (250, 500)))
        before = answers(record.signal, record.leads, 250)
        assert answers(padded, record.leads, 250) == before


def test_reversing_time_changes_no_rate_measure() -> None:
    for diagnosis in ("STach", "SB", "SA", "AF"):
        record = simulate([diagnosis], seed=8, fs=250)
        samples = record.signal.shape[1]
        before = measure(record.signal, record.leads, 250, record.r_peaks).values
        after = measure(
            record.signal[:, ::-1], record.leads, 250, (samples - 1 - record.r_peaks)[::-1]
        ).values
        for name in ("rate", "irregularity", "variation"):
            assert after[name] == pytest.approx(before[name])


def test_unknown_measures_give_cannot_say() -> None:
    record = simulate(["NSR"], seed=1)
    cases = {
        "no lead has a signal": (np.zeros((2, 5000)), ("I", "II"), 500.0, set(RULES)),
        "needs two limb leads": (record.signal[[1]], ("II",), 500.0, {"LAD", "RAD", "LQRSV"}),
        "needs lead V3": (record.signal[:2], ("I", "II"), 500.0, {"PRWP"}),
        "the largest QRS has 0.0": (
            record.signal / 1000, record.leads, 500.0, {"LQRSV", "PRWP", "pacing"},
        ),
        "contradict each other": (
            record.signal[[0, 1, 7]], ("I", "II", "III"), 500.0, {"LAD", "RAD", "LQRSV"},
        ),
        "from 100 Hz on": (record.signal[:, ::10], record.leads, 50.0, set(RULES)),
    }  # fmt: skip
    for reason, (signal, leads, fs, rules) in cases.items():
        findings = judge(signal, leads, fs).values()
        unknown = {f.rule for f in findings if f.answer is None and reason in f.why}
        assert unknown == rules, reason


def test_swapped_arm_electrodes_give_no_axis() -> None:
    """Swapped arm electrodes invert I, and exchange II with III and aVR with aVL."""
    for seed in range(5):
        record = simulate(["NSR"], seed=seed, leads=STANDARD[:6])
        one, two, three, right, left, foot = record.signal
        swapped = np.stack([-one, three, two, left, right, foot])
        for leads in (6, 2):
            findings = judge(swapped[:leads], STANDARD[:leads], 500)
            assert "swapped" in findings["RAD"].why
            assert findings["RAD"].answer is findings["LAD"].answer is None
            assert findings["bradycardia"].answer is False


def test_one_and_two_beats() -> None:
    record = simulate(["NSR"], seed=1)
    first, second = record.r_peaks[2], record.r_peaks[3]
    one = judge(record.signal, record.leads, 500, np.array([first]))
    two = judge(record.signal, record.leads, 500, np.array([first, second]))
    assert str(one["bradycardia"]) == "bradycardia: cannot say (one beat only)"
    assert str(two["tachycardia"]) == "tachycardia: cannot say (fewer than three beats)"
    assert two["bradycardia"].answer is False
    assert one["LAD"].answer is False
    assert str(two["long PR"]) == "long PR: cannot say (fewer than three beats)"


def test_unusual_signals_raise_no_exception() -> None:
    rng = np.random.default_rng(0)
    record = simulate(["NSR"], seed=1, fs=250)
    holes = record.signal.copy()
    holes[3] = np.nan
    holes[:, 400:900] = np.nan
    flat = record.signal.copy()
    flat[1] = 0.3
    signals = {
        "holes": holes, "flat II": flat, "noise": rng.normal(size=(12, 2500)),
        "NaN": np.full((12, 2500), np.nan), "short": record.signal[:, :100],
        "one sample": record.signal[:, :1], "empty": record.signal[:, :0],
        "infinite": np.where(rng.random((12, 2500)) < 0.01, np.inf, record.signal),
    }  # fmt: skip
    for name, signal in signals.items():
        findings = judge(signal.astype(np.float32), record.leads, 250)
        assert list(findings) == list(RULES), name
    assert answers(holes, record.leads, 250)["LAD"] is False
    assert answers(flat, record.leads, 250)["LAD"] is False  # from I, III and the augmented leads


@pytest.mark.parametrize("fs", [1e20, 1e300, 2e5, 0.01, 1e-300, 0.0, -250.0, np.nan, np.inf])
@pytest.mark.parametrize("given", [False, True])
def test_impossible_sampling_rates_end_at_once_and_give_no_answer(fs: float, given: bool) -> None:
    record = simulate(["NSR"], seed=1, leads=("I", "II", "V3"))
    r_peaks = record.r_peaks if given else None
    findings = judge(record.signal, record.leads, fs, r_peaks).values()
    if 0 < fs < 1 and given:  # R peaks that are given need no rate; a day per beat is bradycardia
        assert {f.rule for f in findings if f.answer} == {"bradycardia"}
    else:
        assert {f.answer for f in findings} == {None}
        assert all("Hz" in f.why for f in findings)


@pytest.mark.parametrize("factor", [1e-30, 1e-12, 1e6, 1e30])
def test_absurd_amplitudes_raise_no_warning(factor: float) -> None:
    record = simulate(["NSR"], seed=1, fs=250)
    findings = judge(record.signal * np.float32(factor), record.leads, 250)
    assert findings["bradycardia"].answer in (False, None)
    assert findings["LQRSV"].answer is None


@pytest.mark.parametrize("first", range(0, 2500, 125))
def test_gaps_anywhere_change_no_answer_about_the_rate(first: int) -> None:
    """A second without values in all leads, 0.3 s of infinity in one."""
    record = simulate(["STach"], seed=2, fs=250)
    signal = record.signal.copy()
    signal[:, first : first + 250] = np.nan
    signal[1, max(first - 400, 0) : max(first - 325, 0)] = np.inf
    findings = judge(signal, record.leads, 250)
    assert findings["tachycardia"].answer is True
    assert findings["bradycardia"].answer is False


def test_five_seconds_and_an_hour_have_the_same_answers() -> None:
    for diagnosis in ("STach", "SB", "LAD", "NSR"):
        long = simulate([diagnosis], seed=9, fs=100, duration_s=3600, leads=("I", "II"))
        short = simulate([diagnosis], seed=9, fs=100, duration_s=5, leads=("I", "II"))
        assert answers(long.signal, long.leads, 100) == answers(short.signal, short.leads, 100)


def test_many_records_have_the_answers_of_single_ones() -> None:
    records = [simulate([d], seed=1, fs=250) for d in YES.values()]
    measurements = [measure(r.signal, r.leads, r.fs) for r in records]
    columns = {name: np.array([m.values[name] for m in measurements]) for name in UNITS}
    code = {True: 1, False: 0, None: -1}
    for rule in RULES.values():
        together = rule.answers(columns, rule.numbers()).tolist()
        assert together == [code[rule.evaluate(m).answer] for m in measurements]


def test_every_rule_has_codes_constants_and_sources() -> None:
    known = set(codes_by_name().values())
    for name, rule in RULES.items():
        assert name == rule.name
        assert rule.codes
        assert known.issuperset(rule.codes)
        assert all(constant.source for constant in rule.constants.values())
        assert "{" not in rule.criterion_text()
        assert set(rule.measures) | set(rule.shown) <= set(UNITS)
        assert all(f"{{{constant}}}" in rule.criterion for constant in rule.constants)
