"""Scores of the marks of a network of HeartlyAI 2021: waves as of LUDB, beats as of MIT-BIH."""

from collections.abc import Iterable, Mapping

import numpy as np

from ecg.annotation_files import BEATS_EXTENSION, read_marks
from ecg.annotations import Annotations
from ecg.records import Record
from holter.cases import marked_classes
from holter.classifier import CLASSES
from holter.validation import Agreement, agreement
from models.delineator import mark
from models.segmenter import Segmenter
from scoring.waves import Comparison, compare, pooled


def score_waves(segmenter: Segmenter, records: Iterable[Record]) -> Comparison:
    """Score the marks of each lead that has marks, all leads together."""
    leads = []
    for record in records:
        reference = record.annotations()
        found = mark(segmenter, record).by_lead
        for lead, waves in zip(record.leads, found, strict=True):
            if reference is not None and (reference.waves.leads == lead).any():
                marks = Annotations(record.fs, waves=waves)
                leads.append(compare(reference, marks, record.samples, lead))
    return pooled(leads)


def score_beats(pairs: Iterable[tuple[Segmenter, Record]]) -> Mapping[str, Agreement]:
    """Score the classes S and V at a network's own R peaks; one count per record.

    A peak has the class of the marked beat within 150 ms.  Fusion and unclassifiable beats count
    neither way, nor do peaks in ventricular flutter; a missed beat is a miss.
    """
    truths, labels = [], []
    for segmenter, record in pairs:
        beats = mark(segmenter, record).beats
        marks = read_marks(f"{record.stem}.{BEATS_EXTENSION}")
        truths.append(marked_classes(marks, beats.samples, record.fs))
        labels.append(np.array([CLASSES.index(symbol) for symbol in beats.symbols], int))
    return {name: agreement(truths, labels, name) for name in CLASSES[1:]}
