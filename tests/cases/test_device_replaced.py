"""Outputs are written into devices, pipes and linked files; inputs that are none are refused."""

import os
import pty
import stat
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

import evaluate_model
from tests.cases.conftest import CASES, FAILED

LABELS = CASES / "scorer-nested" / "data" / "labels" / "g1"


@pytest.fixture
def score(tmp_path: Path) -> Callable[[Path], int]:
    """Score a folder of outputs into a file."""
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    for header in LABELS.glob("*.hea"):
        row = f"#{header.stem}\n426783006,164889003\n1,0\n0.9,0.1\n"
        (outputs / f"{header.stem}.csv").write_text(row)
    return lambda path: evaluate_model.main([str(LABELS), str(outputs), str(path)])


def test_a_device_is_written_into(score: Callable[[Path], int]) -> None:
    reading, writing = pty.openpty()
    path = Path(os.ttyname(writing))
    before = path.stat()
    assert score(path) == 0
    assert stat.S_ISCHR(path.stat().st_mode)
    assert path.stat().st_ino == before.st_ino
    assert os.read(reading, 1000).startswith(b"AUROC,AUPRC")
    for descriptor in (reading, writing):
        os.close(descriptor)


def test_a_named_pipe_is_written_into(score: Callable[[Path], int], tmp_path: Path) -> None:
    pipe, received = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = Thread(target=lambda: received.append(pipe.read_text()))
    reader.start()
    assert score(pipe) == 0
    reader.join(timeout=10)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert received[0].startswith("AUROC,AUPRC")


def test_links_stay_and_their_targets_are_written(
    score: Callable[[Path], int], tmp_path: Path
) -> None:
    (tmp_path / "far").mkdir()
    for name, old in {"old.csv": "old", "new.csv": None}.items():
        target, link = tmp_path / "far" / name, tmp_path / name
        if old:
            target.write_text(old)
        link.symlink_to(Path("far", name))
        assert score(link) == 0
        assert link.is_symlink()
        assert target.read_text().startswith("AUROC,AUPRC")
    assert sorted(path.name for path in (tmp_path / "far").iterdir()) == ["new.csv", "old.csv"]


def test_a_folder_is_refused(
    score: Callable[[Path], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score(tmp_path) == 1
    assert f"Error: {tmp_path}: cannot be written: Is a directory" in capsys.readouterr().err


@pytest.mark.parametrize("ending", ["hea", "mat"])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "large", "link to pipe"])
def test_inputs_that_are_no_files_are_refused_at_once(
    ending: str, kind: str, tmp_path: Path, case: Callable[[str], Path], answer: Callable,
    learn: Callable,
) -> None:  # fmt: skip
    data = case("mat-variable") / "data"
    path = data / f"named.{ending}"
    path.unlink()
    descriptors: tuple[int, ...] = ()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link to pipe":
        os.mkfifo(tmp_path / "pipe")
        path.symlink_to(tmp_path / "pipe")
    elif kind == "device":
        descriptors = pty.openpty()
        path.symlink_to(os.ttyname(descriptors[1]))
    elif kind == "folder":
        path.mkdir()
    else:
        with open(path, "wb") as file:
            file.truncate(10**10)
    status, rows, err = answer(data)
    learned = learn(data)
    for descriptor in descriptors:
        os.close(descriptor)
    assert rows["ok"] != FAILED
    assert learned.names == ["ok"]
    if (ending, kind) == ("hea", "folder"):  # a folder of records may have this name
        assert "named: has a signal but no header" in err
        return
    assert (status, rows["named"]) == (1, FAILED)
    reason = {
        "device": "It is a device, not a file",
        "folder": "It is a folder, not a file",
        "large": "10,000,000,000 bytes",
    }.get(kind, "It is a named pipe, not a file")
    assert err.count(reason) == 1
    assert reason in learned.left_out
