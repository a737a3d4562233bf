"""Processes with limits of time and memory, replaced when they must be killed."""

import multiprocessing
import os
import resource
import time
import warnings
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import NamedTuple

import torch

SECONDS, GIGABYTE = 5.0, 2**30
FAULTS = ("silent", "traceback", "slow", "memory")


class Outcome(NamedTuple):
    """What became of a mutant."""

    kind: str
    number: int
    outcome: str
    detail: str


Work = Callable[[str, int], Outcome]


def _serve(connection: Connection, work: Work) -> None:
    """Judge mutants until the end, within the limit of memory."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (used + GIGABYTE, used + GIGABYTE))
    while True:
        name, number = connection.recv()
        before = time.process_time()  # CPU time: other load does not count
        outcome = work(name, number)
        took = time.process_time() - before
        if took > SECONDS and outcome.outcome not in FAULTS:
            outcome = outcome._replace(outcome="slow", detail=f"{took:.1f} s")
        connection.send(outcome)


class Worker:
    """A process that judges one mutant at a time and is replaced if it must be killed."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.start()

    def start(self) -> None:
        """Start the process."""
        context = multiprocessing.get_context("fork")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other, self.work), daemon=True)
        self.process.start()
        other.close()
        self.task, self.since = ("", 0), 0.0

    def give(self, task: tuple[str, int]) -> None:
        """Start a mutant."""
        self.task, self.since = task, time.monotonic()
        self.connection.send(task)

    def take(self) -> Outcome:
        """Take the outcome; a process that is late or has died is replaced."""
        try:
            if self.connection.poll(0):
                outcome: Outcome = self.connection.recv()
                return outcome
            outcome = Outcome(*self.task, "slow", f"killed after {2 * SECONDS:g} s")
        except (EOFError, ConnectionError):
            self.process.join()
            outcome = Outcome(*self.task, "memory", f"it died ({self.process.exitcode})")
        self.process.kill()
        self.process.join()
        self.start()
        return outcome


def outcomes(work: Work, tasks: Iterator[tuple[str, int]], workers: int) -> Iterator[Outcome]:
    """Judge mutants in several processes."""
    idle, busy = [Worker(work) for _ in range(workers)], list[Worker]()
    while True:
        while idle and (task := next(tasks, None)):
            idle[-1].give(task)
            busy.append(idle.pop())
        if not busy:
            break
        wait([worker.connection for worker in busy], timeout=0.5)
        for worker in list(busy):
            if worker.connection.poll(0) or time.monotonic() - worker.since > 2 * SECONDS:
                yield worker.take()
                busy.remove(worker)
                idle.append(worker)
    for worker in idle:
        worker.process.kill()
