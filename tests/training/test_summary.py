"""The last lines of a training: scores of what is written, and warnings of useless models."""

import math

import numpy as np
import pytest

from models import find
from models.recipe import Head, vary
from scoring import METRICS
from training.evaluate import Scores, constant_dense_score, constant_score
from training.summary import Result, summary_lines

RECIPE = find("isibrno-basic")
TWO = RECIPE.lead_sets[:2]


def lines(*results: Result, **changes: object) -> list[str]:
    recipe = vary(RECIPE, lead_sets=TWO[: max(1, len(results))], **changes)
    return list(summary_lines(recipe, results))


def result(name: str, epochs: int, decision: float, rules: float | None, constant: float) -> Result:
    return Result(name, [0.5] * epochs, 2, {"diagnosis": Scores(decision, rules, constant)})


def test_good_lead_sets_have_a_line_each_and_no_warning() -> None:
    assert lines(
        result("12-leads", 9, 0.6, None, 0.4), result("6-leads", 7, 0.5, 0.55, 0.4)
    ) == [
        "12-leads: best epoch 2 of 9, validation challenge 0.600 with the fitted decision; the "
        "best constant answer 0.400",
        "6-leads: best epoch 2 of 7, validation challenge 0.500 with the fitted decision, 0.550 "
        "with rules; the best constant answer 0.400",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("decision", "rules", "warned"),
    [(0.4, None, True), (0.41, None, False), (0.5, 0.39, True), (0.3, 0.45, False),
     (math.nan, None, True)],
)  # fmt: skip
def test_a_model_that_does_not_beat_the_constant_answer_is_called_useless(
    decision: float, rules: float | None, warned: bool
) -> None:
    """What counts is the score of what is written, with rules if there are any."""
    *_, last = lines(result("12-leads", 9, decision, rules, 0.4))
    assert last.startswith("Warning: 12-leads: the validation challenge is not better") == warned


def test_a_head_without_validation_targets_is_not_called_useless() -> None:
    assert lines(result("12-leads", 9, math.nan, None, math.nan)) == [
        "12-leads: validation challenge is not measured, because no validation record has known "
        "diagnosis"
    ]


@pytest.mark.parametrize(
    ("epochs", "planned", "warned"),
    [(1, 75, True), (2, 75, True), (3, 75, False), (1, 1, False), (1, 2, True), (2, 2, False)],
)
def test_fewer_epochs_than_planned_are_named(epochs: int, planned: int, warned: bool) -> None:
    *_, last = lines(result("2-leads", epochs, 0.6, None, 0.4), epochs=planned)
    text = f"Warning: 2-leads: fewer than 3 of {planned} epochs; these networks are hardly trained"
    assert last.startswith(text) == warned


def test_lead_sets_that_are_not_trained_are_counted() -> None:
    recipe = vary(RECIPE, lead_sets=RECIPE.lead_sets[:3])
    *_, last = summary_lines(recipe, [result("12-leads", 9, 0.6, None, 0.4)])
    assert last == ("Warning: 2 lead sets are not trained; set more minutes, or fewer lead sets.")


def test_the_best_constant_answer() -> None:
    """Written out: of three classes in 8, 6 and 1 of 10 records, the first two together."""
    labels = np.zeros((10, 3), bool)
    labels[:8, 0] = labels[:6, 1] = labels[9, 2] = True
    classes = ("a", "b", "c")
    # F of a: 16/18, of b: 12/16, of c: 2/11; of classes that are not answered 0.
    all_three = (16 / 18 + 12 / 16 + 2 / 11) / 3
    assert constant_score(Head(metric="f_measure"), labels, classes) == pytest.approx(all_three)
    # Records with exactly these labels: none with all three, 6 with a and b, 2 with a alone.
    assert constant_score(Head(metric="accuracy"), labels, classes) == pytest.approx(0.6)
    assert constant_score(Head(metric="auroc"), labels, classes) == 0.5


def test_the_best_constant_answer_of_exclusive_classes_is_one_class() -> None:
    labels = np.eye(4, dtype=bool)[[0, 0, 0, 1, 2, 3]]
    letters = ("N", "A", "O", "~")
    head = Head(metric="af_accuracy", classes="af", exclusive=True)
    assert constant_score(head, labels, letters) == pytest.approx(0.5)
    both = Head(metric="accuracy", classes="af", exclusive=True)
    answers = [METRICS["accuracy"](labels, np.tile(one, (6, 1)), labels, letters)
               for one in np.eye(4, dtype=bool)]  # fmt: skip
    assert constant_score(both, labels, letters) == max(answers)


def test_the_best_constant_answer_of_samples() -> None:
    """Dice of class 1 for all 100 samples: 2 · 30 / (100 + 30); class 2 is then missed."""
    head = Head("waves", "samples", classes="waves", metric="dice")
    counts = np.array([[50, 5, 5], [3, 27, 0], [0, 0, 10]])
    expected = max(2 * 30 / 130 / 2, 2 * 10 / 110 / 2)
    assert constant_dense_score(head, counts) == pytest.approx(expected)


def test_no_class_is_a_constant_answer_too() -> None:
    labels = np.zeros((4, 3), bool)
    labels[0, 1] = True
    head = Head(metric="accuracy", classes="all")
    assert constant_score(head, labels, ("a", "b", "c")) == 0.75
