"""Runs: what every experiment trains and answers with, the Challenge's own commands in folders.

DATA is a folder of labelled records with a table of folds; RUNS gets the data folders that runs see
(`data/`, links into DATA), what is prepared of them (`cache/`), and the runs.  All of it is made
where it is not there yet, so an interrupted experiment goes on where it was, and several processes
may make the same folder: the first one to end gives it its name.
"""

import csv
import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from datasets.reference import FILE as REFERENCE
from datasets.reference import read_reference
from datasets.sources import source_of
from ecg import LeadwiseError
from ecg.files import atomic_write
from ecg.leads import LEAD_SETS
from ecg.records import find_headers
from training.splits import read_folds

ROOT = Path(__file__).resolve().parent.parent
SUBMISSION = Path(__file__).with_name("submission2017.txt")
PR_SET_PDEATHSIG = 1  # Linux, prctl(2): the signal that a process gets when its parent dies
# Looked up here, for between fork and exec no library should be loaded.
_PRCTL = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

Folds = Mapping[str, tuple[str, str]]  # record → fold, patient; as in `training.splits`


def by_table(data: Path) -> Folds:
    """Read a data folder's own table of folds.

    Raises
    ------
    LeadwiseError
        There is none.
    """
    folds = read_folds(data)
    if not folds:
        raise LeadwiseError(
            f"{data}: has no folds.tsv (record, fold, patient), which says what to train on"
        )
    return folds


def by_source(data: Path) -> Folds:
    """Take each source for a fold; patients are those of the table, where there is one."""
    patients = {name: patient for name, (_, patient) in read_folds(data).items()}
    names = (header.stem for header in find_headers(data)[0])
    return {name: (source_of(name), patients.get(name, name)) for name in names}


def by_class(data: Path) -> Folds:
    """Deal the records of a REFERENCE.csv to ten folds, 0 to 9, each class evenly.

    Raises
    ------
    LeadwiseError
        There is no such table.
    """
    letters, _ = read_reference(data / REFERENCE)
    names = [header.stem for header in find_headers(data)[0] if header.stem in letters]
    dealt = np.random.default_rng(0).permutation(sorted(names))
    by_letter = sorted(dealt, key=letters.__getitem__)  # stable: each class is in drawn order
    return {str(name): (str(at % 10), str(name)) for at, name in enumerate(by_letter)}


def by_submission(data: Path) -> Folds:
    """Set aside what Reich & Kruk's second split does: `held`, of 500 records the 411 public ones.

    Raises
    ------
    LeadwiseError
        There is no REFERENCE.csv.
    """
    held = set(SUBMISSION.read_text(encoding="utf-8").split())
    dealt = by_class(data)
    return {name: ("held" if name in held else "fit", name) for name in dealt}


FOLDS: Mapping[str, Callable[[Path], Folds]] = {
    "table": by_table, "source": by_source, "class": by_class, "submission": by_submission,
}  # fmt: skip


def place(runs: Path, folds: tuple[str, ...], records: int | None = None) -> Path:
    """Name the data folder of some folds."""
    return runs / "data" / f"folds-{'-'.join(folds)}{f'-{records}' if records else ''}"


def folder(
    data: Path, runs: Path, folds: tuple[str, ...], records: int | None = None, *,
    whole: tuple[str, ...] = (), by: str = "table",
) -> Path:  # fmt: skip
    """Make a data folder of some folds by links.

    Parameters
    ----------
    folds : tuple of str
        In the order in which the folder names them.
    records : int, optional
        The first so many, but for folds that are `whole`.
    by : str
        Which of `FOLDS` says what fold a record is in.

    Raises
    ------
    LeadwiseError
        No record is in these folds, or RUNS holds links to another DATA.
    """
    made = place(runs, folds, records)
    _check_origin(data, runs)
    if made.exists():
        return made
    known = FOLDS[by](data)
    names = [name for name, (fold, _) in known.items() if fold in folds]
    limited = [name for name in names if known[name][0] not in whole]
    kept = [*limited[:records], *(name for name in names if known[name][0] in whole)]
    if not kept:
        raise LeadwiseError(f"{data}: no record is in the folds {', '.join(folds)}")
    headers = {header.stem: header for header in find_headers(data)[0]}
    draft = made.with_suffix(f".{os.getpid()}.part")
    draft.mkdir(parents=True)
    for name in kept:
        if name not in headers:
            raise LeadwiseError(f"{data}: the table of folds names {name}, which is not there")
        for path in (headers[name], headers[name].with_suffix(".mat")):
            (draft / path.name).symlink_to(path.resolve())
    rows = ["\t".join((name, *known[name])) for name in kept]
    (draft / "folds.tsv").write_text("\n".join(["record\tfold\tpatient", *rows]) + "\n")
    if (data / REFERENCE).exists():
        letters, _ = read_reference(data / REFERENCE)
        with open(draft / REFERENCE, "w", newline="", encoding="utf-8") as table:
            csv.writer(table).writerows((name, letters[name]) for name in kept if name in letters)
    return settled(draft, made)


def _check_origin(data: Path, runs: Path) -> None:
    """See that RUNS belongs to this DATA: folders of the same folds would be mistaken."""
    note = runs / "data" / "made-of"
    if not note.exists():
        note.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(note) as draft:
            draft.write_text(f"{data}\n")
    if (before := note.read_text().strip()) != str(data):
        raise LeadwiseError(f"{runs}: holds runs on {before}, not on {data}; choose another RUNS")


def settled(draft: Path, made: Path) -> Path:
    """Give a folder its name, unless another process has made the same one meanwhile."""
    try:
        draft.rename(made)
    except OSError:
        if not made.exists():
            raise
        shutil.rmtree(draft)
    return made


def reduced(whole: Path, size: int) -> Path:
    """Make a data folder with the leads of a lead set of one with all twelve, or its only one."""
    made = whole.with_name(f"{whole.name}-of-{size}-leads")
    if size in (1, 12) or made.exists():
        return whole if size in (1, 12) else made
    draft = made.with_suffix(f".{os.getpid()}.part")
    command("extract_leads_wfdb.py", "-i", whole, "-o", draft, "-l", *LEAD_SETS[size])
    return settled(draft, made)


def trained(model: Path, records: Path, **settings: object) -> None:
    """Train a model that is not trained yet, or go on with it; settings as `LEADWISE_…` names."""
    if not (model / "model.json").exists() or (model / "state").exists():
        command("train_model.py", records, model, **settings)


def answered(outputs: Path, model: Path, records: Path) -> None:
    """Let a model answer a folder of records that it has not answered yet."""
    if not outputs.exists():
        draft = outputs.with_suffix(".part")
        shutil.rmtree(draft, ignore_errors=True)
        command("run_model.py", model, records, draft)
        draft.rename(outputs)


def command(*words: object, **settings: object) -> None:
    """Run one of our commands.

    It ends with the process that waits for it: a training that goes on after its worker was killed
    would be in the way of the one that takes its place.

    Raises
    ------
    LeadwiseError
        It failed; what it said stands above.
    """
    environment = {**os.environ, **{name: str(value) for name, value in settings.items()}}
    ended = subprocess.run(
        [sys.executable, *map(str, words)], cwd=ROOT, env=environment, preexec_fn=_end_with_parent
    )
    if ended.returncode:
        raise LeadwiseError(f"{words[0]} ended with status {ended.returncode}")


def _end_with_parent() -> None:
    """Have the kernel kill this process when its parent dies; other systems than Linux do not."""
    if _PRCTL:
        _PRCTL(PR_SET_PDEATHSIG, signal.SIGKILL)
