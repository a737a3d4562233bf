"""The result of a recording: beats with labels, clusters, gaps, noise; all that reports need."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from holter.events import Events, Gaps, find_events

CLASSES = ("N", "S", "V")


def label_of(probabilities: np.ndarray) -> np.ndarray:
    """Give the most probable label of each beat: (beats, 3) to str (beats,)."""
    return np.asarray(np.array(CLASSES)[probabilities.argmax(axis=1)])


class Heat(NamedTuple):
    """Where a network looked in a beat: `beat` in mV and `heat` from 0 to 1, (leads, 300).

    `label` is the answer that the heat explains; unusable leads are NaN.
    """

    label: str
    beat: np.ndarray
    heat: np.ndarray


class Look(NamedTuple):
    """How the beats of a cluster look.

    Attributes
    ----------
    number : int
    label : str
    centre : int
        The beat most like the mean.
    mean, spread : np.ndarray of float, shape (leads, 300)
        Mean and standard deviation in mV at 250 Hz; NaN for a lead that no beat has.
    heat : Heat, optional
        Of the beat `centre`, if the model is a pair of networks.
    """

    number: int
    label: str
    centre: int
    mean: np.ndarray
    spread: np.ndarray
    heat: Heat | None = None


@dataclass(frozen=True, eq=False)
class Result:
    """What was found in one recording.

    Attributes
    ----------
    name : str
        Of the record.
    fs : float
        Hz; positions count at it.
    samples : int
        Length of the recording.
    leads : tuple of str
        That were used.
    model : dict of str to str
        Name and sha256.
    peaks : np.ndarray of int, shape (beats,)
        R peaks outside noise that a usable lead has.
    probabilities : np.ndarray of float, shape (beats, 3)
        Of N, S and V; 1 for what a person decided.
    clusters : np.ndarray of int, shape (beats,)
        Number of each beat's cluster.
    looks : tuple of Look
    gaps : Gaps
    noise : np.ndarray of int, shape (stretches, 2)
        Onset and offset in samples.
    left_out : int
        R peaks in noise or without a usable lead.
    """

    name: str
    fs: float
    samples: int
    leads: tuple[str, ...]
    model: dict[str, str]
    peaks: np.ndarray
    probabilities: np.ndarray
    clusters: np.ndarray
    looks: tuple[Look, ...]
    gaps: Gaps
    noise: np.ndarray
    left_out: int

    def __len__(self) -> int:
        return len(self.peaks)

    @property
    def seconds(self) -> float:
        """Length of the recording in seconds."""
        return self.samples / self.fs

    @cached_property
    def labels(self) -> np.ndarray:
        """N, S or V of each beat: str (beats,)."""
        return label_of(self.probabilities)

    @cached_property
    def events(self) -> Events:
        """Events of the labels."""
        return find_events(self.peaks, self.labels, self.gaps.joined, self.samples, self.fs)

    def relabelled(self, cluster: int, label: str) -> "Result":
        """Give all beats of a cluster the label that a person has decided."""
        probabilities = self.probabilities.copy()
        probabilities[self.clusters == cluster] = [float(label == each) for each in CLASSES]
        looks = tuple(
            look._replace(label=label) if look.number == cluster else look for look in self.looks
        )
        return replace(self, probabilities=probabilities, looks=looks)
