"""Schedules of the learning rate: `schedule(progress, scores, **numbers) -> share of the rate`.

Pure functions of what is known, so that a resumed training needs no more than its history.
`progress` runs from 0 to 1 over the training, `scores` are those of the epochs so far.  So are
`MOMENTA`, what some schedules do to Adam's β₁, and `STOPS`, when a training ends early.
"""

import math
from collections.abc import Callable, Sequence

ONE_CYCLE_START = 1 / 25  # of the highest rate; PyTorch's OneCycleLR, as all of its numbers here
ONE_CYCLE_END = ONE_CYCLE_START / 1e4
ONE_CYCLE_MOMENTA = (0.95, 0.85)  # at the ends, at the top

Schedule = Callable[..., float]


def constant(progress: float, scores: Sequence[float]) -> float:
    """Keep the rate."""
    return 1.0


def plateau(progress: float, scores: Sequence[float], *, factor: float, patience: int) -> float:
    """Multiply the rate by `factor` each time that `patience` epochs brought no better score.

    PyTorch's ReduceLROnPlateau with mode max, threshold 0 and its patience one less (it counts the
    epochs that are tolerated).
    """
    best, flat, share = -math.inf, 0, 1.0
    for score in scores:
        best, flat = (score, 0) if score > best else (best, flat + 1)
        if flat == patience:
            share, flat = share * factor, 0
    return share


def steps(progress: float, scores: Sequence[float], *, at: Sequence[float], factor: float) -> float:
    """Multiply the rate by `factor` at each of these shares of the training."""
    return factor ** sum(progress >= share for share in at)


def falling(progress: float, scores: Sequence[float], *, warm: float, fall: float) -> float:
    """Rise over the share `warm` of the training, stay, and fall to zero over the last `fall`.

    The fall is half a cosine.  At a constant rate the score stands still, while the falling part
    brings some 0.04 (measured on PTB-XL); it ends with the budget, whatever that is.
    """
    if progress < warm:
        return 0.1 + 0.9 * progress / warm
    if progress <= 1 - fall:
        return 1.0
    return _cosine(1.0, 0.0, min(1.0, (progress - 1 + fall) / fall))


def one_cycle(progress: float, scores: Sequence[float], *, rising: float = 0.3) -> float:
    """Rise over the share `rising` of the training, then fall to nearly nothing, as cosines do.

    PyTorch's OneCycleLR with its defaults, but for what a pure function of the progress cannot
    know: there the top is reached one step earlier, here the last step is one before the end.
    """
    return _up_and_down(progress, rising, ONE_CYCLE_START, 1.0, ONE_CYCLE_END)


def one_cycle_momentum(progress: float, scores: Sequence[float], *, rising: float = 0.3) -> float:
    """Move β₁ against the rate: PyTorch's `cycle_momentum`, which is on unless one says no."""
    high, low = ONE_CYCLE_MOMENTA
    return _up_and_down(progress, rising, high, low, high)


def _up_and_down(progress: float, rising: float, begin: float, top: float, end: float) -> float:
    if progress < rising:
        return _cosine(begin, top, progress / rising)
    return _cosine(top, end, (progress - rising) / (1 - rising))


def _cosine(begin: float, end: float, way: float) -> float:
    """Go from one value to another along half a cosine; `way` is 0 to 1."""
    return end + (begin - end) * 0.5 * (1 + math.cos(math.pi * way))


def never(scores: Sequence[float]) -> bool:
    """Go on to the end of the plan."""
    return False


def patience(scores: Sequence[float], *, epochs: int, tolerance: float = 0.0) -> bool:
    """Stop after so many epochs in a row that were worse than the best one before by `tolerance`.

    torch-ecg's early stopping: an epoch within the tolerance is no better, yet as good.
    """
    best, worse = -math.inf, 0
    for score in scores:
        worse = 0 if score >= best - tolerance else worse + 1
        best = max(best, score)
    return worse >= epochs


SCHEDULES: dict[str, Schedule] = {
    "constant": constant,
    "plateau": plateau,
    "steps": steps,
    "falling": falling,
    "one_cycle": one_cycle,
}
MOMENTA: dict[str, Schedule] = {"one_cycle": one_cycle_momentum}  # others leave β₁ alone
STOPS: dict[str, Callable[..., bool]] = {"never": never, "patience": patience}
