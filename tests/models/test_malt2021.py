"""The beat networks of STAFF-MALT 2021, with values computed outside the code under test.

Parameter counts, the attention example and the windows come from sections 4 and 5 of the fact sheet
of the slides; the separable convolution is compared with one full convolution.
"""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from ecg import LeadwiseError
from models.malt2021 import (
    KERNEL,
    RECIPES,
    SIMULATED,
    AdditiveAttention,
    BeatNetwork,
    Block,
    Separable,
    keras_parameters,
    predict,
    transfer,
    windows,
)


def randomised(network: nn.Module, seed: int = 0) -> nn.Module:
    """Give norms statistics and weights that are not those of a fresh network."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.weight.data, module.bias.data):
                assert tensor is not None
                tensor.normal_(generator=generator)
            assert module.running_var is not None
            module.running_var.uniform_(0.5, 2, generator=generator)
    return network


def beats(count: int, samples: int = 100, channels: int = 1) -> np.ndarray:
    shape = (count, channels, samples)
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


# Keras: total and trainable; PyTorch: parameters().  Section 4 of the sheet, layout A.
@pytest.mark.parametrize(("attention", "total"), [(True, 169_932), (False, 167_819)])
def test_keras_would_count_the_published_number(attention: bool, total: int) -> None:
    network = BeatNetwork(1, 2, attention)
    assert keras_parameters(network) == total
    statistics = sum(one.numel() for name, one in network.named_buffers() if "running" in name)
    assert keras_parameters(network) - statistics == total - 2_304
    assert sum(weight.numel() for weight in network.parameters()) == total - 2_304 + 256


def test_each_part_has_the_parameters_of_the_layout() -> None:
    network = BeatNetwork(1, 2)
    parts = [*network.blocks, network.lstm, network.attention, network.head]
    counts = [keras_parameters(part) for part in parts if part is not None]
    assert counts == [19_721, 53_376, 53_376, 41_216, 2_113, 130]
    assert keras_parameters(Separable(128, 128).depthwise) == 9 * 128
    assert 9 * 128 + 128 * 128 + 128 == 17_664
    assert keras_parameters(Separable(128, 128)) == 17_664 + 4 * 128


def test_attention_has_the_worked_values() -> None:
    attention = AdditiveAttention(2, 2)
    with torch.no_grad():
        attention.hidden.weight.copy_(torch.eye(2))
        attention.hidden.bias.zero_()
        attention.score.weight.copy_(torch.tensor([[1.0, 2.0]]))
        attention.score.bias.zero_()
        states = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]])
        weights = attention.weights(states)
        pooled = attention(states)
        expected = torch.tensor([[0.129391, 0.277115, 0.593494]])
        torch.testing.assert_close(weights, expected, atol=1e-6, rtol=0)
        expected = torch.tensor([[0.722885, 0.870609]])
        torch.testing.assert_close(pooled, expected, atol=1e-6, rtol=0)
        attention.score.bias.fill_(7.0)  # the softmax does not depend on c
        torch.testing.assert_close(attention(states), pooled)
        torch.testing.assert_close(weights.sum(1), torch.ones(1))


def test_a_separable_convolution_is_one_with_the_product_as_its_kernel() -> None:
    separable = Separable(6, 5)
    separable.pointwise.norm = None
    depthwise = separable.depthwise.weight[:, 0, 0]  # (6, 9)
    pointwise = separable.pointwise.weight[:, :, 0, 0]  # (5, 6)
    kernel = pointwise[:, :, None] * depthwise[None]  # (5, 6, 9)
    signal = torch.randn(3, 6, 40)
    full = functional.conv1d(signal, kernel, separable.pointwise.bias, padding=KERNEL // 2)
    torch.testing.assert_close(separable(signal[:, :, None])[:, :, 0], full)


def test_a_block_is_its_layers_in_pytorchs_own() -> None:
    block = randomised(Block(2)).eval()
    signal = torch.randn(4, 2, 21)

    def norm(hidden: torch.Tensor, one: nn.BatchNorm2d) -> torch.Tensor:
        return functional.batch_norm(
            hidden, one.running_mean, one.running_var, one.weight, one.bias, eps=one.eps
        )

    hidden = signal
    for separable in block.convolutions:  # type: ignore[union-attr]
        hidden = functional.conv1d(
            hidden, separable.depthwise.weight[:, :, 0], padding=4, groups=hidden.shape[1]
        )
        pointwise = separable.pointwise
        hidden = functional.conv1d(hidden, pointwise.weight[:, :, 0], pointwise.bias)
        hidden = norm(hidden, pointwise.norm)
        hidden = hidden.relu() if pointwise.activation is not None else hidden
    shortcut = block.shortcut
    direct = functional.conv1d(signal, shortcut.weight[:, :, 0], shortcut.bias)  # type: ignore
    expected = functional.max_pool1d((hidden + norm(direct, shortcut.norm)).relu(), 2)  # type: ignore
    with torch.no_grad():  # the norms are folded
        torch.testing.assert_close(block(signal[:, :, None])[:, :, 0], expected)
    torch.testing.assert_close(block(signal[:, :, None])[:, :, 0], expected)


@pytest.mark.parametrize("attention", [True, False])
@pytest.mark.parametrize("samples", [100, 300, 101, 8])
def test_one_network_reads_windows_of_any_length(attention: bool, samples: int) -> None:
    network = BeatNetwork(3, 2, attention).eval()
    assert network(torch.randn(2, 3, samples)).shape == (2, 2)
    assert network.forward_features(torch.randn(2, 3, samples)).shape == (2, 128, samples // 8)


def test_a_window_that_is_too_short_is_refused() -> None:
    with pytest.raises(LeadwiseError, match="a window of 7 samples is too short; 8 are needed"):
        BeatNetwork(1, 2)(torch.zeros(1, 1, 7))


def test_predictions_do_not_depend_on_the_batch() -> None:
    network = randomised(BeatNetwork(1, 3)).eval()
    assert isinstance(network, BeatNetwork)
    signal = beats(150)
    together = predict(network, signal)
    np.testing.assert_allclose(together.sum(1), 1, rtol=1e-5)
    apart = np.concatenate([predict(network, signal[n : n + 1]) for n in range(0, 150, 10)])
    np.testing.assert_allclose(together[::10], apart, atol=1e-6)
    with torch.no_grad():
        plain = network(torch.from_numpy(signal)).softmax(1).numpy()
    np.testing.assert_allclose(together, plain, atol=1e-6)
    assert predict(network, signal[:0]).shape == (0, 3)


def test_both_networks_learn_a_simple_rule() -> None:
    """Beats with a bump in the second half; 30 steps of the recipe's optimiser."""
    torch.manual_seed(0)
    signal = torch.from_numpy(beats(32, 48)) * 0.1
    target = torch.arange(32) % 2
    signal[target == 1, 0, 28:38] += 1
    for attention in (True, False):
        network = BeatNetwork(1, 2, attention)
        optimiser = torch.optim.Adam(network.parameters(), RECIPES["malt-artefact-lstm"].lr)
        for _ in range(30):
            optimiser.zero_grad()
            functional.cross_entropy(network(signal), target).backward()
            optimiser.step()
        assert functional.cross_entropy(network(signal), target) < 0.1


