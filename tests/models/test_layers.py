"""Convolution: folded weights equal the plain layers, after any change and in several threads."""

import copy
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import nn

from models.layers import Convolution
from tests.conftest import draw_norms


def layer(**options: Any) -> Convolution:
    """Make a convolution whose norm is not the identity."""
    torch.manual_seed(0)
    convolution = Convolution(64, 64, 17, **{"bias": True, **options})
    draw_norms(convolution)
    return convolution


def evaluating(convolution: Convolution) -> Convolution:
    """Switch the mode only where needed, since the switch drops the folded weights."""
    return convolution.eval() if convolution.training else convolution


def plain(convolution: Convolution, signal: torch.Tensor) -> torch.Tensor:
    """Predict without folding, which gradients prevent."""
    with torch.enable_grad():
        return evaluating(convolution)(signal).detach()


def predict(convolution: Convolution, signal: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return evaluating(convolution)(signal)


def signals(steps: int = 700) -> torch.Tensor:
    torch.manual_seed(1)
    return torch.randn(4, 64, 1, steps).contiguous(memory_format=torch.channels_last)


def change_weights(convolution: Convolution) -> None:
    with torch.no_grad():
        convolution.weight.mul_(2)


def change_statistics(convolution: Convolution) -> None:
    assert convolution.norm is not None
    assert convolution.norm.running_mean is not None
    convolution.norm.running_mean.add_(1)


def load(convolution: Convolution) -> None:
    torch.manual_seed(2)
    other = Convolution(64, 64, 17, bias=True)
    nn.init.normal_(other.norm.running_mean)  # type: ignore[union-attr, arg-type]
    convolution.load_state_dict(other.state_dict())


def train(convolution: Convolution) -> None:
    """Only statistics change, no weight."""
    with torch.no_grad():
        convolution.train()(signals() + 1)


@pytest.mark.parametrize("change", [change_weights, change_statistics, load, train])
def test_predictions_follow_every_change(change) -> None:
    convolution, signal = layer(), signals()
    before = predict(convolution, signal)
    change(convolution)
    after = predict(convolution, signal)
    torch.testing.assert_close(after, plain(convolution, signal), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(after, before, atol=1e-2)


def test_folded_weights_are_neither_stored_nor_copied() -> None:
    convolution, signal = layer(), signals()
    names = set(convolution.state_dict())
    expected = predict(convolution, signal)
    assert set(convolution.state_dict()) == names
    assert torch.equal(predict(copy.deepcopy(convolution), signal), expected)


def test_double_precision_stays_double() -> None:
    convolution, signal = layer().double(), signals().double()
    torch.testing.assert_close(predict(convolution, signal), plain(convolution, signal))


def test_a_stride_equals_that_of_a_plain_convolution() -> None:
    torch.manual_seed(0)
    convolution, signal = Convolution(5, 8, 1, stride=4, norm=False), torch.randn(2, 5, 1, 31)
    expected = nn.functional.conv2d(signal, convolution.weight, stride=(1, 4))
    torch.testing.assert_close(convolution(signal), expected)
    torch.testing.assert_close(predict(convolution, signal), expected)


def test_no_convolution_of_kernel_1_has_a_stride(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its backward pass corrupts memory in PyTorch 2.13 (CPU, channels last, few channels)."""

    def noted(*values: Any, **named: Any) -> torch.Tensor:
        strides.append((values[1].shape[3], named["stride"]))
        return plain_convolution(*values, **named)

    plain_convolution, strides = nn.functional.conv2d, []
    monkeypatch.setattr(nn.functional, "conv2d", noted)
    for kernel in (1, 3):
        Convolution(5, 8, kernel, stride=4)(torch.randn(2, 5, 1, 31))
    assert strides == [(1, (1, 1)), (3, (1, 4))]


def test_a_convolution_is_by_default_plain_with_a_norm() -> None:
    """Stride, dilation and groups 1, "same" padding, no bias."""
    torch.manual_seed(0)
    convolution, signal = Convolution(4, 6, 5), torch.randn(2, 4, 1, 31)
    assert convolution.bias is None
    hidden = nn.functional.conv2d(signal, convolution.weight, padding=(0, 2))
    mean, variance = hidden.mean((0, 2, 3), keepdim=True), hidden.var((0, 2, 3), correction=0)
    expected = (hidden - mean) / (variance[:, None, None] + 1e-5).sqrt()
    torch.testing.assert_close(convolution(signal), expected)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bias": False},
        {"norm": False},
        {"stride": 4},
        {"dilation": 8},
        {"groups": 4},
        {"groups": 64, "stride": 2},
        {"activation": nn.ReLU(inplace=True)},
        {"activation": nn.LeakyReLU(), "blur": nn.AvgPool2d((1, 2))},
    ],
    ids=str,
)
def test_folded_weights_equal_the_plain_layers(options: dict[str, Any]) -> None:
    convolution = layer(**options)
    for steps in (700, 33, 700):  # oneDNN's layout of the weights depends on the shape
        signal = signals(steps)
        output = predict(convolution, signal)
        assert convolution._folded is not None
        torch.testing.assert_close(output, plain(convolution, signal), atol=1e-5, rtol=1e-5)


def test_threads_with_different_lengths_share_a_convolution() -> None:
    convolution = layer().eval()
    inputs = [signals(steps) for steps in (700, 33, 350, 1200)]
    expected = [predict(convolution, signal) for signal in inputs]

    def repeat(signal: torch.Tensor) -> list[torch.Tensor]:
        return [predict(convolution, signal) for _ in range(20)]

    convolution.train().eval()  # drops the folded weights
    with ThreadPoolExecutor(4) as threads:
        for outputs, output in zip(threads.map(repeat, inputs), expected, strict=True):
            for one in outputs:
                torch.testing.assert_close(one, output, atol=1e-5, rtol=1e-5)
