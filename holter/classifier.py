"""Normal, supraventricular or ventricular: gradient-boosted trees on the numbers of each beat.

A model is a folder: `classifier.json` has names, origin and the sha256 of
`trees-….safetensors`, which holds plain arrays.  Nothing is unpickled, and no library of trees is
needed.

A tree has at most eight leaves.  Each split rules out the leaves of one side, and the first leaf
that is left answers, so all trees are evaluated without branches: QuickScorer of Lucchese et al.,
"QuickScorer: a Fast Algorithm to Rank Documents with Additive Ensembles of Regression Trees", SIGIR
2015.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save

from ecg import LeadwiseError
from holter.model_folder import read_folder, write_folder
from holter.numbers import NAMES, Description, average_alike, describe
from holter.table import BeatTable

CLASSES = ("N", "S", "V")
FORMAT, DESCRIPTION = 1, "classifier.json"
LEAVES = 8  # bits of a byte
PART = 1024  # beats whose leaves are in memory
ALIKE_PART, MOST_LOG_ODDS = 0.8, 8.0  # of the beats alike in the log-odds of V; largest of one beat
BLOCK = 128  # beats whose comparisons stay in the processor's cache
LOWEST_BIT = np.array([(byte & -byte).bit_length() - 1 for byte in range(256)], np.int8)
ADAPTING_STEPS = 1000  # chosen on DS1: fewer adapt less, F1 rises up to here
ADAPTING_RATE = 4.0  # the largest that is stable: the Hessian of the cross-entropy is at most 1/2
MOST_REVIEWED = 3000  # beats that adapt the model; of more, evenly spaced ones


class Trees(NamedTuple):
    """Trees of one ensemble; tree t adds to the class `t % classes`.

    A beat goes to the right of a split if its number exceeds the threshold.
    """

    features: np.ndarray  # int16 (trees, 7): indices into NAMES
    thresholds: np.ndarray  # float32 (trees, 7): infinite for splits that a tree lacks
    kept: np.ndarray  # uint8 (trees, 7): the leaves that remain for beats to the right
    values: np.ndarray  # float32 (trees, 8): log-odds per leaf
    baseline: np.ndarray  # float32 (classes,): log-odds before all trees

    def leaves(self, numbers: np.ndarray) -> np.ndarray:
        """Find the leaf of each beat in each tree: numbers (beats, numbers) to (beats, trees)."""
        result = np.empty((len(numbers), len(self.features)), np.int8)
        for first in range(0, len(numbers), BLOCK):
            columns = np.ascontiguousarray(numbers[first : first + BLOCK].T)
            right = columns[self.features] > self.thresholds[..., None]  # (trees, 7, beats)
            left = np.where(right, self.kept[..., None], np.uint8(255))
            remaining = np.bitwise_and.reduce(left, axis=1)
            result[first : first + BLOCK] = LOWEST_BIT[remaining].T
        return result

    def log_odds(self, leaves: np.ndarray) -> np.ndarray:
        """Add up the values of leaves (beats, trees): log-odds (beats, classes)."""
        values = self.values[np.arange(len(self.values)), leaves]
        classes = len(self.baseline)
        sums = values.reshape(len(leaves), len(self.values) // classes, classes).sum(axis=1)
        return np.asarray(self.baseline + sums)


@dataclass(frozen=True, eq=False)
class BeatClassifier:
    """A trained model: called with a table of beats, it gives the probabilities of `CLASSES`.

    Attributes
    ----------
    trees : Trees
    origin : dict
        Data, seeds and versions of the training.
    sha256 : str
        Of the file of trees; empty if it was not read from a folder.
    reviewed : (np.ndarray, np.ndarray), optional
        Leaves of reviewed beats and the corrections that they add; see `adapted`.
    """

    trees: Trees
    origin: dict[str, Any]
    sha256: str = ""
    reviewed: tuple[np.ndarray, np.ndarray] | None = None

    def __call__(self, table: BeatTable) -> np.ndarray:
        """Compute the probabilities of N, S and V, float64 of shape (beats, 3)."""
        return self.probabilities(describe_table(table))

    def probabilities(self, beats: Description) -> np.ndarray:
        """Compute the probabilities of described beats.

        The log-odds of V are averaged over the beats of like shape: what is ventricular is decided
        for a shape, what is premature for each beat.
        """
        log_odds = self.log_odds(beats.numbers)
        others = np.logaddexp(log_odds[:, 0], log_odds[:, 1])
        own = np.clip(log_odds[:, 2] - others, -MOST_LOG_ODDS, MOST_LOG_ODDS)
        alike, _ = average_alike(beats.shapes, beats.sizes, own[:, None])
        ventricular = others + (1 - ALIKE_PART) * own + ALIKE_PART * alike[:, 0]
        return softmax(np.column_stack([log_odds[:, :2], ventricular]))

    def log_odds(self, numbers: np.ndarray) -> np.ndarray:
        """Add up the trees: numbers (beats, len(NAMES)) to log-odds (beats, classes)."""
        result = np.empty((len(numbers), len(CLASSES)))
        for first in range(0, len(numbers), PART):
            leaves = self.trees.leaves(numbers[first : first + PART])
            result[first : first + PART] = self.trees.log_odds(leaves)
            if self.reviewed:
                known, corrections = self.reviewed
                result[first : first + PART] += similarity(leaves, known) @ corrections
        return result

    def adapted(self, numbers: np.ndarray, classes: np.ndarray) -> "BeatClassifier":
        """Adapt the model to a patient by beats whose classes a person has checked.

        The leaf values, the model's last layer, are moved by gradient steps of the cross-entropy of
        these beats, in which each class counts alike.  A leaf's step counts in a beat as often as
        the two share a leaf, so the steps are kept per reviewed beat.  Without reviewed beats
        nothing changes.

        Parameters
        ----------
        numbers : np.ndarray, shape (reviewed, len(NAMES))
        classes : np.ndarray of int, shape (reviewed,)
            Indices of `CLASSES`.
        """
        spaced = np.linspace(0, len(classes) - 1, min(len(classes), MOST_REVIEWED)).astype(int)
        leaves, own = self.trees.leaves(numbers[spaced]), np.asarray(classes)[spaced]
        truth = np.eye(len(CLASSES))[own]
        before = self.trees.log_odds(leaves).astype(float)
        alike = similarity(leaves, leaves)
        weights = 1 / np.maximum(1, np.bincount(own, minlength=len(CLASSES)))[own]
        rate = ADAPTING_RATE / max(1e-9, (alike @ weights).max(initial=0))
        corrections = np.zeros_like(truth)
        for _ in range(ADAPTING_STEPS):
            error = truth - softmax(before + alike @ corrections)
            corrections += rate * weights[:, None] * error
        return replace(self, reviewed=(leaves, corrections))


def describe_table(table: BeatTable) -> Description:
    """Describe the beats of a table."""
    return describe(table.peaks, table.fs, table.windows, table.usable)


def similarity(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Compute the share of trees in which two beats have the same leaf.

    Parameters
    ----------
    first, second : np.ndarray of int8, shapes (beats, trees) and (others, trees)

    Returns
    -------
    np.ndarray of float32, shape (beats, others)

    Examples
    --------
    >>> similarity(np.array([[0, 1], [2, 1]], np.int8), np.array([[0, 1]], np.int8)).ravel()
    array([1. , 0.5], dtype=float32)
    """
    one_hot = [
        (leaves[..., None] == np.arange(LEAVES))
        .reshape(len(leaves), leaves.shape[1] * LEAVES)
        .astype(np.float32)
        for leaves in (first, second)
    ]
    return np.asarray(one_hot[0] @ one_hot[1].T / first.shape[1])


