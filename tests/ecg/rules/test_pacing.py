"""Pacing spikes in synthetic beats."""

import numpy as np
import pytest

from ecg.beats import detect
from ecg.rules.pacing import spiked_leads
from simulate import simulate


def ten_beats(fs: float, *, width_s: float, spike_mv: float, ahead_s: float = 0.08) -> np.ndarray:
    """Simulate ten beats of one lead: a smooth complex of 1.5 mV after a spike of 4 ms."""
    times = np.arange(int(10 * fs)) / fs
    signal = np.zeros(len(times))
    for beat in np.arange(0.5, 10, 1.0):
        signal += 1.5 * np.exp(-0.5 * ((times - beat) / width_s) ** 2)
        onset = round((beat - ahead_s) * fs)
        signal[onset : onset + round(0.004 * fs)] += spike_mv
    return signal[None].astype(np.float32)


R_PEAKS_S = np.arange(0.5, 10, 1.0)


@pytest.mark.parametrize("fs", [250.0, 360.0, 500.0, 1000.0])
def test_a_spike_before_a_wide_complex_is_detected(fs: float) -> None:
    r_peaks = np.rint(R_PEAKS_S * fs).astype(int)
    paced = ten_beats(fs, width_s=0.035, spike_mv=1.0)
    assert spiked_leads(paced, r_peaks, fs).tolist() == [True]
    assert spiked_leads(ten_beats(fs, width_s=0.035, spike_mv=0), r_peaks, fs).tolist() == [False]
    assert spiked_leads(-paced, r_peaks, fs).tolist() == [True]


def test_small_or_infrequent_spikes_are_not_detected() -> None:
    r_peaks = np.rint(R_PEAKS_S * 500).astype(int)
    assert not spiked_leads(ten_beats(500, width_s=0.035, spike_mv=0.02), r_peaks, 500).any()
    infrequent = ten_beats(500, width_s=0.035, spike_mv=0)
    infrequent[0, :2000] = ten_beats(500, width_s=0.035, spike_mv=1.0)[0, :2000]
    assert not spiked_leads(infrequent, r_peaks, 500).any()


def test_narrow_complexes_are_not_spikes() -> None:
    """R waves of 20 ms, which pass the published high-pass filter."""
    r_peaks = np.rint(R_PEAKS_S * 500).astype(int)
    assert not spiked_leads(ten_beats(500, width_s=0.008, spike_mv=0), r_peaks, 500).any()


@pytest.mark.parametrize("diagnosis", ["NSR", "LBBB", "RBBB", "PVC", "AF"])
def test_simulated_unpaced_rhythms_have_no_spikes(diagnosis: str) -> None:
    for seed in range(5):
        record = simulate([diagnosis], seed=seed)
        assert not spiked_leads(record.signal, detect(record.signal, 500), 500).any()


def test_a_record_without_a_complete_beat_has_no_spikes() -> None:
    assert spiked_leads(np.zeros((2, 50), np.float32), np.array([25]), 500).tolist() == [False] * 2
