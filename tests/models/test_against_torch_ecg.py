"""Revenger 2021 against the networks of torch-ecg with the same weights.

torch-ecg 0.0.33 (DeepPSP/torch_ecg) is the authors' library.  It is not a requirement of ours: this
file runs in an environment of its own (`make oracle`).  `test_oracle.py` needs no torch-ecg.
"""

from importlib.util import find_spec
from typing import Any

import pytest
import torch
from torch import nn

from benchmarks.peers import torch_ecg_networks as theirs
from benchmarks.peers.torch_ecg_networks import NAMES, tensors
from models.layers import Dropout
from models.revenger2021 import Network
from tests.conftest import draw_norms

pytestmark = pytest.mark.skipif(
    find_spec("torch_ecg") is None,
    reason="torch-ecg is not installed: make oracle",
)
HEADS = [
    {"lstm": lstm, "attention": attention, "linear": linear}
    for lstm in (False, True)
    for attention in ("none", "se", "gc")
    for linear in (1, 2)
]


def pair(leads: int = 12, classes: int = 26, **options: Any) -> tuple[Network, nn.Module]:
    """Make our network with random weights and statistics, and theirs with the same."""
    torch.manual_seed(0)
    network, other = Network(leads, classes, **options), theirs.build(leads, classes, **options)
    draw_norms(network)
    theirs.copy_weights(network, other)
    return network.eval(), other.eval()


def check(network: Network, other: nn.Module, leads: int, samples: int) -> None:
    signal = torch.randn(2, leads, samples)
    with torch.inference_mode():
        own, foreign = network(signal, torch.full((2,), samples)), other(signal)
    torch.testing.assert_close(own, foreign, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("backbone", NAMES)
@pytest.mark.parametrize("samples", [5000, 4996, 1004])
def test_backbones_equal_theirs(backbone: str, samples: int) -> None:
    network, other = pair(backbone=backbone, lstm=False, attention="none", linear=1)
    check(network, other, 12, samples)


@pytest.mark.parametrize("backbone", ["nc-se", "branched"])
@pytest.mark.parametrize("samples", [5001, 4999])
def test_odd_lengths_give_their_outputs(backbone: str, samples: int) -> None:
    network, other = pair(backbone=backbone, lstm=False, attention="none", linear=1)
    check(network, other, 12, samples)


@pytest.mark.parametrize("head", HEADS, ids=str)
def test_heads_equal_theirs(head: dict[str, Any]) -> None:
    network, other = pair(backbone="nc-se", **head)
    check(network, other, 12, 5000)


@pytest.mark.parametrize("backbone", NAMES)
def test_whole_networks_equal_theirs(backbone: str) -> None:
    network, other = pair(backbone=backbone, lstm=True, attention="se", linear=2)
    check(network, other, 12, 2000)


@pytest.mark.parametrize("backbone", NAMES)
@pytest.mark.parametrize("leads", [6, 4, 3, 2])
def test_networks_for_fewer_leads_equal_theirs(backbone: str, leads: int) -> None:
    network, other = pair(leads, backbone=backbone, lstm=False, attention="none", linear=1)
    check(network, other, leads, 1000)


@pytest.mark.parametrize("backbone", NAMES)
def test_training_steps_equal_theirs(backbone: str) -> None:
    """Outputs, statistics and gradients, without dropout, whose draws differ."""
    network, other = pair(backbone=backbone, lstm=False, attention="none", linear=2)
    for module in (*network.train().modules(), *other.train().modules()):
        if isinstance(module, Dropout):
            module.probability = 0.0
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    network, other = network.double(), other.double()  # float32 gradients differ by rounding
    signal = torch.randn(3, 12, 1000, dtype=torch.float64)
    own, foreign = network(signal, torch.full((3,), 1000)), other(signal)
    torch.testing.assert_close(own, foreign, atol=1e-9, rtol=1e-9)
    own.square().sum().backward()
    foreign.square().sum().backward()
    for ours, their in zip(tensors(network), tensors(other), strict=True):
        torch.testing.assert_close(ours.reshape(their.shape), their, atol=1e-9, rtol=1e-9)
        if ours.grad is not None:
            grad = ours.grad.reshape(their.shape)
            torch.testing.assert_close(grad, their.grad, atol=1e-8, rtol=1e-6)


@pytest.mark.parametrize("backbone", NAMES)
def test_initial_weights_have_their_standard_deviation(backbone: str) -> None:
    """Per tensor, within five standard errors of both."""
    torch.manual_seed(0)
    options: dict[str, Any] = {"lstm": True, "attention": "gc", "linear": 2}
    own = Network(12, 26, backbone=backbone, **options)
    foreign = theirs.build(12, 26, backbone=backbone, **options)
    for ours, their in zip(tensors(own), tensors(foreign), strict=True):
        count = ours.numel()
        if count > 100:
            first, second = ours.std().item(), their.std().item()
            assert abs(first - second) <= 5 * max(first, second) / count**0.5
