"""Heads of kind `samples` and `beats`, end to end on simulated records.

One small network with three heads is trained, killed and resumed, saved, loaded, and predicts
records, whose outputs are decoded to annotations.
"""

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import models.house2026
import team_code
from ecg import LeadwiseError
from ecg.leads import LEAD_SETS
from ecg.records import find_records, read_record
from ecg.records import record_of as record_in_memory
from models.decode import decode
from models.folder import read_model
from models.model import Model
from models.network import SignalOutput, from_logits
from models.recipe import Head, Recipe, part, recipe_from_json, recipe_to_json
from simulate import write_records
from training.checks import check_recipe, try_batch

ROOT = Path(__file__).resolve().parent.parent
# A training that is killed when the state of its second epoch is written.
KILLED = """
import os, signal, sys
import models.house2026, team_code, training.data, training.loop
from tests.test_dense_heads import RECIPE, Tiny

def stop(text):
    if "epoch 2 of" in text:
        os.kill(os.getpid(), signal.SIGKILL)

models.house2026.NETWORKS["tiny"] = Tiny
training.data.find = lambda _: RECIPE
training.loop.log = stop
team_code.training_code(*sys.argv[1:])
"""
HEADS = (
    Head("waves", "samples", classes="waves", loss=part("cross_entropy"), metric="dice"),
    Head("beats", "beats", classes="beats", loss=part("cross_entropy"), metric="beat_f1"),
    Head("diagnosis", loss=part("bce"), weight=0.5),
)
RECIPE = Recipe(
    name="house-tiny", system="house2026", source="test", summary="a tiny network of three heads",
    fs=100.0, max_s=10.0, transforms=(part("fill"), part("resample"), part("z_score")),
    post_transforms=(part("fit_length", tolerance=0.4),), network=part("tiny"),
    optimiser=part("adam", lr=1e-2), schedule=part("constant"), epochs=10, batch=4, heads=HEADS,
    augment=(part("shift", share=0.1), part("scale", spread=0.1)), ema=0.9,
    lead_sets=(LEAD_SETS[2],),
)  # fmt: skip


class Tiny(nn.Module):
    """Convolutions of stride 1; per-sample logits, and their mean for the record."""

    def __init__(self, channels: int, classes: dict[str, int]) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv1d(inputs, 16, 15, padding=7) for inputs in (channels, 16, 16)
        )
        self.heads = nn.ModuleDict({name: nn.Conv1d(16, size, 1) for name, size in classes.items()})

    def forward(self, signal: torch.Tensor, length: torch.Tensor) -> dict[str, torch.Tensor]:
        inside = (torch.arange(signal.shape[2]) < length[:, None])[:, None]
        hidden = signal
        for convolution in self.convolutions:
            hidden = torch.relu(convolution(hidden)) * inside
        outputs = {name: head(hidden) for name, head in self.heads.items()}
        if "diagnosis" in outputs:
            outputs["diagnosis"] = (outputs["diagnosis"] * inside).sum(2) / length[:, None]
        return outputs


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(models.house2026.NETWORKS, "tiny", Tiny)
    monkeypatch.setattr("training.data.find", lambda _: RECIPE)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 annotated records of 8 and 12 s, two of them without annotations."""
    folder = tmp_path_factory.mktemp("annotated")
    write_records(folder / "short", 24, seed=1, duration_s=8.0, fs=200.0, annotations=True)
    write_records(folder / "long", 16, seed=2, duration_s=16.0, fs=250.0, annotations=True)
    for path in sorted((folder / "long").iterdir()):
        path.rename(path.with_name(path.name.replace("SIM0", "SIM9")))
    for path in (folder / "long").glob("*.hea"):
        path.write_text(path.read_text().replace("SIM0", "SIM9"))
    for name in ("SIM00001", "SIM00002"):
        for ending in ("atr", "all"):
            (folder / "short" / f"{name}.{ending}").unlink()
    return folder


@pytest.fixture(scope="module")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that was trained without interruption."""
    folder = tmp_path_factory.mktemp("dense") / "model"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(models.house2026.NETWORKS, "tiny", Tiny)
        patch.setattr("training.data.find", lambda _: RECIPE)
        team_code.training_code(str(data), str(folder))
    return folder


