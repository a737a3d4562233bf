"""Parallel work: processes that read records in order, and threads that wait for each other."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
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
