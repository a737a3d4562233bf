"""The time budget: measure what training costs, plan how much of it fits, end in time.

`TotalBudget` is that of a training: it counts from the start of the process and shares the time
left between the lead sets.  `TimeBudget` is the share of one lead set: it plans training steps, and
reserves time for all that follows them.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from statistics import fmean, median_low
from typing import TypeVar

import ecg
from ecg import LeadwiseError
from ecg.progress import duration

EVALUATION_STEPS = 0.4  # cost of a validation batch in training steps, until it is measured
FINISH_S = 10  # decision, rules, files and picture of a lead set, until they are measured
START_UP_S = 120  # an older process has done other work before the training
FIRST_STEPS = 3  # before these the speed is uncertain; the first step is slow, and then left out
RECENT = 20  # steps whose mean is the speed
FEW_EPOCHS = 3  # networks of fewer are hardly trained
TOLERANCE = 0.05  # of the budget, which a training may exceed
RESERVE, RESERVE_S = 0.04, 60.0  # of the budget, and at most s: a busy machine becomes slower
OUTLIER = 10  # times the median: longer steps are cut to it (suspended machine, clock change)
FIRST_REPORT_S, REPORT_EVERY_S = 60, 600  # of the projected end
SAVE_EVERY_S = 180  # the state within an epoch
Result = TypeVar("Result")


def process_age() -> float:
    """Return the seconds since this process started, or 0 if it has long done other work."""
    age = time.monotonic() - ecg.IMPORTED
    return age if age < START_UP_S else 0.0


def reserve_of(seconds: float) -> float:
    """Return the seconds of a budget that no plan uses."""
    return min(RESERVE * seconds, RESERVE_S)


class TooShort(LeadwiseError):
    """The budget does not hold a lead set's evaluation and decision, so it is not trained."""


