"""Rules: what they say of known hearts, what they refuse to say, and what must not change it."""

import numpy as np
import pytest

from ecg.beats import detect, heart_rate
from ecg.labels import codes_by_name
from ecg.leads import LEAD_SETS, STANDARD
from ecg.rules import RULES, UNITS, Finding, judge, measure, written
from ecg.signals import TRANSFORMS
from simulate import CLEAN, simulate

YES = {
    "tachycardia": "STach", "sinus bradycardia": "SB", "sinus arrhythmia": "SA", "LAD": "LAD",
    "RAD": "RAD", "LQRSV": "LQRSV", "pacing": "PR", "PRWP": "PRWP", "long PR": "IAVB",
    "long QT": "LQT",
}  # fmt: skip
VOLTAGE = {"LQRSV", "PRWP", "pacing"}


def answers(signal: np.ndarray, leads, fs: float) -> dict[str, bool | None]:
    return {name: found.answer for name, found in judge(signal, leads, fs).items()}


@pytest.mark.parametrize(("rule", "diagnosis"), YES.items())
def test_a_simulated_diagnosis_is_said_and_a_healthy_heart_is_not(rule, diagnosis) -> None:
    for seed in range(5):
        ill = simulate([diagnosis], seed=seed, fs=500)
        well = simulate(["NSR"], seed=seed, fs=500)
        # PTB-XL's physicians call 50 to 60 beats a minute normal, the simulator does not.
        slow_enough = (
            diagnosis != "SB" or heart_rate(ill.r_peaks, 500) < RULES[rule].numbers()["rate"]
        )
        assert answers(ill.signal, ill.leads, ill.fs)[rule] is slow_enough
        assert answers(well.signal, well.leads, well.fs)[rule] is False


def test_bradycardia_is_slow_whatever_leads_it() -> None:
    for seed in range(6):
        for diagnosis in ("SB", "AF"):
            record = simulate([diagnosis], seed=seed)
            slow = heart_rate(record.r_peaks, 500) < RULES["bradycardia"].numbers()["rate"]
            assert answers(record.signal, record.leads, 500)["bradycardia"] is slow


def test_fibrillation_is_neither_tachycardia_nor_sinus_arrhythmia() -> None:
    """The sense of regularity, and of the P wave: 20 hearts in fibrillation at any rate."""
    for seed in range(20):
        record = simulate(["AF"], seed=seed, fs=250)
        found = answers(record.signal, record.leads, record.fs)
        assert found["tachycardia"] is False
        assert found["sinus arrhythmia"] is False


def test_a_finding_says_what_was_measured() -> None:
    record = simulate(["LAD"], seed=1, noise=CLEAN)
    found = judge(record.signal, record.leads, record.fs)["LAD"]
    assert found.rule == "LAD"
    axis, one, two, foot, beats = found.why.split(", ")
    assert axis.startswith("axis −")
    assert one.startswith("I +")
    assert two.startswith("II ")
    assert foot.startswith("aVF −")
    assert beats == f"{len(detect(record.signal, record.fs))} beats"
    assert str(found) == f"LAD: yes ({found.why})"
    assert str(Finding("RAD", None, "no beats found")) == "RAD: cannot say (no beats found)"
    assert written("axis", -120.0) == "axis −120° (extreme)"


@pytest.mark.parametrize("size", LEAD_SETS)
def test_the_axis_is_known_with_each_lead_set(size: int) -> None:
    """I and II determine aVF, where the published system gave up."""
    whole = simulate(["RAD"], seed=2, noise=CLEAN)
    few = simulate(["RAD"], seed=2, noise=CLEAN, leads=LEAD_SETS[size])
    axes = [measure(r.signal, r.leads, r.fs).values["axis"] for r in (whole, few)]
    assert axes[1] == pytest.approx(axes[0], abs=0.5)
    assert answers(few.signal, few.leads, few.fs)["RAD"] is True


def test_the_order_of_leads_does_not_matter() -> None:
    record = simulate(["LAD", "SB"], seed=5)
    order = np.random.default_rng(0).permutation(12)
    names = [STANDARD[place].lower() for place in order]
    before = measure(record.signal, record.leads, record.fs)
    after = measure(record.signal[order], names, record.fs)
    assert before == after


@pytest.mark.parametrize("gain", [0.25, 4.0])
def test_scaling_changes_voltages_alone(gain: float) -> None:
    for diagnosis in ("LAD", "STach", "SA", "IAVB", "LQT"):
        record = simulate([diagnosis], seed=4)
        before = answers(record.signal, record.leads, record.fs)
        after = answers(record.signal * np.float32(gain), record.leads, record.fs)
        assert {k: v for k, v in after.items() if k not in VOLTAGE} == {
            k: v for k, v in before.items() if k not in VOLTAGE
        }


@pytest.mark.parametrize("fs", [100.0, 257.0, 500.0, 1000.0])
def test_resampling_changes_no_answer(fs: float) -> None:
    """But for pacing, which 100 Hz cannot show; voltages move by less than a tenth."""
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
                "pacing: cannot say (pacing spikes cannot be seen at 100 Hz)"
            )