def softmax(log_odds: np.ndarray) -> np.ndarray:
    """Turn log-odds (beats, classes) into probabilities."""
    shares = np.exp(log_odds - log_odds.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def write_model(classifier: BeatClassifier, folder: Path) -> None:
    """Write a model folder; `classifier.json` is written last.

    Raises
    ------
    LeadwiseError
        A file cannot be written.
    """
    content = save(dict(classifier.trees._asdict()))
    fields = {"format": FORMAT, "classes": CLASSES, "numbers": NAMES, "origin": classifier.origin}
    write_folder(folder, DESCRIPTION, "trees", content, fields)


def load(folder: str | Path) -> BeatClassifier:
    """Load a model folder.

    Raises
    ------
    LeadwiseError
        It is no such folder, its files do not belong together, or this version of the numbers is
        another one than the model was trained on.
    """
    wanted = {"format": FORMAT, "classes": list(CLASSES), "numbers": list(NAMES)}
    stored = read_folder(Path(folder), DESCRIPTION, wanted, "holter.training")
    try:
        trees = Trees(**load_arrays(stored.content))
    except (SafetensorError, TypeError) as error:
        raise LeadwiseError(f"{stored.path}: not the arrays of trees: {error}") from error
    check_trees(trees, stored.path, len(CLASSES))
    return BeatClassifier(trees, stored.origin, stored.sha256)


def check_trees(trees: Trees, path: Path, classes: int) -> None:
    """Raise an error unless shapes, types and indices are those of trees."""
    count = len(trees.values)
    splits, types = (count, LEAVES - 1), ("int16", "float32", "uint8", "float32", "float32")
    shapes = (splits, splits, splits, (count, LEAVES), (classes,))
    right = all(
        array.shape == shape and array.dtype == kind
        for array, shape, kind in zip(trees, shapes, types, strict=True)
    )
    if not (right and count and count % classes == 0):
        raise LeadwiseError(f"{path}: shapes or types are not those of trees")
    if not ((trees.features >= 0) & (trees.features < len(NAMES))).all():
        raise LeadwiseError(f"{path}: a split reads a number that does not exist")
    if not (np.isfinite(trees.values).all() and np.isfinite(trees.baseline).all()):
        raise LeadwiseError(f"{path}: values are not finite")
