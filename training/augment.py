"""Augmentation: random changes of records and batches during training, by passed generators.

Two kinds, applied in the order of the recipe's `augment`:

- `RECORDS`: `augment(sample, generator, **numbers) -> Sample` on one record, before the recipe's
  post-transforms; a system may add its own as `AUGMENTATIONS`;
- `BATCHES`: `augment(batch, heads, fs, generator, **numbers) -> Batch` on the network's input.
  Targets become soft.  Each micro-batch is a batch of its own here.

Defaults of `BATCHES` are Kang & Wen's (2022), who draw the number of changed records from a Normal
distribution.  In `RECORDS`, `cutout` and all that follow are Reich & Kruk's (ECG-DualNet 2021) for
one lead, in their order and with their numbers, except `invert`, which is ours.  Each is applied
with its `probability` and returns float32.  Amplitudes have the signal's unit: mV, or standard
deviations in a standardised record.  Gaps are filled with 0.  `…_as_published` are the faulty warp
and band-pass of the public code.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, wraps

import numpy as np
import torch

from ecg.leads import ALONE, LEAD_SETS, derivable_leads
from models import lookup
from models.recipe import Head, Recipe
from models.sample import NO_P, Batch, Sample

Heads = Sequence[Head]
Change = Callable[..., Sample]
_FIRST_PHASE = 1.0  # rad: largest initial phase of a baseline's sine, as in the public code


def lead_dropout(sample: Sample, generator: np.random.Generator, *, probability: float) -> Sample:
    """Reduce a record, with this probability, to one of the five lead sets, drawn uniformly.

    Leads that the set lacks and that cannot be derived from it are set to 0, as in a record without
    them.  So one network is trained for all lead sets.
    """
    if generator.random() >= probability:
        return sample
    shown = derivable_leads(list(LEAD_SETS.values())[generator.integers(len(LEAD_SETS))])
    present = np.array([lead in shown for lead in sample.leads])
    zero = sample.signal.dtype.type(0)
    return replace(sample, signal=np.where(present[:, None], sample.signal, zero))


def single_lead(sample: Sample, generator: np.random.Generator, *, probability: float) -> Sample:
    """Reduce a record with marked waves, with this probability, to one of the marked leads.

    Whichever lead it is, it is read as `ALONE`, and the other leads are 0, so that the network
    learns from all leads how to mark a single one.  The targets become those of the lead.
    """
    rows = [target[1:] for target in sample.targets.values() if len(target) > 1]
    marked = np.flatnonzero([
        row.any() and any((one[lead] < NO_P).any() for one in rows)
        for lead, row in enumerate(sample.signal)
    ])  # fmt: skip
    if not len(marked) or generator.random() >= probability:
        return sample
    lead = int(generator.choice(marked))
    alone = np.zeros_like(sample.signal)
    alone[sample.leads.index(ALONE) if ALONE in sample.leads else 0] = sample.signal[lead]
    targets = {
        name: target[[1 + lead]] if len(target) > 1 else target
        for name, target in sample.targets.items()
    }
    return replace(sample, signal=alone, targets=targets)


def shift(sample: Sample, generator: np.random.Generator, *, share: float) -> Sample:
    """Shift a record by up to this share of its length in either direction; fill with zeros."""
    samples = sample.signal.shape[1]
    limit = int(share * samples)
    by = int(generator.integers(-limit, limit + 1))
    moved = np.zeros_like(sample.signal)
    rest = samples - abs(by)
    moved[:, max(by, 0) :][:, :rest] = sample.signal[:, max(-by, 0) :][:, :rest]
    source = np.arange(samples) - by
    return sample.moved(moved, np.where((source >= 0) & (source < samples), source, -1))


def scale(sample: Sample, generator: np.random.Generator, *, spread: float) -> Sample:
    """Multiply a record by one factor, whose logarithm is Normal with this standard deviation."""
    factor = sample.signal.dtype.type(np.exp(generator.normal(0, spread)))
    return replace(sample, signal=sample.signal * factor)


def noise(sample: Sample, generator: np.random.Generator, *, mv: float) -> Sample:
    """Add white noise of this standard deviation, in mV."""
    added = generator.standard_normal(sample.signal.shape, np.float32)
    return replace(sample, signal=(sample.signal + mv * added).astype(sample.signal.dtype))


def _with_probability(change: Change) -> Change:
    """Apply a change with its `probability`; otherwise return the record unchanged."""

    @wraps(change)
    def drawn(
        sample: Sample, generator: np.random.Generator, *, probability: float, **numbers: float
    ) -> Sample:
        if generator.random() >= probability:
            return sample
        return change(sample, generator, **numbers)

    return drawn


@_with_probability
def cutout(sample: Sample, generator: np.random.Generator, *, share: float) -> Sample:
    """Set one interval of this share of a record to 0."""
    samples = sample.signal.shape[1]
    width = int(share * samples)
    onset = int(generator.integers(samples - width))
    cut = sample.signal.astype(np.float32)
    cut[:, onset : onset + width] = 0
    return replace(sample, signal=cut)


@_with_probability
def sample_dropout(sample: Sample, generator: np.random.Generator, *, share: float) -> Sample:
    """Set this share of a record's samples, at least one, to 0."""
    samples = sample.signal.shape[1]
    count = max(int(share * samples), 1)
    dropped = sample.signal.astype(np.float32)
    dropped[:, generator.choice(samples, count, replace=False)] = 0
    return replace(sample, signal=dropped)


