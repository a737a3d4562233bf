"""Reading: many records, or folders of them, worked on by several processes, results in order."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from threading import Thread
from typing import TypeVar

from ecg import LeadwiseError

RECORDS_A_TASK = 32
Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_order(
    work: Callable[[Item], Result], records: Sequence[Item], workers: int
) -> Iterator[Result]:
    """Do some work on each record; in this process where there is one worker or little to do.

    Parameters
    ----------
    work : callable
        Of a record; can be pickled.
    workers : int
        Processes.

    Raises
    ------
    LeadwiseError
        A process was killed.
    """
    if workers == 1 or len(records) < 4 * RECORDS_A_TASK:
        yield from map(work, records)
        return
    from joblib import Parallel, delayed
    from joblib.externals.loky import get_reusable_executor
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    tasks = (delayed(_do_some)(work, some) for some in _chunks(records))
    try:
        run = Parallel(
            workers, return_as="generator", pre_dispatch="2*n_jobs",
            initializer=_end_with, initargs=(os.getpid(),),
        )  # fmt: skip
        for some in run(tasks):
            yield from some
    except TerminatedWorkerError as error:
        raise LeadwiseError(
            "a process that reads records was killed, most likely because memory ran out; set "
            f"LEADWISE_WORKERS to fewer than {workers} (1 needs least) and start again"
        ) from error
    finally:
        # Else the processes stay, 300 MB each; after an interruption they would end their work.
        get_reusable_executor(reuse=True).shutdown(wait=True, kill_workers=True)


def _end_with(parent: int) -> None:
    """See that this reading process ends when its parent was killed; joblib's stay for ever."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent ends this one
    Thread(target=watch, daemon=True).start()


def _chunks(records: Sequence[Item]) -> Iterator[list[Item]]:
    rest = iter(records)
    while some := list(islice(rest, RECORDS_A_TASK)):
        yield some


def _do_some(work: Callable[[Item], Result], records: Sequence[Item]) -> list[Result]:
    return [work(record) for record in records]
