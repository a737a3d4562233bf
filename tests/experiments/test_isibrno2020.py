"""The experiment from records to tables and a shipped folder, on simulated records."""

import json
from pathlib import Path

import numpy as np
import pytest

from ecg.labels import CODES
from experiments import isibrno2020
from experiments import runs as runs_module
from experiments.isibrno2020 import Run, ablation_rows, calibration_rows, final_rows, ship, train
from experiments.outputs import Scored, read_scored, scores_of, with_interval
from models.classifier import Classifier
from models.expected import differences
from models.folder import read_model
from models.recipe import part
from scoring.challenge import challenge_metric

FINAL = (Run("final-12", "isibrno-basic", 12, 1), Run("final-2", "isibrno-basic", 2, 1))
ABLATION = (Run("few", "isibrno-basic", 12, 1, seed=3, records=20),)


@pytest.fixture(scope="module")
def folders(simulated_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Simulated records in folds 1, 8 and 9, and the runs trained on them by `train`."""
    data, runs = tmp_path_factory.mktemp("ptbxl"), tmp_path_factory.mktemp("runs")
    names = sorted(path.stem for path in simulated_folder.glob("*.hea"))
    for path in simulated_folder.iterdir():
        (data / path.name).symlink_to(path)
    rows = [f"{name}\t{(1, 1, 8, 9)[number % 4]}\tp" for number, name in enumerate(names)]
    (data / "folds.tsv").write_text("\n".join(["record\tfold\tpatient", *rows]) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(isibrno2020, "RUNS", {run.name: run for run in (*FINAL, *ABLATION)})
        train(data, runs, [])
    return data, runs


@pytest.fixture(autouse=True)
def _small_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(isibrno2020, "FINAL", FINAL)
    monkeypatch.setattr(isibrno2020, "ABLATION", ABLATION)
    monkeypatch.setattr(isibrno2020, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()


def test_folds_do_not_mix(folders: tuple[Path, Path]) -> None:
    _, runs = folders
    model = read_model(runs / "few" / "model")
    assert (model.training["learned"], model.training["chosen"]) == (20, 12)
    reported = {path.stem for path in (runs / "few" / "fold-9").iterdir()}
    chosen = {path.stem for path in (runs / "few" / "fold-8").iterdir()}
    assert len(reported) == len(chosen) == 12
    assert not reported & chosen


def test_tables_hold_what_the_scorer_says(folders: tuple[Path, Path], tmp_path: Path) -> None:
    data, runs = folders
    rows = list(final_rows(data, runs))
    assert len(rows) == 2 + 2 * 3
    scored = read_scored(runs / "data" / "folds-9", runs / "final-12" / "fold-9")
    threshold = float(rows[2].split("global (")[1].split(")")[0])
    metric = challenge_metric(scored.labels, scored.probabilities >= threshold)
    assert f"| {metric:.3f} (" in rows[2]
    assert len(list(ablation_rows(data, runs))) == 3
    assert len(list(calibration_rows(data, runs))) == 2 + 2 * 2
    assert (tmp_path / "docs" / "isibrno2020-reliability.png").stat().st_size > 10_000


def test_the_page_keeps_its_own_words(folders: tuple[Path, Path], tmp_path: Path) -> None:
    page = tmp_path / "docs" / "results.md"
    marks = [f"isibrno2020-{name}" for name in ("final", "calibration", "ablation")]
    page.write_text("# Ours\n" + "".join(f"<!-- {m} -->\n<!-- /{m} -->\nwords\n" for m in marks))
    isibrno2020.report(*folders)
    once = page.read_text()
    isibrno2020.report(*folders)
    assert page.read_text() == once
    assert once.startswith("# Ours\n")
    assert once.count("words") == 3
    assert once.count("| 12 |") == 3 + 2


def test_shipped_models_answer_as_the_trained_ones(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    data, runs = folders
    weights = tmp_path / "weights"
    ship(data, runs, weights)
    assert max(differences(weights)) < 1e-4
    assert str(runs) not in (weights / "model.json").read_text()
    assert all(entry.rules for entry in read_model(weights).lead_sets)
    for run in FINAL:
        leads = read_model(runs / run.name / "model").lead_sets[0].leads
        whole = Classifier.load(runs / run.name / "model", leads).network.state_dict()
        halves = Classifier.load(weights, leads).network.state_dict()
        for name, weight in whole.items():
            np.testing.assert_allclose(halves[name], weight, rtol=1e-3, atol=1e-6)
    expected = json.loads((weights / "expected.json").read_text())
    expected["answers"][0]["probabilities"][0] += 0.01
    (weights / "expected.json").write_text(json.dumps(expected))
    assert max(differences(weights)) > 0.005


def test_a_finished_run_is_left_alone(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, runs = folders
    monkeypatch.setattr(isibrno2020, "RUNS", {run.name: run for run in FINAL})
    monkeypatch.setattr(runs_module, "command", lambda *_, **__: pytest.fail("ran again"))
    train(data, runs, ["final-2"])


def test_intervals_hold_the_metric() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.random((200, 26)) ** 4
    labels = rng.random(probabilities.shape) < probabilities
    scored = Scored(labels, probabilities, probabilities >= 0.3)
    decided = scored.decided(part("thresholds", values=(0.3,) * len(CODES)))
    low, high = decided.interval
    assert low < decided.metric < high
    assert vars(scores_of(labels, scored.outputs, probabilities)) == vars(decided)
    assert with_interval(decided).startswith(f"{decided.metric:.3f} (")
