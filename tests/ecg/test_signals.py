"""Transforms; the figures are those of the fact sheet, computed with NumPy and SciPy only."""

import numpy as np
import pytest
from scipy import signal as scipy_signal
from scipy.signal import windows

from ecg.checks import signal_warnings
from ecg.signals import (
    TRANSFORMS,
    butterworth_band_pass,
    envelopes,
    fir_band_pass,
    fit_length,
    hold,
    record_z_score,
    remove_mean,
    resample,
    tukey_band,
    z_score,
)

FS = 250.0
TIME = np.arange(int(40 * FS)) / FS
LOW, MID = 8.0, 24.0

# Envelope of a 1 mV cosine, 40 s at 250 Hz, by frequency in Hz: (c 8, c 24, and both centred).
RESPONSE = {
    0.5: (0.1464, 0.0170, 1, 1),
    1: (0.5, 0.0670, 1, 1),
    1.5: (0.8536, 0.1464, 1, 1),
    2: (1, 0.25, 1, 1),
    3: (1, 0.5, 1, 1),
    4: (1, 0.75, 1, 1),
    5: (1, 0.9330, 0.8536, 1),
    6: (1, 1, 0.5, 1),
    7: (0.5, 1, 0.1464, 1),
    7.5: (0.1464, 1, 0.0381, 1),
    8: (0, 1, 0, 1),
    12: (0, 1, 0, 1),
    15: (0, 1, 0, 0.8536),
    18: (0, 1, 0, 0.5),
    20: (0, 0.75, 0, 0.25),
    21: (0, 0.5, 0, 0.1464),
    22: (0, 0.25, 0, 0.0670),
    23: (0, 0.0670, 0, 0.0170),
    24: (0, 0, 0, 0),
}


def envelopes_of(lead: np.ndarray, centred: float = 0) -> tuple[np.ndarray, np.ndarray]:
    rows, _ = envelopes(lead[None], FS, low_hz=LOW, mid_hz=MID, centred=centred)
    return rows[1], rows[2]


@pytest.mark.parametrize("hertz", RESPONSE)
def test_envelope_of_a_cosine_is_constant_and_as_tabulated(hertz: float) -> None:
    lead = np.cos(2 * np.pi * hertz * TIME)
    measured = [*envelopes_of(lead), *envelopes_of(lead, centred=1)]
    for envelope, expected in zip(measured, RESPONSE[hertz], strict=True):
        assert envelope.std() < 1e-9
        assert envelope.mean() == pytest.approx(expected, abs=5e-5)  # tabulated to four decimals


def test_envelope_follows_a_modulated_cosine() -> None:
    modulation = 1 + 0.5 * np.cos(2 * np.pi * 0.5 * TIME)
    low, _ = envelopes_of(modulation * np.cos(2 * np.pi * 3 * TIME))
    np.testing.assert_allclose(low, modulation, atol=1e-12)


@pytest.mark.parametrize(
    ("sigma_s", "peaks", "centred"),
    [(0.010, (0.2897, 0.6625), (0.2934, 0.7356)), (0.060, (0.7007, 0.3116), (0.9685, 1.0000))],
)
def test_envelope_of_a_pulse_peaks_at_the_pulse(
    sigma_s: float, peaks: tuple[float, float], centred: tuple[float, float]
) -> None:
    pulse = np.exp(-0.5 * ((TIME - 20) / sigma_s) ** 2)
    measured = [*envelopes_of(pulse - pulse.mean()), *envelopes_of(pulse, centred=1)]
    for envelope, expected in zip(measured, (*peaks, *centred), strict=True):
        assert envelope.max() == pytest.approx(expected, abs=2e-4)
        assert envelope.argmax() == 20 * FS


@pytest.mark.parametrize("samples", [2499, 2500])
def test_envelope_equals_scipys_hilbert_of_the_filtered_signal(samples: int) -> None:
    lead = np.random.default_rng(0).normal(size=samples)
    spectrum = np.fft.rfft(lead)
    band = tukey_band(np.fft.rfftfreq(samples, 1 / FS), LOW)
    plain = np.abs(scipy_signal.hilbert(np.fft.irfft(band * spectrum, samples)))
    np.testing.assert_allclose(envelopes_of(lead)[0], plain, atol=1e-12)


