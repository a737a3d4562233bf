"""Sample and Batch: the data types of augmentations, losses and the training loop."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import torch

UNKNOWN = 255  # in targets per sample
NO_P = 254  # in targets of waves: unknown, but not a P wave


@dataclass(frozen=True)
class Sample:
    """One record with the leads of a lead set, and its targets per sample.

    Attributes
    ----------
    signal : np.ndarray of shape (channels, samples)
    leads : tuple of str
        Of each channel.
    fs : float
        Sampling rate in Hz.
    targets : dict of np.ndarray
        Of each dense head, by name: uint8 (rows, samples), class indices, `UNKNOWN` or `NO_P`.  The
        network is trained on row 0, of all leads together.  With the augmentation `single_lead`,
        wave targets have one more row per lead.
    """

    signal: np.ndarray
    leads: tuple[str, ...]
    fs: float
    targets: Mapping[str, np.ndarray] = field(default_factory=dict)

    def moved(self, signal: np.ndarray, source: np.ndarray) -> "Sample":
        """Replace the signal, and move the targets per sample with it.

        Parameters
        ----------
        source : np.ndarray of int, shape (new samples,)
            Old sample of each new one; −1 for none.
        """
        return replace(self, signal=signal, targets=follow(self.targets, source))


def follow(targets: Mapping[str, np.ndarray], source: np.ndarray) -> dict[str, np.ndarray]:
    """Move targets per sample along the time axis; samples without a source are unknown."""
    return {
        name: np.where(source >= 0, target[..., np.maximum(source, 0)], np.uint8(UNKNOWN))
        for name, target in targets.items()
    }


class Batch(NamedTuple):
    """Records of one training step, padded at the end with zeros.

    `targets` has one tensor per head: (batch, classes) float32 from 0 to 1 with NaN for unknown, or
    of a dense head (batch, samples) int64 with −1 for unknown, −2 for `NO_P`.  `facts` are those of
    `models.facts`, for a network that reads them.
    """

    signal: torch.Tensor  # (batch, channels, samples) float32
    length: torch.Tensor  # (batch,) int64, in samples
    targets: dict[str, torch.Tensor]
    facts: torch.Tensor | None = None  # (batch, facts) float32

    def to(self, device: torch.device) -> "Batch":
        """Copy all tensors to a device."""
        targets = {name: target.to(device) for name, target in self.targets.items()}
        facts = None if self.facts is None else self.facts.to(device)
        return Batch(self.signal.to(device), self.length.to(device), targets, facts)
