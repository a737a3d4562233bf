"""The average of the weights, and the batch-norm statistics that belong to it."""

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from models import find
from models.classifier import build
from models.layers import MaskedBatchNorm
from models.losses import Batch
from tests.conftest import small
from training.average import ESTIMATED_ON, averaged, follow, kept


def batches_of(count: int, seed: int = 0) -> Iterator[Batch]:
    rng = torch.Generator().manual_seed(seed)
    for _ in range(count):
        length = torch.tensor([60, 100, 80, 100])
        signal = 3 + torch.randn(4, 36, 100, generator=rng)
        signal[torch.arange(100)[None, None] >= length[:, None, None].expand(4, 36, 1)] = 0
        yield Batch(signal, length, torch.zeros(4, 26))


def network_of(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return build(small(find("isibrno-basic")), [f"lead{n}" for n in range(12)], 26)


def weights_of(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in network.named_parameters()}


def test_the_average_is_the_weighted_sum_of_what_the_weights_were() -> None:
    network = nn.Linear(1, 1, bias=False)
    average = {"weight": torch.zeros(1, 1)}
    for value in (1.0, 2.0, 3.0):
        nn.init.constant_(network.weight, value)
        follow(average, network, 0.9)
    assert float(average["weight"]) == pytest.approx(0.1 * (3 + 0.9 * 2 + 0.81 * 1))


def test_a_late_step_keeps_the_most() -> None:
    shares = [kept(0.99, step) for step in range(2000)]
    assert shares == sorted(shares)
    assert shares[-1] == 0.99


def test_the_copy_has_the_averaged_weights_and_the_original_stays_as_it_was() -> None:
    network, other = network_of(0).train(), network_of(1)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    copied = averaged(network, weights_of(other), batches_of(3))
    assert not copied.training
    assert network.training
    for name, weight in other.named_parameters():
        torch.testing.assert_close(copied.get_parameter(name), weight, atol=0, rtol=0)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
    again = averaged(network, weights_of(other), batches_of(3))
    signal, length, _ = next(batches_of(1, seed=5))
    assert torch.equal(copied(signal, length), again(signal, length)), "dropout is off"


def test_statistics_are_the_mean_over_the_batches_whatever_they_were() -> None:
    network = network_of(0)
    for module in network.modules():
        if isinstance(module, MaskedBatchNorm):
            nn.init.constant_(module.running_mean, 1e6)
    copied = averaged(network, weights_of(network), batches_of(3))
    norm = copied.blocks[0].shortcut_norm  # of what is linear in the signal
    assert norm.momentum == 0.1
    means = []
    for signal, length, _ in batches_of(3):
        mapped = copied.blocks[0].shortcut(signal[:, :, None, ::2])[:, :, 0]
        valid = torch.arange(50) < ((length + 1) // 2)[:, None]
        means.append(mapped.transpose(1, 2)[valid].mean(0))
    torch.testing.assert_close(norm.running_mean, torch.stack(means).mean(0), atol=1e-5, rtol=1e-4)


def test_so_many_batches_are_taken_and_none_without_batch_norm() -> None:
    many = batches_of(ESTIMATED_ON + 5)
    averaged(network_of(0), weights_of(network_of(0)), many)
    assert len(list(many)) == 5
    plain = nn.Linear(2, 2)
    averaged(plain, weights_of(plain), batches_of(0))


@pytest.mark.parametrize("name", ["house-resnet", "revenger-nc-se-100hz"])
def test_norms_that_are_folded_while_answering_are_estimated_too(name: str) -> None:
    torch.manual_seed(0)
    network = build(small(find(name)), ["I", "II"], 26)
    weights = weights_of(network)
    generator = torch.Generator().manual_seed(0)
    signals = [3 + torch.randn(4, 2, 1000, generator=generator) for _ in range(2)]
    length = torch.tensor([700, 700, 900, 1000])  # apart in evaluation; here a batch is one
    shown = [Batch(signal, length, torch.zeros(4, 26)) for signal in signals]
    copied = averaged(network, weights, shown)
    for name_of_norm, norm in copied.named_modules():
        if isinstance(norm, nn.BatchNorm2d):
            assert norm.running_mean.abs().max() > 0, name_of_norm
            assert int(norm.num_batches_tracked) == 2


def test_norms_that_are_kept_keep_their_statistics() -> None:
    network = network_of(0).train()
    kept = network.blocks[0].shortcut_norm
    nn.init.constant_(kept.running_mean, 7)
    for weight in kept.parameters():
        weight.requires_grad_(False)
    copied = averaged(network, weights_of(network), batches_of(3))
    assert (copied.blocks[0].shortcut_norm.running_mean == 7).all()
    assert not (copied.blocks[1].shortcut_norm.running_mean == 0).all(), "the others are estimated"
