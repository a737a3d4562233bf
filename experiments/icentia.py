"""Icentia11k as records for pre-training: crops of 30 to 60 s, each with its class.

    python -m experiments.icentia FOLDER OUT [--crops 4] [--patients FIRST:LAST …] [--seed 0]
    LEADWISE_RECIPE=dualnet-icentia python train_model.py OUT MODEL --validation 1 --epochs 5
    LEADWISE_RECIPE=dualnet-xl python train_model.py TRAINING2017 MODEL2017 --init-from MODEL

FOLDER is PhysioNet's version 1.0, whole or in part: `p00/p00000/p00000_s00.hea`, `.dat` and `.atr`.
OUT gets one folder per patient: one single-lead record per crop, the crops' origins (`crops.tsv`),
and warnings and errors (`problems.tsv`).  Finally folds.tsv is written: patients from 10,000 on are
the validation fold 1, the others the training fold 0.  The same command resumes an interrupted run.

Reich & Kruk draw a new crop per segment in each of 20 epochs.  Here `--crops` per segment are drawn
once, because the cache holds each record once; with four crops an epoch has as many steps as four
of theirs.  Two of their faults are corrected.  Their crops were 1.44 times as long as intended and
then cut, but labelled by the whole; ours have the intended length.  Their onsets were the same in
all segments and epochs; ours are drawn per patient and segment.  Validation crops do not depend on
the seed.
"""

import argparse
import csv
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datasets.icentia import class_of, read_segment
from ecg import LeadwiseError
from ecg.files import atomic_write, make_folder
from ecg.headers import Message
from ecg.labels import ICENTIA, class_name
from ecg.leads import SINGLE
from ecg.lock import locked
from ecg.parallel import map_in_order
from ecg.progress import log, progress_bar, quiet_pipe
from ecg.records import read_record, write_record
from experiments.runs import check_note, settled
from training.data import log_problems
from training.run import write_problems
from training.settings import read_settings, workers_of
from training.state import generator_of

PATIENTS = 11_000
FIRST_VALIDATION = 10_000  # Reich & Kruk: 0 to 9,999 to train, 10,000 to 10,999 to validate
CROP_S = (30.0, 60.0)  # the intended lengths
TRAINING, VALIDATION = "0", "1"  # folds
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
    """Draw crops of a segment: length, then onset, both uniformly.

    With more crops the first ones are the same.

    Raises
    ------
    LeadwiseError
        The segment is shorter than a crop.
    """
    least, most = (round(seconds * fs) for seconds in CROP_S)
    if samples < least:
        raise LeadwiseError(f"lasts {samples / fs:.1f} s, but a crop at least {CROP_S[0]:g} s")
    for _ in range(crops):
        length = int(generator.integers(least, min(most, samples) + 1))
        onset = int(generator.integers(samples - length + 1))
        yield onset, onset + length


def patient_of(folder: Path) -> int:
    """Read a patient's number from the name of the folder, p00012."""
    return int(folder.name[1:])


def draw_patient(folder: Path, *, out: Path, crops: int, seed: int) -> list[Message]:
    """Write the crops of a patient's segments, unless they exist; return what is left out."""
    target = out / folder.parent.name / folder.name
    if target.exists():
        return []
    headers = sorted(folder.glob("*.hea"))
    if not headers or not any(folder.glob("*.atr")):  # without annotations segments have no class
        text = "no .hea file or no .atr file; download the folder again"
        return [Message(folder.name, "incomplete folder", text)]
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
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
    settled(draft, target)
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
        raise LeadwiseError("; ".join(message.text for message in reading.unusable))
    samples = reading.signal.shape[1]
    marks = read_segment(record.stem, samples)
    warnings += [*record.header.warnings, *reading.warnings]
    if not len(marks.beats):  # 1.5 % of the published segments have no .atr file
        text = "no .atr file or no beat in it: crops have the class no class"
        warnings.append(Message(record.name, "no beats marked", text))
    validation = patient_of(header.parent) >= FIRST_VALIDATION
    generator = generator_of(0 if validation else seed, "crops", record.name)
    for number, (onset, offset) in enumerate(draw(samples, record.fs, crops, generator)):
        name, crop = f"{record.name}_c{number}", reading.signal[:1, onset:offset]
        if np.ptp(np.nan_to_num(crop)) == 0:
            warnings.append(Message(name, "flat crop", "is flat and left out"))
            continue
        code = class_of(marks, onset, offset)
        # An electrode's offset can exceed the file's range of ±32.7 mV.
        write_record(to, name, crop - np.nanmedian(crop), [SINGLE], record.fs, codes=[code])
        yield Crop(name, record.name, onset, offset, code)


