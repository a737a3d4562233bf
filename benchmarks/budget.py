"""Whether trainings end within their time budget, alone or on a busy machine.

    python -m benchmarks.budget [--minutes 1 2 3 4] [--recipes …] [--records 400] [--load] [--write]

Each recipe trains all its lead sets on simulated records of 10 s with each budget.  Used is the
time from the start of the process to its end.  With `--load`, one busy process per core runs beside
it.  Epochs are those of each lead set, in order; the last one may be incomplete.  `--write` puts
the table into docs/results.
"""

import multiprocessing
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.common import ROOT, machine, parse_options, run, run_process, table_lines
from docs.generate import write_tables
from ecg import LeadwiseError
from ecg.progress import quiet_pipe
from simulate import write_records

RESULTS = ROOT / "docs" / "results.md"
RECIPES = ["house-pair", "isibrno-basic", "revenger-nc-se-100hz"]
LIMIT = 1.05  # of the budget


@quiet_pipe()
def main() -> None:
    """Train with each budget and print a table."""
    options = parse_options(
        __doc__, minutes=[1.0, 2.0, 3.0, 4.0], recipes=RECIPES, records=400, load=False, write=False
    )
    about = f"{machine('torch')}; {'with' if options.load else 'without'} a busy process per core."
    print(f"{about}\n")
    late: list[str] = []
    lines = [about, ""]
    with tempfile.TemporaryDirectory() as scratch, busy(options.load):
        data = Path(scratch, "data")
        data.mkdir()
        write_records(data, options.records, seed=1, duration_s=10.0, fs=500.0)
        columns = ("recipe", "budget, s", "used, s", "used / budget", "epochs")
        for line in table_lines(columns, rows(data, options.recipes, options.minutes, late)):
            print(line, flush=True)
            lines.append(line)
    if options.write:
        write_tables(RESULTS, {"budget": lines})
    if late:
        raise LeadwiseError(f"used more than {LIMIT:.2f} of the budget: {', '.join(late)}")


def rows(
    data: Path, recipes: list[str], budgets: list[float], late: list[str]
) -> Iterator[tuple[str, ...]]:
    """Train once per recipe and budget; collect those that end late."""
    for recipe in recipes:
        for minutes in budgets:
            model = data.parent / f"{recipe}-{minutes:g}"
            command = [sys.executable, "train_model.py", data, model, "--recipe", recipe,
                       "--minutes", f"{minutes:g}"]  # fmt: skip
            output, wall = train(command)
            used = wall / (60 * minutes)
            if used > LIMIT:
                late.append(f"{recipe} with {minutes:g} min")
            yield (
                recipe, f"{60 * minutes:.0f}", f"{wall:.0f}", f"{used:.2f}",
                epochs_of(output, model),
            )  # fmt: skip


def train(command: list[object]) -> tuple[str, float]:
    """Train; return the output and the seconds, also of a training that refuses its budget."""
    started = time.monotonic()
    try:
        output, _ = run_process(command)
    except LeadwiseError as error:
        output = str(error)
        if "does not hold one epoch" not in output and "is used up" not in output:
            raise
    return output, time.monotonic() - started


def epochs_of(output: str, model: Path) -> str:
    """List the epochs of each lead set, or say that the budget was too short."""
    history = model / "history.tsv"
    if not history.exists():
        return "refused: " + ", ".join(re.findall(r"needs about \d+ minutes", output))
    names = [line.split("\t")[0] for line in history.read_text().splitlines()[1:]]
    counts = ", ".join(str(names.count(name)) for name in dict.fromkeys(names))
    return f"{counts} (too short, and said)" if "does not hold one epoch" in output else counts


@contextmanager
def busy(load: bool) -> Iterator[None]:
    """Keep every core busy with a process of its own while the block runs."""
    processes = [
        multiprocessing.Process(target=_spin, daemon=True)
        for _ in range((os.cpu_count() or 1) if load else 0)
    ]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.terminate()


def _spin() -> None:
    parent = os.getppid()
    while os.getppid() == parent:
        sum(range(100_000))


if __name__ == "__main__":
    run(main)
