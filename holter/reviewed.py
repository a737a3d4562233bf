"""Beats that a person has checked, for example in the first five minutes, adapt the model."""

from pathlib import Path

import numpy as np

from ecg import LeadwiseError
from ecg.annotation_files import read_timed_marks
from ecg.annotations import aami_classes
from holter.analysis import Classifier
from holter.classifier import BeatClassifier, describe_table
from holter.result import CLASSES
from holter.table import BeatTable

MATCH_S = 0.15  # between a beat and its mark, as in ANSI/AAMI EC57


def with_reviewed(model: BeatClassifier, path: Path) -> Classifier:
    """Adapt a model to a patient, and keep the labels of the reviewed beats.

    Parameters
    ----------
    path : Path
        A WFDB annotation file of the same recording, such as `NAME.atr`; marks of other classes
        than N, S and V (AAMI) are not used.

    Raises
    ------
    LeadwiseError
        The file cannot be read, or has no such beats or no rate.
    """
    marks, fs = read_timed_marks(str(path))
    groups = aami_classes(np.array([mark.symbol for mark in marks]))
    beats = [(mark.sample, CLASSES.index(group)) for mark, group in zip(marks, groups, strict=True)
             if group in CLASSES]  # fmt: skip
    if not beats or not fs:
        raise LeadwiseError(f"{path}: has no beats N, S or V, or states no sampling rate")
    samples, classes = np.array(sorted(beats)).T

    def classify(table: BeatTable) -> np.ndarray:
        known, own = matched(table.peaks / table.fs, samples / fs)
        described = describe_table(table)
        adapted = model.adapted(described.numbers[known], classes[own])
        probabilities = adapted.probabilities(described)
        probabilities[known] = np.eye(len(CLASSES))[classes[own]]
        return probabilities

    return classify


def matched(times: np.ndarray, marks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Match each mark with the nearest beat within 0.15 s: places of beats and of their marks.

    Examples
    --------
    >>> matched(np.array([1.0, 2.0, 3.0]), np.array([1.1, 2.6]))
    (array([0]), array([0]))
    """
    if not len(times):
        return np.zeros(0, int), np.zeros(0, int)
    after = np.searchsorted(times, marks).clip(1, max(1, len(times) - 1))
    pair = np.stack([after - 1, np.minimum(after, len(times) - 1)])
    away = np.abs(times[pair] - marks)
    nearest = pair[away.argmin(axis=0), np.arange(len(marks))]
    own = np.flatnonzero(away.min(axis=0) <= MATCH_S)
    beats, first = np.unique(nearest[own], return_index=True)
    return beats, own[first]
