"""The dataset of one lead set: records from the cache, drawn in batches."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch

from models.inputs import channels_of, post_transform
from models.network import pad
from models.recipe import Recipe
from models.sample import UNKNOWN, Batch, Sample, follow
from training.augment import augment_batch, augment_sample
from training.cache import cached_leads
from training.mapped import MappedArrays

POOL = 16  # batches whose records are sorted by length together, to reduce padding
# Padded samples per micro-batch: 64 records of 10 s at 500 Hz.  A step of ISIBrno takes 8 kB of
# memory per sample, which is 16 GB for 64 records of 2 minutes.
MICRO_BATCH_SAMPLES = 320_000

Window = tuple[np.ndarray, dict[str, np.ndarray]]  # signal, and targets of dense heads


@dataclass(frozen=True)
class Dataset:
    """The training or validation records as one lead set reads them.

    Attributes
    ----------
    signals : MappedArrays
        (channels, samples) of each record, for all leads of the cache.
    labels : dict of np.ndarray
        Of each record head: bool (records, classes), or float32 from 0 to 1 after distillation.
    dense : dict of MappedArrays
        Of each dense head: uint8 (1, samples) of each record, 255 for unknown.
    channels : list of int
        Channels of the lead set.
    known : dict of np.ndarray
        Which labels are known, bool (records, classes); all of a head without an entry.
    """

    signals: MappedArrays
    labels: dict[str, np.ndarray]
    dense: dict[str, MappedArrays]
    channels: list[int]
    recipe: Recipe
    known: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        """Count the records."""
        return len(self.signals)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Samples of each record after the post-transforms, computed on zeros of its length."""
        if not self.recipe.post_transforms:
            return self.signals.lengths
        raw, inverse = np.unique(self.signals.lengths, return_inverse=True)
        zeros = (np.zeros((1, samples), np.float32) for samples in raw)
        return np.array([post_transform(self.recipe, each)[0].shape[1] for each in zeros])[inverse]

    def subset(self, indices: np.ndarray) -> "Dataset":
        """Take a subset of the records."""
        return replace(
            self,
            signals=self.signals.subset(indices),
            labels={name: labels[indices] for name, labels in self.labels.items()},
            dense={name: targets.subset(indices) for name, targets in self.dense.items()},
            known={name: known[indices] for name, known in self.known.items()},
        )

    def batch(self, indices: Sequence[int], generator: np.random.Generator | None = None) -> Batch:
        """Make a batch; with a generator, a training batch with the recipe's augmentation.

        A record that is too long is cut to a random window, or without a generator to the first.
        """
        windows = [self._window(index, generator) for index in indices]
        signal, length = pad([signal for signal, _ in windows])
        targets = {name: self._labels(name, list(indices)) for name in self.labels}
        for name in self.dense:
            targets[name] = pad_targets([dense[name] for _, dense in windows], signal.shape[2])
        batch = Batch(signal, length, targets)
        return augment_batch(self.recipe, batch, generator) if generator else batch

    def _labels(self, name: str, indices: list[int]) -> torch.Tensor:
        labels = torch.from_numpy(self.labels[name][indices].astype(np.float32))
        if name in self.known:
            labels[torch.from_numpy(~self.known[name][indices])] = torch.nan
        return labels

    def _window(self, index: int, generator: np.random.Generator | None) -> Window:
        """Read a record, augment and post-transform it, and cut it to a window."""
        signal, channels, recipe = self.signals[index], self.channels, self.recipe
        dense = {name: targets[index][0] for name, targets in self.dense.items()}
        if recipe.post_transforms or recipe.augment:
            signal, channels = signal[channels], list(range(len(channels)))
            if generator:
                cached = cached_leads(recipe)
                leads = tuple(cached[channel % len(cached)] for channel in self.channels)
                sample = Sample(signal, leads, recipe.fs, dense)
                sample = augment_sample(recipe, sample, generator)
                signal, dense = sample.signal, dict(sample.targets)
            signal, positions = post_transform(recipe, signal)
            dense = follow(dense, positions)
        spare = signal.shape[1] - recipe.max_samples
        onset = int(generator.integers(spare + 1)) if generator and spare > 0 else 0
        window = slice(onset, onset + recipe.max_samples)
        return signal[channels, window], {name: target[window] for name, target in dense.items()}

    def micro_batches(self, indices: Sequence[int]) -> list[list[int]]:
        """Split a batch of long records into micro-batches of similar length that fit in memory.

        Gradients are accumulated, weighted by the number of records, so a batch is still one step.
        Batch-norm statistics are those of each micro-batch.
        """
        lengths = np.minimum(self.lengths[indices], self.recipe.max_samples)
        if len(indices) * lengths.max() <= MICRO_BATCH_SAMPLES:
            return [list(indices)]
        cut: list[list[int]] = [[]]
        for at in np.argsort(lengths, kind="stable"):  # the next is the longest so far
            if cut[-1] and (len(cut[-1]) + 1) * lengths[at] > MICRO_BATCH_SAMPLES:
                cut.append([])
            cut[-1].append(indices[at])
        return cut

    def shuffled(self, generator: np.random.Generator) -> Iterator[list[int]]:
        """Yield the batches of one epoch."""
        lengths = np.minimum(self.lengths, self.recipe.max_samples)
        return batches(lengths, self.recipe.batch, generator)


def pad_targets(targets: Sequence[np.ndarray], samples: int) -> torch.Tensor:
    """Stack targets per sample; unknown and padded samples become −1: (batch, samples) int64."""
    padded = np.full((len(targets), samples), -1, np.int64)
    for row, target in zip(padded, targets, strict=True):
        row[: len(target)] = np.where(target == UNKNOWN, -1, target.astype(np.int64))
    return torch.from_numpy(padded)


def dataset_of(
    signals: MappedArrays, labels: dict[str, np.ndarray], leads: Sequence[str], recipe: Recipe,
    known: Mapping[str, np.ndarray] | None = None, dense: dict[str, MappedArrays] | None = None,
) -> Dataset:  # fmt: skip
    """Make the dataset of a lead set from the signals of the recipe's cache."""
    cached = cached_leads(recipe)
    channels = channels_of(leads, cached, signals.channels // len(cached))
    return Dataset(signals, labels, dense or {}, channels, recipe, known or {})


def batches(lengths: np.ndarray, size: int, generator: np.random.Generator) -> Iterator[list[int]]:
    """Shuffle records into batches of similar length.

    Each record occurs once.  A last batch of a single record is merged into the one before, because
    batch norm needs two records.
    """
    order = generator.permutation(len(lengths))
    cut: list[list[int]] = []
    for start in range(0, len(order), POOL * size):
        pool = order[start : start + POOL * size]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        cut += [pool[at : at + size].tolist() for at in range(0, len(pool), size)]
    if len(cut) > 1 and len(cut[-1]) == 1:
        single = cut.pop()
        cut[-1] += single
    for index in generator.permutation(len(cut)):
        yield cut[index]


def batch_count(records: int, size: int) -> int:
    """Count the batches that `batches` makes."""
    count = -(-records // size)
    return count - 1 if count > 1 and records % size == 1 else count
