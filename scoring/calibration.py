"""Calibration: whether of the answers given with probability p a share p is right.

All pairs of record and class are taken together; most are sure negatives, so the error over all of
them is small whatever the rare classes do.  The error of each class tells of those.
"""

from typing import NamedTuple

import numpy as np

from scoring.measures import binary

BINS = 10


class Reliability(NamedTuple):
    """By bin of probability, (bins,): how many pairs, what was predicted, what was observed.

    `predicted` and `observed` are means over the bin's pairs, NaN where there are none.
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
    >>> found = reliability(np.array([0, 1, 1]), np.array([0.1, 0.9, 0.7]), bins=2)
    >>> found.pairs.tolist(), found.observed.tolist()
    ([1, 2], [0.0, 1.0])
    """
    place = np.minimum((np.ravel(probabilities) * bins).astype(int), bins - 1)
    pairs = np.bincount(place, minlength=bins)
    sums = [
        np.bincount(place, np.ravel(values), minlength=bins)
        for values in (probabilities, binary(labels))
    ]
    means = [np.divide(s, pairs, out=np.full(bins, np.nan), where=pairs > 0) for s in sums]
    return Reliability(pairs, *means)


def calibration_error(labels: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> float:
    """Average |predicted − observed| over the bins, weighted by their pairs: the ECE.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 3, for the
    probability of a label instead of that of the likeliest class.
    """
    found = reliability(labels, probabilities, bins)
    apart = np.nan_to_num(np.abs(found.predicted - found.observed))
    return float(found.pairs @ apart / max(1, found.pairs.sum()))


def class_calibration_error(
    labels: np.ndarray, probabilities: np.ndarray, bins: int = BINS
) -> float:
    """Average the calibration error of each class that some record has."""
    errors = [
        calibration_error(label, probability, bins)
        for label, probability in zip(labels.T, probabilities.T, strict=True)
        if label.any()
    ]
    return float(np.mean(errors)) if errors else float("nan")
