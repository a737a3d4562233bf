"""Inputs: from a record's signal to the channels of a network, in training and prediction."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ecg import LeadwiseError
from ecg.headers import Message
from ecg.leads import (
    ALONE,
    LEAD_SETS,
    Choice,
    choose,
    derivable_leads,
    lead_warnings,
    sort_leads,
)
from ecg.signals import CROPPING, TRAINING_ONLY
from models import lookup
from models.parts import check_numbers, reported
from models.recipe import Part, Recipe

RATE_TOLERANCE = 0.05  # of the recipe's rate; ISIBrno 2020 reads 257 Hz as 250 Hz


def prepare(
    recipe: Recipe, signal: np.ndarray, have: Sequence[str], want: Sequence[str], fs: float
) -> Choice:
    """Choose leads and apply the recipe's transforms.

    Parameters
    ----------
    signal : np.ndarray of shape (len(have), samples)
        In mV, NaN where a sample has no value.
    have, want : sequence of str
        Leads of the signal, leads of the network.
    fs : float
        Sampling rate of the signal in Hz.

    Returns
    -------
    Choice
        `signal` of shape (channels, samples at the recipe's rate), float32, and the missing leads.
        Channels are the wanted leads, then each kind of derived channels (envelopes) of all leads.

    Raises
    ------
    LeadwiseError
        The transforms end at a rate that the network does not read.
    """
    chosen, missing = choose(signal, have, want)
    for part in recipe.transforms:
        chosen, fs = _apply(recipe, part, chosen, fs)
    _check_rate(recipe, fs)
    return Choice(chosen.astype(np.float32, copy=False), missing)


def post_transform(
    recipe: Recipe, signal: np.ndarray, *, training: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Apply the recipe's post-transforms, whose result depends on the lead set.

    Parameters
    ----------
    signal : np.ndarray of shape (channels, samples)
        From `prepare`, or the lead set's channels of the cache.
    training : bool
        Whether it is for a training step; else transforms in `TRAINING_ONLY` are left out.

    Returns
    -------
    signal : np.ndarray of shape (channels, new samples)
    positions : np.ndarray of int, shape (new samples,)
        Sample of the input signal at each new sample; −1 where padding was added.
    """
    positions = np.arange(signal.shape[1])
    if recipe.post_transforms:
        signal = signal.astype(np.float32, copy=False)
    for part in recipe.post_transforms:
        if part.name in TRAINING_ONLY and not training:
            continue
        signal, fs = _apply(recipe, part, signal, recipe.fs)
        _check_rate(recipe, fs)
        if part.name in CROPPING:  # + 1, because padding becomes 0
            shifted, _ = _apply(recipe, part, positions[None] + 1.0, recipe.fs)
            positions = shifted[0].astype(np.int64) - 1
    if recipe.post_transforms:
        signal = signal.astype(np.float32, copy=False)
    return signal, positions


def lead_messages(
    recipe: Recipe, record: str, have: Sequence[str], want: Sequence[str], missing: Sequence[str]
) -> Iterator[Message]:
    """Describe which leads of a record are ignored, derived or missing.

    Parameters
    ----------
    record : str
        Name of the record.
    have, want, missing : sequence of str
        Leads of the record, leads of the network, and those of them that are read as 0.
    """
    for warning in lead_warnings(have, want):
        yield Message(record, *warning)
    present = sort_leads(lead for lead in want if lead not in missing)
    if missing and frozenset(present) in _dropout_sets(recipe):
        text = f"the network reads {', '.join(present)}; it is trained for this lead set, too"
        yield Message(record, "fewer leads", text)
    elif missing:
        text = f"{', '.join(sort_leads(missing))} missing and not derivable; read as 0"
        yield Message(record, "missing leads", text)


def _dropout_sets(recipe: Recipe) -> set[frozenset[str]]:
    """Give the leads that the recipe's augmentation leaves in a record, if it drops leads."""
    names = {part.name for part in recipe.augment}
    sets = set(map(derivable_leads, LEAD_SETS.values())) if "lead_dropout" in names else set()
    return sets | ({frozenset({ALONE})} if "single_lead" in names else set())


def _check_rate(recipe: Recipe, fs: float) -> None:
    if abs(fs - recipe.fs) > RATE_TOLERANCE * recipe.fs:
        raise LeadwiseError(
            f"{recipe.name}: its transforms end at {fs:g} Hz, but fs is {recipe.fs:g} Hz"
        )


def _apply(recipe: Recipe, part: Part, signal: np.ndarray, fs: float) -> tuple[np.ndarray, float]:
    """Apply one transform; the default of its rate or length is the recipe's."""
    transform = lookup(recipe, "TRANSFORMS", part.name)
    in_training = part.name in TRAINING_ONLY and recipe.crop_s
    stated = {"to_hz": recipe.fs, "seconds": recipe.crop_s if in_training else recipe.max_s}
    numbers = {name: stated[name] for name in _parameters(transform) & stated.keys()}
    transformed: tuple[np.ndarray, float] = transform(signal, fs, **{**numbers, **part.options})
    return transformed


@lru_cache(maxsize=256)
def _parameters(function: Callable[..., Any]) -> frozenset[str]:
    return frozenset(inspect.signature(function).parameters)


def check_transforms(recipe: Recipe) -> None:
    """Check the transforms' numbers, that they end at the recipe's rate, and what they return.

    Raises
    ------
    LeadwiseError
        A number is wrong, a transform fails on noise, they end at another rate, or a post-transform
        not in `CROPPING` changes the length.
    """
    for part in (*recipe.transforms, *recipe.post_transforms):
        transform = lookup(recipe, "TRANSFORMS", part.name)
        check_numbers(recipe.name, part, transform, 2, stated=("to_hz", "seconds"))
    noise = np.random.default_rng(0).normal(size=(2, 256)).astype(np.float32)
    for record_fs in (2 * recipe.fs, recipe.fs / 2):
        signal, fs = noise, record_fs
        for part in recipe.transforms:
            signal, fs = _tried(recipe, part, signal, fs)
        if fs != recipe.fs:
            raise LeadwiseError(
                f"{recipe.name}: its transforms give {fs:g} Hz for a record of {record_fs:g} Hz, "
                f"but fs is {recipe.fs:g} Hz; add part('resample') to them without to_hz"
            )
    for part in recipe.post_transforms:
        lengths = (max(1, 3 * recipe.max_samples // 4), 2 * recipe.max_samples)
        trials = [np.zeros((2, samples), np.float32) for samples in lengths]
        changed = [_tried(recipe, part, trial, recipe.fs)[0].shape[1] for trial in trials]
        if tuple(changed) != lengths and part.name not in CROPPING:
            raise LeadwiseError(
                f"{recipe.name}: the post-transform '{part.name}' changes the length; only "
                f"{', '.join(sorted(CROPPING))} may"
            )
        if part.name in CROPPING and changed[0] > recipe.max_samples:
            raise LeadwiseError(
                f"{recipe.name}: the post-transform '{part.name}' makes {changed[0]} samples of "
                f"{lengths[0]}, but the network reads at most {recipe.max_samples} (max_s)"
            )


def _tried(recipe: Recipe, part: Part, signal: np.ndarray, fs: float) -> tuple[np.ndarray, float]:
    """Apply one transform to a trial signal, and check what it returns."""
    with reported(f"{recipe.name}: the transform '{part.name}' fails on a trial signal"):
        changed, new_fs = _apply(recipe, part, signal, fs)
        channels, samples = changed.shape
    if samples < 1 or channels % 2 or channels < 2 or not np.isfinite(changed).all():
        raise LeadwiseError(
            f"{recipe.name}: the transform '{part.name}' gives no finite channels of each lead"
        )
    return changed, new_fs


def unfit(recipe: Recipe, fs: float) -> Iterator[str]:
    """Describe filters of the recipe whose upper edge is above half of a record's sampling rate.

    Examples
    --------
    >>> from models import find
    >>> list(unfit(find("isibrno-published"), 100))
    []
    """
    rate = min(fs, recipe.fs)
    for part in (*recipe.transforms, *recipe.post_transforms):
        high_hz = part.options.get("high_hz", 0)
        if high_hz >= rate / 2:
            yield (
                f"a record of {rate:g} Hz holds nothing above {rate / 2:g} Hz; the upper edge of "
                f"{part.name}, {high_hz:g} Hz, has no effect"
            )


def channels_per_lead(recipe: Recipe) -> int:
    """Count the channels that the transforms compute from one lead."""
    trial = np.zeros((1, 64), np.float32)
    return len(prepare(recipe, trial, ["I"], ["I"], recipe.fs).signal)


def channels_of(leads: Sequence[str], all_leads: Sequence[str], kinds: int) -> list[int]:
    """List the channels of these leads in a signal prepared for `all_leads`.

    Parameters
    ----------
    kinds : int
        Channels per lead.

    Examples
    --------
    >>> channels_of(["I", "V2"], ["I", "II", "V2"], kinds=2)
    [0, 2, 3, 5]
    """
    indices = [all_leads.index(lead) for lead in leads]
    return [kind * len(all_leads) + index for kind in range(kinds) for index in indices]


def window_bounds(recipe: Recipe, samples: int) -> list[tuple[int, int]]:
    """Divide a signal into windows for the network: as few as possible, of about equal length.

    If the recipe has a stride, all windows have the full length.  The remainder at the end is then
    ignored, except with a dense head, which gets a last window that ends with the signal.

    Returns
    -------
    list of (int, int)
        Half-open [onset, offset) in samples.
    """
    most, stride = recipe.max_samples, round(recipe.stride_s * recipe.fs)
    if stride and samples > most:
        bounds = [(onset, onset + most) for onset in range(0, samples - most + 1, stride)]
        if bounds[-1][1] < samples and any(head.dense for head in recipe.heads):
            bounds.append((samples - most, samples))
        return bounds
    count = -(-samples // most)
    short, longer = divmod(samples, count)  # the first `longer` windows have one sample more
    edges = [window * short + min(window, longer) for window in range(count + 1)]
    return list(zip(edges[:-1], edges[1:], strict=True))
