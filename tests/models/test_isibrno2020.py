"""ISIBrno 2020; shapes and parameter counts are those of the fact sheet (section 2)."""

import math
from dataclasses import fields

import numpy as np
import pytest
import torch
from torch.nn import functional

from ecg.labels import CODES
from ecg.leads import STANDARD
from models import find
from models.inputs import prepare
from models.isibrno2020 import (
    BASIC,
    INCREASED,
    NETWORKS,
    RARE,
    AlphaDropout,
    Block,
    MaskedBatchNorm,
    Network,
    SelfNormalisingBlock,
    SelfNormalisingNetwork,
)
from models.layers import Dropout
from models.network import build
from models.recipe import Part, Recipe
from simulate import simulate

PARAMETERS = {  # leads: (basic mV, basic with envelopes, increased mV, increased with envelopes)
    12: (308_090, 311_162, 1_214_170, 1_220_314),
    6: (307_322, 308_858, 1_212_634, 1_215_706),
    4: (307_066, 308_090, 1_212_122, 1_214_170),
    3: (306_938, 307_706, 1_211_866, 1_213_402),
    2: (306_810, 307_322, 1_211_610, 1_212_634),
}
BOTH_BLOCKS = pytest.mark.parametrize("block_type", [Block, SelfNormalisingBlock])
BOTH_NETWORKS = pytest.mark.parametrize("network_type", NETWORKS.values(), ids=NETWORKS)
# By table 1, the recipe that each entry is based on, and the fields that change.
CHANGES = {
    "isibrno-entry1": ("isibrno-entry2", {"network"}),
    "isibrno-entry2": ("isibrno-published", {"transforms"}),
    "isibrno-entry3": ("isibrno-entry2", {"network", "optimiser"}),
    "isibrno-entry7": ("isibrno-published", {"network"}),
    "isibrno-2020": ("isibrno-published", {"heads", "lead_sets"}),
}
STEPS = {30_000: 938, 2_500: 79, 2_570: 81, 1_250: 40, 125: 4, 1: 1}


def parameters(channels: int, classes: int, network: Part) -> int:
    with torch.device("meta"):
        module = Network(channels, classes, **network.options)
    return sum(tensor.numel() for tensor in module.parameters())


@pytest.mark.parametrize("leads", PARAMETERS)
def test_parameters_are_those_of_the_fact_sheet(leads: int) -> None:
    shapes = [(BASIC, 1), (BASIC, 3), (INCREASED, 1), (INCREASED, 3)]
    counts = [parameters(leads * derived, 26, network) for network, derived in shapes]
    assert tuple(counts) == PARAMETERS[leads]


def test_parameters_for_the_24_classes_of_2020() -> None:
    assert parameters(12, 24, BASIC) == 307_768
    assert parameters(36, 24, INCREASED) == 1_219_672


def test_entry_7_has_biases_in_place_of_batch_norm() -> None:
    """A block of width w loses 4 norms of 2w numbers and gains 3 biases of w."""
    with torch.device("meta"):
        network = build(find("isibrno-entry7"), STANDARD, {"diagnosis": CODES})
    widths = 64 + 64 + 128 + 128 + 256
    assert sum(weights.numel() for weights in network.parameters()) == 1_220_314 - 5 * widths


@pytest.mark.parametrize("name", CHANGES)
def test_entries_differ_as_in_the_paper(name: str) -> None:
    base, changed = CHANGES[name]
    entry, before = find(name), find(base)
    identity = {"name", "source", "summary"}
    assert differing_fields(entry, before) - identity == changed


def differing_fields(one: Recipe, other: Recipe) -> set[str]:
    names = [field.name for field in fields(Recipe)]
    return {name for name in names if getattr(one, name) != getattr(other, name)}


def test_entry_1_has_basic_widths_and_entry_7_other_blocks() -> None:
    assert find("isibrno-entry1").network == BASIC
    entry7 = find("isibrno-entry7").network
    assert entry7.options == {**INCREASED.options, "dropout": 0.05, "initial_logit": RARE}
    assert NETWORKS[entry7.name] is SelfNormalisingNetwork


@pytest.mark.parametrize(("name", "logit"), [("isibrno-entry7", -3.0), ("isibrno-published", 0.0)])
def test_logits_begin_at_the_bias_of_the_recipe(name: str, logit: float) -> None:
    """Without features a logit is its bias."""
    network = build(find(name), STANDARD, {"diagnosis": CODES})
    network.weight.data.zero_()
    logits = network.eval()(torch.zeros(2, 36, 256), torch.tensor([256, 256]))
    assert torch.equal(logits, torch.full((2, 26), logit))