def test_windows_are_cut_at_each_r_peak_and_padded_with_the_edge() -> None:
    """Section 5: r = 60, N = 1000: samples 10 to 109; and 90 of padding, then 0 to 209."""
    signal = np.stack([np.arange(1000), -np.arange(1000)])
    short = windows(signal, np.array([60, 990]), 50)
    assert short.shape == (2, 2, 100)
    np.testing.assert_array_equal(short[0, 0], np.arange(10, 110))
    np.testing.assert_array_equal(short[0, 1], -np.arange(10, 110))
    np.testing.assert_array_equal(short[1, 0], [*range(940, 1000), *[999] * 40])
    long = windows(signal, np.array([60]), 150)
    np.testing.assert_array_equal(long[0, 0], [*[0] * 90, *range(210)])
    assert long[0, 0, 150] == 60  # the R sample is the first of the second half
    assert windows(signal, np.array([], int), 50).shape == (0, 2, 100)


@pytest.mark.parametrize("peak", [-1, 1000])
def test_an_r_peak_outside_the_signal_is_refused(peak: int) -> None:
    with pytest.raises(LeadwiseError, match="1 of 2 R peaks are outside the 1000 samples"):
        windows(np.zeros((1, 1000)), np.array([5, peak]), 50)


def test_network_2_begins_with_network_1() -> None:
    first, second = randomised(BeatNetwork(1, 2)), BeatNetwork(1, 2)
    transfer(second, first.state_dict(), frozen=False)
    signal = torch.randn(5, 1, 300)
    torch.testing.assert_close(second.eval()(signal), first.eval()(signal))
    assert all(weight.requires_grad for weight in second.parameters())


def test_frozen_networks_train_the_head_alone() -> None:
    network = BeatNetwork(1, 2)
    transfer(network, randomised(BeatNetwork(1, 2)).state_dict(), frozen=True)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    optimiser = torch.optim.Adam([one for one in network.parameters() if one.requires_grad], 0.1)
    network.train()
    loss = functional.cross_entropy(network(torch.randn(8, 1, 100)), torch.arange(8) % 2)
    loss.backward()
    optimiser.step()
    changed = {name for name, one in network.state_dict().items() if not one.equal(before[name])}
    assert changed == {"head.weight", "head.bias"}


def test_attention_and_other_classes_keep_their_own_weights_after_transfer() -> None:
    network = BeatNetwork(1, 3)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    source = randomised(BeatNetwork(1, 2, attention=False)).state_dict()
    transfer(network, source, frozen=False)
    for name, tensor in network.state_dict().items():
        own = name.startswith(("attention.", "head."))
        assert tensor.equal(before[name] if own else source[name]), name


def test_weights_of_another_number_of_leads_are_refused() -> None:
    with pytest.raises(LeadwiseError, match=r"blocks\.0\..+; a network of as many leads is needed"):
        transfer(BeatNetwork(2, 2), BeatNetwork(1, 2).state_dict(), frozen=False)


def test_the_recipes_are_the_published_grid() -> None:
    """Three experiments by two networks; 25 epochs of 256 beats and 27 of 128."""
    ours = {"malt-ventricular-frozen"}
    assert len(RECIPES.keys() - ours) == 6
    for name, recipe in RECIPES.items():
        assert recipe.frozen == (name in ours)
        first = "artefact" in name
        numbers = (recipe.half, recipe.epochs, recipe.batch)
        assert numbers == ((50, 25, 256) if first else (150, 27, 128))
        assert recipe.attention == name.endswith(("attention", "frozen"))
        assert len(recipe.classes) == 2
        if name.endswith("lstm"):
            assert recipe.pretrained is None
        elif first:
            assert recipe.pretrained == SIMULATED
        else:
            source = RECIPES[str(recipe.pretrained)]
            assert (source.half, source.attention) == (50, recipe.attention)
