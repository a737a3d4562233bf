"""Files are there whole, or as they were."""

from pathlib import Path

import pytest

from ecg import LeadwiseError
from ecg.files import aside, make_folder


def write_half(path: Path, error: Exception) -> None:
    with aside(path) as draft:
        draft.write_text("half")
        raise error


def test_a_failed_write_leaves_the_old_file_and_no_draft(tmp_path) -> None:
    path = tmp_path / "model.json"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError):
        write_half(path, ZeroDivisionError())
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["model.json"]


def test_a_good_write_takes_the_name(tmp_path) -> None:
    path = tmp_path / "scores.csv"
    with aside(path) as draft:
        draft.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"


def test_a_full_disk_is_a_sentence(tmp_path) -> None:
    path = tmp_path / "weights"
    with pytest.raises(LeadwiseError, match=r"weights: cannot be written: No space left"):
        write_half(path, OSError(28, "No space left on device"))
    assert not list(tmp_path.iterdir())


def test_a_folder_where_a_file_stands_is_a_sentence(tmp_path) -> None:
    (tmp_path / "model").write_text("")
    with pytest.raises(LeadwiseError, match="model: cannot be made"):
        make_folder(tmp_path / "model")
