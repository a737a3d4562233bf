"""The time budget plans steps that fit, with all that follows them; the clock here is a fake."""

from collections.abc import Iterator

import pytest

import ecg
from ecg import LeadwiseError
from training import budget as budget_module
from training.budget import (
    FINISH_S,
    UNLIMITED,
    TimeBudget,
    TotalBudget,
    process_age,
    reserve_of,
)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def total_of(seconds: float, clock: Clock, sets: int = 1, finish_s: float = 0.001) -> TotalBudget:
    total = TotalBudget(seconds, sets, clock=clock)
    total.finish_s = finish_s
    return total


def time_budget(
    seconds: float, epochs: int, clock: Clock, *, steps: int = 10, done: int = 0, used: float = 0
) -> TimeBudget:
    total = total_of(seconds, clock)
    return TimeBudget(total, epochs, steps, evaluations=2, done=done, used=used)


class Training:
    """One lead set's training of 10 steps per epoch on the fake clock."""

    def __init__(self, clock: Clock, total: TotalBudget, epochs: int) -> None:
        self.clock, self.start = clock, clock.now
        self.budget = TimeBudget(total, epochs, steps=10, evaluations=2)
        self.progress: list[float] = []

    def run(
        self, step_s: float, evaluation_s: float, slow_from: float = 1e9, slow: float = 1
    ) -> float:
        """Train to the end of the plan, slower from some time on; return the seconds used."""

        def factor() -> float:
            return slow if self.clock.now - self.start >= slow_from else 1

        while not self.budget.over:
            for _ in range(10):
                self.clock.now += step_s * factor()
                self.budget.stepped()
                self.progress.append(self.budget.progress)
                if self.budget.over:
                    break
            self.clock.now += evaluation_s * factor()
            self.budget.evaluated()
        return self.clock.now - self.start


def trained(
    seconds: float, epochs: int, step_s: float, evaluation_s: float, **slow: float
) -> tuple[TimeBudget, float, list[float]]:
    clock = Clock()
    training = Training(clock, total_of(seconds, clock), epochs)
    used = training.run(step_s, evaluation_s, **slow)
    return training.budget, used, training.progress


def test_a_budget_that_is_long_enough_changes_nothing() -> None:
    budget, used, progress = trained(seconds=1e6, epochs=4, step_s=1, evaluation_s=2)
    assert (budget.done, budget.plan, used) == (4, 4, 48)
    assert progress == pytest.approx([step / 40 for step in range(1, 41)])
    assert not budget.cut


def test_a_budget_that_just_suffices_changes_nothing_and_a_shorter_one_does() -> None:
    """Progress, and with it the learning rate, does not depend on the clock."""
    for factor in (1.0, 1.7):
        _, used, progress = trained(49 * factor, epochs=4, step_s=factor, evaluation_s=2 * factor)
        assert progress == [step / 40 for step in range(1, 41)]
        assert used <= 49 * factor
    budget, used, _ = trained(45, epochs=4, step_s=1, evaluation_s=2)
    assert used <= 45
    assert 3 < budget.plan < 4


@pytest.mark.parametrize("seconds", [15, 30, 61, 100])
def test_a_shorter_budget_is_kept_and_used(seconds: float) -> None:
    budget, used, progress = trained(seconds, epochs=1000, step_s=1, evaluation_s=2)
    assert seconds - 3.1 <= used <= seconds  # a whole step and an evaluation did not fit
    assert progress[-1] == 1.0 or seconds == 15  # the first evaluation took longer than estimated
    assert budget.cut


def test_the_first_epoch_is_cut() -> None:
    for seconds in (5, 7, 9):
        budget, used, _ = trained(seconds, epochs=75, step_s=1, evaluation_s=1)
        assert used <= seconds
        assert budget.done == pytest.approx((seconds - 2) / 10, abs=0.11)


def test_a_single_step_is_taken_whatever_it_costs() -> None:
    budget, used, _ = trained(seconds=5, epochs=75, step_s=60, evaluation_s=6)
    assert (budget.done, used) == (0.1, 66)


def test_a_first_step_that_is_slow_does_not_end_the_training() -> None:
    clock = Clock()
    budget = time_budget(60, 75, clock)
    for took in (20, 1, 1, 1):
        clock.now += took
        budget.stepped()
        assert not budget.over
    assert budget.plan > 2


@pytest.mark.parametrize("evaluation_s", [10, 25])
def test_a_slow_evaluation_is_reserved_once_it_is_measured(evaluation_s: float) -> None:
    """The first one comes as a surprise; all later ones are planned."""
    _, used, _ = trained(seconds=100, epochs=75, step_s=0.5, evaluation_s=evaluation_s)
    assert 100 - evaluation_s - 1 <= used <= 100


def test_the_evaluation_of_an_earlier_lead_set_is_the_estimate_of_the_next() -> None:
    clock = Clock()
    total = total_of(140, clock, sets=2)
    Training(clock, total, 75).run(1.0, 25.0)
    total.finished(0.5)
    second = Training(clock, total, 75)
    assert second.budget.seconds == pytest.approx(240 - clock.now)
    second.run(1.0, 25.0)
    assert clock.now - 100 <= 140