class TotalBudget:
    """The time budget of a training, and what its lead sets have cost so far.

    Parameters
    ----------
    seconds : float
        For everything: start-up, reading, training, decisions, writing.
    lead_sets : int
        Number of lead sets.
    age_s : float
        Seconds that count already: `process_age`.
    reserve_s : float
        Seconds that no plan uses: `reserve_of`.
    clock : callable
        Returns seconds; for tests.

    Attributes
    ----------
    sets_left : int
        Lead sets that are not finished, including the current one.
    step_s, evaluation_steps, finish_s : float or None
        Of the last lead set: seconds per step, the cost of an evaluation in steps, and the seconds
        from the last epoch to the written model.  None: not measured yet.
    first_step_s : float
        Of the last lead set: seconds from its start to the end of its first step.  The network is
        made in them, and the first step is slow.
    """

    def __init__(
        self,
        seconds: float,
        lead_sets: int,
        *,
        age_s: float = 0.0,
        reserve_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.seconds, self.sets_left, self.clock = seconds, lead_sets, clock
        self._reserve_s = reserve_s
        self._start = clock() - age_s
        self.step_s: float | None = None
        self.evaluation_steps: float | None = None
        self.finish_s: float | None = None
        self.first_step_s = 0.0
        self._set_start = clock()

    @property
    def spent_s(self) -> float:
        """Seconds since the start, including those of an interrupted training."""
        return max(0.0, self.clock() - self._start)

    @property
    def left_s(self) -> float:
        """Seconds left; negative when the budget is exceeded."""
        return self.seconds - self.spent_s

    @property
    def share_s(self) -> float:
        """Equal share of the time left for the current lead set, without the reserve."""
        return (self.left_s - self._reserve_s) / self.sets_left

    @property
    def too_short(self) -> bool:
        """Whether not even one step, an evaluation and the decision fit any more."""
        if self.step_s is None or self.evaluation_steps is None or self.finish_s is None:
            return False
        first_s = max(self.step_s, self.first_step_s)
        return self.left_s < first_s + self.evaluation_steps * self.step_s + self.finish_s

    def within(self, results: Iterable[Result], records: int, done: str) -> Iterator[Result]:
        """Yield the results of records as they come; stop when the budget is used up.

        Parameters
        ----------
        results : iterable
            One per record.
        records : int
            Their number.
        done : str
            What is done with a record, for the message: "read".

        Raises
        ------
        LeadwiseError
            The budget is used up and records are left.
        """
        start = first = self.spent_s
        for number, result in enumerate(results, 1):
            now = self.spent_s
            if number == 1:
                first = now  # processes start before it, so it is not in the rate
            if self.left_s <= 0 and number < records:
                text = (
                    f"the budget of {duration(self.seconds)} is used up: {number:,} of {records:,} "
                    f"records were {done} in {duration(now - start)}"
                )
                if number > 1:
                    minutes = math.ceil((now - first) / (number - 1) * records / 60)
                    text += f", and all take about {minutes:,} min"
                raise LeadwiseError(
                    f"{text}; set more minutes (LEADWISE_MINUTES), and start again, which begins "
                    "at the first record"
                )
            yield result

    def resumed(self, used: float) -> None:
        """Count the seconds of an interrupted training."""
        self._start -= used

    def finished(self, finish_s: float) -> None:
        """Note that a lead set's model is written, so many seconds after its last epoch."""
        self.finish_s = finish_s
        self.sets_left -= 1

    def started(self) -> None:
        """Note the start of a lead set."""
        self._set_start = self.clock()

    def first_step_ended(self) -> None:
        """Note the end of the first step of a lead set."""
        self.first_step_s = max(0.0, self.clock() - self._set_start)


UNLIMITED = TotalBudget(math.inf, 1)


class TimeBudget:
    """Measure steps and evaluations of one lead set, and plan its steps within its share.

    The plan is a number of steps, so the last epoch may be incomplete.  A step is planned only if
    the evaluation, the decision and the writing fit after it; the first step is always taken.  If
    the budget suffices, the plan is the recipe's number of epochs, and the weights do not depend on
    the clock.

    Parameters
    ----------
    total : TotalBudget
        Gives the share, and the costs of earlier lead sets.
    epochs : int
        Maximum number.
    steps : int
        Training steps per epoch.
    evaluations, norms : float
        Cost of an evaluation in batches, until it is measured: of validation, and of the estimation
        of the average's batch-norm statistics.
    done : int
        Steps that an interrupted training has finished.
    used : float
        Duration of these in seconds.
    """

    def __init__(
        self,
        total: TotalBudget,
        epochs: int,
        steps: int,
        evaluations: float,
        norms: float = 0.0,
        *,
        done: int = 0,
        used: float = 0.0,
    ) -> None:
        self.total, self.epochs, self.steps = total, epochs, steps
        self.seconds = total.share_s
        total.resumed(used)
        self._clock = total.clock
        self._last, self._start = self._clock(), self._clock() - used
        self._report_at, self._reported = self._last + FIRST_REPORT_S, False
        self._save_at = self._last + SAVE_EVERY_S
        estimate = EVALUATION_STEPS * (evaluations + norms)
        self._evaluation_steps = total.evaluation_steps or estimate
        self._evaluation_measured = False
        self._validation_share = evaluations / (evaluations + norms)
        self._steps_s: deque[float] = deque(maxlen=RECENT)
        self.counted = 0  # steps of this process
        self._done, self._ahead = done, steps - done % steps
        self._planned = epochs * steps
        if done and self.used >= self.seconds:
            self.stop()

    @property
    def step_s(self) -> float:
        """Mean duration of the recent steps; 0 before the first one."""
        if not self._steps_s:
            return 0.0
        longest = OUTLIER * median_low(self._steps_s)
        return fmean(min(took, longest) for took in self._steps_s)

    @property
    def used(self) -> float:
        """Seconds since the start, including those of an interrupted training."""
        return max(0.0, self._clock() - self._start)

    @property
    def done(self) -> float:
        """Finished epochs, the current one in part."""
        return self._done / self.steps

    @property
    def plan(self) -> float:
        """Planned epochs; the last one may be incomplete."""
        return self._planned / self.steps

    @property
    def cut(self) -> bool:
        """Whether the budget holds fewer epochs than the recipe's."""
        return self._planned < self.epochs * self.steps

    @property
    def progress(self) -> float:
        """Finished share of the plan, 0 to 1."""
        return min(1.0, self._done / self._planned)

    @property
    def over(self) -> bool:
        """Whether the plan is finished."""
        return self._done >= self._planned

    @property
    def left_s(self) -> float:
        """Projected seconds to the end of the plan, without the decision."""
        left = max(0, self._planned - self._done)
        return left * self.step_s + math.ceil(left / self.steps) * self._evaluation_s

    @property
    def epoch_s(self) -> float:
        """Projected seconds of a lead set that is trained for one epoch."""
        return self.steps * self.step_s + self._evaluation_s + self._finish_s

    @property
    def hopeless(self) -> bool:
        """Whether the training ends late even if it is evaluated and written now."""
        late_s = self._evaluation_s + self._finish_s - self.total.left_s
        return late_s > TOLERANCE * self.total.seconds

    @property
    def needed_s(self) -> float:
        """Projected seconds of a training of one epoch per lead set, from its start."""
        sets_left = self.total.sets_left
        return self.total.seconds - self.seconds * sets_left + self.epoch_s * sets_left

    @property
    def due(self) -> bool:
        """Whether a report is due: after the first minute, then ten minutes after each report."""
        return self._clock() >= self._report_at

    def reported(self) -> None:
        """Note that a report was just logged."""
        self._report_at, self._reported = self._clock() + REPORT_EVERY_S, True

    @property
    def save_due(self) -> bool:
        """Whether the state was not saved for some minutes."""
        return self._clock() >= self._save_at

    def saved(self) -> None:
        """Note that the state was just saved."""
        self._save_at = self._clock() + SAVE_EVERY_S

    def stepped(self) -> None:
        """Note the end of a training step."""
        self._steps_s.append(self._lap())
        self.counted += 1
        if self.counted == 1:
            self.total.first_step_ended()
        if self.counted == FIRST_STEPS:
            self._steps_s.popleft()
        self._done += 1
        self._ahead -= 1
        self.total.step_s = self.step_s
        self._replan()

    def evaluated(self) -> None:
        """Note the end of an evaluation, which the caller reports."""
        took = self._lap()
        if self._evaluation_measured:
            took = min(took, OUTLIER * self._evaluation_s)
        if self.step_s:
            # In steps, so that a machine that becomes slower is expected to evaluate slower, too.
            self._evaluation_steps = took / self.step_s
            self._evaluation_measured = True
            self.total.evaluation_steps = self._evaluation_steps
        self._ahead = self.steps
        self._replan()
        if self._reported:
            self.reported()

    def stop(self) -> None:
        """End the plan now."""
        self._planned = self._done

    def _lap(self) -> float:
        now = self._clock()
        took, self._last = max(0.0, now - self._last), now
        return took

    @property
    def _evaluation_s(self) -> float:
        return self._evaluation_steps * self.step_s

    @property
    def _finish_s(self) -> float:
        """Seconds from the last epoch to the written model; the validation part is predicted."""
        if self.total.finish_s is not None:
            return self.total.finish_s
        # Later lead sets share an error of this estimate.
        return FINISH_S / self.total.sets_left + self._validation_share * self._evaluation_s

    def _replan(self) -> None:
        if self.step_s == 0:
            return
        most = self.epochs * self.steps
        planned = self._done + self._fitting(self._evaluation_s)
        if planned > self._done:
            if self.counted < FIRST_STEPS:
                return
            measured = self._evaluation_measured or self.total.evaluation_steps is not None
            if not measured and self._done + self._fitting(0.0) >= most:
                return  # a guess alone does not change the weights of a budget that may suffice
        self._planned = min(most, planned)

    def _fitting(self, evaluation_s: float) -> int:
        """Count the steps that fit, with an evaluation after each epoch and all that follows."""
        step_s = self.step_s
        left = self.seconds - self.used - self._finish_s - evaluation_s  # for steps
        fitting = max(0, math.floor(left / step_s))
        if fitting > self._ahead:
            left -= self._ahead * step_s
            whole, rest = divmod(left, self.steps * step_s + evaluation_s)
            in_part = max(0, math.floor((rest - evaluation_s) / step_s))
            fitting = self._ahead + int(whole) * self.steps + in_part
        return fitting