def test_padding_changes_no_answer() -> None:
    for diagnosis in YES.values():
        record = simulate([diagnosis], seed=7, fs=250)
        padded = np.pad(record.signal, ((0, 0), (250, 500)))
        before = answers(record.signal, record.leads, 250)
        assert answers(padded, record.leads, 250) == before


def test_reversed_in_time_the_rate_rules_say_the_same_of_the_same_beats() -> None:
    for diagnosis in ("STach", "SB", "SA", "AF"):
        record = simulate([diagnosis], seed=8, fs=250)
        samples = record.signal.shape[1]
        before = measure(record.signal, record.leads, 250, record.r_peaks).values
        after = measure(
            record.signal[:, ::-1], record.leads, 250, (samples - 1 - record.r_peaks)[::-1]
        ).values
        for name in ("rate", "irregularity", "variation"):
            assert after[name] == pytest.approx(before[name])


def test_what_cannot_be_known_is_not_said() -> None:
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
        found = judge(signal, leads, fs)
        silent = {name for name, one in found.items() if one.answer is None and reason in one.why}
        assert silent == rules, reason


def test_swapped_arms_are_not_taken_for_an_axis() -> None:
    """Arms swapped: I is upside down, II and III change places, and so do aVR and aVL."""
    for seed in range(5):
        record = simulate(["NSR"], seed=seed, leads=STANDARD[:6])
        one, two, three, right, left, foot = record.signal
        swapped = np.stack([-one, three, two, left, right, foot])
        for leads in (6, 2):
            found = judge(swapped[:leads], STANDARD[:leads], 500)
            assert "swapped" in found["RAD"].why
            assert found["RAD"].answer is found["LAD"].answer is None
            assert found["bradycardia"].answer is False


def test_a_beat_or_two() -> None:
    record = simulate(["NSR"], seed=1)
    first, second = record.r_peaks[2], record.r_peaks[3]
    one = judge(record.signal, record.leads, 500, np.array([first]))
    two = judge(record.signal, record.leads, 500, np.array([first, second]))
    assert str(one["bradycardia"]) == "bradycardia: cannot say (one beat only)"
    assert str(two["tachycardia"]) == "tachycardia: cannot say (fewer than three beats)"
    assert two["bradycardia"].answer is False
    assert one["LAD"].answer is False
    assert str(two["long PR"]) == "long PR: cannot say (fewer than three beats)"


def test_odd_signals_end_in_answers_never_in_exceptions() -> None:
    rng = np.random.default_rng(0)
    record = simulate(["NSR"], seed=1, fs=250)
    holes = record.signal.copy()
    holes[3] = np.nan
    holes[:, 400:900] = np.nan
    flat = record.signal.copy()
    flat[1] = 0.3
    odd = {
        "holes": holes, "flat II": flat, "noise": rng.normal(size=(12, 2500)),
        "NaN": np.full((12, 2500), np.nan), "short": record.signal[:, :100],
        "one sample": record.signal[:, :1], "empty": record.signal[:, :0],
        "infinite": np.where(rng.random((12, 2500)) < 0.01, np.inf, record.signal),
    }  # fmt: skip
    for what, signal in odd.items():
        found = judge(signal.astype(np.float32), record.leads, 250)
        assert list(found) == list(RULES), what
    assert answers(holes, record.leads, 250)["LAD"] is False
    assert answers(flat, record.leads, 250)["LAD"] is False  # from I, III and the augmented leads


def test_five_seconds_and_an_hour_are_judged_alike() -> None:
    for diagnosis in ("STach", "SB", "LAD", "NSR"):
        long = simulate([diagnosis], seed=9, fs=100, duration_s=3600, leads=("I", "II"))
        short = simulate([diagnosis], seed=9, fs=100, duration_s=5, leads=("I", "II"))
        assert answers(long.signal, long.leads, 100) == answers(short.signal, short.leads, 100)


def test_many_records_are_answered_as_one_by_one() -> None:
    records = [simulate([d], seed=1, fs=250) for d in YES.values()]
    measured = [measure(r.signal, r.leads, r.fs) for r in records]
    columns = {name: np.array([m.values[name] for m in measured]) for name in UNITS}
    code = {True: 1, False: 0, None: -1}
    for rule in RULES.values():
        together = rule.answers(columns, rule.numbers()).tolist()
        assert together == [code[rule.find(one).answer] for one in measured]


def test_every_rule_names_codes_constants_and_sources() -> None:
    known = set(codes_by_name().values())
    for name, rule in RULES.items():
        assert name == rule.name
        assert rule.codes
        assert known.issuperset(rule.codes)
        assert all(constant.source for constant in rule.constants.values())
        assert "{" not in rule.said()
        assert set(rule.measures) | set(rule.shown) <= set(UNITS)
        assert all(f"{{{constant}}}" in rule.criterion for constant in rule.constants)
