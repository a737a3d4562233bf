"""The Challenge metric of 2021 and 2020, and all official scores of a year.

Source: the organisers' evaluation-2021 and evaluation-2020 (BSD-2-Clause), whose weights tables
stand beside this file, unchanged.  Where we differ: sums run in another order, so two of them that
agree to 1e-12 count as equal (the official code asks for the same last bit).
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
from scoring.measures import accuracy, areas, binary, count, each_once, f_measure, g_measure, macro

YEARS = (2020, 2021)
BETA = 2.0  # of 2020's F-beta and G-beta measures: a missed label weighs more than a false one
# The 2020 table has a row for each of these codes; the 2021 table joins its own pairs by a bar.
EQUIVALENT_2020 = (
    ("713427006", "59118001"),
    ("284470004", "63593006"),
    ("427172004", "17338001"),
)


class Weights(NamedTuple):
    """One year's table: what each output (column) earns for each label (row)."""

    classes: tuple[tuple[str, ...], ...]  # the codes that count as one class
    names: tuple[str, ...]  # as the per-class table writes them
    values: np.ndarray  # (classes, classes), NaN where the table has no finite number


class Scores(NamedTuple):
    """All measures of one evaluation; (…, classes) where a class has its own, else (…)."""

    auroc: np.ndarray
    auprc: np.ndarray
    accuracy: np.ndarray
    f_measure: np.ndarray
    f_beta: np.ndarray
    g_beta: np.ndarray
    challenge: np.ndarray


