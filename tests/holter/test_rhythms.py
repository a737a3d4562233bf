"""Simulated rhythms: cuts shorten intervals, keep complexes, and change nothing else."""

import numpy as np
import pytest

from holter.rhythms import AFTER_R, UNKNOWN, N, S, simulate_rhythms

FS = 250


def sinus(beats: int = 1200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Make a signal with a spike of its beat's own number at each R peak."""
    generator = np.random.default_rng(seed)
    peaks = np.cumsum(generator.integers(195, 206, beats))
    signal = np.zeros((2, peaks[-1] + 300), np.float32)
    signal[0, peaks] = np.arange(beats) + 1
    return signal, peaks


def test_premature_beats_are_those_whose_interval_became_shorter() -> None:
    signal, peaks = sinus()
    result = simulate_rhythms(signal, peaks, np.zeros(len(peaks), int), np.random.default_rng(1))
    before, after = np.diff(peaks), np.diff(result.peaks)
    premature = result.classes[1:] == S
    assert 0.03 < premature.mean() < 0.4
    assert (after[premature] < 0.93 * before[premature]).all()
    assert (after <= before).all()
    assert after.min() > AFTER_R
    moved = (after < before) & ~premature  # tachycardia and fibrillation
    assert 0.02 < moved.mean() < 0.5
    unchanged = ~premature & ~moved
    np.testing.assert_array_equal(after[unchanged], before[unchanged])
    assert set(result.classes) == {N, S}


def test_r_peaks_stay_where_their_complexes_are() -> None:
    signal, peaks = sinus()
    result = simulate_rhythms(signal, peaks, np.zeros(len(peaks), int), np.random.default_rng(2))
    np.testing.assert_allclose(result.signal[0, result.peaks], np.arange(len(peaks)) + 1, atol=1e-3)
    assert result.signal.shape[1] == signal.shape[1] - (peaks[-1] - result.peaks[-1])


def test_no_step_is_left_at_a_cut() -> None:
    _, peaks = sinus()
    ramp = np.linspace(0, 40, peaks[-1] + 300)[None]  # a cut of 100 samples is a step of 0.02
    result = simulate_rhythms(ramp, peaks, np.zeros(len(peaks), int), np.random.default_rng(3))
    slope = 40 / (peaks[-1] + 299)
    assert np.abs(np.diff(result.signal[0])).max() < 20 * slope
    assert np.abs(np.diff(result.signal[0]) - slope).max() < 10 * slope


def test_beats_of_other_classes_and_irregular_rhythms_stay() -> None:
    signal, peaks = sinus()
    classes = np.full(len(peaks), 2)
    result = simulate_rhythms(signal, peaks, classes, np.random.default_rng(4))
    assert (result.classes == UNKNOWN).all()
    np.testing.assert_array_equal(result.signal, signal)
    generator = np.random.default_rng(5)
    irregular = np.cumsum(generator.integers(120, 280, 400))
    signal = np.zeros((1, irregular[-1] + 300))
    result = simulate_rhythms(signal, irregular, np.zeros(400, int), generator)
    assert (result.classes == S).mean() < 0.02


@pytest.mark.parametrize("beats", [2, 10, 30])
def test_short_recordings_stay_valid(beats: int) -> None:
    signal, peaks = sinus(beats)
    result = simulate_rhythms(signal, peaks, np.zeros(beats, int), np.random.default_rng(0))
    assert len(result.peaks) == len(result.classes) == beats
    assert (np.diff(result.peaks) > 0).all()


def test_the_same_seed_gives_the_same_rhythms() -> None:
    signal, peaks = sinus(200)
    classes = np.zeros(200, int)
    first, second = (
        simulate_rhythms(signal, peaks, classes, np.random.default_rng(7)) for _ in range(2)
    )
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
