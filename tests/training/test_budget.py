"""The time budget plans epochs that fit; the clock here is a fake."""

import pytest

from training.budget import TimeBudget


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def run(
    seconds: float, epochs: int, step_s: float, evaluation_s: float
) -> tuple[TimeBudget, float, list]:
    """Train 10 steps and evaluate 2 batches per epoch; return budget, seconds used and progress."""
    clock = Clock()
    budget = TimeBudget(seconds, epochs, steps=10, evaluations=2, clock=clock)
    progress = []
    while not budget.over:
        for _ in range(10):
            clock.now += step_s
            budget.stepped()
            progress.append(budget.progress)
            if budget.over:
                break
        clock.now += evaluation_s
        budget.evaluated()
    return budget, clock.now - 100.0, progress


def test_a_budget_that_is_long_enough_changes_nothing() -> None:
    budget, used, progress = run(seconds=1e6, epochs=4, step_s=1, evaluation_s=2)
    assert (budget.done, budget.plan, used) == (4, 4, 48)
    assert progress == pytest.approx([step / 40 for step in range(1, 41)])


@pytest.mark.parametrize("seconds", [15, 30, 61, 100])
def test_a_shorter_budget_is_kept_and_used(seconds: float) -> None:
    budget, used, progress = run(seconds, epochs=1000, step_s=1, evaluation_s=2)
    assert used <= seconds + 1  # to within a step
    assert used >= seconds - 3
    assert progress[-1] == pytest.approx(1.0, abs=0.02)


def test_not_even_one_epoch_fits() -> None:
    budget, used, _ = run(seconds=7, epochs=75, step_s=1, evaluation_s=1)
    assert budget.done < 1
    assert used <= 8


def test_a_machine_that_slows_down_shortens_the_plan() -> None:
    clock = Clock()
    budget = TimeBudget(100, 10, steps=10, evaluations=2, clock=clock)
    for step in range(60):
        clock.now += 0.5 if step < 20 else 2.0
        budget.stepped()
        if budget.over:
            break
    assert clock.now - 100 <= 103


def test_an_interrupted_training_counts_the_time_that_it_used() -> None:
    clock = Clock()
    budget = TimeBudget(100, 10, steps=10, evaluations=2, done=3, used=60, clock=clock)
    assert budget.used == 60
    for _ in range(5):
        clock.now += 1
        budget.stepped()
    assert budget.plan == pytest.approx(3.5 + (100 - 65 - 0.8) / 10.8, abs=0.2)
    assert budget.left_s == pytest.approx(100 - 65, abs=3)


def test_a_report_is_due_after_a_minute_then_every_ten() -> None:
    clock = Clock()
    budget = TimeBudget(1e6, 2, steps=1000, evaluations=2, clock=clock)
    reports = []
    for _ in range(1000):
        clock.now += 3
        budget.stepped()
        if budget.due:
            reports.append(clock.now - 100)
            budget.reported()
    assert reports == [60, 660, 1260, 1860, 2460]
    clock.now += 500
    budget.evaluated()  # a line on the epoch follows, so the next report is due in ten minutes
    assert not budget.due
    clock.now += 599
    assert not budget.due
    clock.now += 1
    assert budget.due


def test_short_epochs_do_not_delay_the_first_report() -> None:
    clock = Clock()
    budget = TimeBudget(1e6, 75, steps=10, evaluations=2, clock=clock)
    for _ in range(10):
        clock.now += 5.9
        budget.stepped()
    clock.now += 2
    budget.evaluated()
    assert budget.due


@pytest.mark.parametrize("step", [1, 2, 10, 15, 26])
def test_a_jump_of_the_clock_counts_as_time_used_but_not_as_speed(step: int) -> None:
    clock = Clock()
    budget = TimeBudget(1e6, 4, steps=10, evaluations=2, clock=clock)
    for number in range(1, 41):
        clock.now += 86_400 if number == step else 1
        budget.stepped()
        assert not budget.over or number == 40
    assert (budget.done, budget.plan) == (4, 4)
    assert budget.used == 86_400 + 39


def test_a_jump_past_the_budget_ends_training_within_steps() -> None:
    clock = Clock()
    budget = TimeBudget(1000, 75, steps=100, evaluations=2, clock=clock)
    for number in range(1, 200):
        clock.now += 86_400 if number == 50 else 1
        budget.stepped()
        if budget.over:
            break
    assert number == 50
    assert budget.left_s == 0


def test_a_clock_that_is_set_back_makes_nothing_negative() -> None:
    clock = Clock()
    budget = TimeBudget(100, 10, steps=10, evaluations=2, clock=clock)
    for number in range(5):
        clock.now += -1e6 if number == 2 else 1
        budget.stepped()
        assert min(budget.used, budget.left_s, budget.step_s) >= 0
        assert 0 < budget.plan <= 10
    budget.evaluated()
    assert budget.left_s >= 0


def test_a_plan_may_end_early() -> None:
    clock = Clock()
    budget = TimeBudget(1e6, 4, steps=10, evaluations=2, clock=clock)
    for _ in range(10):
        clock.now += 1
        budget.stepped()
    budget.evaluated()
    assert not budget.over
    budget.stop()
    assert budget.over
    assert (budget.plan, budget.left_s) == (1, 0)