def test_time_for_the_decision_is_reserved() -> None:
    clock = Clock()
    used = Training(clock, total_of(100, clock, finish_s=30), 75).run(1.0, 2.0)
    assert 66 < used <= 70
    clock = Clock()
    used = Training(clock, TotalBudget(100, 1, clock=clock), 75).run(1.0, 2.0)
    assert 100 - FINISH_S - 6 < used <= 100 - FINISH_S - 2  # not measured: predicted once more


@pytest.mark.parametrize("slow", [2.0, 4.0])
def test_a_machine_that_slows_down_shortens_the_plan(slow: float) -> None:
    budget, used, progress = trained(
        100, epochs=20, step_s=0.5, evaluation_s=5, slow_from=50, slow=slow
    )
    quick, quick_used, _ = trained(100, epochs=20, step_s=0.5, evaluation_s=5)
    assert used <= 100 + slow * 0.5
    assert quick_used <= 100
    assert budget.plan < quick.plan - 1.5, "the plan of the quick machine does not fit"
    assert progress[-1] > 0.9


def test_no_lead_set_takes_all() -> None:
    """Five lead sets share the time left; each one's decision takes a second."""
    clock = Clock()
    total = TotalBudget(300, 5, age_s=20, clock=clock)
    used = []
    for number in range(5):
        used.append(Training(clock, total, 1000).run(1.0 + 0.2 * number, 3.0))
        clock.now += 1.0
        total.finished(1.0)
    assert 290 - 20 < clock.now - 100 <= 300 - 20
    assert min(used) > 40
    assert max(used) < 70


def test_no_plan_uses_the_reserve() -> None:
    """The last lead set ends before it; 4 % of a short budget, a minute of a long one."""
    clock = Clock()
    total = TotalBudget(300, 2, reserve_s=12, clock=clock)
    total.finish_s = 0.001
    for _ in range(2):
        Training(clock, total, 1000).run(1.0, 3.0)
        total.finished(0.001)
    assert 280 < clock.now - 100 <= 288
    assert [reserve_of(seconds) for seconds in (60, 300, 6000)] == pytest.approx([2.4, 12, 60])


def test_a_lead_set_that_ends_early_leaves_its_time_to_the_others() -> None:
    clock = Clock()
    total = total_of(100, clock, sets=2)
    Training(clock, total, 1).run(1.0, 2.0)
    total.finished(0.001)
    assert total.share_s == pytest.approx(88)


def test_what_no_longer_fits_is_known() -> None:
    clock = Clock()
    total = TotalBudget(100, 3, clock=clock)
    assert not total.too_short, "nothing is measured"
    Training(clock, total, 1).run(2.0, 6.0)
    total.finished(4.0)
    clock.now = 100 + 100 - 12.1
    assert not total.too_short
    clock.now = 100 + 100 - 11.9
    assert total.too_short


def test_the_time_until_the_first_step_ends_is_part_of_what_must_fit() -> None:
    clock = Clock()
    total = TotalBudget(100, 3, clock=clock)
    clock.now += 10  # reading
    total.started()
    clock.now += 5  # the network is made
    Training(clock, total, 1).run(2.0, 6.0)
    total.finished(4.0)
    clock.now = 100 + 100 - (5 + 2 + 6 + 4) - 0.1
    assert not total.too_short
    clock.now = 100 + 100 - (5 + 2 + 6 + 4) + 0.1
    assert total.too_short


def test_start_up_counts_unless_the_process_did_other_work_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(budget_module.time, "monotonic", lambda: ecg.IMPORTED + 7.0)
    assert process_age() == pytest.approx(7.0)
    monkeypatch.setattr(budget_module.time, "monotonic", lambda: ecg.IMPORTED + 700.0)
    assert process_age() == 0
    clock = Clock()
    total = TotalBudget(100, 2, age_s=7.0, clock=clock)
    assert (total.spent_s, total.left_s, total.share_s) == (7, 93, 46.5)


def read(records: int, record_s: float, clock: Clock, total: TotalBudget, start_s: float) -> int:
    """Read records on the fake clock until the budget ends it; return how many were read."""
    done = 0

    def results() -> Iterator[int]:
        nonlocal done
        clock.now += start_s
        for number in range(records):
            clock.now += record_s
            done += 1
            yield number

    assert list(total.within(results(), records, "read")) == list(range(records))
    return done


@pytest.mark.parametrize(("start_s", "read_s"), [(0.0, "50 s"), (7.0, "50 s")])
def test_reading_stops_at_the_end_of_the_budget(start_s: float, read_s: str) -> None:
    """Processes that start before the first record are in the time, and not in the rate."""
    clock = Clock()
    total = TotalBudget(60, 1, age_s=10, clock=clock)
    number = int((50 - start_s) / 0.5)
    with pytest.raises(LeadwiseError) as error:
        read(88_253, 0.5, clock, total, start_s)
    assert str(error.value) == (
        f"the budget of 1 min 0 s is used up: {number} of 88,253 records were read in {read_s}, "
        "and all take about 736 min; set more minutes (LEADWISE_MINUTES), and start again, which "
        "begins at the first record"
    )
    assert clock.now == 100 + 50


