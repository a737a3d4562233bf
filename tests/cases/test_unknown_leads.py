"""Records whose leads have no known names are refused, until the user names them."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import run_model
import train_model
from ecg.leads import LIMB, STANDARD
from ecg.records import find_records, write_record
from models import find
from models.folder import read_model
from tests.cases.conftest import FAILED
from tests.conftest import small


def write(folder: Path, name: str, leads: tuple[str, ...], codes: tuple[str, ...] = ()) -> None:
    signal = np.random.default_rng(len(leads)).normal(scale=0.3, size=(len(leads), 1500))
    if {"I", "II"} <= set(leads):  # the other limb leads follow from them
        first, second = signal[leads.index("I")], signal[leads.index("II")]
        for lead in LIMB.keys() & set(leads):
            signal[leads.index(lead)] = LIMB[lead] @ np.stack([first, second])
    write_record(folder, name, signal, leads, 250.0, codes=codes)


def test_none_of_them_is_answered(case: Callable[[str], Path], answer: Callable) -> None:
    data = case("unknown-leads")
    status, rows, err = answer(data)
    assert (status, rows) == (1, dict.fromkeys(("holter1", "r0", "r1", "r2", "r3"), FAILED))
    assert "holter1: its leads are ECG1, ECG2; the network reads I, II. If you know" in err
    assert "r3: its leads are ECG_I, ECG_II, ECG_III, ECG_aVR" in err


def test_named_by_the_user_they_are_answered(case: Callable[[str], Path], answer: Callable) -> None:
    data = case("unknown-leads")
    for path in data.glob("r*"):
        path.unlink()
    renamed = answer(data, "--rename", "ECG1=II,ECG2=V1")
    text = (data / "holter1.hea").read_text()
    (data / "holter1.hea").write_text(text.replace("ECG1", "II").replace("ECG2", "V1"))
    assert answer(data) == renamed
    assert renamed.status == 0


@pytest.mark.parametrize(
    ("leads", "problem"),
    [
        (("0", "1"), "its leads are 0, 1; the network reads I, II"),
        (("ECG",), "its leads are ECG; the network reads I, II. If .* --rename ECG=I"),
        (("", ""), r"its leads are \(no name\), \(no name\); the network reads I, II"),
        (("V1", "ECG2"), "its leads are V1, ECG2; the network reads .* --rename ECG2="),
        (("I", "ECG2"), "its leads are I, ECG2; the network reads I, II. .* --rename ECG2=II"),
        (("HR", "SpO2", "ABP"), "its leads are HR, SpO2, ABP; the network reads I, II"),
        (tuple(f"E{number}" for number in range(400)), "E11 and 388 more; the network reads"),
    ],
)
def test_neighbours_are_refused(
    answer: Callable, tmp_path: Path, leads: tuple[str, ...], problem: str
) -> None:
    (tmp_path / "data").mkdir()
    write(tmp_path / "data", "R", leads)
    status, rows, err = answer(tmp_path / "data")
    assert (status, rows) == (1, {"R": FAILED})
    (line,) = [line for line in err.splitlines() if line.startswith("No answer: R: ")]
    assert re.search(problem, line)


def test_ignored_leads_are_named_per_record(answer: Callable, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("A", "B"):
        write(tmp_path / "data", name, (*STANDARD, "X"))
    write(tmp_path / "data", "C", ("I", "II", "Y"))
    status, _, err = answer(tmp_path / "data")
    assert status == 0
    text = "not read: no known name; --rename OLD=NEW gives a lead another"
    assert err.splitlines() == [f"Note: {name}: {lead} {text}" for name, lead in ("AX", "BX", "CY")]


def test_standard_leads_that_are_too_few_are_answered_with_a_warning(
    answer: Callable, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    write(tmp_path / "data", "R", ("V1", "V3"))
    status, rows, err = answer(tmp_path / "data")
    assert status == 0
    assert rows["R"] != FAILED
    assert "missing and not derivable; read as 0" in err


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.data.find", lambda _: small(find("isibrno-basic")))
    monkeypatch.setenv("LEADWISE_LEADS", "2")
    monkeypatch.setenv("LEADWISE_EPOCHS", "1")
    monkeypatch.setenv("LEADWISE_RENAME", "")


@pytest.mark.usefixtures("_small")
def test_training_leaves_them_out(
    case: Callable[[str], Path], simulated_folder: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    data, model = case("unknown-leads"), tmp_path / "model"
    assert train_model.main([str(data), str(model)]) == 1
    err = capsys.readouterr().err
    assert (
        "no record can be used for training; 5 records (holter1, …): unknown leads; the fi" in err
    )
    assert "its leads are ECG1, ECG2; the network reads I, II" in err
    for number in range(1, 9):
        for ending in (".hea", ".mat"):
            shutil.copy(simulated_folder / f"SIM{number:05d}{ending}", data)
    assert train_model.main([str(data), str(model)]) == 0
    training = read_model(model).training
    assert training["train_records"] + training["validation_records"] == 8
    assert (model / "problems.tsv").read_text().count("\tno\tunknown leads\tits leads are ECG") == 5
    rename = ",".join(f"ECG_{lead}={lead}" for lead in STANDARD)
    assert train_model.main([str(data), str(model), "--rename", rename]) == 0
    training = read_model(model).training
    assert training["train_records"] + training["validation_records"] == 12


@pytest.mark.parametrize(
    "rename", ["ECG1", "ECG1=", "ECG1=X", "ECG1=II,ECG2=ii", "ECG1=I,ecg1=II", "=I", "A=I;B=II"]
)
def test_a_wrong_new_name_is_wrong_usage(
    case: Callable[[str], Path], tmp_path: Path, rename: str, model_folder: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("LEADWISE_RENAME", "")
    words = [str(case("unknown-leads")), str(tmp_path / "out"), "--rename", rename]
    for command in (lambda: run_model.main([str(model_folder), *words]),
                    lambda: train_model.main(words)):  # fmt: skip
        with pytest.raises(SystemExit) as stop:
            command()
        assert stop.value.code == 2
        assert f"LEADWISE_RENAME={rename}: new names of leads" in capsys.readouterr().err


def test_a_new_name_that_another_lead_has_is_refused(answer: Callable, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    write(tmp_path / "data", "R", ("MLII", "II"))
    write(tmp_path / "data", "S", ("I", "II"))
    status, rows, err = answer(tmp_path / "data", "--rename", "MLII=II")
    assert (status, rows["R"]) == (1, FAILED)
    assert rows["S"] != FAILED
    assert "R failed: MLII cannot be renamed to II: another of its leads has this name" in err


def test_names_can_be_exchanged(tmp_path: Path) -> None:
    write(tmp_path, "R", ("I", "II", "V1"))
    (record,), _ = find_records(tmp_path, (("I", "II"), ("II", "I")))
    assert record.leads == ("II", "I", "V1")
