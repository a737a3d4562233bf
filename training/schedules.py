"""Schedules of the learning rate: `schedule(progress, scores, **numbers) -> share of the rate`.

Pure functions of what is known, so that a resumed training needs no more than its history.
`progress` runs from 0 to 1 over the training, `scores` are those of the epochs so far.
"""

import math
from collections.abc import Callable, Sequence

Schedule = Callable[..., float]


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


def falling(progress: float, scores: Sequence[float], *, warm: float, fall: float) -> float:
    """Rise over the share `warm` of the training, stay, and fall to zero over the last `fall`.

    The fall is half a cosine.  At a constant rate the score stands still, while the falling part
    brings some 0.04 (measured on PTB-XL); it ends with the budget, whatever that is.
    """
    if progress < warm:
        return 0.1 + 0.9 * progress / warm
    if progress <= 1 - fall:
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - 1 + fall) / fall)))


SCHEDULES: dict[str, Schedule] = {"plateau": plateau, "falling": falling}
