"""The Challenge metric of 2021 and 2020, and all official scores of a year.

Source: the organisers' evaluation-2021 and evaluation-2020 (BSD-2-Clause), whose weights tables
are stored with this file, unchanged.  Where we differ: sums run in another order, so two sums that
agree to 1e-12 count as equal (the official code compares all bits).
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ecg import LeadwiseError
from ecg.labels import SINUS_RHYTHM
from scoring.measures import (
    accuracy,
    areas,
    binary,
    count,
    f_measure,
    g_measure,
    macro,
    ones_by_default,
)

YEARS = (2020, 2021)
BETA = 2.0  # of 2020's F-beta and G-beta measures: recall weighs more than precision
# The 2020 table has a row for each of these codes; the 2021 table joins pairs by a bar.
EQUIVALENT_2020 = (
    ("713427006", "59118001"),
    ("284470004", "63593006"),
    ("427172004", "17338001"),
)


class Weights(NamedTuple):
    """One year's table: the reward of each output (column) for each label (row)."""

    classes: tuple[tuple[str, ...], ...]  # codes that count as one class
    names: tuple[str, ...]  # as in the per-class table
    values: np.ndarray  # (classes, classes), NaN for cells that are not finite numbers


class Scores(NamedTuple):
    """All measures of one evaluation: (…, classes) for measures per class, else (…)."""

    auroc: np.ndarray
    auprc: np.ndarray
    accuracy: np.ndarray
    f_measure: np.ndarray
    f_beta: np.ndarray
    g_beta: np.ndarray
    challenge: np.ndarray


@cache
def load_weights(year: int = 2021) -> Weights:
    """Read the weights table of a year.

    Parameters
    ----------
    year : int
        2020 (24 classes) or 2021 (26 classes).

    Returns
    -------
    Weights
        Classes in the table's order; the values are read-only.

    Raises
    ------
    LeadwiseError
        The year has no table.

    Examples
    --------
    >>> load_weights(2021).names[4], load_weights(2020).names[4]
    ('164909002|733534002', '713427006')
    """
    if year not in YEARS:
        raise LeadwiseError(f"the year {year} has no weights table; choose one of {YEARS}.")
    with open(
        Path(__file__).with_name(f"weights-{year}.csv"), newline="", encoding="utf-8"
    ) as rows:
        (_, *names), *table = csv.reader(rows)
    values = np.array([[_finite(cell) for cell in row[1:]] for row in table])
    classes = tuple(tuple(name.split("|")) for name in names)
    if year == 2020:
        second = {codes[1] for codes in EQUIVALENT_2020}
        indices = [index for index, name in enumerate(names) if name not in second]
        pairs = {codes[0]: codes for codes in EQUIVALENT_2020}
        classes = tuple(pairs.get(names[index], (names[index],)) for index in indices)
        values = values[np.ix_(indices, indices)]
    values.flags.writeable = False
    # The official per-class files: 2020 names a class by its first code, 2021 by all, as text.
    names = [codes[0] if year == 2020 else "|".join(sorted(codes)) for codes in classes]
    return Weights(classes, tuple(names), values)


def _finite(cell: str) -> float:
    """Parse a table cell; NaN if it is not a finite number."""
    try:
        value = float(cell)
    except ValueError:
        return np.nan
    return value if np.isfinite(value) else np.nan


@dataclass(frozen=True, eq=False)
class Prepared:
    """Labels prepared for the Challenge metric of many outputs; see `prepare`."""

    credit: np.ndarray  # (records, columns): reward of each output before division
    surplus: np.ndarray  # (records, columns): 1 where a positive output is false
    positives: np.ndarray  # (records,): number of scored labels
    correct: np.ndarray  # (records,): score of the labels themselves
    inactive: np.ndarray  # (records,): score of sinus rhythm alone

    def metric(self, outputs: np.ndarray, times: np.ndarray | None = None) -> np.ndarray:
        """Compute the metric: 1 for the labels, 0 for sinus rhythm in each record, no minimum.

        Parameters
        ----------
        outputs : np.ndarray, shape (records, columns)
            0/1 or bool, columns as in the labels.
        times : np.ndarray, shape (…, records), optional
            Number of times that each record counts.

        Returns
        -------
        np.ndarray, shape (…)
        """
        times = ones_by_default(self.positives, times)
        observed = self.of_records(outputs)
        inactive = times @ self.inactive
        gain = _difference(times @ observed, inactive)
        best = _difference(times @ self.correct, inactive)
        metric: np.ndarray = np.divide(gain, best, out=np.zeros_like(best), where=best != 0)
        return metric

    def of_records(self, outputs: np.ndarray) -> np.ndarray:
        """Score each record before normalisation, shape (records,)."""
        return _record_scores(outputs, self.credit, self.surplus, self.positives)