def test_the_band_is_scipys_tukey_window() -> None:
    np.testing.assert_allclose(tukey_band(np.arange(81) / 10, LOW), windows.tukey(81, 0.5))


def test_envelopes_scale_and_ignore_sign_and_offset() -> None:
    lead = np.random.default_rng(1).normal(size=2500)
    low, mid = envelopes_of(lead)
    for other in envelopes_of(-3 * lead + 7)[:1]:
        np.testing.assert_allclose(other, 3 * low, atol=1e-9)
    assert mid.shape == low.shape


@pytest.mark.parametrize(
    ("fs", "samples", "expected"),
    [(100, 1000, 2500), (128, 1280, 2500), (200, 2000, 2500), (300, 3000, 2500),
     (360, 3600, 2500), (400, 4000, 2500), (500, 5000, 2500), (1000, 10000, 2500),
     (257, 2570, 2570), (243, 2430, 2430), (500, 4981, 2491)],
)  # fmt: skip
def test_resampling_gives_the_stated_lengths(fs: float, samples: int, expected: int) -> None:
    signal = np.random.default_rng(0).normal(size=(2, samples)).astype(np.float32)
    resampled, rate = resample(signal, fs, to_hz=250, tolerance=0.03)
    assert resampled.shape == (2, expected)
    assert resampled.dtype == np.float32
    assert rate == (fs if samples == expected else 250)


def test_resampling_keeps_a_slow_wave() -> None:
    slow = np.sin(2 * np.pi * 3 * np.arange(5000) / 500)[None]
    resampled, _ = resample(slow, 500, to_hz=250)
    wanted = np.sin(2 * np.pi * 3 * np.arange(2500) / 250)
    np.testing.assert_allclose(resampled[0, 50:-50], wanted[50:-50], atol=2e-3)


def test_remove_mean_and_z_score_treat_leads_separately() -> None:
    signal = np.array([[1.0, 2.0, 3.0], [5.0, 5.0, 5.0]])
    np.testing.assert_allclose(remove_mean(signal, FS)[0], [[-1, 0, 1], [0, 0, 0]])
    scaled, _ = z_score(signal, FS)
    np.testing.assert_allclose(scaled.std(axis=1), [1, 0])
    np.testing.assert_allclose(scaled.mean(axis=1), 0, atol=1e-12)


def test_fill_leaves_no_gap() -> None:
    filled, _ = TRANSFORMS["fill"](np.array([[1.0, np.nan, np.inf, -np.inf]]), FS)
    assert filled.tolist() == [[1, 0, 0, 0]]


def test_hold_repeats_the_sample_before_a_gap_or_an_absurd_sample() -> None:
    signal = np.array([[1, np.nan, 25, 2, -21, np.inf, 20], [np.nan, 21, 3, 4, 5, 6, 7]])
    held, _ = hold(signal, FS)
    assert held.tolist() == [[1, 1, 1, 2, 2, 2, 20], [0, 0, 3, 4, 5, 6, 7]]
    first, _ = hold(np.array([[30.0, 40, 1, 50]]), FS)
    assert first.tolist() == [[30, 30, 1, 1]]  # the very first sample is not replaced
    assert hold(signal[:, :1].astype(np.float32), FS)[0].dtype == np.float32


@pytest.mark.parametrize(("mv", "held"), [(19.99, False), (20.0, False), (20.01, True)])
def test_hold_replaces_samples_beyond_20_mv(mv: float, held: bool) -> None:
    for sign in (1, -1):
        signal, _ = hold(np.array([[0.5, sign * mv, 0.7]]), FS)
        assert signal[0, 1] == (0.5 if held else sign * mv)
    assert hold(np.array([[0.5, mv]]), FS, limit_mv=30)[0][0, 1] == mv


@pytest.mark.parametrize(("deviation_mv", "flat"), [(0.9e-5, True), (1.1e-5, False)])
def test_a_lead_below_a_hundredth_of_a_microvolt_is_flat(deviation_mv: float, flat: bool) -> None:
    square = np.where(np.arange(500) % 2, 1.0, -1.0)  # standard deviation 1
    scaled, _ = record_z_score(np.stack([square, deviation_mv * square]), FS)
    assert scaled[1].any() != flat
    assert scaled[0].std() == pytest.approx(1 if flat else 2**0.5, rel=1e-4)


