"""Augmentation of records of one lead; Reich & Kruk, DualNet 2017, in their order and numbers.

`augment(signal, leads, fs, generator, **numbers) -> signal` on (rows, samples), as the other
`RECORDS` of `training.augment`; what is made is float32.  Each acts by its own `probability`.
Amplitudes are of the signal's unit, and 0 is what fills: in a standardised record standard
deviations and the mean, in one of mV what the public code does to µV.

The public code's warp and band-pass are here too, with their faults: `…_as_published`;
`turn` is ours.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache, wraps

import numpy as np

Change = Callable[..., np.ndarray]
_WAY_ROUND = 1.0  # rad: a sine begins within the first one; the public code's


def _sometimes(change: Change) -> Change:
    """Let a change act by its `probability`, which all of them take; else the record stays."""

    @wraps(change)
    def drawn(
        signal: np.ndarray, leads: Sequence[str], fs: float, generator: np.random.Generator, *,
        probability: float, **numbers: float,
    ) -> np.ndarray:  # fmt: skip
        if generator.random() >= probability:
            return signal
        return change(signal, leads, fs, generator, **numbers)

    return drawn


@_sometimes
def cutout(
    signal: np.ndarray, leads: Sequence[str], fs: float, generator: np.random.Generator, *,
    share: float,
) -> np.ndarray:  # fmt: skip
    """Set one run of this share of a record to 0."""
    run = int(share * signal.shape[1])
    begin = int(generator.integers(signal.shape[1] - run))
    cut = signal.astype(np.float32)
    cut[:, begin : begin + run] = 0
    return cut


@_sometimes
def drop(
    signal: np.ndarray, leads: Sequence[str], fs: float, generator: np.random.Generator, *,
    share: float,
) -> np.ndarray:  # fmt: skip
    """Set this share of a record's samples, one at least, to 0."""
    count = max(int(share * signal.shape[1]), 1)
    dropped = signal.astype(np.float32)
    dropped[:, generator.choice(signal.shape[1], count, replace=False)] = 0
    return dropped


@_sometimes
def warp(
    signal: np.ndarray, leads: Sequence[str], fs: float, generator: np.random.Generator, *,
    most: float, points: int,
) -> np.ndarray:  # fmt: skip
    """Run faster here and slower there: read each sample a little before or after its place.

    How far is drawn at some points, and linear between them.

    Parameters
    ----------
    most : float
        Farthest a sample comes from, as a share of half the record.
    points : int
    """
    samples = signal.shape[1]
    offset = _offsets(samples, generator.uniform(-most, most, points))
    place = np.arange(samples)
    return _at(signal, np.clip(place + offset * (samples - 1) / 2, 0, samples - 1))


@_sometimes
def warp_as_published(
    signal: np.ndarray, leads: Sequence[str], fs: float, generator: np.random.Generator, *,
    most: float, points: int,
) -> np.ndarray:  # fmt: skip
    """Warp as the public code does: the record fades to half at both ends.

    It samples an image of one row, whose second axis runs from -1 to 1 along the record, and mixes
    two conventions for the first: a warp by 0 stretches by L / (L - 1).
    """
    samples = signal.shape[1]
    axis = np.linspace(-1, 1, samples)
    moved = np.clip(axis + _offsets(samples, generator.uniform(-most, most, points)), -1, 1)
    source = ((moved + 1) * samples - 1) / 2  # outside the record lie zeros
    edged = np.pad(signal.astype(np.float32), ((0, 0), (1, 1)))
    return (_at(edged, source + 1) * (1 - np.abs(axis) / 2)).astype(np.float32)


@_sometimes
def stretch(
    signal: np.ndarray, leads: Sequence[str], fs: float, generator: np.random.Generator, *,
    least: float, most: float, longest_s: float,
) -> np.ndarray:  # fmt: skip
    """Make a record longer or shorter by a factor between `least` and `most`: slower or faster.

    It is linearly interpolated, and ends at `longest_s`.
    """
    samples = signal.shape[1]
    wanted = max(int(generator.uniform(least, most) * samples), 1)
    return _at(signal, np.linspace(0, samples - 1, wanted))[:, : round(longest_s * fs)]


