"""Optimisers, learning-rate schedules, early stopping and the moving average of the weights.

`schedule(progress, scores, **numbers) -> factor of the learning rate` is a pure function, so a
resumed training needs only its history: `progress` runs from 0 to 1 over the training, `scores` are
those of the epochs so far.  `MOMENTA` hold what a schedule does to Adam's β₁.  `STOPS` decide
whether a training ends early.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from itertools import islice

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from models.layers import ByLength
from models.recipe import Recipe
from models.sample import Batch

ONE_CYCLE_START = 1 / 25  # of the highest rate; PyTorch's OneCycleLR, as all its numbers here
ONE_CYCLE_END = ONE_CYCLE_START / 1e4
ONE_CYCLE_MOMENTA = (0.95, 0.85)  # at both ends, at the top
NORM_BATCHES = 20  # micro-batches that batch-norm statistics are estimated on

Schedule = Callable[..., float]


def constant(progress: float, scores: Sequence[float]) -> float:
    """Use a constant rate."""
    return 1.0


def plateau(progress: float, scores: Sequence[float], *, factor: float, patience: int) -> float:
    """Multiply the rate by `factor` after each `patience` epochs without a better score.

    PyTorch's ReduceLROnPlateau with mode max and threshold 0; its patience is one less, since it
    counts the tolerated epochs.
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


def warmup_cosine(
    progress: float, scores: Sequence[float], *, warmup: float, decay: float
) -> float:
    """Rise over the share `warmup` of the training, stay, and decay to zero over the last `decay`.

    The decay is half a cosine and ends with the time budget.  On PTB-XL the score hardly rises at a
    constant rate, and by about 0.04 during the decay.
    """
    if progress < warmup:
        return 0.1 + 0.9 * progress / warmup
    if progress <= 1 - decay:
        return 1.0
    return _cosine(1.0, 0.0, min(1.0, (progress - 1 + decay) / decay))


def one_cycle(progress: float, scores: Sequence[float], *, warmup: float = 0.3) -> float:
    """Rise over the share `warmup` of the training and fall to nearly 0, both as half cosines.

    PyTorch's OneCycleLR with its defaults, except that it reaches the top one step earlier: a pure
    function of the progress does not know the number of steps.
    """
    return _up_and_down(progress, warmup, ONE_CYCLE_START, 1.0, ONE_CYCLE_END)


def one_cycle_momentum(progress: float, scores: Sequence[float], *, warmup: float = 0.3) -> float:
    """Move β₁ opposite to the rate: PyTorch's `cycle_momentum`, which is on by default."""
    high, low = ONE_CYCLE_MOMENTA
    return _up_and_down(progress, warmup, high, low, high)


def _up_and_down(progress: float, warmup: float, start: float, top: float, end: float) -> float:
    if progress < warmup:
        return _cosine(start, top, progress / warmup)
    return _cosine(top, end, (progress - warmup) / (1 - warmup))


def _cosine(start: float, end: float, progress: float) -> float:
    """Interpolate between two values along half a cosine."""
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * progress))


def never(scores: Sequence[float]) -> bool:
    """Never stop early."""
    return False


def patience(scores: Sequence[float], *, epochs: int, tolerance: float = 0.0) -> bool:
    """Stop after so many consecutive epochs that were worse than the best one by `tolerance`.

    torch-ecg's early stopping: an epoch within the tolerance counts as equally good.
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
    "warmup_cosine": warmup_cosine,
    "one_cycle": one_cycle,
}
MOMENTA: dict[str, Schedule] = {"one_cycle": one_cycle_momentum}  # others do not change β₁
STOPS: dict[str, Callable[..., bool]] = {"never": never, "patience": patience}
OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "radam": torch.optim.RAdam,
}


def optimiser_of(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    """Make the recipe's optimiser for all weights that are not frozen."""
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    return OPTIMISERS[recipe.optimiser.name](weights, **recipe.optimiser.options)


def set_rate(
    recipe: Recipe, optimiser: torch.optim.Optimizer, progress: float, scores: Sequence[float]
) -> None:
    """Set the learning rate of this step, and β₁ if the schedule changes it."""
    name, numbers = recipe.schedule.name, recipe.schedule.options
    for group in optimiser.param_groups:
        factor = SCHEDULES[name](progress, scores, **numbers)
        group["lr"] = recipe.optimiser.options["lr"] * factor
        if name in MOMENTA:
            group["betas"] = (MOMENTA[name](progress, scores, **numbers), group["betas"][1])


def ema_decay(limit: float, step: int) -> float:
    """Compute the decay of the moving average at a step: small at first, then `limit`.

    Examples
    --------
    >>> ema_decay(0.999, 0), ema_decay(0.999, 90), ema_decay(0.999, 10**6)
    (0.1, 0.91, 0.999)
    """
    return min(limit, (1 + step) / (10 + step))


def update_ema(ema: dict[str, torch.Tensor], network: nn.Module, decay: float) -> None:
    """Update the moving average of a network's weights in place."""
    with torch.no_grad():
        for name, weight in network.named_parameters():
            ema[name].lerp_(weight, 1 - decay)


@torch.no_grad()
def ema_network(
    network: nn.Module, ema: dict[str, torch.Tensor], batches: Iterable[Batch]
) -> nn.Module:
    """Copy a network with averaged weights, and estimate their batch-norm statistics.

    Statistics belong to the weights they were computed with, so averaged weights need their own.

    Parameters
    ----------
    batches : iterable of Batch
        Training batches on the network's device.  The statistics are the mean over the first
        `NORM_BATCHES` of them.
    """
    copied = deepcopy(network).eval()  # no dropout
    for module in copied.modules():  # batches stay whole, so that no norm sees a single record
        if isinstance(module, ByLength):
            module.training = True
    for name, weight in copied.named_parameters():
        weight.copy_(ema[name])
    norms = [  # without frozen ones
        module
        for module in copied.modules()
        if isinstance(module, _BatchNorm) and module.weight.requires_grad
    ]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train()
    for number, batch in enumerate(islice(batches, NORM_BATCHES if norms else 0), start=1):
        for norm in norms:
            norm.momentum = 1 / number  # the first batch replaces the old statistics
        copied(batch.signal, batch.length)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return copied.eval()
