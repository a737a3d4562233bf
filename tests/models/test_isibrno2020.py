"""ISIBrno 2020; shapes and parameter counts are those of the fact sheet (section 2)."""

import numpy as np
import pytest
import torch

from models.isibrno2020 import BASIC, INCREASED, Block, Dropout, MaskedBatchNorm, Network
from models.recipe import Part

PARAMETERS = {  # leads: (basic mV, basic with envelopes, increased mV, increased with envelopes)
    12: (308_090, 311_162, 1_214_170, 1_220_314),
    6: (307_322, 308_858, 1_212_634, 1_215_706),
    4: (307_066, 308_090, 1_212_122, 1_214_170),
    3: (306_938, 307_706, 1_211_866, 1_213_402),
    2: (306_810, 307_322, 1_211_610, 1_212_634),
}
STEPS = {30_000: 938, 2_500: 79, 2_570: 81, 1_250: 40, 125: 4, 1: 1}


def parameters(rows: int, classes: int, network: Part) -> int:
    with torch.device("meta"):
        built = Network(rows, classes, **network.options)
    return sum(tensor.numel() for tensor in built.parameters())


@pytest.mark.parametrize("leads", PARAMETERS)
def test_parameters_are_those_of_the_fact_sheet(leads: int) -> None:
    shapes = [(BASIC, 1), (BASIC, 3), (INCREASED, 1), (INCREASED, 3)]
    counts = [parameters(leads * kinds, 26, network) for network, kinds in shapes]
    assert tuple(counts) == PARAMETERS[leads]


def test_parameters_for_the_24_classes_of_2020() -> None:
    assert parameters(12, 24, BASIC) == 307_768
    assert parameters(36, 24, INCREASED) == 1_219_672


def test_there_are_fifteen_convolutions_besides_the_shortcuts() -> None:
    network = Network(6, 26, **BASIC.options)
    kernels = [part.kernel_size for part in network.modules() if isinstance(part, torch.nn.Conv2d)]
    assert kernels.count((1, 3)) == 15
    assert kernels.count((1, 1)) == 5


def test_no_convolution_of_kernel_1_has_a_stride() -> None:
    """With one, training 3 or 4 leads ended in `double free` (PyTorch 2.13, CPU, channels last)."""
    network = Network(12, 26, **BASIC.options)
    convolutions = [part for part in network.modules() if isinstance(part, torch.nn.Conv2d)]
    assert all(part.stride == (1, 1) for part in convolutions if part.kernel_size == (1, 1))


def test_the_shortcut_is_a_strided_convolution() -> None:
    torch.manual_seed(0)
    block = Block(5, 8, dropout=0.0).eval()
    signal = torch.randn(2, 5, 1, 31)
    with torch.inference_mode():
        plain = torch.nn.functional.conv2d(signal, block.shortcut.weight, stride=(1, 2))
        halved = block.shortcut(signal[..., ::2])
    torch.testing.assert_close(halved, plain)


@pytest.mark.parametrize("samples", STEPS)
def test_each_block_halves_the_steps(samples: int) -> None:
    network = Network(6, 26, **BASIC.options).eval()
    with torch.inference_mode():
        features, length = network.forward_features(
            torch.randn(1, 6, samples), torch.tensor([samples])
        )
    assert features.shape == (1, 128, STEPS[samples])
    assert length.tolist() == [STEPS[samples]]


@pytest.mark.parametrize("samples", [1, 2, 125, 2500, 2501])
def test_padding_changes_no_answer(samples: int) -> None:
    torch.manual_seed(0)
    network = Network(6, 26, **BASIC.options).eval()
    for module in network.modules():  # statistics that make the padding's offset visible
        if isinstance(module, MaskedBatchNorm):
            module.running_mean.normal_()
    signal, length = torch.randn(1, 6, samples), torch.tensor([samples])
    padded = torch.nn.functional.pad(signal, (0, 6000 - samples), value=3.0)
    with torch.inference_mode():
        alone, among = network(signal, length), network(padded, length)
        both = network(torch.cat([padded, torch.randn(1, 6, 6000)]), torch.tensor([samples, 6000]))
    torch.testing.assert_close(among, alone, atol=1e-6, rtol=0)
    torch.testing.assert_close(both[:1], alone, atol=1e-6, rtol=0)


def test_masked_batch_norm_equals_torchs_on_the_valid_steps() -> None:
    torch.manual_seed(0)
    ours, torchs = MaskedBatchNorm(5), torch.nn.BatchNorm1d(5)
    signal = torch.randn(3, 5, 1, 40)
    length = torch.tensor([40, 25, 7])
    mask = (torch.arange(40) < length[:, None])[:, None, None].float()
    valid = torch.cat([row[:, 0, :n] for row, n in zip(signal, length, strict=True)], dim=1)[None]
    expected = torchs(valid)[0]
    found = ours(signal * mask, mask)
    kept = torch.cat([row[:, 0, :n] for row, n in zip(found, length, strict=True)], dim=1)
    torch.testing.assert_close(kept, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours.running_mean, torchs.running_mean)
    torch.testing.assert_close(ours.running_var, torchs.running_var)


@pytest.mark.parametrize("probability", [0.0, 0.2, 0.5])
def test_dropout_drops_its_share_and_keeps_the_mean(probability: float) -> None:
    torch.manual_seed(0)
    dropout = Dropout(probability)
    signal = torch.ones(64, 16, 1, 501).contiguous(memory_format=torch.channels_last)
    dropped = dropout(signal)
    share = 4 * (probability * (1 - probability) / signal.numel()) ** 0.5  # four standard errors
    assert (dropped == 0).float().mean().item() == pytest.approx(probability, abs=share + 2e-5)
    assert dropped.mean().item() == pytest.approx(1, abs=5e-3)
    kept = dropped[dropped > 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - probability)))
    neighbours = (dropped[..., 1:] == 0) & (dropped[..., :-1] == 0)
    assert neighbours.float().mean().item() == pytest.approx(probability**2, abs=5e-3)
    torch.manual_seed(0)
    assert torch.equal(dropout(signal), dropped)
    assert dropout.eval()(signal) is signal


def test_masked_training_equals_unmasked_training_of_equal_lengths() -> None:
    torch.manual_seed(0)
    block = Block(4, 8, dropout=0.0)
    signal = torch.randn(2, 4, 1, 50)
    plain = block(signal, None)
    padded = torch.nn.functional.pad(signal, (0, 30))
    mask = (torch.arange(40) < 25).float()[None, None, None].expand(2, 1, 1, 40)
    torch.testing.assert_close(block(padded, mask)[..., :25], plain, atol=1e-5, rtol=1e-5)


def test_attention_weights_give_each_class_its_own_context() -> None:
    """A hand-made reference of the head: softmax of scaled dot products, then a weighted sum."""
    torch.manual_seed(0)
    network = Network(3, 5, **BASIC.options).eval()
    features = torch.randn(1, 128, 9)
    with torch.inference_mode():
        logits = network.forward_head(features, torch.tensor([9]))[0].numpy()
        hidden = network.gru(features.transpose(1, 2))[0][0].numpy()
        keys = hidden @ network.keys.weight.numpy().T + network.keys.bias.numpy()
    for place in range(5):
        scores = keys @ network.queries[place].detach().numpy() / np.sqrt(keys.shape[1])
        weights = np.exp(scores - scores.max())
        context = (weights / weights.sum()) @ hidden
        expected = context @ network.weight[place].detach().numpy()
        assert logits[place] == pytest.approx(expected, abs=1e-5)
