"""P waves of a delineation network as further numbers of malt-leadwise: what they bring on DS1.

    python -m benchmarks.beat_p MITDB MODEL

MITDB is the folder of the WFDB records, MODEL a model folder of HeartlyAI 2021 that was trained
without MIT-BIH and QTDB, which has excerpts of it.  Both rows are without simulated rhythms and
without turned leads, since the network does not read these.  Folds are by patient, with three
seeds.  The table is written into docs/results/holter.md.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.beat_classes import AGREEMENT, NONE, RESULTS, SEEDS, of, predict
from benchmarks.common import parse_options, run, table_lines
from docs.generate import write_tables
from ecg.annotations import P
from ecg.progress import log
from ecg.records import Record, read_record
from holter.cases import Case
from holter.growing import grow
from holter.numbers import NAMES
from holter.table import read_table
from holter.training import read_cases
from holter.validation import cross_validate
from models.model import Model
from models.segmenter import Segmenter

PR_S, EARLIER_S = (0.36, 0.048), 0.8  # before the R peak: where P is sought, and earlier
SEEN = 0.3  # probability from which the place of a P wave counts


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


def with_p(folder: Path, case: Case, segmenter: Segmenter) -> Case:
    """Add the numbers of P to those of the beats."""
    record = read_record(folder / f"{case.name}.hea")
    probability, fs = p_probability(segmenter, record)
    peaks = np.rint(read_table(record).peaks * fs / record.fs).astype(int)
    numbers = np.concatenate([case.beats.numbers, p_numbers(probability, fs, peaks)], axis=1)
    genuine = case.patient.genuine._replace(numbers=numbers)
    nothing = NONE._replace(numbers=np.zeros((0, numbers.shape[1]), np.float32))
    patient = case.patient._replace(genuine=genuine, simulated=nothing, turned=nothing)
    return case._replace(beats=case.beats._replace(numbers=numbers), patient=patient)


def rows(cases: Sequence[Case]) -> Iterator[list[str]]:
    """Cross-validate without and with the numbers of P, which are the last ones."""
    for title, count in (("without P", len(NAMES)), ("with P", cases[0].beats.numbers.shape[1])):
        columns, seeds = np.arange(count), []
        for seed in range(SEEDS):
            log(f"{title}, seed {seed}")
            models = cross_validate(cases, seed, lambda some, own: grow(some, own, columns))  # noqa: B023
            seeds.append(predict(cases, models))
        yield [title, *of(cases, seeds)]


def main() -> None:
    """Run the command."""
    options = parse_options(__doc__, "mitdb", "model")
    segmenter = Segmenter(Model.load(options.model))
    cases = [with_p(options.mitdb, case, segmenter) for case in read_cases(options.mitdb)]
    write_tables(RESULTS, {"holter-p": table_lines(("numbers", *AGREEMENT), rows(cases))})


if __name__ == "__main__":
    sys.exit(run(main))
