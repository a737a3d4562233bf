"""Plain layers of the references, from their papers' equations; slow and short."""

import torch
from torch.nn import functional

Weights = dict[str, torch.Tensor]


def below(weights: Weights, prefix: str) -> Weights:
    """Select the weights of a submodule."""
    start = f"{prefix}."
    return {
        name.removeprefix(start): one for name, one in weights.items() if name.startswith(start)
    }


def batch_norm(weights: Weights, signal: torch.Tensor) -> torch.Tensor:
    """Normalise channels (axis 1) by the running statistics."""
    scale = weights["weight"] / (weights["running_var"] + 1e-5).sqrt()
    shift = weights["bias"] - weights["running_mean"] * scale
    shape = (-1, *[1] * (signal.ndim - 2))
    return signal * scale.view(shape) + shift.view(shape)


def layer_norm(weights: Weights, tokens: torch.Tensor) -> torch.Tensor:
    """Normalise the last axis."""
    centred = tokens - tokens.mean(-1, keepdim=True)
    variance = centred.square().mean(-1, keepdim=True)
    return centred / (variance + 1e-5).sqrt() * weights["weight"] + weights["bias"]


def gru(weights: Weights, steps: torch.Tensor, suffix: str = "") -> torch.Tensor:
    """Run one direction over (steps, inputs); Cho et al. 2014, in PyTorch's form."""
    hidden, outputs = steps.new_zeros(weights[f"weight_hh_l0{suffix}"].shape[1]), []
    for step in steps:
        of_input, of_hidden = (
            (weights[f"weight_{kind}_l0{suffix}"] @ value + weights[f"bias_{kind}_l0{suffix}"])
            .view(3, -1)
            .unbind()
            for kind, value in (("ih", step), ("hh", hidden))
        )
        reset, update = (torch.sigmoid(of_input[gate] + of_hidden[gate]) for gate in (0, 1))
        candidate = torch.tanh(of_input[2] + reset * of_hidden[2])
        hidden = (1 - update) * candidate + update * hidden
        outputs.append(hidden)
    return torch.stack(outputs)


def lstm(weights: Weights, steps: torch.Tensor, layers: int) -> torch.Tensor:
    """Run all layers over (steps, inputs); Hochreiter & Schmidhuber 1997, with forget gates."""
    for layer in range(layers):
        size = weights[f"weight_hh_l{layer}"].shape[1]
        hidden, cell, outputs = steps.new_zeros(size), steps.new_zeros(size), []
        for step in steps:
            gates = sum(
                weights[f"weight_{kind}_l{layer}"] @ value + weights[f"bias_{kind}_l{layer}"]
                for kind, value in (("ih", step), ("hh", hidden))
            )
            enter, forget, candidate, leave = gates.chunk(4)
            cell = forget.sigmoid() * cell + enter.sigmoid() * candidate.tanh()
            hidden = leave.sigmoid() * cell.tanh()
            outputs.append(hidden)
        steps = torch.stack(outputs)
    return steps


def transformer_layer(weights: Weights, tokens: torch.Tensor, heads: int) -> torch.Tensor:
    """Post-norm layer over (tokens, width); Vaswani et al. 2017, with GELU."""
    projected = tokens @ weights["self_attn.in_proj_weight"].T + weights["self_attn.in_proj_bias"]
    q, k, v = (part.unflatten(1, (heads, -1)).transpose(0, 1) for part in projected.chunk(3, dim=1))
    attention = (q @ k.transpose(1, 2) / q.shape[2] ** 0.5).softmax(2)
    context = (attention @ v).transpose(0, 1).flatten(1)
    attended = linear(below(weights, "self_attn.out_proj"), context)
    tokens = layer_norm(below(weights, "norm1"), tokens + attended)
    inner = functional.gelu(linear(below(weights, "linear1"), tokens))
    return layer_norm(below(weights, "norm2"), tokens + linear(below(weights, "linear2"), inner))


def linear(weights: Weights, values: torch.Tensor) -> torch.Tensor:
    """Multiply the last axis by the weights and add the bias."""
    return values @ weights["weight"].T + weights["bias"]
