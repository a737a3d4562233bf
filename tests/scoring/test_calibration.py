"""Calibration beside a count by hand and a known distortion."""

import numpy as np
import pytest

from scoring.calibration import calibration_error, class_calibration_error, reliability


def test_a_count_by_hand() -> None:
    labels = np.array([[0, 1], [0, 1], [1, 0]])
    probabilities = np.array([[0.05, 0.95], [0.15, 1.0], [0.12, 0.55]])
    bins = reliability(labels, probabilities)
    assert bins.pairs.tolist() == [1, 2, 0, 0, 0, 1, 0, 0, 0, 2]
    assert bins.predicted[[0, 1, 5, 9]] == pytest.approx([0.05, 0.135, 0.55, 0.975])
    assert bins.observed[[0, 1, 5, 9]].tolist() == [0, 0.5, 0, 1]
    by_hand = (0.05 + 2 * (0.5 - 0.135) + 0.55 + 2 * 0.025) / 6
    assert calibration_error(labels, probabilities) == pytest.approx(by_hand)


def test_labels_drawn_from_the_probabilities_are_calibrated_and_distorted_ones_are_not() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.random((4000, 5))
    labels = rng.random(probabilities.shape) < probabilities
    # 20,000 pairs in 10 bins: a bin's share is known to 0.5 / √2000 = 0.011.
    assert calibration_error(labels, probabilities) < 0.011
    assert calibration_error(labels, probabilities**2) == pytest.approx(1 / 6, abs=0.01)
    assert class_calibration_error(labels, probabilities**2) == pytest.approx(1 / 6, abs=0.02)


def test_classes_without_a_positive_are_left_out() -> None:
    labels, probabilities = np.array([[1, 0], [0, 0]]), np.array([[1.0, 0.9], [0.0, 0.9]])
    assert class_calibration_error(labels, probabilities) == 0
    assert calibration_error(labels, probabilities) == pytest.approx(0.45)
    assert np.isnan(class_calibration_error(labels[:, 1:], probabilities[:, 1:]))
