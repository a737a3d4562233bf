"""Noise and quiet gaps: found where they are, not in wide beats, and not dependent on the parts."""

import numpy as np
import pytest

from ecg.beats import detect
from holter.activity import Activity, Meter, noise, quiet_gaps
from holter.parts import Part
from simulate import simulate

FS = 250
SIGNAL = simulate(["NSR"], seed=2, duration_s=120, fs=FS, leads=("II", "V1")).signal


def measured(signal: np.ndarray, length: int = 10**9, fs: float = FS) -> Activity:
    meter = Meter(fs)
    for begin in range(0, signal.shape[1], length):
        end = min(begin + length, signal.shape[1])
        first = max(0, begin - meter.margin)
        meter.add(Part(begin, end, first, signal[:, first : end + meter.margin]))
    return meter.finish()


def noisy_seconds(signal: np.ndarray) -> list[list[float]]:
    peaks = detect(signal, FS)
    return (noise(measured(signal), peaks, FS) / FS).tolist()


@pytest.mark.parametrize("length", [25, 1000, 4975])
def test_activity_does_not_depend_on_the_parts(length: int) -> None:
    for one, whole in zip(measured(SIGNAL, length)[2:], measured(SIGNAL)[2:], strict=True):
        np.testing.assert_array_equal(one, whole)


def test_a_step_holds_the_largest_change_within_40_ms() -> None:
    signal = np.zeros((1, 100))
    signal[0, 30:] = 1.0  # a jump at sample 30: steps are 25 samples
    activity = measured(signal)
    assert activity.slope.tolist() == [[1, 1, 0, 0]]  # from samples 20 to 29
    assert activity.sharp.tolist() == [[0, 1, 0, 0]]


def test_clean_signal_has_no_noise() -> None:
    assert noisy_seconds(SIGNAL) == []


def test_muscle_noise_in_all_leads_is_found_and_in_one_lead_is_none() -> None:
    random = np.random.default_rng(0)
    signal = SIGNAL.copy()
    part = slice(40 * FS, 60 * FS)
    signal[:, part] += random.normal(0, 1, (2, 20 * FS))
    ((onset, offset),) = noisy_seconds(signal)
    assert (abs(onset - 40) < 1.2, abs(offset - 60) < 1.2) == (True, True)
    signal[1] = SIGNAL[1]
    assert noisy_seconds(signal) == []


@pytest.mark.parametrize("value", [np.nan, 0.7])
def test_missing_and_flat_stretches_are_noise(value: float) -> None:
    signal = SIGNAL.copy()
    signal[:, 40 * FS : 60 * FS] = value
    ((onset, offset),) = noisy_seconds(signal)
    assert (abs(onset - 40) < 1.2, abs(offset - 60) < 1.2) == (True, True)


def test_ventricular_tachycardia_is_no_noise() -> None:
    """20 s of a wave at 3.5 Hz, twice as high as the QRS complexes."""
    signal = SIGNAL.copy()
    at = np.arange(20 * FS) / FS
    signal[:, 40 * FS : 60 * FS] = 2 * np.sin(2 * np.pi * 3.5 * at)
    assert noisy_seconds(signal) == []


def test_noise_alone_is_noise_throughout() -> None:
    signal = np.random.default_rng(0).normal(size=(2, 60 * FS))
    stretches = noise(measured(signal), detect(signal, FS), FS)
    assert np.diff(stretches).sum() > 0.95 * signal.shape[1]
    assert noise(measured(0 * signal), np.zeros(0, int), FS).tolist() == [[0, 60 * FS]]


def test_a_gap_is_quiet_only_without_a_beat_and_with_a_signal() -> None:
    peaks = detect(SIGNAL, FS)
    before, missed, after = peaks[20:23]
    gap = np.array([[before + 50, after - 25]])

    def quiet(signal: np.ndarray) -> list[bool]:
        return list(quiet_gaps(measured(signal), gap, peaks, FS))

    assert quiet(SIGNAL) == [False]
    paused = SIGNAL.copy()
    paused[:, missed - 40 : missed + 40] = SIGNAL[:, missed - 40 : missed - 39]
    paused += 0.001 * np.sin(np.arange(SIGNAL.shape[1]))
    assert quiet(paused) == [True]
    one_lead = np.stack([SIGNAL[0], paused[1]])
    assert quiet(one_lead) == [False]
    off = SIGNAL.copy()
    off[:, before + 30 : after - 20] = 0.2
    assert quiet(off) == [False]
