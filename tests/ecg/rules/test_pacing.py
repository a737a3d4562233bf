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


def spiked(
    jump: float,
    *,
    before: float = 0,
    after: float = 0,
    late: float = 1.0,
    pulse: float = 0,
    later_ms: int = 0,
) -> bool:
    """Test ten beats of steps in mV at 500 Hz, where 1 mV from one sample to the next is 0.5 mV/ms.

    40 ms before the R peak the signal jumps; 90 ms before that it rises by `before`, 20 ms after it
    falls by `after` and back; from 34 ms after it on, it has `late` of the jump.  The first sample
    after the jump has a `pulse` more; `later_ms` after it, another sample has as much as the jump.
    """
    beat = np.zeros(250)
    beat[35:] = before
    beat[80:] += jump
    beat[90] -= after
    beat[92:97] = before + jump * np.linspace(1, late, 5)
    beat[97:200] = before + jump * late
    beat[200:] = np.linspace(before + jump * late, 0, 50)
    beat[80] += pulse
    if later_ms:
        beat[80 + later_ms // 2] += jump
    signal = np.tile(beat, 10)[None].astype(np.float32)
    return bool(spiked_leads(signal, np.arange(100, 2500, 250), 500)[0])


def test_a_spike_rises_by_50_microvolts_per_millisecond() -> None:
    assert not spiked(0.098)  # 0.049 mV/ms
    assert spiked(0.102)


def test_a_spike_is_1_4_times_as_steep_as_what_follows() -> None:
    assert spiked(1.0, after=1 / 1.42)
    assert not spiked(1.0, after=1 / 1.38)


def test_a_spike_is_six_times_as_steep_as_what_precedes() -> None:
    assert spiked(1.0, before=1 / 6.1)
    assert not spiked(1.0, before=1 / 5.9)


def test_half_of_the_deflection_lasts_until_50_ms_after_the_spike() -> None:
    assert spiked(1.0, late=0.51)
    assert not spiked(1.0, late=0.49)


def test_one_beat_in_a_minute_is_not_the_median_beat() -> None:
    """Of ten beats, six spikes are enough and four are not."""
    unpaced, paced = (ten_beats(500, width_s=0.035, spike_mv=mv) for mv in (0.0, 1.0))
    r_peaks = np.rint(R_PEAKS_S * 500).astype(int)
    for count, expected in ((4, False), (6, True)):
        mixed = np.concatenate([paced[:, : 500 * count], unpaced[:, 500 * count :]], axis=1)
        assert spiked_leads(mixed, r_peaks, 500).tolist() == [expected]


def test_nothing_as_steep_follows_within_150_ms() -> None:
    assert not spiked(1.0, later_ms=120)
    assert spiked(1.0, later_ms=160)


def test_the_pulse_itself_is_no_deflection() -> None:
    """Smoothed over 20 ms, a pulse of one sample and 3 mV adds 0.3 mV to a complex of 1 mV."""
    assert spiked(1.0, pulse=3.0)


def jump_at(ms: int, *, fs: int = 500, early_ms: int = 0, back_ms: int = 0) -> bool:
    """Test ten beats that jump by 1 mV so long before the R peak, and fall slowly afterwards.

    `early_ms` before the jump, one sample is 0.25 mV higher; `back_ms` after it, the signal falls
    by 0.8 mV for the rest of the beat.
    """
    per_ms = fs / 1000
    beat = np.zeros(fs)
    jump = fs // 2 - round(ms * per_ms)
    beat[jump:] = np.linspace(1, 0, fs - jump)
    if early_ms:
        beat[jump - round(early_ms * per_ms)] += 0.25
    if back_ms:
        fall = np.clip((np.arange(fs) - jump - round(back_ms * per_ms)) / (4 * per_ms), 0, 1)
        beat -= 0.8 * beat * fall
    signal = np.tile(beat, 10)[None].astype(np.float32)
    return bool(spiked_leads(signal, np.arange(fs // 2, 10 * fs, fs), fs)[0])


@pytest.mark.parametrize(
    ("ms", "expected"), [(190, False), (176, True), (10, True), (-50, True), (-66, False)]
)
def test_a_spike_is_searched_from_180_ms_before_to_60_ms_after_the_r_peak(
    ms: int, expected: bool
) -> None:
    assert jump_at(ms) == expected


@pytest.mark.parametrize(
    ("early_ms", "expected"), [(6, True), (14, False), (90, False), (110, True)]
)
def test_the_signal_is_quiet_from_100_to_10_ms_before(early_ms: int, expected: bool) -> None:
    """A quarter of the jump is more than a sixth of it."""
    assert jump_at(80, early_ms=early_ms) == expected


@pytest.mark.parametrize(
    ("back_ms", "expected"), [(20, False), (30, False), (60, True), (90, True)]
)
def test_the_deflection_lasts_for_50_ms(back_ms: int, expected: bool) -> None:
    """A fall of 0.2 mV/ms, less steep than the jump of 0.5, to a fifth."""
    assert jump_at(80, back_ms=back_ms) == expected
