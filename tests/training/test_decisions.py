"""Fits of decisions; the examples of ties are those of the fact sheet (section 3)."""

import numpy as np
import pytest

from ecg.labels import CODES, CODES_2020
from models.decision import decide, logit, sigmoid
from models.recipe import part
from scoring import METRICS
from scoring.challenge import challenge_metric, load_weights, prepare, rewards
from scoring.measures import count, f_measure, macro
from training.decisions import (
    FITS,
    GRID,
    best_index,
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
        ([0.1, 0.1, 0.1, 0.5, 0.1, 0.5, 0.1], 0.4),  # equally near: the lower one
        ([0.5, 0.5 + 1e-9, 0.5, 0.1, 0.1, 0.1, 0.1], 0.2),  # better, though by little
        ([0.5, 0.5, 0.5 + 1e-9, 0.1, 0.1, 0.1, 0.1], 0.3),
        ([0.5, 0.5 + 1e-13, 0.5, 0.1, 0.1, 0.1, 0.1], 0.2),  # equal except for rounding
    ],
)
def test_equally_good_thresholds(scores: list[float], threshold: float) -> None:
    assert TENTHS[best_index(np.array(scores), TENTHS)] == threshold


def probabilities_and_measure(seed: int = 0):
    rng = np.random.default_rng(seed)
    labels = rng.random((200, 26)) < 0.15
    probabilities = np.clip(rng.normal(0.35 + 0.3 * labels, 0.15), 0, 1)
    ready = prepare(labels)
    return probabilities, lambda outputs: float(ready.metric(outputs))


@pytest.mark.parametrize(
    ("shift", "threshold", "metric"),
    [
        (0.0, 0.50, 1.0),  # 0.41 to 0.60 separate both classes; the lower of the two middles
        (-0.2, 0.30, 1.0),  # 0.21 to 0.40
        (0.3, 0.80, 1.0),  # 0.71 to 0.90
    ],
)
def test_the_global_threshold_is_the_middle_of_the_best(
    shift: float, threshold: float, metric: float
) -> None:
    probabilities = np.array([[0.6, 0.4], [0.69, 0.3], [0.32, 0.65], [0.35, 0.31]]) + shift
    labels = np.array([[1, 0], [1, 0], [0, 1], [0, 0]], bool)
    measure = measure_of(labels, ("NORM", "SR"))
    assert global_threshold(probabilities, measure) == (threshold, metric)
    assert FITS["global"](probabilities, labels, ("NORM", "SR"), 0).options["values"] == (
        threshold,
        threshold,
    )


def test_a_probability_at_the_threshold_is_positive_and_the_best_may_be_imperfect() -> None:
    """From 0.21 to 0.30 F is 0.8 and 2/3, from 0.31 to 0.50 1 and 0."""
    probabilities = np.array([[0.7, 0.3], [0.7, 0.5], [0.3, 0.2]])
    labels = np.array([[1, 1], [1, 0], [0, 0]], bool)
    measure = measure_of(labels, ("NORM", "SR"))
    assert global_threshold(probabilities, measure) == (0.25, pytest.approx(0.7333, abs=1e-4))
    outputs = probabilities >= 0.3
    assert measure(outputs) == pytest.approx(0.7333, abs=1e-4)
    assert measure(probabilities >= 0.31) == pytest.approx(0.5)


def test_class_thresholds_are_never_worse_on_these_records_and_reproducible() -> None:
    probabilities, measure = probabilities_and_measure()
    _, metric = global_threshold(probabilities, measure)
    thresholds = class_thresholds(probabilities, measure, generations=5)
    assert thresholds.shape == (26,)
    assert measure(probabilities >= thresholds) >= metric
    again = class_thresholds(probabilities, measure, generations=5)
    np.testing.assert_array_equal(again, thresholds)


@pytest.mark.parametrize("slope", [0.5, 1.0, 2.0])
def test_temperature_finds_the_slope_that_generated_the_labels(slope: float) -> None:
    rng = np.random.default_rng(0)
    odds = rng.normal(-1, 1.5, (4000, 26))
    labels = rng.random(odds.shape) < 1 / (1 + np.exp(-slope * odds))
    assert temperature(1 / (1 + np.exp(-odds)), labels) == pytest.approx(slope, rel=0.02)


