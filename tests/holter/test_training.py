"""Training the classifier of beats, on stretches of MIT-BIH: the folder that it writes."""

import json
from pathlib import Path

import pytest

import holter.growing
from holter import training
from holter.classifier import load

GENUINE = Path(__file__).parents[1] / "data" / "genuine"
STRETCHES = ("106s0900", "203s0750", "207s0600", "208s0360", "223s0420")


def test_training_writes_a_model_and_its_validation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holter.growing, "ROUNDS", 3)
    monkeypatch.setattr(holter.growing, "LEAST_BEATS", 5)
    training._run(GENUINE, tmp_path / "model", 1, STRETCHES)
    origin = load(tmp_path / "model").origin
    assert origin["records"] == list(STRETCHES)
    assert set(origin["versions"]) == {"leadwise", "scikit-learn", "numpy"}
    lines = (tmp_path / "model" / "validation.tsv").read_text().splitlines()
    rows = [dict(zip(lines[0].split("\t"), line.split("\t"), strict=True)) for line in lines[1:]]
    assert [(row["seed"], row["class"]) for row in rows] == [("0", "S"), ("0", "V")]
    for row in rows:
        tp, fp, fn = (int(row[name]) for name in ("tp", "fp", "fn"))
        assert float(row["f1"]) == pytest.approx(2 * tp / max(1, 2 * tp + fp + fn), abs=1e-4)
    assert origin["validation_f1"]["V"] == pytest.approx(float(rows[1]["f1"]))
    assert json.loads((tmp_path / "model" / "classifier.json").read_text())["classes"] == [
        "N",
        "S",
        "V",
    ]


def test_a_folder_without_the_records_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"22 of 22 records have no \.atr there: 101, 106, 108"):
        training.main([str(tmp_path), str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_no_seeds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        training.main([str(tmp_path), str(tmp_path / "out"), "--seeds", "0"])
