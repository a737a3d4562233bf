"""Measures of decisions and of probabilities, for any classes, as functions of arrays.

`count` returns TP, FP, FN and TN, from which all measures of decisions are derived; `areas` sorts
once per class.  `times` is the number of times that each record counts, 1 by default; leading axes
are resamples of the bootstrap.

Source: the organisers' evaluation-2021 and evaluation-2020 (BSD-2-Clause).  Sums run in
another order here, so the last bits may differ (1e-15 relative).
"""

from typing import NamedTuple

import numpy as np


class Counts(NamedTuple):
    """True and false positives and negatives, each (…, classes), in records."""

    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray
    tn: np.ndarray


class Areas(NamedTuple):
    """Areas under the two curves, each (…, classes), 0 to 1, or NaN where undefined."""

    auroc: np.ndarray
    auprc: np.ndarray


def count(labels: np.ndarray, outputs: np.ndarray, times: np.ndarray | None = None) -> Counts:
    """Count true and false positives and negatives of each class.

    Parameters
    ----------
    labels, outputs : np.ndarray, shape (records, classes)
        0/1 or bool.
    times : np.ndarray, shape (…, records), optional
        Number of times that each record counts.

    Returns
    -------
    Counts
    """
    labels, outputs = binary(labels), binary(outputs)
    times = ones_by_default(labels, times)
    cases = (labels & outputs, ~labels & outputs, labels & ~outputs, ~labels & ~outputs)
    return Counts(*(times @ case.astype(float) for case in cases))


def f_measure(counts: Counts, beta: float = 1.0) -> np.ndarray:
    """Compute the F-beta measure of each class, (…, classes), 0 to 1; NaN for 0 / 0."""
    gain, loss = (1 + beta**2) * counts.tp, counts.fp + beta**2 * counts.fn
    return ratio(gain, gain + loss)


def g_measure(counts: Counts, beta: float = 2.0) -> np.ndarray:
    """Compute the G-beta measure (Jaccard's) per class, (…, classes), 0 to 1; NaN for 0 / 0."""
    return ratio(counts.tp, counts.tp + counts.fp + beta * counts.fn)


def recall(counts: Counts) -> np.ndarray:
    """Compute the recall of each class, (…, classes), 0 to 1; NaN for 0 / 0."""
    return ratio(counts.tp, counts.tp + counts.fn)


def precision(counts: Counts) -> np.ndarray:
    """Compute the precision of each class, (…, classes), 0 to 1; NaN for 0 / 0."""
    return ratio(counts.tp, counts.tp + counts.fp)


def accuracy(
    labels: np.ndarray, outputs: np.ndarray, times: np.ndarray | None = None
) -> np.ndarray:
    """Compute the share of records with all outputs correct, (…), 0 to 1; shapes as in `count`."""
    correct = (binary(labels) == binary(outputs)).all(axis=1)
    times = ones_by_default(correct, times)
    share: np.ndarray = times @ correct.astype(float) / times.sum(axis=-1)
    return share


def areas(labels: np.ndarray, probabilities: np.ndarray, times: np.ndarray | None = None) -> Areas:
    """Compute each class's areas under the ROC and the precision-recall curve.

    Records of equal probability pass a threshold together.  AUPRC is a sum of steps without
    interpolation (average precision).

    Parameters
    ----------
    labels : np.ndarray, shape (records, classes)
        0/1 or bool.
    probabilities : np.ndarray, shape (records, classes)
        Any real numbers, higher is more likely; NaN counts as 0, as in the official files.
    times : np.ndarray, shape (…, records), optional
        Number of times that each record counts.

    Returns
    -------
    Areas
        Without a positive both are NaN; without a negative AUROC is NaN and AUPRC is 1.
    """
    labels = binary(labels)
    times = ones_by_default(labels, times)
    probabilities = np.where(np.isnan(probabilities), 0.0, probabilities)
    columns = zip(labels.T, probabilities.T, strict=True)
    pairs = [_areas_of_class(positive, values, times) for positive, values in columns]
    return Areas(*(np.stack(part, axis=-1) for part in zip(*pairs, strict=True)))


def _areas_of_class(
    positive: np.ndarray, values: np.ndarray, times: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Compute AUROC and AUPRC of one class; times (…, records), the others (records,)."""
    order = np.argsort(values)[::-1]
    values, positive, times = values[order], positive[order], times[..., order]
    ends = np.append(np.flatnonzero(values[1:] != values[:-1]), len(values) - 1)  # of runs of ties
    tp = np.cumsum(times * positive, axis=-1)[..., ends]  # (…, thresholds)
    fp = np.cumsum(times * ~positive, axis=-1)[..., ends]
    positives, negatives = tp[..., -1], fp[..., -1]
    tp_steps = np.diff(tp, prepend=0)
    double_tn = 2 * (negatives[..., None] - fp) + np.diff(
        fp, prepend=0
    )  # TN here + TN one threshold before
    auroc = ratio((tp_steps * double_tn).sum(axis=-1), 2 * positives * negatives)
    # A resample without a record above a threshold has 0 / 0 there, times a step of 0.
    steps = tp_steps * np.divide(tp, tp + fp, out=np.zeros_like(tp), where=tp + fp > 0)
    return auroc, ratio(steps.sum(axis=-1), positives)


def macro(values: np.ndarray) -> np.ndarray:
    """Average over classes (the last axis) without NaN; NaN if all are NaN."""
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0.0).sum(axis=-1), known.sum(axis=-1))


def binary(values: np.ndarray) -> np.ndarray:
    """Convert 0/1 to bool."""
    return np.asarray(values).astype(bool)


def ones_by_default(records: np.ndarray, times: np.ndarray | None) -> np.ndarray:
    """Return `times` as floats, by default 1 per record."""
    return np.ones(len(records)) if times is None else np.asarray(times, dtype=float)


def ratio(part: np.ndarray | int, whole: np.ndarray | int) -> np.ndarray:
    """Divide, NaN where the whole is 0; any shapes that broadcast."""
    part, whole = np.asarray(part, dtype=float), np.asarray(whole, dtype=float)
    quotient: np.ndarray = np.divide(
        part, whole, out=np.full(whole.shape, np.nan), where=whole != 0
    )
    return quotient
