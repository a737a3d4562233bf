"""Rapid rhythms: up to 240 beats per minute, with noise, and noise alone."""

import numpy as np
import pytest

from ecg.beats import detect
from scoring.beats import count

FS = 250


def rapid(bpm: float, width_s: float, noise_mv: float, seconds: float = 20.0):
    """Give a lead of narrow QRS complexes of 1 mV with T waves and noise, and its R peaks."""
    times = np.arange(round(seconds * FS)) / FS
    r_peaks = np.arange(0.1, seconds, 60 / bpm)
    after = times[:, None] - r_peaks
    lead = np.exp(-0.5 * (after / width_s) ** 2) - 0.3 * np.exp(
        -0.5 * ((after - 0.03) / width_s) ** 2
    )
    lead += 0.15 * np.exp(-0.5 * ((after - 27 / bpm) / 0.04) ** 2)
    noise = noise_mv * np.random.default_rng(0).standard_normal(len(times))
    return (lead.sum(axis=1) + noise)[None], np.rint(r_peaks * FS).astype(int)


@pytest.mark.parametrize("bpm", [180, 200, 225, 230, 240])
@pytest.mark.parametrize("width_s", [0.008, 0.012, 0.016])
@pytest.mark.parametrize("noise_mv", [0.0, 0.02, 0.05, 0.08])
def test_rapid_narrow_beats_are_found_in_noise(bpm: int, width_s: float, noise_mv: float) -> None:
    signal, r_peaks = rapid(bpm, width_s, noise_mv)
    assert count(r_peaks, detect(signal, FS), FS, tolerance_ms=40) == (len(r_peaks), 0, 0)


def test_two_leads_of_which_one_is_noise() -> None:
    signal, r_peaks = rapid(235, 0.012, 0.05)
    noisy = np.vstack([signal, np.random.default_rng(1).standard_normal(signal.shape)])
    assert count(r_peaks, detect(noisy, FS), FS, tolerance_ms=40) == (len(r_peaks), 0, 0)


def test_a_rapid_stretch_between_slow_ones() -> None:
    """Two minutes: 20 s at 225 per minute among beats at 75 per minute; seams are left out."""
    fast, r_peaks = rapid(225, 0.012, 0.03)
    slow, slow_peaks = rapid(75, 0.012, 0.03, seconds=48.0)
    signal = np.concatenate([slow, fast, slow], axis=1)
    samples, more = slow.shape[1], slow.shape[1] + fast.shape[1]
    marks = np.concatenate([slow_peaks, samples + r_peaks, more + slow_peaks])
    seams = np.array([[samples - 6 * FS, samples + 6 * FS], [more - 6 * FS, more + 6 * FS]])
    assert count(marks, detect(signal, FS), FS, left_out=seams)[1:] == (0, 0)
