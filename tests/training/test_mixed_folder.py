"""HeartlyAI on a folder whose records have diagnoses, marks of waves, beats, or any of them."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import train_model
from ecg.headers import parse_header
from ecg.labels import CODES
from ecg.records import read_record
from models import find
from models.folder import read_model
from models.model import Model
from models.recipe import recipe_to_json
from simulate import write_records
from tests.conftest import small

ROOT = Path(__file__).resolve().parent.parent.parent
KILLED = """
import os, signal, sys
import train_model, training.loop

def stop(text):
    if "epoch 1 of" in text:
        os.kill(os.getpid(), signal.SIGKILL)

training.loop.log = stop
train_model.main(sys.argv[1:])
"""


def without_diagnosis(header: Path) -> None:
    lines = header.read_text().splitlines()
    header.write_text("\n".join(line for line in lines if "Dx" not in line) + "\n")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 records: 20 with all, 15 with diagnoses alone, 15 with waves, 10 with beats alone."""
    folder = tmp_path_factory.mktemp("mixed")
    names = write_records(folder, 60, seed=3, duration_s=4.0, fs=100.0, annotations=True)
    for place, name in enumerate(names):
        waves, beats = (folder / f"{name}.{ending}" for ending in ("all", "atr"))
        if 20 <= place < 35 or place >= 50:
            waves.unlink()
        if 20 <= place < 50:
            beats.unlink()
        if place >= 35:
            without_diagnosis(folder / f"{name}.hea")
    rows = [f"{name}\t{1 + place % 4}\t{name}" for place, name in enumerate(names)]
    (folder / "folds.tsv").write_text("\n".join(["record\tfold\tpatient", *rows]) + "\n")
    return folder


@pytest.fixture(scope="module")
def words(data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The data folder, and the options of a small training."""
    recipe = small(find("heartly-leadwise"))
    content = recipe_to_json(recipe)
    content |= {"name": "heartly-small", "crop_s": 2.0, "batch": 8}
    content |= {"pretraining": {"name": "barlow", "share": 0.6, "weight": 0.1}}
    content["sampling"] |= {"annotated": 1, "others": 12}
    file = tmp_path_factory.mktemp("recipe") / "small.json"
    file.write_text(json.dumps(content))
    return [str(data), "--recipe", str(file), "--validation", "4", "--epochs", "2"]


@pytest.fixture(scope="module")
def model(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "model"
    data, *options = words
    assert train_model.main([data, str(folder), *options]) == 0
    return folder


def test_each_head_is_trained_and_scored(model: Path) -> None:
    (trained,) = read_model(model).lead_sets
    assert {name: set(head.scores) for name, head in trained.heads.items()} == {
        "diagnosis": {"challenge"}, "waves": {"dice"}, "beats": {"beat_f1"},
    }  # fmt: skip
    lines = (model / "history.tsv").read_text().splitlines()
    rows = [dict(zip(lines[0].split("\t"), line.split("\t"), strict=True)) for line in lines[1:]]
    assert len(rows) == 2
    for row in rows:
        losses = [float(row[f"loss {head}"]) for head in ("diagnosis", "waves", "beats")]
        assert min(losses) > 0.01
        assert 5 * losses[0] + losses[1] + losses[2] == pytest.approx(float(row["loss"]), rel=1e-4)


def test_a_killed_training_resumes_to_equal_weights(
    words: list[str], model: Path, tmp_path: Path
) -> None:
    data, *options = words
    command = [sys.executable, "-c", KILLED, data, str(tmp_path / "model"), *options]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=300)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert not (tmp_path / "model" / "model.json").exists()
    assert train_model.main([data, str(tmp_path / "model"), *options]) == 0
    assert read_model(tmp_path / "model").lead_sets == read_model(model).lead_sets


def test_a_prediction_has_the_challenges_classes_waves_and_beats(data: Path, model: Path) -> None:
    prediction = Model.load(model).predict(read_record(data / "SIM00003.hea"))
    assert prediction.classes == CODES
    assert np.isfinite(prediction.probabilities).all()
    assert prediction.annotations is not None
    assert prediction.annotations.fs == 100.0


def test_age_sex_and_amplitude_change_a_prediction(data: Path, model: Path, tmp_path: Path) -> None:
    text = (data / "SIM00003.hea").read_text()
    (tmp_path / "SIM00003.mat").write_bytes((data / "SIM00003.mat").read_bytes())
    answers = []
    for age in (20, 90):
        lines = [f"# Age: {age}" if "Age" in line else line for line in text.splitlines()]
        (tmp_path / "SIM00003.hea").write_text("\n".join(lines) + "\n")
        assert parse_header("\n".join(lines), "SIM00003").age == age
        record = read_record(tmp_path / "SIM00003.hea")
        answers.append(Model.load(model).predict(record).probabilities)
    assert not np.array_equal(*answers)


@pytest.mark.parametrize(
    ("removed", "message"),
    [("Dx", "none of the 12 records has one of the 26 scored labels"),
     ("marks", "waves: no training record has annotations for this head")],
)  # fmt: skip
def test_a_folder_without_one_kind_is_refused(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture, removed: str, message: str
) -> None:
    folder = tmp_path / "data"
    write_records(folder, 12, seed=3, duration_s=4.0, fs=100.0, annotations=removed == "Dx")
    if removed == "Dx":
        for header in folder.glob("*.hea"):
            without_diagnosis(header)
    _, recipe, path, *_ = words
    assert train_model.main([str(folder), str(tmp_path / "model"), recipe, path]) == 1
    assert message in capsys.readouterr().err
