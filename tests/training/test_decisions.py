"""The tie rule's examples are the fact sheet's (section 3)."""

import numpy as np
import pytest

from ecg.labels import CODES
from models.decision import decide, logit, sigmoid
from scoring.challenge import prepare
from training.decisions import (
    FITS,
    GRID,
    best_place,
    class_thresholds,
    global_threshold,
    measure_of,
    temperature,
)

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
    threshold, metric = global_threshold(probabilities, measure)
    assert threshold in GRID
    assert metric == max(measure(probabilities >= t) for t in GRID)
    assert measure(probabilities >= threshold) == metric


def test_class_thresholds_are_never_worse_here_and_are_seeded() -> None:
    probabilities, measure = probabilities_and_measure()
    _, metric = global_threshold(probabilities, measure)
    thresholds = class_thresholds(probabilities, measure, generations=5)
    assert thresholds.shape == (26,)
    assert measure(probabilities >= thresholds) >= metric
    again = class_thresholds(probabilities, measure, generations=5)
    np.testing.assert_array_equal(again, thresholds)


@pytest.mark.parametrize("slope", [0.5, 1.0, 2.0])
def test_temperature_finds_the_slope_that_made_the_labels(slope: float) -> None:
    rng = np.random.default_rng(0)
    odds = rng.normal(-1, 1.5, (4000, 26))
    labels = rng.random(odds.shape) < 1 / (1 + np.exp(-slope * odds))
    assert temperature(1 / (1 + np.exp(-odds)), labels) == pytest.approx(slope, rel=0.02)


def test_each_fit_can_be_decided_by_and_expected_undoes_a_wrong_calibration() -> None:
    """Probabilities are too sure by a factor of two in the log odds; the fit must see it."""
    rng = np.random.default_rng(1)
    true = rng.random((400, 26)) ** 6
    labels = rng.random(true.shape) < true
    odds = 2 * logit(np.clip(true, 1e-9, 1 - 1e-9))
    measure = measure_of(labels, CODES)
    metrics = {}
    for name, fit in FITS.items():
        decision = fit(sigmoid(odds), labels, CODES, 0)
        metrics[name] = measure(decide(decision, sigmoid(odds)))
    assert metrics["per class"] >= metrics["global"]
    assert metrics["expected"] > metrics["global"]
    assert decision.name == "expected"
    assert 0.3 < decision.options["slope"] < 0.75


@pytest.mark.parametrize("classes", [CODES, ("164889003", "270492004")])
def test_near_ties_falls_back_to_sinus_rhythm_where_it_is_a_class(classes) -> None:
    silent = np.full((1, len(classes)), 0.01)
    decision = FITS["near ties"](silent, np.zeros((1, len(classes)), bool), classes, 0)
    labels = decide(decision, silent)[0]
    assert [code for code, said in zip(classes, labels, strict=True) if said] == [
        code for code in ("426783006",) if code in classes
    ]


def test_of_many_records_an_even_part_fits_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    """All 22,000 validation records of the Challenge would take 20 minutes a lead set."""
    rng = np.random.default_rng(1)
    labels = rng.random((120, 26)) < 0.15
    probabilities = np.clip(rng.normal(0.35 + 0.3 * labels, 0.15), 0.01, 0.99)
    monkeypatch.setattr("training.decisions.EXPECTED_ON", 60)
    some = FITS["expected"](probabilities, labels, CODES, 0)
    even = np.unique(np.linspace(0, 119, 60).astype(int))
    assert some == FITS["expected"](probabilities[even], labels[even], CODES, 0)
    monkeypatch.undo()
    assert FITS["expected"](probabilities, labels, CODES, 0) != some


def test_of_classes_that_the_challenge_knows_not_the_mean_f_measure_counts() -> None:
    labels = np.array([[1, 0], [1, 1], [0, 1]], dtype=bool)
    measure = measure_of(labels, ("NORM", "SR"))
    outputs = np.array([[1, 0], [1, 0], [0, 0]], dtype=bool)
    assert measure(labels) == 1
    assert measure(outputs) == pytest.approx(0.5)  # F 1 and 0
