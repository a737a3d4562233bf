"""Decisions: from probabilities to labels, with numbers that training has fitted.

`decision(probabilities, **numbers) -> labels`, both (records, classes).  A record's labels do not
depend on the other records.  This file imports no PyTorch.
"""

from collections.abc import Callable, Sequence
from typing import Annotated

import numpy as np

from ecg import LeadwiseError
from models import known_parts
from models.parts import check_numbers, reported
from models.recipe import Part, Recipe, Share
from models.typed import Range, suggestion

DRAWS = 256  # label vectors per record; twice as many change the metric on fold 8 by 0.0005
_AT_ONCE = 64  # records: limits memory, does not change results
Odds = Annotated[float, Range(-1000, 1000)]  # fitted numbers are far inside
Weight = Annotated[float, Range(0, 1000, above=True)]
_GAIN = 1e-5  # smaller gains are float32 rounding errors, which depend on the other records


def thresholds(probabilities: np.ndarray, *, values: Sequence[Share]) -> np.ndarray:
    """Label a class positive if its probability is at least its threshold."""
    if len(values) != probabilities.shape[1]:
        raise LeadwiseError(f"{len(values)} thresholds for {probabilities.shape[1]} classes")
    return probabilities >= np.asarray(values, dtype=float)


def near_ties(
    probabilities: np.ndarray,
    *,
    threshold: Share,
    tie: Share,
    least: Share,
    fallback: Sequence[Annotated[int, Range(0, 1000)]],
) -> np.ndarray:
    """Label classes by a threshold; if none reaches it, the most likely class and its near ties.

    Kang & Wen 2022, and their code.  Near ties are classes with at least the highest probability
    minus `tie`, and at least `least`.  If no class reaches `least`, the labels are the classes with
    the indices `fallback` (sinus rhythm).
    """
    highest = probabilities.max(axis=1, keepdims=True)
    tied = (probabilities + tie >= highest) & (probabilities >= least)
    labels = np.where(highest >= threshold, probabilities >= threshold, tied)
    labels[np.ix_(highest[:, 0] < least, list(fallback))] = True
    return labels


def highest(probabilities: np.ndarray, *, weights: Sequence[Weight] = ()) -> np.ndarray:
    """Label the class with the highest probability positive; of equal classes the first.

    With weights, one per class, the products of probability and weight are compared.
    """
    _check_finite(probabilities)
    if weights and len(weights) != probabilities.shape[1]:
        raise LeadwiseError(f"{len(weights)} weights for {probabilities.shape[1]} classes")
    weighted = probabilities * np.array(weights or 1.0)
    labels = np.zeros(probabilities.shape, dtype=bool)
    labels[np.arange(len(labels)), weighted.argmax(axis=1)] = True
    return labels


