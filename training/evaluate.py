"""Evaluation of a lead set's network: predictions, scores, and the fitted decision of each head."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch

from ecg import LeadwiseError
from ecg.progress import log
from models.decision import decide
from models.folder import FittedHead
from models.network import build, from_logits, outputs_of, predict_signal
from models.recipe import Head, Recipe, part
from models.rules import combine, with_ruled
from models.sample import follow
from scoring import DENSE_METRICS, METRICS
from scoring.segments import confusion
from training.dataset import Dataset, pad_targets
from training.decisions import (
    fit_of,
    fit_rules,
    global_threshold,
    is_fitted,
    measure_of,
    rule_lines,
)
from training.state import TrainingState

SCORED = 500  # training records that are scored after each epoch, at most

Weights = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class LeadSetRun:
    """Inputs and settings for the training of one lead set.

    Attributes
    ----------
    name : str
        In logs and file names: `12-leads`.
    key : dict of str
        From `training_key`.
    classes : dict of tuples of str
        Of each head.
    init, frozen : dict of torch.Tensor
        Initial weights by name; those in `frozen` are not trained.
    """

    name: str
    key: dict[str, str]
    recipe: Recipe
    leads: tuple[str, ...]
    classes: Mapping[str, tuple[str, ...]]
    device: torch.device
    precision: str = "float32"
    init: Weights = field(default_factory=dict)
    frozen: Weights = field(default_factory=dict)

    def network(self, weights: Weights | None = None) -> torch.nn.Module:
        """Build the network, with weights if they are given, on the device."""
        network = build(self.recipe, self.leads, self.classes)
        if weights is not None:
            network.load_state_dict(weights)
        return network.to(self.device)


class Scores(NamedTuple):
    """Validation scores of a head, by its metric.

    `decision`: of the labels by the fitted decision.  `rules`: of these after the rules, None
    without any.  `constant`: of the best answer that is the same for all records.
    """

    decision: float
    rules: float | None
    constant: float

    @property
    def written(self) -> float:
        """Score of what the model folder answers."""
        return self.decision if self.rules is None else self.rules


def constant_score(head: Head, labels: np.ndarray, classes: tuple[str, ...]) -> float:
    """Compute the best score of an answer that is the same for all records.

    The answers tried are each class alone and, unless classes are exclusive, the most frequent
    classes together.  Probabilities are the classes' frequencies.
    """
    frequency = labels.mean(0)
    answers = list(np.eye(len(classes), dtype=bool))
    if not head.exclusive:
        rank = np.argsort(np.argsort(-frequency, kind="stable"))
        answers += [rank < number for number in range(len(classes) + 1)]
    probabilities = np.tile(frequency, (len(labels), 1))
    scores = [
        METRICS[head.metric](labels, np.tile(one, (len(labels), 1)), probabilities, classes)
        for one in answers
    ]
    return float(np.nanmax(scores)) if np.isfinite(scores).any() else math.nan


def constant_dense_score(head: Head, counts: np.ndarray) -> float:
    """Compute the best score of one class for all samples or beats, from a confusion matrix."""
    targets = counts.sum(axis=1, keepdims=True)
    scores = [DENSE_METRICS[head.metric](targets * one) for one in np.eye(len(counts), dtype=int)]
    return float(np.nanmax(scores)) if np.isfinite(scores).any() else math.nan


def score_head(
    recipe: Recipe, head: Head, predicted: np.ndarray, part: Dataset, classes: tuple[str, ...]
) -> tuple[float, float]:
    """Compute the validation score of a head, and the best global threshold or NaN.

    Outputs of a record head come from its own decision if that has no numbers to fit.  Others,
    whose fits take minutes, are replaced by this threshold, of exclusive classes by the highest.
    Classes that rules alone answer are left out.
    """
    if head.dense:
        return DENSE_METRICS[head.metric](predicted), math.nan
    rows = part.labelled(head.name)
    labels, predicted, threshold = part.labels[head.name][rows], predicted[rows], math.nan
    if not rows.any():
        return math.nan, math.nan
    if head.ruled:
        columns = head.learned(classes)
        labels, predicted = labels[:, columns], predicted[:, columns]
        classes = tuple(classes[column] for column in columns)
    if head.exclusive or not is_fitted(recipe, head.decision):
        name = "highest" if is_fitted(recipe, head.decision) else head.decision
        decision = fit_of(recipe, name)(predicted, labels, classes, recipe.seed)
        outputs = decide(decision, predicted, recipe)
    else:
        threshold, _ = global_threshold(predicted, measure_of(labels, classes))
        outputs = predicted >= threshold
    return float(METRICS[head.metric](labels, outputs, predicted, classes)), threshold


def scored_records(training: int, validation: int) -> np.ndarray:
    """Choose the training records that are scored after each epoch, evenly spaced.

    At most `SCORED`, and not more than validation records, so that this costs little.

    Returns
    -------
    np.ndarray of int
        Indices among the training records.
    """
    return np.linspace(0, training - 1, min(training, validation, SCORED)).astype(int)


def training_score(run: LeadSetRun, network: torch.nn.Module, part: Dataset) -> float:
    """Compute the first head's score of training records, as validation records are scored."""
    head = run.recipe.head
    predicted = predict(run, network, part)[head.name]
    return score_head(run.recipe, head, predicted, part, run.classes[head.name])[0]


