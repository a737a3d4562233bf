"""Metrics per sample and per beat, beside a plain reference that counts sample by sample."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ecg import LeadwiseError
from scoring.segments import beat_f1, confusion, dice

CLASSES, UNKNOWN = 4, 255


def plain_f1(target: np.ndarray, predicted: np.ndarray, index: int) -> float:
    """2 TP / (2 TP + FP + FN) of a class; NaN where it is absent from both."""
    tp = fp = fn = 0
    for truth, guess in zip(target.ravel(), predicted.ravel(), strict=True):
        if truth != UNKNOWN:
            tp += truth == index and guess == index
            fp += truth != index and guess == index
            fn += truth == index and guess != index
    return 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else math.nan


def plain_mean(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


SHAPES = arrays.array_shapes(min_dims=1, max_dims=3, max_side=6)
PAIRS = SHAPES.flatmap(
    lambda shape: st.tuples(
        arrays.arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 2, 3, UNKNOWN])),
        arrays.arrays(np.uint8, shape, elements=st.integers(0, CLASSES - 1)),
    )
)


@given(PAIRS)
def test_metrics_equal_the_plain_reference(pair: tuple[np.ndarray, np.ndarray]) -> None:
    target, predicted = pair
    counts = confusion(target, predicted, CLASSES)
    assert counts.dtype == np.int64
    assert counts.shape == (CLASSES, CLASSES)
    assert counts.sum() == (target != UNKNOWN).sum()
    for i in range(CLASSES):
        for j in range(CLASSES):
            assert counts[i, j] == ((target == i) & (predicted == j)).sum()
    f1 = [plain_f1(target, predicted, index) for index in range(CLASSES)]
    expected = plain_mean(f1[1:])
    assert dice(counts) == pytest.approx(expected, nan_ok=True)
    expected = plain_mean([f1[index] for index in range(CLASSES) if (target == index).any()])
    assert beat_f1(counts) == pytest.approx(expected, nan_ok=True)


@given(PAIRS)
def test_confusions_of_parts_add_up(pair: tuple[np.ndarray, np.ndarray]) -> None:
    target, predicted = pair
    halves = [confusion(target[part], predicted[part], CLASSES) for part in np.s_[:1, 1:]]
    np.testing.assert_array_equal(sum(halves), confusion(target, predicted, CLASSES))


def test_dice_ignores_none_and_absent_classes_and_f1_ignores_classes_without_target() -> None:
    counts = np.zeros((4, 4), np.int64)
    counts[0, 0], counts[1, 1], counts[0, 2] = 100, 10, 5
    assert dice(counts) == (1 + 0) / 2  # class 2 is predicted only, class 3 is absent
    assert beat_f1(counts) == pytest.approx((200 / 205 + 1) / 2)


def test_nothing_known_is_nan() -> None:
    counts = confusion(np.full(3, UNKNOWN), np.zeros(3, int), 2)
    assert not counts.any()
    assert math.isnan(dice(counts))
    assert math.isnan(beat_f1(counts))


def test_predictions_at_unknown_targets_may_be_anything() -> None:
    counts = confusion(np.array([[1, -1]]), np.array([[1, 77]]), 2, unknown=-1)
    assert counts.tolist() == [[0, 0], [0, 1]]


@pytest.mark.parametrize(("target", "predicted"), [([2], [0]), ([0], [2]), ([-1], [0])])
def test_an_index_outside_the_classes_is_an_error(target: list[int], predicted: list[int]) -> None:
    with pytest.raises(LeadwiseError, match="with 2 classes they must be 0 to 1, or 255 for an"):
        confusion(np.array(target), np.array(predicted), 2)


def test_shapes_must_agree() -> None:
    with pytest.raises(LeadwiseError, match=r"targets have the shape \(2,\), predictions \(3,\)"):
        confusion(np.zeros(2, int), np.zeros(3, int), 2)
