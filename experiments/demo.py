"""The demo: the Challenge's own commands on SIMULATED records, for all five lead sets.

Makes records, trains, predicts and scores, and draws pictures.  It shows that everything works;
scores on simulated records have no meaning for patients.  The number of epochs is fixed, so equal
machines print equal scores, however busy they are.
"""

import argparse
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from ecg.labels import CODES, class_name
from ecg.leads import LEAD_SETS
from ecg.plots import plot_record
from ecg.progress import quiet_pipe
from experiments.charts import plot_class_scores
from simulate import simulate_records
from training.budget import FEW_EPOCHS
from training.settings import positive_int

RECORDS, TEST_RECORDS, SECONDS, EPOCHS = 400, 120, 5, 22
SEED, TEST_SEED = 1, 2
THREADS = 1  # fixed, because sums depend on it; two wait for each other on a busy machine
ROOT = Path(__file__).resolve().parent.parent


@quiet_pipe()
def main() -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="folder to write to")
    parser.add_argument(
        "--epochs", type=positive_int, default=EPOCHS, help="per lead set (default: %(default)s)"
    )
    parser.add_argument(
        "--records", type=int, default=RECORDS, help="to train on (default: %(default)s)"
    )
    options = parser.parse_args()
    started, folder = time.monotonic(), options.folder
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = str(THREADS)
    print(f"$ export OMP_NUM_THREADS={THREADS}")
    make_records(folder, options.records)
    train(folder, options.epochs)
    scores, class_f = [], {}
    for size, leads in LEAD_SETS.items():
        scores.append(score(folder, size, leads))
        class_f[f"{size} leads"] = class_scores(folder / f"class_scores-{size}.csv")
    print_scores(scores, options.epochs)
    draw(folder, class_f)
    print(f"\nDone in {(time.monotonic() - started) / 60:.1f} minutes. Pictures:")
    for picture in ("record.png", "model/training.png", "classes.png"):
        print(f"  {folder / picture}")


def make_records(folder: Path, records: int) -> None:
    """Simulate the records to train on, and the test records."""
    parts = (("training_data", records, SEED), ("test_data", TEST_RECORDS, TEST_SEED))
    for name, count, seed in parts:
        run("-m", "simulate", "--seconds", str(SECONDS), str(folder / name),
            "--records", str(count), "--seed", str(seed))  # fmt: skip


def train(folder: Path, epochs: int, **settings: str) -> None:
    """Train for so many epochs; `settings` are further ones of the command."""
    run("train_model.py", str(folder / "training_data"), str(folder / "model"),
        LEADWISE_RECIPE="isibrno-basic", LEADWISE_EPOCHS=str(epochs), **settings)  # fmt: skip


def run(*words: str, **settings: str) -> None:
    """Print one of our commands and run it."""
    shown = [*(f"{name}={value}" for name, value in settings.items()), "python", *words]
    print(f"$ {shlex.join(shown)}", flush=True)
    ended = subprocess.run([sys.executable, *words], cwd=ROOT, env={**os.environ, **settings})
    if ended.returncode:
        sys.exit(f"Error: {words[0]} ended with status {ended.returncode}")


def score(folder: Path, size: int, leads: tuple[str, ...]) -> tuple[int, list[str]]:
    """Reduce the test records to a lead set, predict and score; return the scores as text."""
    data = str(folder / "test_data")
    if size < 12:
        reduced = f"{data}-{size}"
        run("extract_leads_wfdb.py", "-i", data, "-o", reduced, "-l", *leads)
        data = reduced
    outputs, scores = str(folder / f"test_outputs-{size}"), folder / f"scores-{size}.csv"
    run("run_model.py", str(folder / "model"), data, outputs)
    run("evaluate_model.py", data, outputs, str(scores), str(folder / f"class_scores-{size}.csv"))
    return size, scores.read_text().splitlines()[1].split(",")


def class_scores(path: Path) -> np.ndarray:
    """Read the F-measure of each class from a per-class table."""
    row = path.read_text().splitlines()[3].split(",")
    return np.array([float(cell) for cell in row[1:]])


def print_scores(scores: list[tuple[int, list[str]]], epochs: int) -> None:
    """Print the scores of all lead sets, and whether they mean anything."""
    names = ("AUROC", "AUPRC", "Accuracy", "F-measure", "Challenge metric")
    print("\nOn simulated test records (no meaning for patients):\n")
    print(f"{'leads':>5}  " + "  ".join(names))
    for size, cells in scores:
        print(f"{size:>5}  " + "  ".join(map(str.rjust, cells, map(len, names))))
    if epochs < FEW_EPOCHS:
        plural = "" if epochs == 1 else "s"
        print(f"\n{epochs} epoch{plural} only: these scores are chance. Train {EPOCHS} epochs.")


def draw(folder: Path, class_f: dict[str, np.ndarray]) -> None:
    """Draw a record on ECG paper and the per-class results."""
    record = next(simulate_records(1, seed=TEST_SEED, duration_s=10.0))  # the first, but longer
    names = ", ".join(map(class_name, record.codes))
    plot_record(
        folder / "record.png", record.signal, record.leads, record.fs,
        title=f"{record.name}: {names}", note="SIMULATED",
    )  # fmt: skip
    plot_class_scores(
        folder / "classes.png", [class_name(code) for code in CODES], class_f,
        title="F-measure on simulated test records", value_name="F-measure",
    )  # fmt: skip


if __name__ == "__main__":
    main()