@_with_probability
def warp(sample: Sample, generator: np.random.Generator, *, most: float, points: int) -> Sample:
    """Warp the time axis: interpolate each sample at a displaced position.

    Displacements are drawn at `points` positions and interpolated linearly.

    Parameters
    ----------
    most : float
        Largest displacement, as a share of half the record.
    """
    samples = sample.signal.shape[1]
    offset = _offsets(samples, generator.uniform(-most, most, points))
    position = np.clip(np.arange(samples) + offset * (samples - 1) / 2, 0, samples - 1)
    return sample.moved(_at(sample.signal, position), np.rint(position).astype(int))


@_with_probability
def warp_as_published(
    sample: Sample, generator: np.random.Generator, *, most: float, points: int
) -> Sample:
    """Warp as the public code does: the amplitude decreases to half at both ends.

    The code samples an image of one row.  It mixes two conventions for the corners of the time
    axis, -1 to 1, so a displacement of 0 stretches L samples by L / (L - 1).
    """
    samples = sample.signal.shape[1]
    axis = np.linspace(-1, 1, samples)
    moved = np.clip(axis + _offsets(samples, generator.uniform(-most, most, points)), -1, 1)
    source = ((moved + 1) * samples - 1) / 2  # outside the record: zeros
    edged = np.pad(sample.signal.astype(np.float32), ((0, 0), (1, 1)))
    warped = (_at(edged, source + 1) * (1 - np.abs(axis) / 2)).astype(np.float32)
    return sample.moved(warped, np.clip(np.rint(source), 0, samples - 1).astype(int))


@_with_probability
def stretch(
    sample: Sample, generator: np.random.Generator, *,
    least: float, most: float, longest_s: float = math.inf,
) -> Sample:  # fmt: skip
    """Stretch or compress a record by a factor between `least` and `most`, up to `longest_s`."""
    samples = sample.signal.shape[1]
    wanted = max(int(generator.uniform(least, most) * samples), 1)
    position = np.linspace(0, samples - 1, wanted)
    limit = round(min(longest_s * sample.fs, wanted))
    source = np.rint(position).astype(int)[:limit]
    return sample.moved(_at(sample.signal, position)[:, :limit], source)


@_with_probability
def amplify(sample: Sample, generator: np.random.Generator, *, spread: float) -> Sample:
    """Multiply a record by one factor, 1 ± up to `spread`."""
    factor = np.float32(generator.uniform(1 - spread, 1 + spread))
    return replace(sample, signal=sample.signal.astype(np.float32) * factor)


