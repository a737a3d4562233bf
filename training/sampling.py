"""Sampling: which training records an epoch holds.

`sampling(dataset, generator, **numbers) -> indices`, of the same number in each epoch; a record may
occur several times.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from training.dataset import Dataset


def inverse_frequency(
    dataset: "Dataset", generator: np.random.Generator, *,
    annotated: int = 1, further: float = 0.0, others: int = 12_000, power: float = 1.0,
) -> np.ndarray:  # fmt: skip
    """Take each annotated record, long ones more often, and draw others by rare labels.

    The weight of a record is the mean of 1 / count over its positive classes, so a record without
    any is not drawn (Sodmann et al. 2021, section 2, give no formula for several classes).

    Parameters
    ----------
    annotated : int
        How often each record with known targets of a dense head occurs.
    further : float
        Share of the further crops of a long record that also occur: with 1, a record that is
        annotated for the length of ten crops occurs nine times more.
    others : int
        Records drawn with replacement from those that have positive classes.
    power : float
        Exponent of the weights; 0: all alike.
    """
    marked = np.flatnonzero(dataset.annotated)
    spare = np.maximum(dataset.annotated // dataset.recipe.crop_samples - 1, 0)
    more = np.repeat(np.arange(len(dataset)), np.rint(further * spare).astype(int))
    weights = np.zeros(len(dataset))
    for name, labels in dataset.labels.items():
        known = labels > 0.5
        if name in dataset.known:
            known &= dataset.known[name]
        rarity = 1 / np.maximum(known.sum(0), 1)
        weights += (known @ rarity) / np.maximum(known.sum(1), 1)
    weights = np.where(weights > 0, weights, 1) ** power * (weights > 0)
    drawn = np.empty(0, np.int64)
    if weights.any():
        drawn = generator.choice(len(dataset), others, p=weights / weights.sum())
    return np.concatenate([np.tile(marked, annotated), more, drawn])


SAMPLINGS: dict[str, Callable[..., np.ndarray]] = {
    "all": lambda dataset, generator: np.arange(len(dataset)),
    "inverse_frequency": inverse_frequency,
}
