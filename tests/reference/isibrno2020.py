"""Nejedly et al., CinC 2020, section 2, for one record without padding, step by step.

The details that the paper leaves open are those of `models.isibrno2020`.
"""

import torch
from torch.nn import functional

from tests.reference.layers import Weights, batch_norm, below, gru, linear


def logits(
    weights: Weights, signal: torch.Tensor, *, selu: bool
) -> tuple[torch.Tensor, list[float]]:
    """Map (channels, samples) to logits, and list the mean magnitude of each dropout's inputs."""
    hidden, places = signal[None], []
    for index in range(5):
        block = below(weights, f"blocks.{index}")
        hidden = (_selu_block if selu else _block)(block, hidden)
        places.append(float(hidden.abs().mean()))
    steps = hidden[0].T
    recurrent = below(weights, "gru")
    backwards = gru(recurrent, steps.flip(0), "_reverse").flip(0)
    outputs = torch.cat([gru(recurrent, steps), backwards], dim=1)  # (steps, 2 · units)
    keys, contexts = linear(below(weights, "keys"), outputs), []
    for query in weights["queries"]:
        attention = (keys @ query / len(query) ** 0.5).softmax(0)
        contexts.append(attention @ outputs)
    context = torch.stack(contexts)
    places.append(float(context.abs().mean()))
    return (context * weights["weight"]).sum(1) + weights["bias"], places


def _convolve(weights: Weights, signal: torch.Tensor, stride: int = 1) -> torch.Tensor:
    weight = weights["weight"][:, :, 0]
    return functional.conv1d(
        signal, weight, weights.get("bias"), stride, padding=weight.shape[2] // 2
    )


def _block(weights: Weights, signal: torch.Tensor) -> torch.Tensor:
    hidden = signal
    for index in range(3):
        hidden = _convolve(below(weights, f"convolutions.{index}"), hidden, (2, 1, 1)[index])
        hidden = batch_norm(below(weights, f"norms.{index}"), hidden)
        if index < 2:
            hidden = hidden.clamp(min=0)
    shortcut = _convolve(below(weights, "shortcut"), signal, 2)
    return (hidden + batch_norm(below(weights, "shortcut_norm"), shortcut)).clamp(min=0)


def _selu_block(weights: Weights, signal: torch.Tensor) -> torch.Tensor:
    hidden = signal
    for index in range(3):
        hidden = _convolve(below(weights, f"convolutions.{index}"), hidden, (2, 1, 1)[index])
        if index < 2:
            hidden = functional.selu(hidden)
    shortcut = _convolve(below(weights, "shortcut"), signal, 2)
    return functional.selu((hidden + shortcut) / 2**0.5)