@cache
def load_weights(year: int = 2021) -> Weights:
    """Read a year's weights table from beside this file.

    Parameters
    ----------
    year : int
        2020 (24 classes) or 2021 (26 classes).

    Returns
    -------
    Weights
        Classes in the table's order; the values cannot be written to.

    Raises
    ------
    LeadwiseError
        If there is no such year.

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
        kept = [place for place, name in enumerate(names) if name not in second]
        pairs = {codes[0]: codes for codes in EQUIVALENT_2020}
        classes = tuple(pairs.get(names[place], (names[place],)) for place in kept)
        values = values[np.ix_(kept, kept)]
    values.flags.writeable = False
    # The official per-class files: 2020 names a class by its first code, 2021 by all, as text.
    names = [codes[0] if year == 2020 else "|".join(sorted(codes)) for codes in classes]
    return Weights(classes, tuple(names), values)


def _finite(cell: str) -> float:
    """Read a table cell; what is not a finite number is NaN."""
    try:
        value = float(cell)
    except ValueError:
        return np.nan
    return value if np.isfinite(value) else np.nan


@dataclass(frozen=True, eq=False)
class Prepared:
    """Labels made ready, so that the Challenge metric of many outputs is quick; see `prepare`."""

    credit: np.ndarray  # (records, columns): what each output earns before it is shared
    surplus: np.ndarray  # (records, columns): 1 where a positive output would be no label
    positives: np.ndarray  # (records,): number of scored labels
    correct: np.ndarray  # (records,): score of the labels themselves
    inactive: np.ndarray  # (records,): score of sinus rhythm alone

    def metric(self, outputs: np.ndarray, times: np.ndarray | None = None) -> np.ndarray:
        """Measure outputs: 1 is all right, 0 is sinus rhythm in each record; no lower bound.

        Parameters
        ----------
        outputs : np.ndarray, shape (records, columns)
            0/1 or bool, in the columns of the labels.
        times : np.ndarray, shape (…, records), optional
            How often each record counts.

        Returns
        -------
        np.ndarray, shape (…)
        """
        times = each_once(self.positives, times)
        observed = self.of_records(outputs)
        inactive = times @ self.inactive
        gain = _difference(times @ observed, inactive)
        best = _difference(times @ self.correct, inactive)
        return np.divide(gain, best, out=np.zeros_like(best), where=best != 0)

    def of_records(self, outputs: np.ndarray) -> np.ndarray:
        """Score each record before normalisation, shape (records,)."""
        return _record_scores(outputs, self.credit, self.surplus, self.positives)


def prepare(labels: np.ndarray, classes: Sequence[str] | None = None, year: int = 2021) -> Prepared:
    """Make labels ready for the Challenge metric.

    A record's score is Σ W[j, k] over its labels j and outputs k, divided by the number of classes
    that are label or output (at least 1).  The metric is linear between 0 for sinus rhythm alone
    and 1 for the labels themselves; it is 0 where these two score the same.

    Parameters
    ----------
    labels : np.ndarray, shape (records, columns)
        0/1 or bool.
    classes : sequence of str, optional
        The code of each column, or codes joined by a bar; by default the table's own classes.
        Columns that the year does not score count nothing; a scored class without a column is
        as if no record had its label.
    year : int
        2020 or 2021.

    Returns
    -------
    Prepared
        Call `.metric(outputs)` of it as often as you like.

    Raises
    ------
    LeadwiseError
        If labels and classes disagree, or two columns stand for one scored class.

    Examples
    --------
    >>> ready = prepare([[1, 0], [0, 1]], ["164889003", "426783006"])  # AF; sinus rhythm
    >>> float(ready.metric([[0, 1], [0, 1]])), float(ready.metric([[1, 0], [0, 1]]))
    (0.0, 1.0)
    """
    weights = load_weights(year)
    labels = binary(labels)
    places = _places(weights.names if classes is None else classes, weights)
    if labels.ndim != 2 or labels.shape[1] != len(places):
        raise LeadwiseError(f"labels of shape {labels.shape} do not fit {len(places)} classes.")
    scored = (places >= 0).astype(float)
    earned = labels @ (np.nan_to_num(weights.values)[places] * scored[:, None])
    credit, surplus = earned[:, places] * scored, ~labels * scored
    positives = labels @ scored
    correct = _record_scores(labels, credit, surplus, positives)
    sinus = weights.names.index(SINUS_RHYTHM)
    has_sinus = labels[:, places == sinus].any(axis=1)
    inactive = earned[:, sinus] / (positives + ~has_sinus)
    return Prepared(credit, surplus, positives, correct, inactive)


def rewards(classes: Sequence[str], year: int = 2021) -> np.ndarray:
    """Give what an output (column) earns for a label (row), in the order of some classes.

    Returns
    -------
    np.ndarray, shape (classes, classes)
        Zero where a class is not scored.
    """
    weights = load_weights(year)
    places = _places(classes, weights)
    scored = places >= 0
    table = np.nan_to_num(weights.values)[np.ix_(places, places)]
    return np.where(scored[:, None] & scored, table, 0.0)


def _record_scores(
    outputs: np.ndarray, credit: np.ndarray, surplus: np.ndarray, positives: np.ndarray
) -> np.ndarray:
    """Score each record before normalisation, (records,)."""
    outputs = np.asarray(outputs, dtype=float)
    shared = positives + np.einsum("ij,ij->i", outputs, surplus)
    return np.einsum("ij,ij->i", outputs, credit) / np.maximum(1, shared)


def _places(classes: Sequence[str], weights: Weights) -> np.ndarray:
    """Find each column's class in the table, -1 where it is not scored."""
    place_of = {code: place for place, codes in enumerate(weights.classes) for code in codes}
    found = [[place_of[code] for code in name.split("|") if code in place_of] for name in classes]
    places = [place[0] if place else -1 for place in found]
    for column, place in enumerate(places):
        if place >= 0 and place in places[:column]:
            raise LeadwiseError(
                f"columns {classes[places.index(place)]} and {classes[column]} are one scored "
                "class; join them into one column."
            )
    return np.array(places, dtype=int)


def _difference(total: np.ndarray, inactive: np.ndarray) -> np.ndarray:
    """Subtract; sums that differ by rounding alone are equal."""
    equal = np.isclose(total, inactive, rtol=1e-12, atol=1e-12)
    return np.where(equal, 0.0, total - inactive)


def challenge_metric(
    labels: np.ndarray,
    outputs: np.ndarray,
    classes: Sequence[str] | None = None,
    year: int = 2021,
) -> float:
    """Measure outputs by the Challenge metric; parameters and errors as in `prepare`."""
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
        How often each record counts.

    Returns
    -------
    Scores
    """
    times = each_once(labels, times)
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
    """Name a year's official scores in the official order; a class's measures are averaged."""
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
