"""House 2026: size, lengths, initial probabilities, and the ensemble."""

import numpy as np
import pytest
import torch

from ecg.labels import CODES
from ecg.leads import LEAD_SETS, STANDARD
from models import find
from models.house2026 import Block, Ensemble, Network, bce_of_each, territory_dropout
from models.losses import bce
from models.network import build
from models.sample import Sample


def test_the_size_is_that_of_the_results() -> None:
    network = build(find("house-resnet"), STANDARD, {"diagnosis": CODES})
    assert sum(weight.numel() for weight in network.parameters()) == 2_282_080


@pytest.mark.parametrize("samples", [1, 2, 31, 999, 1000, 1001])
def test_features_of_any_length_have_a_thirty_second_of_its_steps(samples: int) -> None:
    network = Network(2, 3, widths=(8, 8, 8, 8, 8), blocks=(1,) * 5).eval()
    length = torch.tensor([samples])
    features, steps = network.forward_features(torch.randn(1, 2, samples), length)
    assert features.shape == (1, 8, -(-samples // 32))
    assert steps.tolist() == [features.shape[2]]
    assert torch.isfinite(network(torch.randn(1, 2, samples), length)).all()


def test_channels_are_dropped_in_training_only() -> None:
    """The share of the second convolution's input channels that are 0; a few always are."""
    block = Block(64, 64, 9, halve=False, dropout=0.25)
    read: list[torch.Tensor] = []
    block.second.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0].detach()))
    signal = torch.randn(16, 64, 1, 20)
    for training in (True, False):
        block.train(training)(signal)
    shares = [(one == 0).all(3).double().mean().item() for one in read]
    assert shares == [pytest.approx(0.25, abs=0.05), pytest.approx(0, abs=0.04)]


def test_a_block_without_convolutions_is_the_identity() -> None:
    block = Block(8, 8, 9, halve=False, dropout=0).eval()
    with torch.no_grad():
        block.second.weight.zero_()
        signal = torch.randn(2, 8, 1, 20)
        torch.testing.assert_close(block(signal), signal)


def test_a_shortcut_that_halves_the_rate_is_the_mean_of_two_steps() -> None:
    block = Block(2, 2, 9, halve=True, dropout=0).eval()
    with torch.no_grad():
        block.second.weight.zero_()
        block.shortcut.weight.copy_(torch.eye(2)[:, :, None, None])
        output = block(torch.tensor([[[[1.0, 3.0, 5.0]], [[0.0, 2.0, 4.0]]]]))
    torch.testing.assert_close(output, torch.tensor([[[[2.0, 5.0]], [[1.0, 4.0]]]]))


def test_a_skipped_block_is_its_shortcut_and_the_mean_is_kept() -> None:
    torch.manual_seed(0)
    block = Block(8, 8, 9, halve=False, dropout=0, skip=0.25)
    for norm in (block.norm, block.first.norm):
        norm.eval()  # the same statistics in training
    signal = torch.randn(1, 8, 1, 20).expand(4000, -1, -1, -1)
    added = (block(signal) - signal).detach()
    skipped = (added == 0).flatten(1).all(1)
    assert skipped.float().mean().item() == pytest.approx(0.25, abs=0.03)
    whole = (block.eval()(signal[:1]) - signal[:1]).detach()[0]
    torch.testing.assert_close(added[~skipped][0], whole / 0.75)
    of_blocks = [each.skip for each in Network(2, 3, skip=0.2).blocks]
    assert of_blocks == pytest.approx([0.025 * number for number in range(1, 9)])


def test_a_frozen_network_trains_its_last_layer_alone() -> None:
    trained = [name for name, weight in Network(2, 3, frozen=True).named_parameters()
               if weight.requires_grad]  # fmt: skip
    assert trained == ["head.1.weight", "head.1.bias"]


def test_a_territory_is_set_to_0_unless_nothing_else_is_left() -> None:
    generator = np.random.default_rng(0)
    whole = Sample(np.ones((12, 5), np.float32), STANDARD, 100.0, {})
    absent = {
        tuple(lead for lead, row in zip(STANDARD, one.signal, strict=True) if not row.any())
        for one in (territory_dropout(whole, generator, probability=1) for _ in range(99))
    }
    assert absent == {
        ("II", "III", "aVF"), ("I", "aVL", "V5", "V6"), ("V1", "V2"), ("V3", "V4"), ("aVR",),
    }  # fmt: skip
    assert territory_dropout(whole, generator, probability=0) is whole
    only = Sample(np.ones((2, 5), np.float32), ("II", "III"), 100.0, {})
    assert all(territory_dropout(only, generator, probability=1).signal.all() for _ in range(20))


def test_initial_probabilities_are_low() -> None:
    network = build(find("house-resnet"), LEAD_SETS[2], {"diagnosis": CODES}).eval()
    flat = torch.zeros(1, 2, 1000)
    with torch.inference_mode():
        assert torch.sigmoid(network(flat, torch.tensor([1000]))).max() < 0.2


def test_the_head_reads_mean_and_maximum_over_time() -> None:
    network = Network(2, 3, widths=(4,), blocks=(1,)).eval()
    features, length = torch.rand(1, 4, 10), torch.tensor([10])
    both = torch.cat([features.mean(2), features.amax(2)], 1)
    torch.testing.assert_close(network.forward_head(features, length), network.head(both))


def test_an_ensemble_predicts_the_mean_logit_and_trains_each_member_separately() -> None:
    torch.manual_seed(0)
    both = Ensemble(2, 3, members=2, widths=(4, 8), blocks=(1, 1)).eval()
    signal, length = torch.randn(5, 2, 200), torch.full((5,), 200)
    each = torch.stack([member(signal, length) for member in both.members])
    assert (each[0] - each[1]).abs().min() > 1e-6, "members have different initial weights"
    torch.testing.assert_close(both(signal, length), each.mean(0))
    labels = (torch.rand(5, 3) < 0.5).float()
    both.train()
    torch.manual_seed(1)
    output = both(signal, length)
    assert output.shape == (2, 5, 3)
    torch.manual_seed(1)
    alone = [member(signal, length) for member in both.members]  # with the same dropout
    torch.testing.assert_close(output, torch.stack(alone))
    losses = [bce(logits, labels) for logits in alone]
    torch.testing.assert_close(bce_of_each(output, labels), torch.stack(losses).mean())


def test_the_last_layer_has_a_dropout_of_its_own() -> None:
    network = Network(2, 3, widths=(256,), blocks=(1,), dropout=0.0, head_dropout=0.5).train()
    given = torch.ones(8, 512)
    share = (network.head[0](given) == 0).double().mean().item()
    assert share == pytest.approx(0.5, abs=0.05)
    assert (network.eval().head[0](given) == 1).all()
