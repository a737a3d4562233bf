"""How a rule's answer is combined with the network's label.

A model folder names one mode of combination per rule, as `part(rule, mode=…)` with the numbers that
training reports.  With `detector="published"` the answer is that of Kang & Wen's detector, else of
our rule.  A rule only changes the class of its first code; if the model lacks this class, the rule
has no effect.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from ecg import LeadwiseError
from ecg.leads import choose
from ecg.rules import RULES, Finding, judge, published
from ecg.signals import hold, resample
from models.recipe import Head, Part, part
from models.typed import shown, suggestion

YES, NO, CANNOT_SAY = 1, 0, -1

# (labels of a class, answers of its rule) -> labels; later modes change more labels.
MODES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "off": lambda labels, answers: labels,
    "or": lambda labels, answers: labels | (answers == YES),
    "veto": lambda labels, answers: labels & (answers != NO),
    "replace": lambda labels, answers: np.where(answers == CANNOT_SAY, labels, answers == YES),
}

# Revenger 2021 predicts these five classes by rules only, and uses no other rule.
FIVE = ("bradycardia", "LAD", "RAD", "LQRSV", "pacing")
REPLACE = tuple(part(rule, mode="replace") for rule in FIVE)  # by our rules
PUBLISHED = tuple(part(rule, mode="replace", detector="published") for rule in FIVE)


def combine(
    labels: np.ndarray, answers: np.ndarray, rules: Iterable[Part], classes: Sequence[str]
) -> np.ndarray:
    """Combine the labels of a network with rules.

    Rules of different classes are independent.  Rules of the same class are applied in the order of
    `RULES`.

    Parameters
    ----------
    labels : np.ndarray of bool, shape (records, classes)
    answers : np.ndarray of int8, shape (records, rules of `RULES`)
        From `answers_of`: YES, NO or CANNOT_SAY.
    rules : iterable of Part
        The name of a rule, with its `mode`; all other rules are off.
    classes : sequence of str
        SNOMED CT codes of the labels.

    Returns
    -------
    np.ndarray of bool, shape (records, classes)

    Raises
    ------
    LeadwiseError
        A rule or a mode is unknown; the message lists the known ones.

    Examples
    --------
    >>> classes = [RULES["tachycardia"].codes[0]]
    >>> answers = np.full((3, len(RULES)), CANNOT_SAY, np.int8)
    >>> answers[:2, list(RULES).index("tachycardia")] = YES, NO
    >>> labels = np.array([[False], [True], [True]])
    >>> combine(labels, answers, [part("tachycardia", mode="replace")], classes)[:, 0].tolist()
    [True, False, True]
    """
    modes = {rule.name: _known_mode(rule) for rule in rules}
    combined = np.array(labels, dtype=bool)
    for index, (name, rule) in enumerate(RULES.items()):
        if name in modes and rule.codes[0] in classes:
            column = list(classes).index(rule.codes[0])
            combined[:, column] = MODES[modes[name]](combined[:, column], answers[:, index])
    return combined


def _known_mode(rule: Part) -> str:
    mode = rule.options.get("mode")
    for kind, name, known in (("rule", rule.name, RULES), ("mode of a rule", mode, MODES)):
        if name not in known:
            raise LeadwiseError(f"no {kind} {shown(name)}; {suggestion(name, known)}")
    return str(mode)


def _judge_as_published(signal: np.ndarray, leads: Sequence[str], fs: float) -> dict[str, Finding]:
    """Apply Kang & Wen's detectors as their `run_model` does: at 500 Hz, 3-lead axis.

    Samples beyond ±20 mV are replaced by the previous ones.  Rules without a published detector,
    and all rules without leads, cannot say.
    """
    answers: Mapping[str, bool] = {}
    if signal.size:
        ready, fs = resample(*hold(signal.astype(float), fs, limit_mv=20), to_hz=500.0)
        answers = published.judge(ready, leads, fs, axis_method="3-lead")
    known = "by the published detector"
    return {
        name: Finding(name, answers.get(name), known if name in answers else f"not {known}")
        for name in RULES
    }


def detector_of(rules: Iterable[Part]) -> str:
    """Tell whose answers a folder's rules need: "house" (ours) or "published" (Kang & Wen's)."""
    named = {rule.options.get("detector", "house") for rule in rules}
    return "published" if "published" in named else "house"


def findings_of(
    signal: np.ndarray, have: Sequence[str], want: Sequence[str], fs: float, detector: str = "house"
) -> tuple[Finding, ...]:
    """Apply all rules to the leads of a lead set, in training and in prediction.

    Parameters
    ----------
    signal : np.ndarray of shape (len(have), samples)
        In mV, NaN where a sample has no value.
    have, want : sequence of str
        Leads of the signal and of the lead set; leads that cannot be derived are omitted.
    fs : float
        Hz.
    detector : str
        "house" or "published", as `detector_of` gives it.

    Returns
    -------
    tuple of Finding
        In the order of `RULES`.
    """
    chosen, missing = choose(signal, have, want)
    present = [index for index, lead in enumerate(want) if lead not in missing]
    names = [want[index] for index in present]
    judged = _judge_as_published if detector == "published" else judge
    return tuple(judged(chosen[present], names, fs).values())


def answers_of(findings: Sequence[Finding]) -> np.ndarray:
    """Convert findings to numbers: int8 of shape (rules,), YES, NO or CANNOT_SAY."""
    answers = [finding.answer for finding in findings]
    return np.array([CANNOT_SAY if one is None else int(one) for one in answers], dtype=np.int8)


def with_ruled(
    head: Head, probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str]
) -> np.ndarray:
    """Set the probabilities of classes that rules alone answer to 0 or 1, as their labels are.

    Parameters
    ----------
    probabilities, labels : np.ndarray of shape (…, classes)
    """
    ruled = np.array([code in head.ruled for code in classes])
    return np.where(ruled, labels, probabilities)
