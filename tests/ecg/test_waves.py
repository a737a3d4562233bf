"""Waves and intervals: the fact sheet's figures, the simulator's truth, missing and cut waves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg.annotations import ABSENT, QRS, Annotations, P, Spans, T, wave_mask
from ecg.waves import annotate_mask, intervals, runs_of, waves_of
from simulate import simulate


def mask_of(*waves: tuple[int, int, int], samples: int = 1000) -> np.ndarray:
    mask = np.zeros(samples, int)
    for wave, onset, offset in waves:
        mask[onset:offset] = wave
    return mask


@pytest.mark.parametrize(
    ("qt", "rr_s", "fridericia", "bazett"),
    [
        (400, 1.00, 400.000, 400.000),
        (400, 0.64, 464.159, 500.000),
        (360, 0.80, 387.798, 402.492),
        (420, 0.75, 462.270, 484.974),
        (440, 1.20, 414.056, 401.663),
    ],
)
def test_corrected_qt(qt: int, rr_s: float, fridericia: float, bazett: float) -> None:
    """The fact sheet of HeartlyAI 2021, section 3; at 1000 Hz a sample is a millisecond."""
    rr = round(1000 * rr_s)
    mask = mask_of(
        (QRS, 100, 190), (QRS, 100 + rr, 190 + rr), (T, 300 + rr, 100 + rr + qt), samples=3000
    )
    measured = intervals(waves_of(mask), 1000, 3000)
    assert measured.qtc_fridericia[1] == pytest.approx(fridericia, abs=5e-4)
    assert measured.qtc_bazett[1] == pytest.approx(bazett, abs=5e-4)


@pytest.mark.parametrize("diagnoses", [("NSR",), ("AF",), ("IAVB", "SB"), ("PAC",), ("PVC", "AFL")])
def test_the_simulators_waves_are_recovered(diagnoses: tuple[str, ...]) -> None:
    record = simulate(diagnoses, seed=4, duration_s=20.0)
    waves = waves_of(record.mask)
    indices = np.searchsorted(waves[:, 1, 0], record.waves[:, 1, 0])
    whole = record.waves[:, 1, 0] != ABSENT
    np.testing.assert_array_equal(waves[indices[whole]][:, 1], record.waves[whole][:, 1])
    same = (waves[indices[whole]] == record.waves[whole]).all(axis=(1, 2))
    assert same.mean() > 0.9  # waves that touch their neighbours of the same kind are one run


def test_intervals_in_ms() -> None:
    """The fact sheet of HeartlyAI 2021, section 3: at 500 Hz a sample is 2 ms."""
    mask = mask_of((P, 100, 150), (QRS, 180, 225), (T, 300, 380), (QRS, 580, 625), samples=700)
    measured = intervals(waves_of(mask), 500, 700)
    assert (measured.pq[0], measured.qrs[0], measured.qt[0]) == (160, 90, 400)
    assert measured.qq[1] == 800
    assert measured.qtc_fridericia[0] == pytest.approx(430.887, abs=5e-4)


def test_missing_waves_have_no_intervals() -> None:
    measured = intervals(waves_of(mask_of((QRS, 100, 150), (QRS, 500, 550))), 500, 1000)
    assert np.isnan(measured.pq).all()
    assert np.isnan(measured.qt).all()
    assert np.isnan(measured.qtc_bazett).all()
    assert measured.qrs.tolist() == [100, 100]
    assert np.isnan(measured.qq[0])
    assert measured.qq[1] == 800


def test_cut_waves_have_no_limits() -> None:
    mask = mask_of((QRS, 0, 40), (T, 90, 200), (QRS, 500, 550), (T, 700, 1000))
    measured = intervals(waves_of(mask), 500, 1000)
    assert np.isnan(measured.qrs[0])
    assert np.isnan(measured.qq).all()
    assert np.isnan(measured.qt).all()
    assert measured.qrs[1] == 100


def test_blocked_p_waves_belong_to_no_beat() -> None:
    mask = mask_of(
        (P, 10, 40), (P, 100, 130), (QRS, 160, 200), (T, 260, 320), (P, 400, 430), (P, 600, 630),
        (QRS, 700, 740), (P, 900, 930),
    )  # fmt: skip
    assert waves_of(mask)[:, 0].tolist() == [[100, 130], [600, 630]]


def test_a_p_before_the_previous_t_does_not_belong_to_the_next_beat() -> None:
    mask = mask_of((QRS, 100, 150), (P, 200, 230), (T, 300, 380), (QRS, 500, 550))
    waves = waves_of(mask)
    assert waves[1, 0].tolist() == [ABSENT, ABSENT]
    assert waves[0, 2].tolist() == [300, 380]


def test_of_two_t_waves_the_first_counts() -> None:
    mask = mask_of((QRS, 100, 150), (T, 200, 250), (T, 300, 350), (QRS, 500, 550))
    assert waves_of(mask)[0, 2].tolist() == [200, 250]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9)), max_size=30))
def test_every_run_is_recovered_once(pieces: list[tuple[int, int]]) -> None:
    mask = np.repeat(np.array([wave for wave, _ in pieces], int), [length for _, length in pieces])
    painted = np.zeros_like(mask)
    for wave in (P, QRS, T):
        for onset, offset in runs_of(mask, wave):
            painted[onset:offset] = wave
    np.testing.assert_array_equal(painted, mask)
    marks = Annotations(500.0, waves=annotate_mask(mask), annotated=Spans([0], [len(mask)], [""]))
    np.testing.assert_array_equal(wave_mask(marks, len(mask)), mask)
    waves = waves_of(mask)
    assert len(waves) == len(runs_of(mask, QRS))
    for index, wave in enumerate((P, QRS, T)):
        for onset, offset in waves[:, index][waves[:, index, 0] != ABSENT]:
            assert (mask[onset:offset] == wave).all()


def test_an_empty_mask_has_no_beats() -> None:
    measured = intervals(waves_of(np.zeros(100, int)), 500, 100)
    assert all(len(values) == 0 for values in measured)
