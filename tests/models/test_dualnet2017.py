"""DualNet's networks, inputs and recipes; values are from the fact sheet (dualnet2017)."""

import math

import numpy as np
import pytest
import torch

from ecg import LeadwiseError
from ecg.labels import AF_LETTERS, POLICIES
from models import find
from models.dualnet2017 import RECIPES, Network
from models.dualnet2017.encoders import Transformer
from models.dualnet2017.spectrogram import frame_count, log_spectrogram, window_count, windows
from models.inputs import check_transforms, post_transform, prepare
from models.network import build, pad
from models.recipe import Recipe, part
from models.sample import Sample
from tests.conftest import draw_norms, small
from training.augment import RECORDS

# Parameters of encoder, positions, blocks 1 to 5, linear 1 and PAU, linear 2, total; section 5.
COUNTS = {
    "s": (329_728, 0, 10_740, 30_868, 90_388, 295_444, 1_049_620, 32_906, 516, 1_840_210),
    "m": (1_052_672, 0, 42_452, 123_156, 360_980, 1_180_692, 1_442_836, 65_802, 1_028, 4_269_618),
    "l": (1_579_008, 0, 103_316, 360_980, 1_180_692, 1_442_836, 1_442_836, 65_802, 1_028,
          6_176_498),
    "xl": (5_779_456, 0, 411_412, 1_442_836, 4_720_660, 5_769_236, 2_425_876, 131_594, 2_052,
           20_683_122),
    "pp-s": (660_736, 20_480, 18_932, 47_252, 93_956, 234_484, 662_996, 65_802, 1_028, 1_805_666),
    "pp-m": (792_064, 20_480, 42_452, 123_156, 236_852, 665_364, 662_996, 65_802, 1_028, 2_610_194),
    "pp-l": (1_187_840, 20_480, 103_316, 360_980, 670_100, 665_364, 662_996, 65_802, 1_028,
             3_737_906),
    "pp-xl": (1_581_824, 20_480, 280_340, 1_180_692, 2_126_420, 2_116_948, 859_604, 65_802, 1_028,
              8_233_138),
    "pp-xxl": (2_636_032, 20_480, 280_340, 3_541_012, 7_398_356, 7_379_412, 2_898_644, 131_338,
               1_028, 24_286_642),
    "pp-130m": (15_781_376, 20_480, 2_890_772, 50_339_860, 27_379_412, 27_341_524, 3_947_220,
                131_338, 1_028, 127_833_010),
}  # fmt: skip
TWO_CLASSES = {
    "s": 1_839_952, "m": 4_269_104, "l": 6_175_984, "xl": 20_682_096, "pp-s": 1_805_152,
    "pp-m": 2_609_680, "pp-l": 3_737_392, "pp-xl": 8_232_624, "pp-130m": 127_832_496,
}  # fmt: skip
NETWORKS = {
    name: recipe for name, recipe in RECIPES.items() if name.removeprefix("dualnet-") in COUNTS
}


