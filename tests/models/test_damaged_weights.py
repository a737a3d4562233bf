"""Damaged weights end the command with the file's name; no other network answers in their place."""

import shutil
from pathlib import Path

import pytest

import run_model
from ecg.records import read_record, write_record

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "tests" / "data" / "challenge-samples"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "weights" / "isibrno2020", tmp_path / "model"))


def one_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def of_two_leads(file: Path) -> None:
    file.write_bytes(next(file.parent.glob("2-leads-*")).read_bytes())


def empty(file: Path) -> None:
    file.write_bytes(b"")


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [(one_bit, "sha256 differs"), (truncated, "sha256 differs"), (of_two_leads, "sha256 differs"),
     (empty, "sha256 differs"), (Path.unlink, "cannot be read: No such file or directory"),
     (a_folder, "cannot be read: Is a directory")],
)  # fmt: skip
def test_a_record_of_twelve_leads_is_not_answered_by_the_network_of_two(
    damage, reason: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (file,) = model.glob("12-leads-*")
    damage(file)
    assert run_model.main([str(model), str(SAMPLES), str(tmp_path / "outputs")]) == 1
    error = capsys.readouterr().err
    assert f"Error: {file}: " in error
    assert reason in error
    assert "Traceback" not in error
    assert not [*(tmp_path / "outputs").glob("*.csv")]


def test_records_of_two_leads_are_still_answered(model: Path, tmp_path: Path) -> None:
    one_bit(next(model.glob("12-leads-*")))
    record = read_record(SAMPLES / "E05526.hea")
    (tmp_path / "data").mkdir()
    write_record(tmp_path / "data", "A", record.read().signal[:2], record.leads[:2], record.fs)
    assert run_model.main([str(model), str(tmp_path / "data"), str(tmp_path / "outputs")]) == 0
