"""Grad-CAM: the fact sheet's worked values, CAM, captum, and the networks of all systems."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import models.house2026
import models.layers
import run_model
from ecg import LeadwiseError
from ecg.labels import CODES, POLICIES
from ecg.records import Record, read_record, record_of, write_record
from models import find, recipes_by_name
from models.explain import draw, explain, explain_beats, feature_maps, grad_cam
from models.inputs import channels_per_lead, post_transform
from models.layers import FeatureMaps
from models.malt2021 import BeatNetwork
from models.model import Model
from models.network import build, outputs_of, pad
from models.recipe import Recipe, part, vary
from simulate import COMMENTS, simulate
from tests.conftest import draw_norms, save_untrained, small

SAMPLES = Path("tests/data/challenge-samples")
WITHOUT_MAPS = "a signal encoder that is an LSTM or a Transformer over windows has no feature maps"


def networks() -> dict[str, Recipe]:
    """One recipe of each network, small, for its last lead set."""
    found = {}
    for name, recipe in sorted(recipes_by_name().items()):
        one = small(recipe)
        found.setdefault((one.system, one.network), vary(one, name=name))
    return {recipe.name: vary(recipe, lead_sets=recipe.lead_sets[-1:]) for recipe in found.values()}


NETWORKS = networks()


def network_of(recipe: Recipe, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    classes = {head.name: POLICIES[head.classes]([]) or CODES for head in recipe.heads}
    network = build(recipe, recipe.lead_sets[0], classes)
    draw_norms(network)
    return network.eval()


def record_for(recipe: Recipe, seconds: float = 6.0, fs: float | None = None) -> Record:
    made = simulate(("PVC",), seed=1, duration_s=seconds, fs=fs or recipe.fs)
    leads = recipe.lead_sets[0]
    known = [made.leads.index(lead) if lead in made.leads else 0 for lead in leads]
    return record_of(made.signal[known], leads, fs or recipe.fs)


class Pooled(nn.Module):
    """A convolution of stride 2, the mean over time, and one linear layer: it has a CAM."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(channels, 8, 5, stride=2, padding=2)
        self.rectify, self.head = nn.ReLU(), nn.Linear(8, classes)

    def feature_maps(self) -> FeatureMaps:
        return FeatureMaps((self.rectify,), 0.0, 2)

    def features(self, signal: torch.Tensor) -> torch.Tensor:
        maps: torch.Tensor = self.rectify(self.convolution(signal)[:, :, None])
        return maps

    def forward(self, signal: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.features(signal).mean((2, 3)))
        return logits


@pytest.fixture
def pooled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Model, Pooled]:
    monkeypatch.setitem(models.house2026.NETWORKS, "pooled", Pooled)
    recipe = vary(
        find("house-resnet"), name="pooled", network=part("pooled"), lead_sets=(("I", "II"),),
        rules="off", decision="global",
    )  # fmt: skip
    torch.manual_seed(3)
    network = Pooled(2, len(CODES))
    return save_untrained(recipe, network, tmp_path), network


def test_the_worked_values() -> None:
    """Section 7: α = 0.25 and −0.25; the map is (0.25, 0.25, 0, 0)."""
    maps = torch.tensor([[1.0, 2.0, 0.0, 1.0], [0.0, 1.0, 3.0, 1.0]])
    gradients = torch.tensor([[0.5, 0.5, 0.0, 0.0], [-0.25] * 4])
    assert grad_cam(maps, gradients).tolist() == [0.25, 0.25, 0.0, 0.0]
    assert grad_cam(maps, -gradients.abs()).tolist() == [0.0] * 4  # nothing raises the logit


def test_grad_cam_of_pooling_and_one_layer_is_cam_by_the_number_of_steps() -> None:
    network = Pooled(2, 5)
    maps = network.features(torch.randn(1, 2, 60)).detach().requires_grad_()
    logits = network.head(maps.mean((2, 3)))[0]
    for index in range(5):
        (gradient,) = torch.autograd.grad(logits[index], maps, retain_graph=True)
        cam = torch.einsum("k,kt->t", network.head.weight[index], maps[0, :, 0]).relu()
        torch.testing.assert_close(grad_cam(maps[0], gradient[0])[0], cam / 30)


