"""DualNet's parts; worked numbers are the fact sheet's (dualnet2017, section 13)."""

import pytest
import torch
from torch import nn

from models.dualnet2017.activation import PIECE, Pade
from models.dualnet2017.attention import AxialAttention, gathered, similarities
from models.dualnet2017.blocks import AxialBlock, ConditionalNorm, ResidualBlock, halved, keep
from tests.conftest import draw_norms

PLACES = (-10.0, -3.0, -2.0, -1.0, -0.5, -0.1, 0.0, 0.1, 0.5, 1.0, 2.0, 3.0, 10.0)
VALUES = (-2.27461, -0.039591, -0.018846, -0.009189, -0.001665, -0.002237, 0.033558, 0.098764,
          0.503335, 1.000811, 2.001153, 2.990408, 7.825385)  # fmt: skip
SLOPES = (0.449705, 0.060469, -0.004489, 0.033780, -0.032835, 0.220399, 0.505000, 0.789601,
          1.042835, 0.976220, 1.014489, 0.949531, 0.560295)  # fmt: skip


def plain_pade(x: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The formula of the sheet, term by term."""
    above = sum(a[k] * x**k for k in range(6))
    return above / (1 + sum(b[k - 1].abs() * x.abs() ** k for k in range(1, 5)))


def test_pade_has_the_published_values_and_slopes() -> None:
    x = torch.tensor(PLACES, requires_grad=True)
    made = Pade()(x)
    torch.testing.assert_close(made, torch.tensor(VALUES), atol=1e-5, rtol=0)
    made.sum().backward()
    torch.testing.assert_close(x.grad, torch.tensor(SLOPES), atol=1e-5, rtol=0)


def test_pade_has_the_published_slopes_of_its_numbers() -> None:
    unit = Pade()
    unit(torch.ones(1)).sum().backward()
    torch.testing.assert_close(unit.numerator.grad, torch.full((6,), 0.189320), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        unit.denominator.grad, torch.full((4,), -0.189474), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("layout", ["plain", "channels last", "transposed"])
def test_pade_is_its_formula_in_any_layout_and_over_several_pieces(layout: str) -> None:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 50, 301, generator=rng) * 3
    assert x.numel() > 2 * PIECE
    if layout == "channels last":
        x = x.to(memory_format=torch.channels_last)
    if layout == "transposed":
        x = x.transpose(2, 3)
    unit = Pade()
    with torch.no_grad():
        unit.denominator.copy_(torch.tensor([0.5, -1.0, 0.3, -0.2]))  # signs are taken off
    weights = torch.randn(x.shape, generator=rng)
    found, expected = [], []
    for function, kept in ((unit, found), (plain_pade, expected)):
        ours = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
        unit.zero_grad()
        more = () if function is unit else (unit.numerator, unit.denominator)
        made = function(ours, *more)
        (made * weights).sum().backward()
        kept += [made.detach(), ours.grad, unit.numerator.grad.clone()]
        kept.append(unit.denominator.grad.clone())
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-4)


def test_pade_of_bfloat16_is_computed_in_float32() -> None:
    x = torch.tensor(PLACES, dtype=torch.bfloat16)
    made = Pade()(x)
    assert made.dtype == torch.bfloat16
    torch.testing.assert_close(made, Pade()(x.float()).bfloat16())


IMAGE = torch.tensor([[[[1.0, 2], [3, 4]], [[0.0, 0], [0, 8]]]])
W = 0.5 * torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]])
PLAIN = ((-1.341635, -0.447212, 0.447212, 1.341635), (-0.577350,) * 3 + (1.732050,))
PUBLISHED = ((0.829182, 1.276394, 1.723606, 2.170818), (2.422650,) * 3 + (4.732050,))
RIGHT = ((-0.512453, 0.829182, 2.170818, 3.512453), (1.845299,) * 3 + (6.464102,))


@pytest.mark.parametrize(
    ("as_published", "latent", "expected"),
    [(True, True, PUBLISHED), (False, True, RIGHT), (True, False, PLAIN), (False, False, PLAIN)],
)
def test_conditional_norm(as_published: bool, latent: bool, expected) -> None:
    norm = ConditionalNorm(2, 3, as_published=as_published).train()
    with torch.no_grad():
        norm.condition.weight.copy_(W)
        made = norm(IMAGE, torch.tensor([[1.0, 2, 3]]) if latent else None, None)
    torch.testing.assert_close(made.flatten(2)[0], torch.tensor(expected), atol=1e-5, rtol=0)


def test_a_latent_vector_of_nothing_leaves_the_right_norm_alone() -> None:
    """As published it switches the branch off; and the right one begins as a plain norm."""
    nothing, something = torch.zeros(1, 3), torch.ones(1, 3)
    right, published = (ConditionalNorm(2, 3, as_published=form) for form in (False, True))
    plain = torch.nn.BatchNorm2d(2)(IMAGE)
    torch.testing.assert_close(right(IMAGE, nothing, None), plain)
    torch.testing.assert_close(right(IMAGE, something, None), plain)
    assert not published(IMAGE, nothing, None).any()


Q, K = (torch.tensor(numbers).view(1, 1, 1, 1, 3) for numbers in ([1.0, 2, 3], [1.0, -1, 2]))
V = torch.tensor([[1.0, 0, -1], [2, 2, 0]]).view(1, 1, 2, 1, 3)
APART = torch.arange(3)[:, None] - torch.arange(3) + 2
R_Q = torch.tensor([[0.1, 0.2, 0.3, 0.4, 0.5]])[:, APART]
R_K = torch.tensor([[-0.5, -0.25, 0, 0.25, 0.5]])[:, APART]
R_V = torch.tensor([[1.0, 0, 0, 0, -1], [0, 0.5, 0, -0.5, 0]])[:, APART]
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
def test_axial_attention_of_three_places(as_published: bool) -> None:
    content, key, attention, values, positions = ATTENTION[as_published]
    maps = similarities(Q, K, R_Q, R_K, as_published=as_published)
    expected = torch.stack(
        [torch.tensor(each, dtype=torch.float) for each in (content, QUERY, key)]
    )
    torch.testing.assert_close(maps[0, :, 0, 0], expected)
    heard = maps.sum(1).softmax(-1)
    torch.testing.assert_close(heard[0, 0, 0], torch.tensor(attention), atol=1e-5, rtol=0)
    for found, wanted in zip(gathered(heard, V, R_V), (values, positions), strict=True):
        torch.testing.assert_close(found[0, 0, :, 0], torch.tensor(wanted), atol=1e-5, rtol=0)


@pytest.mark.parametrize("as_published", [False, True])
@pytest.mark.parametrize(("width", "span"), [(64, 140), (128, 4)])
def test_axial_attention_has_the_published_parameters(
    width: int, span: int, as_published: bool
) -> None:
    count = sum(
        each.numel() for each in AxialAttention(width, span, as_published=as_published).parameters()
    )
    assert count == 2 * width**2 + 8 * width + 96 + width // 8 * (2 * span - 1)


def test_axial_attention_is_the_module_of_its_functions() -> None:
    """Against places one by one, with the norms' statistics and scales drawn."""
    torch.manual_seed(0)
    module = AxialAttention(32, 5).eval()
    draw_norms(module)
    signal = torch.randn(2, 32, 3, 4)
    with torch.no_grad():
        made = module(signal, None)
        hidden = module.norm(module.project(signal)).view(2, 16, 4, 3, 4)
        scale = module.map_norm.weight / (module.map_norm.running_var + 1e-5).sqrt()
        shift = module.map_norm.bias - module.map_norm.running_mean * scale
        stacked = torch.zeros(2, 16, 2, 2, 3, 4)  # head, channel, content or position
        for i in range(4):
            logits = torch.zeros(2, 16, 3, 4)
            for j in range(4):
                q, k = hidden[:, :, 0, :, i], hidden[:, :, 1, :, j]
                forth, back = module.relative[0, i - j + 4], module.relative[1, j - i + 4]
                for place, term in enumerate((q * k, q * forth, k * back)):
                    heads = slice(16 * place, 16 * place + 16)
                    logits[..., j] += term * scale[heads, None] + shift[heads, None]
            heard = logits.softmax(-1)
            for j in range(4):
                value, position = hidden[:, :, 2:, :, j], module.relative[2:, i - j + 4]
                stacked[:, :, :, 0, :, i] += heard[:, :, None, :, j] * value
                stacked[:, :, :, 1, :, i] += heard[:, :, None, :, j] * position[:, None]
        expected = module.out_norm(stacked.reshape(2, 64, 3, 4)).view(2, 32, 2, 3, 4).sum(2)
    torch.testing.assert_close(made, expected, atol=1e-4, rtol=1e-4)


def test_places_beyond_the_span_share_the_last_position() -> None:
    module = AxialAttention(32, 3).eval()
    apart = module._positions(6)
    assert torch.equal(apart[:, 5, 0], module.relative[:, 4])
    assert torch.equal(apart[:, 5, 3], apart[:, 5, 0])
    assert not torch.equal(apart[:, 5, 4], apart[:, 5, 0])


def blocks() -> list[nn.Module]:
    return [
        ResidualBlock(16, 32, 6, dropout=0.0),
        AxialBlock(16, 32, 6, (8, 3), dropout=0.0),
        AxialBlock(16, 32, 6, (8, 3), dropout=0.0, published=("norm", "attention")),
    ]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("which", range(3))
def test_what_lies_behind_a_record_is_neither_seen_nor_counted(which: int, training: bool) -> None:
    """In training the statistics of the norms are those of what is valid."""
    torch.manual_seed(0)
    block = blocks()[which].train(training)
    draw_norms(block)
    whole, latent = torch.randn(3, 16, 8, 6), torch.randn(3, 6)
    state = {name: value.clone() for name, value in block.state_dict().items()}
    alone = block(whole, latent, None)
    once = {name: value.clone() for name, value in block.state_dict().items()}
    block.load_state_dict(state)
    mask = (torch.arange(14) < 8)[:, None].expand(3, 1, 14, 6)
    padded = torch.cat([whole, torch.zeros(3, 16, 6, 6)], 2)
    made = block(padded, latent, mask)
    torch.testing.assert_close(made[:, :, :4], alone, atol=1e-5, rtol=1e-4)
    assert not made[:, :, 4:].any()
    assert torch.equal(halved(mask), (torch.arange(7) < 4)[:, None].expand(3, 1, 7, 3))
    for name, value in block.state_dict().items():
        if "num_batches" not in name:
            torch.testing.assert_close(value, once[name], atol=1e-5, rtol=1e-4)


def test_an_odd_step_belongs_to_no_pair() -> None:
    mask = (torch.arange(7) < 5)[:, None].expand(1, 1, 7, 2)
    assert halved(mask)[0, 0, :, 0].tolist() == [True, True, False]
    assert keep(torch.ones(1, 1, 7, 2), mask).sum() == 10
