"""DualNet's layers; values are from the fact sheet (dualnet2017, section 13)."""

import pytest
import torch
from torch import nn

from models.dualnet2017.activation import CHUNK, Pade
from models.dualnet2017.attention import AxialAttention, similarities, weighted_sums
from models.dualnet2017.blocks import (
    AxialBlock,
    ConditionalNorm,
    ResidualBlock,
    apply_mask,
    halve_mask,
)
from tests.conftest import draw_norms

POINTS = (-10.0, -3.0, -2.0, -1.0, -0.5, -0.1, 0.0, 0.1, 0.5, 1.0, 2.0, 3.0, 10.0)
VALUES = (-2.27461, -0.039591, -0.018846, -0.009189, -0.001665, -0.002237, 0.033558, 0.098764,
          0.503335, 1.000811, 2.001153, 2.990408, 7.825385)  # fmt: skip
SLOPES = (0.449705, 0.060469, -0.004489, 0.033780, -0.032835, 0.220399, 0.505000, 0.789601,
          1.042835, 0.976220, 1.014489, 0.949531, 0.560295)  # fmt: skip


def plain_pade(x: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Compute the formula of the fact sheet term by term."""
    numerator = sum(a[k] * x**k for k in range(6))
    return numerator / (1 + sum(b[k - 1].abs() * x.abs() ** k for k in range(1, 5)))


def test_pade_has_the_published_values_and_slopes() -> None:
    x = torch.tensor(POINTS, requires_grad=True)
    output = Pade()(x)
    torch.testing.assert_close(output, torch.tensor(VALUES), atol=1e-5, rtol=0)
    output.sum().backward()
    torch.testing.assert_close(x.grad, torch.tensor(SLOPES), atol=1e-5, rtol=0)


def test_pade_has_the_published_slopes_of_its_coefficients() -> None:
    unit = Pade()
    unit(torch.ones(1)).sum().backward()
    torch.testing.assert_close(unit.numerator.grad, torch.full((6,), 0.189320), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        unit.denominator.grad, torch.full((4,), -0.189474), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("layout", ["plain", "channels last", "transposed"])
def test_pade_equals_its_formula_in_any_layout_and_over_several_chunks(layout: str) -> None:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 50, 301, generator=rng) * 3
    assert x.numel() > 2 * CHUNK
    if layout == "channels last":
        x = x.to(memory_format=torch.channels_last)
    if layout == "transposed":
        x = x.transpose(2, 3)
    unit = Pade()
    with torch.no_grad():
        unit.denominator.copy_(torch.tensor([0.5, -1.0, 0.3, -0.2]))  # signs have no effect
    weights = torch.randn(x.shape, generator=rng)
    actual, expected = [], []
    for function, results in ((unit, actual), (plain_pade, expected)):
        copy = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
        unit.zero_grad()
        coefficients = () if function is unit else (unit.numerator, unit.denominator)
        output = function(copy, *coefficients)
        assert function is not unit or layout == "transposed" or output.stride() == x.stride()
        (output * weights).sum().backward()
        results += [output.detach(), copy.grad, unit.numerator.grad.clone()]
        results.append(unit.denominator.grad.clone())
    for fast, plain in zip(actual, expected, strict=True):
        torch.testing.assert_close(fast, plain, atol=1e-3, rtol=1e-4)


def test_pade_of_bfloat16_is_computed_in_float32() -> None:
    x = torch.tensor(POINTS, dtype=torch.bfloat16)
    output = Pade()(x)
    assert output.dtype == torch.bfloat16
    torch.testing.assert_close(output, Pade()(x.float()).bfloat16())


IMAGE = torch.tensor([[[[1.0, 2], [3, 4]], [[0.0, 0], [0, 8]]]])
W = 0.5 * torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]])
PLAIN = ((-1.341635, -0.447212, 0.447212, 1.341635), (-0.577350,) * 3 + (1.732050,))
PUBLISHED = ((0.829182, 1.276394, 1.723606, 2.170818), (2.422650,) * 3 + (4.732050,))
CORRECTED = ((-0.512453, 0.829182, 2.170818, 3.512453), (1.845299,) * 3 + (6.464102,))


@pytest.mark.parametrize(
    ("as_published", "latent", "expected"),
    [
        (True, True, PUBLISHED),
        (False, True, CORRECTED),
        (True, False, PLAIN),
        (False, False, PLAIN),
    ],
)
def test_conditional_norm(as_published: bool, latent: bool, expected) -> None:
    norm = ConditionalNorm(2, 3, as_published=as_published).train()
    with torch.no_grad():
        norm.condition.weight.copy_(W)
        output = norm(IMAGE, torch.tensor([[1.0, 2, 3]]) if latent else None, None)
    torch.testing.assert_close(output.flatten(2)[0], torch.tensor(expected), atol=1e-5, rtol=0)


def test_a_latent_vector_of_0_does_not_change_the_norm() -> None:
    """As published it gives 0.  The corrected norm is initially a plain one."""
    zeros, ones = torch.zeros(1, 3), torch.ones(1, 3)
    corrected, published = (ConditionalNorm(2, 3, as_published=form) for form in (False, True))
    plain = torch.nn.BatchNorm2d(2)(IMAGE)
    torch.testing.assert_close(corrected(IMAGE, zeros, None), plain)
    torch.testing.assert_close(corrected(IMAGE, ones, None), plain)
    assert not published(IMAGE, zeros, None).any()


Q, K = (torch.tensor(numbers).view(1, 1, 1, 1, 3) for numbers in ([1.0, 2, 3], [1.0, -1, 2]))
V = torch.tensor([[1.0, 0, -1], [2, 2, 0]]).view(1, 1, 2, 1, 3)
DISTANCE = torch.arange(3)[:, None] - torch.arange(3) + 2
R_Q = torch.tensor([[0.1, 0.2, 0.3, 0.4, 0.5]])[:, DISTANCE]
R_K = torch.tensor([[-0.5, -0.25, 0, 0.25, 0.5]])[:, DISTANCE]
R_V = torch.tensor([[1.0, 0, 0, 0, -1], [0, 0.5, 0, -0.5, 0]])[:, DISTANCE]
QUERY = [[0.3, 0.2, 0.1], [0.8, 0.6, 0.4], [1.5, 1.2, 0.9]]
ATTENTION = {  # as published: content, key term, attention, A·v, A·r^v
    False: (
        [[1, -1, 2], [2, -2, 4], [3, -3, 6]],
        [[0, -0.25, 1], [-0.25, 0, 0.5], [-0.5, 0.25, 0]],
        [[0.139958, 0.013348, 0.846695], [0.086920, 0.001674, 0.911406],
         [0.052143, 0.000203, 0.947654]],
        [[-0.706737, -0.824486, -0.895511], [0.306611, 0.177187, 0.104691]],
        [[0.846695, 0, -0.052143], [0.006674, 0.412243, -0.000101]],
    ),
    True: (
        [[1.3, 0.675, 0.05], [1.05, 0.55, 0.05], [0.8, 0.425, 0.05]],
        [[0, -0.25, -0.5], [-0.25, 0, 0.25], [1, 0.5, 0]],
        [[0.658126, 0.248240, 0.093634], [0.489189, 0.311921, 0.198890],
         [0.712155, 0.219927, 0.067918]],
        [[0.564492, 0.290300, 0.644238], [1.812732, 1.602221, 1.864165]],
        [[0.093634, 0, -0.712155], [0.124120, -0.145150, -0.109964]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("as_published", [False, True])
def test_axial_attention_of_three_steps(as_published: bool) -> None:
    content, key, attention, values, positions = ATTENTION[as_published]
    maps = similarities(Q, K, R_Q, R_K, as_published=as_published)
    expected = torch.stack(
        [torch.tensor(each, dtype=torch.float) for each in (content, QUERY, key)]
    )
    torch.testing.assert_close(maps[0, :, 0, 0], expected)
    weights = maps.sum(1).softmax(-1)
    torch.testing.assert_close(weights[0, 0, 0], torch.tensor(attention), atol=1e-5, rtol=0)
    for sums, wanted in zip(weighted_sums(weights, V, R_V), (values, positions), strict=True):
        torch.testing.assert_close(sums[0, 0, :, 0], torch.tensor(wanted), atol=1e-5, rtol=0)


@pytest.mark.parametrize("as_published", [False, True])
@pytest.mark.parametrize(("width", "span"), [(64, 140), (128, 4)])
def test_axial_attention_has_the_published_parameters(
    width: int, span: int, as_published: bool
) -> None:
    count = sum(
        each.numel() for each in AxialAttention(width, span, as_published=as_published).parameters()
    )
    assert count == 2 * width**2 + 8 * width + 96 + width // 8 * (2 * span - 1)


def test_axial_attention_equals_a_plain_implementation() -> None:
    """Step by step, with random statistics and scales of the norms."""
    torch.manual_seed(0)
    module = AxialAttention(32, 5).eval()
    draw_norms(module)
    signal = torch.randn(2, 32, 3, 4)
    with torch.no_grad():
        output = module(signal, None)
        hidden = module.norm(module.project(signal)).view(2, 16, 4, 3, 4)
        scale = module.map_norm.weight / (module.map_norm.running_var + 1e-5).sqrt()
        shift = module.map_norm.bias - module.map_norm.running_mean * scale
        stacked = torch.zeros(2, 16, 2, 2, 3, 4)  # head, channel, content or position
        for i in range(4):
            logits = torch.zeros(2, 16, 3, 4)
            for j in range(4):
                q, k = hidden[:, :, 0, :, i], hidden[:, :, 1, :, j]
                r_q, r_k = module.relative[0, i - j + 4], module.relative[1, j - i + 4]
                for index, term in enumerate((q * k, q * r_q, k * r_k)):
                    heads = slice(16 * index, 16 * index + 16)
                    logits[..., j] += term * scale[heads, None] + shift[heads, None]
            attention = logits.softmax(-1)
            for j in range(4):
                value, position = hidden[:, :, 2:, :, j], module.relative[2:, i - j + 4]
                stacked[:, :, :, 0, :, i] += attention[:, :, None, :, j] * value
                stacked[:, :, :, 1, :, i] += attention[:, :, None, :, j] * position[:, None]
        expected = module.out_norm(stacked.reshape(2, 64, 3, 4)).view(2, 32, 2, 3, 4).sum(2)
    torch.testing.assert_close(output, expected, atol=1e-4, rtol=1e-4)


def test_distances_beyond_the_span_share_the_last_embedding() -> None:
    module = AxialAttention(32, 3).eval()
    embeddings = module._positions(6)
    assert torch.equal(embeddings[:, 5, 0], module.relative[:, 4])
    assert torch.equal(embeddings[:, 5, 3], embeddings[:, 5, 0])
    assert not torch.equal(embeddings[:, 5, 4], embeddings[:, 5, 0])


def blocks() -> list[nn.Module]:
    return [
        ResidualBlock(16, 32, 6, dropout=0.0),
        AxialBlock(16, 32, 6, (8, 3), dropout=0.0),
        AxialBlock(16, 32, 6, (8, 3), dropout=0.0, published=("norm", "attention")),
    ]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("which", range(3))
def test_padding_changes_neither_outputs_nor_statistics(which: int, training: bool) -> None:
    """In training the norms have the statistics of the valid steps."""
    torch.manual_seed(0)
    block = blocks()[which].train(training)
    draw_norms(block)
    whole, latent = torch.randn(3, 16, 8, 6), torch.randn(3, 6)
    state = {name: value.clone() for name, value in block.state_dict().items()}
    alone = block(whole, latent, None)
    after = {name: value.clone() for name, value in block.state_dict().items()}
    block.load_state_dict(state)
    mask = (torch.arange(14) < 8)[:, None].expand(3, 1, 14, 6)
    padded = torch.cat([whole, torch.zeros(3, 16, 6, 6)], 2)
    output = block(padded, latent, mask)
    torch.testing.assert_close(output[:, :, :4], alone, atol=1e-5, rtol=1e-4)
    assert not output[:, :, 4:].any()
    assert torch.equal(halve_mask(mask), (torch.arange(7) < 4)[:, None].expand(3, 1, 7, 3))
    for name, value in block.state_dict().items():
        if "num_batches" not in name:
            torch.testing.assert_close(value, after[name], atol=1e-5, rtol=1e-4)


def test_an_odd_valid_step_is_masked_after_pooling() -> None:
    mask = (torch.arange(7) < 5)[:, None].expand(1, 1, 7, 2)
    assert halve_mask(mask)[0, 0, :, 0].tolist() == [True, True, False]
    assert apply_mask(torch.ones(1, 1, 7, 2), mask).sum() == 10


@pytest.mark.parametrize(
    ("as_published", "of_projection", "of_positions"),
    [(False, 1 / 128, 1 / 8), (True, 1 / (3 * 128), 1.0)],
)
def test_attention_has_its_initial_variances(
    as_published: bool, of_projection: float, of_positions: float
) -> None:
    """Fact sheet, 4.5: 1 / inputs and 1 / channels per head; in the code, PyTorch's and 1."""
    torch.manual_seed(0)
    module = AxialAttention(128, 70, as_published=as_published)
    for weights, variance in (
        (module.project.weight, of_projection),
        (module.relative, of_positions),
    ):
        error = 5 * (2 / weights.numel()) ** 0.5  # five standard errors
        assert weights.var().item() == pytest.approx(variance, rel=error)
