"""Many recordings: each is analysed once, its files are never replaced unasked."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from ecg import FAILURES, LeadwiseError, failure_text
from ecg.files import make_folder, read_bytes
from ecg.leads import Rename
from ecg.parallel import map_unordered
from ecg.progress import log, progress_bar
from ecg.records import read_record
from holter.analysis import Classifier, Explain, Gate, analyse
from holter.classifier import BeatClassifier, load
from holter.files import write_files
from holter.gate import load_gate
from holter.parts import choose_rows
from holter.report import write_report
from holter.reviewed import with_reviewed
from holter.steps import OF_PAIR, PAIR_FILE, VENTRICULAR
from training.commands import Job

if TYPE_CHECKING:
    from holter.pair import BeatPair


class Settings(NamedTuple):
    """How recordings are analysed.

    Attributes
    ----------
    model : Path
        Folder of `holter.classifier` or of `holter.pair`.
    leads : tuple of str
        Leads to use, by name; () for all.
    rename : tuple of (str, str)
        New names of leads.
    overwrite : bool
        Whether an existing NAME.atr is replaced, and kept as NAME.atr.bak.
    reviewed : Path, optional
        Annotation file of reviewed beats, of the only recording.
    without : tuple of str
        Steps of `holter.steps` that are left out.
    """

    model: Path
    leads: tuple[str, ...] = ()
    rename: Rename = ()
    overwrite: bool = False
    reviewed: Path | None = None
    without: tuple[str, ...] = ()


class Loaded(NamedTuple):
    """A model ready for use; `told` identifies it in the results."""

    classify: Classifier
    gate: Gate | None
    explain: Explain | None
    told: dict[str, str]


def analyse_all(
    jobs: Sequence[Job], settings: Settings, *, processes: int = 1, cluster: str | None = None
) -> list[str]:
    """Analyse recordings that are not finished.

    Parameters
    ----------
    processes : int
        Number of recordings that this machine analyses at once.
    cluster : str, optional
        Address of a Dask scheduler; all paths are the same on its workers.

    Returns
    -------
    list of str
        Names of the recordings that failed.

    Raises
    ------
    LeadwiseError
        The model cannot be loaded, reviewed beats are given for several recordings, or a process
        was killed.
    """
    if settings.reviewed and len(jobs) > 1:
        raise LeadwiseError(
            f"{settings.reviewed}: reviewed beats are of one recording, not of {len(jobs)}; "
            "analyse it alone"
        )
    load_model(settings)  # before any work
    load_gate(settings.model)
    failed = []
    with progress_bar("Holter", len(jobs), "record") as bar:
        here = processes == 1 and not cluster
        work = partial(try_one, settings=settings, advance=bar.update if here else None)
        results = map_unordered(work, jobs, jobs=processes, cluster=cluster)
        for number, (name, text, done) in enumerate(results, 1):
            log(text)
            failed += [name] * (not done)
            bar.update(number - bar.n)
    return failed


def try_one(
    job: Job, settings: Settings, advance: Callable[[float], object] | None = None
) -> tuple[str, str, bool]:
    """Analyse one recording: its name, what to tell, and whether it is finished."""
    try:
        return job.name, f"{job.name}: {analyse_one(job, settings, advance)}", True
    except FAILURES as error:
        return job.name, failure_text(job.name, error), False


def analyse_one(
    job: Job, settings: Settings, advance: Callable[[float], object] | None = None
) -> str:
    """Analyse one recording, write its files, and tell what was found.

    Parameters
    ----------
    advance : callable, optional
        Is told the share of the recording that was done.

    Raises
    ------
    LeadwiseError
        The recording cannot be read, or its files exist already or cannot be written.
    """
    stem = job.folder / job.header.stem
    record = read_record(job.header, settings.rename)
    model = prepare(settings)
    leads = [record.leads[row] for row in choose_rows(record, settings.leads)]
    annotation = Path(f"{stem}.atr")
    if annotation.exists() and not settings.overwrite:
        check_finished(stem, {"model": model.told, "leads": leads})
        return "is finished"

    twice = 2 * max(1, record.samples)
    tell = (lambda samples: advance(samples / twice)) if advance else int
    result = analyse(
        record, model.classify, settings.leads, model=model.told, gate=model.gate,
        explain=model.explain, without=settings.without, advance=tell,
    )  # fmt: skip
    make_folder(job.folder)
    write_report(result, stem)
    if annotation.exists():
        os.replace(annotation, kept_as(annotation))
    write_files(result, stem)
    counts = ", ".join(f"{count:,} {label}" for label, count in result.events.counts.items())
    return f"{len(result):,} beats ({counts}) in {len(result.looks)} clusters"


def load_model(settings: Settings) -> "BeatClassifier | BeatPair":
    """Load the trees, or the pair of networks without the steps that are left out.

    Raises
    ------
    LeadwiseError
        The model cannot be read, or lacks what the settings ask for.
    """
    of_pair = [step for step in settings.without if step in OF_PAIR]
    if not is_pair(settings.model):
        if of_pair:
            raise LeadwiseError(
                f"{settings.model}: is no pair of networks and has no step {of_pair[0]}; leave "
                "it out of --without, or give another --model"
            )
        return load(settings.model)
    if settings.reviewed:
        raise LeadwiseError(
            f"{settings.model}: a pair of networks cannot be adapted to reviewed beats; give a "
            "--model of holter.training, or no --reviewed"
        )
    from holter.pair import load_pair  # with torch

    return load_pair(settings.model).leaving_out(of_pair)


def is_pair(folder: Path) -> bool:
    """Tell whether a model folder is a pair of networks."""
    return (folder / PAIR_FILE).is_file()


def prepare(settings: Settings) -> Loaded:
    """Load the model, adapted by reviewed beats if they are given; and what identifies it.

    Raises
    ------
    LeadwiseError
        Model or annotation file cannot be read, or the model lacks what the settings ask for.
    """
    model = load_model(settings)
    told = {"name": settings.model.resolve().name, "sha256": model.sha256}
    if gate := load_gate(settings.model):
        told["gate"] = gate.sha256
    if settings.without:
        told["without"] = ", ".join(settings.without)
    if settings.reviewed:
        told["reviewed"] = hashlib.sha256(read_bytes(settings.reviewed)).hexdigest()
        reviewed = with_reviewed(cast(BeatClassifier, model), settings.reviewed)
        return Loaded(reviewed, gate, None, told)
    explains = is_pair(settings.model) and VENTRICULAR not in settings.without
    return Loaded(model, gate, cast("BeatPair", model).heat if explains else None, told)


def check_finished(stem: Path, expected: dict[str, object]) -> None:
    """Check that an annotation is ours, of this model and these leads.

    Raises
    ------
    LeadwiseError
        It is not; the message tells how to replace it.
    """
    ask = f"give --overwrite to replace it (kept as {stem.name}.atr.bak), or another --out"
    try:
        told = json.loads(Path(f"{stem}.json").read_text(encoding="utf-8"))
        differ = [name for name, value in expected.items() if told[name] != value]
    except FAILURES as error:
        raise LeadwiseError(
            f"{stem.name}: {stem}.atr exists already and is no result of this command; {ask}"
        ) from error
    if differ:
        raise LeadwiseError(
            f"{stem.name}: {stem}.atr was made with another {' and '.join(differ)}; {ask}"
        )


def kept_as(path: Path) -> Path:
    """Give the name under which a file is kept: NAME.bak, or NAME.bak2 and so on."""
    number = 1
    while (kept := Path(f"{path}.bak{number if number > 1 else ''}")).exists():
        number += 1
    return kept
