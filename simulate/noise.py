"""Noise of a simulated signal: baseline wander, mains, muscles, bad contacts."""

from dataclasses import dataclass

import numpy as np

from ecg.leads import canonical_name

WANDER_HZ = (0.12, 0.28, 0.45)  # respiration and slower, below the 0.5 Hz of monitors' filters


@dataclass(frozen=True)
class Noise:
    """Amplitudes of noise; zero means none.

    Wander, mains and muscle noise are drawn for I, II and V1 to V6, and the other limb leads are
    derived, so that III = II - I holds; `flat` and `noisy` then change single leads.

    Attributes
    ----------
    wander_mv : float
        Amplitude of baseline wander.
    mains_mv, mains_hz : float
        Amplitude and frequency of mains hum, 50 or 60 Hz; omitted above fs / 2.
    muscle_mv : float
        Standard deviation of white noise.
    flat : tuple of str
        Leads with a disconnected electrode: zero.
    noisy : tuple of str
        Leads with a bad contact: white noise of standard deviation `noisy_mv` is added.
    noisy_mv : float
    """

    wander_mv: float = 0.04
    mains_mv: float = 0.004
    mains_hz: float = 50.0
    muscle_mv: float = 0.008
    flat: tuple[str, ...] = ()
    noisy: tuple[str, ...] = ()
    noisy_mv: float = 0.2


CLEAN = Noise(wander_mv=0, mains_mv=0, muscle_mv=0)


def common_noise(
    noise: Noise, shape: tuple[int, int], fs: float, generator: np.random.Generator
) -> np.ndarray:
    """Draw wander, mains and muscle noise in mV, float32 of this shape (leads, samples)."""
    leads, samples = shape
    times = np.arange(samples) / fs
    sizes = generator.normal(0, 0.6, (leads, len(WANDER_HZ)))
    starts = generator.uniform(0, 2 * np.pi, (2, len(WANDER_HZ) + 1))
    drawn = np.zeros(shape, np.float32)
    if noise.wander_mv:
        swings = [
            np.sin(2 * np.pi * f * times + a)
            for f, a in zip(WANDER_HZ, starts[0, :-1], strict=True)
        ]
        drawn += noise.wander_mv * (sizes @ np.array(swings)).astype(np.float32)
    if noise.mains_mv and noise.mains_hz < fs / 2:
        hum = np.sin(2 * np.pi * noise.mains_hz * times + starts[0, -1]).astype(np.float32)
        drawn += noise.mains_mv * generator.uniform(0.5, 1, (leads, 1)).astype(np.float32) * hum
    if noise.muscle_mv:
        drawn += noise.muscle_mv * generator.standard_normal(shape, np.float32)
    return drawn


def spoil_leads(
    signal: np.ndarray, leads: tuple[str, ...], noise: Noise, generator: np.random.Generator
) -> None:
    """Make leads flat or noisy, in place; leads that the record lacks are ignored."""
    for row, lead in enumerate(leads):
        if lead in map(canonical_name, noise.noisy):
            drawn = generator.standard_normal(signal.shape[1], np.float32)
            signal[row] += np.float32(noise.noisy_mv) * drawn
        if lead in map(canonical_name, noise.flat):
            signal[row] = 0
