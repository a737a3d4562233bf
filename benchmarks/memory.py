"""Peak memory of caching and training for several numbers of records.

    python -m benchmarks.memory DATA [--records 2000 20000 88253] [--minutes 10] [--scratch FOLDER]

Genuine records of DATA are repeated under new names (headers rewritten, signals linked).  One
process reads them into the cache as training does, then `train_model.py` trains on this cache:
isibrno-leadwise, 2 leads, one epoch or as much of it as the minutes allow, and an evaluation.
/proc/PID/status of each process and of its children is read five times per second.  The scratch
folder needs 0.18 MB per record of 10 s.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.common import machine, parse_options, print_table, repeat_records, run, run_process
from ecg.folders import find_headers

CACHING = """
import sys
from pathlib import Path
from training.cache import open_cache
from training.data import chosen_recipe, labelled_records
from training.settings import read_settings, workers_of
settings = read_settings()
recipe = chosen_recipe(settings)
records, _ = labelled_records(sys.argv[1], recipe.heads)
open_cache(records, recipe, Path(settings.cache), workers_of(settings))
"""


def measure(command: Sequence[object], settings: dict[str, str]) -> list[str]:
    """Measure a Python command and return its peaks in MB and its seconds.

    The peaks are VmHWM of the main process (with mapped pages of files), its RssAnon, the largest
    VmHWM among its children, and the sum of the children's RssAnon.
    """
    most = [0, 0, 0, 0]

    def watch(pid: int) -> None:
        main, *children = map(_memory_kb, [pid, *_children(pid)])
        worker = max((child.get("VmHWM", 0) for child in children), default=0)
        workers = sum(child.get("RssAnon", 0) for child in children)
        now = (main.get("VmHWM", 0), main.get("RssAnon", 0), worker, workers)
        most[:] = map(max, most, now)

    environment = {f"LEADWISE_{key}": text for key, text in settings.items()}
    _, duration = run_process([sys.executable, *command], environment=environment, watch=watch)
    resident, own, worker, workers = (f"{kilobytes / 1024:.0f}" for kilobytes in most)
    return [f"{resident} ({own})", worker, workers, f"{duration.wall:.0f}"]


def _memory_kb(pid: int) -> dict[str, int]:
    """Read the memory figures of a process; an ended one has none."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split(":") for line in lines if line.endswith(" kB"))
    return {key: int(value.split()[0]) for key, value in pairs}


def _children(pid: int) -> list[int]:
    """List the children of a process and theirs."""
    children = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children += [int(word) for word in tasks.read_text().split()]
        except OSError:
            continue  # a thread that has ended
    return [*children, *(deeper for child in children for deeper in _children(child))]


def peaks(headers: Sequence[Path], options: argparse.Namespace) -> Iterator[list[str]]:
    """Measure caching and training for each number of records."""
    for records in options.records:
        with tempfile.TemporaryDirectory(dir=options.scratch) as name:
            data, model, cache = (Path(name, part) for part in ("data", "model", "cache"))
            repeat_records(headers, data, records)
            settings = {"CACHE": f"{cache}", "LEADS": "2", "EPOCHS": "1",
                        "MINUTES": f"{options.minutes}"}  # fmt: skip
            yield [f"{records}", "caching", *measure(["-c", CACHING, data], settings)]
            yield [f"{records}", "training", *measure(["train_model.py", data, model], settings)]


def main() -> None:
    """Run the command."""
    options = parse_options(
        __doc__,
        "data",
        records=[2000, 20000, 88253],
        minutes=10.0,
        scratch=Path(tempfile.gettempdir()),
    )
    headers, _ = find_headers(options.data)
    print(f"{machine('torch')}; {len(headers)} genuine records, repeated; MB\n")
    columns = ("records", "command", "resident (own)", "largest worker", "all workers (own)", "s")
    print_table(columns, peaks(headers, options))


if __name__ == "__main__":
    run(main)
