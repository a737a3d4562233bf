"""A sample of the mutants of `benchmarks.fuzz`, and what it must find."""

import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks import mutants
from benchmarks.common import ROOT, run_process
from benchmarks.kinds import KINDS, write_originals
from benchmarks.limits import SECONDS, Outcome, outcomes
from ecg import LeadwiseError


def test_a_sample_has_no_fault() -> None:
    command = [sys.executable, "-m", "benchmarks.fuzz", "--mutants", "500", "--seed", "1"]
    output, _ = run_process(command, ROOT)
    rows = [line.split("|")[1:-1] for line in output.splitlines() if line.startswith("| ")]
    assert [row[0].strip() for row in rows[2:]] == list(KINDS)
    counts = np.array([[int(cell) for cell in row[1:]] for row in rows[2:]])
    assert counts[:, 0].sum() == 500
    assert counts[:, 5:].sum() == 0
    assert (counts[:, 1:4].max(axis=1) > 20).all()  # right, refused, warned


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(LeadwiseError, match="no kind absent; known are headers, signals"):
        run_process([sys.executable, "-m", "benchmarks.fuzz", "--only", "absent"], ROOT)


def work(name: str, number: int) -> Outcome:
    """Fail in one of the ways that a reader might."""
    if name == "slow":
        end = time.process_time() + SECONDS + 0.1
        while time.process_time() < end:
            pass
    if name == "late":
        time.sleep(60)
    if name == "large":
        np.ones(3 * 2**30, np.int8)
    if name == "dies":
        os.kill(os.getpid(), 9)
    return Outcome(name, number, "right", "")


def served(name: str, number: int) -> Outcome:
    try:
        return work(name, number)
    except MemoryError:
        return Outcome(name, number, "memory", "")


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_slow_large_and_dying_ones_are_faults_and_the_rest_goes_on() -> None:
    names = ["good", "slow", "large", "dies", "late", "good"]
    tasks = ((name, number) for number, name in enumerate(names))
    ended = {each.number: each.outcome for each in outcomes(served, tasks, 2)}
    assert [ended[number] for number in range(6)] == [
        "right", "slow", "memory", "memory", "slow", "right"
    ]  # fmt: skip


def test_the_same_seed_gives_the_same_mutants() -> None:
    for name in ("text", "header", "binary", "json_text"):
        mutate = getattr(mutants, name)
        content = b'{"a": [1, 2, {"b": "c"}],\n "d": 0.5}\n'
        one, other = (
            [mutate(np.random.default_rng([1, number]), content) for number in range(50)]
            for _ in range(2)
        )
        assert one == other
        assert len(set(one)) > 20
        assert sum(mutant == content for mutant in one) < 15


def test_what_states_another_value() -> None:
    assert mutants.alike({"a": [1, 2.5]}, {"a": [3, 4]})
    for other in ({"a": [1]}, {"a": [1, "2"]}, {"b": [1, 2]}, {"a": [1, True]}, {"a": None}):
        assert not mutants.alike({"a": [1, 2.5]}, other)
    assert mutants.contains({"a": 1, "b": 2}, {"a": 1})
    assert not mutants.contains({"a": 1}, {"a": 1, "widht": 2})
    assert mutants.same_cells(b"A1,N", b"A1,~")
    assert not mutants.same_cells(b"A1,N", b"A2,N")
    assert not mutants.same_cells(b"A1,N", b"A1,N,")


@pytest.mark.parametrize(
    ("kind", "old", "new", "states"),
    [
        ("headers", "Dx: 164889003", "Dx: 426783006", True),
        ("headers", "Dx: 164889003", "Dx: 164889\t003", False),
        ("headers", " 250 ", " 500 ", True),
        ("headers", " 250 ", " 500Hz ", False),
        ("folds", "mat5\t1", "mat5\t2", True),
        ("folds", "P1", "~", True),
        ("folds", "mat5\t1", "mat5\tx", False),
        ("folds", "mat5", "mat6", False),
    ],
)
def test_what_no_reader_can_know(
    originals: Path, tmp_path: Path, kind: str, old: str, new: str, states: bool
) -> None:
    file = {"headers": "mat4.hea", "folds": "folds.tsv"}[kind]
    text = (originals / "data" / file).read_text()
    assert old in text
    assert judged(kind, originals, tmp_path, file, text.replace(old, new).encode()) == states


def test_two_changes_of_a_lead_that_cancel_keep_its_checksum(
    originals: Path, tmp_path: Path
) -> None:
    samples = np.fromfile(originals / "data" / "dat16.dat", "<i2")
    for place, states in ((12, True), (11, False)):  # 12 leads: of the same one, of another one
        changed = samples.copy()
        changed[[0, place]] += np.array([1, -1], np.int16)
        folder = tmp_path / str(place)
        assert judged("signals", originals, folder, "dat16.dat", changed.tobytes()) == states


def judged(kind: str, originals: Path, folder: Path, file: str, content: bytes) -> bool:
    """Judge a mutant as the fuzzer does; what is refused is never judged."""
    shutil.copytree(originals / "data", folder / "data")
    (folder / "data" / file).write_bytes(content)
    try:
        return KINDS[kind].states_another(originals / "data", folder / "data", file)
    except LeadwiseError:
        return False


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("originals")
    write_originals(folder)
    return folder


def test_the_difference_is_shown() -> None:
    assert mutants.difference(b"abc", b"abd") == "b'abc' -> b'abd'"
