"""QTDB: two leads, with P, QRS, T and U waves of some beats marked by experts for both leads.

Laguna et al., CinC 1997;24:673, doi 10.13026/C24K53: 105 records, 250 Hz, excerpts of other data
sets.  Only beats that a program called normal are marked, in one or a few runs per record; T onsets
are marked in less than half of the beats.  Experts marked no P wave in 344 of 2,654 beats and no T
wave in 81; there, these waves are unknown, not absent.  Signal 0 of the records of sudden death
(sel30 to sel52) was delayed by 7 samples, as their headers state, by the authors; their two signals
are simultaneous since (measured: the median lag of their slopes is 0), and stay as they are.
Headers have no codes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from datasets.mitbih import renamed
from ecg.annotation_files import BEATS_EXTENSION, read_annotations
from ecg.annotations import (
    ABSENT,
    ALL_LEADS,
    Annotations,
    Spans,
    Waves,
    complete_parts,
    known_parts,
)
from ecg.headers import Message
from ecg.records import Record, find_records

EXPERT = "q1c"  # first expert, final pass; q2c is the second expert's
# Excerpts of MIT-BIH records whose headers keep 0 mV at 0 instead of 1024, 5.12 mV too high.
OFFSET = ("sel100", "sel102", "sel103", "sel104")
ZERO = 1024
# Ours: QRS complexes further apart than this times their median distance have an unmarked beat
# between them; distances between marked neighbours stay below 1.6, missed beats start at 1.7.
RUN_RATIO = 1.65
COMPLETE = ("pN", "Nt", "tp")  # pairs of waves in a beat of which all waves are marked
# Standard names of similar leads; CC5 and ML5 always accompany CM5.  ECG1 and ECG2 are unknown.
RENAMED = MappingProxyType(
    {"MLII": "II", "D3": "III", "mod.V1": "V1", "CM2": "V2", "CM4": "V4", "CM5": "V5"}
)
SAME_PATIENT = {"sele0122": "sele0121", "sele0126": "sele0124"}


def read_qtdb(
    folder: str | Path, extension: str = EXPERT, rename: Mapping[str, str] = RENAMED
) -> tuple[list[Record], list[Message]]:
    """Read headers and annotations; signals are read when asked for.

    Parameters
    ----------
    extension : str
        Of the file of waves: an expert's, q1c or q2c.
    rename : mapping of str to str
        New names of leads.

    Returns
    -------
    records : list of Record
        By name.  `annotations()` gives the waves, the runs of marked beats without the parts of
        missing waves (`annotated`), and the beats of the source database, where it has any
        (`NAME.atr`).
    problems : list of Message
        What is not among the records, and why.

    Raises
    ------
    LeadwiseError
        The folder does not exist or holds no header, or a file cannot be read.
    """
    records, problems = find_records(folder)
    marked = []
    for record in records:
        if Path(f"{record.stem}.{extension}").is_file():
            marked.append(_marked(renamed(record, rename), extension))
        else:
            problems.append(Message(record.name, "no waves marked", f"no file .{extension}"))
    return marked, problems


def program_waves(record: Record, signal: int) -> Annotations:
    """Read the waves that the program ecgpuwave found in one of the two signals (pu0, pu1).

    Raises
    ------
    LeadwiseError
        The file is missing or cannot be read.
    """
    marks = read_annotations(record.stem, (), record.fs, record.samples, [f"pu{signal}"])
    lead = record.leads[signal]
    leads, parts = np.full(len(marks.waves), lead), np.full(len(marks.annotated), lead)
    return replace(
        marks,
        waves=replace(marks.waves, leads=leads),
        annotated=replace(marks.annotated, leads=parts),
    )


def patient_of(name: str) -> str:
    """Name the patient of a record; an excerpt of MIT-BIH has the number of its record there.

    Examples
    --------
    >>> patient_of("sel102"), patient_of("sele0122"), patient_of("sel30")
    ('102', 'sele0121', 'sel30')
    """
    number = name.removeprefix("sel")
    if number.isdecimal() and len(number) == 3:
        return number
    return SAME_PATIENT.get(name, name)


def _marked(record: Record, extension: str) -> Record:
    files = [extension]
    if Path(f"{record.stem}.{BEATS_EXTENSION}").is_file():
        files.append(BEATS_EXTENSION)
    marks = read_annotations(record.stem, (), record.fs, record.samples, files)
    parts = [
        (*part, ALL_LEADS)
        for run in _runs(marks.waves)
        for part in complete_parts(marks.waves, *run, COMPLETE)
    ]
    header = record.header
    if record.name in OFFSET:
        baselines = (ZERO,) * len(record.leads)
        header = replace(header, lines=header.lines._replace(baselines=baselines))
    return replace(record, header=header, marks=replace(marks, annotated=Spans.of(parts)))


def _runs(waves: Waves) -> Iterator[tuple[int, int]]:
    """Give the runs of marked beats, from the first to the last mark of each, half-open."""
    firsts, lasts = known_parts(waves)
    qrs = np.sort(waves.peaks[(waves.kinds == "N") & (waves.peaks != ABSENT)])
    if len(qrs) < 2:
        if len(waves):
            yield int(firsts.min()), int(lasts.max())
        return
    distances = np.diff(qrs)
    breaks = np.flatnonzero(distances > RUN_RATIO * np.median(distances))
    limits = [0, *((qrs[breaks] + qrs[breaks + 1]) // 2).tolist(), int(lasts.max())]
    for begin, end in zip(limits[:-1], limits[1:], strict=True):
        inside = (firsts >= begin) & (firsts < end)
        yield int(firsts[inside].min()), int(lasts[inside].max())
