"""Augmentations of this system: dropout of a single lead, and hum of the mains."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from models.sample import Sample

MAINS_HZ = (50.0, 60.0)


def one_lead_dropout(
    sample: Sample, generator: np.random.Generator, *, probability: float
) -> Sample:
    """Set one lead to 0 with this probability; never the last one that has a signal."""
    present = np.flatnonzero(sample.signal.any(axis=1))
    if generator.random() >= probability or len(present) < 2:
        return sample
    signal = sample.signal.copy()
    signal[generator.choice(present)] = 0
    return replace(sample, signal=signal)


def hum(sample: Sample, generator: np.random.Generator, *, probability: float, mv: float) -> Sample:
    """Add a sine of 50 or 60 Hz with this probability; each lead has an amplitude up to `mv`."""
    if generator.random() >= probability:
        return sample
    leads, samples = sample.signal.shape
    hertz, phase = generator.choice(MAINS_HZ), generator.uniform(0, 2 * np.pi)
    heights = generator.uniform(0, mv, (leads, 1))
    added = heights * np.sin(2 * np.pi * hertz * np.arange(samples) / sample.fs + phase)
    return replace(sample, signal=(sample.signal + added).astype(sample.signal.dtype))


AUGMENTATIONS: dict[str, Callable[..., Sample]] = {
    "one_lead_dropout": one_lead_dropout,
    "hum": hum,
}
