"""Windows of single leads that teach the networks of `models.malt2021`.

Network 1 tells beats from artefacts.  Its artefacts are the R peaks of `ecg.beats` that no marked
beat is within 150 ms of, in the recordings and in copies with noise of the MIT-BIH Noise Stress
Test Database, and some places half-way between two beats.  Network 2 tells ventricular beats from
normal and supraventricular ones.  Fusion and unclassifiable beats teach network 1 alone, peaks in
ventricular flutter none.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ecg import LeadwiseError
from ecg.annotation_files import read_marks
from ecg.annotations import AAMI
from ecg.noise import noise_gain
from ecg.records import Record, read_record
from holter.cases import in_flutter, marked_classes
from holter.pair import inputs, usual_ranges
from holter.table import BeatTable, read_table
from models.malt2021 import FS, windows
from scoring.beats import TOLERANCE_MS, match
from simulate import simulate

NOISES = ("em", "ma", "bw")
SNR_DB = (24.0, 12.0, 6.0, 0.0)
STRETCH_S = 120.0  # of one noise at one ratio
HALF_WAY = 40  # every so many intervals give a window between two beats
SIMULATED = (("NSR",), ("SB",), ("PVC",), ("LBBB",), ("RBBB",), ("AF",))
SIMULATED_S, SIMULATED_RECORDS, SIMULATED_NOISE = 60.0, 36, 0.4  # noise: share of the QRS range
ROOT_FROM = 20  # windows: a patient's weight in a class grows with the root of windows + ROOT_FROM


class Examples(NamedTuple):
    """Windows of single leads: float16 (windows, 300), their targets, and groups to weigh by.

    Targets are indices of the network's classes; groups are numbers of patients.
    """

    windows: np.ndarray
    targets: np.ndarray
    groups: np.ndarray


class Marked(NamedTuple):
    """Beats of an annotated recording; `classes`, `early` and `missed` are those of `Truth`.

    `matched` marks R peaks of any marked beat, and `flutter` those in ventricular flutter.
    """

    table: BeatTable
    classes: np.ndarray
    early: np.ndarray
    missed: np.ndarray
    matched: np.ndarray
    flutter: np.ndarray


class Source(NamedTuple):
    """A recording, its noisy copy and the places between beats: all that it can teach."""

    name: str
    clean: Marked
    noisy: Marked
    between: Examples


def read_noise(folder: Path, later: bool = False) -> dict[str, np.ndarray]:
    """Read the first half of each noise, or the later one: mV of shape (2, samples) at 360 Hz.

    Raises
    ------
    LeadwiseError
        A record is missing or cannot be read.
    """
    result = {}
    for name in NOISES:
        signal = read_record(folder / f"{name}.hea").signal
        middle = signal.shape[1] // 2
        result[name] = signal[:, middle:] if later else signal[:, :middle]
    return result


def with_noise(
    record: Record, annotation: Path, stretches: Sequence[tuple[np.ndarray, float]], first_s: float
) -> Record:
    """Add noises to a recording in turn, each for two minutes, at the ratio of WFDB's `nst`.

    Parameters
    ----------
    stretches : sequence of (np.ndarray, float)
        Noise of shape (2, samples) at the rate of the recording, and its ratio in dB.
    first_s : float
        Seconds without noise at the beginning.
    """
    signal, fs = np.nan_to_num(record.signal), record.fs
    marks = [mark.sample for mark in read_marks(str(annotation)) if mark.symbol in AAMI]
    beats, length = np.array(marks, int), round(STRETCH_S * fs)
    noise = np.zeros(signal.shape, np.float32)
    for turn, begin in enumerate(range(round(first_s * fs), signal.shape[1], length)):
        source, ratio = stretches[turn % len(stretches)]
        own = source[: len(signal)]
        samples = min(length, signal.shape[1] - begin)
        piece = np.tile(own, (1, -(-samples // own.shape[1])))
        at = (turn * length) % max(1, piece.shape[1] - samples + 1)
        gain = noise_gain(signal, beats, own, fs, ratio)
        noise[:, begin : begin + samples] = gain[:, None] * piece[:, at : at + samples]
    return in_memory(record, signal + noise)


def in_memory(record: Record, signal: np.ndarray) -> Record:
    """Give a recording another signal in mV, in its own digital units."""
    unit = np.diff(replace(record, recording=np.tile([[0, 1000]], (len(signal), 1))).signal) / 1000
    zero = replace(record, recording=np.zeros((len(signal), 1), np.int16)).signal
    digital = np.rint((signal - zero) / unit).clip(-32767, 32767)
    return replace(record, recording=digital.astype(np.int16))


def read_marked(record: Record, annotation: Path) -> Marked:
    """Find the beats of a recording and compare them with the marked ones.

    Raises
    ------
    LeadwiseError
        The record or its annotations cannot be read.
    """
    table, marks = read_table(record), read_marks(str(annotation))
    truth = marked_classes(marks, table.peaks, record.fs)
    samples = np.array([mark.sample for mark in marks if mark.symbol in AAMI], int)
    matched = np.zeros(len(table), bool)
    matched[match(samples, table.peaks, TOLERANCE_MS * record.fs / 1000)[:, 1]] = True
    return Marked(table, *truth, matched, in_flutter(table.peaks, marks))


def read_source(stem: Path, noise: dict[str, np.ndarray]) -> Source:
    """Read a WFDB record with its `.atr`, and find the beats of its noisy copy.

    Raises
    ------
    LeadwiseError
        The record or its annotations cannot be read, or its rate is not that of the noise.
    """
    record, annotation = read_record(stem.with_suffix(".hea")), Path(f"{stem}.atr")
    if record.fs != 360:
        raise LeadwiseError(f"{record.name}: has {record.fs:g} Hz; the noises have 360")
    clean = read_marked(record, annotation)
    generator = np.random.default_rng(list(record.name.encode()))
    stretches = [(noise[name], ratio) for ratio in SNR_DB for name in NOISES]
    order = generator.permutation(len(stretches))
    noisy = with_noise(record, annotation, [stretches[index] for index in order], 0)
    peaks = clean.table.peaks[clean.matched]
    half_way = ((peaks[:-1] + peaks[1:]) // 2)[::HALF_WAY]
    table = read_table(record, peaks=half_way)
    rows = table.usable.ravel()
    beside = inputs(table.windows, usual_ranges(table)).reshape(-1, table.windows.shape[2])[rows]
    between = Examples(beside, np.zeros(len(beside), int), np.zeros(len(beside), int))
    return Source(record.name, clean, read_marked(noisy, annotation), between)


def artefact_examples(sources: Sequence[Source]) -> Examples:
    """Collect what network 1 learns from: target 0 for artefacts and 1 for beats."""
    parts = []
    for group, source in enumerate(sources):
        for kind, marked in enumerate((source.clean, source.noisy)):
            known = marked.matched | ~marked.flutter
            parts.append(_windows(marked, known, marked.matched.astype(int), 3 * group + kind))
        between = source.between
        parts.append(between._replace(groups=np.full(len(between.targets), 3 * group + 2)))
    return _joined(parts)


def ventricular_examples(sources: Sequence[Source]) -> Examples:
    """Collect what network 2 learns from: target 1 for V and 0 for N and S."""
    return _joined(
        [
            _windows(source.clean, source.clean.classes >= 0, source.clean.classes == 2, group)
            for group, source in enumerate(sources)
        ]
    )


def simulated_examples(noise: dict[str, np.ndarray], seed: int = 0) -> Examples:
    """Collect simulated beats in genuine noise, and windows of it without a beat."""
    generator, parts = np.random.default_rng(seed), []
    for number in range(SIMULATED_RECORDS):
        one = simulate(
            SIMULATED[number % len(SIMULATED)], seed=(seed, number), duration_s=SIMULATED_S,
            fs=FS, leads=("II", "V1"),
        )  # fmt: skip
        peaks, samples = np.asarray(one.r_peaks), one.signal.shape[1]
        others = generator.integers(0, samples, 2 * len(peaks))
        far = np.abs(others[:, None] - peaks).min(axis=1) > 0.15 * FS
        places = np.concatenate([peaks, others[far]])
        source = noise[NOISES[number % len(NOISES)]]
        source = source / source.std(axis=1, keepdims=True)
        begin = generator.integers(source.shape[1] - samples)
        size = np.ptp(one.signal, axis=1, keepdims=True) * SIMULATED_NOISE * generator.random()
        signal = one.signal + size * source[:, begin : begin + samples]
        cut = windows(signal.astype(np.float32), places, 150)
        cut = cut - np.median(cut, axis=2, keepdims=True)
        cut = cut / np.median(np.ptp(cut[: len(peaks), :, 100:200], axis=2), axis=0)[:, None]
        targets = np.repeat(np.arange(len(places)) < len(peaks), 2).astype(int)
        flat = cut.reshape(-1, cut.shape[2]).astype(np.float16)
        parts.append(Examples(flat, targets, np.full(len(flat), number)))
    return _joined(parts)


def weights(examples: Examples) -> np.ndarray:
    """Give the probability of each window to be drawn; all classes have the same.

    A group with many windows of a class does not decide the class alone.
    """
    _, pairs, counts = np.unique(
        2 * examples.groups + examples.targets, return_inverse=True, return_counts=True
    )
    result = 1 / np.sqrt(counts[pairs] + ROOT_FROM)
    for target in np.unique(examples.targets):
        result[examples.targets == target] /= result[examples.targets == target].sum()
    return np.asarray(result / result.sum())


def _windows(marked: Marked, chosen: np.ndarray, targets: np.ndarray, group: int) -> Examples:
    """Take the usable leads of chosen beats as windows of their own."""
    rows = (marked.table.usable & chosen[:, None]).ravel()
    leads = marked.table.usable.shape[1]
    scaled = inputs(marked.table.windows, usual_ranges(marked.table))
    flat = scaled.reshape(len(rows), scaled.shape[2])[rows]
    return Examples(flat, np.repeat(targets, leads)[rows].astype(int), np.full(len(flat), group))


def _joined(parts: Sequence[Examples]) -> Examples:
    return Examples(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