def expected_metric(
    probabilities: np.ndarray, *, slope: Odds, offset: Odds, rewards: Sequence[Sequence[Odds]]
) -> np.ndarray:
    """Choose for each record the labels with the highest expected Challenge metric.

    The metric divides a record's reward by its number of labels and outputs, so the gain of an
    output depends on the others; a threshold cannot express this.  Label vectors are drawn from the
    probabilities, each class independently.  Then outputs are flipped greedily, as long as the mean
    score over the drawn vectors increases.

    Parameters
    ----------
    probabilities : np.ndarray of shape (records, classes)
    slope, offset : float
        Calibration: vectors are drawn from sigmoid(slope · logit + offset).
    rewards : (classes, classes)
        Reward of an output (column) for a label (row): `scoring.challenge.rewards`.
    """
    table = np.asarray(rewards, dtype=np.float32)
    classes = probabilities.shape[1]
    if table.shape != (classes, classes):
        raise LeadwiseError(f"rewards of shape {table.shape} for {classes} classes")
    calibrated = sigmoid(slope * logit(probabilities) + offset)
    drawn = _uniform(classes)
    labels = np.zeros(probabilities.shape, dtype=bool)
    for start in range(0, len(probabilities), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        labels[rows] = _best_outputs(drawn < calibrated[rows, None, :], table)
    return labels


def _uniform(classes: int) -> np.ndarray:
    """Return fixed numbers (DRAWS, classes) that probabilities are compared with.

    Each class has one number in each of DRAWS equal intervals, so its frequency is exact.
    """
    rng = np.random.default_rng(0)
    steps = np.tile((np.arange(DRAWS)[:, None] + 0.5) / DRAWS, classes)
    return rng.permuted(steps, axis=0)


def _best_outputs(truths: np.ndarray, rewards: np.ndarray) -> np.ndarray:
    """Flip outputs greedily; truths (records, draws, classes) bool, outputs (records, classes)."""
    earned = truths.astype(np.float32) @ rewards
    wrong = (~truths).astype(np.float32)  # an output without label adds to the denominator
    outputs = np.zeros((len(truths), truths.shape[2]), dtype=bool)
    credit = np.zeros(truths.shape[:2], np.float32)
    played = truths.sum(axis=2, dtype=np.float32)
    best, open_ = np.zeros(len(truths), np.float32), np.arange(len(truths))
    while len(open_):
        sign = np.where(outputs[open_], np.float32(-1), np.float32(1))[:, None, :]
        flipped = (credit[open_, :, None] + sign * earned[open_]) / np.maximum(
            1, played[open_, :, None] + sign * wrong[open_]
        )
        means = flipped.mean(axis=1)
        top = means.max(axis=1)
        rises = top > best[open_] + _GAIN
        chosen = (means >= top[:, None] - _GAIN).argmax(axis=1)[rises]  # of equal gains the first
        signs, open_ = sign[rises, 0, chosen], open_[rises]
        best[open_] = top[rises]
        credit[open_] += signs[:, None] * earned[open_, :, chosen]
        played[open_] += signs[:, None] * wrong[open_, :, chosen]
        outputs[open_, chosen] ^= True
    return outputs


def logit(probabilities: np.ndarray) -> np.ndarray:
    """Compute log odds; probabilities are clipped, so that all are finite."""
    inside = np.clip(probabilities, 1e-12, 1 - 1e-12)
    odds: np.ndarray = np.log(inside) - np.log1p(-inside)
    return odds


def sigmoid(values: np.ndarray) -> np.ndarray:
    """Compute probabilities from log odds."""
    return 0.5 * (1 + np.tanh(0.5 * values))


DECISIONS: dict[str, Callable[..., np.ndarray]] = {
    "thresholds": thresholds,
    "near ties": near_ties,
    "highest": highest,
    "expected_metric": expected_metric,
}


def decide(decision: Part, probabilities: np.ndarray, recipe: Recipe | None = None) -> np.ndarray:
    """Turn probabilities (records, classes) into labels by a fitted decision.

    Parameters
    ----------
    recipe : Recipe, optional
        Its system's own `DECISIONS` are known too.

    Raises
    ------
    LeadwiseError
        The decision is unknown, its numbers do not fit, or a probability is not finite.
    """
    function = _function_of(decision, recipe)
    _check_finite(probabilities)
    with reported(f"the decision '{decision.name}' has wrong numbers"):
        labels: np.ndarray = function(probabilities, **decision.options)
    return labels


def check_decision(decision: Part, classes: int, recipe: Recipe) -> None:
    """Check the numbers of a fitted decision, and try it on one record.

    Raises
    ------
    LeadwiseError
        As `decide`, or a number has the wrong type.
    """
    check_numbers("decision", decision, _function_of(decision, recipe), 1)
    decide(decision, np.zeros((1, classes)), recipe)


def _function_of(decision: Part, recipe: Recipe | None) -> Callable[..., np.ndarray]:
    known = DECISIONS if recipe is None else known_parts(recipe, "DECISIONS", DECISIONS)
    if decision.name not in known:
        raise LeadwiseError(f"no decision '{decision.name}'; {suggestion(decision.name, known)}")
    return known[decision.name]


def _check_finite(probabilities: np.ndarray) -> None:
    if not np.isfinite(probabilities).all():
        raise LeadwiseError(
            "the network's probabilities are not finite (NaN), so there is no label; train again"
        )
