"""Calibration: whether a share p of the predictions with probability p is positive.

The error over all pairs of record and class is small if rare classes are badly calibrated, because
most pairs are certain negatives.  The mean of the errors per class shows those classes.
"""

from typing import NamedTuple

import numpy as np

from scoring.measures import binary

BINS = 10


class Reliability(NamedTuple):
    """Number of pairs, mean prediction and mean label per bin of probability, (bins,).

    `predicted` and `observed` are NaN in an empty bin.
    """

    pairs: np.ndarray
    predicted: np.ndarray
    observed: np.ndarray


def reliability(labels: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> Reliability:
    """Compare predicted with observed shares in bins of equal width over 0 to 1.

    Parameters
    ----------
    labels : np.ndarray of shape (records, classes) or any other
        0/1 or bool.
    probabilities : np.ndarray of that shape
        0 to 1.

    Examples
    --------
    >>> bins = reliability(np.array([0, 1, 1]), np.array([0.1, 0.9, 0.7]), bins=2)
    >>> bins.pairs.tolist(), bins.observed.tolist()
    ([1, 2], [0.0, 1.0])
    """
    index = np.minimum((np.ravel(probabilities) * bins).astype(int), bins - 1)
    pairs = np.bincount(index, minlength=bins)
    sums = [
        np.bincount(index, np.ravel(values), minlength=bins)
        for values in (probabilities, binary(labels))
    ]
    means = [np.divide(s, pairs, out=np.full(bins, np.nan), where=pairs > 0) for s in sums]
    return Reliability(pairs, *means)


def calibration_error(labels: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> float:
    """Average |predicted − observed| over the bins, weighted by their pairs: the ECE.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 3, for the
    probability of each label instead of the most likely class.
    """
    pairs, predicted, observed = reliability(labels, probabilities, bins)
    difference = np.nan_to_num(np.abs(predicted - observed))
    return float(pairs @ difference / max(1, pairs.sum()))


def class_calibration_error(
    labels: np.ndarray, probabilities: np.ndarray, bins: int = BINS
) -> float:
    """Average the calibration error over the classes that occur in the labels."""
    errors = [
        calibration_error(label, probability, bins)
        for label, probability in zip(labels.T, probabilities.T, strict=True)
        if label.any()
    ]
    return float(np.mean(errors)) if errors else float("nan")
