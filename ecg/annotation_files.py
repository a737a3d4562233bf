"""Annotation files in WFDB's format.

`NAME.atr` holds beats and rhythms.  Waves are triples, `(` p `)`, `(` N `)` and `(` t `)`, in
`NAME.avr` for the lead aVR (as LUDB has them), in `NAME.all` for all leads together.  The mark `)`
lies on the last sample of a wave or rhythm, whose offset is the sample after it.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ecg import LeadwiseError
from ecg.annotation_bytes import encode
from ecg.annotations import (
    AAMI,
    ABSENT,
    ALL_LEADS,
    Annotations,
    Beats,
    Rhythms,
    Spans,
    Table,
    Waves,
    complete_parts,
    empty,
    known_parts,
)
from ecg.files import atomic_write

BEATS_EXTENSION, WAVES_EXTENSION = "atr", "all"
# `num` of a mark "(" or ")" tells the wave, as ecgpuwave and QTDB's experts write it.
NUMBERED = ("p", "N", "t", "u")
BIPHASIC = 4  # from this `num` of a mark "t" on, a T wave has a second peak: ecgpuwave
# A comment of ours, onset and offset of a part in which all waves are marked; it lies at its end,
# since wfdb reads no comment at sample 0.
_PART = re.compile(r"annotated (\d+):(\d+)")


class Mark(NamedTuple):
    """One annotation of a file: sample number, symbol, `num`, note, and subtype (of noise)."""

    sample: int
    symbol: str
    number: int = 0
    note: str = ""
    subtype: int = 0


@dataclass(frozen=True, eq=False)
class _Marks(Table):
    """Many marks to be written, as columns named as in `Mark`; subtypes are not written."""

    samples: np.ndarray = field(default_factory=empty)
    symbols: np.ndarray = field(default_factory=empty)
    numbers: np.ndarray = field(default_factory=empty)
    notes: np.ndarray = field(default_factory=empty)

    @classmethod
    def of_marks(cls, marks: Iterable[Mark]) -> "_Marks":
        return cls.of(mark[:4] for mark in marks)


def annotation_files(stem: str, leads: Iterable[str]) -> list[str]:
    """List the annotation files of a record by extension: `atr`, `all`, and leads in lower case."""
    known = (BEATS_EXTENSION, WAVES_EXTENSION, *map(str.casefold, leads))
    return [extension for extension in known if os.path.isfile(f"{stem}.{extension}")]


def read_annotations(
    stem: str, leads: Sequence[str], fs: float, samples: int, extensions: Sequence[str]
) -> Annotations:
    """Read annotation files of a record.

    Parameters
    ----------
    stem : str
        Path of the record without an ending.
    leads : sequence of str
        Standard names; a file whose extension is one of them in lower case has waves of this lead.
    fs : float
        Sampling frequency of the record in Hz.
    samples : int
        Length of the record: a rhythm without an end lasts until there.
    extensions : sequence of str
        Of the files to read.

    Returns
    -------
    Annotations
        Where a file does not state the annotated parts, they reach from its first to its last mark.
        Marks other than beats, rhythms and waves are left out.

    Raises
    ------
    LeadwiseError
        A file is missing or cannot be read.
    """
    of_lead = {lead.casefold(): lead for lead in leads}
    beats, rhythms = Beats(), Rhythms()
    waves: list[tuple[int, int, int, str, str]] = []
    spans: list[tuple[int, int, str]] = []
    for extension in extensions:
        lead = of_lead.get(extension, ALL_LEADS)
        marks = read_marks(f"{stem}.{extension}")
        waves_only = extension in (WAVES_EXTENSION, *of_lead)
        if waves_only or any(mark.symbol in "()" or _PART.fullmatch(mark.note) for mark in marks):
            own = waves_of_marks(marks, lead)
            waves += zip(*own, strict=True)
            spans += annotated_parts(marks, own, lead)
        else:
            try:
                beats, rhythms = beats_and_rhythms(marks, samples)
            except LeadwiseError as error:
                raise LeadwiseError(f"{stem}.{extension}: {error}") from None
    return Annotations(fs, beats, waves=Waves.of(waves), rhythms=rhythms, annotated=Spans.of(spans))


def read_marks(path: str) -> list[Mark]:
    """Read the marks of one annotation file.

    Raises
    ------
    LeadwiseError
        The file cannot be read.
    """
    return read_timed_marks(path)[0]


def read_timed_marks(path: str) -> tuple[list[Mark], float | None]:
    """Read the marks of one annotation file, and its rate.

    Returns
    -------
    marks : list of Mark
    fs : float or None
        Hz, of the file or else of the header beside it.

    Raises
    ------
    LeadwiseError
        The file cannot be read.
    """
    import wfdb

    stem, _, extension = path.rpartition(".")
    try:
        read = wfdb.rdann(stem, extension)
    except (OSError, ValueError, IndexError, KeyError, TypeError) as error:
        raise LeadwiseError(f"{path}: wfdb cannot read the annotations: {error}") from error
    notes = [note.rstrip("\0") for note in read.aux_note]  # NUL pads an odd number of letters
    symbols = [str(symbol) for symbol in read.symbol]
    columns = read.sample.tolist(), symbols, read.num.tolist(), notes, read.subtype.tolist()
    return list(map(Mark, *columns)), read.fs


def beats_and_rhythms(marks: Iterable[Mark], samples: int) -> tuple[Beats, Rhythms]:
    """Separate beats and rhythms.

    A rhythm starts with a note `(AFIB` and ends with a note `)`, with the next rhythm, or with the
    recording (`samples`); `(AFIB)` is a rhythm of a single sample.

    Raises
    ------
    LeadwiseError
        A rhythm ends that has not started.

    Examples
    --------
    >>> marks = [Mark(9, "N"), Mark(9, "+", 0, "(N"), Mark(20, "V"), Mark(20, "+", 0, ")")]
    >>> beats, rhythms = beats_and_rhythms(marks, 50)
    >>> beats.samples, rhythms.onsets, rhythms.offsets
    (array([ 9, 20]), array([9]), array([21]))
    """
    beats: list[tuple[int, str]] = []
    rhythms: list[tuple[int, int, str]] = []
    started: tuple[int, str] | None = None
    for sample, symbol, _, note, *_ in marks:
        if symbol in AAMI:
            beats.append((sample, symbol))
        if symbol != "+":
            continue
        if note.startswith("("):
            if started:
                rhythms.append((started[0], sample, started[1]))
            started = sample, note[1:].removesuffix(")")
        if note.endswith(")"):
            if not started:
                raise LeadwiseError(f"at sample {sample} a rhythm ends that has not started")
            rhythms.append((started[0], sample + 1, started[1]))
            started = None
    if started:
        rhythms.append((started[0], samples, started[1]))
    return Beats.of(beats), Rhythms.of(rhythms)


def waves_of_marks(marks: Sequence[Mark], lead: str = ALL_LEADS) -> Waves:
    """Join onsets, peaks and offsets to waves; each of the three may be missing.

    Where `num` of the limits tells the wave, waves of different kinds may overlap.  Where the file
    does not use `num`, as in LUDB, a wave without a peak is left out.

    Examples
    --------
    >>> waves = waves_of_marks([Mark(2, "("), Mark(3, "N"), Mark(5, ")"), Mark(8, "t")])
    >>> waves.onsets, waves.peaks, waves.offsets
    (array([ 2, -1]), array([3, 8]), array([ 6, -1]))
    """
    if any(mark.number or _PART.fullmatch(mark.note) for mark in marks):
        of_kind: dict[str, list[Mark]] = {kind: [] for kind in NUMBERED}
        for mark in marks:
            if mark.symbol in "()" and mark.number < len(NUMBERED):
                of_kind[NUMBERED[mark.number]].append(mark)
            elif kind := _kind_of_peak(mark.symbol):
                of_kind[kind].append(mark)
        rows = [row for kind, own in of_kind.items() for row in _joined(own, kind)]
        rows.sort(key=lambda row: next(one for one in row[:3] if one != ABSENT))
    else:
        rows = [row for row in _joined(marks) if row[3]]
    return Waves.of([(*row, lead) for row in rows])


def _kind_of_peak(symbol: str) -> str:
    """Give the kind of wave of a peak; QTDB has the beat's symbol there."""
    return symbol if symbol in NUMBERED else "N" if symbol in AAMI else ""


