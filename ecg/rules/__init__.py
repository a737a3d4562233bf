"""Rules: diagnoses that can be read off beats and amplitudes, and why they are said.

A rule compares measures (`measures`) with constants and answers yes, no or cannot say.  The table
`RULES` is all there is to it; docs/rules.md is made from it.  The rules follow Revenger 2021 (Kang
& Wen, Physiol. Meas. 2022;43:064007); `published` holds theirs as they were, faults included.  Ours
differ:

- the axis is that of the usual beat, not of the lead's extreme values, and known from any two limb
  leads, not from I and aVF alone;
- voltages are medians over beats, not maxima; of the limb leads alone, since low precordial voltage
  is not what PTB-XL's physicians called so;
- tachycardia has to be regular, or it is rather fibrillation;
- spikes are sought by what precedes and follows them (`pacing`);
- no beats, missing leads, wrong gains and slow sampling are no "no", but "cannot say".

Constants marked "fitted" maximise F1 on PTB-XL's folds 1 to 9 (`experiments.rules`): they say what
its physicians called so.  Research use, not a medical device.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ecg.labels import codes_by_name
from ecg.rules.measures import UNITS, Measured, measure

__all__ = ["RULES", "UNITS", "Constant", "Finding", "Measured", "Rule", "judge", "measure"]

PAPER = "Kang & Wen 2022, appendix A"
FITTED = "fitted on PTB-XL, folds 1 to 9"


class Constant(NamedTuple):
    """A number that a rule compares with; `source` says where it is from."""

    value: float
    unit: str
    source: str


@dataclass(frozen=True)
class Rule:
    """A diagnosis and its criterion.

    Attributes
    ----------
    name, title : str
        For the computer and for people.
    codes : tuple of str
        SNOMED CT codes of the diagnosis; the first is the class that a yes sets.
    leads : str
        Which it needs.
    criterion : str
        In words, with the constants' names in braces.
    constants : dict of Constant
    measures : tuple of str
        Of `measures.UNITS`: where one of these is not known, the rule cannot say.
    shown : tuple of str
        Further ones, said beside.
    test : callable
        Of measures and constants, both by name; of numbers or arrays alike.
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
        """Give the constants' values by name."""
        return {name: constant.value for name, constant in self.constants.items()}

    def said(self) -> str:
        """Write the criterion with its numbers."""
        return self.criterion.format(**{name: f"{c.value:g}" for name, c in self.constants.items()})

    def answers(self, columns: Mapping[str, np.ndarray], numbers: Mapping[str, float]) -> Any:
        """Answer for many records at once: 1 yes, 0 no, -1 cannot say, shape (records,) int8.

        Parameters
        ----------
        columns : mapping of np.ndarray, each of shape (records,)
            Measures by name.
        numbers : mapping of float
            Constants by name.
        """
        known = np.all([~np.isnan(columns[name]) for name in self.measures], axis=0)
        return np.where(known, self.test(columns, numbers), -1).astype(np.int8)

    def find(self, measured: Measured) -> "Finding":
        """Answer for one record."""
        values, reasons = measured
        answer = int(self.answers({name: np.array(values[name]) for name in UNITS}, self.numbers()))
        unknown = [name for name in self.measures if np.isnan(values[name])]
        if unknown:
            return Finding(self.name, None, "; ".join(dict.fromkeys(reasons[n] for n in unknown)))
        said = (*self.measures, *self.shown, "beats")
        known = [written(name, values[name]) for name in said if not np.isnan(values[name])]
        return Finding(self.name, bool(answer), ", ".join(known))


