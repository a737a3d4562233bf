"""The 2020 contract: training, driver and scorer; results equal those of the 2021 contract."""

import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import evaluate_model
import run_model
import team_code
from ecg.labels import CODES_2020
from ecg.leads import STANDARD
from ecg.records import read_record, write_record
from helper_code import load_header, load_recording
from models import find
from models.folder import read_model
from models.model import Model
from tests.conftest import small

ROOT = Path(__file__).resolve().parents[2]
ENTRY = ROOT / "entries" / "2020"


@pytest.fixture
def contract(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of the two running functions, imported as the organisers' driver does."""
    monkeypatch.syspath_prepend(str(ENTRY))
    import run_12ECG_classifier

    return run_12ECG_classifier


def leads_of_prediction(model: Model, data: Path, folder: Path) -> tuple[str, ...]:
    """Return the leads that the model reads of a record of two leads."""
    record = read_record(data / "SIM00002.hea")
    write_record(folder, "two", record.read().signal[:2], ("I", "II"), record.fs)
    return model.predict(read_record(folder / "two.hea")).leads


def test_the_function_answers_in_2020s_order(
    contract: ModuleType, model_folder: Path, simulated_folder: Path, tmp_path: Path
) -> None:
    header = load_header(str(simulated_folder / "SIM00002.hea"))
    recording = load_recording(str(simulated_folder / "SIM00002.mat"))
    model = contract.load_12ECG_model(str(model_folder))
    assert model.predict(read_record(simulated_folder / "SIM00002.hea")).leads == STANDARD
    # The header chooses the network, whatever leads the driver names.
    assert leads_of_prediction(model, simulated_folder, tmp_path) == ("I", "II")
    as_2021 = team_code.run_model(model, header, recording)
    for lines in (header.splitlines(keepends=True), header.splitlines()):
        result = contract.run_12ECG_classifier(recording.astype(np.float64), lines, model)
        assert (result[2], result[0], result[1]) == as_2021
    assert contract.run_12ECG_classifier(recording.astype(float), ["nothing"], model) == (
        (),
        (),
        (),
    )


def test_corrupt_and_missing_samples_are_detected_in_float_recordings(
    contract: ModuleType, model_folder: Path, simulated_folder: Path, capsys: pytest.CaptureFixture
) -> None:
    lines = load_header(str(simulated_folder / "SIM00003.hea")).splitlines(keepends=True)
    data = load_recording(str(simulated_folder / "SIM00003.mat")).astype(np.float64)
    model = contract.load_12ECG_model(str(model_folder))
    data[0, 5] = -32768
    contract.run_12ECG_classifier(data, lines, model)
    stderr = capsys.readouterr().err
    assert "signal and header disagree in first value or checksum of I;" in stderr
    assert "1 samples without a value" in stderr


def test_the_2020_scorer_reads_the_drivers_outputs(
    model_folder: Path, simulated_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    words = [str(model_folder), str(simulated_folder)]
    outputs = tmp_path / "outputs"
    ended = subprocess.run(
        [sys.executable, str(ENTRY / "driver.py"), *words, str(outputs)],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (0, "Done.\n"), ended.stderr
    assert run_model.main([*words, str(tmp_path / "2021")]) == 0
    assert len(list(outputs.iterdir())) == 48
    for path in outputs.iterdir():
        assert path.read_text() == (tmp_path / "2021" / path.name).read_text()
    capsys.readouterr()
    assert evaluate_model.main([str(simulated_folder), str(outputs), "--year", "2020"]) == 0
    scores = capsys.readouterr().out.splitlines()
    assert "formatting errors" not in "".join(scores)
    assert scores[-2].startswith("AUROC,AUPRC,Accuracy,F-measure,Fbeta-measure,Gbeta-measure,")


def test_the_driver_loads_a_trained_model(
    contract: ModuleType, simulated_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr("training.data.find", lambda name: small(find(name)))
    monkeypatch.setenv("LEADWISE_EPOCHS", "1")
    main = runpy.run_path(str(ENTRY / "train_model.py"))["main"]
    assert main([str(simulated_folder), str(tmp_path / "new" / "model")]) == 0
    assert capsys.readouterr().out == "Done.\n"
    trained = read_model(tmp_path / "new" / "model")
    assert (trained.recipe.name, len(trained.lead_sets)) == ("isibrno-2020", 1)
    assert trained.classes == {"diagnosis": CODES_2020}
    model = contract.load_12ECG_model(str(tmp_path / "new" / "model"))
    assert leads_of_prediction(model, simulated_folder, tmp_path) == STANDARD
    assert main([str(tmp_path / "none"), str(tmp_path / "model")]) == 1
    assert "none: no such folder" in capsys.readouterr().err


def test_at_the_root_of_an_image_the_files_work_too(tmp_path: Path) -> None:
    """The files copied over the root, as in an entry of 2020; --help runs their imports."""
    for name in ("ecg", "scoring", "models", "helper_code.py"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "team_code.py").write_text("")
    for path in ENTRY.glob("*.py"):
        shutil.copy(path, tmp_path)
    for name, usage in (("train_model.py", "IN OUT"), ("driver.py", "MODEL IN OUT")):
        ended = subprocess.run(
            [sys.executable, name, "--help"], cwd=tmp_path, capture_output=True, text=True
        )
        assert ended.returncode == 0, ended.stderr
        assert usage in ended.stdout


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("none", "none: no such folder; give the folder of records"),
        ("file", "file: no such folder; give the folder of records"),
        ("empty", "empty: has no records (.hea and .mat) directly in it"),
        ("nested", "nested: has no records (.hea and .mat) directly in it"),
    ],
)
def test_the_driver_without_records_is_an_error_and_makes_no_folder(
    contract: ModuleType, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture,
    data: str, message: str,
) -> None:  # fmt: skip
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    write_record(tmp_path, "A1", np.zeros((2, 9)), ("I", "II"), 500)
    (tmp_path / "nested" / "g1").mkdir(parents=True)
    for path in tmp_path.glob("A1.*"):
        path.rename(tmp_path / "nested" / "g1" / path.name)
    main = runpy.run_path(str(ENTRY / "driver.py"))["main"]
    assert main([str(model_folder), str(tmp_path / data), str(tmp_path / "outputs")]) == 1
    assert capsys.readouterr() == ("", f"Error: {tmp_path}/{message}\n")
    assert not (tmp_path / "outputs").exists()
