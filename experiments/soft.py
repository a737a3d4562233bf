"""Soft targets from the test folds of a study: for distillation, and against wrong labels."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ecg import LeadwiseError
from experiments.grid_files import grid_of
from experiments.results import read_results
from training.soft import FILE, write_soft

DOUBTFUL = 0.05  # probability of a record's own label, below which it is counted


def soften(study: str, runs: Path, data: Path, *, share: float = 1.0) -> Iterator[str]:
    """Write DATA/soft.tsv from the probabilities of a study's networks on their test folds.

    A record's target is (1 − share) · label + share · mean probability over the networks that have
    it in their test fold.  These networks were trained on the other folds, so a student's score is
    held out only on records that are not in DATA.

    Parameters
    ----------
    share : float
        1: the probabilities (distillation); less: a mix with the labels, of which some are wrong.

    Raises
    ------
    LeadwiseError
        No cell is done, or the classes of cells differ.
    """
    if not 0 < share <= 1:
        raise LeadwiseError(f"--share must be above 0 and at most 1, not {share:g}")
    found: dict[str, list[np.ndarray]] = {}
    labels: dict[str, np.ndarray] = {}
    grid = grid_of(study)
    exclusive = all(recipe.head.exclusive for recipe in grid.recipes.values())
    scored = [result.test for result in read_results(grid, runs)]
    if len({each.classes for each in scored}) != 1:
        raise LeadwiseError(f"{runs}: {study} has no outputs, or outputs of different classes")
    classes = scored[0].classes
    for each in scored:
        for name, probabilities, label in zip(
            each.names, each.probabilities, each.labels, strict=True
        ):
            found.setdefault(name, []).append(probabilities)
            labels[name] = label.astype(float)
    means = {name: np.mean(rows, axis=0) for name, rows in found.items()}
    if exclusive:
        means = {name: mean / mean.sum() for name, mean in means.items()}
    targets = {
        name: ((1 - share) * labels[name] + share * mean).tolist() for name, mean in means.items()
    }
    write_soft(data, classes, targets)
    doubtful = Counter(
        classes[index]
        for name, mean in means.items()
        for index in np.flatnonzero((labels[name] > 0) & (mean < DOUBTFUL))
    )
    yield f"{data / FILE}: {len(targets)} records, from {len(scored)} networks"
    counts = ", ".join(f"{name} {doubtful[name]}" for name in classes)
    yield f"labels with a probability below {DOUBTFUL:g}: {doubtful.total()} ({counts})"
