"""Convolutions over time through the frequency domain, for answering on CPU.

A convolution of 17 taps between many channels spends nearly all of its time in products of
channels.  Cut into overlapping tiles (overlap-save) whose transforms are multiplied frequency by
frequency, an output needs some 2 products for each pair of channels instead of 17: a product of
complex numbers takes three of real ones (Gauss), and the sums before and after them are part of the
transforms, which are products with fixed matrices and cost little where there are many channels.
The numbers are the same up to rounding: the transform is orthogonal, so errors are those of the
direct sum (measured in the tests).

A strided convolution becomes one of stride 1 over its phases; a dilated one runs over interleaved
sequences.  All sequences of a batch are laid end to end, zeros between them.
"""

import math
import time
from collections.abc import Callable
from functools import cache, lru_cache
from typing import NamedTuple

import torch
from torch.nn import functional

SIZES = range(8, 68, 4)  # tiles, in steps
NUMBER = 50  # products that writing and reading one number of a transform costs, beside its own
GAIN = 1.15  # how much cheaper than the direct sum it must look: measured, AVX-512, one thread
LEAST = 1e8  # products of a direct sum, a millisecond or so, below which there is nothing to gain
TILES = 24  # from which on reading the transformed weights is not what takes time
SLOWER = 1.7  # than the sums above say, and it does not pay at all; 1.2 and 2.2 were measured


