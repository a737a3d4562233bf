"""Time of the 2017 entry per record: `next.sh`, start-up included.

    python -m benchmarks.entry2017 [--model weights/dualnet2017] [--records 20] [--seconds 30]

Simulated records of one lead at 300 Hz, one process each, as the Challenge calls it; a first record
is the warm-up.  Bar: 3 s of CPU, median of 20.
"""

import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.common import ROOT, Seconds, machine, parse_options, run, run_process
from ecg import LeadwiseError
from ecg.leads import SINGLE
from ecg.records import write_record
from models.folder import read_model
from simulate import simulate

BAR_S = 3.0  # CPU per record, start-up included; issue "ECG-DualNet"
FS = 300.0


def measure(model: Path, folder: Path, records: int, seconds: float) -> list[Seconds]:
    """Run the entry on one record after the other."""
    environment = {"ENTRY_WEIGHTS": str(model.resolve()), "PYTHON": sys.executable,
                   "OMP_NUM_THREADS": "1"}  # fmt: skip
    durations = []
    for number in range(records + 1):
        name, rhythm = f"A{number:05d}", "AF" if number % 2 else "NSR"
        record = simulate((rhythm,), seed=number, duration_s=seconds, fs=FS, leads=["I"])
        write_record(folder, name, record.signal, [SINGLE], FS)
        command = ["bash", ROOT / "entries" / "2017" / "next.sh", name]
        durations.append(run_process(command, folder, environment)[1])
    answers = (folder / "answers.txt").read_text().split()
    if len(answers) != records + 1:
        raise LeadwiseError(f"{len(answers)} answers to {records + 1} records")
    return durations[1:]


def main() -> None:
    """Run the command."""
    options = parse_options(
        __doc__, model=ROOT / "weights" / "dualnet2017", records=20, seconds=30.0
    )
    name = read_model(options.model).recipe.name
    print(f"{machine('torch')}; next.sh, {name}, {options.records} records of "
          f"{options.seconds:g} s at {FS:g} Hz")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        durations = measure(options.model, Path(folder), options.records, options.seconds)
    for kind, seconds in zip(("wall", "CPU"), zip(*durations, strict=True), strict=True):
        print(f"{kind:4}  median {statistics.median(seconds):.2f} s, "
              f"{min(seconds):.2f} to {max(seconds):.2f} s")  # fmt: skip
    print(f"bar: {BAR_S:g} s of CPU")


if __name__ == "__main__":
    run(main)
