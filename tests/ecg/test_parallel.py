"""Results come in the order of the records; worker processes end with their parent."""

import gc
import subprocess
import sys
import time
from operator import attrgetter
from pathlib import Path
from warnings import catch_warnings

import pytest

from ecg.parallel import map_in_order
from ecg.records import find_records

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order(
    simulated_folder: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr("ecg.parallel.RECORDS_PER_TASK", 5)
    records = find_records(simulated_folder)[0]
    names = [record.name for record in records]
    assert list(map_in_order(attrgetter("name"), records, workers)) == names


def test_a_reader_that_stops_early_ends_the_processes_quietly(
    simulated_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecg.parallel.RECORDS_PER_TASK", 2)
    records = find_records(simulated_folder)[0]
    results = map_in_order(attrgetter("name"), records, 2)
    assert next(results) == records[0].name
    with catch_warnings(record=True, action="always") as warned:
        results.close()
        gc.collect()
    assert not warned


def test_worker_processes_exit_when_their_parent_is_killed(tmp_path: Path) -> None:
    program = """
import sys
sys.path.insert(0, {root!r})
from joblib import Parallel, delayed
from ecg.parallel import _exit_with
import os, time
def work():
    print(os.getpid(), flush=True)
    time.sleep(60)
Parallel(2, initializer=_exit_with, initargs=(os.getpid(),))(delayed(work)() for _ in range(2))
"""
    command = [sys.executable, "-c", program.format(root=str(ROOT))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout is not None
        workers = [int(parent.stdout.readline()) for _ in range(2)]
        parent.kill()
    deadline = time.monotonic() + 30
    while any(Path("/proc", str(worker)).exists() for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.1)
