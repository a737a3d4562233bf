"""Reading and writing records while disk or memory fail."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from ecg import LeadwiseError
from ecg.records import Record, read_record, write_record


def written(folder: Path) -> Record:
    write_record(folder, "R1", np.sin(np.arange(500) / 7)[None], ["I"], 500)
    return read_record(folder / "R1.hea")


def test_a_read_error_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = written(tmp_path)

    def fail(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.read", fail)
    with pytest.raises(LeadwiseError, match="^R1: the signal cannot be read: Input/output error"):
        record.read()
    with pytest.raises(LeadwiseError, match="^R1: the header cannot be read: Input/output error"):
        read_record(tmp_path / "R1.hea")


@pytest.mark.parametrize(("fails", "left"), [(1, []), (2, ["R2.mat"])])
def test_a_record_that_is_not_written_whole_has_no_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: int, left: list[str]
) -> None:
    """The signal is written first; both are renamed when they are complete."""
    replace, calls = os.replace, []

    def fail(*paths: str) -> None:
        calls.append(paths)
        if len(calls) == fails:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(*paths)

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(LeadwiseError, match=r"R2\.(mat|hea): cannot be written: No space left"):
        write_record(tmp_path, "R2", np.zeros((1, 100)), ["I"], 500)
    assert sorted(path.name for path in tmp_path.iterdir()) == left


def test_too_little_memory_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = written(tmp_path)

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("ecg.records.header_errors", fail)
    with pytest.raises(LeadwiseError, match="^R1: too long to be read as a whole .500 samples of"):
        record.read()
