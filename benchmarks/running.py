"""Running a model on records beside the organisers' example classifier, in one run.

    python -m benchmarks.running DATA [--records 200] [--rounds 5] [--threads 1 2]

The records of DATA of 12 leads, 500 Hz and 10 s are repeated under new names.  Ours is `python
run_model.py` with the shipped `weights/isibrno2020`, its decision and its rules; the example
(`benchmarks.example`) is trained on these records and run by the organisers' driver, both re-typed.
Whole processes are measured, with one record and with all: the difference is what a record costs,
reading and writing included; the process of one record is the start-up, that record included.
Sides take turns; each figure is the best of the rounds, as wall and as CPU time.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.batches import Seconds, best
from benchmarks.memory import make_folder
from benchmarks.scoring import ROOT, machine
from ecg import LeadwiseError
from ecg.records import find_records
from tests.test_official_drivers import HELPER, TEST


def suitable_headers(data: str) -> list[Path]:
    """Find the records of 12 leads, 500 Hz and 10 s whose headers the example reads.

    Raises
    ------
    LeadwiseError
        There is none.
    """
    found = []
    for record in find_records(data)[0]:
        path = Path(f"{record.stem}.hea")
        header = record.header
        shape = (len(header.leads), header.fs, header.samples)
        if shape == (12, 500, 5000) and "\n#Dx: " in path.read_text(encoding="utf-8"):
            found.append(path)
    if not found:
        raise LeadwiseError(f"{data}: no record of 12 leads, 500 Hz, 10 s, in the first dialect")
    return found


def make_example(folder: Path, data: Path) -> None:
    """Put the example and the organisers' driver in a folder, and train it."""
    folder.mkdir()
    example = (ROOT / "benchmarks" / "example.py").read_text(encoding="utf-8")
    for name, text in (("helper_code", HELPER), ("test_model", TEST), ("team_code", example)):
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    train = f"import team_code; team_code.training_code({str(data)!r}, 'model')"
    subprocess.run([sys.executable, "-c", train], cwd=folder, check=True)


def timed_process(folder: Path, words: list[str], threads: int) -> Seconds:
    """Run a command in a folder, and measure it.

    Raises
    ------
    LeadwiseError
        It failed, or left a record without an answer.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    with tempfile.TemporaryFile("w+") as said:
        begun = time.perf_counter()
        process = subprocess.Popen(words, cwd=folder, env=environment, stdout=said, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begun
        said.seek(0)
        text = said.read()
    if status or "failed" in text:
        raise LeadwiseError(f"{' '.join(words[:2])}: {text[-1000:]}")
    return Seconds(wall, usage.ru_utime + usage.ru_stime)


def main() -> int:
    """Run the command; the answer is its exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("data", metavar="DATA", help="folder of genuine Challenge records")
    parser.add_argument("--records", type=int, default=200, help="default: 200")
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    try:
        headers = suitable_headers(options.data)
        print(f"{len(headers)} genuine records, repeated to {options.records}; {machine()}, torch "
              f"{torch.__version__}, load {os.getloadavg()[0]:.1f}; wall (CPU)")  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            report(headers, Path(folder), options)
    except LeadwiseError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


def report(headers: list[Path], folder: Path, options: argparse.Namespace) -> None:
    """Measure both sides and print the table."""
    make_folder(headers, folder / "one", 1)
    make_folder(headers, folder / "all", options.records)
    example = folder / "example"
    make_example(example, folder / "all")
    places = {"ours": (ROOT, "run_model.py", ROOT / "weights" / "isibrno2020"),
              "example": (example, "test_model.py", example / "model")}  # fmt: skip
    took: dict[tuple[str, int, str], list[Seconds]] = {}
    for _ in range(options.rounds):
        for threads in options.threads:
            for side, (place, driver, model) in places.items():
                for data in ("one", "all"):
                    outputs = folder / f"outputs-{side}-{data}"
                    data_folder = str(folder / data)
                    words = [sys.executable, driver, str(model), data_folder, str(outputs)]
                    seconds = timed_process(place, words, threads)
                    took.setdefault((side, threads, data), []).append(seconds)
    print("side     threads   ms a record    start-up, one record, s")
    for threads in options.threads:
        for side in places:
            one, many = (best(took[side, threads, data]) for data in ("one", "all"))
            a_record = [(m - o) / (options.records - 1) for m, o in zip(many, one, strict=True)]
            print(f"{side:8} {threads:>7}   {1e3 * a_record[0]:.1f} ({1e3 * a_record[1]:.1f})"
                  f"   {one.wall:>12.2f} ({one.cpu:.2f})")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
