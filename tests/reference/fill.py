"""Weights and signals by formula: the same numbers in our networks and in those of others.

A tensor's numbers depend only on its position in the network, on its shape and on its kind, so two
networks of the same layout are equal, whatever their parameters are called.
"""

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import nn

CONSTANTS = ("filt", "num_batches_tracked")  # endings of names that are no weights


def named_tensors(network: nn.Module) -> list[tuple[str, torch.Tensor]]:
    """Return weights and statistics in the order of the network; constants are left out."""
    state = network.state_dict()
    return [(name, tensor) for name, tensor in state.items() if not name.endswith(CONSTANTS)]


def fill(tensors: Iterable[tuple[str, torch.Tensor]]) -> None:
    """Set weights to variance 1 / inputs, scales and variances to 0.5 to 1.5, shifts to ± 0.5.

    Coefficients of Padé units keep their initial values within 10 %.
    """
    for index, (name, tensor) in enumerate(tensors):
        drawn = np.random.default_rng(index).uniform(-1, 1, tensor.numel())
        numbers = torch.from_numpy(drawn).reshape(tensor.shape)
        inputs = tensor.numel() // len(tensor)
        if name.endswith(("numerator", "denominator")):
            numbers = tensor * (1 + 0.1 * numbers)
        elif inputs > 1:
            numbers = numbers * math.sqrt(3 / inputs)
        else:
            positive = name.endswith(("weight", "running_var"))
            numbers = 0.5 * numbers + float(positive)
        tensor.copy_(numbers)


def signals(leads: int, samples: int, *, records: int = 1) -> torch.Tensor:
    """Draw standard normal signals (records, leads, samples)."""
    drawn = np.random.default_rng([leads, samples]).normal(size=(records, leads, samples))
    return torch.from_numpy(drawn).float()
