"""Convolutions through the frequency domain against PyTorch's in double precision."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from models import spectral
from models.spectral import SIZES, Shape, convolve, pays, spectrum, tile_size


def direct(signal: torch.Tensor, weight: torch.Tensor, shape: Shape) -> torch.Tensor:
    padding = shape.kernel // 2 * shape.dilation
    return functional.conv1d(
        signal.double(), weight.double(), None, shape.stride, padding, shape.dilation
    )


def error(shape: Shape, batch: int, samples: int, size: int) -> float:
    """The largest error of outputs whose variance is 1."""
    torch.manual_seed(0)
    signal = torch.randn(batch, shape.inputs, 1, samples)
    signal = signal.contiguous(memory_format=torch.channels_last)
    weight = torch.randn(shape.outputs, shape.inputs, shape.kernel)
    weight /= math.sqrt(shape.inputs * shape.kernel)
    found = convolve(signal, spectrum(weight, shape, size), shape)[:, :, 0]
    expected = direct(signal[:, :, 0], weight, shape)
    assert found.shape == expected.shape
    return float((found - expected).abs().max())


@settings(deadline=None, max_examples=60)
@given(
    kernel=st.sampled_from([3, 5, 7, 11, 15, 17]),
    step=st.sampled_from([(1, 1), (2, 1), (3, 1), (4, 1), (1, 2), (1, 8), (1, 64)]),
    channels=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    batch=st.integers(1, 3),
    samples=st.integers(1, 300),
    size=st.sampled_from(SIZES),
)
def test_every_convolution_is_pytorchs(
    kernel: int, step: tuple[int, int], channels: tuple[int, int], batch: int, samples: int,
    size: int,
) -> None:  # fmt: skip
    shape = Shape(*channels, kernel, *step)
    if size > shape.taps:
        assert error(shape, batch, samples, size) < 5e-6  # float32


@pytest.mark.parametrize("size", [24, 40, 64])
@pytest.mark.parametrize("stride", [1, 4])
def test_many_channels_are_summed_as_exactly_as_by_pytorch(size: int, stride: int) -> None:
    shape = Shape(128, 64, 17, stride, 1)
    torch.manual_seed(0)
    signal, weight = torch.randn(2, 128, 1, 600), torch.randn(64, 128, 17) / math.sqrt(128 * 17)
    single = functional.conv1d(signal[:, :, 0], weight, None, stride, 8)
    pytorchs = float((single - direct(signal[:, :, 0], weight, shape)).abs().max())
    assert error(shape, 2, 600, size) < 3 * pytorchs


def test_it_is_used_where_it_saves_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectral, "pays", lambda: True)
    assert tile_size(Shape(128, 128, 17, 1, 1), batch=8, samples=1250) is not None
    assert tile_size(Shape(128, 128, 17, 4, 1), batch=8, samples=5000) is not None
    monkeypatch.setattr(spectral, "pays", lambda: pytest.fail("measured for nothing"))
    assert tile_size(Shape(128, 128, 1, 1, 1), batch=8, samples=1250) is None
    assert tile_size(Shape(12, 64, 17, 1, 1), batch=8, samples=5000) is None  # few channels
    assert tile_size(Shape(320, 320, 17, 1, 1), batch=1, samples=20) is None  # few steps


def test_it_is_not_used_where_matrix_products_are_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    took = iter([1.0, 0.4, 1.0, 0.8])  # seconds, direct and ours, on two machines
    monkeypatch.setattr(spectral, "_least", lambda _: next(took))
    for expected in (True, False):
        pays.cache_clear()
        assert pays() is pays() is expected
        assert (tile_size(Shape(128, 128, 17, 1, 1), 8, 1250) is not None) is expected
    pays.cache_clear()