def test_classes_per_sample_are_exclusive_and_of_a_record_are_not() -> None:
    logits = torch.zeros(2, 4, 5)
    np.testing.assert_allclose(from_logits(HEADS[0], logits), 0.25)
    np.testing.assert_allclose(from_logits(HEADS[2], logits[..., 0]), 0.5)
    np.testing.assert_allclose(from_logits(replace(HEADS[2], exclusive=True), logits[..., 0]), 0.25)


def test_a_part_that_the_network_has_read_is_annotated() -> None:
    """Samples 50 to 149 of 300 at 100 Hz, QRS at 90 to 99; the record has 200 Hz."""
    positions = np.append([-1] * 4, np.arange(50, 150))
    probabilities = np.zeros((4, 104))
    probabilities[0] = 1
    probabilities[:, 44:54] = [[0], [0], [1], [0]]
    output = SignalOutput({"waves": probabilities}, {}, [(0, 104)], positions)
    record = record_in_memory(np.zeros((2, 600)), ["I", "II"], 200.0)
    recipe = replace(RECIPE, heads=HEADS[:1])
    classes = {"waves": ("none", "P", "QRS", "T")}
    marks = decode(recipe, classes, output, record, record.signal)
    assert (marks.fs, len(marks.waves)) == (200.0, 1)
    assert (marks.annotated.onsets.tolist(), marks.annotated.offsets.tolist()) == ([100], [300])
    assert (marks.waves.onsets.tolist(), marks.waves.offsets.tolist()) == ([180], [200])


def test_a_recipe_with_several_heads_round_trips_through_json() -> None:
    assert recipe_from_json(recipe_to_json(RECIPE)) == RECIPE


def test_a_killed_training_resumes_to_equal_weights(
    data: Path, model: Path, tmp_path: Path
) -> None:
    words = [sys.executable, "-c", KILLED, str(data), str(tmp_path / "model")]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, timeout=120)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert not (tmp_path / "model" / "model.json").exists()
    team_code.training_code(str(data), str(tmp_path / "model"))
    assert read_model(tmp_path / "model").lead_sets == read_model(model).lead_sets


def test_the_folder_holds_scores_and_losses_of_each_head(model: Path) -> None:
    content = read_model(model)
    (trained,) = content.lead_sets
    assert content.classes["waves"] == ("none", "P", "QRS", "T")
    assert content.classes["beats"] == ("N", "S", "V")
    assert len(content.classes["diagnosis"]) == 26
    assert {name: set(head.scores) for name, head in trained.heads.items()} == {
        "waves": {"dice"}, "beats": {"beat_f1"}, "diagnosis": {"challenge"},
    }  # fmt: skip
    lines = (model / "history.tsv").read_text().splitlines()
    columns = lines[0].split("\t")
    assert {"loss", "loss waves", "loss beats", "loss diagnosis"} <= set(columns)
    assert {"score", "score beats", "score diagnosis"} <= set(columns)
    rows = [dict(zip(columns, line.split("\t"), strict=True)) for line in lines[1:]]
    first, last = (
        sum(float(row[f"loss {head.name}"]) * head.weight for head in HEADS)
        for row in (rows[0], rows[-1])
    )
    assert float(rows[0]["loss"]) == pytest.approx(first, rel=1e-4)
    assert last < 0.9 * first
    assert trained.heads["waves"].scores["dice"] > 0.5


