"""P waves of a delineation network as further numbers of malt-leadwise: what they bring on DS1.

    python -m benchmarks.beat_p MITDB MODEL

MITDB is the folder of the WFDB records, MODEL a model folder of HeartlyAI 2021 that was trained
without MIT-BIH and QTDB, which has excerpts of it.  It reads simulated rhythms, too, but not turned
leads, of which only single beats are kept, so all rows are without these.  Folds are by patient,
with three seeds.  The tables are written into docs/results/holter.md.
"""

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.beat_classes import AGREEMENT, RESULTS, SEEDS, Probabilities, of, predict
from benchmarks.common import parse_options, run, table_lines
from docs.generate import write_tables
from ecg.annotations import P
from ecg.progress import log
from ecg.records import Record, read_record, write_record
from holter.cases import Case, generator_of, other_rhythms
from holter.classifier import BeatClassifier
from holter.growing import Beats, grow
from holter.numbers import FS, NAMES
from holter.table import read_table
from holter.training import read_cases
from holter.validation import adapted, cross_validate
from models.model import Model
from models.segmenter import Segmenter

PR_S, EARLIER_S = (0.36, 0.048), 0.8  # before the R peak: where P is sought, and earlier
SEEN = 0.3  # probability from which the place of a P wave counts
GENUINE, RHYTHMS = "genuine beats alone", "and simulated rhythms"
WITHOUT, WITH, BOTH = "without P", "with P", "V with P, N and S without"
Models = dict[tuple[str, str], list[list[BeatClassifier]]]  # by training and numbers; by seed


def p_probability(segmenter: Segmenter, record: Record) -> tuple[np.ndarray, float]:
    """Compute the probability of P, the mean of the leads' mean and largest, and its frame rate."""
    parts: list[np.ndarray] = []
    frames = 0
    for stretch in segmenter.stretches(record):
        first = round(stretch.first * stretch.ratio)  # frames before it are known
        own = stretch.waves[:, P]
        parts.append((own.mean(axis=0) + own.max(axis=0))[frames - first :] / 2)
        frames = first + own.shape[1]
    return np.concatenate(parts), float(stretch.ratio * record.fs)


def p_numbers(probability: np.ndarray, fs: float, peaks: np.ndarray) -> np.ndarray:
    """Describe the P wave of each beat by seven numbers.

    The largest probability before the R peak, its place in s, and the sum in s; the three relative
    to the recording's median; and the largest probability earlier, where a P wave in the T wave
    would be.

    Parameters
    ----------
    probability : np.ndarray of shape (frames,)
    fs : float
        Frames per second.
    peaks : np.ndarray of shape (beats,)
        R peaks, in frames.

    Returns
    -------
    np.ndarray of float32, shape (beats, 7)
    """
    first, last = (-round(each * fs) for each in PR_S)
    near = _around(probability, peaks, first, last)
    earlier = _around(probability, peaks, -round(EARLIER_S * fs), first).max(axis=1)
    largest, place = near.max(axis=1), (near.argmax(axis=1) + first) / fs
    total = near.sum(axis=1) / fs
    own = [largest, place, total]
    usual = [each - np.median(each) for each in own]
    usual[1] = np.where(largest > SEEN, usual[1], 0)
    return np.stack([*own, *usual, earlier], axis=1).astype(np.float32)


def _around(values: np.ndarray, peaks: np.ndarray, first: int, last: int) -> np.ndarray:
    places = np.asarray(peaks)[:, None] + np.arange(first, last)
    return np.asarray(values[places.clip(0, len(values) - 1)])


def p_of(segmenter: Segmenter, record: Record, peaks: np.ndarray) -> np.ndarray:
    """Describe the P waves of a recording with these R peaks, in samples."""
    probability, fs = p_probability(segmenter, record)
    return p_numbers(probability, fs, np.rint(peaks * fs / record.fs).astype(int))


