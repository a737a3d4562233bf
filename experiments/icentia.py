"""Icentia11k as records for pre-training: crops of 30 to 60 s, each with its class.

    python -m experiments.icentia FOLDER OUT [--crops 4] [--patients FIRST:LAST …] [--seed 0]
    LEADWISE_RECIPE=dualnet-icentia python train_model.py OUT MODEL --validation 1 --epochs 5
    LEADWISE_RECIPE=dualnet-xl python train_model.py TRAINING2017 MODEL2017 --begin MODEL

FOLDER is PhysioNet's version 1.0, whole or in part: `p00/p00000/p00000_s00.hea`, `.dat` and `.atr`.
OUT gets one folder per patient with one single-lead record per crop, the crops' origins
(`crops.tsv`) and warnings and errors (`problems.tsv`), and finally folds.tsv: fold 1, patients from
10,000 on, is for validation, fold 0 for training.  The same command continues an interrupted run.

Reich & Kruk draw one new crop per segment in each of 20 epochs.  Here `--crops` of them are drawn
once, because a training reads its records once, into the cache; with four crops an epoch has as
many steps as four of theirs.  Two of their faults are corrected: crops have the intended length
(theirs were 1.44 times as long, and cut off, but labelled by the whole), and their onsets are drawn
per patient and segment (theirs were the same in all segments and epochs).  Validation crops do not
depend on the seed.
"""

import argparse
import csv
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datasets.icentia import class_of, read_segment
from ecg import LeadwiseError
from ecg.annotations import Annotations
from ecg.files import atomic_write, make_folder
from ecg.headers import Message
from ecg.labels import ICENTIA, class_name
from ecg.leads import SINGLE
from ecg.lock import locked
from ecg.parallel import map_in_order
from ecg.progress import log, progress_bar
from ecg.records import read_record, write_record
from experiments.runs import settled
from training.data import log_problems
from training.run import write_problems
from training.settings import read_settings, workers_of
from training.state import generator_of

PATIENTS = 11_000
FIRST_TO_CHOOSE_ON = 10_000  # Reich & Kruk: 0 to 9,999 to train, 10,000 to 10,999 to validate
CROP_S = (30.0, 60.0)  # what their lengths were meant to be
LEARN, CHOOSE = "0", "1"  # folds
TABLE = "crops.tsv"


class Crop(NamedTuple):
    """A crop of a segment, `[onset, offset)` in samples, and its class."""

    record: str
    segment: str
    onset: int
    offset: int
    code: str


def draw(
    samples: int, fs: float, crops: int, generator: np.random.Generator
) -> Iterator[tuple[int, int]]:
    """Draw crops of a segment: length, then onset, both uniformly; more crops keep the first ones.

    Raises
    ------
    LeadwiseError
        The segment is shorter than a crop.
    """
    least, most = (round(seconds * fs) for seconds in CROP_S)
    if samples < least:
        raise LeadwiseError(f"lasts {samples / fs:.1f} s, and a crop {CROP_S[0]:g} s at least")
    for _ in range(crops):
        length = int(generator.integers(least, min(most, samples) + 1))
        onset = int(generator.integers(samples - length + 1))
        yield onset, onset + length


def patient_of(folder: Path) -> int:
    """Read a patient's number from the name of the folder, p00012."""
    return int(folder.name[1:])


def draw_patient(folder: Path, *, out: Path, crops: int, seed: int) -> list[Message]:
    """Write the crops of a patient's segments, unless they exist; return what is left out."""
    made = out / folder.parent.name / folder.name
    if made.exists():
        return []
    headers = sorted(folder.glob("*.hea"))
    if not headers or not any(folder.glob("*.atr")):  # segments without marks would have no class
        text = "no .hea or no .atr file at all; fetch the folder again"
        return [Message(folder.name, "incomplete folder", text)]
    draft = made.with_name(f".{made.name}.{os.getpid()}.part")
    draft.mkdir(parents=True)
    drawn: list[Crop] = []
    left_out: list[Message] = []
    warnings: list[Message] = []
    for header in headers:
        try:
            drawn += draw_segment(header, draft, crops, seed, warnings)
        except LeadwiseError as error:
            text = str(error).removeprefix(f"{header.stem}: ")
            left_out.append(Message(header.stem, "unusable segment", text))
    with open(draft / TABLE, "w", newline="", encoding="utf-8") as table:
        csv.writer(table, delimiter="\t").writerows([Crop._fields, *drawn])
    write_problems(draft, left_out, warnings)
    settled(draft, made)
    return left_out