@_sometimes
def amplify(
    signal: np.ndarray, leads: Sequence[str], fs: float, generator: np.random.Generator, *,
    spread: float,
) -> np.ndarray:  # fmt: skip
    """Multiply a record by one factor, 1 ± up to `spread`."""
    return signal.astype(np.float32) * np.float32(generator.uniform(1 - spread, 1 + spread))


@_sometimes
def turn(
    signal: np.ndarray, leads: Sequence[str], fs: float, generator: np.random.Generator
) -> np.ndarray:  # fmt: skip
    """Turn a record upside down, as a device held the wrong way round does."""
    return -signal.astype(np.float32)


@_sometimes
def delay(
    signal: np.ndarray, leads: Sequence[str], fs: float, generator: np.random.Generator, *,
    most_s: float, longest_s: float,
) -> np.ndarray:  # fmt: skip
    """Put less than `most_s` of zeros before a record, never more than its length.

    It gets longer by them, and ends at `longest_s`.
    """
    zeros = int(generator.integers(min(round(most_s * fs), signal.shape[1])))
    delayed = np.pad(signal.astype(np.float32), ((0, 0), (zeros, 0)))
    return delayed[:, : round(longest_s * fs)]


@_sometimes
def wander(
    signal: np.ndarray, leads: Sequence[str], fs: float, generator: np.random.Generator, *,
    amplitude: float, low_hz: float, high_hz: float,
) -> np.ndarray:  # fmt: skip
    """Add a slow sine of up to this amplitude, of a frequency between the two."""
    height, hertz = generator.uniform(0, amplitude), generator.uniform(low_hz, high_hz)
    begin = generator.uniform(0, _WAY_ROUND)
    time = np.arange(signal.shape[1]) / fs
    return (signal + height * np.sin(2 * math.pi * hertz * time + begin)).astype(np.float32)


@_sometimes
def band_pass(
    signal: np.ndarray, leads: Sequence[str], fs: float, generator: np.random.Generator, *,
    low_hz: float, high_hz: float, order: int,
) -> np.ndarray:  # fmt: skip
    """Filter forwards by a Butterworth band-pass, as if the first sample had always been."""
    from scipy.signal import sosfilt, sosfilt_zi

    sections = _sections(order, low_hz, high_hz, fs)
    begin = signal[:, 0].astype(np.float64)
    steady = sosfilt_zi(sections)[:, None] * begin[:, None]  # (sections, rows, 2)
    filtered, _ = sosfilt(sections, signal.astype(np.float64), axis=1, zi=steady)
    return np.asarray(filtered, np.float32)


@_sometimes
def band_pass_as_published(
    signal: np.ndarray, leads: Sequence[str], fs: float, generator: np.random.Generator, *,
    low_hz: float, high_hz: float, order: int,
) -> np.ndarray:  # fmt: skip
    """Filter as the public code does, from rest: the step from 0 to the first sample rings on."""
    from scipy.signal import sosfilt

    sections = _sections(order, low_hz, high_hz, fs)
    return np.asarray(sosfilt(sections, signal.astype(np.float64), axis=1), np.float32)


@lru_cache(maxsize=8)
def _sections(order: int, low_hz: float, high_hz: float, fs: float) -> np.ndarray:
    from scipy.signal import butter

    return np.asarray(butter(order, [low_hz, high_hz], "bandpass", output="sos", fs=fs))


def _offsets(samples: int, drawn: np.ndarray) -> np.ndarray:
    """Put as many points into the middles of equal parts of a record, and draw lines between."""
    place = (np.arange(samples) + 0.5) * len(drawn) / samples - 0.5
    return np.interp(place, np.arange(len(drawn)), drawn)


def _at(signal: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Interpolate each row linearly at these places, in samples."""
    known = np.arange(signal.shape[1])
    return np.stack([np.interp(places, known, row) for row in signal]).astype(np.float32)


SINGLE: dict[str, Change] = {
    "cutout": cutout,
    "drop": drop,
    "warp": warp,
    "warp_as_published": warp_as_published,
    "stretch": stretch,
    "amplify": amplify,
    "turn": turn,
    "delay": delay,
    "wander": wander,
    "band_pass": band_pass,
    "band_pass_as_published": band_pass_as_published,
}
