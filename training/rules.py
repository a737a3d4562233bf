"""Rules, learned: how each rule joins a network's labels, chosen on the validation part.

`use(outputs, answers, labels, classes) -> rules` of `models.rules`; recipes name one by its key in
`USES`.  All arrays have a row a record: `outputs` the network's labels and `labels` the true ones,
both (records, classes) bool; `answers` what the rules say, (records, rules) int8.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from ecg import LeadwiseError
from ecg.parallel import map_in_order
from ecg.progress import log, progress_bar
from ecg.records import Record
from ecg.rules import RULES
from models.recipe import Part, part
from models.rules import CANNOT_SAY, MODES, PUBLISHED, answers_of, combine, findings_of
from scoring.challenge import Prepared, prepare

ERRORS = 1.0  # standard errors that a gain must exceed: chance does so one time in six
PASSES = 2  # rules of one record share what it earns, so a later choice may change an earlier one
ROUNDING = 1e-9  # of a gain

LeadSets = Sequence[tuple[str, ...]]
Use = Callable[[np.ndarray, np.ndarray, np.ndarray, Sequence[str]], tuple[Part, ...]]


def read_answers(
    records: Sequence[Record], lead_sets: LeadSets, workers: int
) -> dict[tuple[str, ...], np.ndarray]:
    """Read records again and let the rules judge each as the lead sets see it.

    Returns
    -------
    dict
        For each lead set int8 of shape (records, rules), as `models.rules.answers_of`; a record
        that has vanished or is faulty has none but "cannot say".
    """
    answers = np.full((len(lead_sets), len(records), len(RULES)), CANNOT_SAY, np.int8)
    if records:
        log(f"Judging {len(records)} records by {len(RULES)} rules.")
    with progress_bar("judging", len(records), "rec") as shown:
        work = partial(judge_record, lead_sets=lead_sets)
        for place, found in enumerate(map_in_order(work, records, workers)):
            answers[:, place] = found
            shown.update()
    return dict(zip(lead_sets, answers, strict=True))


def judge_record(record: Record, lead_sets: LeadSets) -> np.ndarray:
    """Read a record and judge it: int8 of shape (lead sets, rules)."""
    silent = np.full((len(lead_sets), len(RULES)), CANNOT_SAY, np.int8)
    try:
        reading = record.read()
    except LeadwiseError:
        return silent  # the cache could read it a moment ago; training goes on without it
    if reading.errors:
        return silent
    findings = (findings_of(reading.signal, record.leads, leads, record.fs) for leads in lead_sets)
    return np.stack([answers_of(some) for some in findings])


def choose_modes(
    outputs: np.ndarray, answers: np.ndarray, labels: np.ndarray, classes: Sequence[str]
) -> tuple[Part, ...]:
    """Choose for each rule, the others as they are, the mode of the best Challenge metric.

    A rule changes few labels of few records, so some mode of some rule nearly always gains a
    little on the records that chose it, and loses it on others.  Hence a mode other than off must
    gain more than the standard error of its gain over the records (paired: most have none); what a
    single record brings never does.  Of equals the mode that changes less.

    Returns
    -------
    tuple of Part
        All rules whose class is among the classes, those that are off included.
    """
    ready = prepare(labels, classes)
    modes = {name: "off" for name, rule in RULES.items() if rule.codes[0] in classes}
    for _ in range(PASSES):
        before = dict(modes)
        for name in modes:
            joined = {
                mode: combine(outputs, answers, parts_of({**modes, name: mode}), classes)
                for mode in MODES
            }
            best = 0.0
            modes[name] = "off"
            for mode, combined in joined.items():
                gain, error = gain_and_error(ready, joined["off"], combined)
                if gain > max(best, ERRORS * error) + ROUNDING:
                    modes[name], best = mode, gain
        if modes == before:
            break
    return parts_of(modes)


def parts_of(modes: Mapping[str, str]) -> tuple[Part, ...]:
    """Turn modes by rule into parts."""
    return tuple(part(name, mode=mode) for name, mode in modes.items())


def gain_and_error(ready: Prepared, before: np.ndarray, after: np.ndarray) -> tuple[float, float]:
    """Compute what other outputs gain in the Challenge metric, and the gain's standard error.

    The metric's norm depends on the labels alone and is taken as known, so the gain is a sum over
    records, and its error that of a sum.
    """
    records, norm = len(before), (ready.correct - ready.inactive).sum()
    if records < 2 or np.isclose(norm, 0):
        return 0.0, 0.0
    gains = (ready.of_records(after) - ready.of_records(before)) / norm
    return float(gains.sum()), float(gains.std(ddof=1) * np.sqrt(records))


def fit_rules(
    use: str, outputs: np.ndarray, answers: np.ndarray, labels: np.ndarray, classes: Sequence[str]
) -> tuple[Part, ...]:
    """Find how the rules join the outputs, with what that does to them.

    Returns
    -------
    tuple of Part
        In the order of `RULES`: mode, how many labels the rule `added` and `removed`, the Challenge
        metric `before` and `after` it, one rule after the other.
    """
    ready = prepare(labels, classes)
    chosen = sorted(
        USES[use](outputs, answers, labels, classes), key=lambda rule: list(RULES).index(rule.name)
    )
    told = []
    for rule in chosen:
        joined = combine(outputs, answers, [rule], classes)
        numbers = {
            "added": int((joined & ~outputs).sum()),
            "removed": int((outputs & ~joined).sum()),
            "before": round(float(ready.metric(outputs)), 6),
            "after": round(float(ready.metric(joined)), 6),
        }
        told.append(part(rule.name, **rule.options, **numbers))
        outputs = joined
    return tuple(told)


def rule_lines(rules: Sequence[Part]) -> Iterator[str]:
    """Say for people what rules do, a line a rule, as `fit_rules` found it."""
    for rule in rules:
        yield (
            "rule {name} {mode}: {added} labels added, {removed} removed; Challenge metric "
            "{before:.4f} to {after:.4f} on the validation part"
        ).format(name=rule.name, **rule.options)


USES: dict[str, Use] = {
    "off": lambda *_: (),
    "published": lambda *_: PUBLISHED,
    "learned": choose_modes,
}
