"""Padé activation units: one rational function a unit, its ten numbers learned.

Molina, Schramowski & Kersting, "Padé activation units", ICLR 2020, in their "safe" form.  Written
as its plain formula it takes some 20 passes over memory forwards and more backwards; here it runs
piece by piece, in the processor's cache, and its derivatives are the closed ones.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable

# Fitted to leaky ReLU of slope 0.01 on [-3, 3]: the public code's start values.
NUMERATOR = (0.0335583603, 0.505000375, 1.65343934, 2.01001052, 0.931901999, 0.152424124)
DENOMINATOR = (3.30847488e-6, 3.98021568, 5.12471206e-7, 0.301830109)
PIECE = 2**15  # numbers: what a piece needs lies in a core's second cache


class Pade(nn.Module):
    """f(x) = (a0 + a1 x + … + a5 x⁵) / (1 + |b1||x| + … + |b4||x|⁴), a and b learned.

    Far out on either side it tends to (a5 / |b4|) x: unlike a leaky ReLU it lets negative values
    pass.
    """

    def __init__(self) -> None:
        super().__init__()
        self.numerator = nn.Parameter(torch.tensor(NUMERATOR))
        self.denominator = nn.Parameter(torch.tensor(DENOMINATOR))

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Map any shape to the same."""
        made: torch.Tensor = _Rational.apply(signal, self.numerator, self.denominator)
        return made


class _Rational(torch.autograd.Function):
    """The function and its derivatives, element by element, in float32."""

    @staticmethod
    def forward(
        ctx: Any, signal: torch.Tensor, numerator: torch.Tensor, denominator: torch.Tensor
    ) -> torch.Tensor:
        signal = _dense(signal)
        made = torch.empty_like(signal)
        a, b = numerator.detach().unbind(), denominator.detach().abs().unbind()
        for x, y in _pieces(signal, made):
            values = x.float()
            y.copy_(_horner(values, a).div_(_below(values.abs(), b)))
        ctx.save_for_backward(signal, numerator, denominator)
        return made

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, gradient: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """With P above, Q below: f' = (P' - f Q')/Q, ∂f/∂a_k = x^k/Q, ∂f/∂b_k = -f s_k |x|^k/Q."""
        signal, numerator, denominator = ctx.saved_tensors
        passed = torch.empty_like(signal)
        given = gradient
        if gradient.stride() != signal.stride():
            given = torch.empty_like(signal).copy_(gradient)
        a, b = numerator.unbind(), denominator.abs().unbind()
        slopes_a = [k * a[k] for k in range(1, 6)]
        slopes_b = [k * b[k - 1] for k in range(1, 5)]
        for_a, for_b = torch.zeros_like(numerator), torch.zeros_like(denominator)
        for x, grad, out in _pieces(signal, given, passed):
            x, grad = x.float(), grad.float()
            size = x.abs()
            below = _below(size, b)
            value = _horner(x, a).div_(below)  # f
            share = grad / below
            slope = _horner(size, slopes_b).mul_(x.sign()).mul_(value).neg_()
            out.copy_(slope.add_(_horner(x, slopes_a)).mul_(share))
            for_b -= _moments(value.mul_(share), size, 4, first=False)
            for_a += _moments(share, x, 6, first=True)
        return passed, for_a, for_b * denominator.sign()


def _below(size: torch.Tensor, b: Sequence[torch.Tensor]) -> torch.Tensor:
    return _horner(size, b).mul_(size).add_(1)


def _horner(x: torch.Tensor, numbers: Sequence[torch.Tensor]) -> torch.Tensor:
    """Evaluate the polynomial with these numbers, of the lowest power first."""
    made = (x * numbers[-1]).add_(numbers[-2])
    for number in reversed(numbers[:-2]):
        made.mul_(x).add_(number)
    return made


def _moments(weights: torch.Tensor, x: torch.Tensor, count: int, *, first: bool) -> torch.Tensor:
    """Sum weights · x^k over k from 0 (`first`) or 1 on, `count` of them; weights are used up."""
    sums = []
    for place in range(count):
        if place or not first:
            weights.mul_(x)
        sums.append(weights.sum())
    return torch.stack(sums)


def _dense(signal: torch.Tensor) -> torch.Tensor:
    """Give a tensor whose numbers lie in memory without gaps; channels may come last."""
    last = signal.ndim == 4 and signal.is_contiguous(memory_format=torch.channels_last)
    return signal if last else signal.contiguous()


def _pieces(*tensors: torch.Tensor) -> Iterator[tuple[torch.Tensor, ...]]:
    """Cut tensors of one layout into flat pieces, where a processor computes; else one piece."""
    count = tensors[0].numel()
    size = PIECE if tensors[0].device.type == "cpu" else max(count, 1)
    flat = [tensor.as_strided((count,), (1,)) for tensor in tensors]
    return zip(*(tensor.split(size) for tensor in flat), strict=True)
