"""The 2017 Challenge's scores: atrial fibrillation from one lead, four exclusive classes.

A record without an answer counts as noise, as the organisers' scorer counts it.  Of its two
versions the first averages F1 over four classes, the revised one over N, A and O; both are given.
Where we differ: a class that neither labels nor answers hold, 0/0 there, is left out of the mean,
and that is said.

Source: Clifford et al., Computing in Cardiology 2017, doi 10.22489/CinC.2017.065-469.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ecg import LeadwiseError
from ecg.labels import AF_LETTERS
from scoring.measures import accuracy, binary, count, f_measure, macro

NOISE = AF_LETTERS.index("~")


class AfScores(NamedTuple):
    """Scores from 0 to 1; NaN where a class is nowhere."""

    accuracy: float
    f1: np.ndarray  # (4,), in the order of AF_LETTERS
    f1_four: float  # mean of the four
    f1_three: float  # mean of N, A and O: the revised scorer's
    confusion: np.ndarray  # (4, 4) int: a row a label, a column an answer


def score(labels: np.ndarray, answers: np.ndarray) -> AfScores:
    """Score answers; both (records, 4), 0/1 or bool, columns in the order of AF_LETTERS.

    Parameters
    ----------
    labels : np.ndarray
        One class a record.
    answers : np.ndarray
        One class a record, or none, which counts as noise.

    Raises
    ------
    LeadwiseError
        A record has two classes, or a label none.
    """
    labels, answers = binary(labels), binary(answers).copy()
    answers[~answers.any(axis=1), NOISE] = True
    if (labels.sum(axis=1) != 1).any() or (answers.sum(axis=1) != 1).any():
        raise LeadwiseError("each record has one of the classes N, A, O and ~, and one answer")
    f1 = f_measure(count(labels, answers))
    confusion = labels.astype(int).T @ answers.astype(int)
    three = np.delete(f1, NOISE)
    right = float(accuracy(labels, answers))
    return AfScores(right, f1, float(macro(f1)), float(macro(three)), confusion)


def of_classes(labels: np.ndarray, outputs: np.ndarray, classes: Sequence[str]) -> AfScores:
    """Score as training sees it: columns in any order.

    Raises
    ------
    LeadwiseError
        The classes are not the four of 2017.
    """
    if sorted(classes) != sorted(AF_LETTERS):
        raise LeadwiseError(
            f"2017's scores want the classes {', '.join(AF_LETTERS)}; these are "
            f"{', '.join(classes)}"
        )
    columns = [list(classes).index(letter) for letter in AF_LETTERS]
    return score(np.asarray(labels)[:, columns], np.asarray(outputs)[:, columns])