def test_records_that_are_read_when_the_budget_ends_are_used() -> None:
    """The last one may end late: what follows reports it."""
    clock = Clock()
    total = TotalBudget(10, 1, clock=clock)
    assert read(20, 0.5, clock, total, 0.0) == 20
    assert total.left_s == 0
    assert read(1, 0.5, clock, total, 0.0) == 1
    assert read(0, 0.5, clock, total, 0.0) == 0


def test_one_record_gives_no_estimate() -> None:
    clock = Clock()
    with pytest.raises(LeadwiseError, match=r"1 of 3 records were read in 7 s; set more minutes"):
        read(3, 7.0, clock, TotalBudget(5, 1, clock=clock), 0.0)


def test_without_a_budget_reading_never_stops() -> None:
    assert len(list(UNLIMITED.within(range(1000), 1000, "read"))) == 1000


def test_an_interrupted_training_counts_the_time_that_it_used() -> None:
    clock = Clock()
    budget = time_budget(100, 10, clock, done=30, used=60)
    assert budget.used == 60
    assert budget.total.left_s == 40
    for _ in range(5):
        clock.now += 1
        budget.stepped()
    # After 3.5 epochs 35 s are left; 4.2 epochs are 5 + 2 steps and two evaluations of 0.8 s.
    assert budget.plan == pytest.approx(3.5 + (35 - 0.8 - 3 * 0.8) / 10, abs=0.15)
    assert budget.left_s == pytest.approx(35, abs=2)


def test_an_interrupted_training_whose_time_is_used_up_takes_no_further_step() -> None:
    clock = Clock()
    assert time_budget(100, 10, clock, done=30, used=100).over
    assert not time_budget(100, 10, clock, done=30, used=99).over
    assert not time_budget(-5, 10, clock).over


def test_a_report_is_due_after_a_minute_then_every_ten() -> None:
    clock = Clock()
    budget = time_budget(1e6, 2, clock, steps=1000)
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


def test_the_state_is_saved_every_three_minutes() -> None:
    clock = Clock()
    budget = time_budget(1e6, 2, clock, steps=1000)
    saves = []
    for _ in range(200):
        clock.now += 3
        budget.stepped()
        if budget.save_due:
            saves.append(clock.now - 100)
            budget.saved()
    assert saves == [180, 360, 540]


def test_short_epochs_do_not_delay_the_first_report() -> None:
    clock = Clock()
    budget = time_budget(1e6, 75, clock)
    for _ in range(10):
        clock.now += 5.9
        budget.stepped()
    clock.now += 2
    budget.evaluated()
    assert budget.due


@pytest.mark.parametrize("step", [1, 2, 3, 10, 15, 26])
def test_a_jump_of_the_clock_counts_as_time_used_but_not_as_speed(step: int) -> None:
    """With a day as the speed of the step after it, the plan would end at once."""
    clock = Clock()
    budget = time_budget(86_400 * (3 if step == 1 else 1) + 60, 4, clock)
    for number in range(1, 41):
        clock.now += 86_400 if number == step else 1
        budget.stepped()
        assert not budget.over or number == 40
        if number % 10 == 0:
            clock.now += 2
            budget.evaluated()
        if number > step and number > 2:
            assert budget.step_s <= 5.5  # at most ten times the others, of two
        if number >= 30 and step <= 10:
            assert budget.step_s == 1
    assert (budget.done, budget.plan) == (4, 4)
    assert budget.used == 86_400 + 39 + 8


def test_a_jump_during_an_evaluation_is_not_its_cost() -> None:
    clock = Clock()
    budget = time_budget(86_400 + 120, 4, clock)
    for took in (2, 86_400):
        for _ in range(10):
            clock.now += 1
            budget.stepped()
        clock.now += took
        budget.evaluated()
    assert (budget.over, budget.plan) == (False, 4)


def test_a_jump_past_the_budget_ends_training_within_steps() -> None:
    clock = Clock()
    budget = time_budget(1000, 75, clock, steps=100)
    for number in range(1, 200):
        clock.now += 86_400 if number == 50 else 1
        budget.stepped()
        if budget.over:
            break
    assert number == 50
    assert budget.left_s == 0


def test_a_clock_that_is_set_back_makes_nothing_negative() -> None:
    clock = Clock()
    budget = time_budget(100, 10, clock)
    for number in range(5):
        clock.now += -1e6 if number == 2 else 1
        budget.stepped()
        assert min(budget.used, budget.left_s, budget.step_s) >= 0
        assert 0 < budget.plan <= 10
    budget.evaluated()
    assert budget.left_s >= 0


def test_a_plan_may_end_early() -> None:
    clock = Clock()
    budget = time_budget(1e6, 4, clock)
    for _ in range(10):
        clock.now += 1
        budget.stepped()
    budget.evaluated()
    assert not budget.over
    budget.stop()
    assert budget.over
    assert (budget.plan, budget.left_s) == (1, 0)