def _joined(marks: Iterable[Mark], kind: str = "") -> list[tuple[int, int, int, str]]:
    """Join marks to onset, peak, offset and kind; without a given kind that of the peak, or ""."""
    waves: list[tuple[int, int, int, str]] = []
    complete = True  # whether the next mark starts a new wave
    for sample, symbol, number, *_ in marks:
        onset, peak, offset, own = (ABSENT, ABSENT, ABSENT, kind) if complete else waves[-1]
        if symbol == "(":
            wave, starts, complete = (sample, ABSENT, ABSENT, kind), True, False
        elif symbol == ")":
            wave, starts = (onset, peak, sample + 1, own), complete
            complete = True
        elif of_peak := _kind_of_peak(symbol):
            if peak != ABSENT and of_peak == own == "t" and number >= BIPHASIC:
                continue  # the second peak
            starts = complete or peak != ABSENT
            wave = (ABSENT if starts else onset, sample, ABSENT, of_peak)
            complete = False
        else:
            continue
        if starts:
            waves.append(wave)
        else:
            waves[-1] = wave
    return waves


def annotated_parts(
    marks: Iterable[Mark], waves: Waves, lead: str
) -> Iterator[tuple[int, int, str]]:
    """Give the parts in which all waves are marked: those stated, else first to last mark.

    The latter are divided where a T wave is marked, but no QRS complex before it.
    """
    stated = [part for mark in marks if (part := _PART.fullmatch(mark.note))]
    for part in stated:
        yield int(part[1]), int(part[2]), lead
    if not stated and len(waves):
        firsts, lasts = known_parts(waves)
        for onset, offset in complete_parts(waves, int(firsts.min()), int(lasts.max())):
            yield onset, offset, lead


