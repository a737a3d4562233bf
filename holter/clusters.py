"""Clusters: beats of the same look, to be confirmed or renamed together.

Sahin and Kilinc 2021 group the beats of a recording by K-means after the classification, and merge
clusters by cosine similarity; they give neither k nor the limit.  Ours: k = 8 per label on the 50 +
50 samples of network 1, limit 0.95, at most ten clusters.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from holter.steps import CLUSTERS, MERGING
from holter.table import HALF, BeatTable

REACH = 50  # samples at 250 Hz before the R peak, and from it on, that are compared
PER_LABEL, STARTS, SEED = 8, 10, 0  # of K-means
SIMILAR = 0.95  # cosine similarity from which clusters of a label are merged
MOST = 10  # clusters of a recording
FITTED = 4000  # beats of a label that K-means is fitted to, evenly spaced; it then groups all
BATCH = 4096  # beats


class Group(NamedTuple):
    """Beats of one label with their mean, which has no fixed length."""

    label: str
    mean: np.ndarray
    members: np.ndarray


class Cluster(NamedTuple):
    """A cluster for people to look at.

    Attributes
    ----------
    number : int
        From 1; N first, then S and V, each from the largest to the smallest cluster.
    members : np.ndarray of int, shape (size,)
        Its beats, by their place in the table.
    centre : int
        The beat most like the mean.
    mean, spread : np.ndarray of float32, shape (leads, 300)
        Mean and standard deviation of the windows in mV; NaN for a lead that no beat has.
    """

    number: int
    label: str
    members: np.ndarray
    centre: int
    mean: np.ndarray
    spread: np.ndarray


def find_clusters(
    table: BeatTable, labels: np.ndarray, without: Collection[str] = ()
) -> list[Cluster]:
    """Group the beats of a recording.

    Parameters
    ----------
    labels : np.ndarray of str, shape (beats,)
        N, S or V; other beats, and those without a usable lead, are in no cluster.
    without : collection of str
        `CLUSTERS`: all beats of a label are one cluster; `MERGING`: clusters are not merged.

    Returns
    -------
    list of Cluster
        At most ten, unless they are not merged.
    """
    looks, grouped = unit_beats(table), one_group if CLUSTERS in without else k_means
    groups = []
    for label in ("N", "S", "V"):
        members = np.flatnonzero((labels == label) & table.usable.any(axis=1))
        groups += [
            Group(label, looks[members[own]].mean(axis=0, dtype=np.float32), members[own])
            for own in grouped(looks[members])
        ]
    groups = groups if MERGING in without else merge(groups)
    groups.sort(key=lambda group: ("NSV".index(group.label), -len(group.members), group.members[0]))
    return [_described(number, group, table, looks) for number, group in enumerate(groups, 1)]


def unit_beats(table: BeatTable) -> np.ndarray:
    """Give each beat without its mean and with norm 1: float16 (beats, leads · 100).

    Unusable leads are 0.
    """
    looks = np.zeros((len(table), len(table.leads), 2 * REACH), np.float16)
    for first in range(0, len(table), BATCH):
        some = slice(first, first + BATCH)
        cut = table.windows[some, :, HALF - REACH : HALF + REACH].astype(np.float32)
        cut -= cut.mean(axis=2, keepdims=True)
        cut *= table.usable[some, :, None]
        norms = np.sqrt((cut**2).sum(axis=(1, 2), keepdims=True))
        looks[some] = cut / np.maximum(norms, 1e-9)
    return looks.reshape(len(table), len(table.leads) * 2 * REACH)


def one_group(looks: np.ndarray) -> list[np.ndarray]:
    """Put all beats into one group, as `k_means` gives them; none without any."""
    return [np.arange(len(looks))] if len(looks) else []


def k_means(looks: np.ndarray) -> list[np.ndarray]:
    """Group beats of unit norm by K-means: the places of the members of each group."""
    if len(looks) <= PER_LABEL:
        return [np.arange(len(looks))[at : at + 1] for at in range(len(looks))]
    from sklearn.cluster import KMeans

    evenly = np.linspace(0, len(looks) - 1, min(FITTED, len(looks))).astype(int)
    fitted = looks[evenly].astype(np.float32)
    clusters = min(PER_LABEL, len(np.unique(fitted, axis=0)))
    means = KMeans(clusters, n_init=STARTS, random_state=SEED).fit(fitted).cluster_centers_
    # The nearest mean; the norm of the beat is 1 for all.
    nearest = np.zeros(len(looks), int)
    for first in range(0, len(looks), BATCH):
        some = looks[first : first + BATCH].astype(np.float32)
        nearness = some @ means.T - (means**2).sum(axis=1) / 2
        nearest[first : first + BATCH] = nearness.argmax(axis=1)
    return [own for each in range(clusters) if len(own := np.flatnonzero(nearest == each))]


def merge(groups: Sequence[Group], similar: float = SIMILAR, most: int = MOST) -> list[Group]:
    """Merge groups of the same label, the most similar pair first, by weighted means.

    Pairs with a cosine similarity below `similar` are merged only while there are more than `most`
    groups.  The result does not depend on the order of the groups.
    """
    left = sorted(groups, key=lambda group: (group.label, -len(group.members), *group.mean))
    while len(left) > 1:
        means = np.array([group.mean for group in left], np.float64)
        means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
        labels = np.array([group.label for group in left])
        pairs = np.where(labels[:, None] == labels, means @ means.T, -np.inf)
        pairs[np.tril_indices(len(left))] = -np.inf
        first, second = np.unravel_index(pairs.argmax(), pairs.shape)
        likeness = pairs[first, second]
        if np.isneginf(likeness) or (likeness < similar and len(left) <= most):
            break
        left[first] = _merged(left[first], left.pop(second))
    return left


def _merged(one: Group, other: Group) -> Group:
    sizes = len(one.members), len(other.members)
    mean = (sizes[0] * one.mean + sizes[1] * other.mean) / sum(sizes)
    return Group(one.label, mean, np.sort(np.concatenate([one.members, other.members])))


def _described(number: int, group: Group, table: BeatTable, looks: np.ndarray) -> Cluster:
    """Compute mean and spread of the windows, and find the beat most like the mean."""
    shape = table.windows.shape[1:]
    count, likeness = np.zeros((shape[0], 1)), np.zeros(len(group.members))
    total, square = np.zeros(shape), np.zeros(shape)
    for first in range(0, len(group.members), BATCH):
        some = group.members[first : first + BATCH]
        usable = table.usable[some][:, :, None]
        windows = table.windows[some].astype(np.float32) * usable
        count += usable.sum(axis=0)
        total += windows.sum(axis=0, dtype=np.float64)
        square += (windows**2).sum(axis=0, dtype=np.float64)
        likeness[first : first + BATCH] = looks[some].astype(np.float32) @ group.mean
    with np.errstate(invalid="ignore"):
        mean = total / count
        spread = np.sqrt(np.maximum(square / count - mean**2, 0))
    centre = int(group.members[likeness.argmax()])
    return Cluster(
        number, group.label, group.members, centre, mean.astype(np.float32),
        spread.astype(np.float32),
    )  # fmt: skip
