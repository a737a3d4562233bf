"""Augmentations of this system: dropout of a single lead, hum of the mains, pacing spikes."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ecg.annotations import QRS
from ecg.waves import runs_of
from models.sample import Sample

MAINS_HZ = (50.0, 60.0)
# Of pacing spikes: from the spike to the QRS onset, between spikes, and the decay of a spike.
BEFORE_QRS_S, EVERY_S, DECAY_S = 0.05, (0.6, 1.2), (0.001, 0.012)


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


def pacing(
    sample: Sample, generator: np.random.Generator, *, probability: float, mv: float
) -> Sample:
    """Add pacing spikes with this probability, one before each marked QRS complex.

    Ours.  Few of the marked records are paced, and a QRS complex starts after its spike.  Without
    marks the spikes are regular.  Each lead has a height up to `mv`, of either sign; absent leads
    stay 0.
    """
    if generator.random() >= probability:
        return sample
    leads, samples = sample.signal.shape
    before = generator.uniform(0, BEFORE_QRS_S) * sample.fs
    every = generator.uniform(*EVERY_S) * sample.fs
    at = np.arange(generator.uniform(0, every), samples, every).astype(int)
    if "waves" in sample.targets:
        onsets = runs_of(sample.targets["waves"][0], QRS)[:, 0]
        at = (onsets[onsets >= before] - before).astype(int) if len(onsets) else at
    heights = generator.uniform(-mv, mv, (leads, 1)) * sample.signal.any(axis=1, keepdims=True)
    fall = np.exp(-1 / (sample.fs * generator.uniform(*DECAY_S)))
    spikes = np.zeros(samples)
    spikes[at] = 1
    shape = fall ** np.arange(int(0.04 * sample.fs) + 1)
    added = heights * np.convolve(spikes, shape)[:samples]
    return replace(sample, signal=(sample.signal + added).astype(sample.signal.dtype))


AUGMENTATIONS: dict[str, Callable[..., Sample]] = {
    "one_lead_dropout": one_lead_dropout,
    "hum": hum,
    "pacing": pacing,
}
