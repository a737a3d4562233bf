"""Recordings that are partly or wholly unreadable: no beats where there are none, all others."""

import numpy as np
import pytest

from ecg import LeadwiseError
from holter.analysis import analyse
from holter.result import Result
from simulate import simulate
from tests.holter.test_files import by_width
from tests.holter.test_table import in_memory

FS = 100
MINUTE = 60 * FS
GOOD = simulate(["PVC"], seed=6, duration_s=120, fs=FS, leads=("II", "V1"))


def found(signal: np.ndarray, fs: float = FS) -> Result:
    return analyse(in_memory(signal, fs), by_width)


def share_found(result: Result, shift: int = 0) -> float:
    truth = GOOD.r_peaks[1:-1] + shift
    return float((np.abs(truth[:, None] - result.peaks).min(axis=1) < 0.08 * FS).mean())


def test_flat_for_an_hour_then_normal() -> None:
    result = found(np.concatenate([np.full((2, 60 * MINUTE), 0.1), GOOD.signal], axis=1))
    assert share_found(result, 60 * MINUTE) > 0.98
    assert result.peaks.min() > 60 * MINUTE - FS
    assert result.noise[0, 0] == 0
    assert abs(result.noise[0, 1] - 60 * MINUTE) < 2 * FS
    assert np.isnan(result.events.trend[:60]).all()
    assert np.isfinite(result.events.trend[60:]).all()


def test_a_gap_of_ten_minutes_is_no_pause() -> None:
    gap = np.full((2, 10 * MINUTE), np.nan)
    result = found(np.concatenate([GOOD.signal, gap, GOOD.signal], axis=1))
    assert share_found(result) > 0.98
    assert share_found(result, 12 * MINUTE) > 0.98
    assert not ((result.peaks > 2 * MINUTE + FS) & (result.peaks < 12 * MINUTE - FS)).any()
    assert result.gaps.pauses == []
    assert result.events.longest.seconds < 3


def test_a_dead_lead_and_a_reversed_one_change_little() -> None:
    both = found(GOOD.signal)
    dead = found(np.stack([GOOD.signal[0], np.zeros_like(GOOD.signal[0])]))
    assert share_found(dead) > 0.98
    reversed_ = found(-GOOD.signal)
    np.testing.assert_allclose(reversed_.peaks, both.peaks, atol=0.03 * FS)
    assert len(reversed_.looks) == len(both.looks)


def test_saturation_throughout_leaves_no_beat() -> None:
    rails = 5 * np.sign(np.sin(2 * np.pi * np.arange(2 * MINUTE) / FS))
    result = found(np.stack([rails, rails]))
    assert len(result) == 0
    assert result.left_out > 0


@pytest.mark.parametrize("fs", [100, 128, 500, 1000])
def test_rates(fs: int) -> None:
    one = simulate(["PVC"], seed=6, duration_s=60, fs=fs, leads=("II", "V1"))
    result = found(one.signal, fs)
    away = np.abs(one.r_peaks[1:-1, None] - result.peaks).min(axis=1)
    assert (away < 0.08 * fs).mean() > 0.98
    assert (result.events.counts["V"] > 0) == any(result.labels == "V")


def test_ten_seconds_and_less() -> None:
    for seconds in (10, 1, 0.2):
        result = found(GOOD.signal[:, : int(seconds * FS)])
        assert len(result) <= 2 * seconds
        assert len(result.events.trend) == 1
    assert len(found(GOOD.signal[:, : 10 * FS])) >= 8


def test_a_rate_too_low_is_refused() -> None:
    with pytest.raises(LeadwiseError, match="R peaks are detected from 100 Hz on"):
        found(GOOD.signal, 60)
