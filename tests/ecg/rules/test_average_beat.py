"""The average beat: intervals against the simulator's."""

import numpy as np
import pytest

from ecg.rules.average_beat import BEFORE_S, cut_beats, delineate, grid_steps
from ecg.waves import intervals
from simulate import simulate


@pytest.mark.parametrize("fs", [100.0, 250.0, 500.0])
@pytest.mark.parametrize("diagnosis", ["NSR", "IAVB", "LQT", "SB", "RBBB"])
def test_intervals_are_the_simulated_ones(diagnosis: str, fs: float) -> None:
    """PQ is up to 8 ms short and QT up to 12 ms long, at 100 Hz 12 and 20 ms: feet are rounded."""
    for seed in range(4):
        record = simulate([diagnosis], seed=seed, fs=fs)
        truth = intervals(record.waves, fs, record.signal.shape[1])
        beats = cut_beats(record.signal, record.r_peaks, fs)
        waves = delineate(beats, float(np.median(np.diff(record.r_peaks))) / fs)
        slow = fs == 100
        assert -(12 if slow else 8) < waves.pq_ms - np.nanmedian(truth.pq) < (3 if slow else 1)
        assert 0 < waves.qt_ms - np.nanmedian(truth.qt) < (20 if slow else 12)


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


def drawn_beats(waves_ms: dict[tuple[int, int, int], float], rows: int = 3) -> np.ndarray:
    """Draw equal beats of triangles, {(onset, peak, offset) ms around the R peak: mV}."""
    grid = 5.0 * np.arange(-80, 151)  # ms
    beat = sum(height * np.interp(grid, at, (0, 1, 0), 0, 0) for at, height in waves_ms.items())
    return np.repeat(np.asarray(beat)[None, None], rows, axis=1).astype(np.float32)


QRS_MS = (-40, 0, 40)


@pytest.mark.parametrize(
    ("onset_ms", "peak_ms", "pq_ms"),
    [(-200, -150, 150.0), (-250, -200, 200.0), (-280, -230, 230.0), (-180, -130, 130.0)],
)
def test_pq_of_triangles(onset_ms: int, peak_ms: int, pq_ms: float) -> None:
    """P begins where it has a fifth of its height: 10 of 50 ms after its foot."""
    p_wave = {(onset_ms, peak_ms, peak_ms + 50): 0.2}
    waves = delineate(drawn_beats({QRS_MS: 1.0, (160, 280, 360): 0.3} | p_wave), 0.8)
    assert waves.pq_ms == pytest.approx(pq_ms, abs=5)
    assert waves.p_heights == pytest.approx([0.2], abs=1e-6)


@pytest.mark.parametrize("offset_ms", [330, 360, 400, 440, 510])
def test_qt_of_triangles(offset_ms: int) -> None:
    """The tangent of a straight descent ends at its foot; QRS begins at -40 ms."""
    peak_ms = offset_ms - 80
    waves = delineate(drawn_beats({QRS_MS: 1.0, (peak_ms - 100, peak_ms, offset_ms): 0.3}), 1.0)
    assert waves.qt_ms == pytest.approx(offset_ms + 40, abs=6)


def test_the_p_ratio_is_the_height_over_its_variation_and_noise() -> None:
    """0.1, 0.2 and 0.3 mV vary by 1.4826 · 0.1 mV; 0.4 % of a complex of 1 mV is noise."""
    beats = drawn_beats({QRS_MS: 1.0, (160, 280, 360): 0.3})
    p_wave = drawn_beats({(-200, -150, -100): 1.0})
    heights = np.array([0.1, 0.2, 0.3], np.float32)[:, None]
    assert delineate(beats + heights * p_wave, 0.8).p_ratio == pytest.approx(1.313, abs=2e-3)
    assert delineate(beats + 0.2 * p_wave, 0.8).p_ratio == pytest.approx(50, abs=0.5)


def test_a_p_wave_is_searched_within_360_ms_and_in_half_the_interval() -> None:
    """At 150 per minute the T wave before lies where a P wave is at lower rates."""
    early = {(-330, -280, -230): 0.2, QRS_MS: 1.0, (160, 280, 360): 0.3}
    assert delineate(drawn_beats(early), 0.8).p_heights[0] == pytest.approx(0.2, abs=1e-6)
    assert delineate(drawn_beats(early), 0.4).p_heights[0] < 0.1
    too_early = {(-395, -365, -345): 0.2, QRS_MS: 1.0, (160, 280, 360): 0.3}
    assert delineate(drawn_beats(too_early), 1.2).p_heights[0] < 0.1


