"""Decisions: thresholds are plain; the expected one agrees with brute force over all outputs."""

from itertools import product

import numpy as np
import pytest

from ecg import LeadwiseError
from ecg.labels import CODES
from models import decision
from models.decision import decide, expected, thresholds
from models.recipe import part
from scoring.challenge import challenge_metric, rewards

REWARDS = rewards(CODES)
FEW = ("426783006", "164889003", "270492004", "164909002")  # sinus rhythm, AF, 1st degree AVB, LBBB


def test_thresholds_are_inclusive_and_one_a_class() -> None:
    labels = thresholds(np.array([[0.2, 0.5], [0.3, 0.49]]), values=(0.3, 0.5))
    assert labels.tolist() == [[False, True], [True, False]]
    with pytest.raises(LeadwiseError, match="3 thresholds for 2 classes"):
        thresholds(np.zeros((1, 2)), values=(0.1, 0.2, 0.3))


# The fact sheet's examples (revenger2021, section h); the last class is sinus rhythm.
@pytest.mark.parametrize(
    ("probabilities", "labels"),
    [
        ((0.09, 0.08, 0.01), (0, 0, 1)),
        ((0.40, 0.38, 0.36), (1, 1, 0)),
        ((0.12, 0.095, 0.01), (1, 0, 0)),
        ((0.50, 0.49, 0.01), (1, 0, 0)),
        ((0.70, 0.50, 0.69), (1, 1, 1)),
        ((0.10, 0.095, 0.08), (1, 0, 0)),  # 0.1 is enough
    ],
)
def test_near_ties(probabilities: tuple[float, ...], labels: tuple[int, ...]) -> None:
    numbers = {"threshold": 0.5, "tie": 0.03, "least": 0.1}
    many = np.array([probabilities, (0.9, 0.1, 0.2)])
    found = decide(part("near ties", **numbers, fallback=(2,)), many)
    assert found.dtype == bool
    assert found.astype(int).tolist() == [list(labels), [1, 0, 0]]
    without = decide(part("near ties", **numbers, fallback=()), many[:1])
    assert without.any() == (max(probabilities) >= 0.1)


def test_of_exclusive_classes_the_highest_is_the_label_and_of_equals_the_first() -> None:
    probabilities = np.array([[0.1, 0.6, 0.3], [0.2, 0.4, 0.4], [0.0, 0.0, 0.0]])
    found = decide(part("highest"), probabilities)
    assert found.dtype == bool
    assert found.astype(int).tolist() == [[0, 1, 0], [0, 1, 0], [1, 0, 0]]


def mean_score(outputs: np.ndarray, probabilities: np.ndarray, table: np.ndarray) -> float:
    """The expected score of a record's outputs, summed over all label vectors."""
    total = 0.0
    for truth in product([False, True], repeat=len(probabilities)):
        labels = np.array(truth)
        chance = np.prod(np.where(labels, probabilities, 1 - probabilities))
        shared = max(1, int((labels | outputs).sum()))
        total += chance * float(labels @ table @ outputs) / shared
    return total


def test_expected_is_nearly_the_best_of_all_outputs() -> None:
    """Four classes: all 16 outputs against all 16 label vectors, weighted by their chance.

    The draws are 256, so an expected score is known to about 0.5 / 16 = 0.03 at worst.
    """
    table = rewards(FEW)
    probabilities = np.random.default_rng(0).random((40, 4))
    found = expected(probabilities, slope=1, offset=0, rewards=table)
    for row, outputs in zip(probabilities, found, strict=True):
        scores = [mean_score(np.array(one), row, table) for one in product([False, True], repeat=4)]
        assert mean_score(outputs, row, table) > max(scores) - 0.03


def test_sure_probabilities_are_the_labels() -> None:
    labels = np.eye(26, dtype=bool)[[3, 14, 0]] | np.eye(26, dtype=bool)[[5, 14, 8]]
    found = expected(labels.astype(float), slope=1, offset=0, rewards=REWARDS)
    assert challenge_metric(labels, found, CODES) == pytest.approx(1.0)


def test_a_record_is_decided_by_itself_alone() -> None:
    probabilities = np.random.default_rng(1).random((150, 26)) ** 3
    numbers = {"slope": 1.1, "offset": 0.25, "rewards": REWARDS}
    together = expected(probabilities, **numbers)
    alone = [expected(row[None], **numbers)[0] for row in probabilities]
    np.testing.assert_array_equal(together, alone)


def test_it_beats_a_threshold_where_labels_follow_the_probabilities() -> None:
    rng = np.random.default_rng(2)
    probabilities = rng.random((3000, 26)) ** 8
    labels = rng.random(probabilities.shape) < probabilities
    best = max(challenge_metric(labels, probabilities >= t, CODES) for t in np.arange(1, 20) / 20)
    found = expected(probabilities, slope=1, offset=0, rewards=REWARDS)
    assert challenge_metric(labels, found, CODES) > best


def test_every_class_is_drawn_as_often_as_it_should() -> None:
    drawn = decision._uniform(26) < 0.25
    assert (drawn.mean(axis=0) == 0.25).all()
    assert abs(np.corrcoef(drawn.T) - np.eye(26)).max() < 0.25  # 256 draws: 1/16 is one sigma


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        (part("guess"), "no decision 'guess'; known are thresholds, near ties, highest, expected"),
        (
            part("near ties", threshold=0.5, tie=0.03, least=0.1, fallback=(9,)),
            "'near ties' has odd numbers",
        ),
        (part("thresholds"), "'thresholds' has odd numbers"),
        (part("thresholds", values=("a", "b")), "'thresholds' has odd numbers"),
        (part("expected", slope=1, offset=0, rewards=((1.0,),)), r"rewards of shape \(1, 1\)"),
    ],
)
def test_odd_decisions_are_said(odd, said: str) -> None:
    with pytest.raises(LeadwiseError, match=said):
        decide(odd, np.zeros((1, 2)))
