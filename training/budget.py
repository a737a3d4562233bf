"""The time budget: measure the speed of training, and plan how many epochs fit."""

import time
from collections.abc import Callable

EVALUATION_STEPS = 0.4  # cost of a validation batch in training steps, until it is measured
FIRST_STEPS = 3  # before these the speed is unknown
OUTLIER = 10  # times the mean: longer steps are cut to it (suspended machine, clock change)
FIRST_REPORT_S, REPORT_EVERY_S = 60, 600  # of the projected end


class TimeBudget:
    """Measure steps and evaluations of one lead set and plan its epochs within a budget.

    The plan is a number of epochs, whose last one may be incomplete.  If the budget suffices, the
    plan is the recipe's number of epochs, and the weights do not depend on the clock.

    Parameters
    ----------
    seconds : float
        Time budget of this lead set.
    epochs : int
        Maximum number.
    steps, evaluations : int
        Training and validation batches per epoch.
    done : int
        Epochs that an interrupted training has finished.
    used : float
        Duration of these in seconds.
    clock : callable
        Returns seconds; for tests.
    """

    def __init__(
        self,
        seconds: float,
        epochs: int,
        steps: int,
        evaluations: int,
        *,
        done: int = 0,
        used: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.seconds, self.epochs, self.steps = seconds, epochs, steps
        self.done = float(done)  # epochs, the current one in part
        self.plan = float(epochs)
        self._evaluations, self._clock = evaluations, clock
        self._last, self._start = clock(), clock() - used
        self._report_at, self._reported = self._last + FIRST_REPORT_S, False
        self.step_s = self._evaluation_s = 0.0
        self._counted = 0

    @property
    def used(self) -> float:
        """Seconds since the start, including those of an interrupted training."""
        return max(0.0, self._clock() - self._start)

    @property
    def progress(self) -> float:
        """Finished share of the plan, 0 to 1."""
        return min(1.0, self.done / self.plan)

    @property
    def over(self) -> bool:
        """Whether the plan is finished."""
        return self.done >= self.plan

    @property
    def left_s(self) -> float:
        """Projected seconds to the end of the plan."""
        return max(0.0, self.plan - self.done) * self._epoch_s()

    @property
    def due(self) -> bool:
        """Whether a report is due: after the first minute, then ten minutes after each report."""
        return self._clock() >= self._report_at

    def reported(self) -> None:
        """Note that a report was just logged."""
        self._report_at, self._reported = self._clock() + REPORT_EVERY_S, True

    def stepped(self) -> None:
        """Note the end of a training step."""
        took = self._lap()
        self._counted += 1
        if self._counted > FIRST_STEPS:
            took = min(took, OUTLIER * self.step_s)
        share = max(0.02, 1 / self._counted)  # first the mean, then a moving average
        self.step_s += share * (took - self.step_s)
        self.done = round(self.done * self.steps + 1) / self.steps
        self._replan()

    def evaluated(self) -> None:
        """Note the end of an evaluation, which the caller reports."""
        took = self._lap()
        self._evaluation_s = min(took, OUTLIER * self._evaluation_s) if self._evaluation_s else took
        self._replan()
        if self._reported:
            self.reported()

    def stop(self) -> None:
        """End the plan now."""
        self.plan = self.done

    def _lap(self) -> float:
        now = self._clock()
        took, self._last = max(0.0, now - self._last), now
        return took

    def _epoch_s(self) -> float:
        return self.steps * self.step_s + self._evaluation_estimate()

    def _evaluation_estimate(self) -> float:
        return self._evaluation_s or EVALUATION_STEPS * self.step_s * self._evaluations

    def _replan(self) -> None:
        if self._counted < FIRST_STEPS or self._epoch_s() == 0:
            return
        left = self.seconds - self.used - self._evaluation_estimate()
        self.plan = min(self.epochs, self.done + max(0.0, left) / self._epoch_s())