@pytest.mark.parametrize(("deviation_mv", "flat"), [(0.9e-9, True), (1.1e-9, False)])
def test_z_score_scales_leads_above_rounding(deviation_mv: float, flat: bool) -> None:
    square = np.where(np.arange(500) % 2, 1.0, -1.0)
    assert z_score(deviation_mv * square[None], FS)[0].std() == pytest.approx(0 if flat else 1)


@pytest.mark.parametrize(
    ("fs", "same"), [(257.4, True), (257.6, False), (242.6, True), (242.4, False)]
)
def test_resampling_tolerates_three_per_cent(fs: float, same: bool) -> None:
    signal = np.ones((1, 1000))
    resampled, rate = resample(signal, fs, to_hz=250, tolerance=0.03)
    assert (resampled is signal) == same
    assert rate == (fs if same else 250)
    assert resample(signal, 250.1, to_hz=250)[1] == 250  # none by default


@pytest.mark.parametrize(("fs", "samples"), [(333.3, 750), (256.41, 975), (337.0, 742)])
def test_odd_rates_are_resampled_by_the_nearest_simple_ratio(fs: float, samples: int) -> None:
    """3/4 for 0.75008, 39/40 for 0.97500, 250/337."""
    assert resample(np.ones((1, 1000)), fs, to_hz=250)[0].shape == (1, samples)


def test_record_z_score_keeps_the_leads_proportions() -> None:
    signal = np.random.default_rng(0).normal(0.3, 1, (3, 500)) * [[1], [2], [4]]
    scaled, _ = record_z_score(signal, FS)
    np.testing.assert_allclose(scaled, (signal - signal.mean()) / (signal.std() + 1e-7))
    np.testing.assert_allclose(record_z_score(scaled, FS)[0], scaled, atol=1e-6)


def test_flat_leads_stay_0_and_do_not_change_the_others() -> None:
    signal = np.random.default_rng(0).normal(0.3, 1, (2, 500)).astype(np.float32)
    for constant in (0.0, 0.7):
        more = np.insert(signal, 1, constant, axis=0)
        filtered = np.insert(signal, 1, constant * (1 + 1e-7 * (np.arange(500) % 2)), axis=0)
        for flat in (more, filtered):  # as it is; with the rounding that a filter leaves
            scaled, _ = record_z_score(flat, FS)
            assert not scaled[1].any()
            np.testing.assert_allclose(scaled[[0, 2]], record_z_score(signal, FS)[0], atol=1e-6)
    assert not record_z_score(np.full((2, 9), 3.0), FS)[0].any()


HERTZ = (0, 0.5, 1, 2, 3, 5, 10, 20, 40, 55, 60, 65, 70)
# Gain of both passes at 500 Hz by length of the window in s; the fact sheet's table (section a).
GAINS = {
    0.3: (.700, .705, .720, .772, .842, .960, .999, .995, .994, .978, .249, .000, .000),
    0.2: (.796, .798, .803, .821, .849, .916, 1.001, 1.000, 1.000, .854, .250, .006, .000),
    0.1: (.887, .888, .888, .891, .896, .910, .956, .992, .999, .566, .248, .061, .006),
}  # fmt: skip


@pytest.mark.parametrize("order_s", GAINS)
def test_the_fir_filters_gain_is_as_tabulated_and_its_phase_zero(order_s: float) -> None:
    time = np.arange(20_001) / 500 - 20
    for hertz, gain in zip(HERTZ, GAINS[order_s], strict=True):
        wave = np.cos(2 * np.pi * hertz * time)
        filtered, fs = fir_band_pass(wave[None], 500, low_hz=0.5, high_hz=60, order_s=order_s)
        assert fs == 500
        middle = slice(5000, 15_001)  # away from the ends
        np.testing.assert_allclose(filtered[0, middle], gain * wave[middle], atol=6e-4)


@pytest.mark.parametrize(("fs", "taps"), [(500, 151), (250, 75), (257, 77), (100, 31)])
def test_the_fir_filter_has_an_odd_number_of_taps(fs: float, taps: int) -> None:
    impulse = np.zeros((1, 2001))
    impulse[0, 1000] = 1
    filtered, _ = fir_band_pass(impulse, fs, low_hz=0.5, high_hz=45)
    assert np.count_nonzero(np.abs(filtered) > 1e-12) == 2 * taps - 1


