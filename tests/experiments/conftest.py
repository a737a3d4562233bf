"""Simulated records in folds, and a tiny grid run on a cluster that loses a worker."""

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from distributed import LocalCluster

from experiments.cells import run_cells
from experiments.grid import Grid, variants
from models import find
from models.recipe import part
from tests.conftest import small

BASE = replace(small(find("revenger-tresnet-f-100hz")), epochs=1)
TINY = Grid(
    "tiny", "a network and half of it",
    variants(
        BASE,
        {"base": {}, "bare": {"network": part("crnn", backbone="tresnet-f", width_divisor=16)}},
    ),
    leads=(2,), published={("base", 2): 0.5}, source="nobody",
)  # fmt: skip


class Ran(NamedTuple):
    """What is there after the grid ran."""

    data: Path
    runs: Path
    killed: int  # process of the worker
    orphans: list[psutil.Process]  # what it had started


@pytest.fixture(scope="session")
def folded(simulated_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated records in folds 1, 8 and 9."""
    data = tmp_path_factory.mktemp("folded")
    for path in simulated_folder.iterdir():
        (data / path.name).symlink_to(path)
    names = sorted(path.stem for path in simulated_folder.glob("*.hea"))
    rows = [f"{name}\t{(1, 1, 8, 9)[number % 4]}\tp{number}" for number, name in enumerate(names)]
    (data / "folds.tsv").write_text("\n".join(["record\tfold\tpatient", *rows]) + "\n")
    return data


@pytest.fixture(scope="session")
def ran(folded: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The grid, run on two workers; the first one seen to train is killed."""
    runs, processes = tmp_path_factory.mktemp("runs"), []
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        pids = [worker.pid for worker in cluster.workers.values()]
        killer = threading.Thread(target=_kill_one_that_trains, args=(pids, processes))
        killer.start()
        run_cells(TINY, folded, runs, cluster=cluster.scheduler_address)
        killer.join()
    return Ran(folded, runs, processes[0].pid, processes[1:])


def _kill_one_that_trains(pids: list[int], processes: list[psutil.Process]) -> None:
    """Wait for a training and kill its worker; note the worker and what it had started."""
    ends = time.monotonic() + 300
    while not processes and time.monotonic() < ends:
        for worker in map(psutil.Process, pids):
            children = worker.children(recursive=True)
            if any("train_model.py" in " ".join(child.cmdline()) for child in children):
                processes += [worker, *children]
                worker.kill()
                break
        time.sleep(0.05)