def test_weights_of_exclusive_classes_raise_the_mean_f_measure() -> None:
    """A rare class whose probability is half of what it should be against the frequent one."""
    rng = np.random.default_rng(0)
    labels = np.eye(2, dtype=bool)[(rng.random(2000) < 0.1).astype(int)]
    odds = rng.normal(size=2000) + 2 * labels[:, 1] - 2.5
    rare = sigmoid(odds)
    probabilities = np.stack([1 - rare, rare], axis=1)
    fitted = FITS["macro_f1"](probabilities, labels, ("N", "A"), 0)
    before, after = (
        float(macro(f_measure(count(labels, decide(decision, probabilities)))))
        for decision in (part("highest"), fitted)
    )
    assert after > before + 0.05
    assert fitted.options["weights"][1] > fitted.options["weights"][0]
    thresholds = [macro(f_measure(count(labels, np.stack([rare < t, rare >= t], 1)))) for t in GRID]
    assert after == pytest.approx(max(thresholds), abs=0.01)  # of two classes: a threshold


def test_each_fit_decides_and_expected_metric_corrects_the_calibration() -> None:
    """The log odds of the probabilities are twice too large; the fit must find that."""
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
    assert metrics["expected_metric"] > metrics["global"]
    assert decision.name == "expected_metric"
    assert temperature(sigmoid(odds), labels) == pytest.approx(0.5, abs=0.02)
    assert 0.35 <= decision.options["slope"] <= 0.7  # 0.5 times 0.7 to 1.4


@pytest.mark.parametrize("classes", [CODES, ("164889003", "270492004")])
def test_near_ties_falls_back_to_sinus_rhythm_if_it_is_a_class(classes) -> None:
    low = np.full((1, len(classes)), 0.01)
    decision = FITS["near ties"](low, np.zeros((1, len(classes)), bool), classes, 0)
    numbers = [decision.options[name] for name in ("threshold", "tie", "least")]
    assert numbers == [0.5, 0.03, 0.1]  # Kang & Wen 2022; `least` from their code
    labels = decide(decision, low)[0]
    assert [code for code, label in zip(classes, labels, strict=True) if label] == [
        code for code in ("426783006",) if code in classes
    ]


def test_expected_metric_is_fitted_on_an_even_subset(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All 22,000 validation records of the Challenge would take 20 minutes per lead set."""
    rng = np.random.default_rng(1)
    labels = rng.random((120, 26)) < 0.15
    probabilities = np.clip(rng.normal(0.35 + 0.3 * labels, 0.15), 0.01, 0.99)
    monkeypatch.setattr("training.decisions.EXPECTED_ON", 60)
    subset = FITS["expected_metric"](probabilities, labels, CODES, 0)
    even = [*range(0, 118, 2), 119]
    assert subset == FITS["expected_metric"](probabilities[even], labels[even], CODES, 0)
    monkeypatch.undo()
    assert FITS["expected_metric"](probabilities, labels, CODES, 0) != subset


def test_the_metric_of_other_classes_is_the_mean_f_measure() -> None:
    labels = np.array([[1, 0], [1, 1], [0, 1]], dtype=bool)
    measure = measure_of(labels, ("NORM", "SR"))
    outputs = np.array([[1, 0], [1, 0], [0, 0]], dtype=bool)
    assert measure(labels) == 1
    assert measure(outputs) == pytest.approx(0.5)  # F 1 and 0


def test_the_metric_of_2020s_classes_is_that_of_2020() -> None:
    """Its table has 27 codes, of which three pairs are one class, and 2021's weights."""
    assert set(CODES_2020) == {codes[0] for codes in load_weights(2020).classes}
    assert len(CODES_2020) == 24
    np.testing.assert_array_equal(rewards(CODES_2020), rewards(CODES_2020, 2020))
    rng = np.random.default_rng(0)
    labels, outputs = rng.random((2, 300, 24)) < 0.15
    of_2020 = challenge_metric(labels, outputs, CODES_2020, 2020)
    assert measure_of(labels, CODES_2020)(outputs) == pytest.approx(of_2020)
    assert METRICS["challenge"](labels, outputs, outputs, CODES_2020) == pytest.approx(of_2020)
    more = np.column_stack([labels, np.ones((300, 2), bool)])  # BBB and PRWP are labels in 2021
    of_2021 = challenge_metric(more, np.column_stack([outputs, np.zeros((300, 2), bool)]),
                               (*CODES_2020, "6374002", "365413008"))  # fmt: skip
    assert abs(of_2021 - of_2020) > 0.01
