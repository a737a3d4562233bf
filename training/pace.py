"""Pace: how fast training goes, and how much of it the budget allows."""

import time
from collections.abc import Callable

EVALUATION_STEPS = 0.4  # cost of a validation batch in training steps, until it is measured
FIRST_STEPS = 3  # too few to judge the speed by
OUTLIER = 10  # times the mean step: the machine slept, or the clock jumped
FIRST_TOLD_S, TOLD_EVERY_S = 60, 600  # when people are told how it goes


class Pace:
    """Measure steps and evaluations of one lead set and plan its epochs within a budget.

    The plan is a number of epochs; the last one may be cut short.  Where the budget does not bind,
    it is the recipe's number, exactly: then nothing depends on the clock.

    Parameters
    ----------
    seconds : float
        Budget of this lead set.
    epochs : int
        At most.
    steps, evaluations : int
        Training and validation batches of an epoch.
    done : int
        Epochs done before, by an interrupted training.
    used : float
        Seconds that they took.
    clock : callable
        Gives seconds; for tests.
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
        self._last, self._begin = clock(), clock() - used
        self._tell_at, self._told = self._last + FIRST_TOLD_S, False
        self.step_s = self._evaluation_s = 0.0
        self._counted = 0

    @property
    def used(self) -> float:
        """Seconds since the beginning, those of an interrupted training included."""
        return max(0.0, self._clock() - self._begin)

    @property
    def progress(self) -> float:
        """How much of the plan is done, 0 to 1."""
        return min(1.0, self.done / self.plan)

    @property
    def over(self) -> bool:
        """Whether the plan is done."""
        return self.done >= self.plan

    @property
    def left_s(self) -> float:
        """Projected seconds to the end of the plan."""
        return max(0.0, self.plan - self.done) * self._epoch_s()

    @property
    def due(self) -> bool:
        """Whether people wait to be told: after the first minute, then ten after each word."""
        return self._clock() >= self._tell_at

    def told(self) -> None:
        """Note that people have just been told."""
        self._tell_at, self._told = self._clock() + TOLD_EVERY_S, True

    def stepped(self) -> None:
        """Note the end of a training step."""
        took = self._lap()
        self._counted += 1
        if self._counted > FIRST_STEPS:
            took = min(took, OUTLIER * self.step_s)
        share = max(0.02, 1 / self._counted)  # the mean at first, then a moving one
        self.step_s += share * (took - self.step_s)
        self.done = round(self.done * self.steps + 1) / self.steps
        self._replan()

    def evaluated(self) -> None:
        """Note the end of an evaluation, which is followed by a word on the epoch."""
        took = self._lap()
        self._evaluation_s = min(took, OUTLIER * self._evaluation_s) if self._evaluation_s else took
        self._replan()
        if self._told:
            self.told()

    def stop(self) -> None:
        """End the plan here: what has been learned is enough."""
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
