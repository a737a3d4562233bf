"""The dataset of one lead set: records from the cache, drawn in batches."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch

from models.inputs import channels_of, post_transform
from models.network import pad
from models.recipe import Recipe
from models.sample import NO_P, UNKNOWN, Batch, Sample, follow
from training.augment import augment_batch, augment_sample
from training.cache import cached_leads
from training.mapped import MappedArrays
from training.sampling import SAMPLINGS

POOL = 16  # batches whose records are sorted by length together, to reduce padding
# Padded samples per micro-batch: 64 records of 10 s at 500 Hz.  A step of ISIBrno takes 8 kB of
# memory per sample, which is 16 GB for 64 records of 2 minutes.
MICRO_BATCH_SAMPLES = 320_000
# A long record is augmented and post-transformed in part, since 30 minutes are slow.
LONG_S, PART = 150.0, 2  # s, more than PTB's and CPSC's records; windows of the part

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
        Of each dense head: uint8 (rows, samples) of each record (`models.sample.Sample.targets`).
    channels : list of int
        Channels of the lead set.
    known : dict of np.ndarray
        Which labels are known, bool (records, classes); all of a head without an entry.
    taught : dict of np.ndarray
        The labels of training batches (records, columns): bool of heads with label engineering,
        float32 of those with soft targets.
    facts : np.ndarray of shape (records, facts), optional
        Of `models.facts`, if the network reads them.
    """

    signals: MappedArrays
    labels: dict[str, np.ndarray]
    dense: dict[str, MappedArrays]
    channels: list[int]
    recipe: Recipe
    known: Mapping[str, np.ndarray] = field(default_factory=dict)
    taught: Mapping[str, np.ndarray] = field(default_factory=dict)
    facts: np.ndarray | None = None

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
            taught={name: taught[indices] for name, taught in self.taught.items()},
            facts=None if self.facts is None else self.facts[indices],
        )

    def batch(self, indices: Sequence[int], generator: np.random.Generator | None = None) -> Batch:
        """Make a batch; with a generator, a training batch with the recipe's augmentation.

        A record that is too long is cut to a random window, or without a generator to the first.
        """
        windows = [self._window(index, generator) for index in indices]
        signal, length = pad([signal for signal, _ in windows])
        labels = {**self.labels, **self.taught} if generator else self.labels
        targets = {
            name: self._labels(name, of_head[list(indices)], list(indices))
            for name, of_head in labels.items()
        }
        for name in self.dense:
            targets[name] = pad_targets([dense[name] for _, dense in windows], signal.shape[2])
        batch = Batch(signal, length, targets, self.facts_of(indices))
        return augment_batch(self.recipe, batch, generator) if generator else batch

    def facts_of(self, indices: Sequence[int]) -> torch.Tensor | None:
        """Give the facts of records as a tensor, if the network reads them."""
        return None if self.facts is None else torch.from_numpy(self.facts[list(indices)])

    def _labels(self, name: str, of_head: np.ndarray, indices: list[int]) -> torch.Tensor:
        labels = torch.from_numpy(of_head.astype(np.float32))
        if name in self.known:
            known = self.known[name][indices]
            if name in self.taught:  # other columns, but a record's labels are all known or none
                known = np.broadcast_to(known[:, :1], of_head.shape)
            labels[torch.from_numpy(~known)] = torch.nan
        return labels

    def _window(self, index: int, generator: np.random.Generator | None) -> Window:
        """Read a record, augment and post-transform it, and cut it to a window."""
        signal, channels, recipe = self.signals[index], self.channels, self.recipe
        most = recipe.crop_samples if generator else recipe.max_samples
        dense = {name: targets[index] for name, targets in self.dense.items()}
        if generator and recipe.crop_s:
            longest = max(PART * most, round(LONG_S * recipe.fs))
            long_part = _part(signal.shape[1], longest, most, dense, generator)
            signal = signal[:, long_part]
            dense = {name: target[:, long_part] for name, target in dense.items()}
        if recipe.post_transforms or recipe.augment:
            signal, channels = signal[channels], list(range(len(channels)))
            if generator:
                cached = cached_leads(recipe)
                places = [channel % len(cached) for channel in self.channels]
                leads = tuple(cached[place] for place in places)
                rows = [0, *(1 + place for place in places)]
                own = {name: one[rows] if len(one) > 1 else one for name, one in dense.items()}
                sample = Sample(signal, leads, recipe.fs, own)
                sample = augment_sample(recipe, sample, generator)
                signal, dense = sample.signal, dict(sample.targets)
            signal, positions = post_transform(recipe, signal, training=generator is not None)
            dense = follow(dense, positions)
        joint = {name: target[0] for name, target in dense.items()}
        spare = signal.shape[1] - most
        onset = _onset(spare, most, joint, generator) if generator else 0
        window = slice(onset, onset + most)
        return signal[channels, window], {name: target[window] for name, target in joint.items()}

    def micro_batches(self, indices: Sequence[int], longest: int | None = None) -> list[list[int]]:
        """Split a batch of long records into micro-batches of similar length that fit in memory.

        Gradients are accumulated, weighted by the number of records, so a batch is still one step.
        Batch-norm statistics are those of each micro-batch.
        """
        lengths = np.minimum(self.lengths[indices], longest or self.recipe.max_samples)
        if len(indices) * lengths.max() <= MICRO_BATCH_SAMPLES:
            return [list(indices)]
        cut: list[list[int]] = [[]]
        for at in np.argsort(lengths, kind="stable"):  # the next is the longest so far
            if cut[-1] and (len(cut[-1]) + 1) * lengths[at] > MICRO_BATCH_SAMPLES:
                cut.append([])
            cut[-1].append(indices[at])
        return cut

    @cached_property
    def annotated(self) -> np.ndarray:
        """Samples of each record from the first to the last known target of a head: (records,)."""
        spans = [[_span(target < NO_P) for target in targets] for targets in self.dense.values()]
        longest = np.array(spans, np.int64).reshape(-1, len(self)).max(axis=0, initial=0)
        return np.asarray(longest)

    def labelled(self, name: str) -> np.ndarray:
        """Which records a head that predicts records is scored on: those with labels."""
        if not self.dense or name not in self.known:
            return np.ones(len(self), bool)
        return np.asarray(self.known[name].any(axis=1))

    @cached_property
    def epoch_records(self) -> int:
        """Records of one epoch."""
        sampling = self.recipe.sampling
        return len(SAMPLINGS[sampling.name](self, np.random.default_rng(0), **sampling.options))

    def shuffled(self, generator: np.random.Generator) -> Iterator[list[int]]:
        """Yield the batches of one epoch, drawn by the recipe's sampling."""
        sampling = self.recipe.sampling
        drawn = SAMPLINGS[sampling.name](self, generator, **sampling.options)
        lengths = np.minimum(self.lengths[drawn], self.recipe.crop_samples)
        for batch in batches(lengths, self.recipe.batch, generator):
            yield drawn[batch].tolist()


