"""Runs: data folders of folds, and the Challenge's own commands run on them.

DATA is a folder of labelled records with a table of folds.  RUNS gets folders of links into DATA
(`data/`) and prepared signals (`cache/`).  Each function creates only what is missing, so that an
interrupted study can be resumed.  Several processes may create the same folder; that of the first
one to finish is used.
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
from ecg.annotation_files import annotation_files
from ecg.files import atomic_write
from ecg.folders import find_headers
from ecg.leads import LEAD_SETS
from ecg.records import read_record
from training.soft import FILE as SOFT
from training.splits import read_folds

ROOT = Path(__file__).resolve().parent.parent
SUBMISSION = Path(__file__).with_name("submission2017.txt")
PR_SET_PDEATHSIG = 1  # Linux, prctl(2): the signal that a process gets when its parent dies
# Loaded here, because loading a library between fork and exec is unsafe.
_PRCTL = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

Folds = Mapping[str, tuple[str, str]]  # record → fold, patient; as in `training.splits`


def by_table(data: Path) -> Folds:
    """Read a data folder's own table of folds.

    Raises
    ------
    LeadwiseError
        The folder has no table.
    """
    folds = read_folds(data)
    if not folds:
        raise LeadwiseError(
            f"{data}: has no folds.tsv (record, fold, patient), which defines the folds"
        )
    return folds


def by_source(data: Path) -> Folds:
    """Make one fold per source; patients come from the table, if it exists."""
    patients = {name: patient for name, (_, patient) in read_folds(data).items()}
    names = (header.stem for header in find_headers(data)[0])
    return {name: (source_of(name), patients.get(name, name)) for name in names}


def by_class(data: Path) -> Folds:
    """Divide the records of a REFERENCE.csv into ten folds, 0 to 9, stratified by class.

    Raises
    ------
    LeadwiseError
        The folder has no such table.
    """
    letters, _ = read_reference(data / REFERENCE)
    names = [header.stem for header in find_headers(data)[0] if header.stem in letters]
    shuffled = np.random.default_rng(0).permutation(sorted(names))
    by_letter = sorted(shuffled, key=letters.__getitem__)  # stable: classes keep the drawn order
    return {str(name): (str(index % 10), str(name)) for index, name in enumerate(by_letter)}


def by_submission(data: Path) -> Folds:
    """Divide as Reich & Kruk's second split: `held` has the 411 public ones of its test records.

    Raises
    ------
    LeadwiseError
        The folder has no REFERENCE.csv.
    """
    held = set(SUBMISSION.read_text(encoding="utf-8").split())
    return {name: ("held" if name in held else "fit", name) for name in by_class(data)}


FOLDS: Mapping[str, Callable[[Path], Folds]] = {
    "table": by_table, "source": by_source, "class": by_class, "submission": by_submission,
}  # fmt: skip


def fold_path(runs: Path, folds: tuple[str, ...], records: int | None = None) -> Path:
    """Name the data folder of some folds."""
    return runs / "data" / f"folds-{'-'.join(folds)}{f'-{records}' if records else ''}"


def fold_folder(
    data: Path, runs: Path, folds: tuple[str, ...], records: int | None = None, *,
    whole: str = "", by: str = "table",
) -> Path:  # fmt: skip
    """Make a data folder of some folds from links.

    Parameters
    ----------
    folds : tuple of str
        The folder's name has them in this order.
    records : int, optional
        Link the first so many records, and all of the fold `whole`.
    by : str
        Key of `FOLDS`.

    Raises
    ------
    LeadwiseError
        No record is in these folds, or RUNS belongs to another DATA.
    """
    target = fold_path(runs, folds, records)
    (runs / "data").mkdir(parents=True, exist_ok=True)
    check_note(runs / "data" / "made-of", str(data), runs, "RUNS", "runs on ")
    if target.exists():
        return target
    known = FOLDS[by](data)
    names = [name for name, (fold, _) in known.items() if fold in folds]
    limited = [name for name in names if known[name][0] != whole]
    chosen = [*limited[:records], *(name for name in names if known[name][0] == whole)]
    if not chosen:
        raise LeadwiseError(f"{data}: no record is in the folds {', '.join(folds)}")
    headers = {header.stem: header for header in find_headers(data)[0]}
    draft = target.with_suffix(f".{os.getpid()}.part")
    draft.mkdir(parents=True)
    for name in chosen:
        if name not in headers:
            raise LeadwiseError(f"{data}: has no record {name}, which the table of folds lists")
        for path in files_of(headers[name]):
            (draft / path.name).symlink_to(path.resolve())
    rows = ["\t".join((name, *known[name])) for name in chosen]
    text = "\n".join(["record\tfold\tpatient", *rows]) + "\n"
    (draft / "folds.tsv").write_text(text, encoding="utf-8")
    if (data / SOFT).exists():
        shutil.copy(data / SOFT, draft)
    if (data / REFERENCE).exists():
        letters, _ = read_reference(data / REFERENCE)
        with open(draft / REFERENCE, "w", newline="", encoding="utf-8") as table:
            csv.writer(table).writerows((name, letters[name]) for name in chosen if name in letters)
    return settled(draft, target)


def files_of(header: Path) -> list[Path]:
    """List the existing files of a record: header, signals, segments, annotations."""
    names = {header.name, f"{header.stem}.mat"}
    segments: list[Path] = []
    try:
        record = read_record(header)
        names |= {*record.header.lines.files}
        names |= {f"{header.stem}.{end}" for end in annotation_files(record.stem, record.leads)}
        segments = [header.with_name(f"{name}.hea") for name, _ in record.header.segments]
    except LeadwiseError:
        pass  # the command that reads the record names it
    paths = [header.with_name(name) for name in sorted(names)]
    return [*filter(Path.exists, paths),
            *(path for each in segments if each.exists() for path in files_of(each))]  # fmt: skip


def check_note(note: Path, content: str, folder: Path, argument: str, kind: str = "") -> None:
    """Write a note on the origin of a folder's files; if it exists, check that it is the same.

    Raises
    ------
    LeadwiseError
        The note has other content: the user must choose another folder for this argument.
    """
    if not note.exists():
        with atomic_write(note) as draft:
            draft.write_text(f"{content}\n", encoding="utf-8")
    if (before := note.read_text(encoding="utf-8").strip()) != content:
        raise LeadwiseError(
            f"{folder}: holds {kind}{before}, not {kind}{content}; choose another {argument}"
        )


def settled(draft: Path, target: Path) -> Path:
    """Rename a folder, or delete it if another process has created the same one."""
    try:
        draft.rename(target)
    except OSError:
        if not target.exists():
            raise
        shutil.rmtree(draft)
    return target


def reduced(whole: Path, size: int) -> Path:
    """Make a data folder with the leads of one lead set; for 12 leads or 1 return `whole`."""
    target = whole.with_name(f"{whole.name}-of-{size}-leads")
    if size in (1, 12) or target.exists():
        return whole if size in (1, 12) else target
    draft = target.with_suffix(f".{os.getpid()}.part")
    command("extract_leads_wfdb.py", "-i", whole, "-o", draft, "-l", *LEAD_SETS[size])
    return settled(draft, target)


def trained(model: Path, records: Path, **settings: object) -> None:
    """Train a model, or resume its training; settings are `LEADWISE_…` variables."""
    if not (model / "model.json").exists() or (model / "state").exists():
        command("train_model.py", records, model, **settings)


def answered(outputs: Path, model: Path, records: Path) -> None:
    """Run a model on a folder of records."""
    if not outputs.exists():
        draft = outputs.with_suffix(".part")
        shutil.rmtree(draft, ignore_errors=True)
        command("run_model.py", model, records, draft)
        draft.rename(outputs)


def command(*words: object, **settings: object) -> None:
    """Run one of our commands; it is killed if this process is, since it would block the next run.

    Raises
    ------
    LeadwiseError
        The command failed; its messages precede this one.
    """
    environment = {**os.environ, **{name: str(value) for name, value in settings.items()}}
    ended = subprocess.run(
        [sys.executable, *map(str, words)], cwd=ROOT, env=environment, preexec_fn=_end_with_parent
    )
    if ended.returncode:
        raise LeadwiseError(f"{words[0]} ended with status {ended.returncode}")


def _end_with_parent() -> None:
    """Ask the kernel to kill this process when its parent dies (Linux only)."""
    if _PRCTL:
        _PRCTL(PR_SET_PDEATHSIG, signal.SIGKILL)
