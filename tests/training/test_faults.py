"""Whatever write fails or dies during training: no half file, and the same weights in the end."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import team_code
from ecg import LeadwiseError
from ecg.simulate import write_records
from models import recipes_by_name
from models.folder import read_model
from tests.conftest import small

ROOT = Path(__file__).resolve().parent.parent.parent
OPERATIONS = ("fsync", "replace")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_records(folder, 8, seed=2, duration_s=1.0, fs=250.0)
    return folder


@pytest.fixture(autouse=True)
def _small_and_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.data.find", lambda _: small(recipes_by_name()["isibrno-basic"]))
    monkeypatch.setenv("LEADWISE_LEADS", "2,3")
    monkeypatch.setenv("LEADWISE_EPOCHS", "2")


def sha256s(folder: Path) -> list[str]:
    return [trained.sha256 for trained in read_model(folder).lead_sets]


class Disk:
    """Counts fsyncs and renames, and lets the n-th one fail as a full disk does."""

    def __init__(self, patch: pytest.MonkeyPatch, fails: int) -> None:
        self.count, self.fails = 0, fails
        for name in OPERATIONS:
            patch.setattr(os, name, self.guarded(getattr(os, name)))

    def guarded(self, operation: Callable) -> Callable:
        def counted(*arguments: object) -> object:
            self.count += 1
            if self.count == self.fails:
                raise OSError(28, "No space left on device")
            return operation(*arguments)

        return counted


def test_the_nth_failure_costs_nothing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    team_code.training_code(str(data), str(tmp_path / "undisturbed"))
    expected = sha256s(tmp_path / "undisturbed")
    fails = 0
    while True:
        fails += 1
        model = tmp_path / f"model-{fails}"
        with monkeypatch.context() as patch:
            disk = Disk(patch, fails)
            said = ""
            try:
                team_code.training_code(str(data), str(model))
            except LeadwiseError as error:
                said = str(error)
        if disk.count < fails:  # training ended before the n-th operation
            break
        assert "No space left on device" in said
        assert not list(model.rglob("*.part")), "a half-written file"
        team_code.training_code(str(data), str(model))
        assert sha256s(model) == expected
        assert not (model / "state").exists()
        shutil.rmtree(model)
    assert fails > 20


KILLED = """
import os, sys
sys.path.insert(0, {root!r})
import training.data, team_code
from tests.conftest import small
from models import recipes_by_name
training.data.find = lambda _: small(recipes_by_name()["isibrno-basic"])
count = 0
def dies(operation):
    def counted(*arguments):
        global count
        count += 1
        if count == {fails}:
            os.kill(os.getpid(), 9)
        return operation(*arguments)
    return counted
os.fsync, os.replace = dies(os.fsync), dies(os.replace)
team_code.training_code({data!r}, {model!r})
"""


@pytest.mark.parametrize("fails", [3, 8, 13])
def test_a_kill_at_the_nth_operation_costs_nothing(data: Path, tmp_path: Path, fails: int) -> None:
    team_code.training_code(str(data), str(tmp_path / "undisturbed"))
    model = tmp_path / "model"
    script = KILLED.format(root=str(ROOT), data=str(data), model=str(model), fails=fails)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ended.returncode == -9, ended.stderr
    team_code.training_code(str(data), str(model))
    assert sha256s(model) == sha256s(tmp_path / "undisturbed")
    assert not list(model.rglob(".*.part")), "a half-written file"
