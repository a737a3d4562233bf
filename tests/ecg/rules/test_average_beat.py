"""The average beat: intervals against the simulator's."""

import numpy as np
import pytest

from ecg.rules.average_beat import BEFORE_S, cut_beats, delineate, grid_steps
from ecg.waves import intervals
from simulate import simulate


@pytest.mark.parametrize("fs", [100.0, 250.0, 500.0])
@pytest.mark.parametrize("diagnosis", ["NSR", "IAVB", "LQT", "SB", "RBBB"])
def test_intervals_are_the_simulated_ones(diagnosis: str, fs: float) -> None:
    """Within 40 ms for PQ and 50 ms for QT, as the foot of a wave is not well defined."""
    for seed in range(4):
        record = simulate([diagnosis], seed=seed, fs=fs)
        truth = intervals(record.waves, fs, record.signal.shape[1])
        beats = cut_beats(record.signal, record.r_peaks, fs)
        waves = delineate(beats, float(np.median(np.diff(record.r_peaks))) / fs)
        assert waves.pq_ms == pytest.approx(np.nanmedian(truth.pq), abs=40)
        assert waves.qt_ms == pytest.approx(np.nanmedian(truth.qt), abs=50)


def test_long_pq_and_qt_are_measured_as_longer() -> None:
    def measured(diagnosis: str) -> tuple[float, float]:
        record = simulate([diagnosis], seed=3, fs=250)
        beats = cut_beats(record.signal, record.r_peaks, 250)
        waves = delineate(beats, float(np.median(np.diff(record.r_peaks))) / 250)
        return waves.pq_ms, waves.qt_ms

    assert measured("IAVB")[0] > measured("NSR")[0] + 40
    assert measured("LQT")[1] > measured("NSR")[1] + 40


def test_the_p_ratio_separates_sinus_rhythm_from_fibrillation() -> None:
    for seed in range(10):
        ratios = []
        for diagnosis in ("NSR", "AF"):
            record = simulate([diagnosis], seed=seed, fs=100)
            beats = cut_beats(record.signal, record.r_peaks, 100)
            ratios.append(delineate(beats, 0.8).p_ratio)
        assert ratios[0] > 3 > 2 > ratios[1]


def test_beats_have_one_grid_at_any_fs() -> None:
    """A straight line of 1 mV/s stays straight, with R peaks in the middle and NaN outside."""
    for fs in (100.0, 257.0, 360.0, 500.0, 1000.0):
        line = (np.arange(int(10 * fs)) / fs)[None].astype(np.float32)
        r_peaks = np.rint(np.array([0.1, 3.0, 9.9]) * fs).astype(int)
        beats = cut_beats(line, r_peaks, fs)
        assert beats.shape[:2] == (1, 3)
        assert beats[0, 1, grid_steps(BEFORE_S)] == pytest.approx(r_peaks[1] / fs, abs=2e-3)
        assert np.ptp(np.diff(beats[0, 1])) < 1e-4
        assert np.isnan(beats[0, 0, 0])
        assert np.isnan(beats[0, 2, -1])


def test_fewer_than_three_complete_beats_give_nan() -> None:
    record = simulate(["NSR"], seed=1, fs=250)
    with_holes = cut_beats(record.signal, record.r_peaks, 250)
    with_holes[0, 2:] = np.nan
    for beats in (cut_beats(record.signal, record.r_peaks[2:4], 250), with_holes):
        waves = delineate(beats, 0.8)
        assert np.isnan([waves.pq_ms, waves.qt_ms, waves.p_ratio, *waves.p_heights]).all()