def prepare(labels: np.ndarray, classes: Sequence[str] | None = None, year: int = 2021) -> Prepared:
    """Prepare labels for the Challenge metric.

    A record's score is Σ W[j, k] over its labels j and outputs k, divided by the number of classes
    that are label or output (at least 1).  The metric is linear between 0 for sinus rhythm alone
    and 1 for the labels themselves; it is 0 where these two score the same.

    Parameters
    ----------
    labels : np.ndarray, shape (records, columns)
        0/1 or bool.
    classes : sequence of str, optional
        The code of each column, or codes joined by a bar; by default the table's own classes.
        Columns that the year does not score are ignored; a scored class without a column counts
        as absent from all records.
    year : int
        2020 or 2021.

    Returns
    -------
    Prepared
        Its method `metric` scores outputs.

    Raises
    ------
    LeadwiseError
        Labels and classes disagree, or two columns are one scored class.

    Examples
    --------
    >>> prepared = prepare([[1, 0], [0, 1]], ["164889003", "426783006"])  # AF; sinus rhythm
    >>> float(prepared.metric([[0, 1], [0, 1]])), float(prepared.metric([[1, 0], [0, 1]]))
    (0.0, 1.0)
    """
    weights = load_weights(year)
    labels = binary(labels)
    indices = _table_indices(weights.names if classes is None else classes, weights)
    if labels.ndim != 2 or labels.shape[1] != len(indices):
        raise LeadwiseError(f"labels of shape {labels.shape} do not fit {len(indices)} classes.")
    scored = (indices >= 0).astype(float)
    earned = labels @ (np.nan_to_num(weights.values)[indices] * scored[:, None])
    credit, surplus = earned[:, indices] * scored, ~labels * scored
    positives = labels @ scored
    correct = _record_scores(labels, credit, surplus, positives)
    sinus = weights.names.index(SINUS_RHYTHM)
    has_sinus = labels[:, indices == sinus].any(axis=1)
    inactive = earned[:, sinus] / (positives + ~has_sinus)
    return Prepared(credit, surplus, positives, correct, inactive)


def rewards(classes: Sequence[str], year: int = 2021) -> np.ndarray:
    """Return the reward of each output (column) for each label (row) of given classes.

    Returns
    -------
    np.ndarray, shape (classes, classes)
        0 for classes that are not scored.
    """
    weights = load_weights(year)
    indices = _table_indices(classes, weights)
    scored = indices >= 0
    table = np.nan_to_num(weights.values)[np.ix_(indices, indices)]
    return np.where(scored[:, None] & scored, table, 0.0)


def _record_scores(
    outputs: np.ndarray, credit: np.ndarray, surplus: np.ndarray, positives: np.ndarray
) -> np.ndarray:
    """Score each record before normalisation, (records,)."""
    outputs = np.asarray(outputs, dtype=float)
    shared = positives + np.einsum("ij,ij->i", outputs, surplus)
    return np.asarray(np.einsum("ij,ij->i", outputs, credit) / np.maximum(1, shared))


def _table_indices(classes: Sequence[str], weights: Weights) -> np.ndarray:
    """Return the index of each column's class in the table, -1 if it is not scored."""
    index_of = {code: index for index, codes in enumerate(weights.classes) for code in codes}
    indices = [
        next((index_of[code] for code in name.split("|") if code in index_of), -1)
        for name in classes
    ]
    for column, index in enumerate(indices):
        if index >= 0 and index in indices[:column]:
            raise LeadwiseError(
                f"columns {classes[indices.index(index)]} and {classes[column]} are one scored "
                "class; join them into one column."
            )
    return np.array(indices, dtype=int)


def _difference(total: np.ndarray, inactive: np.ndarray) -> np.ndarray:
    """Subtract; sums that differ only by rounding are equal."""
    equal = np.isclose(total, inactive, rtol=1e-12, atol=1e-12)
    return np.where(equal, 0.0, total - inactive)


def challenge_metric(
    labels: np.ndarray,
    outputs: np.ndarray,
    classes: Sequence[str] | None = None,
    year: int = 2021,
) -> float:
    """Compute the Challenge metric of outputs; parameters and errors as in `prepare`."""
    return float(prepare(labels, classes, year).metric(outputs))


def score(
    labels: np.ndarray,
    outputs: np.ndarray,
    probabilities: np.ndarray,
    year: int = 2021,
    times: np.ndarray | None = None,
) -> Scores:
    """Compute all measures of a year's classes, in the order of its table.

    Parameters
    ----------
    labels, outputs, probabilities : np.ndarray, shape (records, classes)
        0/1 or bool; 0/1 or bool; real numbers.
    year : int
        2020 or 2021.
    times : np.ndarray, shape (…, records), optional
        Number of times that each record counts.

    Returns
    -------
    Scores
    """
    times = ones_by_default(labels, times)
    counts = count(labels, outputs, times)
    shared = count(labels, outputs, times / np.maximum(1, binary(labels).sum(axis=1)))
    return Scores(
        *areas(labels, probabilities, times),
        accuracy(labels, outputs, times),
        f_measure(counts),
        f_measure(shared, BETA),
        g_measure(shared, BETA),
        prepare(labels, year=year).metric(outputs, times),
    )


def headline(scores: Scores, year: int = 2021) -> dict[str, np.ndarray]:
    """Return a year's official scores by name, in the official order; class means are macro."""
    named = {
        "AUROC": macro(scores.auroc),
        "AUPRC": macro(scores.auprc),
        "Accuracy": scores.accuracy,
        "F-measure": macro(scores.f_measure),
        "Fbeta-measure": macro(scores.f_beta),
        "Gbeta-measure": macro(scores.g_beta),
        "Challenge metric": scores.challenge,
    }
    return {name: value for name, value in named.items() if year == 2020 or "beta" not in name}
