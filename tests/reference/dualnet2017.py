"""Reich & Kruk's ECG-DualNet for one record, step by step, as published and corrected.

As published, a record is padded to 60 s, the conditional norm has no "1 +", and the attention has
no content term.  `tests/data/oracle/dualnet2017.json` has outputs of the authors' code.
"""

import torch
from torch.nn import functional

from tests.reference.layers import (
    Weights,
    batch_norm,
    below,
    layer_norm,
    linear,
    lstm,
    transformer_layer,
)

HEADS = 16  # of the axial attention


class Reference:
    """A network's weights with the numbers that they do not show.

    Attributes
    ----------
    published : bool
    layers, heads : int
        Of the signal encoder; 0 heads: an LSTM.
    axial : int
        Number of blocks with attention, from the last one.
    branches : str
        `both`, `signal` or `spectrogram`.
    places : list of float
        Mean magnitude of the inputs of each dropout in blocks, in the order of the pass.
    """

    def __init__(
        self,
        weights: Weights,
        *,
        published: bool,
        layers: int,
        heads: int = 0,
        axial: int = 0,
        branches: str = "both",
    ) -> None:
        self.weights, self.published, self.branches = weights, published, branches
        self.layers, self.heads, self.axial = layers, heads, axial
        self.places: list[float] = []

    def logits(self, signal: torch.Tensor) -> torch.Tensor:
        """Map samples (n,) to logits."""
        latent = None if self.branches == "spectrogram" else self._encode(signal)
        if self.branches != "signal":
            hidden = self._spectrogram(signal)[None, None]
            for index in range(5):
                block = below(self.weights, f"blocks.{index}")
                apply = self._axial_block if index >= 5 - self.axial else self._residual_block
                hidden = apply(block, hidden, latent)
            joint = below(self.weights, "joint")
            spectral = _pade(below(joint, "1"), linear(below(joint, "0"), hidden[0].mean((1, 2))))
            latent = spectral if latent is None else spectral + latent
        return linear(below(self.weights, "head"), latent)

    def _encode(self, signal: torch.Tensor) -> torch.Tensor:
        samples = 17_952 if self.published else 256
        while not self.published and samples < len(signal):
            samples += 224
        padded = functional.pad(signal, (0, max(samples - len(signal), 0)))
        windows = torch.stack(
            [padded[start : start + 256] for start in range(0, samples - 255, 224)]
        )
        weights = below(self.weights, "encoder")
        if not self.heads:
            return lstm(below(weights, "lstm"), windows, self.layers)[-1]
        shared = torch.arange(len(windows)).clamp(max=79)  # beyond 60 s the last position
        tokens = windows + weights["position"][shared]
        for layer in range(self.layers):
            tokens = transformer_layer(below(weights, f"layers.layers.{layer}"), tokens, self.heads)
        return layer_norm(below(weights, "layers.norm"), tokens).mean(0)

    def _spectrogram(self, signal: torch.Tensor) -> torch.Tensor:
        frames = len(signal) // 32 + 1
        reflected = functional.pad(signal[None], (32, 32), mode="reflect")[0]
        hann = 0.5 - 0.5 * torch.cos(2 * torch.pi * torch.arange(64) / 64)
        rows = torch.stack([reflected[32 * frame :][:64] * hann for frame in range(frames)])
        logs = (torch.fft.rfft(rows).abs() / 24**0.5).clamp(min=1e-8).log()
        return functional.pad(logs, (0, 0, 0, 563 - frames)) if self.published else logs

    def _norm(
        self, weights: Weights, signal: torch.Tensor, latent: torch.Tensor | None
    ) -> torch.Tensor:
        normed = batch_norm(below(weights, "norm"), signal)
        if latent is None:
            return normed
        scale, shift = (weights["condition.weight"] @ latent).view(2, 1, -1, 1, 1)
        return (scale if self.published else 1 + scale) * normed + shift

    def _residual_block(
        self, weights: Weights, signal: torch.Tensor, latent: torch.Tensor | None
    ) -> torch.Tensor:
        hidden = functional.conv2d(signal, weights["first.weight"], padding=1)
        hidden = self._norm(below(weights, "first_norm"), hidden, latent)
        hidden = _pade(below(weights, "activation"), hidden)
        self.places.append(float(hidden.abs().mean()))
        hidden = functional.conv2d(hidden, weights["second.weight"], padding=1)
        hidden = self._norm(below(weights, "second_norm"), hidden, latent)
        hidden = _pade(below(weights, "last_activation"), hidden + _shortcut(weights, signal))
        self.places.append(float(hidden.abs().mean()))
        return functional.avg_pool2d(hidden, 2)

    def _axial_block(
        self, weights: Weights, signal: torch.Tensor, latent: torch.Tensor | None
    ) -> torch.Tensor:
        hidden = functional.conv2d(signal, weights["first.weight"])
        hidden = self._norm(below(weights, "first_norm"), hidden, latent)
        hidden = _pade(below(weights, "activation"), hidden)
        over_time, over_bins = below(weights, "over_time"), below(weights, "over_bins")
        hidden = self._attend(over_time, hidden.transpose(2, 3)).transpose(2, 3)
        hidden = self._attend(over_bins, hidden)
        self.places.append(float(hidden.abs().mean()))
        hidden = functional.conv2d(functional.avg_pool2d(hidden, 2), weights["second.weight"])
        hidden = self._norm(below(weights, "second_norm"), hidden, latent)
        shortcut = functional.avg_pool2d(_shortcut(weights, signal), 2)
        return _pade(below(weights, "last_activation"), hidden + shortcut)

    def _attend(self, weights: Weights, signal: torch.Tensor) -> torch.Tensor:
        """Attend along the last axis of (1, channels, rows, n)."""
        _, channels, rows, count = signal.shape
        each = channels // HEADS
        projected = functional.conv2d(signal, weights["project.weight"])
        projected = batch_norm(below(weights, "norm"), projected)
        q, k, v = projected.view(HEADS, 2 * each, rows, count).split(
            [each // 2, each // 2, each], 1
        )
        index = torch.arange(count)
        distance = index[:, None] - index + weights["relative"].shape[1] // 2
        r_q, r_k, r_v = weights["relative"][:, distance].split([each // 2, each // 2, each])
        of_query = torch.einsum("hcri,cij->hrij", q, r_q)
        if self.published:
            of_key = torch.einsum("hcri,cij->hrij", k, r_k)
            content = torch.einsum("hrti,hrtj->hrij", of_query, of_key)
        else:
            of_key = torch.einsum("hcrj,cji->hrij", k, r_k)
            content = torch.einsum("hcri,hcrj->hrij", q, k)
        maps = torch.cat([content, of_query, of_key])[None].flatten(3)
        maps = batch_norm(below(weights, "map_norm"), maps)
        attention = maps.view(3, HEADS, rows, count, count).sum(0).softmax(-1)
        sums = torch.stack(
            [
                torch.einsum("hrij,hcrj->hcri", attention, v),
                torch.einsum("hrij,cij->hcri", attention, r_v),
            ],
            dim=2,
        )  # pairs of channels
        normed = batch_norm(below(weights, "out_norm"), sums.reshape(1, 2 * channels, rows, count))
        return normed.view(1, channels, 2, rows, count).sum(2)


def _shortcut(weights: Weights, signal: torch.Tensor) -> torch.Tensor:
    weight = weights.get("shortcut.weight")
    return signal if weight is None else functional.conv2d(signal, weight)


def _pade(weights: Weights, x: torch.Tensor) -> torch.Tensor:
    above = sum(a * x**k for k, a in enumerate(weights["numerator"]))
    return above / (1 + sum((b * x**k).abs() for k, b in enumerate(weights["denominator"], 1)))
