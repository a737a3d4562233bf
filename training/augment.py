"""Augmentation: what training does to records and batches after the cache, by passed generators.

Two kinds, in the order in which they act; recipes name both in `augment`:

- `RECORDS`: `augment(signal, leads, fs, generator, **numbers) -> signal` on a record's (rows,
  samples), before the recipe's `finish`, which then sees what it would see of such a record; those
  of one lead are in `training.augment_single`;
- `BATCHES`: `augment(batch, fs, generator, **numbers) -> batch` on what the network reads.  Labels
  become soft.  A batch of long records is cut into pieces: each is one batch here.

Defaults are Kang & Wen's; their numbers of things chosen are Normal around a share, not binomial.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from ecg.leads import LEAD_SETS, derivable_leads
from models.losses import Batch
from models.recipe import Recipe
from training.augment_single import SINGLE


def lead_dropout(
    signal: np.ndarray, leads: Sequence[str], fs: float, generator: np.random.Generator, *,
    probability: float,
) -> np.ndarray:  # fmt: skip
    """Show a record, by this probability, as one of the five lead sets would show it.

    The other leads are 0, as they are where a record without them is run: so one network learns to
    serve all sets.  Each set is as likely; two of them hold all limb leads and two V2 besides,
    since the limb leads follow from any two.

    Parameters
    ----------
    signal : np.ndarray of shape (rows, samples)
    leads : sequence of str
        Of each row.
    """
    if generator.random() >= probability:
        return signal
    shown = derivable_leads(list(LEAD_SETS.values())[generator.integers(len(LEAD_SETS))])
    kept = np.array([lead in shown for lead in leads])
    return np.where(kept[:, None], signal, signal.dtype.type(0))


def shift(
    signal: np.ndarray, leads: Sequence[str], fs: float, generator: np.random.Generator, *,
    share: float,
) -> np.ndarray:  # fmt: skip
    """Move a record by up to this share of its length, to either side; zeros come in."""
    most = int(share * signal.shape[1])
    by = int(generator.integers(-most, most + 1))
    moved = np.zeros_like(signal)
    kept = signal.shape[1] - abs(by)
    moved[:, max(by, 0) :][:, :kept] = signal[:, max(-by, 0) :][:, :kept]
    return moved


def scale(
    signal: np.ndarray, leads: Sequence[str], fs: float, generator: np.random.Generator, *,
    spread: float,
) -> np.ndarray:  # fmt: skip
    """Multiply a record by one factor, whose logarithm is Normal with this spread."""
    return signal * signal.dtype.type(np.exp(generator.normal(0, spread)))


def noise(
    signal: np.ndarray, leads: Sequence[str], fs: float, generator: np.random.Generator, *,
    mv: float,
) -> np.ndarray:  # fmt: skip
    """Add white noise of this standard deviation, in mV, to each sample."""
    added = generator.standard_normal(signal.shape, np.float32)
    return (signal + mv * added).astype(signal.dtype)


def mixup(
    batch: Batch, fs: float, generator: np.random.Generator, *,
    alpha: float = 0.3, share: float = 0.6,
) -> Batch:  # fmt: skip
    """Mix records with each other, and their labels: λ x + (1 − λ) x'; Zhang et al., ICLR 2018.

    One λ ~ Beta(α, α) a batch; about a `share` of the records is permuted, the others stay as they
    are.  Of two lengths the longer one is the mixture's.
    """
    size = len(batch.labels)
    own = float(generator.beta(alpha, alpha))
    some = _some(size, share, generator)
    partner = np.arange(size)
    partner[some] = generator.permutation(some)
    return Batch(
        torch.lerp(batch.signal[partner], batch.signal, own),
        torch.maximum(batch.length, batch.length[partner]),
        torch.lerp(batch.labels[partner], batch.labels, own),
    )


def label_smoothing(
    batch: Batch, fs: float, generator: np.random.Generator, *,
    epsilon: float = 0.1, share: float = 0.8,
) -> Batch:  # fmt: skip
    """Move the labels of about a `share` of the records: y ← (1 − ε) y + ε / classes."""
    labels = batch.labels.clone()
    some = _some(len(labels), share, generator)
    labels[some] = (1 - epsilon) * labels[some] + epsilon / labels.shape[1]
    return batch._replace(labels=labels)


def random_masking(
    batch: Batch, fs: float, generator: np.random.Generator, *,
    share: float = 0.3, masked: float = 0.15, shortest_s: float = 0.08, longest_s: float = 0.18,
) -> Batch:  # fmt: skip
    """Set short pieces of all leads to 0 in about a `share` of the records.

    So many pieces that they would cover the share `masked` of the samples, had each the longest
    width and none another in its way.
    """
    signal = batch.signal.clone()
    shortest, longest = round(shortest_s * fs), round(longest_s * fs)
    for place in _some(len(signal), share, generator):
        room = max(0, int(batch.length[place]) - longest)
        for begin in _some(room, masked / longest, generator):
            middle, radius = begin + longest // 2, generator.integers(shortest, longest + 1) // 2
            signal[place, :, middle - radius : middle + radius] = 0
    return batch._replace(signal=signal)


def _some(size: int, share: float, generator: np.random.Generator) -> np.ndarray:
    """Draw places below `size`, round(Normal(share · size, spread · size)) of them."""
    spread = min(share / 4, 0.1)  # torch-ecg's
    count = round(generator.normal(share * size, spread * size))
    return generator.permutation(size)[: min(max(count, 0), size)]


RECORDS: dict[str, Callable[..., np.ndarray]] = {
    "lead_dropout": lead_dropout,
    "shift": shift,
    "scale": scale,
    "noise": noise,
    **SINGLE,
}
BATCHES: dict[str, Callable[..., Batch]] = {
    "mixup": mixup,
    "label_smoothing": label_smoothing,
    "random_masking": random_masking,
}
AUGMENTATIONS = {**RECORDS, **BATCHES}


def alter_record(
    recipe: Recipe, signal: np.ndarray, leads: Sequence[str], generator: np.random.Generator
) -> np.ndarray:
    """Do to a record what the recipe says, in its order."""
    for part in recipe.augment:
        if part.name in RECORDS:
            signal = RECORDS[part.name](signal, leads, recipe.fs, generator, **part.options)
    return signal


def alter_batch(recipe: Recipe, batch: Batch, generator: np.random.Generator) -> Batch:
    """Do to a batch what the recipe says, in its order."""
    for part in recipe.augment:
        if part.name in BATCHES:
            batch = BATCHES[part.name](batch, recipe.fs, generator, **part.options)
    return batch