def test_the_heat_of_a_record_is_its_cam_at_the_steps(pooled: tuple[Model, Pooled]) -> None:
    """A record of twice the recipe's rate: every fourth sample is one of the steps."""
    model, network = pooled
    record = record_for(model.recipe, seconds=10.0, fs=2 * model.recipe.fs)
    heat = explain(model, record, model.classes[:3])
    assert heat.shape == (3, record.samples)
    signal, positions = post_transform(model.recipe, model.inputs_of(record).prepared.signal)
    assert (positions >= 0).all()
    with torch.no_grad():
        maps = network.features(torch.from_numpy(signal)[None])[0, :, 0]
        cams = (network.head.weight[:3] @ maps).relu().numpy()
    np.testing.assert_allclose(heat[:, ::4], cams / cams.max(1, keepdims=True), atol=1e-5)
    np.testing.assert_allclose(heat[:, 2:-4:4], (heat[:, :-4:4] + heat[:, 4::4]) / 2, atol=1e-5)


def test_windows_are_averaged_before_the_heat_is_scaled(pooled: tuple[Model, Pooled]) -> None:
    """20 s in windows of 10 s every 4 s: each part of the record is in one to three windows."""
    model, network = pooled
    record = record_for(model.recipe, seconds=20.0)
    code = model.classes[:1]
    signal, _ = post_transform(model.recipe, model.inputs_of(record).prepared.signal)
    total, cover = np.zeros(2000), np.zeros(2000)
    for onset in (0, 400, 800):
        part = torch.from_numpy(signal[:, onset : onset + 1000])[None]
        with torch.no_grad():
            cam = (network.head.weight[0] @ network.features(part)[0, :, 0]).relu().numpy()
        total[onset : onset + 1000] += np.interp(np.arange(1000), np.arange(0, 1000, 2), cam)
        cover[onset : onset + 1000] += 1
    expected = total / np.maximum(cover, 1)
    np.testing.assert_allclose(
        explain(model, record, code)[0], expected / expected.max(), atol=1e-5
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_each_network_is_explained_or_tells_why_not(name: str, tmp_path: Path) -> None:
    """A random network may raise no logit, so the heat is one of four networks."""
    recipe = NETWORKS[name]
    record = record_for(recipe, fs=500.0)
    hot = False
    for seed in range(4):
        model = save_untrained(recipe, network_of(recipe, seed), tmp_path)
        if name.endswith("no-spectrogram"):
            with pytest.raises(LeadwiseError, match=f"^{name}: {WITHOUT_MAPS}"):
                feature_maps(model)
            return
        before = model.predict(record).probabilities
        heat = explain(model, record, model.classes)
        assert heat.shape == (len(model.classes), 3000)
        assert heat.min() >= 0
        assert set(heat.max(1).tolist()) <= {0.0, 1.0}
        np.testing.assert_array_equal(model.predict(record).probabilities, before)
        if hot := bool(heat.any()):
            break
    assert hot


@pytest.mark.parametrize(
    "name",
    ["isibrno-2020", "isibrno-entry7", "house-lead-dropout", "revenger-as-published",
     "revenger-tresnet-n", "revenger-branched-lw", "dualnet-s", "dualnet-house", "dualnet-pp-s",
     "dualnet-s-no-signal", "heartly-leadwise"],
)  # fmt: skip
def test_captum_computes_the_same_heat(name: str, tmp_path: Path) -> None:
    """captum explains one layer, so not the two members of `house-pair`."""
    attr = pytest.importorskip("captum.attr", reason="pip install -r requirements-dev.txt")
    recipe = NETWORKS[name]
    network = network_of(recipe)
    model = save_untrained(recipe, network, tmp_path)
    record, head = record_for(recipe), model.record_head
    assert head is not None
    inputs = model.inputs_of(record)
    signal, positions = post_transform(recipe, inputs.prepared.signal)
    batch, length = pad([signal])
    facts = None if inputs.facts is None else torch.from_numpy(inputs.facts)[None]
    maps: FeatureMaps = network.feature_maps()  # type: ignore[operator]

    def logits(batch: torch.Tensor) -> torch.Tensor:
        return outputs_of(recipe, network, batch, length, facts)[head.name]

    indices = [0, len(model.classes) // 2]
    heat = explain(model, record, [model.classes[index] for index in indices])
    method = attr.LayerGradCam(logits, maps.layers[0])
    for row, index in zip(heat, indices, strict=True):
        steps = method.attribute(batch, target=index, relu_attributions=True)[0, 0]
        steps = steps.sum(3 - maps.time).detach().double().numpy()
        centres = maps.first + maps.stride * np.arange(len(steps))
        expected = np.interp(np.flatnonzero(positions >= 0), centres, steps)
        expected /= expected.max() or 1
        np.testing.assert_allclose(row, expected, atol=2e-4)


def test_the_heat_of_beats_is_captums_and_of_each_class() -> None:
    attr = pytest.importorskip("captum.attr", reason="pip install -r requirements-dev.txt")
    torch.manual_seed(1)
    network = BeatNetwork(2, 3).eval()
    draw_norms(network)
    windows = np.random.default_rng(0).standard_normal((3, 2, 300)).astype(np.float32)
    heat = explain_beats(network, windows, [2, 0, 1])
    assert heat.shape == (3, 300)
    assert heat.any()
    method = attr.LayerGradCam(network, network.blocks[-1])
    for row, window, index in zip(heat, windows, [2, 0, 1], strict=True):
        steps = method.attribute(torch.from_numpy(window)[None], index, relu_attributions=True)
        values = steps[0, 0, 0].detach().double().numpy()  # step k is max-pooled from 8k to 8k + 7
        expected = np.interp(np.arange(300), 3.5 + 8 * np.arange(37), values)
        np.testing.assert_allclose(row, expected / (expected.max() or 1), atol=2e-4)
    assert explain_beats(network, windows[:0], []).shape == (0, 300)


# Of the receptive fields of a step, drawn with random weights: 12 networks of each.
@pytest.mark.parametrize(
    "name",
    ["isibrno-published", "house-resnet", "dualnet-s", "heartly-leadwise", "revenger-nc-se",
     "revenger-tresnet-n", "malt"],
)  # fmt: skip
def test_the_steps_are_centred_where_the_network_reads(name: str) -> None:
    """The mean offset, in steps, of the energy of the gradient for the input."""
    offsets = []
    for seed in range(12):
        torch.manual_seed(seed)
        if name == "malt":
            network: nn.Module = BeatNetwork(1, 2).eval()
            draw_norms(network)
            channels = 1
        else:
            recipe = small(find(name))
            recipe = vary(recipe, lead_sets=recipe.lead_sets[-1:])
            network = network_of(recipe, seed)
            channels = len(recipe.lead_sets[0]) * channels_per_lead(recipe)
        maps: FeatureMaps = network.feature_maps()  # type: ignore[operator]
        samples = max(1280, 8 * maps.stride)
        signal = torch.randn(1, channels, samples, requires_grad=True)
        kept: list[torch.Tensor] = []
        maps.layers[0].register_forward_hook(lambda _, __, output, kept=kept: kept.append(output))
        network(*([signal] if name == "malt" else [signal, torch.tensor([samples])]))
        features = kept[0].movedim(maps.time, -1)
        step = features.shape[-1] // 2
        (gradient,) = torch.autograd.grad(features[..., step].sum(), signal)
        energy = gradient[0].square().sum(0)
        centre = float((energy * torch.arange(samples)).sum() / energy.sum())
        offsets.append((centre - maps.first) / maps.stride - step)
    assert abs(np.mean(offsets)) < 0.25


def test_the_note_tells_about_the_header_and_an_empty_map(
    pooled: tuple[Model, Pooled], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = []
    monkeypatch.setattr(
        "models.explain.plot_record", lambda *_, note, **__: notes.append(note.partition("; ")[2])
    )
    model, network = pooled
    saved = []
    for weight in (1.0, 0.0):
        nn.init.constant_(network.head.weight, weight)
        folder = tmp_path / str(weight)
        folder.mkdir()
        saved.append(save_untrained(model.recipe, network, folder))
    record = read_record(SAMPLES / "A0689.hea")  # AF
    right, wrong = "164889003", "426783006"
    for one in saved:
        assert len(list(draw(one, record, {right: 0.9, wrong: 0.2}, tmp_path))) == 2
    assert notes == [
        "header: AF",
        "not in the header, which has AF",
        "header: AF; no part of the record raised it",
        "not in the header, which has AF; no part of the record raised it",
    ]


def test_a_class_that_the_model_lacks_is_named(pooled: tuple[Model, Pooled]) -> None:
    model, _ = pooled
    with pytest.raises(LeadwiseError, match="pooled: has no class AF"):
        explain(model, record_for(model.recipe), ["AF"])


def test_a_network_without_the_method_is_named(
    pooled: tuple[Model, Pooled], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(Pooled, "feature_maps")
    with pytest.raises(LeadwiseError, match="pooled: its network has no method feature_maps"):
        feature_maps(pooled[0])


def test_a_picture_of_a_simulated_record_says_so(
    pooled: tuple[Model, Pooled], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = []
    monkeypatch.setattr("models.explain.plot_record", lambda *_, note, **__: notes.append(note))
    model, _ = pooled
    made = record_for(model.recipe)
    for comments in ((), COMMENTS):
        write_record(tmp_path, "R1", made.signal, made.leads, made.fs, comments=comments)
        record = read_record(tmp_path / "R1.hea")
        list(draw(model, record, {model.classes[0]: 0.5}, tmp_path))
    assert ["simulated" in note for note in notes] == [False, True]


def test_a_long_record_is_drawn_where_it_is_hot(
    pooled: tuple[Model, Pooled], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    monkeypatch.setattr("models.explain.plot_record", lambda *a, **k: drawn.append((a, k)))
    heat = np.zeros((1, 3000), np.float32)
    heat[0, 1500:2200] = 1
    monkeypatch.setattr("models.explain.explain", lambda *_: heat)
    model, _ = pooled
    record = record_for(model.recipe, seconds=30.0)
    assert list(draw(model, record, {CODES[0]: 0.5}, tmp_path))
    [(_, signal, _, _), numbers] = drawn[0]
    first = round(numbers["start_s"] * 100)
    assert signal.shape[1] == len(numbers["heat"]) == 1000
    assert 1200 <= first <= 1500
    np.testing.assert_array_equal(signal, record.signal[:, first : first + 1000])


def test_run_model_draws_each_answered_class(tmp_path: Path) -> None:
    data, outputs, pictures = (tmp_path / name for name in ("data", "outputs", "pictures"))
    record = read_record(SAMPLES / "A0689.hea")  # its header has AF alone
    data.mkdir()
    write_record(data, "A0689", record.signal, record.leads, record.fs, codes=record.header.codes)
    words = ["weights/house2026", str(data), str(outputs), "--explain", str(pictures)]
    assert run_model.main(words) == 0
    rows = (outputs / "A0689.csv").read_text().splitlines()
    answered = [int(label) for label in rows[2].split(",")]
    drawn = sorted(path.name for path in pictures.iterdir())
    assert len(drawn) == sum(answered) > 1
    assert "A0689-AF.png" in drawn
    assert all((pictures / name).stat().st_size > 50_000 for name in drawn)


def test_a_model_without_feature_maps_ends_the_run_before_the_first_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delattr(models.layers.Members, "feature_maps")
    words = ["weights/house2026", str(SAMPLES), str(tmp_path / "out")]
    assert run_model.main([*words, "--explain", str(tmp_path / "pictures")]) == 1
    assert "Error: house-pair: its network has no method feature_maps" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())


def test_pictures_that_cannot_be_written_are_named_and_the_answers_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name in ("A0689.hea", "A0689.mat"):
        (data / name).write_bytes((SAMPLES / name).read_bytes())

    def full(*_: object, **__: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("models.explain.plot_record", full)
    words = ["weights/house2026", str(data), str(tmp_path / "out")]
    assert run_model.main([*words, "--explain", str(tmp_path / "pictures")]) == 1
    lines = capsys.readouterr().err
    assert "No pictures: A0689" in lines
    assert "No space left on device" in lines
    assert "1 of 1 records failed: A0689" in lines
    assert (tmp_path / "out" / "A0689.csv").read_text().startswith("#A0689\n")
