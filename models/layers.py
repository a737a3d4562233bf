"""Layers that systems share, over (batch, channels, 1, steps) with channels last in memory.

Convolutions over time are two-dimensional ones of height 1: the same numbers, faster on CPU.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from models.spectral import Shape, convolve, spectrum, tile_size

# Inputs of a group up to which PyTorch 2.13 is slower (by up to a third) than group after group.
APART = 32
ONEDNN = torch.backends.mkldnn.is_available()  # x86 builds have it
REDUCTION = 8  # of squeeze and excitation


class ByLength(nn.Module):
    """A network without masks: what answers takes each length of a batch apart.

    In training a batch is taken as it is, zeros behind a record included.  In evaluation records of
    each length are answered without their padding, so that neither it nor the neighbours change an
    answer.
    """

    def forward(self, signal: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        """Map (batch, rows, samples), of which `length` are valid, to logits (batch, classes)."""
        if self.training or bool((length == signal.shape[2]).all()):
            return self.forward_head(*self.forward_features(signal, length))
        logits, order = [], []
        for samples in length.unique().tolist():
            places = (length == samples).nonzero()[:, 0]
            logits.append(self.forward(signal[places, :, :samples], length[places]))
            order.append(places)
        return torch.cat(logits)[torch.cat(order).argsort()]

    def forward_features(
        self, signal: torch.Tensor, length: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the last convolutional map (batch, channels, steps) and its valid steps (batch,)."""
        raise NotImplementedError

    def forward_head(self, features: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        """Map (batch, channels, steps) to logits (batch, classes); all steps are valid."""
        raise NotImplementedError


class Dropout(nn.Module):
    """Dropout with four decisions from each random number.

    PyTorch draws its masks one by one, which costs a sixth of a training step on CPU.  The
    probability is kept to 1 / 65,536.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Set values to 0 in training, and scale the others so that the mean stays."""
        if not self.training or self.probability == 0:
            return signal
        return signal * self._kept(signal) / (1 - self.probability)

    def _kept(self, signal: torch.Tensor) -> torch.Tensor:
        """Draw which values are kept: booleans of the signal's shape."""
        count = signal.numel()
        numbers = torch.empty((count + 3) // 4, dtype=torch.int64, device=signal.device)
        words = numbers.random_(-(2**63), None).view(torch.int16)[:count]
        threshold = round(self.probability * 2**16) - 2**15
        # The mask lies in memory as the signal does (channels last), whatever its shape.
        return words.as_strided(signal.shape, signal.stride()) >= threshold


class MaskedBatchNorm(nn.BatchNorm2d):
    """Batch norm whose statistics leave padding out."""

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
    """Scales channels by a number between 0 and 1 that it makes of all steps."""

    def scale(self, signal: torch.Tensor) -> torch.Tensor:
        """Map (batch, width, 1, steps) to (batch, width, 1, 1)."""
        raise NotImplementedError

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Map (batch, width, 1, steps) to the same shape."""
        return signal * self.scale(signal)


class SqueezeExcitation(Attention):
    """By what their means over time say; Hu et al. 2018."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(width, max(width // REDUCTION, 1))
        self.excite = nn.Linear(self.squeeze.out_features, width)

    def scale(self, signal: torch.Tensor) -> torch.Tensor:
        """Map (batch, width, 1, steps) to (batch, width, 1, 1)."""
        squeezed = functional.relu(self.squeeze(signal.mean((2, 3))))
        return torch.sigmoid(self.excite(squeezed))[:, :, None, None]


class Convolution(nn.Module):
    """A convolution over time with "same" padding, the batch norm and the activation after it.

    While answering (evaluation without gradients) the norm is folded into the weights, and where it
    is faster the convolution goes through `models.spectral`; both change the last digits alone.
    Elsewhere oneDNN has the weights in its own order and computes the activation as it goes.  The
    folded and transformed weights are kept until the weights change: some 6 times the weights'
    memory, where kernels are long.

    Parameters
    ----------
    channels, width, kernel, stride, dilation, groups : int
        Of the convolution; the kernel is odd.
    bias : bool
    norm : bool
        Whether batch norm follows.
    blur : nn.Module, optional
        Comes between convolution and norm; keeps constants, so that it may as well come after it.
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
        self._folded: Any = None

    def train(self, mode: bool = True) -> "Convolution":
        """Switch, and forget the folded weights: training may change the norm's statistics."""
        self._folded = None
        return super().train(mode)

    def __getstate__(self) -> dict[str, Any]:
        """Give what a copy takes over: what oneDNN reads cannot be copied, and is made anew."""
        return {**self.__dict__, "_folded": None}

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Map (batch, channels, 1, steps) to (batch, width, 1, ceil(steps / stride))."""
        estimating = self.norm is not None and self.norm.training  # `training.average` does
        if not self.training and not estimating and not torch.is_grad_enabled():
            return self._answer(signal)
        hidden = self._convolve(signal, self.weight, self.bias)
        return self._after(hidden, self.norm)

    def _after(self, hidden: torch.Tensor, norm: nn.Module | None = None) -> torch.Tensor:
        """Do what follows the convolution; a norm is given where it is not folded."""
        for part in (self.blur, norm, self.activation):
            hidden = hidden if part is None else part(hidden)
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
        steps: dict[str, Any] = {
            "stride": (1, stride),
            "padding": (0, kernel // 2 * self.dilation),
            "dilation": (1, self.dilation),
        }
        if self.groups > 1 and 1 < weight.shape[1] <= APART and signal.device.type == "cpu":
            parts = [part.contiguous(memory_format=torch.channels_last)
                     for part in signal.chunk(self.groups, 1)]  # fmt: skip
            weights = weight.chunk(self.groups)
            biases = [None] * self.groups if bias is None else bias.chunk(self.groups)
            each = zip(parts, weights, biases, strict=True)
            return torch.cat([functional.conv2d(*three, **steps) for three in each], 1)
        return functional.conv2d(signal, weight, bias, groups=self.groups, **steps)

    def _answer(self, signal: torch.Tensor) -> torch.Tensor:
        weight, bias, kept = self._fold()
        usual = signal.device.type == "cpu" and signal.dtype == torch.float32
        if not usual or self.groups > 1 or torch.is_autocast_enabled("cpu"):
            return self._after(self._convolve(signal, weight, bias))
        outputs, inputs, _, kernel = weight.shape
        shape = Shape(inputs, outputs, kernel, self.stride, self.dilation)
        size = tile_size(shape, signal.shape[0], signal.shape[3])
        if size is None and not ONEDNN:
            return self._after(self._convolve(signal, weight, bias))
        if size not in kept:
            kept.clear()  # of signals of another length
            kept[size] = (
                torch.ops.mkldnn._reorder_convolution_weight(
                    weight, *self._places(kernel), 1, list(signal.shape)
                )
                if size is None
                else spectrum(weight[:, :, 0], shape, size)
            )
        if size is None:
            # The most common activation is computed in the same pass.
            fused = isinstance(self.activation, nn.ReLU) and self.blur is None
            hidden = torch.ops.mkldnn._convolution_pointwise(
                signal, kept[size], bias, *self._places(kernel), 1,
                "relu" if fused else "none", [], "",
            )  # fmt: skip
            return hidden if fused else self._after(hidden)
        hidden = convolve(signal, kept[size], shape)
        return self._after(hidden if bias is None else hidden + bias[:, None, None])

    def _places(self, kernel: int) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
        """Give padding, stride and dilation of the two-dimensional convolution."""
        return (0, kernel // 2 * self.dilation), (1, self.stride), (1, self.dilation)

    def _fold(
        self,
    ) -> tuple[torch.Tensor, torch.Tensor | None, dict[int | None, torch.Tensor]]:
        """Give weight and bias with the norm in them, and a place for what is made of the weight.

        That is its transform by the tiles' size, or what oneDNN reads, by None.
        """
        tensors = [*self.parameters(), *self.buffers()]
        state = [
            (tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version)
            for tensor in tensors
        ]
        if self._folded is None or self._folded[0] != state:
            self._folded = state, *self._with_norm(), {}
        weight, bias, kept = self._folded[1:]
        return weight, bias, kept

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
