"""Padé activation units: rational functions with ten learned coefficients.

Molina, Schramowski & Kersting, "Padé activation units", ICLR 2020, the "safe" variant.  The plain
formula takes about 20 passes over memory forwards and more backwards.  This implementation works in
chunks that fit into the cache, with closed-form derivatives.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable

# Initial values of the public code, fitted to leaky ReLU of slope 0.01 on [-3, 3].
NUMERATOR = (0.0335583603, 0.505000375, 1.65343934, 2.01001052, 0.931901999, 0.152424124)
DENOMINATOR = (3.30847488e-6, 3.98021568, 5.12471206e-7, 0.301830109)
CHUNK = 2**15  # elements: a chunk and its intermediate results fit into the L2 cache


class Pade(nn.Module):
    """f(x) = (a0 + a1 x + … + a5 x⁵) / (1 + |b1||x| + … + |b4||x|⁴), a and b learned.

    For large |x| it approaches (a5 / |b4|) x, so unlike leaky ReLU it does not attenuate large
    negative values.
    """

    def __init__(self) -> None:
        super().__init__()
        self.numerator = nn.Parameter(torch.tensor(NUMERATOR))
        self.denominator = nn.Parameter(torch.tensor(DENOMINATOR))

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Apply the function to each element, in any shape."""
        rational: Callable[..., torch.Tensor] = _Rational.apply
        return rational(signal, self.numerator, self.denominator)


class _Rational(torch.autograd.Function):
    """The element-wise function and its derivatives, in float32."""

    @staticmethod
    def forward(
        ctx: Any, signal: torch.Tensor, numerator: torch.Tensor, denominator: torch.Tensor
    ) -> torch.Tensor:
        signal = _dense(signal)
        output = torch.empty_like(signal)
        a, b = numerator.detach().unbind(), denominator.detach().abs().unbind()
        for x, y in _chunks(signal, output):
            values = x.float()
            y.copy_(_horner(values, a).div_(_denominator(values.abs(), b)))
        ctx.save_for_backward(signal, numerator, denominator)
        return output

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, gradient: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """For f = P/Q: f' = (P' - f Q')/Q, ∂f/∂a_k = x^k/Q, ∂f/∂b_k = -f sign(b_k) |x|^k/Q."""
        signal, numerator, denominator = ctx.saved_tensors
        signal_grad = torch.empty_like(signal)
        if gradient.stride() != signal.stride():
            gradient = torch.empty_like(signal).copy_(gradient)
        a, b = numerator.unbind(), denominator.abs().unbind()
        a_derived = [k * a[k] for k in range(1, 6)]  # P'
        b_derived = [k * b[k - 1] for k in range(1, 5)]  # Q'
        a_grad, b_grad = torch.zeros_like(numerator), torch.zeros_like(denominator)
        for x, grad, out in _chunks(signal, gradient, signal_grad):
            x, grad = x.float(), grad.float()
            magnitude = x.abs()
            q = _denominator(magnitude, b)
            value = _horner(x, a).div_(q)  # f
            weights = grad / q
            slope = _horner(magnitude, b_derived).mul_(x.sign()).mul_(value).neg_()
            out.copy_(slope.add_(_horner(x, a_derived)).mul_(weights))
            b_grad -= _moments(value.mul_(weights), magnitude, 4, lowest=1)
            a_grad += _moments(weights, x, 6, lowest=0)
        return signal_grad, a_grad, b_grad * denominator.sign()


def _denominator(magnitude: torch.Tensor, b: Sequence[torch.Tensor]) -> torch.Tensor:
    return _horner(magnitude, b).mul_(magnitude).add_(1)


def _horner(x: torch.Tensor, coefficients: Sequence[torch.Tensor]) -> torch.Tensor:
    """Evaluate the polynomial with these coefficients, in ascending order of powers."""
    value = (x * coefficients[-1]).add_(coefficients[-2])
    for coefficient in reversed(coefficients[:-2]):
        value.mul_(x).add_(coefficient)
    return value


def _moments(weights: torch.Tensor, x: torch.Tensor, count: int, *, lowest: int) -> torch.Tensor:
    """Compute `count` sums of weights · x^k, from k = `lowest` (0 or 1); overwrite the weights."""
    sums = []
    for power in range(lowest, lowest + count):
        if power:
            weights.mul_(x)
        sums.append(weights.sum())
    return torch.stack(sums)


def _dense(signal: torch.Tensor) -> torch.Tensor:
    """Give a tensor that is contiguous in memory, possibly with channels last."""
    last = signal.ndim == 4 and signal.is_contiguous(memory_format=torch.channels_last)
    return signal if last else signal.contiguous()


def _chunks(*tensors: torch.Tensor) -> Iterator[tuple[torch.Tensor, ...]]:
    """Split tensors of one layout into flat chunks on CPU; one chunk on other devices."""
    count = tensors[0].numel()
    size = CHUNK if tensors[0].device.type == "cpu" else max(count, 1)
    flat = [tensor.as_strided((count,), (1,)) for tensor in tensors]
    return zip(*(torch.split(tensor, size) for tensor in flat), strict=True)
