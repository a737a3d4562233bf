"""Fit decisions and rules on the validation records: how probabilities become labels.

`FITS`: `fit(probabilities, labels, classes, seed) -> Part` fits a decision of `models.decision` by
the Challenge metric.  `USES`: `use(outputs, answers, labels, classes) -> parts` chooses modes of
`models.rules`.  Heads name both by their keys.  All arrays have one row per record: `outputs`
(predicted labels) and `labels` (targets) are bool (records, classes), `answers` of the rules are
int8 (records, rules).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from ecg import FAILURES
from ecg.labels import CODES, SINUS_RHYTHM
from ecg.parallel import map_in_order
from ecg.progress import count_one, log, progress_bar
from ecg.records import Record
from ecg.rules import RULES
from models import known_parts, lookup
from models.decision import decide, highest, logit
from models.recipe import Part, Recipe, part
from models.rules import (
    CANNOT_SAY,
    MODES,
    PUBLISHED,
    REPLACE,
    answers_of,
    combine,
    findings_of,
)
from scoring.challenge import Prepared, prepare, rewards
from scoring.measures import count, f_measure, macro
from training.budget import UNLIMITED, TotalBudget

WEIGHTS = 2.0 ** (np.arange(-8, 9) / 4)  # of exclusive classes: 0.25 … 4
GRID = np.arange(1, 100) / 100  # 0.01, 0.02 … 0.99
TIE = 1e-12  # metrics within this of the best one count as equal
SLOPES = (0.7, 0.85, 1.0, 1.2, 1.4)  # around the most likely one
OFFSETS = (-0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75)  # of the log odds

# Number of evenly spaced records that the two numbers of `expected_metric` are fitted on.  All
# 22,000 validation records of the Challenge would take 20 minutes per lead set.
EXPECTED_ON = 4000
ERRORS = 1.0  # standard errors that a rule's gain must exceed; by chance one in six does
PASSES = 2  # over all rules, or classes: the best choice depends on that of the others
ROUNDING = 1e-9  # error of a gain

Measure = Callable[[np.ndarray], float]
Fit = Callable[[np.ndarray, np.ndarray, Sequence[str], int], Part]
LeadSets = Sequence[tuple[str, ...]]
Use = Callable[[np.ndarray, np.ndarray, np.ndarray, Sequence[str]], tuple[Part, ...]]


def measure_of(labels: np.ndarray, classes: Sequence[str]) -> Measure:
    """Return the metric of outputs: Challenge metric, or for other classes macro F-measure."""
    if not set(classes) <= set(CODES):
        return lambda outputs: float(macro(f_measure(count(labels, outputs))))
    prepared = prepare(labels, classes)
    return lambda outputs: float(prepared.metric(outputs))


def global_threshold(probabilities: np.ndarray, measure: Measure) -> tuple[float, float]:
    """Find the one threshold for all classes with the best metric, by grid search.

    Parameters
    ----------
    probabilities : np.ndarray of shape (records, classes)
    measure : callable
        Metric of outputs (records, classes), higher is better.

    Returns
    -------
    threshold, metric : float
        A class is positive if its probability is at least the threshold.
    """
    metrics = np.array([measure(probabilities >= threshold) for threshold in GRID])
    index = best_index(metrics)
    return float(GRID[index]), float(metrics[index])


def best_index(metrics: np.ndarray, grid: np.ndarray = GRID) -> int:
    """Choose among equally good thresholds: the middle of the longest run of neighbours.

    In a run of even length it is the lower of the two middles.  Of equally long runs, the one whose
    middle is closest to 0.5 is chosen, then the lower one.

    Examples
    --------
    >>> best_index(np.array([0.3, 0.5, 0.5, 0.5, 0.4, 0.5, 0.2]), np.arange(1, 8) / 10)
    2
    """
    good = np.concatenate([[False], metrics >= metrics.max() - TIE, [False]])
    starts, ends = np.flatnonzero(good[1:] & ~good[:-1]), np.flatnonzero(good[:-1] & ~good[1:])
    middles = (starts + ends - 1) // 2
    merits = zip(starts - ends, np.round(np.abs(grid[middles] - 0.5), 9), middles, strict=True)
    return int(min(merits)[2])


def class_thresholds(
    probabilities: np.ndarray, measure: Measure, *, seed: int = 0, generations: int = 60
) -> np.ndarray:
    """Find a threshold for each class by differential evolution (SciPy).

    The start population holds the best global threshold, so the result is never worse on these
    records.  On other records there was no gain (Nejedly et al., CinC 2020, section 2).

    Parameters
    ----------
    probabilities, measure
        As in `global_threshold`.
    seed : int
        Seed of the evolution.
    generations : int
        Maximum number.

    Returns
    -------
    np.ndarray of shape (classes,)
    """
    from scipy.optimize import differential_evolution

    classes = probabilities.shape[1]
    threshold, metric = global_threshold(probabilities, measure)
    start = np.random.default_rng(seed).uniform(0, 1, (max(5, 2 * classes), classes))
    start[0] = threshold
    result = differential_evolution(
        lambda thresholds: -measure(probabilities >= thresholds),
        bounds=[(0.0, 1.0)] * classes,
        init=start,
        maxiter=generations,
        rng=np.random.default_rng((seed, 1)),
        polish=False,
    )
    return result.x if -result.fun > metric else np.full(classes, threshold)


def temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Find the slope of the log odds with the highest likelihood of the labels.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 4.2; the slope is the
    inverse of their temperature.
    """
    from scipy.optimize import minimize_scalar

    odds, sign = logit(probabilities), np.where(labels, 1.0, -1.0)

    def cross_entropy(log_slope: float) -> float:
        return float(np.logaddexp(0, -sign * np.exp(log_slope) * odds).mean())

    return float(np.exp(minimize_scalar(cross_entropy, bounds=(-3, 3), method="bounded").x))


