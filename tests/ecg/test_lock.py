"""Locks: one process at a time, even if others are killed."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ecg import LeadwiseError
from ecg.lock import locked, remove_all_but

ROOT = Path(__file__).resolve().parent.parent.parent
HOLD = """
import sys, time
sys.path.insert(0, {root!r})
from pathlib import Path
from ecg.lock import locked
with locked(Path({path!r}), "trains here"):
    print("held", flush=True)
    time.sleep(60)
"""
# Each process increments a number many times; two at a time would lose increments.  The folder is
# deleted whenever it is empty, like the model folder's state.
COUNT = """
import sys
import time
sys.path.insert(0, {root!r})
from contextlib import suppress
from pathlib import Path
from ecg.lock import locked
path, number = Path({path!r}), Path({number!r})
for _ in range({times}):
    with locked(path, "counts here", wait_s=600):
        number.write_text(str(int(number.read_text()) + 1))
    with suppress(OSError):
        path.parent.rmdir()
"""


def test_the_lock_file_exists_only_while_the_block_runs(tmp_path: Path) -> None:
    path = tmp_path / "state" / "lock"
    with locked(path, "trains here"):
        assert path.read_text() == str(os.getpid())
        with (
            pytest.raises(LeadwiseError, match=f"state: process {os.getpid()} trains here; stop"),
            locked(path, "trains here; stop it"),
        ):
            pass
        assert path.read_text() == str(os.getpid())
    assert not path.exists()


def test_a_kill_releases_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    script = HOLD.format(root=str(ROOT), path=str(path))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with (
            pytest.raises(LeadwiseError, match=f"process {process.pid} trains"),
            locked(path, "trains here"),
        ):
            pass
        process.kill()
    assert path.exists()
    with locked(path, "trains here"):
        pass
    assert not path.exists()


def test_waiting_processes_get_the_lock_one_after_the_other(tmp_path: Path) -> None:
    path, number, times = tmp_path / "cache" / "lock", tmp_path / "number", 200
    number.write_text("0")
    script = COUNT.format(root=str(ROOT), path=str(path), number=str(number), times=times)
    command = [sys.executable, "-c", script]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for process in processes:
        errors = process.communicate()[1]
        assert process.returncode == 0, errors
    assert number.read_text() == str(3 * times)
    assert not path.parent.exists()


def test_a_lock_that_cannot_be_created_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model").write_text("a file of this name")
    (tmp_path / "folder" / "lock").mkdir(parents=True)
    for path, text in (
        (tmp_path / "model" / "state" / "lock", "state: cannot be created: Not a directory"),
        (tmp_path / "folder" / "lock", "lock: cannot be written: Is a directory"),
    ):
        with pytest.raises(LeadwiseError, match=text), locked(path, "trains here"):
            pass


def test_a_file_system_without_locks_is_logged_and_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("fcntl.flock", failing(OSError(95, "Operation not supported")))
    with locked(tmp_path / "lock", "trains here"):
        pass
    assert "this file system has no locks" in capsys.readouterr().err
    monkeypatch.setattr("fcntl.flock", failing(OSError(5, "Input/output error")))
    with (
        pytest.raises(LeadwiseError, match="lock: cannot be written: Input/output error"),
        locked(tmp_path / "lock", "trains here"),
    ):
        pass


def failing(error: OSError) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise error

    return fail


def test_all_files_but_the_lock_are_deleted(tmp_path: Path) -> None:
    for name in ("lock", "12-leads.safetensors", ".a.1.part"):
        (tmp_path / name).touch()
    remove_all_but(tmp_path, tmp_path / "lock")
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_waiting_ends_after_the_given_time(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path, "reads here"):
        start = time.monotonic()
        with (
            pytest.raises(LeadwiseError, match="reads here"),
            locked(path, "reads here", wait_s=0.3),
        ):
            pass
        assert 0.3 <= time.monotonic() - start < 10
