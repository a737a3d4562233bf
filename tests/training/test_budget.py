"""Pace plans within the budget; the clock here is a test's own."""

import pytest
from training.pace import Pace


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def run(
    seconds: float, epochs: int, step_s: float, evaluation_s: float
) -> tuple[Pace, float, list]:
    """Train 10 steps and 2 evaluation batches an epoch; give pace, seconds used and rates."""
    clock = Clock()
    pace = Pace(seconds, epochs, steps=10, evaluations=2, clock=clock)
    progress = []
    while not pace.over:
        for _ in range(10):
            clock.now += step_s
            pace.stepped()
            progress.append(pace.progress)
            if pace.over:
                break
        clock.now += evaluation_s
        pace.evaluated()
    return pace, clock.now - 100.0, progress


def test_a_budget_that_does_not_bind_changes_nothing() -> None:
    pace, used, progress = run(seconds=1e6, epochs=4, step_s=1, evaluation_s=2)
    assert (pace.done, pace.plan, used) == (4, 4, 48)
    assert progress == pytest.approx([step / 40 for step in range(1, 41)])


@pytest.mark.parametrize("seconds", [15, 30, 61, 100])
def test_a_budget_that_binds_is_kept_and_used(seconds: float) -> None:
    pace, used, progress = run(seconds, epochs=1000, step_s=1, evaluation_s=2)
    assert used <= seconds + 1  # a step is the grain
    assert used >= seconds - 3
    assert progress[-1] == pytest.approx(1.0, abs=0.02)


def test_not_even_one_epoch_fits() -> None:
    pace, used, _ = run(seconds=7, epochs=75, step_s=1, evaluation_s=1)
    assert pace.done < 1
    assert used <= 8


def test_a_machine_that_slows_down_shortens_the_plan() -> None:
    clock = Clock()
    pace = Pace(100, 10, steps=10, evaluations=2, clock=clock)
    for step in range(60):
        clock.now += 0.5 if step < 20 else 2.0
        pace.stepped()
        if pace.over:
            break
    assert clock.now - 100 <= 103


def test_an_interrupted_training_keeps_its_account() -> None:
    clock = Clock()
    pace = Pace(100, 10, steps=10, evaluations=2, done=3, used=60, clock=clock)
    assert pace.used == 60
    for _ in range(5):
        clock.now += 1
        pace.stepped()
    assert pace.plan == pytest.approx(3.5 + (100 - 65 - 0.8) / 10.8, abs=0.2)
    assert pace.left_s == pytest.approx(100 - 65, abs=3)


def test_people_are_told_after_a_minute_then_every_ten() -> None:
    clock = Clock()
    pace = Pace(1e6, 2, steps=1000, evaluations=2, clock=clock)
    told = []
    for _ in range(1000):
        clock.now += 3
        pace.stepped()
        if pace.due:
            told.append(clock.now - 100)
            pace.told()
    assert told == [60, 660, 1260, 1860, 2460]
    clock.now += 500
    pace.evaluated()  # a word on the epoch follows, so the next one is ten minutes away
    assert not pace.due
    clock.now += 599
    assert not pace.due
    clock.now += 1
    assert pace.due


def test_short_epochs_do_not_swallow_the_first_word() -> None:
    clock = Clock()
    pace = Pace(1e6, 75, steps=10, evaluations=2, clock=clock)
    for _ in range(10):
        clock.now += 5.9
        pace.stepped()
    clock.now += 2
    pace.evaluated()
    assert pace.due


@pytest.mark.parametrize("step", [1, 2, 10, 15, 26])
def test_a_jump_of_the_clock_is_time_used_but_no_speed(step: int) -> None:
    clock = Clock()
    pace = Pace(1e6, 4, steps=10, evaluations=2, clock=clock)
    for number in range(1, 41):
        clock.now += 86_400 if number == step else 1
        pace.stepped()
        assert not pace.over or number == 40
    assert (pace.done, pace.plan) == (4, 4)
    assert pace.used == 86_400 + 39


def test_a_jump_past_the_budget_ends_training_within_steps() -> None:
    clock = Clock()
    pace = Pace(1000, 75, steps=100, evaluations=2, clock=clock)
    for number in range(1, 200):
        clock.now += 86_400 if number == 50 else 1
        pace.stepped()
        if pace.over:
            break
    assert number == 50
    assert pace.left_s == 0


def test_a_clock_that_goes_back_makes_nothing_negative() -> None:
    clock = Clock()
    pace = Pace(100, 10, steps=10, evaluations=2, clock=clock)
    for number in range(5):
        clock.now += -1e6 if number == 2 else 1
        pace.stepped()
        assert min(pace.used, pace.left_s, pace.step_s) >= 0
        assert 0 < pace.plan <= 10
    pace.evaluated()
    assert pace.left_s >= 0


def test_a_plan_may_end_early() -> None:
    clock = Clock()
    pace = Pace(1e6, 4, steps=10, evaluations=2, clock=clock)
    for _ in range(10):
        clock.now += 1
        pace.stepped()
    pace.evaluated()
    assert not pace.over
    pace.stop()
    assert pace.over
    assert (pace.plan, pace.left_s) == (1, 0)
