"""A write fails or the process is killed: no partial file, and the same weights in the end."""

import builtins
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import team_code
from ecg import LeadwiseError
from ecg.lock import locked
from models import recipes_by_name
from models.folder import TrainedSet, read_model
from models.recipe import part, vary
from simulate import write_records
from tests.conftest import small

ROOT = Path(__file__).resolve().parent.parent.parent
OPERATIONS = ("fsync", "replace")
NEVER = 10**9


def smallest() -> object:
    """Return a recipe with all that a training can have and an even smaller network."""
    recipe = small(recipes_by_name()["isibrno-basic"])
    options = {**recipe.network.options, "widths": (4, 4, 4, 4, 4), "units": 2}
    return vary(
        recipe,
        post_transforms=(part("record_z_score"),),
        network=part(recipe.network.name, **options),
        augment=(part("lead_dropout", probability=0.5), part("mixup"), part("label_smoothing")),
        loss=part("asymmetric_alibaba"),
        optimiser=part("adamw", lr=1e-3, amsgrad=True),
        schedule=part("one_cycle"),
        ema=0.9,
        stop=part("patience", epochs=50),
        rules="learned",
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_records(folder, 6, seed=2, duration_s=0.5, fs=250.0)
    return folder


@pytest.fixture(autouse=True)
def _small_and_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(monkeypatch)


def prepare(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("training.data.find", lambda _: smallest())
    patch.setenv("LEADWISE_LEADS", "2,3")
    patch.setenv("LEADWISE_EPOCHS", "2")


def train(data: Path, model: Path) -> None:
    team_code.training_code(str(data), str(model))


def results(folder: Path) -> tuple[TrainedSet, ...]:
    """Weights (by their sha256), decisions, rules and scores."""
    return read_model(folder).lead_sets


@pytest.fixture(scope="module")
def uninterrupted(
    data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[tuple[TrainedSet, ...], list]:
    """The weights of an uninterrupted training, and all its operations."""
    model = tmp_path_factory.mktemp("uninterrupted")
    with pytest.MonkeyPatch.context() as patch:
        prepare(patch)
        disk = Disk(patch, NEVER, full)
        train(data, model)
    return results(model), disk.operations


class Disk:
    """Count writes, fsyncs and renames of files; from the n-th one on, call `fault`.

    Half of the bytes of that write are written before.  Writes are those that reach the disk:
    Python's files get a raw layer of our own, below their buffers.
    """

    def __init__(self, patch: pytest.MonkeyPatch, fails: int, fault: Callable[[], None]) -> None:
        self.operations: list[str] = []
        self.fails, self.fault = fails, fault
        for name in OPERATIONS:
            patch.setattr(os, name, self.guarded(name, getattr(os, name)))
        self.open = io.open
        patch.setattr(io, "open", self.opened)
        patch.setattr(builtins, "open", self.opened)

    def counts(self, name: str) -> bool:
        """Count an operation; return whether it is to fail."""
        self.operations.append(name)
        return len(self.operations) >= self.fails

    def guarded(self, name: str, operation: Callable) -> Callable:
        def counted(*arguments: object) -> object:
            if self.counts(name):
                self.fault()
            return operation(*arguments)

        return counted

    def opened(
        self, path: object, mode: str = "r", *arguments: object, **options: object
    ) -> object:
        if not set(mode) & set("wa+") or isinstance(path, int):
            return self.open(path, mode, *arguments, **options)
        raw = Raw(path, mode.replace("b", "").replace("t", ""))
        raw.disk = self
        if options.get("buffering") == 0:
            return raw
        buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding="utf-8")


class Raw(io.FileIO):
    """A file whose writes the disk counts."""

    disk: Disk

    def write(self, content: object) -> int:
        if self.disk.counts(f"write {Path(self.name).name}"):
            super().write(memoryview(content)[: len(memoryview(content)) // 2])
            self.disk.fault()
        return super().write(content)


def full() -> None:
    raise OSError(28, "No space left on device")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def assert_recovers(data: Path, model: Path, expected: tuple[TrainedSet, ...]) -> None:
    """A second start ends with the uninterrupted weights, and no partial file is left."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.run.plot_training", lambda *_: None)  # the picture takes longest
        train(data, model)
    assert results(model) == expected
    names = {path.name.partition("-")[0] for path in model.iterdir()}
    written = {"model.json", "history.tsv", "steps.tsv", "problems.tsv", "training.png"}
    assert names <= {"2", "3"} | written


def test_every_file_is_among_the_operations(
    uninterrupted: tuple[tuple[TrainedSet, ...], list],
) -> None:
    written = {name for name in uninterrupted[1] if name.startswith("write")}
    for part_of_name in ("lock", "f16", "signals-", "json", "-leads.", "-leads-", "tsv", "png"):
        assert any(part_of_name in name for name in written)
    assert len(uninterrupted[1]) > 50


def test_a_training_recovers_from_the_nth_failing_write(
    data: Path, uninterrupted: tuple[tuple[TrainedSet, ...], list], tmp_path: Path
) -> None:
    expected, operations = uninterrupted
    for fails in range(1, len(operations) + 1):
        model = tmp_path / f"model-{fails}"
        with pytest.MonkeyPatch.context() as patch:
            Disk(patch, fails, full)
            with pytest.raises(LeadwiseError, match="cannot be written: No space left on device"):
                train(data, model)
        assert not list(model.rglob("*.part")), "a partial file"
        for path in model.rglob("*.json"):
            json.loads(path.read_text())
        assert_recovers(data, model, expected)


KILLED = """
import os, sys
sys.path.insert(0, {root!r})
import matplotlib.backends.backend_agg, skmultilearn.model_selection, torch._dynamo  # slow
import pytest
from pathlib import Path
from tests.training.test_faults import Disk, die, prepare, train
patch = pytest.MonkeyPatch()
prepare(patch)
for fails in {kills}:
    if not os.fork():  # each in a process of its own, but torch is imported once
        Disk(patch, fails, die)
        train(Path({data!r}), Path({model!r} + str(fails)))
    print(os.WTERMSIG(os.wait()[1]))
"""


def test_a_training_recovers_from_a_kill_at_the_nth_operation(
    data: Path, uninterrupted: tuple[tuple[TrainedSet, ...], list], tmp_path: Path
) -> None:
    expected, operations = uninterrupted
    kills = range(3, len(operations) + 1, 5)
    assert {operations[n - 1].split()[0] for n in kills} == {"write", "fsync", "replace"}
    script = KILLED.format(
        root=str(ROOT), data=str(data), model=str(tmp_path / "model-"), kills=list(kills)
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ended.stdout.split() == ["9"] * len(kills), ended.stderr
    for fails in kills:
        model = tmp_path / f"model-{fails}"
        drafts = list(model.rglob("*.part"))
        assert drafts or operations[fails - 1] in ("fsync", "write lock", "write signals.lock")
        assert_recovers(data, model, expected)


def test_a_second_process_on_the_same_model_folder_is_refused(data: Path, tmp_path: Path) -> None:
    with (
        locked(tmp_path / "state" / "lock", "trains here"),
        pytest.raises(
            LeadwiseError, match=rf"state: process {os.getpid()} trains here; wait for it"
        ),
    ):
        train(data, tmp_path)
    train(data, tmp_path)
    assert not (tmp_path / "state").exists()


def interrupt_after_an_epoch(data: Path, model: Path) -> None:
    def stop(text: str) -> None:
        if "epoch 1 of" in text:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.loop.log", stop)
        with pytest.raises(KeyboardInterrupt):
            train(data, model)


def test_a_record_that_is_deleted_during_training_is_named(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    copy, model = tmp_path / "data", tmp_path / "model"
    shutil.copytree(data, copy)
    interrupt_after_an_epoch(copy, model)
    (copy / "SIM00004.mat").unlink()
    (old,) = (model / "state").glob("*.f16")
    capsys.readouterr()
    train(copy, model)
    log = capsys.readouterr().err
    assert "Left out: SIM00004: has a header but no signal" in log
    assert "The prepared signals of other records, another recipe or version are deleted." in log
    assert f"{model / 'state' / '2-leads.safetensors'}: the state of an earlier training " in log
    assert "differs in data, labels, split; this lead set is trained again" in log
    train(copy, tmp_path / "fresh")
    assert results(model) == results(tmp_path / "fresh")
    assert not old.exists()


def test_another_recipe_is_trained_from_the_start_and_the_log_names_the_difference(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    interrupt_after_an_epoch(data, tmp_path)
    monkeypatch.setenv("LEADWISE_SEED", "5")
    train(data, tmp_path)
    log = capsys.readouterr().err
    assert "differs in recipe: seed (0, now 5); this lead set is trained again." in log


@pytest.mark.parametrize("forbidden", ["state", ".2-leads.safetensors", ".model.json"])
def test_a_missing_permission_is_an_error_and_a_second_start_works(
    data: Path, uninterrupted: tuple[tuple[TrainedSet, ...], list], tmp_path: Path, forbidden: str
) -> None:
    def refused(path: object, mode: str = "r", *arguments: object, **options: object) -> object:
        name = str(path).removeprefix(str(tmp_path))
        if forbidden in name and set(mode) & set("wa+"):
            raise PermissionError(13, "Permission denied")
        return plain(path, mode, *arguments, **options)

    plain = io.open
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(io, "open", refused)
        patch.setattr(builtins, "open", refused)
        with pytest.raises(LeadwiseError, match="cannot be written: Permission denied"):
            train(data, tmp_path / "model")
    assert not list(tmp_path.rglob("*.part"))
    assert_recovers(data, tmp_path / "model", uninterrupted[0])
