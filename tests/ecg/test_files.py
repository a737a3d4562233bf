"""Files are written completely or not at all."""

import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ecg import LeadwiseError
from ecg.files import (
    atomic_write,
    make_folder,
    most_unpacked,
    read_bytes,
    remove_drafts,
    sync_folder,
)


def write_half(path: Path, error: Exception) -> None:
    with atomic_write(path) as draft:
        draft.write_text("half")
        raise error


def test_a_failed_write_leaves_the_old_file_and_no_draft(tmp_path) -> None:
    path = tmp_path / "model.json"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError):
        write_half(path, ZeroDivisionError())
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["model.json"]


def test_a_successful_write_replaces_the_file(tmp_path) -> None:
    path = tmp_path / "scores.csv"
    with atomic_write(path) as draft:
        draft.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"


def test_a_file_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    for name in ("fsync", "replace"):
        function = getattr(os, name)

        def noted(*words: object, name: str = name, function: Callable = function) -> object:
            calls.append(name)
            return function(*words)

        monkeypatch.setattr(os, name, noted)
    with atomic_write(tmp_path / "a") as draft:
        draft.write_text("new")
    assert calls == ["fsync", "replace"]


def test_a_full_disk_is_an_error(tmp_path) -> None:
    path = tmp_path / "weights"
    with pytest.raises(LeadwiseError, match=r"weights: cannot be written: No space left"):
        write_half(path, OSError(28, "No space left on device"))
    assert not list(tmp_path.iterdir())


def test_a_folder_with_the_name_of_a_file_is_an_error(tmp_path) -> None:
    (tmp_path / "model").write_text("")
    with pytest.raises(LeadwiseError, match="model: cannot be created"):
        make_folder(tmp_path / "model")


def test_a_folder_that_cannot_be_written_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    make_folder(tmp_path / "model")
    assert not list((tmp_path / "model").iterdir())
    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(LeadwiseError, match="model: cannot be written: Permission denied"):
        make_folder(tmp_path / "model")


def test_only_drafts_of_killed_processes_are_deleted(tmp_path: Path) -> None:
    for name in (".a.json.17.part", ".signals-1.f16.9.part", ".mine.part", "a.17.part", "a.json"):
        (tmp_path / name).touch()
    remove_drafts(tmp_path, "signals-*")
    assert not (tmp_path / ".signals-1.f16.9.part").exists()
    assert (tmp_path / ".a.json.17.part").exists()
    remove_drafts(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".mine.part", "a.17.part", "a.json"]


def test_a_folder_that_cannot_be_synced_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    sync_folder(tmp_path)
    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(LeadwiseError, match="cannot be written: Input/output error"):
        sync_folder(tmp_path)


def test_reading_what_is_no_file_or_too_large(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="It is a named pipe, not a file"):
        read_bytes(tmp_path / "pipe")
    with pytest.raises(OSError, match="It is a folder, not a file"):
        read_bytes(tmp_path)
    (tmp_path / "file").write_bytes(b"12345")
    assert read_bytes(tmp_path / "file", 5) == b"12345"
    with pytest.raises(OSError, match="5 bytes, at most 4 are read"):
        read_bytes(tmp_path / "file", 4)


def test_an_error_of_another_file_is_described_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    with pytest.raises(LeadwiseError, match=r"^/data/R1.hea: Input/output error$"):
        write_half(path, OSError(5, "Input/output error", "/data/R1.hea"))
    assert not list(tmp_path.iterdir())


def test_a_link_stays_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to("far/file")
    for text in ("first", "second"):
        with atomic_write(tmp_path / "link") as draft:
            draft.write_text(text)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "far" / "file").read_text() == text
    assert len(list((tmp_path / "far").iterdir())) == 1


def test_standard_output_is_written_through(tmp_path: Path) -> None:
    code = (
        "from ecg.files import atomic_write\nprint('before', flush=True)\n"
        "with atomic_write('/dev/stdout') as draft: draft.write_text('table\\n')\nprint('after')"
    )
    with open(tmp_path / "out.txt", "w+") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert (tmp_path / "out.txt").read_text().splitlines() == ["before", "table", "after"]


def test_drafts_of_ended_processes_are_deleted_with_the_next_output(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    host = platform.node()
    left = [f".a.csv.{host}.{ended.pid}.part", ".old.csv.elsewhere.7.part"]
    kept = [f".a.csv.{host}.{os.getppid()}.part", ".new.csv.elsewhere.7.part", "a.csv"]
    for name in (*left, *kept):
        (tmp_path / name).touch()
    os.utime(tmp_path / left[1], (0, 0))
    make_folder(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


@pytest.mark.parametrize(
    ("size", "most"), [(0, 134_217_728), (2_600_000, 134_217_728), (10_000_000, 500_000_000)]
)
def test_a_signal_unpacks_to_128_mb_or_50_times_its_size(size: int, most: int) -> None:
    assert most_unpacked(size) == most
