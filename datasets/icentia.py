"""Icentia11k: beats and rhythms of a segment, and the class of a crop of it.

Tan et al. 2022, doi 10.13026/kk0v-r952, PhysioNet's version 1.0: 11,000 patients, up to 50 segments
of about 70 min each, one lead, 250 Hz, as `p00/p00000/p00000_s00.hea`, `.dat` and `.atr`.  The last
has beats (N, S, V; Q where undefined) and rhythms: `(N`, `(AFIB` or `(AFL` at the first beat of a
rhythm, `)` at its last, `(N)` at its only one.  The 541,794 annotation files have no other notes
(the authors' count, github.com/shawntan/icentia-ecg, physionet/counts.txt).

Noise and undefined rhythms of the first release have no mark of their own: such beats lie outside
all rhythms, and parts without beats have no marks (the authors' converter,
physionet/icentia11k_make_wfdb.py in the same repository).
"""

import os

import numpy as np

from ecg import LeadwiseError
from ecg.annotation_files import BEATS_EXTENSION, read_annotations
from ecg.annotations import Annotations
from ecg.labels import ICENTIA

NONE, NORMAL, FIBRILLATION, FLUTTER = ICENTIA
CLASS_OF = {"N": NORMAL, "AFIB": FIBRILLATION, "AFL": FLUTTER}
FS = 250.0
# Ours: longer than any distance between the last beat of one rhythm and the first of the next.
GAP_S = 3.0


def read_segment(stem: str, samples: int) -> Annotations:
    """Read the annotations of a segment; empty where it has no `.atr` file, as published.

    Parameters
    ----------
    stem : str
        Path of the segment without an ending.
    samples : int
        Its length: a rhythm without an end lasts until there.

    Raises
    ------
    LeadwiseError
        The file cannot be read or has an unknown rhythm.
    """
    if not os.path.isfile(f"{stem}.{BEATS_EXTENSION}"):
        return Annotations(FS)
    marks = read_annotations(stem, (), FS, samples, [BEATS_EXTENSION])
    for onset, _, label in zip(*marks.rhythms, strict=True):
        if label not in CLASS_OF:
            raise LeadwiseError(
                f"{stem}.{BEATS_EXTENSION}: unknown rhythm '{label}' at sample {onset}; known are "
                f"{', '.join(CLASS_OF)}"
            )
    return marks


def class_of(marks: Annotations, onset: int, offset: int) -> str:
    """Give the class of a crop of a segment, from the annotations in that crop alone.

    Any flutter makes it flutter, else any fibrillation fibrillation.  Else it is normal if it has a
    beat, all its beats are in normal rhythm, and no part longer than `GAP_S` is outside normal
    rhythm.  Other crops have no class: noise, undefined rhythm, or no annotations.

    This follows Reich & Kruk's code (ECG-DualNet, 2021) for the marks of the first release, some of
    which version 1.0 lacks: hence `GAP_S`.  Their code makes a crop without annotations normal,
    contrary to their paper.

    Parameters
    ----------
    onset, offset : int
        Samples, half-open.

    Returns
    -------
    str
        Of `ecg.labels.ICENTIA`.
    """
    rhythms = marks.rhythms
    rhythms = rhythms.take((rhythms.onsets < offset) & (rhythms.offsets > onset))
    codes = [CLASS_OF[label] for label in rhythms.labels.tolist()]
    for code in (FLUTTER, FIBRILLATION):
        if code in codes:
            return code
    beats = marks.beats.samples
    beats = beats[(beats >= onset) & (beats < offset)]
    if not codes or not len(beats):
        return NONE
    onsets, offsets = rhythms.onsets.clip(onset), rhythms.offsets.clip(max=offset)
    gaps = np.append(onsets, offset) - np.append(onset, offsets)
    last = np.searchsorted(onsets, beats, side="right") - 1  # rhythm that starts before the beat
    in_rhythm = (last >= 0) & (beats < offsets[last])
    return NORMAL if in_rhythm.all() and gaps.max() <= GAP_S * marks.fs else NONE
