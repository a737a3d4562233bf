"""Parts of the detector, each with numbers computed by hand from the docstrings' formulas."""

import numpy as np
import pytest

from ecg.beats import detect, quality
from ecg.beats.envelopes import Envelopes, _active, _band_responses, interpolate_gaps, log_envelopes
from ecg.beats.likelihood import (
    Levels,
    beat_and_wave_heights,
    candidate_steps,
    initial_levels,
    local_maximum,
    log_likelihood_ratio,
    measure_levels,
    running_median,
)
from ecg.beats.viterbi import Candidates, Viterbi
from simulate import CLEAN, simulate


def chosen(times: list[float], ratios: list[float], local: float, early: float = 1.0) -> list[int]:
    viterbi = Viterbi(early)
    count = len(times)
    viterbi.add(
        Candidates(np.array(times), np.array(ratios), np.full(count, local), np.arange(count))
    )
    return viterbi.finish()


@pytest.mark.parametrize(
    ("gap_s", "local_s", "cost"),
    [
        (0.8, 0.8, 0.0),
        (0.4, 0.8, 0.4805),  # (ln 0.5)²
        (0.5, 0.8, 0.2209),  # (ln 0.625)²
        (1.0, 0.8, 0.0199),  # 0.4 (ln 1.25)²
        (1.16, 0.8, 0.0552),  # 0.4 (ln 1.45)²
        (1.6, 0.8, 1.0658),  # 0.4 (ln 1.5)² + 2 (2 - 1.5)
        (2.3, 0.8, 2.8158),  # 0.4 (ln 1.5)² + 2 (2.875 - 1.5)
        (2.5, 0.8, 3.0658),  # beyond three intervals, any pause: 0.4 (ln 1.5)² + 2 · 1.5
        (60.0, 0.8, 3.0658),
        (0.36, 0.1, 0.0532),  # the local interval is at least 0.25 s: 0.4 (ln 1.44)²
        (2.0, 9.0, 0.0),  # and at most 2 s
    ],
)
def test_the_cost_of_an_interval(gap_s: float, local_s: float, cost: float) -> None:
    """A second beat is chosen where its likelihood ratio exceeds the cost."""
    assert chosen([0, gap_s], [4.0, cost - 0.002], local_s) == [0]
    assert chosen([0, gap_s], [4.0, cost + 0.002], local_s) == [0, 1]


def test_the_cost_of_early_beats_is_a_number_of_the_pass() -> None:
    assert chosen([0, 0.4], [4.0, 0.0941], 0.8, early=0.2) == [0]  # 0.2 (ln 0.5)² = 0.0961
    assert chosen([0, 0.4], [4.0, 0.0981], 0.8, early=0.2) == [0, 1]


def test_a_first_beat_needs_a_ratio_of_1_5() -> None:
    assert chosen([0], [1.49], 0.8) == []
    assert chosen([0], [1.51], 0.8) == [0]


def test_no_beat_follows_within_200_ms() -> None:
    assert chosen([0, 0.199], [4.0, 4.0], 0.25) == [1]  # the later of equals
    assert chosen([0, 0.201], [4.0, 4.0], 0.25) == [0, 1]


@pytest.mark.parametrize(("gap_s", "ratio"), [(0.28, 4 / 3), (0.32, 0.8), (0.24, 12 / 7)])
def test_a_candidate_within_360_ms_may_be_a_t_wave(gap_s: float, ratio: float) -> None:
    """Half way from 360 to 200 ms half the difference of the ratios counts: r > (4 - r) / 2."""
    usual = gap_s if gap_s >= 0.25 else 0.25
    more = np.log(gap_s / usual) ** 2 * 4 / 7  # at 240 ms, of 250: (1 + 0.75) r > 3 + (ln 0.96)²
    assert chosen([0, gap_s], [4.0, ratio + more - 0.01], usual) == [0]
    assert chosen([0, gap_s], [4.0, ratio + more + 0.01], usual) == [0, 1]


def ratio_of(log: float, contrast: float, trust: float = 1.0, channels: int = 1) -> float:
    column = np.ones((channels, 1))
    levels = Levels(7.0 * column, contrast * column)
    return float(log_likelihood_ratio((7.0 + log) * column, trust * column, levels)[0])


@pytest.mark.parametrize(
    ("log", "contrast", "ratio"),
    [
        (0.0, 1.0, 0.8594),  # at the QRS level: 1 · 0.55 / 0.8²
        (-0.55, 1.0, 0.0),  # both classes are equally likely
        (-1.0, 1.0, -0.7031),  # at the level of waves: -0.45 / 0.64
        (-5.0, 1.0, -0.7031),  # and below
        (0.5, 1.0, 1.6406),
        (0.0, 0.5, 0.2148),
        (0.0, 2.0, 2.0),  # at most, for
        (-2.0, 2.0, -1.0),  # at most, against
        (1.5, 0.5, 1.3867),  # ln 4.5 = 1.5041: the largest beats
        (1.8, 0.5, 1.1587),  # larger ones are artefacts: 3.0082 - 1.8
        (3.2, 0.5, 0.0650),
    ],
)
def test_the_likelihood_ratio_of_one_channel(log: float, contrast: float, ratio: float) -> None:
    assert ratio_of(log, contrast) == pytest.approx(ratio, abs=1e-4)


