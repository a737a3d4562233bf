"""With the organisers' drivers and helper in place of ours, results are the same.

`benchmarks.peers.official_drivers` holds their re-typed text.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers.official_drivers import HELPER, TEST, TRAIN
from ecg.leads import LEAD_SETS
from ecg.records import find_records
from simulate import write_records

ROOT = Path(__file__).resolve().parent.parent

SETTINGS = {"LEADWISE_RECIPE": "isibrno-basic", "LEADWISE_EPOCHS": "1", "LEADWISE_LEADS": "12,2"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated records: 12 leads, others reduced to 2, one whose signal has too few rows."""
    folder = tmp_path_factory.mktemp("data")
    write_records(folder, 24, seed=5, duration_s=2.0, fs=200.0)
    return folder


@pytest.fixture(scope="module")
def test_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("test_data")
    write_records(folder, 3, seed=6, duration_s=2.0, fs=200.0)
    reduced = folder / "reduced"
    reduced.mkdir()
    write_records(reduced, 5, seed=6, duration_s=2.0, fs=200.0, leads=LEAD_SETS[2])
    for name in ("SIM00004", "SIM00005"):
        for ending in (".hea", ".mat"):
            shutil.move(reduced / (name + ending), folder / (name + ending))
    shutil.rmtree(reduced)
    # The rows of two leads under a header of twelve: the lead of each row is unknown.
    shutil.copy(folder / "SIM00004.mat", folder / "SIM00003.mat")
    return folder


def entry(folder: Path, official: bool) -> Path:
    """A copy of the project as in the image, with our drivers or the organisers'."""
    for name in ("datasets", "ecg", "models", "scoring", "simulate", "training"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    ours = ("team_code.py", "helper_code.py", "train_model.py", "test_model.py", "run_model.py")
    for name in ours:
        shutil.copy(ROOT / name, folder / name)
    if official:
        (folder / "run_model.py").unlink()
        for name, text in (("helper_code", HELPER), ("train_model", TRAIN), ("test_model", TEST)):
            (folder / f"{name}.py").write_text(text)
    return folder


def run(folder: Path, *words: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, **SETTINGS, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True
    )


def test_results_are_the_same(data: Path, test_data: Path, tmp_path: Path) -> None:
    answers = {}
    for official in (True, False):
        folder = tmp_path / ("official" if official else "ours")
        folder.mkdir()
        entry(folder, official)
        trained = run(folder, "train_model.py", str(data), "model")
        assert trained.returncode == 0, trained.stderr
        assert trained.stdout.splitlines()[-1] == "Done."
        tested = run(folder, "test_model.py", "model", str(test_data), "outputs")
        assert tested.returncode == (0 if official else 1), tested.stderr
        reason = "the header names 12 leads, the signal has the shape"
        name = "No answer: SIM00003" if official else "SIM00003 failed"
        assert f"{name}: {reason}" in tested.stderr
        assert (
            "failed" not in tested.stdout
        )  # `run_model` prints the reason and raises no exception
        answers[official] = {path.name: path.read_text() for path in (folder / "outputs").iterdir()}
    assert answers[True] == answers[False]
    assert len(answers[True]) == 5
    assert answers[True]["SIM00003.csv"] == "#SIM00003\n\n\n\n"
    rows = answers[True]["SIM00004.csv"].splitlines()
    assert rows[0] == "#SIM00004"
    assert all(len(row.split(",")) == 26 for row in rows[1:])


def test_load_model_answers_any_leads_and_the_raw_integers_are_used(
    model_folder: Path, simulated_folder: Path
) -> None:
    """The official driver passes int16 rows, and gains are applied to them."""
    import team_code

    record = find_records(simulated_folder)[0][0]
    header, raw = Path(record.stem + ".hea").read_text(), record.digital()
    model = team_code.load_model(str(model_folder), ("I", "II", "V2"))
    plain = team_code.run_model(model, header, raw)
    doubled = team_code.run_model(model, header.replace("1000.0(0)/mV", "500/mV"), raw)
    assert plain == team_code.run_model(model, header.replace("1000.0(0)/mV", "1000/mV"), raw)
    assert doubled[2] != plain[2]
    as_floats = team_code.run_model(model, header, raw.astype(np.float64))
    np.testing.assert_allclose(as_floats[2], plain[2], atol=1e-12)