def parameters(module: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def on_meta(recipe: Recipe, classes: int = 4) -> Network:
    """Build a network without allocating its parameters, up to 128 million."""
    with torch.device("meta"):
        return build(recipe, ("ECG",), {"diagnosis": range(classes)})


@pytest.mark.parametrize("size", COUNTS)
def test_parts_have_the_published_numbers_of_parameters(size: str) -> None:
    network = on_meta(find(f"dualnet-{size}"))
    *parts, total = COUNTS[size]
    positions = getattr(network.encoder, "position", torch.empty(0)).numel()
    counts = [parameters(network.encoder) - positions, positions]
    counts += [parameters(module) for module in (*network.blocks, network.joint, network.head)]
    assert counts == parts
    assert parameters(network) == total


@pytest.mark.parametrize("size", TWO_CLASSES)
def test_parameters_for_two_classes(size: str) -> None:
    assert parameters(on_meta(find(f"dualnet-{size}"), 2)) == TWO_CLASSES[size]


@pytest.mark.parametrize("size", COUNTS)
def test_networks_as_published_have_the_same_parameters(size: str) -> None:
    shapes = [
        {key: value.shape for key, value in on_meta(recipe).state_dict().items()}
        for recipe in (find(f"dualnet-{size}-as-published"), find(f"dualnet-{size}"))
    ]
    assert shapes[0] == shapes[1]


def test_ablated_branches_have_no_parameters() -> None:
    conditions = 986_880 - 2 * 2 * sum(
        (64, 128, 256, 256, 256)
    )  # conditional batch norms without their plain norms
    without = {
        each: parameters(on_meta(find(f"dualnet-l-no-{each}")))
        for each in ("signal", "spectrogram")
    }
    assert without["signal"] == 6_176_498 - 1_579_008 - conditions
    assert without["spectrogram"] == 1_579_008 + 1_028


LENGTHS = {  # samples: frames, nonzero windows
    2_714: (85, 13), 3_000: (94, 14), 9_000: (282, 41), 9_023: (282, 41), 9_024: (283, 41),
    15_000: (469, 67), 17_999: (563, 80), 18_000: (563, 80), 18_286: (563, 80),
}  # fmt: skip


@pytest.mark.parametrize("samples", LENGTHS)
def test_sizes_as_published(samples: int) -> None:
    network = Network(1, 4, encoder=part("lstm", layers=1), latent=8, widths=(2,) * 5,
                      padded=18_000)  # fmt: skip
    inputs = []
    network.encoder.register_forward_pre_hook(lambda _, arguments: inputs.append(arguments[0]))
    signal, length = torch.ones(1, 1, samples), torch.tensor([samples])
    network(signal, length)
    cut = windows(inputs[0][:, 0])
    assert cut.shape == (1, 80, 256)
    frames, nonzero = LENGTHS[samples]
    assert cut.any(2).sum() == nonzero
    hidden, mask = network.spectrogram(signal, length.clamp(max=18_000))
    assert hidden.shape == (1, 1, 563, 33)
    assert mask is None
    assert hidden[0, 0].any(1).sum() == frames
    assert frame_count(length.clamp(max=18_000)) == frames


@pytest.mark.parametrize("samples", [1, 256, 257, 480, 481, 2714, 9000, 18_286])
def test_windows_cover_all_samples_and_none_is_superfluous(samples: int) -> None:
    signal = torch.arange(1.0, samples + 1)[None]
    cut = windows(signal)
    assert cut.shape[1] == window_count(torch.tensor([samples]))
    assert set(range(1, samples + 1)) <= set(cut.flatten().tolist())
    if samples > 256:
        assert cut[0, -1].max() > cut[0, -2].max()


def test_shapes_after_the_blocks_of_s() -> None:
    network = build(find("dualnet-s-as-published"), ("ECG",), {"diagnosis": AF_LETTERS}).eval()
    shapes = []
    for block in network.blocks:
        block.register_forward_hook(lambda _, __, out: shapes.append(tuple(out.shape[1:])))
    network(torch.randn(1, 1, 9000), torch.tensor([9000]))
    assert shapes == [(16, 281, 16), (32, 140, 8), (64, 70, 4), (128, 35, 2), (256, 17, 1)]


def magnitudes(signal: np.ndarray) -> torch.Tensor:
    length = torch.tensor([len(signal)])
    return log_spectrogram(torch.tensor(signal)[None], length)[0].exp()


def test_a_sine_has_three_bins_and_a_constant_two() -> None:
    time = np.arange(9000) / 300
    sine = magnitudes(np.sin(2 * np.pi * 37.5 * time))[100]
    expected = torch.zeros(33)
    expected[7:10] = torch.tensor([1.632993, 3.265986, 1.632993])
    torch.testing.assert_close(sine, expected, atol=2e-5, rtol=0)  # float32; the sheet's is double
    constant = magnitudes(np.ones(9000))[100]
    torch.testing.assert_close(constant[:2], torch.tensor([6.531972, 3.265986]))
    assert constant[2:].max() < 1e-5


TIME = np.arange(9000) / 300
RECORD = 100 * np.sin(2 * np.pi * 1.2 * TIME) + 50 * np.sin(2 * np.pi * 37.5 * TIME) + 20  # µV
CELLS = {
    (0, 0): 0.8077, (0, 8): -3.1743, (10, 0): 2.0513, (10, 1): 1.4095, (10, 7): 0.0332,
    (10, 8): 0.7250, (10, 9): 0.0327, (100, 8): 0.7259, (281, 8): 0.4723,
}  # fmt: skip


def test_the_record_of_the_fact_sheet() -> None:
    assert RECORD.mean() == pytest.approx(20, abs=1e-4)
    assert RECORD.std(ddof=1) == pytest.approx(79.0613, abs=1e-4)
    recipe = find("dualnet-s")
    prepared = prepare(
        recipe, RECORD[None].astype(np.float32) / 1000, ("ECG",), ("ECG",), 300.0
    ).signal
    assert prepared[0, :4] == pytest.approx([0, 0.478974, 0.695971, 0.542465], abs=1e-4)
    published = find("dualnet-s-as-published")
    raw = prepare(
        published, RECORD[None].astype(np.float32) / 1000, ("ECG",), ("ECG",), 300.0
    ).signal
    np.testing.assert_allclose(post_transform(published, raw)[0], prepared, atol=1e-5)
    cut = windows(torch.tensor(prepared))[0]
    assert float(cut[1, 0]) == pytest.approx(-0.768935, abs=1e-4)
    assert float(cut[40, 39]) == pytest.approx(-0.478974, abs=1e-4)
    assert float(cut[40, 40]) == 0
    signal, length = torch.tensor(prepared)[None], torch.tensor([9000])
    for name in ("dualnet-s", "dualnet-s-as-published"):
        network = build(find(name), ("ECG",), {"diagnosis": AF_LETTERS})
        logs = network.spectrogram(signal, length)[0][0, 0]
        for cell, value in CELLS.items():
            assert float(logs[cell]) == pytest.approx(value, abs=2e-4)
    assert float(logs[282, 8]) == 0  # padding, as published


def test_spectrograms_do_not_depend_on_the_batch() -> None:
    signals = [np.random.default_rng(0).normal(size=(1, samples)) for samples in (40, 999, 2000)]
    signal, length = pad(signals)
    together = log_spectrogram(signal[:, 0], length)
    for logs, own in zip(together, signals, strict=True):
        alone = log_spectrogram(torch.tensor(own).float(), torch.tensor([own.shape[1]]))[0]
        torch.testing.assert_close(logs[: len(alone)], alone)
        assert (logs[len(alone) :] == math.log(1e-8)).all()


@pytest.mark.parametrize("name", ["dualnet-s", "dualnet-pp-s", "dualnet-house"])
def test_very_long_and_very_short_records_have_finite_outputs(name: str) -> None:
    network = build(small(find(name)), ("ECG",), {"diagnosis": AF_LETTERS}).eval()
    for samples in (2, 400, 18_286):
        with torch.inference_mode():
            assert torch.isfinite(
                network(torch.randn(1, 1, samples), torch.tensor([samples]))
            ).all()


@pytest.mark.parametrize("name", RECIPES)
def test_padding_does_not_change_outputs_for_any_norms(name: str) -> None:
    """The contract test, with norms whose shift would make padding nonzero."""
    torch.manual_seed(0)
    network = build(small(RECIPES[name]), ("ECG",), {"diagnosis": AF_LETTERS})
    draw_norms(network)
    network.eval()
    rng = np.random.default_rng(0)
    signals = [rng.normal(size=(1, samples)) for samples in (1100, 1633, 2201)]
    with torch.inference_mode():
        together = network(*pad(signals))
        alone = torch.cat([network(*pad([signal])) for signal in signals])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    assert (alone[0] - alone[1]).abs().max() > 1e-4


def test_the_lstm_returns_its_output_at_the_last_window() -> None:
    network = build(find("dualnet-s-no-spectrogram"), ("ECG",), {"diagnosis": AF_LETTERS}).eval()
    signal = torch.randn(1, 1, 2000)
    latent = network.encode_signal(signal, torch.tensor([2000]))
    expected = network.encoder.lstm(windows(signal[:, 0]))[0][:, -1]
    torch.testing.assert_close(latent, expected)


def plain_transformer(encoder: Transformer, tokens: torch.Tensor, heads: int) -> torch.Tensor:
    """Compute post-norm layers over (windows, 256) from their weights; the mean of the outputs."""
    functional = torch.nn.functional
    count, width = tokens.shape
    x = tokens + encoder.position[torch.arange(count).clamp(max=79)]
    for layer in encoder.layers.layers:
        attention = layer.self_attn
        projected = x @ attention.in_proj_weight.T + attention.in_proj_bias
        q, k, v = (
            one.view(count, heads, -1).transpose(0, 1) for one in projected.split(width, dim=1)
        )  # (heads, windows, width / heads)
        weights = (q @ k.transpose(1, 2) / (width / heads) ** 0.5).softmax(2)
        x = layer.norm1(x + attention.out_proj((weights @ v).transpose(0, 1).reshape(count, -1)))
        x = layer.norm2(x + layer.linear2(functional.gelu(layer.linear1(x))))
    return encoder.layers.norm(x).mean(0)


@pytest.mark.parametrize("samples", [256, 2000, 21_000])
def test_the_transformer_equals_a_plain_implementation(samples: int) -> None:
    """21,000 samples are 82 windows or more: the last ones share a position."""
    torch.manual_seed(0)
    encoder = Transformer(256, 0.1, heads=4, hidden=32, layers=2).eval()
    signal = torch.randn(1, 1, samples)
    with torch.no_grad():
        latent = encoder(signal, torch.tensor([samples]))[0]
        plain = plain_transformer(encoder, windows(signal[:, 0])[0], heads=4)
    torch.testing.assert_close(latent, plain, atol=1e-5, rtol=1e-4)


def test_as_published_padding_is_read() -> None:
    network = build(find("dualnet-s-as-published"), ("ECG",), {"diagnosis": AF_LETTERS}).eval()
    signal = torch.randn(1, 1, 2000)
    padded = torch.nn.functional.pad(signal, (0, 17_952 - 2000))
    last = network.encoder.lstm(windows(padded[:, 0]))[0][:, 79]
    torch.testing.assert_close(network.encode_signal(signal, torch.tensor([2000])), last)


def test_positions_of_windows_are_drawn_from_their_distribution() -> None:
    """Fact sheet, section 3: 80 × 256 numbers of N(0, 0.1²)."""
    torch.manual_seed(0)
    position = build(find("dualnet-pp-s"), ("ECG",), {"diagnosis": AF_LETTERS}).encoder.position
    assert position.shape == (80, 256)
    assert position.std().item() == pytest.approx(0.1, rel=0.02)  # four standard errors
    assert position.mean().item() == pytest.approx(0, abs=0.003)


def test_invalid_options_raise_an_error() -> None:
    def make(channels: int = 1, **changes: object) -> Network:
        options = {"encoder": part("lstm", layers=1), "latent": 8, "widths": (2,) * 5}
        return Network(channels, 4, **{**options, **changes})

    for changes, message in (
        ({"channels": 2}, "reads one lead, not 2"),
        ({"encoder": part("gru")}, "no encoder 'gru'; known are lstm, transformer, residual"),
        ({"branches": "none"}, "no branches 'none'; known are both"),
        ({"as_published": ("loss",)}, "no layer as published 'loss'; known are norm"),
    ):
        with pytest.raises(LeadwiseError, match=message):
            make(**changes)
    with pytest.raises(LeadwiseError, match="latent size of 256, not 128"):
        Transformer(128, 0.1, heads=8, hidden=8, layers=1)


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_have_one_lead_and_weights_for_all_classes(name: str) -> None:
    recipe, head = RECIPES[name], RECIPES[name].head
    assert recipe.lead_sets == (("ECG",),)
    check_transforms(recipe)
    if head.exclusive:
        assert len(head.loss.options["weights"]) == len(POLICIES[head.classes]([]))
    else:  # PTB-XL's records have several codes
        assert (head.classes, head.loss) == ("all", part("bce"))


def augmented(recipe: Recipe, name: str, signal: np.ndarray) -> np.ndarray:
    """Give the network's input for a record with this augmentation alone."""
    (augmentation,) = (each for each in recipe.augment if each.name == name)
    options = {**augmentation.options, "probability": 1.0}
    prepared = prepare(recipe, signal, ("ECG",), ("ECG",), 300.0).signal
    sample = Sample(prepared, ("ECG",), 300.0)
    changed = RECORDS[name](sample, np.random.default_rng(0), **options)
    return post_transform(recipe, changed.signal)[0]


@pytest.mark.parametrize("name", ["amplify", "baseline_wander"])
def test_augmentations_without_effect_as_published_have_one(name: str) -> None:
    """Error 1: as published, no sample of a record of 177 µV changes by 0.005 deviations."""
    record = 0.177 * np.random.default_rng(1).normal(size=(1, 9000)).astype(np.float32)
    for recipe, effective in ((find("dualnet-s"), True), (find("dualnet-s-as-published"), False)):
        prepared = prepare(recipe, record, ("ECG",), ("ECG",), 300.0).signal
        change = np.abs(augmented(recipe, name, record) - post_transform(recipe, prepared)[0]).max()
        assert (change > 0.05) == effective
        assert effective or change < 0.005


def test_an_ensemble_predicts_the_mean_logit_of_records_of_any_length() -> None:
    torch.manual_seed(0)
    recipe = small(find("dualnet-trio"))
    trio = build(recipe, ("ECG",), {"diagnosis": AF_LETTERS})
    draw_norms(trio)
    signal, length = torch.randn(3, 1, 2000), torch.tensor([2000, 1500, 2000])
    with torch.inference_mode():
        assert trio(signal, length).shape == (3, 3, 4), "members, records, classes"
        trio.eval()
        each = torch.stack([member(signal, length) for member in trio.members])
        torch.testing.assert_close(trio(signal, length), each.mean(0))
    assert (each[0] - each[1]).abs().max() > 1e-3
