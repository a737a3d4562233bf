"""Time to run a model on records, compared with the organisers' example classifier.

    python -m benchmarks.running DATA [--records 200] [--rounds 5] [--threads 1 2]

The records of DATA of 12 leads, 500 Hz and 10 s are repeated under new names.  Ours is `python
run_model.py` with the shipped `weights/isibrno2020`, its decision and its rules.  The re-typed
example is trained on these records and run by the re-typed driver (`benchmarks.peers`).  Whole
processes run alternately, with one record and with all.  The difference gives the time per record,
including reading and writing; the process with one record gives the start-up time.  Figures are
wall time in the best round, CPU time in brackets.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import common
from benchmarks.common import ROOT, Seconds, run_process
from benchmarks.peers.official_drivers import HELPER, TEST
from ecg import LeadwiseError
from ecg.records import find_records

EXAMPLE = ROOT / "benchmarks" / "peers" / "example_classifier.py"


def suitable_headers(data: str) -> list[Path]:
    """Find the records of 12 leads, 500 Hz and 10 s whose headers the example can read."""
    headers = []
    for record in find_records(data)[0]:
        path, header = Path(f"{record.stem}.hea"), record.header
        shape = (len(header.leads), header.fs, header.samples)
        if shape == (12, 500, 5000) and "\n#Dx: " in path.read_text(encoding="utf-8"):
            headers.append(path)
    if not headers:
        raise LeadwiseError(f"{data}: no record of 12 leads, 500 Hz, 10 s, in the first dialect")
    return headers


def train_example(folder: Path, data: Path) -> None:
    """Train the example in a new folder that also holds the organisers' driver."""
    folder.mkdir()
    example = EXAMPLE.read_text(encoding="utf-8")
    for name, text in (("helper_code", HELPER), ("test_model", TEST), ("team_code", example)):
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    code = f"import team_code; team_code.training_code({str(data)!r}, 'model')"
    run_process([sys.executable, "-c", code], folder)


def measure(folder: Path, records: int, rounds: int, threads: list[int]) -> Iterator[list[str]]:
    """Measure both sides alternately, and yield the rows of the table."""
    example = folder / "example"
    train_example(example, folder / "all")
    sides = {"ours": (ROOT, "run_model.py", ROOT / "weights" / "isibrno2020"),
             "example": (example, "test_model.py", example / "model")}  # fmt: skip
    durations: dict[tuple[int, str, str], list[Seconds]] = {
        (count, side, data): [] for count in threads for side in sides for data in ("one", "all")
    }
    for _ in range(rounds):
        for (count, side, data), measured in durations.items():
            root, driver, model = sides[side]
            command = [sys.executable, driver, model, folder / data, folder / f"{side}-{data}"]
            output, duration = run_process(command, root, {"OMP_NUM_THREADS": str(count)})
            if "failed" in output:  # the organisers' driver continues
                raise LeadwiseError(f"{driver}: {output[-2000:]}")
            measured.append(duration)
    for count in threads:
        for side in sides:
            one, many = (common.best(durations[count, side, data]) for data in ("one", "all"))
            wall, cpu = ((m - o) / (records - 1) for m, o in zip(many, one, strict=True))
            yield [side, str(count), f"{1e3 * wall:.1f} ({1e3 * cpu:.1f})",
                   f"{one.wall:.2f} ({one.cpu:.2f})"]  # fmt: skip


def main() -> None:
    """Run the command."""
    options = common.parse_options(__doc__, "data", records=200, rounds=5, threads=[1, 2])
    headers = suitable_headers(options.data)
    print(f"{common.machine('torch')}; {len(headers)} genuine records, repeated to "
          f"{options.records}\n")  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        common.repeat_records(headers, folder / "one", 1)
        common.repeat_records(headers, folder / "all", options.records)
        rows = measure(folder, options.records, options.rounds, options.threads)
        common.print_table(["side", "threads", "ms per record", "start-up, s"], rows)


if __name__ == "__main__":
    common.run(main)