def test_entry_3_has_neither_l2_nor_dropout() -> None:
    entry = find("isibrno-entry3")
    assert entry.optimiser.options == {"lr": 1e-3, "weight_decay": 0}
    network = build(entry, STANDARD, {"diagnosis": CODES})
    dropouts = [part.probability for part in network.modules() if isinstance(part, Dropout)]
    assert dropouts == [0] * 6  # after each block and on the contexts
    rest = {"widths": INCREASED.options["widths"], "units": 128}
    assert entry.network.options == {**rest, "dropout": 0, "context_dropout": 0}


@pytest.mark.parametrize("name", ["isibrno-entry1", "isibrno-entry2", "isibrno-entry3"])
def test_the_first_entries_have_z_scores(name: str) -> None:
    record = simulate(("NSR",), seed=0, duration_s=4.0, fs=500.0)
    signal = prepare(find(name), record.signal, record.leads, STANDARD, record.fs).signal
    assert signal.shape == (12, 1000)
    np.testing.assert_allclose(signal.mean(1), 0, atol=1e-5)  # float32
    np.testing.assert_allclose(signal.std(1), 1, atol=1e-5)


@BOTH_NETWORKS
def test_networks_have_fifteen_convolutions_and_five_shortcuts(network_type: type[Network]) -> None:
    network = network_type(6, 26, **BASIC.options)
    kernels = [part.kernel_size for part in network.modules() if isinstance(part, torch.nn.Conv2d)]
    assert kernels.count((1, 3)) == 15
    assert kernels.count((1, 1)) == 5


@BOTH_NETWORKS
def test_no_convolution_of_kernel_1_has_a_stride(network_type: type[Network]) -> None:
    """With a stride, PyTorch 2.13 ends in `double free` for 3 or 4 leads (CPU, channels last)."""
    network = network_type(12, 26, **BASIC.options)
    convolutions = [part for part in network.modules() if isinstance(part, torch.nn.Conv2d)]
    assert all(part.stride == (1, 1) for part in convolutions if part.kernel_size == (1, 1))


def test_the_shortcut_equals_a_strided_convolution() -> None:
    torch.manual_seed(0)
    block = Block(5, 8, dropout=0.0).eval()
    signal = torch.randn(2, 5, 1, 31)
    with torch.inference_mode():
        plain = functional.conv2d(signal, block.shortcut.weight, stride=(1, 2))
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


@BOTH_NETWORKS
@pytest.mark.parametrize("samples", [1, 2, 125, 2500, 2501])
def test_padding_changes_no_output(samples: int, network_type: type[Network]) -> None:
    torch.manual_seed(0)
    network = network_type(6, 26, **BASIC.options).eval()
    for module in network.modules():  # statistics and biases that would make padding nonzero
        if isinstance(module, MaskedBatchNorm):
            module.running_mean.normal_()
        if isinstance(module, torch.nn.Conv2d) and module.bias is not None:
            torch.nn.init.normal_(module.bias)
    signal, length = torch.randn(1, 6, samples), torch.tensor([samples])
    padded = functional.pad(signal, (0, 6000 - samples), value=3.0)
    with torch.inference_mode():
        alone, in_padding = network(signal, length), network(padded, length)
        both = network(torch.cat([padded, torch.randn(1, 6, 6000)]), torch.tensor([samples, 6000]))
    torch.testing.assert_close(in_padding, alone, atol=1e-6, rtol=0)
    torch.testing.assert_close(both[:1], alone, atol=1e-6, rtol=0)


