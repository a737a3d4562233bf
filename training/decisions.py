"""Decisions, fitted: the numbers by which probabilities become labels, from the validation part.

`fit(probabilities, labels, classes, seed) -> Part` of `models.decision`, the Challenge metric being
what is to be high; recipes name a fit by its key in `FITS`.
"""

from collections.abc import Callable, Sequence

import numpy as np

from ecg.labels import CODES, SINUS_RHYTHM
from models.decision import decide, logit
from models.recipe import Part, part
from scoring.challenge import prepare, rewards
from scoring.measures import count, f_measure, macro

GRID = np.arange(1, 100) / 100  # 0.01, 0.02 … 0.99
TIE = 1e-12  # metrics nearer than this to the best one are as good
SLOPES = (0.7, 0.85, 1.0, 1.2, 1.4)  # around the likeliest one
OFFSETS = (-0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75)  # of the log odds


# Records, evenly spread, that fit the two numbers of `expected`: they need no more, and all 22,000
# of the Challenge's validation part would take 20 minutes a lead set.
EXPECTED_ON = 4000

Measure = Callable[[np.ndarray], float]
Fit = Callable[[np.ndarray, np.ndarray, Sequence[str], int], Part]


def measure_of(labels: np.ndarray, classes: Sequence[str]) -> Measure:
    """Give the Challenge metric of outputs for these labels; of classes not its own the mean F."""
    if not set(classes) <= set(CODES):
        return lambda outputs: float(macro(f_measure(count(labels, outputs))))
    ready = prepare(labels, classes)
    return lambda outputs: float(ready.metric(outputs))


def global_threshold(probabilities: np.ndarray, measure: Measure) -> tuple[float, float]:
    """Find the one threshold for all classes with the best metric, by grid search.

    Parameters
    ----------
    probabilities : np.ndarray of shape (records, classes)
    measure : callable
        Metric of outputs (records, classes), higher is better.

    Returns
    -------
    threshold, metric : float
        A class is positive if its probability is at least the threshold.
    """
    metrics = np.array([measure(probabilities >= threshold) for threshold in GRID])
    place = best_place(metrics)
    return float(GRID[place]), float(metrics[place])


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
) -> np.ndarray:
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
    np.ndarray of shape (classes,)
    """
    from scipy.optimize import differential_evolution

    classes = probabilities.shape[1]
    threshold, metric = global_threshold(probabilities, measure)
    start = np.random.default_rng(seed).uniform(0, 1, (max(5, 2 * classes), classes))
    start[0] = threshold
    found = differential_evolution(
        lambda thresholds: -measure(probabilities >= thresholds),
        bounds=[(0.0, 1.0)] * classes,
        init=start,
        maxiter=generations,
        rng=np.random.default_rng((seed, 1)),
        polish=False,
    )
    return found.x if -found.fun > metric else np.full(classes, threshold)


def temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Find the slope of the log odds that makes the labels likeliest (temperature scaling).

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 4.2, there as its
    inverse, the temperature.
    """
    from scipy.optimize import minimize_scalar

    odds, sign = logit(probabilities), np.where(labels, 1.0, -1.0)

    def surprise(log_slope: float) -> float:
        return float(np.logaddexp(0, -sign * np.exp(log_slope) * odds).mean())

    return float(np.exp(minimize_scalar(surprise, bounds=(-3, 3), method="bounded").x))


def _fit_global(
    probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str], seed: int
) -> Part:
    threshold, _ = global_threshold(probabilities, measure_of(labels, classes))
    return part("thresholds", values=(threshold,) * len(classes))


def _fit_classes(
    probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str], seed: int
) -> Part:
    found = class_thresholds(probabilities, measure_of(labels, classes), seed=seed)
    return part("thresholds", values=tuple(found.tolist()))


def _near_ties(
    probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str], seed: int
) -> Part:
    """Take Kang & Wen's numbers: nothing is fitted. The 0.1 is their code's, not the paper's."""
    fallback = (classes.index(SINUS_RHYTHM),) if SINUS_RHYTHM in classes else ()
    return part("near ties", threshold=0.5, tie=0.03, least=0.1, fallback=fallback)


def _highest(
    probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str], seed: int
) -> Part:
    """Take the class with the highest probability: for exclusive classes nothing is fitted."""
    return part("highest")


def _fit_expected(
    probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str], seed: int
) -> Part:
    """Try slopes around the likeliest one and offsets; the metric decides."""
    some = np.unique(np.linspace(0, len(labels) - 1, EXPECTED_ON).astype(int))
    probabilities, labels = probabilities[some], labels[some]
    measure = measure_of(labels, classes)
    table = tuple(map(tuple, rewards(classes).tolist()))
    likeliest = temperature(probabilities, labels)
    candidates = [
        part("expected", slope=round(share * likeliest, 4), offset=offset, rewards=table)
        for share in SLOPES
        for offset in OFFSETS
    ]
    return max(candidates, key=lambda candidate: measure(decide(candidate, probabilities)))


FITS: dict[str, Fit] = {
    "global": _fit_global,
    "per class": _fit_classes,
    "near ties": _near_ties,
    "highest": _highest,
    "expected": _fit_expected,
}