def test_a_steep_q_wave_before_a_flat_part_belongs_to_the_complex() -> None:
    """Its slope is 0.44 of the steepest, which is more than 0.3; at 0.2 it is left out."""
    for q_mv, pq_ms in ((-0.22, 135.0), (-0.10, 170.0)):
        waves = {(-55, -45, -35): q_mv, (-20, 0, 20): 1.0, (160, 280, 360): 0.3}
        p_wave = {(-200, -150, -100): 0.2}
        assert delineate(drawn_beats(waves | p_wave), 0.8).pq_ms == pytest.approx(pq_ms, abs=6)


def test_a_p_wave_may_peak_40_ms_before_the_complex() -> None:
    waves = delineate(drawn_beats({(-130, -80, -50): 0.2, QRS_MS: 1.0, (160, 280, 360): 0.3}), 0.8)
    assert waves.p_heights == pytest.approx([0.2], abs=1e-3)
    assert waves.pq_ms == pytest.approx(80, abs=6)


T_MS = (160, 280, 360)


@pytest.mark.parametrize(("q_mv", "pq_ms"), [(-0.155, 135.0), (-0.145, 170.0)])
def test_three_tenths_of_the_steepest_slope_are_certainly_qrs(q_mv: float, pq_ms: float) -> None:
    """Slopes of 0.31 and 0.29: 10 µV/ms per 0.1 mV of Q, 50 µV/ms in R."""
    waves = {(-55, -45, -35): q_mv, (-20, 0, 20): 1.0, T_MS: 0.3, (-200, -150, -100): 0.2}
    assert delineate(drawn_beats(waves), 0.8).pq_ms == pytest.approx(pq_ms, abs=0.1)


@pytest.mark.parametrize(("rr_s", "earliest_ms"), [(0.8, 310), (0.5, 225), (0.4, 170)])
def test_the_line_below_a_p_wave_begins_360_ms_or_0_55_rr_before(
    rr_s: float, earliest_ms: int
) -> None:
    """The line begins 50 ms before the peak, and the peak is the last one with its full height."""
    heights = []
    for peak_ms in (earliest_ms, earliest_ms + 5):
        p_wave = {(-peak_ms - 50, -peak_ms, -peak_ms + 50): 0.2}
        heights += [float(delineate(drawn_beats({QRS_MS: 1.0, T_MS: 0.3} | p_wave), rr_s)
                          .p_heights[0])]  # fmt: skip
    assert heights == pytest.approx([0.2, 0.17], abs=1e-6)  # 5 of 50 ms later on either side


@pytest.mark.parametrize(
    ("rr_s", "bump_ms", "t_wave"),
    [(1.0, 460, False), (1.0, 475, True), (0.7, 430, False), (0.7, 450, True),
     (0.6, 450, True)],
)  # fmt: skip
def test_a_t_wave_peaks_within_450_ms_and_0_6_rr(rr_s: float, bump_ms: int, t_wave: bool) -> None:
    """A larger bump later is the next P wave; the T wave ends at 340 ms, QRS begins at -40."""
    bump = {(bump_ms - 40, bump_ms, bump_ms + 40): 0.4}
    qt_ms = delineate(drawn_beats({QRS_MS: 1.0, (200, 280, 340): 0.2} | bump), rr_s).qt_ms
    assert (qt_ms < 390) == t_wave


@pytest.mark.parametrize(("bump_ms", "t_wave"), [(85, True), (130, False)])
def test_a_t_wave_peaks_120_ms_after_the_r_peak_or_later(bump_ms: int, t_wave: bool) -> None:
    bump = {(bump_ms - 30, bump_ms, bump_ms + 30): 0.6}
    qt_ms = delineate(drawn_beats({QRS_MS: 1.0, (240, 320, 400): 0.2} | bump), 1.0).qt_ms
    assert (qt_ms > 400) == t_wave


@pytest.mark.parametrize(("steep_ms", "known"), [(400, True), (450, False)])
def test_a_t_wave_ends_at_its_steepest_descent_within_180_ms(steep_ms: int, known: bool) -> None:
    """A slow descent from 250 ms on, then one of 40 ms that begins after 150 or 200 ms."""
    grid = 5.0 * np.arange(-80, 151)
    t_wave = np.interp(grid, (150, 250, steep_ms, steep_ms + 40), (0, 0.3, 0.2, 0), 0, 0)
    beats = drawn_beats({QRS_MS: 1.0}) + t_wave.astype(np.float32)
    error_ms = delineate(beats, 1.0).qt_ms - (steep_ms + 40 + 40)
    assert (abs(error_ms) < 12) == known


def test_a_beat_reaches_from_400_ms_before_to_750_ms_after_its_r_peak() -> None:
    beats = cut_beats(np.zeros((2, 4000), np.float32), np.array([1000, 2000]), 500)
    assert beats.shape == (2, 2, 80 + 1 + 150)  # steps of 5 ms
