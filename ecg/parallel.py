"""Parallel work: processes that read records in order, and threads that wait for each other."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from threading import Thread
from typing import TypeVar
from warnings import catch_warnings

from ecg import LeadwiseError

RECORDS_PER_TASK = 32
Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_order(
    work: Callable[[Item], Result], records: Sequence[Item], workers: int
) -> Iterator[Result]:
    """Apply a function to each record, in this process if there is one worker or little to do.

    Parameters
    ----------
    work : callable
        Function of a record; must be picklable.
    workers : int
        Number of processes.

    Raises
    ------
    LeadwiseError
        A process was killed.
    """
    if workers == 1 or len(records) < 4 * RECORDS_PER_TASK:
        yield from map(work, records)
        return
    from joblib import Parallel, delayed
    from joblib.externals.loky import get_reusable_executor
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    tasks = (delayed(_do_chunk)(work, chunk) for chunk in _chunks(records))
    run = Parallel(
        workers, return_as="generator", pre_dispatch="2*n_jobs",
        initializer=_exit_with, initargs=(os.getpid(),),
    )  # fmt: skip
    chunks = run(tasks)
    try:
        for results in chunks:
            yield from results
    except TerminatedWorkerError as error:
        raise LeadwiseError(
            "a process that reads records was killed, most likely because memory ran out; set "
            f"LEADWISE_WORKERS to fewer than {workers} (1 needs the least memory) and start again"
        ) from error
    finally:
        with catch_warnings(action="ignore"):  # joblib's, of chunks that are not used
            chunks.close()
        # Otherwise the processes, 300 MB each, continue after an interruption.
        get_reusable_executor(reuse=True).shutdown(wait=True, kill_workers=True)


def map_unordered(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    jobs: int = 1,
    cluster: str | None = None,
) -> Iterator[Result]:
    """Apply a function to each item, and give the results as they come.

    Parameters
    ----------
    work : callable
        Function of an item; must be picklable if there are several processes.
    jobs : int
        Number of processes of this machine; 1: this process alone.
    cluster : str, optional
        Address of a Dask scheduler, whose workers work instead.  What a killed worker was doing is
        done again by another one.

    Raises
    ------
    LeadwiseError
        A process of this machine was killed, or `distributed` is not installed.
    """
    if jobs == 1 and not cluster:
        yield from map(work, items)
        return
    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    with _backend(cluster):
        parallel = Parallel(
            n_jobs=-1 if cluster else jobs, batch_size=1, return_as="generator_unordered"
        )
        try:
            yield from parallel(delayed(work)(item) for item in items)
        except TerminatedWorkerError as error:
            raise LeadwiseError(
                "a process was killed, most likely because memory ran out; start again with fewer "
                f"than {jobs} jobs; what is finished is kept"
            ) from error


@contextmanager
def _backend(cluster: str | None) -> Iterator[None]:
    """Use a cluster for joblib, if one is given."""
    if not cluster:
        yield
        return
    from joblib import parallel_config

    try:
        from distributed import Client
    except ImportError as error:
        raise LeadwiseError("a cluster needs distributed: pip install distributed") from error
    with Client(cluster), parallel_config("dask", wait_for_workers_timeout=60):
        yield


def _exit_with(parent: int) -> None:
    """Exit this process when its parent is killed; joblib's processes would run forever."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent stops this one
    Thread(target=watch, daemon=True).start()


def _chunks(records: Sequence[Item]) -> Iterator[list[Item]]:
    rest = iter(records)
    while chunk := list(islice(rest, RECORDS_PER_TASK)):
        yield chunk


def _do_chunk(work: Callable[[Item], Result], records: Sequence[Item]) -> list[Result]:
    return [work(record) for record in records]


def sleep_while_waiting() -> None:
    """Let PyTorch's threads sleep after half a millisecond of waiting instead of several.

    Waiting threads take the processor from working ones on a busy machine.  No result depends on
    it.  Call it before torch is imported.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # read when torch is loaded