@pytest.mark.parametrize("step", [fir_band_pass, butterworth_band_pass])
def test_an_upper_edge_above_half_the_rate_gives_a_high_pass(step) -> None:
    for fs in (100.0, 120.0):
        fast = np.cos(np.pi * 0.96 * np.arange(4000))[None]  # near half the rate
        filtered, _ = step(fast, fs, low_hz=0.5, high_hz=60)
        np.testing.assert_allclose(filtered[0, 1500:-1500], fast[0, 1500:-1500], atol=0.01)
    slower, _ = step(fast, 125.0, low_hz=0.5, high_hz=60)
    assert not np.allclose(slower[0, 1500:-1500], fast[0, 1500:-1500], atol=0.05)


def test_the_butterworth_filter_is_stable_and_removes_baseline_wander() -> None:
    """Forward and backward 1 / (1 + W^10) with W = (w² - w₁w₂) / w (w₂ - w₁), w = tan(π f / fs).

    Order 4 would give 0.066 at 80 Hz, order 6 0.018.
    """
    time = np.arange(60_000) / 500
    gains = {0: 0, 0.1: 0, 0.4: 0.0945, 0.5: 0.5, 0.7: 0.9690, 5: 1, 40: 0.9885, 50: 0.8824,
             60: 0.5, 70: 0.1480, 80: 0.0349, 100: 0.0022, 120: 0}  # fmt: skip
    for hertz, gain in gains.items():
        wave = np.cos(2 * np.pi * hertz * time)
        filtered, _ = butterworth_band_pass(wave[None], 500, low_hz=0.5, high_hz=60)
        middle = slice(20_000, 40_000)
        np.testing.assert_allclose(filtered[0, middle], gain * wave[middle], atol=1e-3)


@pytest.mark.parametrize("step", [fir_band_pass, butterworth_band_pass])
@pytest.mark.parametrize("samples", [1, 2, 40, 300])
def test_filters_accept_short_records(step, samples: int) -> None:
    signal = np.random.default_rng(0).normal(size=(2, samples)).astype(np.float32)
    filtered, _ = step(signal, 500, low_hz=0.5, high_hz=60)
    assert filtered.shape == signal.shape
    assert np.isfinite(filtered).all()


@pytest.mark.parametrize(
    ("samples", "first", "length"),
    [(5000, 0, 5000), (5001, 0, 5000), (7000, 1000, 5000), (7001, 0, 7001), (15_000, 0, 15_000)],
)
def test_fit_length_crops_the_middle_of_slightly_longer_signals(samples, first, length) -> None:
    signal = np.arange(samples, dtype=np.float32)[None]
    fitted, _ = fit_length(signal, 500, seconds=10, tolerance=0.4)
    np.testing.assert_array_equal(fitted[0], np.arange(first, first + length))


def test_fit_length_pads_both_sides_with_zeros() -> None:
    fitted, _ = fit_length(np.ones((2, 4995), np.float32), 500, seconds=10, tolerance=0.4)
    assert fitted.shape == (2, 5000)
    assert fitted.dtype == np.float32
    assert np.flatnonzero(fitted[0] == 0).tolist() == [0, 1, 4997, 4998, 4999]


def kinds(signal: np.ndarray) -> set[str]:
    return {kind for kind, _ in signal_warnings(signal, ["I", "II"])}


def test_warnings_have_a_kind() -> None:
    rng = np.random.default_rng(0)
    plain = rng.normal(scale=0.3, size=(2, 2500))
    assert kinds(plain) == set()
    assert kinds(np.stack([plain[0], np.full(2500, 0.2)])) == {"flat leads"}
    assert kinds(np.zeros((2, 2500))) == {"all leads flat"}
    assert kinds(plain * 5e-4) == {"absurd gain"}  # a QRS of half a microvolt
    assert kinds(plain * 5e3) == {"absurd gain"}  # one of 5 V
    assert kinds(np.clip(plain, -10, 0.4)) == {"clipped leads"}
    with_hole = plain.copy()
    with_hole[1, 7] = np.nan
    assert kinds(with_hole) == {"samples without value"}