def _fit_global(
    probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str], seed: int
) -> Part:
    threshold, _ = global_threshold(probabilities, measure_of(labels, classes))
    return part("thresholds", values=(threshold,) * len(classes))


def _fit_classes(
    probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str], seed: int
) -> Part:
    values = class_thresholds(probabilities, measure_of(labels, classes), seed=seed)
    return part("thresholds", values=tuple(values.tolist()))


def _near_ties(
    probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str], seed: int
) -> Part:
    """Use Kang & Wen's numbers without fitting; 0.1 is from their code, not from the paper."""
    fallback = (classes.index(SINUS_RHYTHM),) if SINUS_RHYTHM in classes else ()
    return part("near ties", threshold=0.5, tie=0.03, least=0.1, fallback=fallback)


def _fit_expected(
    probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str], seed: int
) -> Part:
    """Choose the slope and offset of `expected_metric` with the best metric."""
    subset = np.unique(np.linspace(0, len(labels) - 1, EXPECTED_ON).astype(int))
    probabilities, labels = probabilities[subset], labels[subset]
    measure = measure_of(labels, classes)
    table = tuple(map(tuple, rewards(classes).tolist()))
    most_likely = temperature(probabilities, labels)
    candidates = [
        part("expected_metric", slope=round(share * most_likely, 4), offset=offset, rewards=table)
        for share in SLOPES
        for offset in OFFSETS
    ]
    return max(candidates, key=lambda candidate: measure(decide(candidate, probabilities)))


def _fit_macro_f1(
    probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str], seed: int
) -> Part:
    """Weigh exclusive classes for the highest mean F-measure, one class after the other.

    The mean F-measure counts rare classes as much as frequent ones, the highest probability does
    not.
    """
    weights = np.ones(len(classes))
    for _ in range(PASSES):
        for index in range(len(classes)):
            metrics = np.empty(len(WEIGHTS))
            for number, weight in enumerate(WEIGHTS):
                weights[index] = weight
                outputs = highest(probabilities, weights=weights.tolist())
                metrics[number] = macro(f_measure(count(labels, outputs)))
            weights[index] = WEIGHTS[best_index(metrics, WEIGHTS)]
    return part("highest", weights=tuple(weights.tolist()))


FITS: dict[str, Fit] = {
    "global": _fit_global,
    "per class": _fit_classes,
    "near ties": _near_ties,
    "highest": lambda *_: part("highest"),  # exclusive classes need no fit
    "macro_f1": _fit_macro_f1,
    "expected_metric": _fit_expected,
}


UNFITTED = ("near ties", "highest")  # decisions without numbers that validation records choose


def is_fitted(recipe: Recipe, name: str) -> bool:
    """Tell whether a decision has numbers that are fitted on the validation records."""
    return name not in UNFITTED and name in known_parts(recipe, "FITS", FITS)


def fit_of(recipe: Recipe, name: str) -> Fit:
    """Find the fit of a decision: the system's own, or a shared one.

    A system's decision (`DECISIONS`) without an entry in its `FITS` has no numbers to fit.
    """
    if name in known_parts(recipe, "DECISIONS") and not is_fitted(recipe, name):
        return lambda *_: part(name)
    fit: Fit = lookup(recipe, "FITS", name, FITS)
    return fit


