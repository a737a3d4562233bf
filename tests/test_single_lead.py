"""One lead, exclusive classes: from a folder of 2017 to the Challenge's files, by the drivers."""

from pathlib import Path

import numpy as np
import pytest
import torch

import run_model
import team_code
from ecg import LeadwiseError
from ecg.labels import AF_LETTERS
from ecg.records import read_record, write_record
from models import find
from models.folder import read_model
from models.model import Model
from models.network import from_logits
from models.recipe import Head, vary
from scoring.af.__main__ import main as score_af
from simulate import simulate
from tests.conftest import single_lead, small


def test_probabilities_of_exclusive_classes_are_a_softmax() -> None:
    logits = torch.tensor([[2.0, 0.0, -1.0], [30.0, 31.0, 0.0]])
    independent = from_logits(Head(), logits)
    exclusive = from_logits(Head(exclusive=True), logits)
    exact = np.exp(logits.double().numpy())
    np.testing.assert_allclose(exclusive, exact / exact.sum(1, keepdims=True), rtol=1e-12)
    np.testing.assert_allclose(independent, exact / (1 + exact), rtol=1e-12)
    assert exclusive.dtype == np.float64


def test_a_model_of_2017_is_trained_and_answers_in_its_classes(
    folder_2017: Path, model_2017: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    model = read_model(model_2017)
    assert model.classes == {"diagnosis": AF_LETTERS}
    (trained,) = model.lead_sets
    fitted = trained.heads["diagnosis"]
    assert (trained.leads, fitted.decision.name) == (("ECG",), "highest")
    assert 0 <= fitted.scores["af_accuracy"] <= 1
    assert model.training["train_records"] + model.training["validation_records"] == 24
    history = (model_2017 / "history.tsv").read_text().splitlines()
    assert [row.split("\t")[4] for row in history] == ["threshold", "nan", "nan"]
    outputs = tmp_path / "outputs"
    assert run_model.main([str(model_2017), str(folder_2017), str(outputs)]) == 0
    assert len(list(outputs.iterdir())) == 24
    for path in outputs.iterdir():
        _, classes, labels, probabilities = path.read_text().splitlines()
        values = [float(cell) for cell in probabilities.split(",")]
        assert classes == "N,A,O,~"
        assert sum(values) == pytest.approx(1)
        assert labels.split(",") == [str(int(index == np.argmax(values))) for index in range(4)]
    capsys.readouterr()
    assert score_af([str(folder_2017 / "REFERENCE.csv"), str(outputs)]) == 0
    assert capsys.readouterr().out.startswith("24 records\naccuracy")


def test_an_epoch_is_scored_by_the_highest_class(
    folder_2017: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    """The score of the best epoch equals that of its weights on the same records."""
    (tmp_path / "data").mkdir()
    for path in folder_2017.iterdir():
        (tmp_path / "data" / path.name).symlink_to(path)
    rows = [f"A{number:05d}\t{number % 3}\n" for number in range(1, 25)]
    (tmp_path / "data" / "folds.tsv").write_text("record\tfold\n" + "".join(rows))
    recipe = vary(single_lead(small(find("house-resnet"))), ema=0.0, epochs=1)
    monkeypatch.setattr("training.data.find", lambda name: recipe)
    monkeypatch.setenv("LEADWISE_VALIDATION", "0")
    team_code.training_code(str(tmp_path / "data"), str(tmp_path / "model"))
    assert "threshold" not in capsys.readouterr().err
    (trained,) = read_model(tmp_path / "model").lead_sets
    model = Model.load(tmp_path / "model", ("ECG",))
    letters = dict(
        line.split(",") for line in (folder_2017 / "REFERENCE.csv").read_text().splitlines()
    )
    right = 0
    for number in range(3, 25, 3):
        record = read_record(folder_2017 / f"A{number:05d}.hea")
        prediction = model.predict(record)
        right += AF_LETTERS[int(prediction.labels.argmax())] == letters[record.name]
    assert trained.heads["diagnosis"].scores["af_accuracy"] == pytest.approx(right / 8)


def test_records_of_other_leads_are_answered_from_lead_i(model_2017: Path, tmp_path: Path) -> None:
    simulated = simulate(("AF",), seed=5, duration_s=9.0, fs=300.0)
    records = {}
    for name, leads in (
        ("ALL", simulated.leads), ("ONE", ("MLII",)), ("TWO", ("mlii", "V1")),
        ("NONE", ("V1", "V2")), ("ECG1", ("ECG1",)),
    ):  # fmt: skip
        write_record(tmp_path, name, simulated.signal[: len(leads)], leads, 300.0)
        records[name] = read_record(tmp_path / f"{name}.hea")
    model = Model.load(model_2017)
    every, one, two = (model.predict(records[name]) for name in ("ALL", "ONE", "TWO"))
    np.testing.assert_array_equal(every.probabilities, one.probabilities)
    np.testing.assert_array_equal(every.probabilities, two.probabilities)
    assert [warning.text for warning in every.warnings] == [
        "II, III, aVR, aVL, aVF, V1, V2, V3, V4, V5, V6 not read; the network reads ECG"
    ]
    assert [warning.text for warning in two.warnings] == [
        "MLII is read in place of lead I", "V1 not read; the network reads ECG"
    ]  # fmt: skip
    with pytest.raises(LeadwiseError, match=r"^NONE: its leads are V1, V2; the network reads ECG$"):
        model.predict(records["NONE"])
    with pytest.raises(LeadwiseError, match=r"name them: --rename ECG1=ECG$"):
        model.predict(records["ECG1"])


def test_a_model_of_twelve_leads_reads_a_record_of_2017_once_its_lead_is_named(
    folder_2017: Path, model_folder: Path
) -> None:
    model = Model.load(model_folder)
    with pytest.raises(LeadwiseError, match=r"A00001: its leads are ECG; .* --rename ECG=I$"):
        model.predict(read_record(folder_2017 / "A00001.hea"))
    (warning,) = model.predict(read_record(folder_2017 / "A00001.hea", (("ECG", "I"),))).warnings
    assert str(warning) == "A00001: II missing and not derivable; read as 0"
