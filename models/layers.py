"""Shared layers over (batch, channels, 1, steps) with channels last in memory.

Convolutions over time are two-dimensional with height 1: equal results, faster on CPU.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
from torch import nn
from torch.nn import functional

# Up to this number of channels per group, one call per group takes up to a third less time than
# PyTorch 2.13's grouped convolution.
APART = 32
_MKLDNN: Any = torch.backends.mkldnn  # without types
ONEDNN: bool = _MKLDNN.is_available()  # in x86 builds
REDUCTION = 8  # of squeeze and excitation


class FeatureMaps(NamedTuple):
    """The last feature maps of a network, for Grad-CAM (`models.explain`).

    A convolutional network has a method `feature_maps()` that returns them.

    Attributes
    ----------
    layers : tuple of nn.Module
        Their outputs are the maps (batch, channels, 1, steps), or of a spectrogram (batch,
        channels, steps, bins).
    first : float
        Sample at the centre of step 0.
    stride : int
        Samples from one step to the next.
    time : int
        Dimension of the steps, 3 or 2.
    """

    layers: tuple[nn.Module, ...]
    first: float
    stride: int
    time: int = 3


class ByLength(nn.Module):
    """A network without masks: in evaluation, records of each length are a batch of their own.

    In training the network reads a batch with its padding.  In evaluation it reads no padding, so
    that neither padding nor the other records of a batch change an output.
    """

    def forward(self, signal: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        """Map (batch, rows, samples), of which `length` are valid, to logits (batch, classes)."""
        if self.training or bool((length == signal.shape[2]).all()):
            return self.forward_head(*self.forward_features(signal, length))
        logits, order = [], []
        for samples in torch.unique(length).tolist():
            indices = (length == samples).nonzero()[:, 0]
            logits.append(self.forward(signal[indices, :, :samples], length[indices]))
            order.append(indices)
        return torch.cat(logits)[torch.cat(order).argsort()]

    def forward_features(
        self, signal: torch.Tensor, length: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the last feature map (batch, channels, steps) and its valid steps (batch,)."""
        raise NotImplementedError

    def forward_head(self, features: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        """Map (batch, channels, steps) to logits (batch, classes); all steps are valid."""
        raise NotImplementedError


class Members(nn.Module):
    """Networks that are trained at the same time but independently; the mean logit predicts."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, signal: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        """Return mean logits (batch, classes); in training (members, batch, classes) instead."""
        logits = torch.stack([member(signal, length) for member in self.members])
        return logits if self.training else logits.mean(0)

    def feature_maps(self) -> FeatureMaps:
        """Name the last feature maps of all members."""
        maps = [cast("Any", member).feature_maps() for member in self.members]
        first: FeatureMaps = maps[0]
        return first._replace(layers=tuple(one.layers[0] for one in maps))


class Dropout(nn.Module):
    """Dropout that draws one random number per four values.

    PyTorch draws one per value, which takes a sixth of a training step on a CPU.  The probability
    is rounded to a multiple of 1 / 65,536.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Set values to 0 in training and scale the others to preserve the mean."""
        if not self.training or self.probability == 0:
            return signal
        return signal * self._mask(signal) / (1 - self.probability)

    def _mask(self, signal: torch.Tensor) -> torch.Tensor:
        """Draw which values are not set to 0: booleans of the signal's shape."""
        count = signal.numel()
        numbers = torch.empty((count + 3) // 4, dtype=torch.int64, device=signal.device)
        words = numbers.random_(-(2**63), None).view(torch.int16)[:count]
        threshold = round(self.probability * 2**16) - 2**15
        # The mask has the memory layout of the signal (channels last).
        return words.as_strided(signal.shape, signal.stride()) >= threshold


class MaskedBatchNorm(nn.BatchNorm2d):
    """Batch norm whose statistics exclude padding."""

    def forward(self, signal: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Normalise (batch, channels, rows, steps); `mask` (batch, 1, rows, steps): 1 is valid."""
        if mask is None or not self.training:
            return super().forward(signal)
        count = mask.sum()
        mean = (signal * mask).sum((0, 2, 3)) / count
        centred = (signal - mean[:, None, None]) * mask
        variance = (centred**2).sum((0, 2, 3)) / count
        with torch.no_grad():
            unbiased = variance * count / (count - 1).clamp(min=1)
            momentum = self.momentum or 0.0
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)  # type: ignore[union-attr]
            self.running_var.lerp_(unbiased.to(self.running_var.dtype), momentum)  # type: ignore[union-attr]
            self.num_batches_tracked.add_(1)  # type: ignore[union-attr]
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return centred * scale[:, None, None] + self.bias[:, None, None]


class Attention(nn.Module):
    """Scale each channel by a number between 0 and 1 computed from all steps."""

    def scale(self, signal: torch.Tensor) -> torch.Tensor:
        """Map (batch, width, 1, steps) to (batch, width, 1, 1)."""
        raise NotImplementedError

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Map (batch, width, 1, steps) to the same shape."""
        return signal * self.scale(signal)


class SqueezeExcitation(Attention):
    """Channel attention from the means over time; Hu et al. 2018."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(width, max(width // REDUCTION, 1))
        self.excite = nn.Linear(self.squeeze.out_features, width)

    def scale(self, signal: torch.Tensor) -> torch.Tensor:
        """Map (batch, width, 1, steps) to (batch, width, 1, 1)."""
        squeezed = functional.relu(self.squeeze(signal.mean((2, 3))))
        return torch.sigmoid(self.excite(squeezed))[:, :, None, None]


class Convolution(nn.Module):
    """A convolution over time with "same" padding, then batch norm and activation.

    In evaluation without gradients, the norm is folded into the weights.  On x86 processors oneDNN
    then gets the weights in its own layout and computes a ReLU in the same pass.  The result
    differs by rounding only.  The folded weights are cached until the weights change.

    Parameters
    ----------
    channels, width, kernel, stride, dilation, groups : int
        Of the convolution; the kernel has an odd length.
    norm : bool
        Whether batch norm follows.
    blur : nn.Module, optional
        Between convolution and norm; it preserves constants, so it can follow a folded norm.
    activation : nn.Module, optional
        Comes last.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        kernel: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
        norm: bool = True,
        blur: nn.Module | None = None,
        activation: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.stride, self.dilation, self.groups = stride, dilation, groups
        plain = nn.Conv2d(channels, width, (1, kernel), groups=groups, bias=bias)
        self.weight, self.bias = plain.weight, plain.bias  # in PyTorch's default initialisation
        self.blur = blur
        self.norm = nn.BatchNorm2d(width) if norm else None
        self.activation = activation
        self._folded: _Folded | None = None

    def train(self, mode: bool = True) -> "Convolution":
        """Set the mode and delete the folded weights, because training changes statistics."""
        self._folded = None
        return super().train(mode)

    def __getstate__(self) -> dict[str, Any]:
        """Exclude the folded weights from copies: weights in oneDNN's layout cannot be copied."""
        return {**self.__dict__, "_folded": None}

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Map (batch, channels, 1, steps) to (batch, width, 1, ceil(steps / stride))."""
        estimating = self.norm is not None and self.norm.training  # by `training.optim`
        if not self.training and not estimating and not torch.is_grad_enabled():
            return self._predict(signal)
        hidden = self._convolve(signal, self.weight, self.bias)
        return self._finish(hidden, self.norm)

    def _finish(self, hidden: torch.Tensor, norm: nn.Module | None = None) -> torch.Tensor:
        """Apply blur, norm (if it is not folded) and activation."""
        for module in (self.blur, norm, self.activation):
            hidden = hidden if module is None else module(hidden)
        return hidden

    def _convolve(
        self, signal: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        kernel, stride = weight.shape[3], self.stride
        if kernel == 1 and stride > 1:
            # PyTorch 2.13 corrupts memory in the backward pass of a strided 1 × 1 convolution (CPU,
            # channels last, fewer than 16 channels).
            signal = signal[..., ::stride].contiguous(memory_format=torch.channels_last)
            stride = 1
        options: dict[str, Any] = {
            "stride": (1, stride),
            "padding": (0, kernel // 2 * self.dilation),
            "dilation": (1, self.dilation),
        }
        if self.groups > 1 and 1 < weight.shape[1] <= APART and signal.device.type == "cpu":
            groups = [group.contiguous(memory_format=torch.channels_last)
                      for group in signal.chunk(self.groups, 1)]  # fmt: skip
            weights = weight.chunk(self.groups)
            biases = [None] * self.groups if bias is None else bias.chunk(self.groups)
            triples = zip(groups, weights, biases, strict=True)
            return torch.cat([functional.conv2d(*triple, **options) for triple in triples], 1)
        return functional.conv2d(signal, weight, bias, groups=self.groups, **options)

    def _predict(self, signal: torch.Tensor) -> torch.Tensor:
        folded = self._fold()
        plain = signal.device.type == "cpu" and signal.dtype == torch.float32
        if not (plain and ONEDNN) or self.groups > 1 or torch.is_autocast_enabled("cpu"):
            return self._finish(self._convolve(signal, folded.weight, folded.bias))
        geometry = (
            (0, folded.weight.shape[3] // 2 * self.dilation), (1, self.stride), (1, self.dilation),
        )  # fmt: skip
        shape = tuple(signal.shape)
        reordered = folded.reordered
        if reordered is None or reordered[0] != shape:
            weight = torch.ops.mkldnn._reorder_convolution_weight(
                folded.weight, *geometry, 1, list(shape)
            )
            reordered = folded.reordered = (shape, weight)
        # The most common activation is computed in the same pass.
        fused = isinstance(self.activation, nn.ReLU) and self.blur is None
        hidden: torch.Tensor = torch.ops.mkldnn._convolution_pointwise(
            signal, reordered[1], folded.bias, *geometry, 1, "relu" if fused else "none", [], "",
        )  # fmt: skip
        return hidden if fused else self._finish(hidden)

    def _fold(self) -> "_Folded":
        """Return weight and bias with the folded norm; recompute them if a weight has changed."""
        tensors = [*self.parameters(), *self.buffers()]
        state = [
            (tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version)
            for tensor in tensors
        ]
        folded = self._folded  # a local name, since other threads may replace the attribute
        if folded is None or folded.state != state:
            folded = self._folded = _Folded(state, *self._with_norm())
        return folded

    def _with_norm(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        norm = self.norm
        if norm is None:
            return self.weight, self.bias
        mean, variance = norm.running_mean, norm.running_var
        assert mean is not None
        assert variance is not None
        scale = norm.weight * torch.rsqrt(variance + norm.eps)
        shift = -mean if self.bias is None else self.bias - mean
        return self.weight * scale[:, None, None, None], norm.bias + shift * scale


@dataclass
class _Folded:
    """Weights with the folded norm, also in oneDNN's layout for one input shape."""

    state: list[tuple[int, int]]
    weight: torch.Tensor
    bias: torch.Tensor | None
    reordered: tuple[tuple[int, ...], torch.Tensor] | None = None
