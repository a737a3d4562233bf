"""Masks: which labels of a record are known, for records whose source never labels some classes.

A source that lacks a class among its labels says nothing about it: its records may well show it
(Kang & Wen 2022, section 8 and appendix A; CPSC's have no axis, no voltage).  Learned as negatives
they teach that such patients do not have it.  `MASKS` name what a recipe may do about it.
"""

from collections.abc import Callable, Sequence

import numpy as np

from datasets.sources import labelled_classes, source_of
from ecg.labels import class_name
from ecg.progress import log


def off(names: Sequence[str], labels: np.ndarray, classes: Sequence[str]) -> None:
    """Take a label that is not there for a no, as published."""
    return


def sources(names: Sequence[str], labels: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Take a label that is not there for a no where the record's source labels this class at all.

    A source does from 20 positive records on; a label that is there is known in any case.

    Parameters
    ----------
    names : sequence of str
        Of the records; they tell the source.
    labels : np.ndarray of bool, shape (records, classes)
    classes : sequence of str
        Their codes.

    Returns
    -------
    np.ndarray of bool, shape (records, classes)
    """
    of_record = [source_of(name) for name in names]
    labelled_by = labelled_classes(of_record, labels)
    for source, labelled in labelled_by.items():
        missing = ", ".join(
            class_name(classes[place]) for place in np.flatnonzero(~labelled).tolist()
        )
        log(f"Not known of {source} ({of_record.count(source)} records): {missing or 'nothing'}.")
    return np.array([labelled_by[source] for source in of_record]) | labels


MASKS: dict[str, Callable[[Sequence[str], np.ndarray, Sequence[str]], np.ndarray | None]] = {
    "off": off,
    "sources": sources,
}
