"""Revenger 2021; sizes are those of the fact sheet, sections b and c, with all of table 5."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from ecg import LeadwiseError
from ecg.leads import LEAD_SETS, STANDARD
from models import find
from models.inputs import post_transform, prepare
from models.layers import Convolution
from models.revenger2021 import BACKBONES, Network
from models.revenger2021.backbones import Branches, Residual
from simulate import simulate
from tests.conftest import draw_norms

# Parameters for 12 leads and 26 classes, by backbone, LSTM, attention and linear layers.
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
FURTHER = {  # not in table 5; the last one is the official phase's
    ("nc-bg", False, "none", 1): 9_642_590,
    ("nc-bg", True, "se", 2): 13_219_342,
    ("branched", False, "se", 2): 8_278_154,
}
# By backbone and lead_width, for 6, 4, 3 and 2 leads: with one linear layer; with LSTM, SE, two.
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
STEPS = {  # samples: steps; TResNets pad a length that is not a multiple of 4
    "nc-se": {1000: 4, 4999: 20, 5001: 20, 8000: 32, 1: 1},
    "tresnet-f": {1000: 32, 1024: 32, 8000: 250, 5001: 157, 4998: 157, 1: 2},
    "tresnet-p": {1000: 32, 1024: 32, 8000: 250, 5001: 157, 4998: 157, 1: 2},
    "branched": {1000: 125, 4999: 624, 5001: 625, 8000: 1000, 1: 1},
}
SMALL: dict[str, Any] = {"width_divisor": 8}
ALL = pytest.mark.parametrize("backbone", BACKBONES)


def on_meta(channels: int = 12, classes: int = 26, **options: Any) -> Network:
    with torch.device("meta"):
        return Network(channels, classes, **options)


def parameters(module: nn.Module) -> int:
    return sum(weights.numel() for weights in module.parameters())


def full_length(signal: torch.Tensor) -> torch.Tensor:
    return torch.full((len(signal),), signal.shape[2])


def random_network(channels: int = 3, **options: Any) -> Network:
    """Make a small network whose norms have random statistics, scales and shifts."""
    torch.manual_seed(0)
    network = Network(channels, 5, **{**SMALL, **options})
    draw_norms(network)
    return network.eval()


@pytest.mark.parametrize("row", [*TABLE_5, *FURTHER], ids=str)
def test_parameters_are_those_of_table_5(row: tuple[str, bool, str, int]) -> None:
    backbone, lstm, attention, linear = row
    network = on_meta(backbone=backbone, lstm=lstm, attention=attention, linear=linear)
    assert parameters(network) == {**TABLE_5, **FURTHER}[row]


def test_table_5_has_22_rows() -> None:
    assert len(TABLE_5) == 22


@pytest.mark.parametrize("row", FEWER_LEADS, ids=str)
@pytest.mark.parametrize("index", range(4))
def test_parameters_for_fewer_leads(row: tuple[str, int | None], index: int) -> None:
    backbone, lead_width = row
    leads = (6, 4, 3, 2)[index]
    plain = on_meta(leads, backbone=backbone, lead_width=lead_width)
    whole = on_meta(
        leads, backbone=backbone, lead_width=lead_width, lstm=True, attention="se", linear=2
    )
    assert (parameters(plain), parameters(whole)) == tuple(
        counts[index] for counts in FEWER_LEADS[row]
    )


@pytest.mark.parametrize("leads", [12, 6, 4, 3, 2, 1])
def test_parameters_per_lead_do_not_depend_on_the_lead_set(leads: int) -> None:
    network = on_meta(leads, backbone="branched-lw", lead_width=16)
    assert parameters(network.backbone) == leads * 189_504


@pytest.mark.parametrize("backbone", CLASSES_21)
def test_parameters_for_21_classes(backbone: str) -> None:
    assert parameters(on_meta(classes=21, backbone=backbone)) == CLASSES_21[backbone]
    whole: dict[str, Any] = {"backbone": backbone, "lstm": True, "attention": "se", "linear": 2}
    assert (
        parameters(on_meta(classes=26, **whole)) - parameters(on_meta(classes=21, **whole))
        == 5 * 1025
    )


@ALL
def test_backbones_have_the_published_size_and_output_shape(backbone: str) -> None:
    count, channels, steps, _, _ = BACKBONE_ALONE[backbone]
    network = on_meta(backbone=backbone)
    assert parameters(network.backbone) == count
    signal = torch.empty(2, 12, 5000, device="meta")
    features, _ = network.forward_features(signal, torch.empty(2, device="meta"))
    assert features.shape == (2, channels, steps)


@ALL
def test_stride_and_receptive_field(backbone: str) -> None:
    """From the gradients of two neighbouring steps, without attentions, which see all steps."""
    _, _, _, stride, field = BACKBONE_ALONE[backbone]
    network = Network(2, 1, backbone=backbone, width_divisor=16 if backbone != "branched-lw" else 8)
    network.double().eval()
    for module in network.backbone.modules():
        if isinstance(module, Residual):
            module.attention = None
        if isinstance(module, Convolution):
            nn.init.constant_(module.weight, 1 / module.weight[0].numel())
    if isinstance(network.backbone, Branches):  # max pooling has a gradient for one of two steps
        for branch in network.backbone.branches:
            for index, module in enumerate(branch):
                if isinstance(module, nn.MaxPool2d):
                    branch[index] = nn.AvgPool2d((1, 2))
                if isinstance(module, nn.GroupNorm):  # also sees all steps
                    branch[index] = nn.Identity()
    signal = torch.ones(1, 2, 9216, dtype=torch.float64, requires_grad=True)
    features, _ = network.forward_features(signal, full_length(signal))
    middle, firsts = features.shape[2] // 2, []
    for step in (middle, middle + 1):
        (gradient,) = torch.autograd.grad(features[0, :, step].sum(), signal, retain_graph=True)
        touched = gradient[0].abs().sum(0).nonzero()
        firsts.append(int(touched[0]))
        assert int(touched[-1] - touched[0]) + 1 == field
    assert firsts[1] - firsts[0] == stride


@pytest.mark.parametrize("backbone", STEPS)
def test_steps_for_each_length(backbone: str) -> None:
    network = random_network(2, backbone=backbone)
    for samples, steps in STEPS[backbone].items():
        signal = torch.randn(1, 2, samples)
        with torch.inference_mode():
            features, length = network.forward_features(signal, full_length(signal))
        assert features.shape[2] == steps, samples
        assert length.tolist() == [steps]
        assert torch.isfinite(features).all()


def test_tresnets_pad_lengths_that_are_not_multiples_of_4() -> None:
    network = random_network(2, backbone="tresnet-p")
    signal = torch.randn(1, 2, 501)
    padded = functional.pad(signal, (0, 3))
    with torch.inference_mode():
        torch.testing.assert_close(
            network(signal, full_length(signal)), network(padded, full_length(padded))
        )


def test_space_to_depth() -> None:
    """x[c, 4t + i] becomes channel i · leads + c, step t (fact sheet, section b)."""
    space_to_depth = Network(3, 1, backbone="tresnet-p", **SMALL).backbone[0]
    signal = torch.arange(24.0).view(1, 3, 1, 8)
    folded = space_to_depth(signal)
    for lead in range(3):
        for sample in range(8):
            channel, step = sample % 4 * 3 + lead, sample // 4
            assert folded[0, channel, 0, step] == signal[0, lead, 0, sample]


@ALL
def test_padding_and_batch_do_not_change_outputs(backbone: str) -> None:
    network = random_network(backbone=backbone, lstm=True, attention="gc", linear=2)
    signals = [torch.randn(1, 3, samples) for samples in (600, 801, 600, 1000, 20)]
    padded = [functional.pad(one, (0, 1000 - one.shape[2]), value=3.0) for one in signals]
    with torch.inference_mode():
        alone = torch.cat([network(signal, full_length(signal)) for signal in signals])
        lengths = torch.tensor([signal.shape[2] for signal in signals])
        together = network(torch.cat(padded), lengths)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@ALL
@pytest.mark.parametrize("attention", ["none", "se", "gc"])
def test_every_weight_has_a_gradient(backbone: str, attention: str) -> None:
    network = random_network(backbone=backbone, lstm=True, attention=attention, linear=2).train()
    signal = torch.randn(4, 3, 400)
    network(signal, full_length(signal)).square().mean().backward()
    for name, weights in network.named_parameters():
        assert weights.grad is not None, name
        assert torch.isfinite(weights.grad).all(), name


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("lead_width", [None, 16])
def test_branched_lw_does_not_mix_leads(training: bool, lead_width: int | None) -> None:
    """Channels 64 · lead + i of each branch belong to one lead; here an eighth as many."""
    leads = 4
    network = random_network(leads, backbone="branched-lw", lead_width=lead_width).train(training)
    signal = torch.randn(3, leads, 500)
    other = signal.clone()
    other[:, 2] = torch.randn(3, 500)
    outputs = []
    for batch in (signal, other):
        torch.manual_seed(1)
        with torch.no_grad():
            features, _ = network.forward_features(batch, full_length(batch))
        outputs.append(features.view(3, 3, leads, -1, features.shape[2]).unbind(2))  # per lead
    changed = [not torch.equal(*pair) for pair in zip(*outputs, strict=True)]
    assert changed == [False, False, True, False]


@pytest.mark.parametrize("leads", [*(LEAD_SETS[size] for size in (6, 4, 3, 2)), ("V6", "aVR", "I")])
@pytest.mark.parametrize("divisor", [1, 8])
def test_reuse_is_exact(leads: tuple[str, ...], divisor: int) -> None:
    """The features are channels 768 · branch + 64 · lead + i of the 12-lead backbone."""
    recipe = find("revenger-branched-lw-reuse-100hz")
    options = {**recipe.network.options, "width_divisor": divisor}
    network = random_network(12, **options)
    reduced = Network(len(leads), 26, **options).eval()
    indices = [STANDARD.index(lead) for lead in leads]
    keys = reduced.load_state_dict(network.backbone_of(indices), strict=False)
    assert not keys.unexpected_keys
    assert not [name for name in keys.missing_keys if name.startswith("backbone")]
    record = simulate(("AF",), seed=1, duration_s=8.0, fs=500.0)
    features = []
    for net, have, want in ((network, STANDARD, STANDARD), (reduced, leads[::-1], leads)):
        subset = record.signal[[record.leads.index(lead) for lead in have]]
        inputs = prepare(recipe, subset, have, want, record.fs)
        assert not inputs.missing
        signal = torch.from_numpy(post_transform(recipe, inputs.signal)[0])[None]
        with torch.inference_mode():
            features.append(net.forward_features(signal, full_length(signal))[0])
    each = 64 // divisor
    channels = [768 // divisor * branch + each * index + i
                for branch in range(3) for index in indices for i in range(each)]  # fmt: skip
    # Equal except for rounding: fewer groups are summed in another order.
    torch.testing.assert_close(features[1], features[0][:, channels], atol=1e-5, rtol=0)


@ALL
def test_only_weights_and_statistics_are_stored(backbone: str) -> None:
    """The binomial filters of a blur are constants."""
    stored = {name.rpartition(".")[2] for name in random_network(backbone=backbone).state_dict()}
    statistics = {"running_mean", "running_var", "num_batches_tracked"}
    assert stored - statistics == {"weight", "bias"}


def test_reused_weights_are_copies() -> None:
    network = random_network(3, backbone="branched-lw", lead_width=16)
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    for weight in network.backbone_of([0, 1, 2]).values():
        weight.zero_()
    for name, weight in network.state_dict().items():
        assert torch.equal(weight, before[name]), name


@pytest.mark.parametrize("backbone", sorted(set(BACKBONES) - {"branched-lw"}))
def test_a_backbone_that_mixes_leads_cannot_be_reused(backbone: str) -> None:
    with pytest.raises(
        LeadwiseError, match="mixes leads cannot be reused for fewer; 'branched-lw'"
    ):
        random_network(backbone=backbone).backbone_of([0])


@ALL
def test_folding_norms_does_not_change_outputs(backbone: str) -> None:
    """Against the layers without folding, which run if gradients are enabled."""
    network = random_network(backbone=backbone, width_divisor=2)
    signal = torch.randn(4, 3, 1500)
    plain = network(signal, full_length(signal)).detach()
    with torch.no_grad():
        torch.testing.assert_close(
            network(signal, full_length(signal)), plain, atol=1e-5, rtol=1e-5
        )


@ALL
def test_weights_are_initialised_as_published(backbone: str) -> None:
    """Kaiming's variance 2 / inputs for plain and separable convolutions inside the blocks.

    PyTorch's default, 1 / (3 · inputs), for stems, shortcuts and all convolutions of TResNet-N and
    TResNet-P, which have a blur.
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
def test_unknown_options_raise_an_error(options: dict[str, Any], message: str) -> None:
    with pytest.raises(LeadwiseError, match=message):
        Network(12, 26, **options)
