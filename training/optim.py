"""Optimisers, schedules, gradient accumulation, early stopping and the weights' moving average.

`schedule(progress, scores, **numbers) -> factor of the learning rate`: `progress` runs from 0 to 1
over the training, `scores` are the validation scores so far.  Schedules are pure functions, so a
resumed training needs only its history.  `MOMENTA` give Adam's β₁ for schedules that change it.
`STOPS` decide whether a training ends early.  `ACCUMULATIONS` give the batches per step of the
optimiser.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from itertools import islice
from typing import Annotated

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from models.layers import ByLength
from models.recipe import Recipe
from models.sample import Batch
from models.typed import Range

ONE_CYCLE_START = 1 / 25  # of the highest rate; PyTorch's OneCycleLR, as all its numbers here
ONE_CYCLE_END = ONE_CYCLE_START / 1e4
ONE_CYCLE_MOMENTA = (0.95, 0.85)  # at both ends, at the top
NORM_BATCHES = 20  # micro-batches that batch-norm statistics are estimated on

Schedule = Callable[..., float]


def plateau(progress: float, scores: Sequence[float], *, factor: float, patience: int) -> float:
    """Multiply the rate by `factor` after each `patience` epochs without a better score.

    Equals PyTorch's ReduceLROnPlateau with mode max, threshold 0 and `patience - 1`.
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
    """Rise during the first share `warmup`, stay constant, decay to 0 during the last `decay`.

    The decay is half a cosine and ends with the planned training.  On PTB-XL the score rises by
    about 0.04 during the decay, and hardly before.
    """
    if progress < warmup:
        return 0.1 + 0.9 * progress / warmup
    if progress <= 1 - decay:
        return 1.0
    return _cosine(1.0, 0.0, min(1.0, (progress - 1 + decay) / decay))


def one_cycle(progress: float, scores: Sequence[float], *, warmup: float = 0.3) -> float:
    """Rise during the first share `warmup`, then decay to nearly 0, both as half cosines.

    PyTorch's OneCycleLR with its defaults, except that the maximum is reached one step earlier,
    because the number of steps is not an argument.
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


def cyclic(
    progress: float,
    scores: Sequence[float],
    *,
    cycles: Annotated[int, Range(1, 10_000)],
    least: Annotated[float, Range(0, 1)] = 0.1,
) -> float:
    """Rise linearly from `least` to 1 and back, so many times; Smith 2017, "triangular"."""
    position = progress * cycles % 1
    return least + (1 - least) * (1 - abs(2 * position - 1))


def patience(scores: Sequence[float], *, epochs: int, tolerance: float = 0.0) -> bool:
    """Stop after so many consecutive epochs that were worse than the best one by `tolerance`.

    torch-ecg's early stopping: an epoch within the tolerance counts as equally good.
    """
    best, worse = -math.inf, 0
    for score in scores:
        worse = 0 if score >= best - tolerance else worse + 1
        best = max(best, score)
    return worse >= epochs


def squares(progress: float, *, at: Sequence[float]) -> int:
    """Accumulate the gradients of n² batches, n − 1 the number of these shares that are passed.

    Sodmann et al. 2021: "increased quadratically"; 1, 4, 9 … is ours.
    """
    return (1 + sum(progress >= share for share in at)) ** 2


SCHEDULES: dict[str, Schedule] = {
    "constant": lambda progress, scores: 1.0,
    "plateau": plateau,
    "steps": steps,
    "warmup_cosine": warmup_cosine,
    "one_cycle": one_cycle,
    "cyclic": cyclic,
}
MOMENTA: dict[str, Schedule] = {"one_cycle": one_cycle_momentum}  # others do not change β₁
ACCUMULATIONS: dict[str, Callable[..., int]] = {"none": lambda progress: 1, "squares": squares}
STOPS: dict[str, Callable[..., bool]] = {"never": lambda scores: False, "patience": patience}


def ranger(
    weights: Iterable[nn.Parameter], *, lr: float, k: int = 6, alpha: float = 0.5,
    betas: tuple[float, float] = (0.95, 0.999), eps: float = 1e-5, weight_decay: float = 0.0,
) -> torch.optim.Optimizer:  # fmt: skip
    """Make Wright's Ranger: RAdam with Lookahead and centred gradients.

    Steps before RAdam's rectification are those of SGD, as in Wright's code.  By the default of the
    library (4.1.0) they go uphill.
    """
    from pytorch_optimizer import Ranger

    return Ranger(
        weights, lr=lr, k=k, alpha=alpha, betas=betas, eps=eps, weight_decay=weight_decay,
        degenerated_to_sgd=True,
    )  # fmt: skip


def madgrad(
    weights: Iterable[nn.Parameter], *,
    lr: float, momentum: float = 0.9, eps: float = 1e-6, weight_decay: float = 0.0,
) -> torch.optim.Optimizer:  # fmt: skip
    """Make MADGRAD; Defazio & Jelassi 2021."""
    from pytorch_optimizer import MADGRAD

    return MADGRAD(weights, lr=lr, momentum=momentum, eps=eps, weight_decay=weight_decay)


OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "radam": torch.optim.RAdam,
    "ranger": ranger,
    "madgrad": madgrad,
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


def batches_per_step(recipe: Recipe, progress: float) -> int:
    """Give the number of batches whose gradients make one step of the optimiser."""
    part = recipe.accumulation
    return ACCUMULATIONS[part.name](progress, **part.options)


def ema_decay(limit: float, step: int) -> float:
    """Compute the decay of the moving average at a step; it rises to `limit`.

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
    """Copy a network, with averaged weights and batch-norm statistics estimated for them.

    The network's own statistics do not fit the averaged weights.

    Parameters
    ----------
    batches : iterable of Batch
        Training batches on the network's device.  The statistics are the mean over the first
        `NORM_BATCHES` of them.
    """
    copied = deepcopy(network).eval()  # no dropout
    for module in copied.modules():  # process batches whole: a norm needs more than one record
        if isinstance(module, ByLength):
            module.training = True
    for name, weight in copied.named_parameters():
        weight.copy_(ema[name])
    norms = [  # those that are trained
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