def draw_all(
    folder: Path, out: Path, patients: Sequence[range], crops: int, seed: int, workers: int
) -> None:
    """Draw the crops of patients and write the folds of all that exist.

    Raises
    ------
    LeadwiseError
        No patient exists, OUT holds other crops, or another process draws them.
    """
    numbers = sorted(set(chain(*patients)))
    paths = [folder / f"p{number // 1000:02d}" / f"p{number:05d}" for number in numbers]
    existing = [path for path in paths if path.is_dir()]
    if not existing:
        raise LeadwiseError(
            f"{folder}: holds none of these patients ({paths[0].relative_to(folder)}, …); "
            "is it Icentia11k's WFDB release?"
        )
    if len(existing) < len(paths):
        log(f"Note: {len(paths) - len(existing)} of {len(paths)} patients are missing.")
    make_folder(out)
    with locked(out / ".lock", "draws crops here; wait for it"):
        check_note(out / "drawn", f"{crops} crops a segment, seed {seed}", out, "OUT")
        for draft in out.glob("p*/.p*.part"):  # of processes that were killed
            shutil.rmtree(draft)
        work = partial(draw_patient, out=out, crops=crops, seed=seed)
        left_out: list[Message] = []
        with progress_bar("drawing", len(existing), "patient") as shown:
            for messages in map_in_order(work, existing, workers):
                left_out += messages
                shown.update()
        log_problems(left_out, ())
        write_folds(out)


def write_folds(out: Path) -> None:
    """Write folds.tsv and print the number of crops per fold and class."""
    counts: Counter[tuple[str, str]] = Counter()
    with atomic_write(out / "folds.tsv") as draft, open(draft, "w", encoding="utf-8") as folds:
        folds.write("record\tfold\tpatient\n")
        for table in sorted(out.glob(f"p*/p*/{TABLE}")):
            patient = table.parent
            fold = VALIDATION if patient_of(patient) >= FIRST_VALIDATION else TRAINING
            with open(table, newline="", encoding="utf-8") as rows:
                for row in csv.DictReader(rows, delimiter="\t"):
                    folds.write(f"{row['record']}\t{fold}\t{patient.name}\n")
                    counts[fold, row["code"]] += 1
    for fold, use in ((TRAINING, "training"), (VALIDATION, "validation")):
        shares = ", ".join(f"{counts[fold, code]} {class_name(code)}" for code in ICENTIA)
        print(f"fold {fold}, {use}: {shares}")


def _patients(text: str) -> range:
    """Read `FIRST:LAST`."""
    try:
        first, last = map(int, text.split(":"))
    except ValueError:
        first = last = 0
    if not 0 <= first < last <= PATIENTS:
        message = f"'{text}' is not FIRST:LAST with numbers from 0 to {PATIENTS}, LAST the larger"
        raise argparse.ArgumentTypeError(message)
    return range(first, last)


@quiet_pipe()
def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    parser.add_argument("out", metavar="OUT", type=Path)
    parser.add_argument(
        "--crops", metavar="N", type=int, default=4,
        help="crops per segment; 4 take 50 GB, and 60 GB in the cache (default: 4)",
    )  # fmt: skip
    parser.add_argument(
        "--patients", metavar="FIRST:LAST", type=_patients, nargs="+", default=[range(PATIENTS)],
        help="patients, LAST excluded: 0:500 10000:10050 (default: 0:11000)",
    )  # fmt: skip
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="(default: 0)")
    options = parser.parse_args(argv)
    if options.crops < 1:
        parser.error("--crops must be at least 1")
    try:
        workers = workers_of(read_settings())
        draw_all(
            options.folder, options.out, options.patients, options.crops, options.seed, workers
        )
    except BrokenPipeError:
        raise  # to quiet_pipe
    except (LeadwiseError, OSError) as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