def with_p(folder: Path, case: Case, segmenter: Segmenter) -> Case:
    """Add the numbers of P to those of the beats, and leave out turned leads."""
    record = read_record(folder / f"{case.name}.hea")
    table, patient = read_table(record), case.patient
    numbers = np.concatenate([case.beats.numbers, p_of(segmenter, record, table.peaks)], axis=1)
    rhythms = other_rhythms(record, table, case.classes, generator_of(record))
    with TemporaryDirectory() as name:
        simulated = [
            p_of(segmenter, _written(Path(name), record, each.signal), each.peaks)
            for each in rhythms
        ]
    of_rhythms = np.concatenate([patient.simulated.numbers, np.concatenate(simulated)], axis=1)
    patient = patient._replace(
        genuine=patient.genuine._replace(numbers=numbers),
        simulated=patient.simulated._replace(numbers=of_rhythms),
        turned=Beats(numbers[:0], case.classes[:0]),
    )
    return case._replace(beats=case.beats._replace(numbers=numbers), patient=patient)


def _written(folder: Path, record: Record, signal: np.ndarray) -> Record:
    """Write another signal, of 250 Hz, under the recording's name."""
    write_record(folder, record.name, signal, list(record.leads), FS)
    return read_record(folder / f"{record.name}.hea")


def without_rhythms(case: Case) -> Case:
    """Leave out simulated rhythms."""
    nothing = case.patient.turned
    return case._replace(patient=case.patient._replace(simulated=nothing))


def combined(v: Probabilities, others: Probabilities) -> Probabilities:
    """Take the probability of V from one classifier, and N and S in their ratio from another."""
    result = []
    for one, other in zip(v, others, strict=True):
        rest = other[:, :2] / other[:, :2].sum(axis=1, keepdims=True)
        result.append(np.concatenate([rest * (1 - one[:, 2:]), one[:, 2:]], axis=1))
    return result


def rows(cases: Sequence[Case], models: Models) -> Iterator[list[str]]:
    """Give the rows of each kind of training, and that of both numbers together."""
    found = {title: [predict(cases, seed) for seed in seeds] for title, seeds in models.items()}
    for (kind, title), seeds in found.items():
        yield [f"{kind}, {title}", *of(cases, seeds)]
    both = zip(found[RHYTHMS, WITH], found[RHYTHMS, WITHOUT], strict=True)
    yield [f"{RHYTHMS}, {BOTH}", *of(cases, [combined(*seed) for seed in both])]


def reviewed_rows(cases: Sequence[Case], models: Models) -> Iterator[list[str]]:
    """Give the rows of models that are adapted to five reviewed minutes."""
    found = {}
    for title in (WITHOUT, WITH):
        log(f"five minutes reviewed, {title}")
        found[title] = [
            predict(cases, [adapted(*pair) for pair in zip(cases, seed, strict=True)])
            for seed in models[RHYTHMS, title]
        ]
    both = zip(found[WITH], found[WITHOUT], strict=True)
    found[BOTH] = [combined(*seed) for seed in both]
    for title, seeds in found.items():
        yield [title, *of(cases, seeds, since_review=True)]


def validated(cases: Sequence[Case]) -> Models:
    """Cross-validate without and with the numbers of P, which are the last ones."""
    alone = [without_rhythms(case) for case in cases]
    whole = cases[0].beats.numbers.shape[1]
    models: Models = {}
    for kind, some in ((GENUINE, alone), (RHYTHMS, cases)):
        for title, count in ((WITHOUT, len(NAMES)), (WITH, whole)):
            train = partial(grow, columns=np.arange(count))
            models[kind, title] = []
            for seed in range(SEEDS):
                log(f"{kind}, {title}, seed {seed}")
                models[kind, title].append(cross_validate(some, seed, train))
    return models


def main() -> None:
    """Run the command."""
    options = parse_options(__doc__, "mitdb", "model")
    segmenter = Segmenter(Model.load(options.model))
    cases = [with_p(options.mitdb, case, segmenter) for case in read_cases(options.mitdb)]
    models = validated(cases)
    write_tables(RESULTS, {
        "holter-p": table_lines(("numbers", *AGREEMENT), rows(cases, models)),
        "holter-p-reviewed": table_lines(
            ("five minutes reviewed, from 5:00", *AGREEMENT), reviewed_rows(cases, models)
        ),
    })  # fmt: skip


if __name__ == "__main__":
    sys.exit(run(main))
