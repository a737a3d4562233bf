"""Annotated recordings for training: their beats, the marked classes, and simulated variants.

A detected R peak within 150 ms of a marked beat has its class.  Fusion and unclassifiable beats
count neither way, nor do peaks without a beat in ventricular flutter.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ecg.annotation_files import Mark, read_marks
from ecg.annotations import AAMI
from ecg.records import Record, read_record
from holter.classifier import CLASSES, describe_table
from holter.growing import Beats, Patient, odd_intervals
from holter.numbers import FS, Description, describe
from holter.rhythms import Simulated, simulate_rhythms
from holter.table import HALF, BeatTable, read_table
from models.malt2021 import windows
from scoring.beats import TOLERANCE_MS, match

DS1 = (
    "101", "106", "108", "109", "112", "114", "115", "116", "118", "119", "122", "124", "201",
    "203", "205", "207", "208", "209", "215", "220", "223", "230",
)  # fmt: skip # de Chazal et al. 2004
EXTRA, NEITHER = -1, -2  # classes of a peak without a beat, and of one that does not count
REVIEWED_S = 300.0  # the first five minutes
SIMULATIONS, TURNS = 2, 4  # variants of a record with other rhythms, and with other leads
MOST_TURNED = {"odd": 150, "N": 100, "S": 80, "V": 120}  # beats per variant with other leads


class Truth(NamedTuple):
    """What is marked at detected R peaks.

    `classes` has an index of `CLASSES`, `EXTRA` or `NEITHER` per beat; `early` marks beats of the
    first five minutes; `missed` counts marked beats without an R peak, (2, classes), before and
    after five minutes.
    """

    classes: np.ndarray
    early: np.ndarray
    missed: np.ndarray


class Case(NamedTuple):
    """An annotated recording; `classes`, `early` and `missed` are those of `Truth`."""

    name: str
    beats: Description
    classes: np.ndarray
    early: np.ndarray
    missed: np.ndarray
    patient: Patient


def read_case(stem: Path) -> Case:
    """Read a WFDB record with its `.atr`.

    Raises
    ------
    LeadwiseError
        The record or its annotations cannot be read.
    """
    record = read_record(stem.with_suffix(".hea"))
    table = read_table(record)
    truth = marked_classes(read_marks(f"{stem}.atr"), table.peaks, record.fs)
    classes = truth.classes
    beats = describe_table(table)
    generator = generator_of(record)
    rhythms = other_rhythms(record, table, classes, generator)
    simulated = [_simulated(changed, table) for changed in rhythms]
    turned = [_turned(table, classes, generator, single=turn == 0) for turn in range(TURNS)]
    genuine = Beats(beats.numbers, classes)
    patient = Patient(record.name, genuine, _joined(simulated), _joined(turned))
    return Case(record.name, beats, *truth, patient)


def generator_of(record: Record) -> np.random.Generator:
    """Make the generator of a recording's variants, which draws its rhythms first."""
    return np.random.default_rng(list(record.name.encode()))


def marked_classes(marks: Sequence[Mark], peaks: np.ndarray, fs: float) -> Truth:
    """Give detected R peaks the classes of the marked beats, and count the missed ones."""
    samples = np.array([mark.sample for mark in marks if mark.symbol in AAMI], int)
    names = [AAMI[mark.symbol] for mark in marks if mark.symbol in AAMI]
    codes = np.array([CLASSES.index(one) if one in CLASSES else NEITHER for one in names], int)
    pairs = match(samples, peaks, TOLERANCE_MS * fs / 1000)
    classes = np.full(len(peaks), EXTRA)
    classes[in_flutter(peaks, marks)] = NEITHER
    classes[pairs[:, 1]] = codes[pairs[:, 0]]
    lost = codes >= 0
    lost[pairs[:, 0]] = False
    later = (samples >= REVIEWED_S * fs).astype(int)
    missed = np.zeros((2, len(CLASSES)), int)
    np.add.at(missed, (later[lost], codes[lost]), 1)
    return Truth(classes, peaks < REVIEWED_S * fs, missed)


def in_flutter(peaks: np.ndarray, marks: Iterable[Mark]) -> np.ndarray:
    """Mark the peaks between the marks `[` and `]`, bool of shape (peaks,).

    Examples
    --------
    >>> marks = [Mark(100, "N"), Mark(200, "["), Mark(260, "!"), Mark(300, "]"), Mark(400, "V")]
    >>> in_flutter(np.array([100, 210, 290, 400]), marks).tolist()
    [False, True, True, False]
    """
    ends = [(mark.sample, mark.symbol) for mark in marks if mark.symbol in "[]"]
    starts, stops = ([sample for sample, symbol in ends if symbol == side] for side in "[]")
    inside = np.zeros(len(peaks), bool)
    for start, stop in zip(starts, stops, strict=False):
        inside |= (peaks >= start) & (peaks <= stop)
    return inside


def other_rhythms(
    record: Record, table: BeatTable, classes: np.ndarray, generator: np.random.Generator
) -> Iterator[Simulated]:
    """Change the rhythm of a recording, which is then at 250 Hz, `SIMULATIONS` times."""
    from scipy.signal import resample_poly

    ratio = FS / table.fs
    at_250 = resample_poly(np.nan_to_num(record.signal), 1000, round(1000 / ratio), axis=1)
    peaks = np.clip(np.rint(table.peaks * ratio).astype(int), 0, at_250.shape[1] - 1)
    for _ in range(SIMULATIONS):
        yield simulate_rhythms(at_250, peaks, classes, generator)


def _simulated(changed: Simulated, table: BeatTable) -> Beats:
    """Describe the beats after their rhythm was changed."""
    usable = table.usable.mean(axis=0) > 0.5
    beats = describe(changed.peaks, FS, windows(changed.signal, changed.peaks, HALF), usable)
    return Beats(beats.numbers, changed.classes)


def _turned(
    table: BeatTable, classes: np.ndarray, generator: np.random.Generator, single: bool
) -> Beats:
    """Describe some beats in turned leads, as of another heart axis, or in a single lead."""
    leads = len(table.leads)
    turn, _ = np.linalg.qr(generator.normal(size=(leads, leads)))
    turn *= np.exp(generator.normal(0, 0.25, (leads, 1)))
    usable = np.asarray(table.usable.all(axis=0))
    if single:
        turn, usable = np.eye(leads), np.asarray(np.arange(leads) == generator.integers(leads))
    signal = np.einsum("ij,bjt->bit", turn.astype(np.float32), table.windows.astype(np.float32))
    numbers = describe(table.peaks, table.fs, signal, usable).numbers
    odd = odd_intervals(numbers)
    kinds = {"odd": (classes == 0) & odd, "N": (classes == 0) & ~odd}
    kinds |= {name: classes == index for index, name in enumerate(CLASSES) if index}
    rows = np.concatenate(
        [
            generator.permutation(np.flatnonzero(which))[: MOST_TURNED[name]]
            for name, which in kinds.items()
        ]
    )
    return Beats(numbers[rows], classes[rows])


def _joined(parts: list[Beats]) -> Beats:
    numbers, classes = zip(*parts, strict=True)
    return Beats(np.concatenate(numbers), np.concatenate(classes))
