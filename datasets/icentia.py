"""Icentia11k's marks: the beats and rhythms of a segment, and the class of a crop of it.

Tan et al. 2022, doi 10.13026/kk0v-r952, PhysioNet's version 1.0: 11,000 patients, up to 50 segments
of some 70 min each, one lead, 250 Hz, as `p00/p00000/p00000_s00.hea`, `.dat` and `.atr`.  The last
marks beats (N, S, V; Q where undefined) and rhythms: `(N`, `(AFIB` or `(AFL` at the first beat of a
rhythm, `)` at its last, `(N)` at its only one.  No other notes occur in the 541,794 files that have
any (the authors' count, github.com/shawntan/icentia-ecg, physionet/counts.txt).

What the first release marks as noise or as a rhythm that is undefined has no sign of its own: such
beats lie outside all rhythms, and where there was no beat, nothing is left (the authors' converter,
physionet/icentia11k_make_wfdb.py in the same place).
"""

import os
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from ecg import LeadwiseError
from ecg.labels import ICENTIA

BEATS = tuple("NSVQa")  # normal, premature of either kind, undefined, aberrated
NONE, NORMAL, FIBRILLATION, FLUTTER = ICENTIA
CLASS_OF = {"(N": NORMAL, "(AFIB": FIBRILLATION, "(AFL": FLUTTER}
# Ours: so long outside all rhythms is no distance between two beats, of which the first ends one
# rhythm and the second begins the next.
GAP_S = 3.0


class Marks(NamedTuple):
    """What is marked in a segment; rhythms are in order and do not overlap, `[onset, offset)`."""

    beats: np.ndarray  # (beats,) sample numbers
    onsets: np.ndarray  # (rhythms,) sample numbers
    offsets: np.ndarray  # (rhythms,) sample numbers
    codes: np.ndarray  # (rhythms,) str, of `CLASS_OF`


def read_marks(stem: str, samples: int) -> Marks:
    """Read the marks of a segment; there are none where it has no `.atr`, as published.

    Parameters
    ----------
    stem : str
        Path of the segment without an ending.
    samples : int
        Its length: a rhythm without an end lasts until there.

    Raises
    ------
    LeadwiseError
        The wfdb package is missing, or the file cannot be read or names an unknown rhythm.
    """
    if not os.path.isfile(f"{stem}.atr"):
        return marks_of((), (), (), samples)
    try:
        import wfdb
    except ImportError as error:
        raise LeadwiseError(f"{stem}.atr: to read WFDB's annotations: pip install wfdb") from error
    try:
        found = wfdb.rdann(stem, "atr")
    except (OSError, ValueError, IndexError, KeyError, TypeError) as error:
        raise LeadwiseError(f"{stem}.atr: wfdb cannot read the annotations: {error}") from error
    return marks_of(found.sample, found.symbol, found.aux_note, samples)


def marks_of(
    places: Iterable[int], symbols: Iterable[str], notes: Iterable[str], samples: int
) -> Marks:
    """Sort annotations, which come in order of their sample numbers, into beats and rhythms.

    Raises
    ------
    LeadwiseError
        A rhythm is unknown, or ends without having begun.

    Examples
    --------
    >>> found = marks_of([9, 9, 20, 20], ["N", "+", "V", "+"], ["", "(N", "", ")"], 50)
    >>> found.beats, found.onsets, found.offsets
    (array([ 9, 20]), array([9]), array([21]))
    """
    beats: list[int] = []
    onsets: list[int] = []
    offsets: list[int] = []
    codes: list[str] = []
    for place, symbol, note in zip(places, symbols, notes, strict=True):
        if symbol in BEATS:
            beats.append(place)
        if symbol != "+":
            continue
        note = note.rstrip("\0")  # which pads an odd number of letters
        if rhythm := note.removesuffix(")"):
            if rhythm not in CLASS_OF:
                known = ", ".join(CLASS_OF)
                raise LeadwiseError(f"unknown rhythm '{note}' at sample {place}; known are {known}")
            if len(offsets) < len(onsets):
                offsets.append(place)
            onsets.append(place)
            codes.append(CLASS_OF[rhythm])
        if note.endswith(")"):
            if len(offsets) == len(onsets):
                raise LeadwiseError(f"at sample {place} a rhythm ends that has not begun")
            offsets.append(place + 1)
    if len(offsets) < len(onsets):
        offsets.append(samples)
    three = [np.array(each, dtype=np.int64) for each in (beats, onsets, offsets)]
    return Marks(three[0], three[1], three[2], np.array(codes, dtype=str))


def class_of(marks: Marks, onset: int, offset: int, fs: float) -> str:
    """Give the class of a crop of a segment, by what is marked in that crop alone.

    Any flutter makes it flutter, else any fibrillation fibrillation.  Else it is normal if it has a
    beat, all of its beats are of normal rhythm, and it is nowhere longer than `GAP_S` outside
    normal rhythm.  All else is no class: noise, undefined, or not marked.

    So Reich & Kruk's code (ECG-DualNet, 2021) has it for the marks of the first release, of which
    some are lost here: hence `GAP_S`.  It takes a crop without any mark for normal, which is not
    what their paper says.

    Parameters
    ----------
    onset, offset : int
        Samples, half-open.
    fs : float
        In Hz.

    Returns
    -------
    str
        Of `ecg.labels.ICENTIA`.
    """
    within = (marks.onsets < offset) & (marks.offsets > onset)
    for code in (FLUTTER, FIBRILLATION):
        if code in marks.codes[within]:
            return code
    beats = marks.beats[(marks.beats >= onset) & (marks.beats < offset)]
    if not within.any() or not len(beats):
        return NONE
    onsets, offsets = marks.onsets[within].clip(onset), marks.offsets[within].clip(max=offset)
    gaps = np.append(onsets, offset) - np.append(onset, offsets)
    last = np.searchsorted(onsets, beats, side="right") - 1  # the rhythm that began before the beat
    named = (last >= 0) & (beats < offsets[last])
    return NORMAL if named.all() and gaps.max() <= GAP_S * fs else NONE
