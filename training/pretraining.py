"""Self-supervised losses that replace the loss of the first record head at the start of a training.

`pretraining(progress, **numbers) -> loss` or None once the phase is over.  The loss compares two
views of the batch's records, drawn with different augmentation: `loss(first, second) -> scalar` on
what the network returns as "embedding".  All other heads train as usual, on the first view.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated

import numpy as np
import torch

from ecg import LeadwiseError
from models.recipe import Head, Recipe, Share
from models.typed import Range

EMBEDDING = "embedding"  # key of the network's outputs in training, (batch, size)
SMALLEST = 1e-8  # variance that is added, so that a constant column has a finite gradient

ViewLoss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def barlow(
    progress: float, *, share: Share, redundancy: float = 0.005,
    weight: Annotated[float, Range(0, 1e6, above=True)] = 1.0,
    records: Annotated[int, Range(0, 1e6)] = 0,
) -> ViewLoss | None:  # fmt: skip
    """Use `barlow_twins` times `weight` during the first `share` of the training.

    Batches then have at least so many `records`, from which correlations are estimated
    (`with_others`).
    """
    if progress >= share:
        return None
    return partial(barlow_twins, redundancy=redundancy, weight=weight)


def barlow_twins(
    first: torch.Tensor, second: torch.Tensor, *, redundancy: float, weight: float = 1.0
) -> torch.Tensor:
    """Compute Σ (1 − C_ii)² + `redundancy` · Σ_{i≠j} C_ij², C the correlation of two views.

    Zbontar et al., ICML 2021.

    Parameters
    ----------
    first, second : torch.Tensor of shape (batch, size)
        Embeddings of the same records.
    """
    correlation = _standardised(first).T @ _standardised(second) / len(first)
    own = correlation.diagonal()
    others = correlation.square().sum() - own.square().sum()
    return weight * ((1 - own).square().sum() + redundancy * others)


def _standardised(values: torch.Tensor) -> torch.Tensor:
    """Scale each column to mean 0 and variance 1 over the batch; the variance's divisor is N."""
    centred = values.float() - values.float().mean(0)
    return centred * (centred.square().mean(0) + SMALLEST).rsqrt()


PRETRAININGS: dict[str, Callable[..., ViewLoss | None]] = {
    "none": lambda progress: None,
    "barlow": barlow,
}


def view_loss_of(recipe: Recipe, progress: float) -> ViewLoss | None:
    """Give the loss that compares views at this point of a training, if any."""
    part = recipe.pretraining
    return PRETRAININGS[part.name](progress, **part.options)


def with_others(
    recipe: Recipe, indices: Sequence[int], records: int, generator: np.random.Generator
) -> list[int]:
    """Add random training records to a batch of the pretraining, up to its part's `records`.

    Parameters
    ----------
    indices : sequence of int
        Of the batch.
    records : int
        Of the training part.
    """
    fewer = recipe.pretraining.options.get("records", 0) - len(indices)
    if fewer <= 0:
        return list(indices)
    others = np.setdiff1d(np.arange(records), indices)
    drawn = generator.choice(others, min(fewer, len(others)), replace=False)
    return [*indices, *drawn.tolist()]


def record_head(recipe: Recipe) -> Head:
    """Give the head whose loss is replaced."""
    return next(head for head in recipe.heads if not head.dense)


def check_embedding(recipe: Recipe, outputs: Mapping[str, object]) -> None:
    """Check that a recipe with pretraining has a record head, and its network an embedding.

    Parameters
    ----------
    outputs : mapping
        Of the network in training.

    Raises
    ------
    LeadwiseError
        One of them is missing.
    """
    if recipe.pretraining.name == "none":
        return
    what = f"{recipe.name}: the pretraining '{recipe.pretraining.name}'"
    if all(head.dense for head in recipe.heads):
        raise LeadwiseError(f"{what} needs a head of kind record; set it to 'none'")
    if EMBEDDING not in outputs:
        raise LeadwiseError(
            f"{what} needs a network that returns an '{EMBEDDING}' in training; "
            f"'{recipe.network.name}' gives {', '.join(outputs)}"
        )
