"""Numbers per minute beside ECGs are refused before a signal is read."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import train_model
from ecg.records import Reading, Record
from models import find
from tests.cases.conftest import FAILED
from tests.conftest import small

RATE = "0.0166667 Hz is not the sampling frequency of an ECG (50 to 10000 Hz)"


def neighbours(data: Path) -> dict[str, str]:
    """Write three more such records, and return the reason for each to be refused."""
    text = (data / "num.hea").read_text()
    for name, line in {"vitals": "4 1 1936", "waves": "4 125 1936", "one": "1 0.5 1936"}.items():
        (data / f"{name}.hea").write_text(text.replace("num 4 0.0166666667 1936", f"{name} {line}"))
        shutil.copy(data / "num.mat", data / f"{name}.mat")
    return {
        "num": RATE,
        "one": "0.5 Hz is not the sampling",
        "vitals": "1 Hz is not the sampling",
        "waves": "its leads are HR, ABPSys, ABPDias, SpO2; the network reads",
    }


def test_they_fail_and_the_ecg_is_answered(
    case: Callable[[str], Path], answer: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = case("numerics") / "data"
    reasons = neighbours(data)
    read, whole = [], Record.read

    def noted(record: Record) -> Reading:
        read.append(record.name)
        return whole(record)

    monkeypatch.setattr(Record, "read", noted)
    status, rows, err = answer(data)
    assert status == 1
    for name, reason in reasons.items():
        assert rows[name] == FAILED
        assert f"{name}{' failed' if 'Hz' in reason else ''}: {reason}" in err
    assert rows["ok"] != FAILED
    assert len(read) == 1


def test_training_leaves_them_out(
    case: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    simulated_folder: Path, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    data = case("numerics") / "data"
    with open(data / "num.hea", "a") as header:
        header.write("# Dx: 426783006\n")
    reasons = neighbours(data)
    for number in range(1, 5):
        for ending in (".hea", ".mat"):
            shutil.copy(simulated_folder / f"SIM{number:05d}{ending}", data)
    monkeypatch.setattr("training.data.find", lambda _: small(find("isibrno-basic")))
    monkeypatch.setenv("LEADWISE_LEADS", "2")
    monkeypatch.setenv("LEADWISE_EPOCHS", "1")
    assert train_model.main([str(data), str(tmp_path / "model")]) == 0
    err = capsys.readouterr().err
    for name, reason in reasons.items():
        assert f"Left out: {name}: {reason}" in err
