"""Kills: trainings that are killed at random times end with the undisturbed run's weights.

First a training on the first records of a folder runs undisturbed.  Then the same command is killed
(SIGKILL, sometimes SIGTERM or SIGINT) and resumed.  The time of each kill is random within the
undisturbed run's duration; every second kill waits for the next write.  When a training finishes,
its weights are compared, and a new one starts.  All weights must be bit-equal, and no partial file
may remain.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ecg import LeadwiseError
from ecg.folders import find_headers
from experiments.runs import ROOT, files_of
from models.folder import read_model

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGINT)


def run_kills(
    data: Path, out: Path, *, records: int, epochs: int, kills: int, seed: int, leads: str,
    recipe: str,
) -> Iterator[str]:  # fmt: skip
    """Run the experiment and describe each training.

    Raises
    ------
    LeadwiseError
        A training failed, weights differ, or a partial file remains.
    """
    if any(out.glob("model-*")):
        raise LeadwiseError(f"{out}: holds models of another run; choose a new folder")
    link_records(data, out / "data", records)
    command = [
        sys.executable, "train_model.py", str(out / "data"), "--epochs", str(epochs),
        "--leads", leads, "--recipe", recipe,
    ]  # fmt: skip
    started = time.monotonic()
    run([*command, str(out / "model-undisturbed")])
    duration_s = time.monotonic() - started
    expected = sha256s(out / "model-undisturbed")
    yield f"Undisturbed: {duration_s:.0f} s, weights {', '.join(name[:12] for name in expected)}"
    generator, done, trainings, wrong = np.random.default_rng(seed), 0, 0, False
    while done < kills:
        trainings += 1
        model, ended, first = out / f"model-{trainings}", False, True
        while done < kills and not ended:
            number, at_write = SIGNALS[done % len(SIGNALS)], bool(done % 2)
            after_s, started = generator.uniform(0, duration_s), time.monotonic()
            ended = run_killed([*command, str(model)], model, number, after_s, at_write)
            done += not ended
            if ended and first:
                duration_s = time.monotonic() - started  # measured again: the load may have changed
            first = False
        if not ended:
            run([*command, str(model)])
        equal, left = sha256s(model) == expected, left_over(model)
        wrong |= not equal or bool(left)
        weights = "equal" if equal else "DIFFER"
        yield f"{model.name}: weights {weights}; left over: {left or 'none'}"
    if wrong:
        raise LeadwiseError("weights differ or partial files remain; see the lines above")
    yield "All weights are bit-equal, and no partial file remains."


def link_records(source: Path, target: Path, count: int) -> None:
    """Link the first records, and the table of folds."""
    target.mkdir(parents=True, exist_ok=True)
    for header in find_headers(source)[0][:count]:
        for path in (*files_of(header), source / "folds.tsv"):
            link = target / path.name
            if path.exists() and not link.exists():
                link.symlink_to(path.resolve())


def run(command: list[str]) -> None:
    """Run a training to its end; its messages go to this command's stderr."""
    if status := subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL).returncode:
        raise LeadwiseError(f"{command[1]} ended with status {status}")


def run_killed(
    command: list[str], model: Path, number: signal.Signals, after_s: float, at_write: bool
) -> bool:
    """Run a training and send it a signal; return True if it finished before the signal."""
    started = time.monotonic()
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, preexec_fn=_allow_sigint
    )
    while process.poll() is None:
        passed_s = time.monotonic() - started
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
        raise LeadwiseError(f"{command[1]} ended with status {process.returncode}")
    return True


def _allow_sigint() -> None:
    """Restore SIGINT's default; children of a shell's background jobs ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def files(folder: Path) -> list[str]:
    """List the files below a folder that another process may be changing."""
    return sorted(name for _, _, names in os.walk(folder) for name in names)


def sha256s(model: Path) -> list[str]:
    """List the sha256 of all lead sets' weights."""
    return [trained.sha256 for trained in read_model(model).lead_sets]


def left_over(model: Path) -> list[str]:
    """List the files that a finished model folder should not hold."""
    known = ("model.json", "history.tsv", "steps.tsv", "problems.tsv", "training.png")
    weights = {trained.file for trained in read_model(model).lead_sets}
    return [name for name in files(model) if name not in {*known, *weights}]


if __name__ == "__main__":
    from experiments.__main__ import main

    main("kills")