@_with_probability
def invert(sample: Sample, generator: np.random.Generator) -> Sample:
    """Invert a record, as a device that is held upside down does."""
    return replace(sample, signal=-sample.signal.astype(np.float32))


@_with_probability
def delay(
    sample: Sample, generator: np.random.Generator, *, most_s: float, longest_s: float
) -> Sample:
    """Insert zeros before a record: less than `most_s` and less than its own length.

    The result is cut at `longest_s`.
    """
    samples, limit = sample.signal.shape[1], round(longest_s * sample.fs)
    zeros = int(generator.integers(min(round(most_s * sample.fs), samples)))
    delayed = np.pad(sample.signal.astype(np.float32), ((0, 0), (zeros, 0)))[:, :limit]
    return sample.moved(delayed, np.maximum(np.arange(delayed.shape[1]) - zeros, -1))


@_with_probability
def baseline_wander(
    sample: Sample, generator: np.random.Generator, *,
    amplitude: float, low_hz: float, high_hz: float,
) -> Sample:  # fmt: skip
    """Add a sine with an amplitude of up to `amplitude` and a frequency between the limits."""
    height, hertz = generator.uniform(0, amplitude), generator.uniform(low_hz, high_hz)
    phase = generator.uniform(0, _FIRST_PHASE)
    time = np.arange(sample.signal.shape[1]) / sample.fs
    baseline = height * np.sin(2 * math.pi * hertz * time + phase)
    return replace(sample, signal=(sample.signal + baseline).astype(np.float32))


@_with_probability
def band_pass(
    sample: Sample, generator: np.random.Generator, *, low_hz: float, high_hz: float, order: int
) -> Sample:
    """Apply a causal Butterworth band-pass, initialised with the first sample's steady state."""
    from scipy.signal import sosfilt, sosfilt_zi

    sections = _sections(order, low_hz, high_hz, sample.fs)
    first = sample.signal[:, 0].astype(np.float64)
    steady = sosfilt_zi(sections)[:, None] * first[:, None]  # (sections, channels, 2)
    filtered, _ = sosfilt(sections, sample.signal.astype(np.float64), axis=1, zi=steady)
    return replace(sample, signal=np.asarray(filtered, np.float32))


@_with_probability
def band_pass_as_published(
    sample: Sample, generator: np.random.Generator, *, low_hz: float, high_hz: float, order: int
) -> Sample:
    """Filter as the public code does, with zero initial state: a transient at the start."""
    from scipy.signal import sosfilt

    sections = _sections(order, low_hz, high_hz, sample.fs)
    filtered = sosfilt(sections, sample.signal.astype(np.float64), axis=1)
    return replace(sample, signal=np.asarray(filtered, np.float32))


@lru_cache(maxsize=8)
def _sections(order: int, low_hz: float, high_hz: float, fs: float) -> np.ndarray:
    from scipy.signal import butter

    return np.asarray(butter(order, [low_hz, high_hz], "bandpass", output="sos", fs=fs))


def _offsets(samples: int, drawn: np.ndarray) -> np.ndarray:
    """Interpolate values, drawn for the centres of equal parts of a record, at each sample."""
    position = (np.arange(samples) + 0.5) * len(drawn) / samples - 0.5
    return np.asarray(np.interp(position, np.arange(len(drawn)), drawn))