@pytest.mark.parametrize("name", ["short/SIM00003", "long/SIM90003"])
def test_outputs_are_decoded_to_annotations_at_the_records_rate(
    data: Path, model: Path, name: str
) -> None:
    """8 s are padded to the network's 10 s, 16 s are read in two windows."""
    record = read_record(data / f"{name}.hea")
    prediction = Model.load(model).predict(record)
    truth, predicted = record.annotations(), prediction.annotations
    assert truth is not None
    assert predicted is not None
    assert predicted.fs == record.fs
    apart = np.abs(truth.beats.samples[:, None] - predicted.beats.samples)
    assert (apart.min(1) < 0.05 * record.fs).mean() > 0.8
    assert set(predicted.beats.symbols) <= {"N", "S", "V"}
    true_qrs, qrs = (one.waves.take(one.waves.kinds == "N") for one in (truth, predicted))
    inside = [
        ((qrs.onsets < offset) & (qrs.offsets > onset)).any()
        for onset, offset in zip(true_qrs.onsets, true_qrs.offsets, strict=True)
    ]
    assert np.mean(inside) > 0.8
    assert prediction.probabilities.shape == (26,)
    assert '"waves"' in prediction.to_json()


def test_padding_does_not_change_dense_outputs(data: Path, model: Path) -> None:
    loaded = Model.load(model)
    _, network = loaded.network_for(LEAD_SETS[2])
    generator = torch.Generator().manual_seed(0)
    signal = torch.randn(1, 2, 300, generator=generator)
    padded = torch.cat([signal, torch.zeros(1, 2, 200)], 2)
    length = torch.tensor([300])
    with torch.inference_mode():
        alone, together = network(signal, length), network(padded, length)
    torch.testing.assert_close(together["waves"][..., :300], alone["waves"])


def test_mixup_is_refused_for_classes_per_sample() -> None:
    with pytest.raises(LeadwiseError, match="mixup cannot mix classes per sample"):
        check_recipe(replace(RECIPE, augment=(part("mixup"),)))


def test_an_unreadable_annotation_file_leaves_its_record_out(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = tmp_path / "data"
    write_records(folder, 12, seed=4, duration_s=4.0, fs=200.0, annotations=True)
    (folder / "SIM00005.atr").write_bytes(b"\x01")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEADWISE_EPOCHS", "1")
        team_code.training_code(str(folder), str(tmp_path / "model"))
    assert "Left out: SIM00005" in capsys.readouterr().err
    assert len(find_records(folder)[0]) == 12


@pytest.mark.parametrize(("annotated", "part_of_data"), [("1", "validation"), ("8", "training")])
def test_both_parts_need_annotations_for_the_head_that_chooses_the_epoch(
    tmp_path: Path, annotated: str, part_of_data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = write_records(tmp_path / "data", 12, seed=5, duration_s=4.0, fs=200.0, annotations=True)
    folds = {name: "8" if index % 3 == 0 else "1" for index, name in enumerate(names)}
    rows = [f"{name}\t{fold}\t{name}" for name, fold in folds.items()]
    (tmp_path / "data" / "folds.tsv").write_text("\n".join(["record\tfold\tpatient", *rows]))
    for name, fold in folds.items():
        if fold != annotated:
            (tmp_path / "data" / f"{name}.all").unlink()
    monkeypatch.setenv("LEADWISE_VALIDATION", "8")
    with pytest.raises(LeadwiseError, match=f"waves: no {part_of_data} record has annotations"):
        team_code.training_code(str(tmp_path / "data"), str(tmp_path / "model"))


def test_the_trial_batch_has_the_length_that_the_post_transforms_give(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Fixed(nn.Linear):
        def forward(self, signal: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
            return super().forward(signal.flatten(1))

    monkeypatch.setitem(models.house2026.NETWORKS, "fixed", lambda _, size: Fixed(2 * 2000, size))
    fixed = replace(RECIPE, heads=HEADS[2:], network=part("fixed"), max_s=20.0)
    try_batch(fixed)
    with pytest.raises(LeadwiseError, match="fail on a trial batch of 2 records of 1000 samples"):
        try_batch(replace(fixed, max_s=10.0))


def test_classes_in_another_order_than_the_heads_are_refused(model: Path, tmp_path: Path) -> None:
    content = json.loads((model / "model.json").read_text())
    content["classes"] = dict(reversed(content["classes"].items()))
    (tmp_path / "model.json").write_text(json.dumps(content))
    with pytest.raises(LeadwiseError, match="model.classes: are those of diagnosis, beats, waves"):
        read_model(tmp_path)