class Finding(NamedTuple):
    """What a rule says of a record: yes, no, or None where it cannot say, and why.

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


def written(name: str, value: float) -> str:
    """Write a measure for people.

    Examples
    --------
    >>> written("I", 0.61), written("axis", -41.2), written("rate", 112.4), written("beats", 9)
    ('I +0.61 mV', 'axis −41°', 'rate 112/min', '9 beats')
    """
    unit, digits = UNITS[name]
    signed = name in ("axis", "I", "II", "aVF")
    number = f"{value:{'+' if signed else ''}.{digits}f}".replace("-", "−")
    if name == "beats":
        return f"{number} {unit}"
    gap = "" if unit in ("°", "/min") else " "
    extreme = " (extreme)" if name == "axis" and value < -90 else ""
    return f"{name} {number}{gap}{unit}{extreme}"


def judge(
    signal: np.ndarray, leads: Sequence[str], fs: float, r_peaks: np.ndarray | None = None
) -> dict[str, Finding]:
    """Ask every rule about a record; never an exception, never a guess.

    Parameters
    ----------
    signal, leads, fs, r_peaks
        As for `measures.measure`.

    Returns
    -------
    dict of Finding
        By rule, in the order of `RULES`.

    Examples
    --------
    >>> from simulate import simulate
    >>> record = simulate(["SB", "LAD"], seed=1, fs=500)
    >>> found = judge(record.signal, record.leads, record.fs)
    >>> [name for name, finding in found.items() if finding.answer]
    ['bradycardia', 'sinus bradycardia', 'LAD']
    """
    measured = measure(signal, leads, fs, r_peaks)
    return {name: rule.find(measured) for name, rule in RULES.items()}


def _codes(*names: str) -> tuple[str, ...]:
    return tuple(codes_by_name()[name] for name in names)


_EVERY = "any"
_LIMB = "any two limb leads"

_TABLE = (
    Rule(
        "tachycardia", "Sinus tachycardia", _codes("STach"), _EVERY,
        "rate above {rate}/min, and RR changes from beat to beat by at most {irregularity} % of "
        "itself (median): an irregular one is rather fibrillation",
        {"rate": Constant(100.75, "/min", FITTED), "irregularity": Constant(4, "%", FITTED)},
        ("rate", "irregularity"), (),
        lambda m, c: (m["rate"] > c["rate"]) & (m["irregularity"] <= c["irregularity"]),
        PAPER + ": rate above 100/min",
    ),
    Rule(
        "bradycardia", "Bradycardia", _codes("Brady", "SB"), _EVERY,
        "rate below {rate}/min",
        {"rate": Constant(50, "/min", FITTED)},
        ("rate",), (),
        lambda m, c: m["rate"] < c["rate"],
        PAPER + ": rate below 60/min",
    ),
    Rule(
        "sinus bradycardia", "Sinus bradycardia", _codes("SB"), _EVERY,
        "rate below {rate}/min, and before QRS a P wave {P} times as high as it varies",
        {"rate": Constant(50, "/min", FITTED), "P": Constant(1, "", FITTED)},
        ("rate", "P"), (),
        lambda m, c: (m["rate"] < c["rate"]) & (m["P"] >= c["P"]),
        "ours",
    ),
    Rule(
        "sinus arrhythmia", "Sinus arrhythmia", _codes("SA"), _EVERY,
        "within 10 s RR varies by more than {variation} % of its median, and before QRS there is a "
        "P wave {P} times as high as it varies",
        {"variation": Constant(24, "%", FITTED), "P": Constant(2.5, "", FITTED)},
        ("variation", "P"), ("rate",),
        lambda m, c: (m["variation"] > c["variation"]) & (m["P"] >= c["P"]),
        "ours",
    ),
    Rule(
        "LAD", "Left axis deviation", _codes("LAD"), _LIMB,
        "QRS axis between −90° and {limit}°; 0° would be the published 2-lead method (I positive, "
        "aVF not), −30° its 3-lead method (II not positive either)",
        {"limit": Constant(-1, "°", FITTED)},
        ("axis",), ("I", "II", "aVF"),
        lambda m, c: (m["axis"] >= -90) & (m["axis"] < c["limit"]),
        PAPER,
    ),
    Rule(
        "RAD", "Right axis deviation", _codes("RAD"), _LIMB,
        "QRS axis between {limit}° and {far}° (beyond 180° it is extreme); 90° and 180° would be "
        "the published 2-lead method",
        {"limit": Constant(92, "°", FITTED), "far": Constant(260, "°", FITTED)},
        ("axis",), ("I", "II", "aVF"),
        lambda m, c: (m["axis"] % 360 > c["limit"]) & (m["axis"] % 360 < c["far"]),
        PAPER,
    ),
    Rule(
        "LQRSV", "Low QRS voltages", _codes("LQRSV"), _LIMB,
        "the usual QRS complex is smaller than {voltage} mV, peak to peak, in all limb leads",
        {"voltage": Constant(0.56, "mV", FITTED)},
        ("limb QRS",), (),
        lambda m, c: m["limb QRS"] < c["voltage"],
        PAPER + ": 0.5 mV",
    ),
    Rule(
        "pacing", "Pacing rhythm", _codes("PR"), "any, at 250 Hz or more",
        "in {leads} lead or more the usual beat begins with a spike: its steepest moment, "
        "out of quiet, and a wide complex follows",
        {"leads": Constant(1, "leads", "ours")},
        ("spikes in",), (),
        lambda m, c: m["spikes in"] >= c["leads"],
        "ours; constants in `ecg/rules/pacing.py`",
    ),
    Rule(
        "PRWP", "Poor R wave progression", _codes("PRWP"), "V3",
        "the usual R wave in V3 is at most {voltage} mV",
        {"voltage": Constant(0.3, "mV", PAPER)},
        ("R in V3",), ("R in V1", "R in V2", "R in V4"),
        lambda m, c: m["R in V3"] <= c["voltage"],
        PAPER + "; theirs also where R falls anywhere from V1 to V4",
    ),
    Rule(
        "long PR", "Prolonged PR interval", _codes("IAVB", "LPR"), _EVERY,
        "PQ of the average beat longer than {pq} ms, with a P wave {P} times as high as it varies",
        {"pq": Constant(208, "ms", FITTED), "P": Constant(1.5, "", FITTED)},
        ("PQ", "P"), ("rate",),
        lambda m, c: (m["PQ"] > c["pq"]) & (m["P"] >= c["P"]),
        "ours; the textbook's 200 ms",
    ),
    Rule(
        "long QT", "Prolonged QT interval", _codes("LQT"), _EVERY,
        "QT of the average beat, by Fridericia, longer than {qtc} ms",
        {"qtc": Constant(460, "ms", "AHA/ACCF/HRS 2009, women")},
        ("QTc",), ("QT", "rate"),
        lambda m, c: m["QTc"] > c["qtc"],
        "Rautaharju et al., AHA/ACCF/HRS 2009, part IV (450 ms for men)",
    ),
)  # fmt: skip
RULES = {rule.name: rule for rule in _TABLE}
