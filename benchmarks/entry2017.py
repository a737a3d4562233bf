"""What the 2017 entry takes for a record: `next.sh`, start included, as CPU and wall time.

    python -m benchmarks.entry2017 [--model weights/dualnet2017] [--records 20] [--seconds 30]

Simulated records of one lead at 300 Hz, one process each, as the Challenge calls it; one record
goes before them, uncounted, so that files are in memory.  Where the model folder is not there, an
untrained network of the house's, at 300 Hz, stands in: it costs as much as a trained one.  Bar: 3 s
of CPU, median of 20.
"""

import argparse
import os
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.batches import Seconds
from benchmarks.running import timed_process
from benchmarks.scoring import ROOT, machine
from ecg import LeadwiseError
from ecg.files import make_folder
from ecg.labels import AF_LETTERS
from ecg.leads import SINGLE
from ecg.records import write_record
from models import find
from models.classifier import build
from models.folder import ModelFolder, TrainedSet, read_model, write_model, write_weights
from models.recipe import part
from simulate import simulate
from tests.conftest import single_lead

BAR_S = 3.0  # CPU a record, start included; issue "ECG-DualNet"


def make_stand_in(folder: Path) -> None:
    """Write an untrained network of one lead and four classes as a model folder."""
    make_folder(folder)
    recipe = single_lead(find("house-resnet"))
    recipe = replace(recipe, fs=300.0, steps=(part("hold", limit_mv=20),), max_s=60.0, finish=())
    network = build(recipe, (SINGLE,), len(AF_LETTERS))
    file, sha256 = write_weights(folder, "1-leads", network.state_dict())
    trained = TrainedSet((SINGLE,), file, sha256, part("highest"), 1, {})
    write_model(ModelFolder(folder, recipe, AF_LETTERS, (trained,)))


def measure(model: Path, folder: Path, records: int, seconds: float) -> list[Seconds]:
    """Answer records one by one; the first one is not counted."""
    os.environ["ENTRY_WEIGHTS"], os.environ["PYTHON"] = str(model.resolve()), sys.executable
    took = []
    for number in range(records + 1):
        made = simulate(("AF" if number % 2 else "NSR",), seed=number, duration_s=seconds, fs=300.0,
                        leads=["I"])  # fmt: skip
        write_record(folder, f"A{number:05d}", made.signal, [SINGLE], 300.0)
        words = ["bash", str(ROOT / "entries" / "2017" / "next.sh"), f"A{number:05d}"]
        took.append(timed_process(folder, words, threads=1))
    answers = (folder / "answers.txt").read_text().split()
    if len(answers) != records + 1:
        raise LeadwiseError(f"{len(answers)} answers to {records + 1} records")
    return took[1:]


def main() -> int:
    """Run the command; the answer is its exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--model", type=Path, default=ROOT / "weights" / "dualnet2017")
    parser.add_argument("--records", type=int, default=20, help="default: 20")
    parser.add_argument("--seconds", type=float, default=30.0, help="a record, default: 30")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "records")
        make_folder(folder)
        if not (model := options.model).is_dir():
            print(f"{model} is not there: an untrained stand-in is measured.")
            make_stand_in(model := Path(temporary, "model"))
        try:
            name = read_model(model).recipe.name
            took = measure(model, folder, options.records, options.seconds)
        except LeadwiseError as error:
            print(f"Error: {error}", file=sys.stderr)
            return 1
    cpu = [one.cpu for one in took]
    print(f"next.sh, {name}, {options.records} records of {options.seconds:g} s at 300 Hz; "
          f"{machine()}, torch {torch.__version__}, load {os.getloadavg()[0]:.1f}")  # fmt: skip
    print(f"CPU   median {statistics.median(cpu):.2f} s, {min(cpu):.2f} to {max(cpu):.2f} s "
          f"(bar: {BAR_S:g} s)")  # fmt: skip
    print(f"wall  median {statistics.median(one.wall for one in took):.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
