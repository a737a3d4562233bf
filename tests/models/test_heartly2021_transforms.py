"""HeartlyAI's preprocessing: worked values of the fact sheet, section 2, and simulated records."""

import numpy as np
import pytest
from scipy.signal import buttord, sosfreqz

from models.heartly2021.transforms import TRANSFORMS, _sections
from simulate import CLEAN, simulate

FS = 500.0


def applied(name: str, signal: list | np.ndarray, fs: float = FS, **numbers: float) -> np.ndarray:
    before = np.array(signal)
    changed, rate = TRANSFORMS[name](np.atleast_2d(signal), fs, **numbers)
    assert rate == fs
    np.testing.assert_array_equal(signal, before)  # no change in place
    return changed


@pytest.mark.parametrize(("signal", "cleaned"), [
    ([0, 0, 5, 0, 0], [0, 0, 0, 0, 0]),
    ([0, 0, 3.9, 0, 0], [0, 0, 3.9, 0, 0]),
    ([0, 0, 5, 5, 5], [0, 0, 5, 5, 5]),
    ([0, 1, -5, 2, 0], [0, 1, 1.5, 2, 0]),
    ([0, 9, -9, 3, 0], [0, 1, 2, 3, 0]),  # two spikes side by side
    ([9, 0, 0, 0, 9], [9, 0, 0, 0, 9]),  # the ends have one neighbour
    ([7], [7]),
])  # fmt: skip
def test_spikes_differ_from_both_neighbours(signal: list[float], cleaned: list[float]) -> None:
    pair = np.array([signal, [0] * len(signal)], float)
    np.testing.assert_allclose(applied("spikes", pair), [cleaned, [0] * len(signal)], atol=1e-12)


@pytest.mark.parametrize(("fs", "order", "cutoff_hz"), [
    (125, 3, 50.0093), (250, 18, 50.0050), (257, 19, 50.0048), (360, 22, 50.0047),
    (500, 24, 50.0046), (1000, 25, 50.0047),
])  # fmt: skip
def test_the_low_pass_has_the_orders_of_the_fact_sheet(
    fs: float, order: int, cutoff_hz: float
) -> None:
    assert buttord(50, 60, 3, 40, fs=fs) == (order, pytest.approx(cutoff_hz, abs=1e-4))
    assert len(_sections(fs, 50, 60, 3, 40)) == -(-order // 2)


def test_the_low_pass_has_the_attenuation_of_the_fact_sheet() -> None:
    _, response = sosfreqz(_sections(FS, 50, 60, 3, 40), [50, 55, 60], fs=FS)
    assert 20 * np.log10(np.abs(response)) == pytest.approx([-3.0, -21.4, -41.2], abs=0.05)


@pytest.mark.parametrize(("hertz", "passed"), [(10, 1.0), (50, 0.501), (60, 0.0)])
def test_the_low_pass_runs_forward_and_backward_without_delay(hertz: float, passed: float) -> None:
    signal = np.sin(2 * np.pi * hertz * np.arange(5000) / FS)
    inner = slice(1000, 4000)
    filtered = applied("low_pass", signal)[0]
    np.testing.assert_allclose(filtered[inner], passed * signal[inner], atol=2e-3)


@pytest.mark.parametrize("fs", [100.0, 120.0])
def test_the_low_pass_is_skipped_where_it_does_not_exist(fs: float) -> None:
    signal = np.random.default_rng(0).normal(size=(2, 300))
    np.testing.assert_array_equal(applied("low_pass", signal, fs), signal)
    assert np.abs(applied("low_pass", signal, 125.0) - signal).max() > 0.1


@pytest.mark.parametrize("samples", [1, 2, 40])
def test_the_low_pass_of_a_short_record_is_finite(samples: int) -> None:
    np.testing.assert_allclose(applied("low_pass", np.ones((2, samples))), 1, atol=1e-6)


@pytest.mark.parametrize("diagnosis", ["NSR", "SB"])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_baseline_leaves_qt_and_st_within_20_microvolts(diagnosis: str, seed: int) -> None:
    record = simulate((diagnosis,), seed=seed, noise=CLEAN)
    baseline = record.signal - applied("lowess", record.signal)
    inner = [(q, t) for _, (q, _), (_, t) in record.waves if q > 250 and 0 < t < 4750]
    assert len(inner) >= 5
    for onset, offset in inner:
        assert np.ptp(baseline[:, onset:offset], axis=1).max() < 0.020


def test_the_baseline_removes_wander_at_any_rate() -> None:
    for fs in (100.0, 257.0, 500.0):
        record = simulate(seed=1, fs=fs, noise=CLEAN)
        time = np.arange(record.signal.shape[1]) / fs
        wander = 0.5 * np.sin(2 * np.pi * 0.2 * time) + 0.3 * time - 1
        alone = applied("lowess", record.signal, fs)
        inner = (applied("lowess", record.signal + wander, fs) - alone)[:, round(fs) : -round(fs)]
        assert np.abs(inner).max() < 0.05  # of a sine of 0.5 mV on a drift of 3 mV
    line = np.linspace(-3, 5, 4000)
    np.testing.assert_allclose(applied("lowess", line)[0, 30:-30], 0, atol=1e-9)


@pytest.mark.parametrize("samples", [1, 5, 10, 11, 12, 100])
def test_the_baseline_of_a_short_record_is_finite(samples: int) -> None:
    signal = np.random.default_rng(0).normal(size=(3, samples)).astype(np.float32)
    signal[1] = 2.5
    corrected = applied("lowess", signal)
    assert np.isfinite(corrected).all()
    assert corrected.dtype == np.float32
    np.testing.assert_allclose(corrected[1], 0, atol=1e-6)


def test_the_trimmed_mean_of_the_fact_sheet() -> None:
    values = [-10, *range(8), 100]
    assert np.mean([float(value) for value in values]) == 9.1 + 2.7  # the plain one is 11.8
    centred = applied("trimmed_mean", np.array([values, [3.0] * 10], float))
    np.testing.assert_allclose(centred, [np.array(values) - 3.5, [0] * 10])
    assert applied("trimmed_mean", np.array([0.0] * 7 + [6, 8, 100]))[0, 0] == -14 / 8


def test_amplify_scales_all_leads_by_one_factor() -> None:
    rng = np.random.default_rng(0)
    signal = rng.uniform(-0.4, 0.4, (2, 1000)) * [[1], [0.5]]
    larger = applied("amplify", signal)
    assert np.quantile(np.abs(larger), 0.98) == pytest.approx(1)
    np.testing.assert_allclose(larger / signal, (larger / signal)[0, 0])
    with_missing = applied("amplify", np.concatenate([signal, np.zeros((4, 1000))]))
    np.testing.assert_allclose(with_missing[:2], larger)
    assert not with_missing[2:].any()


def test_amplify_has_its_limits() -> None:
    wave = np.sin(np.linspace(0, 20, 1000))
    np.testing.assert_array_equal(applied("amplify", 1.1 * wave)[0], 1.1 * wave)
    np.testing.assert_allclose(applied("amplify", 0.01 * wave)[0], 0.1 * wave)
    flat = np.full((2, 100), 0.3, np.float32)
    np.testing.assert_array_equal(applied("amplify", flat), flat)
    assert applied("amplify", np.float32(0.1 * wave)).dtype == np.float32