def _at(signal: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Interpolate each channel linearly at these positions, in samples."""
    indices = np.arange(signal.shape[1])
    return np.stack([np.interp(positions, indices, row) for row in signal]).astype(np.float32)


def mixup(
    batch: Batch, heads: Heads, fs: float, generator: np.random.Generator, *,
    alpha: float = 0.3, share: float = 0.6,
) -> Batch:  # fmt: skip
    """Mix records with each other, and their targets: λ x + (1 − λ) x'; Zhang et al., ICLR 2018.

    One λ ~ Beta(α, α) per batch.  About a `share` of the records is permuted; the others are mixed
    with themselves.  The longer of two lengths is the mixture's.
    """
    size = len(batch.signal)
    lam = float(generator.beta(alpha, alpha))
    chosen = _chosen(size, share, generator)
    partner = np.arange(size)
    partner[chosen] = generator.permutation(chosen)
    facts = batch.facts
    return Batch(
        torch.lerp(batch.signal[partner], batch.signal, lam),
        torch.maximum(batch.length, batch.length[partner]),
        {name: torch.lerp(target[partner], target, lam) for name, target in batch.targets.items()},
        None if facts is None else torch.lerp(facts[partner], facts, lam),
    )


def label_smoothing(
    batch: Batch, heads: Heads, fs: float, generator: np.random.Generator, *,
    epsilon: float = 0.1, share: float = 0.8,
) -> Batch:  # fmt: skip
    """Smooth the targets of about a `share` of the records: y ← (1 − ε) y + ε / classes."""
    chosen = _chosen(len(batch.signal), share, generator)
    targets = {}
    for head in heads:
        target = targets[head.name] = batch.targets[head.name].clone()
        if not head.dense:
            target[chosen] = (1 - epsilon) * target[chosen] + epsilon / target.shape[1]
    return batch._replace(targets=targets)


def random_masking(
    batch: Batch, heads: Heads, fs: float, generator: np.random.Generator, *,
    share: float = 0.3, masked: float = 0.15, shortest_s: float = 0.08, longest_s: float = 0.18,
) -> Batch:  # fmt: skip
    """Set short intervals of all leads to 0 in about a `share` of the records.

    Intervals of the longest width without overlap would cover the share `masked` of the samples.
    """
    signal = batch.signal.clone()
    shortest, longest = round(shortest_s * fs), round(longest_s * fs)
    for index in _chosen(len(signal), share, generator):
        room = max(0, int(batch.length[index]) - longest)
        for onset in _chosen(room, masked / longest, generator):
            middle, radius = onset + longest // 2, generator.integers(shortest, longest + 1) // 2
            signal[index, :, middle - radius : middle + radius] = 0
    return batch._replace(signal=signal)


def _chosen(size: int, share: float, generator: np.random.Generator) -> np.ndarray:
    """Draw indices below `size`, round(Normal(share · size, spread · size)) of them."""
    spread = min(share / 4, 0.1)  # torch-ecg's
    count = round(generator.normal(share * size, spread * size))
    return generator.permutation(size)[: min(max(count, 0), size)]


RECORDS: dict[str, Change] = {
    "lead_dropout": lead_dropout,
    "single_lead": single_lead,
    "shift": shift,
    "scale": scale,
    "noise": noise,
    "cutout": cutout,
    "sample_dropout": sample_dropout,
    "warp": warp,
    "warp_as_published": warp_as_published,
    "stretch": stretch,
    "amplify": amplify,
    "invert": invert,
    "delay": delay,
    "baseline_wander": baseline_wander,
    "band_pass": band_pass,
    "band_pass_as_published": band_pass_as_published,
}
BATCHES: dict[str, Callable[..., Batch]] = {
    "mixup": mixup,
    "label_smoothing": label_smoothing,
    "random_masking": random_masking,
}
AUGMENTATIONS: Mapping[str, Change | Callable[..., Batch]] = {**RECORDS, **BATCHES}


def augment_sample(recipe: Recipe, sample: Sample, generator: np.random.Generator) -> Sample:
    """Apply the recipe's augmentations of records, in its order."""
    for part in recipe.augment:
        if part.name not in BATCHES:
            change = lookup(recipe, "AUGMENTATIONS", part.name, RECORDS)
            sample = change(sample, generator, **part.options)
    return sample


def augment_batch(recipe: Recipe, batch: Batch, generator: np.random.Generator) -> Batch:
    """Apply the recipe's augmentations of batches, in its order."""
    for part in recipe.augment:
        if part.name in BATCHES:
            change = BATCHES[part.name]
            batch = change(batch, recipe.heads, recipe.fs, generator, **part.options)
    return batch