def write_annotations(
    annotations: Annotations, stem: str | os.PathLike[str], extension: str = BEATS_EXTENSION
) -> list[Path]:
    """Write annotations next to a record, and give the files; see the head of this module.

    Parameters
    ----------
    stem : path
        Path of the record without an ending.
    extension : str
        Of the file of beats and rhythms.

    Raises
    ------
    LeadwiseError
        A beat has a symbol that is none of WFDB's, or a file cannot be written.
    """
    files: list[tuple[str, _Marks]] = []
    if len(annotations.beats) or len(annotations.rhythms):
        files.append((extension, _Marks.of_marks(_beat_marks(annotations))))
    waves, annotated = annotations.waves, annotations.annotated
    for lead in dict.fromkeys([*annotated.leads.tolist(), *waves.leads.tolist()]):
        own, parts = waves.take(waves.leads == lead), annotated.take(annotated.leads == lead)
        marks = _Marks.joined([_Marks.of_marks(_part_marks(parts)), _wave_marks(own)])
        files.append((lead.casefold() or WAVES_EXTENSION, marks))
    paths = [Path(f"{stem}.{ending}") for ending, _ in files]
    for path, (_, marks) in zip(paths, files, strict=True):
        _write_marks(path, marks, annotations.fs)
    return paths


def write_waves(path: str | os.PathLike[str], waves: Waves, fs: float, reason: str) -> None:
    """Write the waves of one file; without waves, a note with the reason.

    Raises
    ------
    LeadwiseError
        The file cannot be written.
    """
    note = [Mark(1, '"', 0, reason)]  # not at sample 0: wfdb reads no comment there
    _write_marks(Path(path), _wave_marks(waves) if len(waves) else _Marks.of_marks(note), fs)


def _beat_marks(annotations: Annotations) -> Iterator[Mark]:
    for sample, symbol in zip(*map(np.ndarray.tolist, annotations.beats), strict=True):
        if symbol not in AAMI:
            raise LeadwiseError(f"'{symbol}' is no beat symbol; known are {' '.join(AAMI)}")
        yield Mark(sample, symbol)
    rhythms = [*zip(*map(np.ndarray.tolist, annotations.rhythms), strict=True), (ABSENT,) * 3]
    for (onset, offset, label), (next_onset, *_) in pairwise(rhythms):
        if offset == onset + 1:
            yield Mark(onset, "+", 0, f"({label})")
            continue
        yield Mark(onset, "+", 0, f"({label}")
        if next_onset != offset:
            yield Mark(offset - 1, "+", 0, ")")


def _wave_marks(waves: Waves) -> _Marks:
    numbers = sum((waves.kinds == kind) * number for number, kind in enumerate(NUMBERED))
    ends = np.where(waves.offsets == ABSENT, ABSENT, waves.offsets - 1)
    samples = np.stack([waves.onsets, waves.peaks, ends], 1).ravel()
    marks = _Marks(
        samples,
        np.stack([np.full(len(waves), "("), waves.kinds, np.full(len(waves), ")")], 1).ravel(),
        np.stack([numbers, np.zeros(len(waves), int), numbers], 1).ravel(),
        np.full(len(samples), ""),
    )
    return marks.take(samples != ABSENT)


def _part_marks(parts: Spans) -> Iterator[Mark]:
    for onset, offset in zip(parts.onsets.tolist(), parts.offsets.tolist(), strict=True):
        yield Mark(max(1, offset - 1), '"', 0, f"annotated {onset}:{offset}")


def _write_marks(path: Path, marks: _Marks, fs: float) -> None:
    """Write one annotation file."""
    ordered = marks.take(np.argsort(marks.samples, kind="stable"))
    samples, symbols, numbers, notes = ordered
    content = encode(samples, symbols, numbers, notes, fs)
    with atomic_write(path) as draft:
        draft.write_bytes(content)
