"""Shared by the benchmarks: alternating timing, ratios, processes, records, tables, options."""

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ecg import LeadwiseError
from ecg.progress import quiet_pipe

ROOT = Path(__file__).resolve().parents[1]
Result = TypeVar("Result")


class Seconds(NamedTuple):
    """Duration of a call or a process."""

    wall: float
    cpu: float  # of all threads


def timed(function: Callable[[], Result]) -> tuple[Result, Seconds]:
    """Call a function; return its result and its duration."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    return result, Seconds(time.perf_counter() - wall, time.process_time() - cpu)


def take_turns(calls: Sequence[Callable[[], object]], rounds: int) -> list[list[Seconds]]:
    """Time functions alternately, so that other load affects all equally; round 0 is warm-up."""
    measured = [[timed(call)[1] for call in calls] for _ in range(rounds + 1)]
    return [list(durations) for durations in zip(*measured[1:], strict=True)]


def best(durations: Iterable[Seconds]) -> Seconds:
    """Return the shortest wall time and the shortest CPU time."""
    return Seconds(*map(min, zip(*durations, strict=True)))


def ratio(durations: Sequence[Seconds], others: Sequence[Seconds]) -> str:
    """Format the ratio of the best wall times, with the range of the ratios per round.

    Examples
    --------
    >>> ratio([Seconds(3, 0), Seconds(4, 0)], [Seconds(2, 0), Seconds(2, 0)])
    '1.50 (1.50 to 2.00)'
    """
    rounds = [a.wall / b.wall for a, b in zip(durations, others, strict=True)]
    value = best(durations).wall / best(others).wall
    return f"{value:.2f} ({min(rounds):.2f} to {max(rounds):.2f})"


def machine(*packages: str) -> str:
    """Describe date, processor, load, Python and the versions of packages."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.split(": ")[1] for line in lines if line.startswith("model name")), "")
    versions = [f"{name} {version(name)}" for name in ("numpy", *packages)]
    return (
        f"Measured {date.today()}: {model or platform.machine()}, {os.cpu_count()} cores, load "
        f"average {os.getloadavg()[0]:.1f}; Python {platform.python_version()}, "
        f"{', '.join(versions)}"
    )


def run_process(
    command: Sequence[object],
    folder: Path = ROOT,
    environment: Mapping[str, str] | None = None,
    watch: Callable[[int], None] | None = None,
) -> tuple[str, Seconds]:
    """Run a command in a folder, with added variables; return its output and duration.

    `watch` is called with the process's id five times per second.

    Raises
    ------
    LeadwiseError
        The command failed.
    """
    variables = {**os.environ, **(environment or {})}
    words = [str(word) for word in command]
    with tempfile.TemporaryFile("w+") as log:
        start, before = time.perf_counter(), _children_cpu()
        process = subprocess.Popen(words, cwd=folder, env=variables, stdout=log, stderr=log)
        while watch and process.poll() is None:
            watch(process.pid)
            time.sleep(0.2)
        status = process.wait()
        duration = Seconds(time.perf_counter() - start, _children_cpu() - before)
        log.seek(0)
        output = log.read()
    if status:
        raise LeadwiseError(f"{' '.join(words[:2])}: {output[-2000:]}")
    return output, duration


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def repeat_records(headers: Sequence[Path], folder: Path, records: int) -> None:
    """Fill a new folder with genuine records, repeated under new names; signals are links."""
    folder.mkdir()
    for number in range(records):
        path, name = headers[number % len(headers)], f"R{number:06d}"
        text = path.read_text(encoding="utf-8").replace(path.stem, name)
        (folder / f"{name}.hea").write_text(text, encoding="utf-8")
        (folder / f"{name}.mat").symlink_to(path.with_suffix(".mat").resolve())


def table_lines(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Format a Markdown table, line by line as rows arrive.

    Examples
    --------
    >>> list(table_lines(["side", "ms"], [["ours", "5"]]))
    ['| side | ms |', '| --- | --- |', '| ours | 5 |']
    """
    columns = list(columns)
    for cells in chain([columns, ["---"] * len(columns)], rows):
        yield f"| {' | '.join(cells)} |"


def print_table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Print a Markdown table, each row as soon as it is measured."""
    for line in table_lines(columns, rows):
        print(line, flush=True)


def parse_options(docstring: str | None, *folders: str, **defaults: Any) -> argparse.Namespace:
    """Parse the command line; the module's docstring is the help text.

    Folders are positional: "name*" takes any number, "name+" at least one.  The kind of an option
    follows from its default: a list takes several values, a tuple holds the choices, its first one
    is the default, and False is a flag.
    """
    parser = argparse.ArgumentParser(
        description=docstring, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in folders:
        nargs = name[-1] if name[-1] in "*+" else None
        parser.add_argument(name.rstrip("*+"), type=Path, nargs=nargs)
    for name, default in defaults.items():
        if default is False:
            parser.add_argument(f"--{name}", action="store_true")
            continue
        several, choices = isinstance(default, list), isinstance(default, tuple)
        first = default[0] if several or choices else default
        parser.add_argument(
            f"--{name}", type=type(first), nargs="+" if several else None,
            choices=default if choices else None, default=first if choices else default,
            help="default: %(default)s",
        )  # fmt: skip
    return parser.parse_args()


@quiet_pipe()
def run(main: Callable[[], None]) -> None:
    """Run a command; print an error without its traceback and exit with status 1."""
    try:
        main()
    except BrokenPipeError:
        raise  # to quiet_pipe
    except (LeadwiseError, OSError) as error:
        sys.exit(f"Error: {error}")
