"""The 2017 Challenge's scores: atrial fibrillation from one lead, four exclusive classes.

A record without an answer counts as noise, as in the organisers' scorer.  The first version of that
scorer averages F1 over four classes, the revised one over N, A and O; both are computed.  Where we
differ: a class absent from labels and answers, 0/0 there, is left out of the mean, with a note.

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
    """Scores from 0 to 1; NaN for a class absent from labels and answers."""

    accuracy: float
    f1: np.ndarray  # (4,), in the order of AF_LETTERS
    f1_four: float  # mean of the four
    f1_three: float  # mean of N, A and O: the revised scorer's
    confusion: np.ndarray  # (4, 4) int: rows are labels, columns answers


def score(labels: np.ndarray, answers: np.ndarray) -> AfScores:
    """Score answers.

    Parameters
    ----------
    labels : np.ndarray, shape (records, 4)
        0/1 or bool, one class per record, columns in the order of AF_LETTERS.
    answers : np.ndarray, shape (records, 4)
        The same; a record without an answer counts as noise.

    Raises
    ------
    LeadwiseError
        A record has several classes, or no label.
    """
    labels, answers = binary(labels), binary(answers).copy()
    answers[~answers.any(axis=1), NOISE] = True
    if (labels.sum(axis=1) != 1).any() or (answers.sum(axis=1) != 1).any():
        raise LeadwiseError("each record has one of the classes N, A, O and ~, and one answer")
    f1 = f_measure(count(labels, answers))
    confusion = labels.astype(int).T @ answers.astype(int)
    three = np.delete(f1, NOISE)
    correct = float(accuracy(labels, answers))
    return AfScores(correct, f1, float(macro(f1)), float(macro(three)), confusion)


def score_classes(labels: np.ndarray, outputs: np.ndarray, classes: Sequence[str]) -> AfScores:
    """Score outputs whose columns are `classes`, in any order.

    Raises
    ------
    LeadwiseError
        The classes are not the four of 2017.
    """
    if sorted(classes) != sorted(AF_LETTERS):
        raise LeadwiseError(
            f"2017's scores need the classes {', '.join(AF_LETTERS)}; these are "
            f"{', '.join(classes)}"
        )
    columns = [list(classes).index(letter) for letter in AF_LETTERS]
    return score(np.asarray(labels)[:, columns], np.asarray(outputs)[:, columns])
