"""Items: what a network learns from, drawn from the cache in batches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from models.classifier import pad
from models.inputs import channels_of, finish
from models.losses import Batch
from models.recipe import Recipe, longest
from training.augment import alter_batch, alter_record
from training.cache import cached_leads
from training.mapped import Signals

POOL = 16  # batches whose records are sorted by length together, so that little is padding
# Padded samples that a network learns from at once: 64 records of 10 s at 500 Hz.  ISIBrno's step
# takes 8 kB of memory for each: 16 GB for 64 records of 2 minutes, did one not cut them.
PIECE_SAMPLES = 320_000


@dataclass(frozen=True)
class Items:
    """Records of one part (training or validation) as one lead set sees them.

    Attributes
    ----------
    signals : Signals
        Prepared for the leads of the cache, (rows, samples) each.
    labels : np.ndarray of bool, shape (records, classes)
        Float32 from 0 to 1 where another network has taught them (`training.teaching`).
    rows : list of int
        Which rows the lead set reads.
    recipe : Recipe
        How records are finished, cut and altered.
    known : np.ndarray of bool, shape (records, classes), optional
        Labels that count; the others are NaN in a batch, which costs nothing (`models.losses`).
    """

    signals: Signals
    labels: np.ndarray
    rows: list[int]
    recipe: Recipe
    known: np.ndarray | None = None

    def __len__(self) -> int:
        """Count the records."""
        return len(self.signals)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Samples of each record, when it is finished: known by finishing nothing of its length."""
        if not self.recipe.finish:
            return self.signals.lengths
        raw, place = np.unique(self.signals.lengths, return_inverse=True)
        nothing = (np.zeros((1, samples), np.float32) for samples in raw)
        return np.array([finish(self.recipe, each).shape[1] for each in nothing])[place]

    @property
    def longest(self) -> int:
        """Samples that the network reads at once."""
        return longest(self.recipe)

    def part(self, places: np.ndarray) -> "Items":
        """Take some of the records."""
        known = None if self.known is None else self.known[places]
        return Items(self.signals.part(places), self.labels[places], self.rows, self.recipe, known)

    def batch(self, places: Sequence[int], generator: np.random.Generator | None = None) -> Batch:
        """Make a batch; with a generator one to learn from, altered as the recipe says.

        Of a record that is too long a random window is taken, without a generator the first one.
        """
        pieces = [self._piece(place, generator) for place in places]
        labels = torch.from_numpy(self.labels[list(places)].astype(np.float32))
        if self.known is not None:
            labels[torch.from_numpy(~self.known[list(places)])] = torch.nan
        batch = Batch(*pad(pieces), labels)
        return alter_batch(self.recipe, batch, generator) if generator else batch

    def _piece(self, place: int, generator: np.random.Generator | None) -> np.ndarray:
        """Read a record's rows, of which a long record without a finish is read in part."""
        signal, rows = self.signals[place], self.rows
        if self.recipe.finish or self.recipe.augment:
            signal, rows = signal[rows], list(range(len(rows)))
            if generator:
                cached = cached_leads(self.recipe)
                leads = [cached[row % len(cached)] for row in self.rows]
                signal = alter_record(self.recipe, signal, leads, generator)
            signal = finish(self.recipe, signal)
        spare = signal.shape[1] - self.longest
        begin = int(generator.integers(spare + 1)) if generator and spare > 0 else 0
        return signal[rows, begin : begin + self.longest]

    def pieces(self, places: Sequence[int]) -> list[list[int]]:
        """Cut a batch of long records into pieces of similar length that memory has room for.

        Their gradients are added up, each weighted by its share of the records, so that a batch
        remains one step; batch norm sees each piece alone.  A batch that has room stays whole.
        """
        lengths = np.minimum(self.lengths[places], self.longest)
        if len(places) * lengths.max() <= PIECE_SAMPLES:
            return [list(places)]
        made: list[list[int]] = [[]]
        for at in np.argsort(lengths, kind="stable"):  # the next is the longest so far
            if made[-1] and (len(made[-1]) + 1) * lengths[at] > PIECE_SAMPLES:
                made.append([])
            made[-1].append(places[at])
        return made


def items_of(
    signals: Signals, labels: np.ndarray, leads: Sequence[str], recipe: Recipe,
    known: np.ndarray | None = None,
) -> Items:  # fmt: skip
    """Make items of a lead set; signals were prepared for the leads of the recipe's cache."""
    cached = cached_leads(recipe)
    kinds = signals.rows // len(cached)
    return Items(signals, labels, channels_of(leads, cached, kinds), recipe, known)


def batches(lengths: np.ndarray, size: int, generator: np.random.Generator) -> Iterator[list[int]]:
    """Shuffle records into batches whose members are about equally long.

    Every record occurs once; a last batch of one record joins the one before it (batch norm needs
    two).
    """
    order = generator.permutation(len(lengths))
    made: list[list[int]] = []
    for start in range(0, len(order), POOL * size):
        pool = order[start : start + POOL * size]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        made += [pool[at : at + size].tolist() for at in range(0, len(pool), size)]
    if len(made) > 1 and len(made[-1]) == 1:
        alone = made.pop()
        made[-1] += alone
    for place in generator.permutation(len(made)):
        yield made[place]


def batch_count(records: int, size: int) -> int:
    """Count the batches that `batches` makes."""
    count = -(-records // size)
    return count - 1 if count > 1 and records % size == 1 else count
