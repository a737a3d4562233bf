"""Limits from probabilities: interpolation, short runs and holes, one T per beat, fused leads."""

import numpy as np
import pytest

from ecg.annotations import ABSENT
from ecg.delineation import cleaned, delineate, fused

FS = 250.0


def probabilities(samples: int, *waves: tuple[int, int, int], sure: float = 0.9) -> np.ndarray:
    """Return probabilities of waves (class, onset, offset); the rest is no wave."""
    mask = np.zeros(samples, int)
    for wave, onset, offset in waves:
        mask[onset:offset] = wave
    return np.where(np.arange(4)[:, None] == mask, sure, (1 - sure) / 3)


def limits(waves: object) -> list[tuple[int, int, str]]:
    return list(
        zip(waves.onsets.tolist(), waves.offsets.tolist(), waves.kinds.tolist(), strict=True)
    )


def test_perfect_masks_return() -> None:
    waves = [(1, 20, 40), (2, 50, 75), (3, 110, 150)]
    found = delineate(probabilities(200, *waves), FS)
    assert limits(found) == [(20, 40, "p"), (50, 75, "N"), (110, 150, "t")]


@pytest.mark.parametrize("exact", [50.1, 50.5, 50.9])
def test_limits_are_interpolated_between_samples(exact: float) -> None:
    times = np.arange(200)
    qrs = np.clip(0.5 + 0.1 * (times - exact), 0.02, 0.98)
    qrs[100:] = np.clip(0.5 - 0.1 * (times[100:] - exact - 70), 0.02, 0.98)
    none = 1 - qrs
    found = delineate(np.stack([none, 0 * qrs, qrs, 0 * qrs]), FS, to_fs=5000.0)
    assert found.onsets[0] == pytest.approx(20 * exact, abs=1)
    assert found.offsets[0] == pytest.approx(20 * (exact + 70), abs=1)


def test_short_runs_are_deleted_and_short_holes_closed() -> None:
    # At 250 Hz 30 ms are 7.5 samples, 60 ms are 15.
    kept = cleaned(probabilities(300, (2, 50, 58), (3, 110, 125), (1, 200, 208)), FS)
    assert [np.flatnonzero(kept == wave).size for wave in (1, 2, 3)] == [8, 8, 15]
    short = cleaned(probabilities(300, (2, 50, 57), (3, 110, 124), (1, 200, 207)), FS)
    assert not short.any()
    closed = cleaned(probabilities(300, (2, 50, 60), (2, 67, 77)), FS)
    assert (closed[50:77] == 2).all()
    left_open = cleaned(probabilities(300, (2, 50, 60), (2, 68, 78)), FS)
    assert not left_open[60:68].any()


def test_a_beat_has_its_likeliest_t_wave() -> None:
    values = probabilities(
        500, (2, 50, 75), (3, 110, 150), (3, 180, 200), (2, 300, 325), (3, 350, 380)
    )
    assert [row for row in limits(delineate(values, FS)) if row[2] == "t"] == [
        (110, 150, "t"), (350, 380, "t"),
    ]  # fmt: skip


def test_the_likeliest_t_wave_has_the_largest_sum_of_probabilities() -> None:
    """40 samples of 0.6 count more than 20 of 0.95."""
    values = probabilities(400, (2, 50, 75), (3, 110, 150), (3, 180, 200))
    for (onset, offset), sure in {(110, 150): 0.6, (180, 200): 0.95}.items():
        values[:, onset:offset] = (1 - sure) / 3
        values[3, onset:offset] = sure
    assert limits(delineate(values, FS))[1:] == [(110, 150, "t")]


@pytest.mark.parametrize(("samples", "closed"), [(5, True), (6, False)])
def test_a_hole_of_30_ms_stays_open(samples: int, closed: bool) -> None:
    """At 200 Hz six samples."""
    mask = cleaned(probabilities(300, (2, 50, 70), (2, 70 + samples, 100)), 200.0)
    assert (mask[70 : 70 + samples] == 2).all() == closed


@pytest.mark.parametrize(("wave", "shortest"), [(1, 6), (2, 6), (3, 12)])
def test_runs_of_30_ms_and_t_waves_of_60_ms_are_long_enough(wave: int, shortest: int) -> None:
    for samples, kept in ((shortest - 1, False), (shortest, True)):
        mask = cleaned(probabilities(300, (wave, 50, 50 + samples)), 200.0)
        assert (mask == wave).any() == kept


def test_waves_that_are_cut_off_have_no_limit_there() -> None:
    found = delineate(probabilities(200, (2, 0, 20), (3, 170, 200)), FS)
    assert limits(found) == [(ABSENT, 20, "N"), (170, ABSENT, "t")]
    cut = delineate(probabilities(200, (1, 0, 3)), FS)  # too short to tell
    assert limits(cut) == [(ABSENT, 3, "p")]


def test_no_wave_gives_none() -> None:
    assert len(delineate(probabilities(200), FS)) == 0
    assert len(delineate(np.full((4, 50), 0.25), FS)) == 0


def test_leads_vote_by_their_mean_probability() -> None:
    with_p = probabilities(200, (1, 20, 40), sure=0.6)
    without = probabilities(200, sure=0.95)
    assert len(delineate(fused([with_p, without, without]), FS)) == 0
    assert len(delineate(fused({"I": with_p, "II": with_p, "V1": with_p}), FS)) == 1