def fit_heads(
    run: LeadSetRun, state: TrainingState, validation_part: Dataset, answers: np.ndarray
) -> tuple[dict[str, FittedHead], dict[str, Scores]]:
    """Fit decision and rules of each head to the best epoch's validation predictions.

    Parameters
    ----------
    answers : np.ndarray of shape (records, rules)
        The rules' answers for the validation records; unused if the head's rules are off.

    Returns
    -------
    fitted : dict of FittedHead
    scores : dict of Scores
        Of what is written, on the validation records.
    """
    predictions = predict(run, run.network(state.best), validation_part)
    best = state.history[state.best_epoch - 1]
    fitted, final = {}, {}
    for head in run.recipe.heads:
        name = "score" if head == run.recipe.head else f"score {head.name}"
        scores, predicted = {head.metric: best[name]}, predictions[head.name]
        if head.dense:
            fitted[head.name] = FittedHead(part("highest"), scores)
            final[head.name] = Scores(best[name], None, constant_dense_score(head, predicted))
            continue
        rows, classes = validation_part.labelled(head.name), run.classes[head.name]
        labels, predicted = validation_part.labels[head.name][rows], predicted[rows]
        answers_of = answers[rows] if len(answers) == len(rows) else answers  # none without rules
        fit = fit_of(run.recipe, head.decision)
        decision = fit(predicted, labels, classes, run.recipe.seed)
        outputs = decide(decision, predicted, run.recipe)
        rules = fit_rules(head.rules, outputs, answers_of, labels, classes)
        for line in rule_lines(rules):
            log(f"{run.name}: {line}")
        fitted[head.name] = FittedHead(decision, scores, rules)
        metric = METRICS[head.metric]
        with_rules = None
        if rules:
            combined = combine(outputs, answers_of, rules, classes)
            given = with_ruled(head, predicted, combined, classes)
            with_rules = float(metric(labels, combined, given, classes))
        final[head.name] = Scores(
            float(metric(labels, outputs, predicted, classes)),
            with_rules,
            constant_score(head, labels, classes),
        )
    return fitted, final


def predict(run: LeadSetRun, network: torch.nn.Module, records: Dataset) -> dict[str, np.ndarray]:
    """Predict all records.

    Records are sorted by length, so batches need little padding.  Neither padding nor the other
    records of a batch change a prediction.

    Returns
    -------
    dict of np.ndarray
        Of a record head: float64 probabilities (records, classes).  Of a dense head: int64
        confusion (classes, classes), since the outputs of all samples need too much memory.

    Raises
    ------
    LeadwiseError
        A prediction is not finite.
    """
    network.eval()
    recipe = run.recipe
    whole = records.lengths <= recipe.max_samples
    sizes = {head.name: len(run.classes[head.name]) for head in recipe.heads}
    predictions = {
        head.name: np.zeros((sizes[head.name],) * 2, np.int64)
        if head.dense
        else np.empty((len(records), sizes[head.name]))
        for head in recipe.heads
    }
    order = np.argsort(records.lengths, kind="stable").tolist()
    short = [index for index in order if whole[index]]
    with torch.inference_mode():
        for start in range(0, len(short), recipe.batch):
            for indices in records.micro_batches(short[start : start + recipe.batch]):
                batch = records.batch(indices)
                signal, length = batch.signal.to(run.device), batch.length.to(run.device)
                facts = None if batch.facts is None else batch.facts.to(run.device)
                outputs = outputs_of(recipe, network, signal, length, facts)
                for head in recipe.heads:
                    probabilities = from_logits(head, outputs[head.name])
                    _check_finite(run, probabilities)
                    if head.dense:
                        target = batch.targets[head.name].numpy()
                        for row, one in zip(target, probabilities, strict=True):
                            predictions[head.name] += _confusion(head, row, one)
                    else:
                        predictions[head.name][indices] = probabilities
    for index in (index for index in order if not whole[index]):
        signal_of = records.signals[index][records.channels].astype(np.float32)
        facts_of = None if records.facts is None else records.facts[index]
        output = predict_signal(recipe, network, signal_of, run.device, facts_of)
        for head in recipe.heads:
            _check_finite(run, output.probabilities[head.name])
            if head.dense:
                dense = {head.name: records.dense[head.name][index][0]}
                moved = follow(dense, output.positions)[head.name]
                target = pad_targets([moved], len(moved))[0].numpy()
                predictions[head.name] += _confusion(head, target, output.probabilities[head.name])
            else:
                predictions[head.name][index] = output.probabilities[head.name]
    return predictions


def _check_finite(run: LeadSetRun, probabilities: np.ndarray) -> None:
    """Refuse predictions of weights that have diverged."""
    if not np.isfinite(probabilities).all():
        raise LeadwiseError(
            f"{run.name}: the network's predictions of validation records are not finite, so the "
            "weights have diverged; lower the learning rate, then start again"
        )


def _confusion(head: Head, target: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Count target and predicted classes of one record: per sample, or once per beat.

    Parameters
    ----------
    target : np.ndarray of int, shape (samples,)
        −1: unknown.
    probabilities : np.ndarray of shape (classes, samples)
    """
    classes, target = len(probabilities), np.maximum(target, -1)
    if head.kind == "beats":  # a beat is a run of known samples, predicted by its mean
        edges = np.flatnonzero(np.diff(target, prepend=-1, append=-1))
        runs = [(onset, offset) for onset, offset in zip(edges[:-1], edges[1:], strict=True)
                if target[onset] >= 0]  # fmt: skip
        predicted = [probabilities[:, onset:offset].mean(1).argmax() for onset, offset in runs]
        return confusion(
            np.array([target[onset] for onset, _ in runs], int), np.array(predicted, int),
            classes, unknown=-1,
        )  # fmt: skip
    return confusion(target, probabilities[:, : len(target)].argmax(0), classes, unknown=-1)