def draw_segment(
    header: Path, to: Path, crops: int, seed: int, warnings: list[Message]
) -> Iterator[Crop]:
    """Write the crops of one segment, and collect warnings.

    Raises
    ------
    LeadwiseError
        The segment cannot be read, is too short or flat, or contradicts its header.
    """
    record = read_record(header)
    reading = record.read()
    if reading.unusable:
        raise LeadwiseError("; ".join(remark.text for remark in reading.unusable))
    samples = reading.signal.shape[1]
    marks = read_segment(record.stem, samples)
    warnings += [*record.header.warnings, *reading.warnings, *_unmarked(record.name, marks)]
    chosen_on = patient_of(header.parent) >= FIRST_TO_CHOOSE_ON
    generator = generator_of(0 if chosen_on else seed, "crops", record.name)
    for number, (onset, offset) in enumerate(draw(samples, record.fs, crops, generator)):
        name, crop = f"{record.name}_c{number}", reading.signal[:1, onset:offset]
        if np.ptp(np.nan_to_num(crop)) == 0:
            warnings.append(Message(name, "flat crop", "is flat throughout, and left out"))
            continue
        code = class_of(marks, onset, offset)
        # An electrode's offset can exceed the file's range of ±32.7 mV.
        write_record(to, name, crop - np.nanmedian(crop), [SINGLE], record.fs, codes=[code])
        yield Crop(name, record.name, onset, offset, code)


def _unmarked(name: str, marks: Annotations) -> Iterator[Message]:
    """Warn of a segment without beats: 1.5 % of the published ones have no .atr file."""
    if not len(marks.beats):
        yield Message(name, "no beats marked", "no .atr file, or no beat in it: it is all no class")


def draw_all(
    folder: Path, out: Path, patients: Sequence[range], crops: int, seed: int, workers: int
) -> None:
    """Draw the crops of patients and write the folds of all that exist.

    Raises
    ------
    LeadwiseError
        No patient exists, OUT holds other crops, or another process draws them.
    """
    numbers = sorted({number for some in patients for number in some})
    wanted = [folder / f"p{number // 1000:02d}" / f"p{number:05d}" for number in numbers]
    there = [path for path in wanted if path.is_dir()]
    if not there:
        raise LeadwiseError(
            f"{folder}: holds none of these patients ({wanted[0].relative_to(folder)} and so on); "
            "is it Icentia11k's WFDB release?"
        )
    if len(there) < len(wanted):
        log(f"Note: {len(wanted) - len(there)} of {len(wanted)} patients are not there.")
    make_folder(out)
    with locked(out / ".lock", "draws crops here; let it end"):
        _check_drawing(out, f"{crops} crops a segment, seed {seed}")
        for draft in out.glob("p*/.p*.part"):  # of processes that were killed
            shutil.rmtree(draft)
        work = partial(draw_patient, out=out, crops=crops, seed=seed)
        left_out: list[Message] = []
        with progress_bar("drawing", len(there), "patient") as shown:
            for some in map_in_order(work, there, workers):
                left_out += some
                shown.update()
        log_problems(left_out, ())
        write_folds(out)


def _check_drawing(out: Path, how: str) -> None:
    """Check that the crops in OUT were drawn in the same way."""
    note = out / "drawn"
    if not note.exists():
        with atomic_write(note) as draft:
            draft.write_text(f"{how}\n", encoding="utf-8")
    if (before := note.read_text(encoding="utf-8").strip()) != how:
        raise LeadwiseError(f"{out}: holds {before}, not {how}; choose another OUT")


def write_folds(out: Path) -> None:
    """Write folds.tsv and print the number of crops per fold and class."""
    counts: Counter[tuple[str, str]] = Counter()
    with atomic_write(out / "folds.tsv") as draft, open(draft, "w", encoding="utf-8") as folds:
        folds.write("record\tfold\tpatient\n")
        for table in sorted(out.glob(f"p*/p*/{TABLE}")):
            patient = table.parent
            fold = CHOOSE if patient_of(patient) >= FIRST_TO_CHOOSE_ON else LEARN
            with open(table, newline="", encoding="utf-8") as rows:
                for row in csv.DictReader(rows, delimiter="\t"):
                    folds.write(f"{row['record']}\t{fold}\t{patient.name}\n")
                    counts[fold, row["code"]] += 1
    for fold, use in ((LEARN, "to learn from"), (CHOOSE, "to choose on")):
        shares = ", ".join(f"{counts[fold, code]} {class_name(code)}" for code in ICENTIA)
        print(f"fold {fold}, {use}: {shares}")


def _patients(text: str) -> range:
    """Read `FIRST:LAST`."""
    try:
        first, last = map(int, text.split(":"))
    except ValueError:
        first = last = 0
    if not 0 <= first < last <= PATIENTS:
        said = f"'{text}' is not FIRST:LAST with numbers from 0 to {PATIENTS}, LAST the larger"
        raise argparse.ArgumentTypeError(said)
    return range(first, last)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    parser.add_argument("out", metavar="OUT", type=Path)
    parser.add_argument(
        "--crops", metavar="N", type=int, default=4,
        help="crops a segment; 4 of all segments take 50 GB, and 60 GB in the cache (default: 4)",
    )  # fmt: skip
    parser.add_argument(
        "--patients", metavar="FIRST:LAST", type=_patients, nargs="+", default=[range(PATIENTS)],
        help="which patients, LAST not among them: 0:500 10000:10050 (default: 0:11000)",
    )  # fmt: skip
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="(default: 0)")
    options = parser.parse_args(argv)
    if options.crops < 1:
        parser.error("--crops must be 1 at least")
    try:
        workers = workers_of(read_settings())
        draw_all(
            options.folder, options.out, options.patients, options.crops, options.seed, workers
        )
    except (LeadwiseError, OSError) as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
