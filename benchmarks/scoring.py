"""Measure the scorer beside its loop-by-loop twin, on the same files in the same run.

    python -m benchmarks.scoring [--records 88253] [--seed 0]

It makes a folder of headers and one of outputs, as many as the 2021 training set has, and measures
the Challenge metric of the arrays alone, and the whole command in a fresh process: reading both
folders, all scores, the files written.  The peer is tests/reference/challenge.py.  Ours runs first.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from ecg.labels import CODES
from ecg.leads import STANDARD
from scoring.challenge import challenge_metric, load_weights
from scoring.outputs import read_outputs
from tests.reference import challenge as reference

ROOT = Path(__file__).parents[1]
WEIGHTS = ROOT / "scoring" / "weights-2021.csv"
PEER = (
    "import sys; from tests.reference.challenge import evaluate; "
    "print(evaluate(*sys.argv[1:4], 2021)[1]['challenge_metric'])"
)
Result = TypeVar("Result")


def make_files(folder: Path, records: int, generator: np.random.Generator) -> np.ndarray:
    """Write headers and outputs of invented records; the answer is their labels, (records, 26)."""
    labels = generator.random((records, len(CODES))) < 0.06
    logits = generator.normal(size=labels.shape) + 3 * labels - 2
    probabilities = (1 / (1 + np.exp(-logits))).astype(np.float32)
    lead = "{0}.mat 16+24 1000/mV 16 0 28 -1716 0 {1}\n"
    (folder / "labels").mkdir()
    (folder / "outputs").mkdir()
    for number in range(records):
        name = f"R{number:06d}"
        codes = ",".join(np.array(CODES)[labels[number]])
        text = f"{name} 12 500 5000 12-May-2020 12:33:59\n"
        text += "".join(lead.format(name, lead_name) for lead_name in STANDARD)
        text += f"#Age: 74\n#Sex: Male\n#Dx: {codes}\n#Rx: Unknown\n#Hx: Unknown\n#Sx: Unknown\n"
        (folder / "labels" / f"{name}.hea").write_text(text)
        outputs = ",".join("1" if value else "0" for value in probabilities[number] > 0.5)
        values = ",".join(map(str, probabilities[number]))
        text = f"#{name}\n{','.join(CODES)}\n{outputs}\n{values}\n"
        (folder / "outputs" / f"{name}.csv").write_text(text)
    return labels


def timed(function: Callable[[], Result], runs: int = 1) -> tuple[Result, float]:
    """Call a function; the answer is its last result and its quickest run in seconds."""
    seconds = []
    for _ in range(runs):
        began = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - began)
    return result, min(seconds)


def run(*arguments: str | Path) -> str:
    """Run Python in a fresh process at the repository's root; the answer is its stdout."""
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def machine() -> str:
    """Name machine and versions."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.split(": ")[1] for line in lines if line.startswith("model name")), "")
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}"
    return f"{model or platform.machine()}, {os.cpu_count()} cores; {versions}"


def report(what: str, ours: float, theirs: float, goal: float) -> None:
    """Print one line."""
    ratio = theirs / ours
    print(f"{what:18}{ours:9.3f} s{theirs:9.2f} s{ratio:8.1f} x   (goal {goal:g} x)", flush=True)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--records", type=int, default=88253, help="how many (default: 88253)")
    parser.add_argument("--seed", type=int, default=0, help="of the invented records (default: 0)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        labels = make_files(folder, options.records, np.random.default_rng(options.seed))
        paths = [str(path) for path in sorted((folder / "outputs").iterdir())]
        outputs = read_outputs(paths, load_weights().classes).outputs
        print(
            f"{options.records} records; {machine()}\n{'':18}{'ours':>11}{'loops':>11}{'ratio':>10}"
        )

        metric, ours = timed(lambda: challenge_metric(labels, outputs), runs=5)
        classes, weights = reference.load_weights(WEIGHTS, 2021)
        expected, theirs = timed(
            lambda: reference.challenge_metric(weights, labels, outputs, classes)
        )
        assert abs(metric - expected) < 1e-12, (metric, expected)
        report("Challenge metric", ours, theirs, 15)

        folders = folder / "labels", folder / "outputs"
        _, ours = timed(lambda: run("evaluate_model.py", *folders, folder / "scores.csv"))
        printed, theirs = timed(lambda: run("-c", PEER, *folders, WEIGHTS))
        written = (folder / "scores.csv").read_text().rpartition(",")[2]
        assert written == f"{float(printed):.3f}", (written, printed)
        report("whole command", ours, theirs, 4)


if __name__ == "__main__":
    main()