def test_channels_count_by_the_root_of_their_number() -> None:
    assert ratio_of(0.0, 1.0, channels=2) == pytest.approx(1.2153, abs=1e-4)  # √2 · 0.8594
    assert ratio_of(0.0, 1.0, channels=9) == pytest.approx(2.5781, abs=1e-4)
    assert ratio_of(0.0, 1.0, trust=0.5) == pytest.approx(0.4297, abs=1e-4)
    assert ratio_of(0.0, 1.0, trust=0.0) == -4


def envelope(*peaks: float, rest: float = 0.0, steps: int = 200) -> Envelopes:
    """Make windows of one channel with one peak each."""
    logs = np.full((1, steps * len(peaks)), rest, np.float32)
    logs[0, steps // 2 :: steps] = peaks
    return Envelopes(logs, np.ones(logs.shape, bool), 2.5)


@pytest.mark.parametrize(
    ("peak", "contrast", "trust"),
    [
        (3.0, 1.6253, 1.0),  # 0.75 (3 - ln 2.3)
        (1.0, 0.1253, 0.0),  # below ln 1.3 = 0.2624: noise
        (1.3, 0.3503, 0.3352),
        (1.6, 0.5753, 1.0),
        (6.0, 2.9957, 1.0),  # at most ln 20
        (0.5, 0.0, 0.0),
    ],
)
def test_initial_levels(peak: float, contrast: float, trust: float) -> None:
    levels, trusted = initial_levels(envelope(*[peak] * 12))
    assert levels.qrs == pytest.approx(peak)
    assert levels.contrast == pytest.approx(contrast, abs=1e-4)
    assert trusted == pytest.approx(trust, abs=1e-3)


def test_initial_levels_are_medians_over_nine_windows() -> None:
    """Four of nine windows may have artefacts, five not."""
    few, many = [3.0] * 20, [3.0] * 20
    few[8:12], many[8:13] = [9.0] * 4, [9.0] * 5
    assert initial_levels(envelope(*few))[0].qrs == pytest.approx(3)
    assert initial_levels(envelope(*many))[0].qrs.max() == pytest.approx(9)


def rapid(interval: int, jitter: int) -> Envelopes:
    """Peaks of 60 ms at an interval in steps of 10 ms; jitter in steps."""
    times = np.arange(4000)
    drawn = np.random.default_rng(0).integers(-jitter, jitter + 1, 400)
    centres = interval * np.arange(400) + drawn
    nearest = np.abs(times[:, None] - centres).min(axis=1)
    logs = np.log(np.exp(-0.5 * (nearest / 6.0) ** 2) + 0.02).astype(np.float32)[None]
    return Envelopes(logs, np.ones(logs.shape, bool), 2.5)


@pytest.mark.parametrize(
    ("interval", "jitter", "known"),
    [(25, 0, True), (30, 0, True), (33, 0, True), (23, 0, False), (27, 6, False)],
)
def test_rapid_beats_are_known_by_their_repetition(interval: int, jitter: int, known: bool) -> None:
    """From 24 to 34 steps of 10 ms; the contrast is then that of a quantile of the rest."""
    levels, _ = initial_levels(rapid(interval, jitter))
    plain = 0.75 * (0.0198 - np.median(rapid(interval, jitter).logs) - np.log(2.3))
    assert (levels.contrast.mean() > plain + 0.3) == known


def test_waves_count_from_150_ms_on() -> None:
    logs = np.zeros((1, 400), np.float32)
    logs[0, [100, 200, 300]] = 5
    beats = np.array([100, 200, 300])
    for step, wave in ((115, 0.0), (116, 3.0), (184, 3.0), (185, 0.0)):
        with_wave = logs.copy()
        with_wave[0, step] = 3
        peaks, waves = beat_and_wave_heights(Envelopes(with_wave, with_wave > -1, 2.5), beats)
        assert peaks.tolist() == [[5, 5, 5]]
        assert waves[0, 0] == wave, step


def test_levels_are_medians_over_fifteen_beats() -> None:
    logs = np.zeros((1, 4000), np.float32)
    beats = np.arange(50, 4000, 100)
    logs[0, beats] = 5
    logs[0, beats + 40] = 3
    logs[0, beats[10:17]] = 9  # seven ectopic beats
    levels = measure_levels(Envelopes(logs, logs > -1, 2.5), beats, np.ones((1, len(beats))))
    assert (levels.qrs == 5).all()
    assert (levels.contrast == 2).all()
    logs[0, beats[17]] = 9  # eight
    levels = measure_levels(Envelopes(logs, logs > -1, 2.5), beats, np.ones((1, len(beats))))
    assert levels.qrs.max() == 9


def test_peaks_of_channels_may_differ_by_40_ms() -> None:
    logs = np.zeros((1, 100), np.float32)
    logs[0, 50] = 1
    assert local_maximum(logs, np.array([45, 46, 54, 55])).tolist() == [[0, 1, 1, 0]]


@pytest.mark.parametrize(("apart", "found"), [(9, 1), (11, 2)])
def test_candidates_are_100_ms_apart(apart: int, found: int) -> None:
    steps = np.arange(200)
    ratio = np.maximum(3 - np.abs(steps - 80.0), 2.9 - np.abs(steps - 80.0 - apart))
    assert len(candidate_steps(np.maximum(ratio, -4.0))) == found


def test_the_bands_are_10_and_25_hz_without_wander() -> None:
    low, high = _band_responses(np.array([0.0, 2.0, 10.0, 14.0, 18.0, 25.0, 33.0]))
    assert low.tolist() == pytest.approx(
        [0, 0.17109, 2, 1.21306, 0.27067, 0.00176, 0.0], abs=1e-4
    )  # at 2 Hz 2 (1 - 1/e) exp(-2); a width of 4 Hz
    assert high.tolist() == pytest.approx(
        [0, 0.02025, 0.34492, 0.77719, 1.36392, 2, 1.21306], abs=1e-4
    )  # a width of 8 Hz


def test_a_lead_is_active_within_half_a_second_of_a_change() -> None:
    changing = np.zeros((1, 2000), bool)
    changing[0, 1000] = True
    active = _active(changing, 250, np.arange(2000.0))[0]
    first, last = np.flatnonzero(active)[[0, -1]] / 250
    assert 3.7 <= first <= 4.0 <= last <= 4.3


def test_gaps_are_bridged_and_do_not_count_as_changes() -> None:
    filled, changing = interpolate_gaps(np.array([[0.0, 1.0, np.nan, np.inf, 4.0, 4.0, 5.0]]))
    assert (filled - filled[:, :1]).tolist() == [[0, 1, 2, 3, 4, 4, 5]]
    assert changing.tolist() == [[False, True, False, False, True, False, True]]
    assert filled.mean() == pytest.approx(0, abs=1e-6)


def test_the_envelope_of_a_sine_is_its_amplitude_times_the_band() -> None:
    times = np.arange(5000) / 250
    wave = 0.5 * np.sin(2 * np.pi * 14 * times)
    logs = log_envelopes(*interpolate_gaps(wave[None]), 250).logs[:, 300:1700]
    assert np.exp(logs[0]) == pytest.approx(0.5 * 0.60653, rel=2e-3)
    assert np.exp(logs[1]) == pytest.approx(0.5 * 0.38860, rel=2e-3)


def test_running_medians_by_hand() -> None:
    values = np.array([[1.0, 9.0, 2.0, np.nan, 4.0, 100.0]])
    assert running_median(values, 3).tolist() == [[5, 2, 5.5, 3, 52, 52]]


@pytest.mark.parametrize(("samples", "beats"), [(249, 0), (252, 1)])
def test_records_of_half_a_second_have_beats(samples: int, beats: int) -> None:
    record = simulate(["NSR"], seed=1, noise=CLEAN)
    first = record.r_peaks[2] - 125
    assert len(detect(record.signal[:, first : first + samples], 500)) == beats


def test_the_r_peak_is_the_largest_deflection_from_a_sloping_line() -> None:
    """Two peaks 30 ms apart on a line of 10 mV/s, on which the later one is higher."""
    signal = 0.02 * np.arange(5000.0)[None]
    peaks = np.arange(300, 5000, 400)
    for offset, height in ((-2, 0.3), (-1, 0.7), (0, 1.0), (1, 0.7), (2, 0.3), (15, 0.8)):
        signal[0, peaks + offset] += height
    detected = detect(signal, 500)
    inside = detected[(detected > 150) & (detected < 4850)]
    assert inside.tolist() == peaks.tolist()


def test_quality_is_the_share_of_beats_above_the_waves_after_them() -> None:
    """Ten beats; after four of them a wave as steep and twice as high, 300 ms later."""
    signal = np.zeros((1, 2600))
    peaks = np.arange(125, 2600, 250)
    shape = np.exp(-0.5 * (np.arange(-10, 11) / 3.0) ** 2)
    for number, peak in enumerate(peaks):
        signal[0, peak - 10 : peak + 11] += shape
        if number in (1, 3, 5, 7):
            signal[0, peak + 65 : peak + 86] += 2 * shape
    assert quality(signal, 250, peaks)[0] == pytest.approx(0.6)


@pytest.mark.parametrize("first", range(0, 60, 7))
def test_no_beat_is_lost_where_blocks_meet(first: int) -> None:
    """Blocks of 300 s; rapid beats at each distance from the seam."""
    record = simulate(["STach"], seed=3, duration_s=330, fs=100, leads=("II",))
    detected = detect(record.signal[:, first:], 100) + first
    both = (record.r_peaks, detected)
    near, found = (peaks[(peaks > 29_600) & (peaks < 30_460)] for peaks in both)
    assert len(near) == len(found)
    assert np.abs(near - found).max() <= 2