def read_answers(
    records: Sequence[Record], lead_sets: LeadSets, workers: int,
    budget: TotalBudget = UNLIMITED, detector: str = "house",
) -> dict[tuple[str, ...], np.ndarray]:  # fmt: skip
    """Read records again and apply the rules to the leads of each lead set.

    Parameters
    ----------
    detector : str
        As `models.rules.detector_of` gives it.

    Returns
    -------
    dict
        Per lead set int8 of shape (records, rules), as `models.rules.answers_of`; CANNOT_SAY for a
        record that is missing by now or has errors.

    Raises
    ------
    LeadwiseError
        The budget is used up.
    """
    answers = np.full((len(lead_sets), len(records), len(RULES)), CANNOT_SAY, np.int8)
    if records:
        log(f"Applying {len(RULES)} rules to {len(records)} records.")
    with progress_bar("rules", len(records), "rec") as shown:
        work = partial(judge_record, lead_sets=lead_sets, detector=detector)
        judged = map_in_order(work, records, workers)
        for index, row in enumerate(budget.within(judged, len(records), "judged by the rules")):
            answers[:, index] = row
            count_one(shown)
    return dict(zip(lead_sets, answers, strict=True))


def judge_record(record: Record, lead_sets: LeadSets, detector: str = "house") -> np.ndarray:
    """Read a record and apply the rules: int8 of shape (lead sets, rules)."""
    unknown = np.full((len(lead_sets), len(RULES)), CANNOT_SAY, np.int8)
    try:
        reading = record.read()
    except FAILURES:
        return unknown  # deleted or damaged after the cache was created
    if reading.errors:
        return unknown
    findings = (
        findings_of(reading.signal, record.leads, leads, record.fs, detector) for leads in lead_sets
    )
    return np.stack([answers_of(of_set) for of_set in findings])


def choose_modes(
    outputs: np.ndarray, answers: np.ndarray, labels: np.ndarray, classes: Sequence[str]
) -> tuple[Part, ...]:
    """Choose for each rule, one after the other, the mode with the best Challenge metric.

    A rule changes few labels, so one of its modes often gains a little on the validation records by
    chance.  Therefore a mode other than off must gain more than the standard error of its paired
    gain over the records.  Of equal modes the one that changes fewer labels is chosen.

    Returns
    -------
    tuple of Part
        All rules whose class is among the classes, including those that are off.
    """
    prepared = prepare(labels, classes)
    modes = {name: "off" for name, rule in RULES.items() if rule.codes[0] in classes}
    for _ in range(PASSES):
        before = dict(modes)
        for name in modes:
            combined = {
                mode: combine(outputs, answers, parts_of({**modes, name: mode}), classes)
                for mode in MODES
            }
            best = 0.0
            modes[name] = "off"
            for mode, after in combined.items():
                gain, error = gain_and_error(prepared, combined["off"], after)
                if gain > max(best, ERRORS * error) + ROUNDING:
                    modes[name], best = mode, gain
        if modes == before:
            break
    return parts_of(modes)


def parts_of(modes: Mapping[str, str]) -> tuple[Part, ...]:
    """Convert modes by rule to parts."""
    return tuple(part(name, mode=mode) for name, mode in modes.items())


def gain_and_error(
    prepared: Prepared, before: np.ndarray, after: np.ndarray
) -> tuple[float, float]:
    """Compute the gain in the Challenge metric from `before` to `after`, and its standard error.

    The metric's normalisation depends on the labels only, so the gain is a sum over records.  Its
    error is the standard error of this sum.
    """
    records, norm = len(before), (prepared.correct - prepared.inactive).sum()
    if records < 2 or np.isclose(norm, 0):
        return 0.0, 0.0
    gains = (prepared.of_records(after) - prepared.of_records(before)) / norm
    return float(gains.sum()), float(gains.std(ddof=1) * np.sqrt(records))


def fit_rules(
    use: str, outputs: np.ndarray, answers: np.ndarray, labels: np.ndarray, classes: Sequence[str]
) -> tuple[Part, ...]:
    """Choose how the rules change the outputs, and measure their effect.

    Returns
    -------
    tuple of Part
        In the order in which the rules are applied: mode, number of labels `added` and `removed`,
        and the Challenge metric `before` and `after` this rule.
    """
    prepared = prepare(labels, classes)
    chosen = sorted(
        USES[use](outputs, answers, labels, classes), key=lambda rule: list(RULES).index(rule.name)
    )
    measured = []
    for rule in chosen:
        after = combine(outputs, answers, [rule], classes)
        numbers = {
            "added": int((after & ~outputs).sum()),
            "removed": int((outputs & ~after).sum()),
            "before": round(float(prepared.metric(outputs)), 6),
            "after": round(float(prepared.metric(after)), 6),
        }
        measured.append(part(rule.name, **rule.options, **numbers))
        outputs = after
    return tuple(measured)


def rule_lines(rules: Sequence[Part]) -> Iterator[str]:
    """Describe the effect of each rule in one line."""
    for rule in rules:
        yield (
            "rule {name} {mode}: {added} labels added, {removed} removed; Challenge metric "
            "{before:.4f} to {after:.4f} on the validation records"
        ).format(name=rule.name, **rule.options)


USES: dict[str, Use] = {
    "off": lambda *_: (),
    "replace": lambda *_: REPLACE,
    "published": lambda *_: PUBLISHED,
    "learned": choose_modes,
}
