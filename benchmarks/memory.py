"""Peak memory of caching and of training, whatever the number of records.

    python -m benchmarks.memory DATA [--records 2000 20000 88253] [--minutes 10] [--scratch FOLDER]

For each number it makes a folder of that many records out of the genuine ones of DATA: repeated
under new names, headers rewritten, signals linked.  Then two processes run, one after the other:
one reads the records into the cache, as training does; the other is `train_model.py` on this cache
(isibrno-leadwise, 2 leads, one epoch or as much of it as the minutes allow, an evaluation).  Five
times a second /proc/PID/status of each and of its children is read.  The scratch folder needs
0.18 MB for each record of 10 s.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.scoring import ROOT, machine
from ecg import LeadwiseError
from ecg.records import find_headers

INTERVAL_S = 0.2
CACHING = """
import sys
from pathlib import Path
from training.cache import open_cache
from training.data import chosen_recipe, labelled_records
from training.settings import read_settings, workers_of
settings = read_settings()
records, _ = labelled_records(sys.argv[1])
open_cache(records, chosen_recipe(settings), Path(settings.cache), workers_of(settings))
"""


class Peak(NamedTuple):
    """Peak memory of a command, in MB.

    `resident` is VmHWM of the main process, mapped pages of files included; `own` its RssAnon;
    `worker` the largest VmHWM among its children, `all_workers` what they had at once, RssAnon.
    """

    resident: float
    own: float
    worker: float
    all_workers: float
    seconds: float


def make_folder(headers: Sequence[Path], folder: Path, records: int) -> None:
    """Repeat genuine records under new names until there are enough of them."""
    folder.mkdir()
    for number in range(records):
        path, name = headers[number % len(headers)], f"R{number:06d}"
        text = path.read_text(encoding="utf-8").replace(path.stem, name)
        (folder / f"{name}.hea").write_text(text, encoding="utf-8")
        (folder / f"{name}.mat").symlink_to(path.with_suffix(".mat").resolve())


def watch(command: Sequence[str | Path], settings: dict[str, str]) -> Peak:
    """Run Python at the repository's root and watch its memory.

    Raises
    ------
    LeadwiseError
        The command failed.
    """
    environment = {**os.environ, **{f"LEADWISE_{key}": text for key, text in settings.items()}}
    words = [sys.executable, *map(str, command)]
    begun, peak = time.perf_counter(), [0, 0, 0, 0]
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=said, stderr=said)
        while process.poll() is None:
            main = _status(process.pid)
            children = [_status(pid) for pid in _children(process.pid)]
            now = (
                main.get("VmHWM", 0),
                main.get("RssAnon", 0),
                max((child.get("VmHWM", 0) for child in children), default=0),
                sum(child.get("RssAnon", 0) for child in children),
            )
            peak = list(map(max, peak, now))
            time.sleep(INTERVAL_S)
        said.seek(0)
        if process.returncode:
            raise LeadwiseError(said.read()[-2000:])
    resident, own, worker, all_workers = (kilobytes / 1024 for kilobytes in peak)
    return Peak(resident, own, worker, all_workers, time.perf_counter() - begun)


def _status(pid: int) -> dict[str, int]:
    """Read a process's memory in kB; nothing where it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split(":") for line in lines if line.endswith(" kB"))
    return {key: int(value.split()[0]) for key, value in pairs}


def _children(pid: int) -> list[int]:
    """Find a process's children and theirs."""
    found = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(word) for word in tasks.read_text().split()]
        except OSError:
            continue  # a thread that has ended
    return [*found, *(deeper for child in found for deeper in _children(child))]


def measure(headers: Sequence[Path], records: int, minutes: float, scratch: Path) -> list[Peak]:
    """Measure caching and training of so many records."""
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        folder = Path(name)
        make_folder(headers, folder / "data", records)
        settings = {"CACHE": f"{folder / 'cache'}", "LEADS": "2", "EPOCHS": "1",
                    "MINUTES": f"{minutes}"}  # fmt: skip
        caching = watch(["-c", CACHING, folder / "data"], settings)
        training = watch(["train_model.py", folder / "data", folder / "model"], settings)
        return [caching, training]


def main() -> int:
    """Run the command; the answer is its exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("data", metavar="DATA", help="folder of genuine records")
    parser.add_argument("--records", type=int, nargs="+", default=[2000, 20000, 88253])
    parser.add_argument("--minutes", type=float, default=10, help="of training (default: 10)")
    parser.add_argument("--scratch", type=Path, help="where files are made (default: as tempfile)")
    options = parser.parse_args()
    try:
        headers, _ = find_headers(options.data)
        print(f"{len(headers)} genuine records, repeated under new names; {machine()}")
        print("records  command   resident (own) MB   largest worker, all workers (own) MB      s")
        for records in options.records:
            peaks = measure(headers, records, options.minutes, options.scratch)
            for command, peak in zip(("caching", "training"), peaks, strict=True):
                print(f"{records:>7}  {command:8}  {peak.resident:>8.0f} ({peak.own:.0f})"
                      f"  {peak.worker:>14.0f}, {peak.all_workers:.0f}"
                      f"  {peak.seconds:>22.0f}", flush=True)  # fmt: skip
    except LeadwiseError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
