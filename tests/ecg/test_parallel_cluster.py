"""Work on a cluster: what a killed worker was doing is done again."""

import os
import threading
import time
from functools import partial
from pathlib import Path

import psutil
import pytest
from distributed import LocalCluster

from ecg import LeadwiseError
from ecg.parallel import map_unordered


def noted(number: int, folder: Path) -> int:
    """Note which process works on a number, and take a while."""
    (folder / f"{number}-{os.getpid()}").touch()
    time.sleep(0.5)
    return number


def die(number: int) -> None:
    os.kill(os.getpid(), 9)


@pytest.mark.parametrize("jobs", [1, 2])
def test_all_items_are_done_once(jobs: int, tmp_path: Path) -> None:
    assert sorted(map_unordered(partial(noted, folder=tmp_path), range(3), jobs=jobs)) == [0, 1, 2]
    assert len(list(tmp_path.iterdir())) == 3


def test_the_work_of_a_killed_worker_is_done_again(tmp_path: Path) -> None:
    def kill_the_first() -> None:
        while not (seen := list(tmp_path.iterdir())):
            time.sleep(0.02)
        psutil.Process(int(seen[0].name.partition("-")[2])).kill()

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        killer = threading.Thread(target=kill_the_first)
        killer.start()
        work = partial(noted, folder=tmp_path)
        done = list(map_unordered(work, range(4), cluster=cluster.scheduler_address))
        killer.join()
    assert sorted(done) == [0, 1, 2, 3]
    assert len(list(tmp_path.iterdir())) > 4  # one twice


def test_a_killed_process_is_named() -> None:
    with pytest.raises(LeadwiseError, match="a process was killed.*start again with fewer than 2"):
        list(map_unordered(die, range(2), jobs=2))
