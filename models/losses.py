"""Losses that systems share: `loss(network, batch, **numbers) -> scalar, {name: value}`."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional


class Batch(NamedTuple):
    """What a training step sees; padded at the end with zeros, `length` in samples."""

    signal: torch.Tensor  # (batch, rows, samples) float32
    length: torch.Tensor  # (batch,) int64
    labels: torch.Tensor  # (batch, classes) float32


def bce(network: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
    """Compute the mean binary cross-entropy over records and classes."""
    logits = network(batch.signal, batch.length)
    return functional.binary_cross_entropy_with_logits(logits.float(), batch.labels), {}


LOSSES: Mapping[str, Callable[..., tuple[torch.Tensor, dict[str, Any]]]] = {"bce": bce}
