"""Pacing spikes, drawn by hand: what makes one, and what is none."""

import numpy as np
import pytest

from ecg.beats import detect
from ecg.rules.pacing import spiked_leads
from simulate import simulate


def drawn(fs: float, *, width_s: float, spike_mv: float, ahead_s: float = 0.08) -> np.ndarray:
    """Ten beats of one lead: a smooth complex, 1.5 mV, and a spike of 4 ms before it."""
    times = np.arange(int(10 * fs)) / fs
    signal = np.zeros(len(times))
    for beat in np.arange(0.5, 10, 1.0):
        signal += 1.5 * np.exp(-0.5 * ((times - beat) / width_s) ** 2)
        place = round((beat - ahead_s) * fs)
        signal[place : place + round(0.004 * fs)] += spike_mv
    return signal[None].astype(np.float32)


R_PEAKS_S = np.arange(0.5, 10, 1.0)


@pytest.mark.parametrize("fs", [250.0, 360.0, 500.0, 1000.0])
def test_a_spike_before_a_wide_complex_is_one(fs: float) -> None:
    r_peaks = np.rint(R_PEAKS_S * fs).astype(int)
    paced = drawn(fs, width_s=0.035, spike_mv=1.0)
    assert spiked_leads(paced, r_peaks, fs).tolist() == [True]
    assert spiked_leads(drawn(fs, width_s=0.035, spike_mv=0), r_peaks, fs).tolist() == [False]
    assert spiked_leads(-paced, r_peaks, fs).tolist() == [True]


def test_a_spike_that_is_small_or_not_at_most_beats_is_none() -> None:
    r_peaks = np.rint(R_PEAKS_S * 500).astype(int)
    assert not spiked_leads(drawn(500, width_s=0.035, spike_mv=0.02), r_peaks, 500).any()
    some = drawn(500, width_s=0.035, spike_mv=0)
    some[0, :2000] = drawn(500, width_s=0.035, spike_mv=1.0)[0, :2000]
    assert not spiked_leads(some, r_peaks, 500).any()


def test_narrow_complexes_are_no_spikes() -> None:
    """What the published high-pass filter cannot tell apart: an R wave of 20 ms."""
    r_peaks = np.rint(R_PEAKS_S * 500).astype(int)
    assert not spiked_leads(drawn(500, width_s=0.008, spike_mv=0), r_peaks, 500).any()


@pytest.mark.parametrize("diagnosis", ["NSR", "LBBB", "RBBB", "PVC", "AF"])
def test_simulated_hearts_of_their_own_rhythm_have_none(diagnosis: str) -> None:
    for seed in range(5):
        record = simulate([diagnosis], seed=seed)
        assert not spiked_leads(record.signal, detect(record.signal, 500), 500).any()


def test_without_a_whole_beat_nothing_is_said() -> None:
    assert spiked_leads(np.zeros((2, 50), np.float32), np.array([25]), 500).tolist() == [False] * 2