def test_masked_batch_norm_equals_batch_norm_of_the_valid_steps() -> None:
    torch.manual_seed(0)
    masked, plain = MaskedBatchNorm(5), torch.nn.BatchNorm1d(5)
    signal = torch.randn(3, 5, 1, 40)
    length = torch.tensor([40, 25, 7])
    mask = (torch.arange(40) < length[:, None])[:, None, None].float()
    valid = torch.cat([row[:, 0, :n] for row, n in zip(signal, length, strict=True)], dim=1)[None]
    expected = plain(valid)[0]
    output = masked(signal * mask, mask)
    output = torch.cat([row[:, 0, :n] for row, n in zip(output, length, strict=True)], dim=1)
    torch.testing.assert_close(output, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(masked.running_mean, plain.running_mean)
    torch.testing.assert_close(masked.running_var, plain.running_var)


@pytest.mark.parametrize("probability", [0.0, 0.2, 0.5])
def test_dropout_has_its_probability_and_keeps_the_mean(probability: float) -> None:
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


@pytest.mark.parametrize("probability", [0.0, 0.2, 0.5])
def test_alpha_dropout_preserves_mean_and_variance(probability: float) -> None:
    """SELU's outputs for standard normal numbers have mean 0 and variance 1.

    Four standard errors of the mean are 0.006 at 513,000 numbers, of the variance 0.008.
    """
    torch.manual_seed(0)
    dropout = AlphaDropout(probability)
    signal = functional.selu(torch.randn(64, 16, 1, 501)).contiguous(
        memory_format=torch.channels_last
    )
    dropped = dropout(signal)
    assert dropped.mean().item() == pytest.approx(0, abs=0.006)
    assert dropped.var().item() == pytest.approx(1, abs=0.008)
    if probability:  # dropped values equal PyTorch's, and all others are higher
        lowest = functional.alpha_dropout(signal, probability, training=True).min()
        torch.testing.assert_close(dropped.min(), lowest)
        share = (dropped == dropped.min()).float().mean().item()
        assert share == pytest.approx(probability, abs=0.003)
    assert dropout.eval()(signal) is signal


@pytest.mark.parametrize("training", [False, True])
def test_self_normalising_blocks_preserve_mean_0_and_variance_1(training: bool) -> None:
    """For standard normal inputs, in an untrained network, after each block.

    Random weights change both slightly: in eight draws means were within 0.01, variances 0.97 to
    1.03.
    """
    torch.manual_seed(0)
    network = SelfNormalisingNetwork(36, 26, **INCREASED.options).train(training)
    hidden = torch.randn(8, 36, 1, 2500)
    for block in network.blocks:
        hidden = block(hidden, None).detach()
        assert hidden.mean().item() == pytest.approx(0, abs=0.05)
        assert hidden.var().item() == pytest.approx(1, abs=0.1)


def test_self_normalising_weights_have_lecuns_initialisation() -> None:
    torch.manual_seed(0)
    block = SelfNormalisingBlock(64, 128, dropout=0.2)
    for convolution in (*block.convolutions, block.shortcut):
        weights = convolution.weight.detach()
        inputs = weights[0].numel()
        error = 1 / math.sqrt(2 * weights.numel())  # of a standard deviation, relative
        assert weights.std().item() * math.sqrt(inputs) == pytest.approx(1, abs=4 * error)
    assert not any(convolution.bias.any() for convolution in block.convolutions)


@BOTH_BLOCKS
def test_padding_stays_zero_in_training(block_type: type[Block | SelfNormalisingBlock]) -> None:
    """Despite biases, batch norm's shift and alpha dropout."""
    torch.manual_seed(0)
    block = block_type(4, 8, dropout=0.5)
    for weights in block.parameters():
        torch.nn.init.normal_(weights)
    mask = (torch.arange(40) < 25).float()[None, None, None].expand(2, 1, 1, 40)
    signal = functional.pad(torch.randn(2, 4, 1, 50), (0, 30))
    assert not block(signal, mask)[..., 25:].any()


@BOTH_BLOCKS
def test_masked_training_equals_unmasked_training_of_equal_lengths(
    block_type: type[Block | SelfNormalisingBlock],
) -> None:
    torch.manual_seed(0)
    block = block_type(4, 8, dropout=0.0)
    for name, weights in block.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(weights)
    signal = torch.randn(2, 4, 1, 50)
    plain = block(signal, None)
    padded = functional.pad(signal, (0, 30))
    mask = (torch.arange(40) < 25).float()[None, None, None].expand(2, 1, 1, 40)
    torch.testing.assert_close(block(padded, mask)[..., :25], plain, atol=1e-5, rtol=1e-5)


def test_each_class_has_its_own_attention() -> None:
    """Against a plain implementation: softmax of scaled dot products, then a weighted sum."""
    torch.manual_seed(0)
    network = Network(3, 5, **BASIC.options).eval()
    features = torch.randn(1, 128, 9)
    with torch.inference_mode():
        logits = network.forward_head(features, torch.tensor([9]))[0].numpy()
        hidden = network.gru(features.transpose(1, 2))[0][0].numpy()
        keys = hidden @ network.keys.weight.numpy().T + network.keys.bias.numpy()
    for index in range(5):
        scores = keys @ network.queries[index].detach().numpy() / np.sqrt(keys.shape[1])
        weights = np.exp(scores - scores.max())
        context = (weights / weights.sum()) @ hidden
        expected = context @ network.weight[index].detach().numpy()
        assert logits[index] == pytest.approx(expected, abs=1e-5)


@BOTH_NETWORKS
def test_attention_and_class_layer_have_their_initial_weights(network_type: type[Network]) -> None:
    """Queries are standard normal; class weights have the bounds of PyTorch's linear layer."""
    torch.manual_seed(0)
    network = network_type(6, 26, **INCREASED.options)
    queries, weights = network.queries.detach(), network.weight.detach()
    error = 4 / math.sqrt(queries.numel())  # four standard errors
    assert queries.mean().item() == pytest.approx(0, abs=error)
    assert queries.std().item() == pytest.approx(1, abs=error)
    bound = 1 / math.sqrt(256)
    assert bound * 0.99 < weights.max() <= bound
    assert -bound <= weights.min() < -bound * 0.99
    assert not network.bias.any()
