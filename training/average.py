"""A moving average of the weights, which answers better than the last ones, at no further training.

Batch norm's statistics belong to the weights that made them: averaged weights need their own.
"""

from collections.abc import Iterable
from copy import deepcopy
from itertools import islice

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from models.layers import ByLength
from models.losses import Batch

ESTIMATED_ON = 20  # pieces of batches; 64 records of 10 s each where these are batches


def kept(most: float, step: int) -> float:
    """Give how much of the average a step keeps: little at first, for the beginning is forgotten.

    Examples
    --------
    >>> kept(0.999, 0), kept(0.999, 90), kept(0.999, 10**6)
    (0.1, 0.91, 0.999)
    """
    return min(most, (1 + step) / (10 + step))


def follow(average: dict[str, torch.Tensor], network: nn.Module, keep: float) -> None:
    """Move the average of a network's weights towards what they are, in place."""
    with torch.no_grad():
        for name, weight in network.named_parameters():
            average[name].lerp_(weight, 1 - keep)


@torch.no_grad()
def averaged(
    network: nn.Module, average: dict[str, torch.Tensor], batches: Iterable[Batch]
) -> nn.Module:
    """Copy a network with averaged weights and the batch-norm statistics that these have.

    Parameters
    ----------
    batches : iterable of Batch
        What training shows the network, on its device; `ESTIMATED_ON` of them are taken, and the
        statistics are the mean of theirs.
    """
    copied = deepcopy(network).eval()  # no dropout
    for module in copied.modules():  # batches stay whole, so that no norm sees one record alone
        if isinstance(module, ByLength):
            module.training = True
    for name, weight in copied.named_parameters():
        weight.copy_(average[name])
    norms = [  # but those that are kept as they are
        module
        for module in copied.modules()
        if isinstance(module, _BatchNorm) and module.weight.requires_grad
    ]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train()
    for number, batch in enumerate(islice(batches, ESTIMATED_ON if norms else 0), start=1):
        for norm in norms:
            norm.momentum = 1 / number  # the first batch takes the place of what was
        copied(batch.signal, batch.length)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return copied.eval()
