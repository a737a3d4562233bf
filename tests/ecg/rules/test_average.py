"""The average beat: its limits beside those that the simulator knows."""

import numpy as np
import pytest

from ecg.rules.average import BEFORE_S, gather, measure, steps
from ecg.waves import intervals
from simulate import simulate


@pytest.mark.parametrize("fs", [100.0, 250.0, 500.0])
@pytest.mark.parametrize("diagnosis", ["NSR", "IAVB", "LQT", "SB", "RBBB"])
def test_intervals_are_those_of_the_simulated_heart(diagnosis: str, fs: float) -> None:
    """Within 40 ms for PQ and 50 ms for QT, where a wave's foot is a matter of taste."""
    for seed in range(4):
        record = simulate([diagnosis], seed=seed, fs=fs)
        truth = intervals(record.waves, fs, record.signal.shape[1])
        beats = gather(record.signal, record.r_peaks, fs)
        found = measure(beats, float(np.median(np.diff(record.r_peaks))) / fs)
        assert found.pq_ms == pytest.approx(np.nanmedian(truth.pq), abs=40)
        assert found.qt_ms == pytest.approx(np.nanmedian(truth.qt), abs=50)


def test_a_longer_pq_or_qt_is_measured_longer() -> None:
    def measured(diagnosis: str) -> tuple[float, float]:
        record = simulate([diagnosis], seed=3, fs=250)
        beats = gather(record.signal, record.r_peaks, 250)
        found = measure(beats, float(np.median(np.diff(record.r_peaks))) / 250)
        return found.pq_ms, found.qt_ms

    assert measured("IAVB")[0] > measured("NSR")[0] + 40
    assert measured("LQT")[1] > measured("NSR")[1] + 40


def test_p_waves_are_told_from_none() -> None:
    for seed in range(10):
        ratios = []
        for diagnosis in ("NSR", "AF"):
            record = simulate([diagnosis], seed=seed, fs=100)
            beats = gather(record.signal, record.r_peaks, 100)
            ratios.append(measure(beats, 0.8).p_ratio)
        assert ratios[0] > 3 > 2 > ratios[1]


def test_beats_stand_on_one_grid_whatever_fs() -> None:
    """A straight line of 1 mV/s stays one; R peaks are in place, and what lies outside is NaN."""
    for fs in (100.0, 257.0, 360.0, 500.0, 1000.0):
        line = (np.arange(int(10 * fs)) / fs)[None].astype(np.float32)
        r_peaks = np.rint(np.array([0.1, 3.0, 9.9]) * fs).astype(int)
        beats = gather(line, r_peaks, fs)
        assert beats.shape[:2] == (1, 3)
        assert beats[0, 1, steps(BEFORE_S)] == pytest.approx(r_peaks[1] / fs, abs=2e-3)
        assert np.ptp(np.diff(beats[0, 1])) < 1e-4
        assert np.isnan(beats[0, 0, 0])
        assert np.isnan(beats[0, 2, -1])


def test_fewer_than_three_whole_beats_are_not_averaged() -> None:
    record = simulate(["NSR"], seed=1, fs=250)
    with_holes = gather(record.signal, record.r_peaks, 250)
    with_holes[0, 2:] = np.nan
    for beats in (gather(record.signal, record.r_peaks[2:4], 250), with_holes):
        found = measure(beats, 0.8)
        assert np.isnan([found.pq_ms, found.qt_ms, found.p_ratio, *found.p_heights]).all()
