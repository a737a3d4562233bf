"""Revenger 2021; sizes are those of the fact sheet, sections b and c: all of table 5."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from ecg import LeadwiseError
from ecg.leads import LEAD_SETS, STANDARD
from models import find
from models.inputs import finish, prepare
from models.layers import Convolution
from models.revenger2021 import BACKBONES, Network
from models.revenger2021.backbones import Branches, Residual
from simulate import simulate
from tests.conftest import draw_norms

# Backbone, LSTM, attention, linear layers: parameters for 12 leads and 26 classes.
TABLE_5 = {
    ("nc-se", False, "none", 1): 6_792_522,
    ("nc-se", False, "none", 2): 7_139_530,
    ("nc-se", False, "se", 2): 7_165_490,
    ("nc-se", True, "se", 2): 8_919_674,
    ("nc-bs", False, "none", 1): 8_752_026,
    ("nc-bs", False, "none", 2): 10_057_114,
    ("nc-bs", False, "se", 1): 9_163_066,
    ("nc-bs", False, "se", 2): 10_468_154,
    ("nc-bs", True, "none", 1): 11_880_602,
    ("nc-bs", True, "none", 2): 12_291_482,
    ("nc-bs", True, "se", 1): 11_917_898,
    ("nc-bs", True, "se", 2): 12_328_778,
    ("tresnet-n", False, "none", 1): 14_006_620,
    ("tresnet-n", True, "se", 2): 18_356_492,
    ("tresnet-p", False, "none", 1): 8_103_359,
    ("tresnet-p", True, "se", 2): 12_453_231,
    ("tresnet-f", False, "none", 1): 1_229_382,
    ("tresnet-f", True, "se", 2): 4_419_574,
    ("branched", False, "none", 1): 6_767_738,
    ("branched", True, "se", 2): 10_151_210,
    ("branched-lw", False, "none", 1): 2_333_978,
    ("branched-lw", True, "se", 2): 7_456_970,
}
BESIDES = {  # not in table 5; the last one is the official phase's
    ("nc-bg", False, "none", 1): 9_642_590,
    ("nc-bg", True, "se", 2): 13_219_342,
    ("branched", False, "se", 2): 8_278_154,
}
# Backbone, channels a lead: for 6, 4, 3 and 2 leads with one linear layer; with LSTM, SE and two.
FEWER_LEADS = {
    ("nc-se", None): (
        (6_785_994, 6_783_818, 6_782_730, 6_781_642),
        (8_913_146, 8_910_970, 8_909_882, 8_908_794),
    ),
    ("nc-bs", None): (
        (8_745_498, 8_743_322, 8_742_234, 8_741_146),
        (12_322_250, 12_320_074, 12_318_986, 12_317_898),
    ),
    ("nc-bg", None): (
        (9_636_062, 9_633_886, 9_632_798, 9_631_710),
        (13_212_814, 13_210_638, 13_209_550, 13_208_462),
    ),
    ("tresnet-n", None): (
        (14_005_276, 14_004_828, 14_004_604, 14_004_380),
        (18_355_148, 18_354_700, 18_354_476, 18_354_252),
    ),
    ("tresnet-p", None): (
        (8_102_015, 8_101_567, 8_101_343, 8_101_119),
        (12_451_887, 12_451_439, 12_451_215, 12_450_991),
    ),
    ("tresnet-f", None): (
        (1_228_614, 1_228_358, 1_228_230, 1_228_102),
        (4_418_806, 4_418_550, 4_418_422, 4_418_294),
    ),
    ("branched", None): (
        (6_748_730, 6_742_394, 6_739_226, 6_736_058),
        (10_132_202, 10_125_866, 10_122_698, 10_119_530),
    ),
    ("branched-lw", None): (
        (2_586_842, 1_724_570, 2_282_138, 1_521_434),
        (6_840_074, 5_108_042, 5_665_610, 4_325_066),
    ),
    ("branched-lw", 16): (
        (1_167_002, 778_010, 583_514, 389_018),
        (4_550_474, 3_581_642, 3_097_226, 2_612_810),
    ),
}
CLASSES_21 = {
    "nc-se": 6_790_917,
    "nc-bs": 8_745_621,
    "tresnet-n": 13_997_655,
    "tresnet-p": 8_094_394,
    "tresnet-f": 1_224_257,
    "branched": 6_761_973,
    "branched-lw": 2_322_453,
}
# The backbone alone: parameters, channels, steps for 5000 samples, total stride, receptive field.
BACKBONE_ALONE = {
    "nc-se": (6_784_176, 320, 20, 256, 6817),
    "nc-bs": (8_718_720, 1280, 20, 256, 1377),
    "nc-bg": (9_609_284, 1280, 20, 256, 1377),
    "tresnet-n": (13_960_002, 1792, 157, 32, 1684),
    "tresnet-p": (8_056_741, 1792, 157, 32, 764),
    "tresnet-f": (1_202_732, 1024, 157, 32, 708),
    "branched": (6_737_760, 1152, 625, 8, 1984),
    "branched-lw": (2_274_048, 2304, 625, 8, 1984),
}
STEPS = {  # samples: steps; a length that is no multiple of 4 is padded where samples are folded
    "nc-se": {1000: 4, 4999: 20, 5001: 20, 8000: 32, 1: 1},
    "tresnet-f": {1000: 32, 1024: 32, 8000: 250, 5001: 157, 4998: 157, 1: 2},
    "tresnet-p": {1000: 32, 1024: 32, 8000: 250, 5001: 157, 4998: 157, 1: 2},
    "branched": {1000: 125, 4999: 624, 5001: 625, 8000: 1000, 1: 1},
}
SMALL: dict[str, Any] = {"narrow": 8}
ALL = pytest.mark.parametrize("backbone", BACKBONES)


def meta(rows: int = 12, classes: int = 26, **options: Any) -> Network:
    with torch.device("meta"):
        return Network(rows, classes, **options)


def size(module: nn.Module) -> int:
    return sum(weights.numel() for weights in module.parameters())


def valid(signal: torch.Tensor) -> torch.Tensor:
    return torch.full((len(signal),), signal.shape[2])


def drawn(rows: int = 3, **options: Any) -> Network:
    """A small network whose statistics, scales and shifts are not those at the beginning."""
    torch.manual_seed(0)
    network = Network(rows, 5, **{**SMALL, **options})
    draw_norms(network)
    return network.eval()


@pytest.mark.parametrize("row", [*TABLE_5, *BESIDES], ids=str)
def test_parameters_are_those_of_table_5(row: tuple[str, bool, str, int]) -> None:
    backbone, lstm, attention, linear = row
    network = meta(backbone=backbone, lstm=lstm, attention=attention, linear=linear)
    assert size(network) == {**TABLE_5, **BESIDES}[row]


def test_table_5_has_22_rows() -> None:
    assert len(TABLE_5) == 22


@pytest.mark.parametrize("row", FEWER_LEADS, ids=str)
@pytest.mark.parametrize("place", range(4))
def test_parameters_for_fewer_leads(row: tuple[str, int | None], place: int) -> None:
    backbone, lead_width = row
    leads = (6, 4, 3, 2)[place]
    plain = meta(leads, backbone=backbone, lead_width=lead_width)
    whole = meta(
        leads, backbone=backbone, lead_width=lead_width, lstm=True, attention="se", linear=2
    )
    assert (size(plain), size(whole)) == tuple(counts[place] for counts in FEWER_LEADS[row])


@pytest.mark.parametrize("leads", [12, 6, 4, 3, 2, 1])
def test_each_lead_has_as_many_parameters_as_among_twelve(leads: int) -> None:
    network = meta(leads, backbone="branched-lw", lead_width=16)
    assert size(network.backbone) == leads * 189_504


@pytest.mark.parametrize("backbone", CLASSES_21)
def test_parameters_for_21_classes(backbone: str) -> None:
    assert size(meta(classes=21, backbone=backbone)) == CLASSES_21[backbone]
    whole: dict[str, Any] = {"backbone": backbone, "lstm": True, "attention": "se", "linear": 2}
    assert size(meta(classes=26, **whole)) - size(meta(classes=21, **whole)) == 5 * 1025


@ALL
def test_backbones_have_their_size_and_map(backbone: str) -> None:
    parameters, channels, steps, _, _ = BACKBONE_ALONE[backbone]
    network = meta(backbone=backbone)
    assert size(network.backbone) == parameters
    signal = torch.empty(2, 12, 5000, device="meta")
    features, _ = network.forward_features(signal, torch.empty(2, device="meta"))
    assert features.shape == (2, channels, steps)


@ALL
def test_stride_and_receptive_field(backbone: str) -> None:
    """By the gradient of two neighbouring steps; attentions, which see all steps, left out."""
    _, _, _, stride, field = BACKBONE_ALONE[backbone]
    network = Network(2, 1, backbone=backbone, narrow=16 if backbone != "branched-lw" else 8)
    network.double().eval()
    for module in network.backbone.modules():
        if isinstance(module, Residual):
            module.attention = None
        if isinstance(module, Convolution):
            nn.init.constant_(module.weight, 1 / module.weight[0].numel())
    if isinstance(network.backbone, Branches):  # the maximum has a gradient for one of two
        for branch in network.backbone.branches:
            for place, module in enumerate(branch):
                if isinstance(module, nn.MaxPool2d):
                    branch[place] = nn.AvgPool2d((1, 2))
                if isinstance(module, nn.GroupNorm):  # sees all steps too
                    branch[place] = nn.Identity()
    signal = torch.ones(1, 2, 9216, dtype=torch.float64, requires_grad=True)
    features, _ = network.forward_features(signal, valid(signal))
    middle, firsts = features.shape[2] // 2, []
    for step in (middle, middle + 1):
        (gradient,) = torch.autograd.grad(features[0, :, step].sum(), signal, retain_graph=True)
        touched = gradient[0].abs().sum(0).nonzero()
        firsts.append(int(touched[0]))
        assert int(touched[-1] - touched[0]) + 1 == field
    assert firsts[1] - firsts[0] == stride


@pytest.mark.parametrize("backbone", STEPS)
def test_steps_for_each_length(backbone: str) -> None:
    network = drawn(2, backbone=backbone)
    for samples, steps in STEPS[backbone].items():
        signal = torch.randn(1, 2, samples)
        with torch.inference_mode():
            features, length = network.forward_features(signal, valid(signal))
        assert features.shape[2] == steps, samples
        assert length.tolist() == [steps]
        assert torch.isfinite(features).all()


def test_what_does_not_fold_is_padded_with_zeros() -> None:
    network = drawn(2, backbone="tresnet-p")
    signal = torch.randn(1, 2, 501)
    padded = functional.pad(signal, (0, 3))
    with torch.inference_mode():
        torch.testing.assert_close(network(signal, valid(signal)), network(padded, valid(padded)))


def test_samples_fold_into_channels() -> None:
    """x[c, 4t + i] goes to channel i · leads + c, step t (fact sheet, section b)."""
    fold = Network(3, 1, backbone="tresnet-p", **SMALL).backbone[0]
    signal = torch.arange(24.0).view(1, 3, 1, 8)
    folded = fold(signal)
    for lead in range(3):
        for sample in range(8):
            channel, step = sample % 4 * 3 + lead, sample // 4
            assert folded[0, channel, 0, step] == signal[0, lead, 0, sample]


@ALL
def test_neither_padding_nor_neighbours_change_an_answer(backbone: str) -> None:
    network = drawn(backbone=backbone, lstm=True, attention="gc", linear=2)
    signals = [torch.randn(1, 3, samples) for samples in (600, 801, 600, 1000, 20)]
    padded = [functional.pad(one, (0, 1000 - one.shape[2]), value=3.0) for one in signals]
    with torch.inference_mode():
        alone = torch.cat([network(signal, valid(signal)) for signal in signals])
        lengths = torch.tensor([signal.shape[2] for signal in signals])
        together = network(torch.cat(padded), lengths)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@ALL
@pytest.mark.parametrize("attention", ["none", "se", "gc"])
def test_every_weight_gets_a_gradient(backbone: str, attention: str) -> None:
    network = drawn(backbone=backbone, lstm=True, attention=attention, linear=2).train()
    signal = torch.randn(4, 3, 400)
    network(signal, valid(signal)).square().mean().backward()
    for name, weights in network.named_parameters():
        assert weights.grad is not None, name
        assert torch.isfinite(weights.grad).all(), name


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("lead_width", [None, 16])
def test_a_lead_goes_its_own_way(training: bool, lead_width: int | None) -> None:
    """Lead by lead channel 64 · lead + i of each branch, here an eighth as many."""
    leads = 4
    network = drawn(leads, backbone="branched-lw", lead_width=lead_width).train(training)
    signal = torch.randn(3, leads, 500)
    other = signal.clone()
    other[:, 2] = torch.randn(3, 500)
    maps = []
    for one in (signal, other):
        torch.manual_seed(1)
        with torch.no_grad():
            features, _ = network.forward_features(one, valid(one))
        maps.append(features.view(3, 3, leads, -1, features.shape[2]))  # batch, branch, lead
    changed = [not torch.equal(maps[0][:, :, lead], maps[1][:, :, lead]) for lead in range(leads)]
    assert changed == [False, False, True, False]


@pytest.mark.parametrize("leads", [*(LEAD_SETS[size] for size in (6, 4, 3, 2)), ("V6", "aVR", "I")])
@pytest.mark.parametrize("narrow", [1, 8])
def test_reuse_is_exact(leads: tuple[str, ...], narrow: int) -> None:
    """On a record of these leads alone: channel 768 · branch + 64 · lead + i of the twelve."""
    recipe = find("revenger-branched-lw-reuse-100hz")
    options = {**recipe.network.options, "narrow": narrow}
    network = drawn(12, **options)
    reduced = Network(len(leads), 26, **options).eval()
    places = [STANDARD.index(lead) for lead in leads]
    found = reduced.load_state_dict(network.backbone_of(places), strict=False)
    assert not found.unexpected_keys
    assert not [name for name in found.missing_keys if name.startswith("backbone")]
    record = simulate(("AF",), seed=1, duration_s=8.0, fs=500.0)
    maps = []
    for one, have, want in ((network, STANDARD, STANDARD), (reduced, leads[::-1], leads)):
        rows = [record.leads.index(lead) for lead in have]
        inputs = prepare(recipe, record.signal[rows], have, want, record.fs)
        assert not inputs.missing
        signal = torch.from_numpy(finish(recipe, inputs.signal))[None]
        with torch.inference_mode():
            maps.append(one.forward_features(signal, valid(signal))[0])
    each = 64 // narrow
    channels = [768 // narrow * branch + each * place + i
                for branch in range(3) for place in places for i in range(each)]  # fmt: skip
    # Fewer groups are summed in another order: equal but for rounding.
    torch.testing.assert_close(maps[1], maps[0][:, channels], atol=1e-5, rtol=0)


def test_what_is_taken_from_a_backbone_is_a_copy() -> None:
    network = drawn(3, backbone="branched-lw", lead_width=16)
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    for weight in network.backbone_of([0, 1, 2]).values():
        weight.zero_()
    for name, weight in network.state_dict().items():
        assert torch.equal(weight, before[name]), name


@pytest.mark.parametrize("backbone", sorted(set(BACKBONES) - {"branched-lw"}))
def test_a_backbone_that_mixes_leads_is_not_reused(backbone: str) -> None:
    with pytest.raises(
        LeadwiseError, match="mixes leads cannot be reused for fewer; 'branched-lw'"
    ):
        drawn(backbone=backbone).backbone_of([0])


@ALL
def test_answers_are_those_of_the_layers_as_they_were_learned(backbone: str) -> None:
    """Folded norms and transforms against plain layers, which run where gradients are wanted."""
    network = drawn(backbone=backbone, narrow=2)
    signal = torch.randn(4, 3, 1500)
    plain = network(signal, valid(signal)).detach()
    with torch.no_grad():
        torch.testing.assert_close(network(signal, valid(signal)), plain, atol=1e-5, rtol=1e-5)


@ALL
def test_weights_begin_as_published(backbone: str) -> None:
    """Kaiming's variance 2 / inputs for plain and separable convolutions inside the blocks.

    PyTorch's own, 1 / (3 · inputs), for stems, shortcuts and convolutions with a blur; in N and P
    all of those of the blocks are of that kind.
    """
    torch.manual_seed(0)
    network = Network(12, 26, backbone=backbone)
    anti_aliased = backbone in ("tresnet-n", "tresnet-p")
    for name, module in network.backbone.named_modules():
        if isinstance(module, Convolution) and module.weight.numel() > 2000:
            inside = "body" in name or backbone.startswith("branched")
            expected = 2 if inside and not anti_aliased else 1 / 3
            weights = module.weight.detach()
            variance = weights.var() * weights[0].numel()
            error = (2 / weights.numel()) ** 0.5  # of a normal variance, relative
            assert float(variance) == pytest.approx(expected, rel=5 * error), name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "resnet"}, "no backbone 'resnet'; known are nc-se, nc-bs,"),
        ({"backbone": "nc-se", "attention": "nl"}, "no attention 'nl'; known are none, se, gc"),
        ({"backbone": "nc-se", "linear": 3}, "no number of linear layers '3'; known are 1, 2"),
        ({"backbone": "nc-se", "lead_width": 16}, "'nc-se' has no lead_width"),
    ],
)
def test_an_unknown_part_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(LeadwiseError, match=message):
        Network(12, 26, **options)