class Shape(NamedTuple):
    """What a convolution reads and gives; its kernel is odd and its padding "same"."""

    inputs: int
    outputs: int
    kernel: int
    stride: int
    dilation: int

    @property
    def ahead(self) -> int:
        """Steps of zeros before a sequence, and after it."""
        return -(-(self.kernel // 2) // self.stride)

    @property
    def taps(self) -> int:
        """Steps that an output depends on, each of `stride` samples."""
        return self.ahead + self.kernel // 2 // self.stride + 1

    @property
    def width(self) -> int:
        """Numbers of a step."""
        return self.inputs * self.stride

    def steps(self, samples: int) -> int:
        """Count the steps of a sequence, zeros included."""
        return -(-samples // (self.stride * self.dilation)) + self.ahead


def tile_size(shape: Shape, batch: int, samples: int) -> int | None:
    """Choose the tiles' size in steps, or None where the direct sum is faster."""
    if shape.kernel == 1 or (shape.stride > 1 and shape.dilation > 1):
        return None
    size, gain = _best(shape, batch, samples)
    return size if gain > GAIN and pays() else None


def _best(shape: Shape, batch: int, samples: int) -> tuple[int | None, float]:
    """Find the best size, and how many times cheaper than the direct sum it looks."""
    direct = -(-samples // shape.stride) * batch * shape.kernel * shape.inputs * shape.outputs
    total = shape.steps(samples) * batch * shape.dilation
    chosen, gain = None, 0.0
    if direct < LEAST:
        return chosen, gain
    for size in SIZES:
        kept, points = size - shape.taps + 1, 3 * size // 2 - 1
        tiles = -(-total // max(kept, 1))
        if kept < size // 3 or tiles < TILES:
            continue
        small = (NUMBER + size) * shape.width + (NUMBER + kept) * shape.outputs
        cost = tiles * points * (shape.width * shape.outputs + small)
        if direct / cost > gain:
            chosen, gain = size, direct / cost
    return chosen, gain


@cache
def pays() -> bool:
    """Tell whether this processor is one on which it pays.

    PyTorch multiplies matrices by MKL, which some processors let run at a third of the pace of
    oneDNN's convolutions.  Measured once a process, on a usual layer, in less than 0.1 s.
    The two that were measured lie far to either side of `SLOWER`, so that their processes choose
    alike and answers agree to the last digit; on one that lies near it, they might not.
    """
    shape, batch, samples = Shape(128, 128, 17, 1, 1), 2, 1250
    size, gain = _best(shape, batch, samples)
    assert size is not None
    with torch.inference_mode():
        signal = torch.zeros(batch, shape.inputs, 1, samples)
        signal = signal.contiguous(memory_format=torch.channels_last)
        weight = torch.zeros(shape.outputs, shape.inputs, shape.kernel)
        spectra = spectrum(weight, shape, size)
        plain = weight[:, :, None].contiguous(memory_format=torch.channels_last)
        padding = (0, shape.kernel // 2)
        direct_s = _least(lambda: functional.conv2d(signal, plain, padding=padding))
        took_s = _least(lambda: convolve(signal, spectra, shape))
    return gain * took_s / direct_s < SLOWER


def _least(function: Callable[[], object], times: int = 3) -> float:
    """Call a function some times; the answer is the least seconds of processors that it took.

    Of processors, not of the clock: whatever else runs on the machine changes these little.
    """
    took = []
    for _ in range(times + 1):
        begun = time.process_time()
        function()
        took.append(time.process_time() - begun)
    return min(took[1:])


def spectrum(weight: torch.Tensor, shape: Shape, size: int) -> torch.Tensor:
    """Transform the weights (outputs, inputs, kernel) of a convolution.

    Returns
    -------
    torch.Tensor of shape (points, inputs · stride, outputs)
        With 3 · size / 2 − 1 points.
    """
    before = shape.ahead * shape.stride - shape.kernel // 2
    padded = weight.new_zeros(shape.outputs, shape.inputs, shape.taps * shape.stride)
    padded[:, :, before : before + shape.kernel] = weight
    padded = padded.view(shape.outputs, shape.inputs, shape.taps, shape.stride)
    padded = padded.permute(2, 3, 1, 0).reshape(shape.taps, -1)
    made = _matrices(size)[1][:, : shape.taps] @ padded
    return made.view(-1, shape.width, shape.outputs)


def convolve(signal: torch.Tensor, spectra: torch.Tensor, shape: Shape) -> torch.Tensor:
    """Convolve (batch, inputs, 1, samples), channels last, with transformed weights.

    Returns
    -------
    torch.Tensor of shape (batch, outputs, 1, ceil(samples / stride))
        A view of memory that is channels last.
    """
    points, (batch, _, _, samples) = len(spectra), signal.shape
    size = (points + 1) * 2 // 3
    kept, steps = size - shape.taps + 1, shape.steps(samples)
    tiles = -(-shape.dilation * batch * steps // kept)
    sequence = _lay(signal, shape, tiles * kept + size)
    cut = sequence.as_strided((tiles, size, shape.width), (kept * shape.width, shape.width, 1))
    forward, _, backward = _matrices(size)
    waves = torch.bmm(forward.expand(tiles, -1, -1), cut)
    mixed = waves.new_empty(tiles, points, shape.outputs)
    torch.bmm(waves.transpose(0, 1), spectra, out=mixed.transpose(0, 1))
    made = torch.bmm(backward[:kept].expand(tiles, -1, -1), mixed).view(-1, shape.outputs)
    made = made[: shape.dilation * batch * steps].view(shape.dilation, batch, steps, -1)
    made = made.permute(1, 2, 0, 3).flatten(1, 2)[:, : -(-samples // shape.stride)]
    return made.transpose(1, 2)[:, :, None]


def _lay(signal: torch.Tensor, shape: Shape, total: int) -> torch.Tensor:
    """Lay the interleaved sequences of a batch end to end: (total steps, width), zeros between."""
    batch, channels, _, samples = signal.shape
    rows = signal[:, :, 0].transpose(1, 2)  # (batch, samples, channels)
    steps, dilation = shape.steps(samples), shape.dilation
    used = dilation * batch * steps
    made = signal.new_empty(total, shape.width)
    made[used:] = 0
    places = made[:used].view(dilation, batch, steps, shape.width)
    places[:, :, : shape.ahead] = 0
    if dilation == 1:  # a record's samples lie as they are, whatever the stride
        flat = places[0].view(batch, steps * shape.stride, channels)
        first = shape.ahead * shape.stride
        flat[:, first : first + samples] = rows
        flat[:, first + samples :] = 0
        return made
    whole, over = divmod(samples, dilation)
    end = shape.ahead + whole
    evenly = rows[:, : whole * dilation].unflatten(1, (whole, dilation))
    places[:, :, shape.ahead : end] = evenly.permute(2, 0, 1, 3)
    places[:, :, end:] = 0
    if over:
        places[:over, :, end] = rows[:, samples - over :].transpose(0, 1)
    return made


@lru_cache(maxsize=64)
def _matrices(size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Make the matrices that transform tiles, weights (of a correlation) and products back.

    Returns
    -------
    forward, weights : torch.Tensor of shape (points, size)
    backward : torch.Tensor of shape (size, points)
        With (a + ib)(c + id) = (s − t) + i (s + u), where s = c (a + b), t = b (c + d),
        u = a (d − c).
    """
    steps = torch.arange(size, dtype=torch.float64)
    angles = 2 * math.pi / size * torch.outer(steps[: size // 2 + 1], steps)
    cosines, sines = angles.cos(), angles.sin()
    ends, rest = [0, size // 2], slice(1, size // 2)
    real, imaginary = cosines[rest], -sines[rest]
    forward = torch.cat([cosines[ends], real + imaginary, imaginary, real])
    # A correlation's weights are conjugate: d = +sines.
    weights = torch.cat([cosines[ends], real, real - imaginary, -imaginary - real])
    sums, differences = real + imaginary, -real
    backward = torch.cat([cosines[ends] / 2, sums, differences, imaginary]) * 2 / size
    return forward.float(), weights.float(), backward.T.float().contiguous()
