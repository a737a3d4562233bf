"""Decisions: thresholds, near ties, the highest, and expected-metric against brute force."""

from itertools import product

import numpy as np
import pytest

from ecg import LeadwiseError
from ecg.labels import CODES
from models import decision
from models.decision import _uniform, decide, expected_metric, highest, logit, thresholds
from models.recipe import Part, part
from scoring.challenge import challenge_metric, rewards

REWARDS = rewards(CODES)
FEW = ("426783006", "164889003", "270492004", "164909002")  # sinus rhythm, AF, 1st degree AVB, LBBB


def test_thresholds_are_inclusive_and_one_per_class() -> None:
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
    decided = decide(part("near ties", **numbers, fallback=(2,)), many)
    assert decided.dtype == bool
    assert decided.astype(int).tolist() == [list(labels), [1, 0, 0]]
    without = decide(part("near ties", **numbers, fallback=()), many[:1])
    assert without.any() == (max(probabilities) >= 0.1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_no_decision_answers_for_probabilities_that_are_not_finite(value: float) -> None:
    probabilities = np.array([[0.1, 0.2], [0.3, value]])
    for fitted in (part("highest"), part("thresholds", values=(0.5, 0.5))):
        with pytest.raises(LeadwiseError, match="probabilities are not finite"):
            decide(fitted, probabilities)
    with pytest.raises(LeadwiseError, match="probabilities are not finite"):
        highest(probabilities)


def test_the_highest_weighted_probability_is_the_label() -> None:
    probabilities = np.array([[0.5, 0.3, 0.2], [0.8, 0.1, 0.1]])
    labels = decide(part("highest", weights=(1.0, 2.0, 1.0)), probabilities)
    assert labels.tolist() == [[False, True, False], [True, False, False]]
    with pytest.raises(LeadwiseError, match="2 weights for 3 classes"):
        highest(probabilities, weights=(1.0, 2.0))


def test_the_highest_of_exclusive_classes_is_the_label_and_the_first_of_equal_ones() -> None:
    probabilities = np.array([[0.1, 0.6, 0.3], [0.2, 0.4, 0.4], [0.0, 0.0, 0.0]])
    labels = decide(part("highest"), probabilities)
    assert labels.dtype == bool
    assert labels.astype(int).tolist() == [[0, 1, 0], [0, 1, 0], [1, 0, 0]]


def mean_score(outputs: np.ndarray, probabilities: np.ndarray, table: np.ndarray) -> float:
    """Return the expected score of a record's outputs, summed over all label vectors."""
    total = 0.0
    for truth in product([False, True], repeat=len(probabilities)):
        labels = np.array(truth)
        chance = np.prod(np.where(labels, probabilities, 1 - probabilities))
        shared = max(1, int((labels | outputs).sum()))
        total += chance * float(labels @ table @ outputs) / shared
    return total


def test_expected_metric_is_nearly_the_best_of_all_outputs() -> None:
    """Four classes: all 16 outputs against all 16 label vectors, weighted by probability.

    With 256 draws, the standard error of an expected score is at most 0.5 / 16 = 0.03.
    """
    table = rewards(FEW)
    probabilities = np.random.default_rng(0).random((40, 4))
    labels = expected_metric(probabilities, slope=1, offset=0, rewards=table)
    for row, outputs in zip(probabilities, labels, strict=True):
        scores = [mean_score(np.array(one), row, table) for one in product([False, True], repeat=4)]
        assert mean_score(outputs, row, table) > max(scores) - 0.03


def test_probabilities_of_0_and_1_are_the_labels() -> None:
    labels = np.eye(26, dtype=bool)[[3, 14, 0]] | np.eye(26, dtype=bool)[[5, 14, 8]]
    decided = expected_metric(labels.astype(float), slope=1, offset=0, rewards=REWARDS)
    assert challenge_metric(labels, decided, CODES) == pytest.approx(1.0)


def test_labels_of_a_record_do_not_depend_on_other_records() -> None:
    probabilities = np.random.default_rng(1).random((150, 26)) ** 3
    numbers = {"slope": 1.1, "offset": 0.25, "rewards": REWARDS}
    together = expected_metric(probabilities, **numbers)
    alone = [expected_metric(row[None], **numbers)[0] for row in probabilities]
    np.testing.assert_array_equal(together, alone)


def test_expected_metric_exceeds_a_threshold_if_labels_follow_the_probabilities() -> None:
    rng = np.random.default_rng(2)
    probabilities = rng.random((3000, 26)) ** 8
    labels = rng.random(probabilities.shape) < probabilities
    best = max(challenge_metric(labels, probabilities >= t, CODES) for t in np.arange(1, 20) / 20)
    decided = expected_metric(probabilities, slope=1, offset=0, rewards=REWARDS)
    assert challenge_metric(labels, decided, CODES) > best


def test_every_class_is_drawn_with_its_probability() -> None:
    drawn = decision._uniform(26) < 0.25
    assert (drawn.mean(axis=0) == 0.25).all()
    assert abs(np.corrcoef(drawn.T) - np.eye(26)).max() < 0.25  # 256 draws: 1/16 is one sigma


@pytest.mark.parametrize(
    ("decided_by", "message"),
    [
        (
            part("guess"),
            "no decision 'guess'; known are thresholds, near ties, highest, expected_m",
        ),
        (
            part("near ties", threshold=0.5, tie=0.03, least=0.1, fallback=(9,)),
            "'near ties' has wrong numbers",
        ),
        (part("thresholds"), "'thresholds' has wrong numbers"),
        (part("thresholds", values=("a", "b")), "'thresholds' has wrong numbers"),
        (
            part("expected_metric", slope=1, offset=0, rewards=((1.0,),)),
            r"rewards of shape \(1, 1\)",
        ),
    ],
)
def test_wrong_decisions_are_refused(decided_by: Part, message: str) -> None:
    with pytest.raises(LeadwiseError, match=message):
        decide(decided_by, np.zeros((1, 2)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_probabilities_that_are_not_finite_have_no_label(value: float) -> None:
    """`argmax` would give class 0 for a row of NaN, and thresholds no class."""
    probabilities = np.array([[0.2, 0.8], [value, value]])
    with pytest.raises(LeadwiseError, match="probabilities are not finite"):
        highest(probabilities)
    for decided_by in (part("highest"), part("thresholds", values=(0.5, 0.5))):
        with pytest.raises(LeadwiseError, match="probabilities are not finite"):
            decide(decided_by, probabilities)


@pytest.mark.parametrize(
    ("probability", "slope", "offset", "label"),
    [(0.5, 2.0, -6.0, True), (0.5, 2.0, -6.5, False), (0.75, 2.0, -8.2, True),
     (0.75, 2.0, -8.7, False), (0.25, 0.5, -5.6, True), (0.25, 0.5, -6.0, False)],
)  # fmt: skip
def test_label_vectors_are_drawn_from_calibrated_probabilities(
    probability: float, slope: float, offset: float, label: bool
) -> None:
    """A single class pays off if a vector of 256 has it: above 1 / 512, log odds of -6.236.

    Log odds of a probability of 0.75 are ln 3 = 1.0986.
    """
    numbers = {"slope": slope, "offset": offset, "rewards": ((1.0,),)}
    labels = decide(part("expected_metric", **numbers), np.array([[probability]]))
    assert labels.tolist() == [[label]]


def test_near_ties_include_a_probability_exactly_at_the_limit() -> None:
    """Binary fractions: 3/16 is a tie of 1/4 within 1/16, and 1/8 the least that counts."""
    numbers = {"threshold": 0.5, "tie": 0.0625, "least": 0.125, "fallback": ()}
    probabilities = np.array([[0.25, 0.1875, 0.18], [0.125, 0.124, 0.0], [0.5, 0.49, 0.46]])
    labels = decide(part("near ties", **numbers), probabilities)
    assert labels.astype(int).tolist() == [[1, 1, 0], [1, 0, 0], [1, 0, 0]]


@pytest.mark.parametrize("seed", range(20))
def test_no_flip_of_one_label_raises_the_expected_metric(seed: int) -> None:
    """Rewards are drawn; a label that pays off at first may not once others are there."""
    draws = np.random.default_rng(seed)
    probabilities, rewards = draws.random((1, 6)), draws.random((6, 6)) * 2 - 0.7
    numbers = {"slope": 1.0, "offset": 0.0, "rewards": rewards.tolist()}
    (label,) = decide(part("expected_metric", **numbers), probabilities)
    truths = _uniform(6) < probabilities

    def mean(outputs: np.ndarray) -> float:
        earned = (truths[:, :, None] & outputs).astype(float) * rewards
        size = np.maximum(1, (truths | outputs).sum(1))
        return float((earned.sum((1, 2)) / size).mean())

    for one in np.eye(6, dtype=bool):
        assert mean(label ^ one) <= mean(label) + 2e-5


@pytest.mark.parametrize(
    ("probability", "odds"),
    [(0.5, 0.0), (0.75, 1.098612), (1e-6, -13.815510), (0.999999, 13.815510), (0.0, -27.631021),
     (1.0, 27.631)],
)  # fmt: skip
def test_log_odds(probability: float, odds: float) -> None:
    """Also of probabilities near 0 and 1; of 0 and 1 those of 1e-12 and the rest."""
    assert logit(np.array([probability]))[0] == pytest.approx(odds, abs=1e-3)
