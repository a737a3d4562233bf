"""Rules: diagnoses from beats and amplitudes, with the measurements that they rest on.

A rule compares measures (`measures`) with constants and answers yes, no or cannot say.  The table
`RULES` defines all rules; docs/rules.md is generated from it.  The rules follow Revenger 2021 (Kang
& Wen, Physiol. Meas. 2022;43:064007); `published` implements theirs unchanged, with their errors.
Differences from the published rules:

- the axis is that of the median beat, not of the extreme values of whole leads; any two limb leads
  suffice, not only I and aVF;
- voltages are medians over beats, not maxima, and only limb leads count: PTB-XL's physicians do not
  report low precordial voltages as low QRS voltages;
- tachycardia must be regular, since an irregular one is more likely fibrillation;
- pacing spikes are recognised by the signal before and after them (`pacing`);
- without beats, with missing leads, wrong gains or low sampling rates, rules answer "cannot say"
  instead of no.

Constants marked "fitted" maximise F1 on PTB-XL's folds 1 to 9 (`experiments.rules`), so they follow
its physicians' labels.  Research use, not a medical device.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ecg.labels import codes_by_name
from ecg.rules.measures import UNITS, Measurements, measure

__all__ = ["RULES", "UNITS", "Constant", "Finding", "Measurements", "Rule", "judge", "measure"]

PAPER = "Kang & Wen 2022, section 5"
CODE = "Kang & Wen's public code"
FITTED = "fitted on PTB-XL, folds 1 to 9"


class Constant(NamedTuple):
    """A number that a rule compares with, and where it is from."""

    value: float
    unit: str
    source: str


@dataclass(frozen=True)
class Rule:
    """A diagnosis and its criterion.

    Attributes
    ----------
    name, title : str
        Key in `RULES`; name of the diagnosis.
    codes : tuple of str
        SNOMED CT codes of the diagnosis; the first is the class that a yes sets.
    leads : str
        Required leads.
    criterion : str
        Text with the constants' names in braces.
    constants : dict of Constant
    measures : tuple of str
        Names in `UNITS`; if one is unknown, the rule cannot say.
    shown : tuple of str
        Further measures that a finding reports.
    test : callable
        Function of measures and constants, both by name; takes numbers or arrays.
    source : str
    """

    name: str
    title: str
    codes: tuple[str, ...]
    leads: str
    criterion: str
    constants: Mapping[str, Constant]
    measures: tuple[str, ...]
    shown: tuple[str, ...]
    test: Callable[[Mapping[str, Any], Mapping[str, float]], Any]
    source: str

    def numbers(self) -> dict[str, float]:
        """Give the values of the constants by name."""
        return {name: constant.value for name, constant in self.constants.items()}

    def criterion_text(self) -> str:
        """Write the criterion with the values of its constants."""
        return self.criterion.format(**{name: f"{c.value:g}" for name, c in self.constants.items()})

    def answers(self, columns: Mapping[str, np.ndarray], numbers: Mapping[str, float]) -> Any:
        """Evaluate many records: 1 yes, 0 no, -1 cannot say, shape (records,) int8.

        Parameters
        ----------
        columns : mapping of np.ndarray, each of shape (records,)
            Measures by name.
        numbers : mapping of float
            Constants by name.
        """
        known = np.all([~np.isnan(columns[name]) for name in self.measures], axis=0)
        return np.where(known, self.test(columns, numbers), -1).astype(np.int8)

    def evaluate(self, measurements: Measurements) -> "Finding":
        """Evaluate one record."""
        values, reasons = measurements
        answer = int(self.answers({name: np.array(values[name]) for name in UNITS}, self.numbers()))
        unknown = [name for name in self.measures if np.isnan(values[name])]
        if unknown:
            return Finding(self.name, None, "; ".join(dict.fromkeys(reasons[n] for n in unknown)))
        names = (*self.measures, *self.shown, "beats")
        texts = [format_measure(name, values[name]) for name in names if not np.isnan(values[name])]
        return Finding(self.name, bool(answer), ", ".join(texts))


class Finding(NamedTuple):
    """A rule's answer for a record (yes, no, or None for cannot say), and the reason.

    Examples
    --------
    >>> str(Finding("LAD", True, "axis -41°, 9 beats"))
    'LAD: yes (axis -41°, 9 beats)'
    """

    rule: str
    answer: bool | None
    why: str

    def __str__(self) -> str:
        word = {True: "yes", False: "no", None: "cannot say"}[self.answer]
        return f"{self.rule}: {word} ({self.why})"


def format_measure(name: str, value: float) -> str:
    """Write a measure with its name and unit.

    Examples
    --------
    >>> format_measure("I", 0.61), format_measure("axis", -41.2)
    ('I +0.61 mV', 'axis −41°')
    >>> format_measure("rate", 112.4), format_measure("beats", 9)
    ('rate 112/min', '9 beats')
    """
    unit, digits = UNITS[name]
    sign = "+" if name in ("axis", "I", "II", "aVF") else ""
    number = f"{value:{sign}.{digits}f}".replace("-", "−")
    if name == "beats":
        return f"{number} {unit}"
    gap = "" if unit in ("°", "/min") else " "
    extreme = " (extreme)" if name == "axis" and value < -90 else ""
    return f"{name} {number}{gap}{unit}{extreme}"


def judge(
    signal: np.ndarray, leads: Sequence[str], fs: float, r_peaks: np.ndarray | None = None
) -> dict[str, Finding]:
    """Evaluate all rules for a record; invalid signals give "cannot say", not exceptions.

    Parameters
    ----------
    signal, leads, fs, r_peaks
        As for `measures.measure`.

    Returns
    -------
    dict of Finding
        By name of the rule, in the order of `RULES`.

    Examples
    --------
    >>> from simulate import simulate
    >>> record = simulate(["SB", "LAD"], seed=1, fs=500)
    >>> findings = judge(record.signal, record.leads, record.fs)
    >>> [name for name, finding in findings.items() if finding.answer]
    ['bradycardia', 'sinus bradycardia', 'LAD']
    """
    measurements = measure(signal, leads, fs, r_peaks)
    return {name: rule.evaluate(measurements) for name, rule in RULES.items()}


def _codes(*names: str) -> tuple[str, ...]:
    return tuple(codes_by_name()[name] for name in names)


_ANY = "any"
_LIMB = "any two limb leads"

_TABLE = (
    Rule(
        "tachycardia", "Sinus tachycardia", _codes("STach"), _ANY,
        "rate above {rate}/min, and the median change of RR from beat to beat is at most "
        "{irregularity} % of the median RR; an irregular tachycardia is more likely fibrillation",
        {"rate": Constant(100.75, "/min", FITTED), "irregularity": Constant(4, "%", FITTED)},
        ("rate", "irregularity"), (),
        lambda m, c: (m["rate"] > c["rate"]) & (m["irregularity"] <= c["irregularity"]),
        CODE + ": rate above 100/min",
    ),
    Rule(
        "bradycardia", "Bradycardia", _codes("Brady", "SB"), _ANY,
        "rate below {rate}/min",
        {"rate": Constant(50, "/min", FITTED)},
        ("rate",), (),
        lambda m, c: m["rate"] < c["rate"],
        CODE + ": rate below 60/min",
    ),
    Rule(
        "sinus bradycardia", "Sinus bradycardia", _codes("SB"), _ANY,
        "rate below {rate}/min, and the P wave is at least {P} times as high as its variation "
        "between beats",
        {"rate": Constant(50, "/min", FITTED), "P": Constant(1, "", FITTED)},
        ("rate", "P"), (),
        lambda m, c: (m["rate"] < c["rate"]) & (m["P"] >= c["P"]),
        "ours",
    ),
    Rule(
        "sinus arrhythmia", "Sinus arrhythmia", _codes("SA"), _ANY,
        "RR varies within 10 s by more than {variation} % of its median, and the P wave is at "
        "least {P} times as high as its variation between beats",
        {"variation": Constant(24, "%", FITTED), "P": Constant(2.5, "", FITTED)},
        ("variation", "P"), ("rate",),
        lambda m, c: (m["variation"] > c["variation"]) & (m["P"] >= c["P"]),
        "ours",
    ),
    Rule(
        "LAD", "Left axis deviation", _codes("LAD"), _LIMB,
        "QRS axis between −90° and {limit}°; the published 2-lead method (I positive, aVF not) "
        "corresponds to 0°, its 3-lead method (II not positive either) to −30°",
        {"limit": Constant(-1, "°", FITTED)},
        ("axis",), ("I", "II", "aVF"),
        lambda m, c: (m["axis"] >= -90) & (m["axis"] < c["limit"]),
        PAPER,
    ),
    Rule(
        "RAD", "Right axis deviation", _codes("RAD"), _LIMB,
        "QRS axis between {limit}° and {far}° (above 180°: extreme axis); the published 2-lead "
        "method corresponds to 90° and 180°",
        {"limit": Constant(92, "°", FITTED), "far": Constant(260, "°", FITTED)},
        ("axis",), ("I", "II", "aVF"),
        lambda m, c: (m["axis"] % 360 > c["limit"]) & (m["axis"] % 360 < c["far"]),
        PAPER,
    ),
    Rule(
        "LQRSV", "Low QRS voltages", _codes("LQRSV"), _LIMB,
        "the median QRS complex is smaller than {voltage} mV peak to peak in all limb leads",
        {"voltage": Constant(0.56, "mV", FITTED)},
        ("limb QRS",), (),
        lambda m, c: m["limb QRS"] < c["voltage"],
        PAPER + ", and figure A3: 0.5 mV",
    ),
    Rule(
        "pacing", "Pacing rhythm", _codes("PR"), "any, at least 250 Hz",
        "in at least {leads} lead the median beat begins with a spike: the steepest part of the "
        "beat, without activity before it, and followed by a wide complex",
        {"leads": Constant(1, "leads", "ours")},
        ("spikes in",), (),
        lambda m, c: m["spikes in"] >= c["leads"],
        "ours; constants in `ecg/rules/pacing.py`",
    ),
    Rule(
        "PRWP", "Poor R wave progression", _codes("PRWP"), "V3",
        "the median R wave in V3 is at most {voltage} mV",
        {"voltage": Constant(0.3, "mV", CODE)},
        ("R in V3",), ("R in V1", "R in V2", "R in V4"),
        lambda m, c: m["R in V3"] <= c["voltage"],
        CODE + ", whose rule also answers yes if R decreases anywhere from V1 to V4; left out: the "
        "criterion of the paper, appendix B, that R does not increase normally from V1 to V6",
    ),
    Rule(
        "long PR", "Prolonged PR interval", _codes("IAVB", "LPR"), _ANY,
        "PQ of the average beat is longer than {pq} ms, and the P wave is at least {P} times as "
        "high as its variation between beats",
        {"pq": Constant(208, "ms", FITTED), "P": Constant(1.5, "", FITTED)},
        ("PQ", "P"), ("rate",),
        lambda m, c: (m["PQ"] > c["pq"]) & (m["P"] >= c["P"]),
        "ours; textbooks: 200 ms",
    ),
    Rule(
        "long QT", "Prolonged QT interval", _codes("LQT"), _ANY,
        "QT of the average beat, corrected by Fridericia, is longer than {qtc} ms",
        {"qtc": Constant(460, "ms", "AHA/ACCF/HRS 2009, women")},
        ("QTc",), ("QT", "rate"),
        lambda m, c: m["QTc"] > c["qtc"],
        "Rautaharju et al., AHA/ACCF/HRS 2009, part IV (450 ms for men)",
    ),
)  # fmt: skip
RULES = {rule.name: rule for rule in _TABLE}
