"""Items: what a network learns from, drawn from the cache in batches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ecg.leads import STANDARD
from models.classifier import pad
from models.inputs import rows_of
from models.losses import Batch

POOL = 16  # batches whose records are sorted by length together, so that little is padding


@dataclass(frozen=True)
class Items:
    """Records of one part (training or validation) as one lead set sees them.

    Attributes
    ----------
    signals : sequence of np.ndarray (rows, samples)
        Prepared for the twelve leads.
    labels : np.ndarray of bool, shape (records, classes)
    rows : list of int
        Which rows the lead set reads.
    longest : int
        Samples that the network reads at once.
    """

    signals: Sequence[np.ndarray]
    labels: np.ndarray
    rows: list[int]
    longest: int

    def __len__(self) -> int:
        """Count the records."""
        return len(self.signals)

    def part(self, places: np.ndarray) -> "Items":
        """Take some of the records."""
        signals = [self.signals[place] for place in places]
        return Items(signals, self.labels[places], self.rows, self.longest)

    def batch(self, places: Sequence[int], generator: np.random.Generator) -> Batch:
        """Make a training batch; of a record that is too long a random window is taken."""
        pieces = []
        for place in places:
            signal = self.signals[place]
            spare = signal.shape[1] - self.longest
            begin = int(generator.integers(spare + 1)) if spare > 0 else 0
            pieces.append(signal[self.rows, begin : begin + self.longest])
        labels = torch.from_numpy(self.labels[list(places)].astype(np.float32))
        return Batch(*pad(pieces), labels)


def items_of(
    signals: Sequence[np.ndarray], labels: np.ndarray, leads: Sequence[str], longest: int
) -> Items:
    """Make items of a lead set; signals were prepared for the twelve standard leads."""
    kinds = len(signals[0]) // len(STANDARD)
    return Items(signals, labels, rows_of(leads, STANDARD, kinds), longest)


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
