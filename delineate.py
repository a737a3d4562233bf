#!/usr/bin/env python
"""Mark P, QRS and T waves and beats of records.

    python delineate.py RECORD_OR_FOLDER… --out FOLDER [--model MODEL] [--rename OLD=NEW,…] [--plot]

For each record it writes NAME.LEAD per lead and NAME.all, the marks of all leads together, as WFDB
annotation files, and NAME.beats.tsv with a row per beat; for all records intervals.tsv.  Folders
below a given folder are kept.  Records that cannot be marked are named and skipped.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from ecg import FAILURES, failure_text
from ecg.annotation_files import BEATS_EXTENSION, WAVES_EXTENSION, write_waves
from ecg.annotations import Annotations, Waves
from ecg.beat_table import (
    RECORD_COLUMNS,
    beat_table,
    beats_text,
    failed_row,
    record_row,
    table_text,
)
from ecg.files import atomic_write, make_folder
from ecg.headers import Message
from ecg.parallel import sleep_while_waiting
from ecg.plots import FORMATS, SHOWN_S, draw_record
from ecg.progress import log, quiet_pipe
from ecg.records import Record, read_record, summarise
from leadwise import WEIGHTS
from training.commands import Job, add_records, exit_status, find_jobs, parse_options
from training.settings import read_settings

if TYPE_CHECKING:
    from models.delineator import Delineation

MODEL = WEIGHTS / "heartly2021"
TAKEN = {"hea", "mat", "dat", "tsv", BEATS_EXTENSION, WAVES_EXTENSION, *FORMATS}
PLAIN = re.compile(r"[a-z0-9_+-]{1,16}")  # endings of files


def delineate(
    paths: Sequence[str], out: Path, model: Path = MODEL, *, plot: bool = False
) -> tuple[list[str], int]:
    """Mark records.

    Returns
    -------
    failed : list of str
        Names of the records without marks.
    records : int
        Number of records.

    Raises
    ------
    LeadwiseError
        A folder is missing, empty, or cannot be written, or the model cannot be loaded.
    """
    jobs, failed = find_jobs(paths, out)
    records = len(jobs) + len(failed)
    make_folder(out)

    sleep_while_waiting()
    from models.delineator import mark  # slow (torch), so only after the checks
    from models.model import Model
    from models.segmenter import Segmenter

    segmenter = Segmenter(Model.load(model))
    rename = read_settings().rename or ()
    rows: list[tuple[str, ...]] = []
    messages: list[Message] = []
    hidden = not sys.stderr.isatty()
    with tqdm(total=len(jobs), unit="record", unit_scale=True, leave=False, disable=hidden) as bar:
        for number, job in enumerate(jobs, 1):
            try:
                record = read_record(job.header, rename)
                marks = mark(segmenter, record, bar.update)
                rows.append(write_marks(record, marks, job))
                messages += marks.messages
                if plot:
                    draw_record(record, job.folder, marks=_annotations(record, marks))
            except FAILURES as error:
                failed.append(job.name)
                text = failure_text(job.header.stem, error)
                rows.append(failed_row(job.name, text.partition(" failed: ")[2]))
                log(text)
            bar.update(number - bar.n)
    for line in summarise(messages):
        log(line)
    with atomic_write(out / "intervals.tsv") as draft:
        draft.write_text(table_text(RECORD_COLUMNS, rows), encoding="utf-8")
    return failed, records


def write_marks(record: Record, marks: "Delineation", job: Job) -> tuple[str, ...]:
    """Write the marks of a record; return its row of intervals.tsv."""
    make_folder(job.folder)
    stem = job.folder / job.header.stem
    endings = [*lead_endings(record.leads), WAVES_EXTENSION]
    every = (*marks.by_lead, marks.fused)
    for ending, waves, reason in zip(endings, every, marks.reasons, strict=True):
        write_waves(f"{stem}.{ending}", waves, record.fs, reason)
    table = beat_table(
        marks.fused, marks.beats, marks.probabilities, marks.gaps, record.fs, record.samples
    )
    with atomic_write(f"{stem}.beats.tsv") as draft:
        draft.write_text(beats_text(table), encoding="utf-8")
    return record_row(job.name, table)


def lead_endings(leads: Sequence[str]) -> list[str]:
    """Give the endings of the files of leads: the names in lower case, else their numbers.

    Examples
    --------
    >>> lead_endings(["aVR", "V1", "ECG", "ECG", "dat", "a/b"])
    ['avr', 'v1', 'ecg', 'lead4', 'lead5', 'lead6']
    """
    endings: list[str] = []
    for number, lead in enumerate(leads, 1):
        own = lead.casefold()
        usable = PLAIN.fullmatch(own) and own not in TAKEN and own not in endings
        endings.append(own if usable else f"lead{number}")
    return endings


def _annotations(record: Record, marks: "Delineation") -> Annotations:
    """Give all marks of a record, to draw them."""
    waves = Waves.joined([*marks.by_lead, marks.fused])
    return Annotations(record.fs, marks.beats, waves=waves)


@quiet_pipe()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        description="Mark P, QRS and T waves and beats of records. Research use, not a medical "
        "device."
    )
    add_records(parser, "NAME.LEAD, NAME.all, NAME.beats.tsv and intervals.tsv")
    parser.add_argument(
        "--model", metavar="MODEL", type=Path, default=MODEL,
        help="model folder of HeartlyAI 2021 (default: weights/heartly2021)",
    )  # fmt: skip
    parser.add_argument(
        "--plot", action="store_true",
        help=f"also draw the first {SHOWN_S:g} s of each record with its marks (NAME.png)",
    )  # fmt: skip
    options = parse_options(parser, argv)
    return exit_status(
        lambda: delineate(options.records, options.out, options.model, plot=options.plot),
        "The marks of some records are missing, and intervals.tsv is not written",
        allow_failures=options.allow_failures,
    )


if __name__ == "__main__":
    sys.exit(main())
