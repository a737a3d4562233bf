"""Metrics of classes per sample or per beat, from one confusion matrix.

Confusion matrices of parts add up to that of the whole, so no masks have to be kept.  Dice and F1
of a class are the same number, 2 TP / (2 TP + FP + FN); the two metrics average over different
classes.
"""

import numpy as np

from ecg import LeadwiseError
from scoring.measures import Counts, f_measure, macro


def confusion(
    target: np.ndarray, predicted: np.ndarray, classes: int, unknown: int = 255
) -> np.ndarray:
    """Count the pairs of target class and predicted class.

    Parameters
    ----------
    target, predicted : np.ndarray of int, same shape
        Class indices, 0 to classes − 1; `target` may also be `unknown`.
    classes : int
        Number of classes.
    unknown : int
        Target value of samples that are left out.

    Returns
    -------
    np.ndarray of int64, shape (classes, classes)
        Rows are targets, columns predictions.

    Raises
    ------
    LeadwiseError
        The shapes differ, or an index is outside 0 to classes − 1.

    Examples
    --------
    >>> confusion(np.array([0, 0, 1, 255]), np.array([0, 1, 1, 1]), classes=2)
    array([[1, 1],
           [0, 1]])
    """
    target, predicted = np.asarray(target), np.asarray(predicted)
    if target.shape != predicted.shape:
        raise LeadwiseError(
            f"targets have the shape {target.shape}, predictions {predicted.shape}; they must agree"
        )
    known = target != unknown
    pairs = np.stack([target[known], predicted[known]]).astype(np.int64)
    if pairs.size and (pairs.min() < 0 or pairs.max() >= classes):
        raise LeadwiseError(
            f"class indices are {pairs.min()} to {pairs.max()}; with {classes} classes they must "
            f"be 0 to {classes - 1}, or {unknown} for an unknown target"
        )
    cells = np.bincount(pairs[0] * classes + pairs[1], minlength=classes**2)
    return cells.astype(np.int64).reshape(classes, classes)


def dice(confusion: np.ndarray) -> float:
    """Average the Dice coefficient over the classes from 1 on; class 0 is "none".

    Dice = 2 TP / (2 TP + FP + FN) = 2 |T ∩ P| / (|T| + |P|), where T and P are the samples whose
    target and prediction are the class (Dice 1945, doi 10.2307/1932409).

    Parameters
    ----------
    confusion : np.ndarray, shape (classes, classes)
        From `confusion`.

    Returns
    -------
    float
        0 to 1.  Classes absent from targets and predictions are left out; NaN if all are absent.

    Examples
    --------
    >>> dice(np.array([[90, 5, 0], [0, 10, 0], [0, 0, 0]]))
    0.8
    """
    return float(macro(f_measure(_counts(confusion))[1:]))


def beat_f1(confusion: np.ndarray) -> float:
    """Average F1 over the classes that occur in the targets.

    F1 = 2 P R / (P + R) = 2 TP / (2 TP + FP + FN), with precision P = TP / (TP + FP) and recall
    R = TP / (TP + FN).

    Parameters
    ----------
    confusion : np.ndarray, shape (classes, classes)
        From `confusion`.

    Returns
    -------
    float
        0 to 1; NaN without targets.

    Examples
    --------
    >>> beat_f1(np.array([[3, 1], [1, 3]]))
    0.75
    """
    present = np.asarray(confusion).sum(axis=1) > 0
    return float(macro(f_measure(_counts(confusion))[present]))


def _counts(confusion: np.ndarray) -> Counts:
    """Derive TP, FP, FN and TN of each class."""
    cells = np.asarray(confusion, dtype=float)
    tp = np.diagonal(cells)
    fp, fn = cells.sum(axis=0) - tp, cells.sum(axis=1) - tp
    return Counts(tp, fp, fn, cells.sum() - tp - fp - fn)
