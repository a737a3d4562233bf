"""Marks in drawings: of other people, of leads, and files that cannot be drawn."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import wfdb
from matplotlib.image import imread

from ecg import LeadwiseError
from ecg.annotations import Annotations, Waves
from ecg.plot_marks import read_marks, waves_of_lead
from ecg.plots import main
from ecg.records import read_record
from simulate import write_records


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_records(tmp_path / "data", 1, seed=1, leads=["I", "II"], annotations=True)
    return tmp_path / "data"


def drawn(folder: Path, out: Path, *words: str) -> np.ndarray:
    assert main([str(folder / "SIM00001"), "--out", str(out), *words]) == 0
    return imread(out / "SIM00001.png")[..., :3]


def test_marks_next_to_the_record_or_in_another_folder_are_drawn(
    folder: Path, tmp_path: Path
) -> None:
    marked = drawn(folder, tmp_path / "own")
    (tmp_path / "marks").mkdir()
    for ending in ("atr", "all"):
        shutil.move(folder / f"SIM00001.{ending}", tmp_path / "marks")
    plain = drawn(folder, tmp_path / "none")
    assert (np.abs(marked - plain).max(2) > 0.05).mean() > 0.03
    other = drawn(folder, tmp_path / "other", "--marks", str(tmp_path / "marks"))
    np.testing.assert_array_equal(marked, other)


def test_a_lead_has_its_own_waves_or_those_of_all_leads() -> None:
    waves = Waves([1, 2], [-1, -1], [3, 4], ["p", "N"], ["I", ""])
    marks = Annotations(500.0, waves=waves)
    assert waves_of_lead(marks, "I").onsets.tolist() == [1]
    assert waves_of_lead(marks, "II").onsets.tolist() == [2]


def test_marks_beyond_the_end_are_of_another_record(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wfdb.wrann("SIM00001", "atr", np.array([500, 9000]), symbol=["N", "V"], write_dir=str(folder))
    text = "SIM00001: has 5000 samples, but a mark at sample 9000; are the annotation files of"
    with pytest.raises(LeadwiseError, match=text):
        read_marks(read_record(folder / "SIM00001.hea"))
    drawn(folder, tmp_path / "out")
    assert "SIM00001: drawn without marks: has 5000 samples" in capsys.readouterr().err


def test_a_file_that_wfdb_cannot_read_is_named(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "SIM00001.all").write_bytes(b"\x01")
    drawn(folder, tmp_path / "out")
    printed = capsys.readouterr().err
    assert "SIM00001: drawn without marks: " in printed
    assert "wfdb cannot read the annotations" in printed
