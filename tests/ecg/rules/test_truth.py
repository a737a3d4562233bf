"""Truth tables: each rule on either side of each of its numbers, which are written out here.

Numbers marked "fitted" in `ecg.rules` are the shipped ones, as in docs/rules.md.
The others are those of Kang & Wen 2022 (R in V3 up to 3 mm) and AHA/ACCF/HRS 2009 (QTc 460 ms).
"""

import numpy as np
import pytest

from ecg.rules import RULES, UNITS, Measurements, format_measure

NORMAL = {
    "beats": 12, "rate": 72, "irregularity": 1, "variation": 5, "axis": 45, "I": 0.6, "II": 0.8,
    "aVF": 0.5, "limb QRS": 1.1, "R in V1": 0.2, "R in V2": 0.5, "R in V3": 0.9, "R in V4": 1.2,
    "P": 5, "PQ": 160, "QT": 380, "QTc": 410, "spikes in": 0,
}  # fmt: skip

# Measures other than normal, and the rules that then answer yes.
TABLE = [
    ({}, ""),
    ({"rate": 100.7, "irregularity": 0}, ""),
    ({"rate": 100.8, "irregularity": 0}, "tachycardia"),
    ({"rate": 140, "irregularity": 4.0}, "tachycardia"),
    ({"rate": 140, "irregularity": 4.1}, ""),
    ({"rate": 50.0}, ""),
    ({"rate": 49.9}, "bradycardia, sinus bradycardia"),
    ({"rate": 49.9, "P": 1.0}, "bradycardia, sinus bradycardia"),
    ({"rate": 49.9, "P": 0.9}, "bradycardia"),
    ({"variation": 24.0}, ""),
    ({"variation": 24.1}, "sinus arrhythmia"),
    ({"variation": 30, "P": 2.5}, "sinus arrhythmia"),
    ({"variation": 30, "P": 2.4}, ""),
    ({"axis": -1.0}, ""),
    ({"axis": -1.1}, "LAD"),
    ({"axis": -90.0}, "LAD"),
    ({"axis": -90.1}, ""),  # 269.9°: neither left nor right
    ({"axis": -99.9}, ""),  # 260.1°
    ({"axis": -100.1}, "RAD"),  # 259.9°
    ({"axis": 180.0}, "RAD"),
    ({"axis": 92.1}, "RAD"),
    ({"axis": 92.0}, ""),
    ({"limb QRS": 0.56}, ""),
    ({"limb QRS": 0.55}, "LQRSV"),
    ({"spikes in": 1}, "pacing"),
    ({"spikes in": 12}, "pacing"),
    ({"R in V3": 0.30}, "PRWP"),
    ({"R in V3": 0.31}, ""),
    ({"R in V1": 0.9, "R in V2": 0.8, "R in V3": 0.7, "R in V4": 0.6}, ""),
    ({"PQ": 208}, ""),
    ({"PQ": 209}, "long PR"),
    ({"PQ": 250, "P": 1.5}, "long PR"),
    ({"PQ": 250, "P": 1.4}, ""),
    ({"QTc": 460}, ""),
    ({"QTc": 461}, "long QT"),
    ({"QT": 520}, ""),  # at a low rate; QTc decides
]

# SNOMED CT, first the class that a yes sets; the measures that a rule needs.
CODES = {
    "tachycardia": ("427084000", ("rate", "irregularity")),
    "bradycardia": ("426627000 426177001", ("rate",)),
    "sinus bradycardia": ("426177001", ("rate", "P")),
    "sinus arrhythmia": ("427393009", ("variation", "P")),
    "LAD": ("39732003", ("axis",)),
    "RAD": ("47665007", ("axis",)),
    "LQRSV": ("251146004", ("limb QRS",)),
    "pacing": ("10370003", ("spikes in",)),
    "PRWP": ("365413008", ("R in V3",)),
    "long PR": ("270492004 164947007", ("PQ", "P")),
    "long QT": ("111975006", ("QTc",)),
}


def findings(**measures: float):
    values = {name: float(value) for name, value in (NORMAL | measures).items()}
    reasons = {name: f"{name}?" for name, value in values.items() if np.isnan(value)}
    return {name: rule.evaluate(Measurements(values, reasons)) for name, rule in RULES.items()}


@pytest.mark.parametrize(("measures", "expected"), TABLE, ids=str)
def test_each_rule_on_either_side_of_its_numbers(measures: dict[str, float], expected: str) -> None:
    answered = findings(**measures)
    assert ", ".join(name for name, f in answered.items() if f.answer) == expected
    assert all(f.answer in (True, False) for f in answered.values())


@pytest.mark.parametrize("measure", NORMAL)
def test_a_rule_cannot_say_without_its_measures_and_needs_no_others(measure: str) -> None:
    silent = {name for name, f in findings(**{measure: np.nan}).items() if f.answer is None}
    assert silent == {name for name, (_, needed) in CODES.items() if measure in needed}
    for name in silent:
        assert findings(**{measure: np.nan})[name].why == f"{measure}?"


def test_codes_and_names() -> None:
    assert {name: " ".join(rule.codes) for name, rule in RULES.items()} == {
        name: codes for name, (codes, _) in CODES.items()
    }
    assert set(UNITS) == set(NORMAL)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("beats", 9, "9 beats"), ("rate", 71.6, "rate 72/min"),
        ("irregularity", 4.04, "irregularity 4.0 %"), ("variation", 24.4, "variation 24 %"),
        ("axis", 0.4, "axis +0°"), ("axis", -89.6, "axis −90°"),
        ("axis", -91, "axis −91° (extreme)"),
        ("I", -0.123, "I −0.12 mV"), ("II", 0.123, "II +0.12 mV"), ("aVF", 1, "aVF +1.00 mV"),
        ("limb QRS", 0.555, "limb QRS 0.56 mV"), ("R in V3", 0.3, "R in V3 0.30 mV"),
        ("P", 1.46, "P 1.5 times its variation"), ("PQ", 208.4, "PQ 208 ms"),
        ("QT", 399.6, "QT 400 ms"), ("QTc", 430.887, "QTc 431 ms"),
        ("spikes in", 3, "spikes in 3 leads"),
    ],
)  # fmt: skip
def test_measures_are_written_with_unit_and_digits(name: str, value: float, text: str) -> None:
    assert format_measure(name, value) == text


def test_findings_report_what_decided() -> None:
    assert {name: f.why for name, f in findings().items()} == {
        "tachycardia": "rate 72/min, irregularity 1.0 %, 12 beats",
        "bradycardia": "rate 72/min, 12 beats",
        "sinus bradycardia": "rate 72/min, P 5.0 times its variation, 12 beats",
        "sinus arrhythmia": "variation 5 %, P 5.0 times its variation, rate 72/min, 12 beats",
        "LAD": "axis +45°, I +0.60 mV, II +0.80 mV, aVF +0.50 mV, 12 beats",
        "RAD": "axis +45°, I +0.60 mV, II +0.80 mV, aVF +0.50 mV, 12 beats",
        "LQRSV": "limb QRS 1.10 mV, 12 beats",
        "pacing": "spikes in 0 leads, 12 beats",
        "PRWP": "R in V3 0.90 mV, R in V1 0.20 mV, R in V2 0.50 mV, R in V4 1.20 mV, 12 beats",
        "long PR": "PQ 160 ms, P 5.0 times its variation, rate 72/min, 12 beats",
        "long QT": "QTc 410 ms, QT 380 ms, rate 72/min, 12 beats",
    }
