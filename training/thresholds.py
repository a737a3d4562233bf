"""Thresholds: from probabilities to labels, chosen on the validation part by the metric."""

from collections.abc import Callable

import numpy as np

GRID = np.arange(1, 100) / 100  # 0.01, 0.02 … 0.99
TIE = 1e-12  # metrics nearer than this to the best one are as good

Measure = Callable[[np.ndarray], float]


def global_threshold(
    probabilities: np.ndarray, measure: Measure, *, seed: int = 0
) -> tuple[np.ndarray, float]:
    """Find the one threshold for all classes with the best metric, by grid search.

    Parameters
    ----------
    probabilities : np.ndarray of shape (records, classes)
    measure : callable
        Metric of outputs (records, classes), higher is better.
    seed : int
        Not needed: nothing is drawn.

    Returns
    -------
    thresholds : np.ndarray of shape (classes,)
        All the same; a class is positive if its probability is at least its threshold.
    metric : float
    """
    metrics = np.array([measure(probabilities >= threshold) for threshold in GRID])
    place = best_place(metrics)
    return np.full(probabilities.shape[1], GRID[place]), float(metrics[place])


def best_place(metrics: np.ndarray, grid: np.ndarray = GRID) -> int:
    """Choose among equally good thresholds: the middle of the longest run of neighbours.

    The lower middle of a run of even length; of equally long runs the one whose middle is nearest
    to 0.5, then the lower one.

    Examples
    --------
    >>> best_place(np.array([0.3, 0.5, 0.5, 0.5, 0.4, 0.5, 0.2]), np.arange(1, 8) / 10)
    2
    """
    good = np.concatenate([[False], metrics >= metrics.max() - TIE, [False]])
    begins, ends = np.flatnonzero(good[1:] & ~good[:-1]), np.flatnonzero(good[:-1] & ~good[1:])
    middles = (begins + ends - 1) // 2
    merits = zip(begins - ends, np.round(np.abs(grid[middles] - 0.5), 9), middles, strict=True)
    return int(min(merits)[2])


def class_thresholds(
    probabilities: np.ndarray, measure: Measure, *, seed: int = 0, generations: int = 60
) -> tuple[np.ndarray, float]:
    """Find a threshold for each class by differential evolution (SciPy).

    The start population holds the best global threshold, so the result is never worse on these
    records; what it keeps on others is another matter (Nejedly et al., CinC 2020, section 2: no
    gain).

    Parameters
    ----------
    probabilities, measure
        As in `global_threshold`.
    seed : int
        Of the evolution.
    generations : int
        At most.

    Returns
    -------
    thresholds : np.ndarray of shape (classes,)
    metric : float
    """
    from scipy.optimize import differential_evolution

    classes = probabilities.shape[1]
    thresholds, metric = global_threshold(probabilities, measure)
    start = np.random.default_rng(seed).uniform(0, 1, (max(5, 2 * classes), classes))
    start[0] = thresholds
    found = differential_evolution(
        lambda thresholds: -measure(probabilities >= thresholds),
        bounds=[(0.0, 1.0)] * classes,
        init=start,
        maxiter=generations,
        rng=np.random.default_rng((seed, 1)),
        polish=False,
    )
    if -found.fun > metric:
        return found.x, float(-found.fun)
    return thresholds, metric


# How a recipe decides: `decision(probabilities, measure, seed=…) -> thresholds, metric`.
DECISIONS: dict[str, Callable[..., tuple[np.ndarray, float]]] = {
    "global": global_threshold,
    "per class": class_thresholds,
}
