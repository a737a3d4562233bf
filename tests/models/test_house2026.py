"""The house's network: its size, the lengths that it halves, and what it starts from."""

import pytest
import torch

from ecg.leads import LEAD_SETS, STANDARD
from models import find
from models.classifier import build
from models.house2026 import Block, Ensemble, Network, bce_of_each
from models.losses import Batch, bce


def test_its_size_is_what_the_results_say() -> None:
    network = build(find("house-resnet"), STANDARD, 26)
    assert sum(weight.numel() for weight in network.parameters()) == 2_282_080


@pytest.mark.parametrize("samples", [1, 2, 31, 999, 1000, 1001])
def test_any_length_has_a_map_of_a_thirty_second_of_it(samples: int) -> None:
    network = Network(2, 3, widths=(8, 8, 8, 8, 8), blocks=(1,) * 5).eval()
    length = torch.tensor([samples])
    features, steps = network.forward_features(torch.randn(1, 2, samples), length)
    assert features.shape == (1, 8, -(-samples // 32))
    assert steps.tolist() == [features.shape[2]]
    assert torch.isfinite(network(torch.randn(1, 2, samples), length)).all()


def test_a_block_without_change_passes_its_signal_on() -> None:
    block = Block(8, 8, 9, halve=False, dropout=0).eval()
    with torch.no_grad():
        block.second.weight.zero_()
        signal = torch.randn(2, 8, 1, 20)
        torch.testing.assert_close(block(signal), signal)


def test_where_the_rate_is_halved_the_shortcut_is_the_mean_of_two_steps() -> None:
    block = Block(2, 2, 9, halve=True, dropout=0).eval()
    with torch.no_grad():
        block.second.weight.zero_()
        block.shortcut.weight.copy_(torch.eye(2)[:, :, None, None])
        made = block(torch.tensor([[[[1.0, 3.0, 5.0]], [[0.0, 2.0, 4.0]]]]))
    torch.testing.assert_close(made, torch.tensor([[[[2.0, 5.0]], [[1.0, 4.0]]]]))


def test_it_begins_by_calling_every_class_rare() -> None:
    network = build(find("house-resnet"), LEAD_SETS[2], 26).eval()
    flat = torch.zeros(1, 2, 1000)
    with torch.inference_mode():
        assert torch.sigmoid(network(flat, torch.tensor([1000]))).max() < 0.2


def test_mean_and_maximum_over_time_answer() -> None:
    network = Network(2, 3, widths=(4,), blocks=(1,)).eval()
    features, length = torch.rand(1, 4, 10), torch.tensor([10])
    both = torch.cat([features.mean(2), features.amax(2)], 1)
    torch.testing.assert_close(network.forward_head(features, length), network.head(both))


def test_members_answer_by_their_mean_logit_and_learn_each_by_itself() -> None:
    torch.manual_seed(0)
    both = Ensemble(2, 3, members=2, widths=(4, 8), blocks=(1, 1)).eval()
    signal, length = torch.randn(5, 2, 200), torch.full((5,), 200)
    each = torch.stack([member(signal, length) for member in both.members])
    assert (each[0] - each[1]).abs().min() > 1e-6, "they begin differently"
    torch.testing.assert_close(both(signal, length), each.mean(0))
    labels = (torch.rand(5, 3) < 0.5).float()
    loss, _ = bce_of_each(both, Batch(signal, length, labels))
    alone = [bce(member, Batch(signal, length, labels))[0] for member in both.members]
    torch.testing.assert_close(loss, torch.stack(alone).mean())
