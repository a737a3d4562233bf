"""The tie rule's examples are the fact sheet's (section 3)."""

import numpy as np
import pytest

from scoring.challenge import prepare
from training.thresholds import GRID, best_place, class_thresholds, global_threshold

TENTHS = np.arange(1, 8) / 10


@pytest.mark.parametrize(
    ("scores", "threshold"),
    [
        ([0.30, 0.50, 0.50, 0.50, 0.40, 0.50, 0.20], 0.3),
        ([0.1, 0.5, 0.5, 0.1, 0.5, 0.5, 0.1], 0.5),
        ([0.4] * 7, 0.4),
        ([0.1, 0.5, 0.1, 0.1, 0.1, 0.1, 0.5], 0.7),  # 0.2 is 0.3 away from 0.5, 0.7 is 0.2
        ([0.1, 0.1, 0.1, 0.5, 0.1, 0.5, 0.1], 0.4),  # as near: the lower
        ([0.5, 0.5 + 1e-13, 0.5, 0.1, 0.1, 0.1, 0.1], 0.2),  # equal but for rounding
    ],
)
def test_ties(scores: list[float], threshold: float) -> None:
    assert TENTHS[best_place(np.array(scores), TENTHS)] == threshold


def probabilities_and_measure(seed: int = 0):
    rng = np.random.default_rng(seed)
    labels = rng.random((200, 26)) < 0.15
    probabilities = np.clip(rng.normal(0.35 + 0.3 * labels, 0.15), 0, 1)
    ready = prepare(labels)
    return probabilities, lambda outputs: float(ready.metric(outputs))


def test_the_global_threshold_is_the_best_of_the_grid() -> None:
    probabilities, measure = probabilities_and_measure()
    thresholds, metric = global_threshold(probabilities, measure)
    assert len(set(thresholds.tolist())) == 1
    assert thresholds[0] in GRID
    assert metric == max(measure(probabilities >= t) for t in GRID)
    assert measure(probabilities >= thresholds) == metric


def test_class_thresholds_are_never_worse_here_and_are_seeded() -> None:
    probabilities, measure = probabilities_and_measure()
    _, metric = global_threshold(probabilities, measure)
    thresholds, better = class_thresholds(probabilities, measure, generations=5)
    assert thresholds.shape == (26,)
    assert better >= metric
    assert measure(probabilities >= thresholds) == pytest.approx(better, abs=1e-12)
    again, _ = class_thresholds(probabilities, measure, generations=5)
    np.testing.assert_array_equal(again, thresholds)