def _span(known: np.ndarray) -> int:
    """Count the samples from the first to the last that is known in any row; 0: none is."""
    inside = np.flatnonzero(known.any(axis=0))
    return int(inside[-1] - inside[0] + 1) if len(inside) else 0


def _part(
    samples: int, longest: int, most: int, targets: Mapping[str, np.ndarray],
    generator: np.random.Generator,
) -> slice:  # fmt: skip
    """Draw the part of a record longer than `longest` that is augmented and post-transformed."""
    if samples <= longest:
        return slice(0, samples)
    joint = {name: target[0] for name, target in targets.items()}
    onset = _onset(samples - PART * most, PART * most, joint, generator)
    return slice(onset, onset + PART * most)


def _onset(
    spare: int, samples: int, targets: Mapping[str, np.ndarray], generator: np.random.Generator
) -> int:
    """Draw the onset of a window; one that holds a known target, if the record has any."""
    if spare <= 0:
        return 0
    for target in targets.values():
        known = np.flatnonzero(target != UNKNOWN)
        if 0 < len(known) < len(target):
            inside = int(known[generator.integers(len(known))])
            return min(max(inside - int(generator.integers(samples)), 0), spare)
    return int(generator.integers(spare + 1))


def pad_targets(targets: Sequence[np.ndarray], samples: int) -> torch.Tensor:
    """Stack targets per sample as int64 (batch, samples).

    Unknown and padded samples become −1, and those that are no P wave −2.
    """
    padded = np.full((len(targets), samples), -1, np.int64)
    for row, target in zip(padded, targets, strict=True):
        row[: len(target)] = np.where(target < NO_P, target, target.astype(np.int64) - 256)
    return torch.from_numpy(padded)


def dataset_of(
    signals: MappedArrays, labels: dict[str, np.ndarray], leads: Sequence[str], recipe: Recipe,
    known: Mapping[str, np.ndarray] | None = None, dense: dict[str, MappedArrays] | None = None,
    taught: Mapping[str, np.ndarray] | None = None, facts: np.ndarray | None = None,
) -> Dataset:  # fmt: skip
    """Make the dataset of a lead set from the signals of the recipe's cache."""
    cached = cached_leads(recipe)
    channels = channels_of(leads, cached, signals.channels // len(cached))
    return Dataset(signals, labels, dense or {}, channels, recipe, known or {}, taught or {}, facts)


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
