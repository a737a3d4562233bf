"""Kills: a training that is killed at random moments ends with the undisturbed run's weights.

Trains on the first records of a folder once undisturbed.  Then again, killed ten times (SIGKILL,
and now and then SIGTERM or SIGINT), each time at a moment drawn from the whole length of the
undisturbed run, and half of the times at the next write after it; each time the same command goes
on.  A training that ends before its moment comes is compared, and a fresh one begins.  In the end
the weights must be the same bit for bit, and no half file left.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from ecg.records import find_headers
from models.folder import read_model

ROOT = Path(__file__).resolve().parent.parent
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGINT)


def main() -> None:
    """Run the experiment; the exit status is 1 if something differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", metavar="DATA", type=Path, help="folder of labelled records")
    parser.add_argument("out", metavar="OUT", type=Path, help="folder to write to, made if absent")
    parser.add_argument("--records", type=int, default=500, help="the first ones")
    parser.add_argument("--epochs", type=int, default=3, help="of each training")
    parser.add_argument("--kills", type=int, default=10, help="in all")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--leads", default="2", help="lead sets, as train_model.py takes them")
    parser.add_argument("--recipe", default="isibrno-leadwise", help="as train_model.py takes it")
    options = parser.parse_args()
    if any(options.out.glob("model-*")):
        parser.error(f"{options.out} holds models of another run; choose a new folder")
    data = options.out / "data"
    link_records(options.data, data, options.records)
    command = [
        sys.executable, "train_model.py", str(data), "--epochs", str(options.epochs),
        "--leads", options.leads, "--recipe", options.recipe,
    ]  # fmt: skip
    begun = time.monotonic()
    run([*command, str(options.out / "model-undisturbed")])
    length_s = time.monotonic() - begun
    expected = sha256s(options.out / "model-undisturbed")
    print(f"Undisturbed: {length_s:.0f} s, weights {', '.join(name[:12] for name in expected)}")
    wrong = disturb(command, options.out, expected, length_s, options)
    print(
        "Something differs." if wrong else "All weights are equal bit for bit, no half file left."
    )
    sys.exit(wrong)


def link_records(source: Path, target: Path, count: int) -> None:
    """Link the first records, and the table of folds."""
    target.mkdir(parents=True, exist_ok=True)
    for header in find_headers(source)[0][:count]:
        for path in (header, header.with_suffix(".mat"), source / "folds.tsv"):
            link = target / path.name
            if path.exists() and not link.exists():
                link.symlink_to(path.resolve())


def disturb(
    command: list[str], out: Path, expected: list[str], length_s: float, options: argparse.Namespace
) -> bool:
    """Kill trainings until all kills are spent; say whether one of them ended otherwise."""
    generator = np.random.default_rng(options.seed)
    kills, trainings, wrong = 0, 0, False
    while kills < options.kills:
        trainings += 1
        model, ended, fresh = out / f"model-{trainings}", False, True
        while kills < options.kills and not ended:
            number = SIGNALS[kills % len(SIGNALS)]
            after_s, at_write, begun = generator.uniform(0, length_s), kills % 2, time.monotonic()
            ended = run_killed([*command, str(model)], model, number, after_s, bool(at_write))
            kills += not ended
            if ended and fresh:
                length_s = time.monotonic() - begun  # the machine is less busy than it was
            fresh = False
        if not ended:
            run([*command, str(model)])
        equal, left = sha256s(model) == expected, left_over(model)
        wrong |= not equal or bool(left)
        print(
            f"{model.name}: weights {'equal' if equal else 'DIFFER'}; left over: {left or 'none'}"
        )
    return wrong


def run(command: list[str]) -> None:
    """Run a training to its end; its words go to this command's stderr."""
    if status := subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL).returncode:
        sys.exit(f"Error: {command[1]} ended with status {status}")


def run_killed(
    command: list[str], model: Path, number: signal.Signals, after_s: float, at_write: bool
) -> bool:
    """Run a training and send it a signal; say whether it had ended before."""
    begun = time.monotonic()
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, preexec_fn=_heed_sigint
    )
    while process.poll() is None:
        passed_s = time.monotonic() - begun
        writes = at_write and any(name.endswith(f".{process.pid}.part") for name in files(model))
        if passed_s >= after_s and writes == at_write:
            process.send_signal(number)
            if process.wait() == 0:
                return True
            how = f"{number.name}{' while writing' if at_write else ''} after {passed_s:.1f} s"
            shown = ", ".join(files(model)) or "nothing"
            print(f"{model.name}: {how}, status {process.returncode}, left: {shown}", flush=True)
            return False
        time.sleep(0.0005 if passed_s >= after_s else 0.02)
    if process.returncode:
        sys.exit(f"Error: {command[1]} ended with status {process.returncode}")
    return True


def _heed_sigint() -> None:
    """Let SIGINT interrupt: what a shell starts in the background ignores it, children too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def files(folder: Path) -> list[str]:
    """Name the files in and below a folder that another process may be changing."""
    return sorted(name for _, _, names in os.walk(folder) for name in names)


def sha256s(model: Path) -> list[str]:
    """Name the weights of all lead sets."""
    return [trained.sha256 for trained in read_model(model).lead_sets]


def left_over(model: Path) -> list[str]:
    """Name the files that a finished model folder should not hold."""
    known = ("model.json", "history.tsv", "problems.tsv", "training.png")
    weights = {trained.file for trained in read_model(model).lead_sets}
    return [name for name in files(model) if name not in {*known, *weights}]


if __name__ == "__main__":
    main()
