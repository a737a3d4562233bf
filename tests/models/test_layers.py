"""A convolution and its norm: what is folded and kept is what the weights say at that moment."""

import copy

import pytest
import torch
from torch import nn

from models import spectral
from models.layers import Convolution


@pytest.fixture(autouse=True, params=[True, False], ids=["spectral", "direct"])
def _both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `layer` does with `signals` on a machine of either kind."""
    monkeypatch.setattr(spectral, "pays", lambda: request.param)


def layer() -> Convolution:
    torch.manual_seed(0)
    return Convolution(64, 64, 17, bias=True)


def plain(convolution: Convolution, signal: torch.Tensor) -> torch.Tensor:
    """Layer by layer, in evaluation."""
    with torch.enable_grad():
        return convolution.eval()(signal).detach()


def answer(convolution: Convolution, signal: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return convolution.eval()(signal)


def signals() -> torch.Tensor:
    torch.manual_seed(1)
    return torch.randn(4, 64, 1, 700).contiguous(memory_format=torch.channels_last)


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
    """Statistics alone: no weight changes."""
    with torch.no_grad():
        convolution.train()(signals() + 1)


def test_both_ways_are_taken(request: pytest.FixtureRequest) -> None:
    convolution = layer()
    answer(convolution, signals())
    (size,) = convolution._folded[3]
    assert (size is None) == ("direct" in request.node.name)


@pytest.mark.parametrize("change", [change_weights, change_statistics, load, train])
def test_answers_follow_every_change(change) -> None:
    convolution, signal = layer(), signals()
    before = answer(convolution, signal)
    change(convolution)
    after = answer(convolution, signal)
    torch.testing.assert_close(after, plain(convolution, signal), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(after, before, atol=1e-2)


def test_what_is_kept_is_no_weight() -> None:
    convolution, signal = layer(), signals()
    names = set(convolution.state_dict())
    expected = answer(convolution, signal)
    assert set(convolution.state_dict()) == names
    assert torch.equal(answer(copy.deepcopy(convolution), signal), expected)


def test_double_precision_stays_double() -> None:
    convolution, signal = layer().double(), signals().double()
    torch.testing.assert_close(answer(convolution, signal), plain(convolution, signal))


def test_the_rate_falls_as_by_a_strided_convolution() -> None:
    torch.manual_seed(0)
    convolution, signal = Convolution(5, 8, 1, stride=4, norm=False), torch.randn(2, 5, 1, 31)
    expected = nn.functional.conv2d(signal, convolution.weight, stride=(1, 4))
    torch.testing.assert_close(convolution(signal), expected)
    torch.testing.assert_close(answer(convolution, signal), expected)
