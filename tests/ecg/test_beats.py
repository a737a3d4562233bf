"""R peaks of simulated records: accuracy, invariances, and signals without beats."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import resample_poly

from ecg import LeadwiseError
from ecg.beats import detect, detect_long, heart_rate, quality, rr, windows
from ecg.beats.envelopes import interpolate_gaps, log_envelopes
from ecg.beats.likelihood import running_median
from ecg.beats.viterbi import Candidates, Viterbi
from scoring.beats import BeatCounts, count
from simulate import CLEAN, DIAGNOSES, Noise, Simulated, simulate

FS = 250.0
NOTHING = np.array([], int)


@pytest.fixture(scope="module")
def record() -> Simulated:
    """A minute of sinus rhythm with ventricular beats in three leads."""
    return simulate(["PVC"], seed=5, duration_s=60, fs=FS, leads=("II", "V1", "V5"))


def compare(record: Simulated, detected: np.ndarray, fs: float = 0.0) -> BeatCounts:
    """Compare with the truth, except at the ends of the record, where beats are incomplete."""
    fs = fs or record.fs
    samples = record.signal.shape[1] * fs / record.fs
    ends = np.array([[-np.inf, 0.15 * fs], [samples - 0.15 * fs, np.inf]])
    return count(np.rint(record.r_peaks * fs / record.fs), detected, fs, left_out=ends)


def errors(record: Simulated, detected: np.ndarray, fs: float = 0.0) -> int:
    counts = compare(record, detected, fs)
    assert counts.tp > 0
    return counts.fn + counts.fp


@pytest.mark.parametrize("diagnosis", DIAGNOSES)
@pytest.mark.parametrize("leads", [("II",), ("I", "II", "V2")], ids=str)
def test_every_simulated_rhythm_is_detected(diagnosis: str, leads: tuple[str, ...]) -> None:
    for noise in (CLEAN, Noise()):
        record = simulate([diagnosis], seed=2, duration_s=30, fs=FS, leads=leads, noise=noise)
        assert errors(record, detect(record.signal, FS)) == 0


def test_twelve_leads() -> None:
    record = simulate(["LBBB"], seed=3, duration_s=20)
    assert errors(record, detect(record.signal, record.fs)) == 0


def test_r_peaks_lie_where_the_heart_vector_is_longest() -> None:
    record = simulate(seed=1, duration_s=60, fs=500)
    detected = detect(record.signal, 500)
    assert count(record.r_peaks, detected, 500, tolerance_ms=20) == (len(record.r_peaks), 0, 0)


@pytest.mark.parametrize("fs", [100, 125, 128, 200, 257, 360, 500, 1000])
def test_the_sampling_rate_does_not_matter(fs: int) -> None:
    record = simulate(["PVC"], seed=5, duration_s=60, fs=fs, leads=("II", "V1", "V5"))
    assert errors(record, detect(record.signal, fs)) == 0


def test_a_sampling_rate_that_is_not_an_integer(record: Simulated) -> None:
    resampled = resample_poly(record.signal, 513, 500, axis=1)  # 256.5 Hz
    assert errors(record, detect(resampled, 256.5), 256.5) == 0


@given(st.floats(-12, 12), st.floats(-300, 300))  # 300 mV: offset of electrodes
@settings(max_examples=15)
def test_unit_and_offset_do_not_matter(decades: float, offset: float) -> None:
    record = simulate(["AF"], seed=2, duration_s=15, fs=FS, leads=("II", "V2"))
    scaled = (record.signal + offset) * 10**decades
    expected = detect(record.signal, FS)
    assert np.abs(detect(scaled, FS) - expected).max() <= 1  # float32 rounds at another level


@given(st.permutations(range(3)), st.lists(st.booleans(), min_size=3, max_size=3))
@settings(max_examples=15)
def test_order_and_polarity_of_leads_do_not_matter(order: list[int], flipped: list[bool]) -> None:
    record = simulate(["LBBB"], seed=4, duration_s=15, fs=FS, leads=("II", "V1", "V5"))
    signal = (record.signal * np.where(flipped, -1, 1)[:, None])[order]
    assert np.abs(detect(signal, FS) - detect(record.signal, FS)).max() <= 1


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_padding_has_no_beats_and_changes_none(record: Simulated, value: float) -> None:
    before, after = 2000, 30_000
    widths = ((0, 0), (before, after))
    padded = np.pad(record.signal - record.signal[:, :1], widths, constant_values=value)
    detected = detect(padded, FS) - before
    inner = detected[(detected > 40) & (detected < record.signal.shape[1] - 40)]
    assert errors(record, inner) == 0
    assert len(detected) - len(inner) <= 2  # incomplete beats at the ends


def test_gaps_have_no_beats(record: Simulated) -> None:
    signal = record.signal.copy()
    signal[:, 5000:7500] = np.nan
    signal[0, 9000:] = np.inf  # one lead ends
    signal[1, ::7] = np.nan
    detected = detect(signal, FS)
    assert not ((detected > 5000) & (detected < 7500)).any()
    edges = np.array([[-np.inf, 40], [4960, 7540], [14_960, np.inf]])
    counts = count(record.r_peaks, detected, FS, left_out=edges)
    assert counts.fn + counts.fp == 0


@given(st.integers(0, 2000))
@settings(max_examples=15)
def test_where_a_recording_begins_does_not_matter(record: Simulated, first: int) -> None:
    detected = detect(record.signal[:, first:], FS) + first
    whole = detect(record.signal, FS)
    ends = np.array([[-np.inf, first + 0.15 * FS]])
    assert count(whole, detected, FS, tolerance_ms=8, left_out=ends)[1:] == (0, 0)


@pytest.mark.parametrize("fs", [100, 128, 257, 360, 500, 1000])
def test_the_envelope_of_an_impulse_peaks_at_the_impulse(fs: float) -> None:
    signal = np.zeros((1, int(20 * fs)))
    signal[0, int(7.3 * fs)] = 1
    envelopes = log_envelopes(*interpolate_gaps(signal), fs)
    peaks = envelopes.logs.argmax(axis=1) * envelopes.stride
    assert (np.abs(peaks - int(7.3 * fs)) <= fs / 100).all()


def metronome(rr_s: float, beats: int, first_s: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Equal beats at equal intervals, as from a patient simulator, with zeros between."""
    times = np.arange(int(FS * rr_s * beats)) / FS
    r_peaks = first_s + rr_s * np.arange(beats)
    after = times[:, None] - r_peaks
    shape = np.exp(-0.5 * (after / 0.012) ** 2) - 0.3 * np.exp(-0.5 * ((after - 0.03) / 0.012) ** 2)
    t_wave = 0.25 * np.exp(-0.5 * ((after - min(0.28, 0.45 * rr_s)) / 0.04) ** 2)
    digital = np.rint(20 * (shape + t_wave).sum(axis=1)).astype(np.int16)
    return digital[None], np.rint(r_peaks * FS).astype(int)


@pytest.mark.parametrize("first_s", [0.2, 0.7, 1.2, 1.7])
def test_beats_in_step_with_the_windows(first_s: float) -> None:
    """RR intervals of exactly one window, zeros between: no window may contain zeros alone."""
    signal, r_peaks = metronome(2.0, 20, first_s)
    assert count(r_peaks, detect(signal, FS), FS, tolerance_ms=20) == (20, 0, 0)


@pytest.mark.parametrize("rr_s", [0.25, 0.26, 0.28, 0.3, 0.32])
def test_beats_too_fast_for_a_wave_between(rr_s: float) -> None:
    signal, r_peaks = metronome(rr_s, 60)
    assert count(r_peaks, detect(signal, FS), FS, tolerance_ms=20)[1:] == (0, 0)


@pytest.mark.parametrize("millivolts", [32.768, 1e3, 1e5])
def test_a_damaged_sample_has_a_local_effect(record: Simulated, millivolts: float) -> None:
    signal = record.signal.copy()
    signal[:, 7000] = -millivolts
    stretches = np.array([[-np.inf, 40], [7000 - FS, 7000 + FS], [14_960, np.inf]])
    counts = count(record.r_peaks, detect(signal, FS), FS, left_out=stretches)
    assert counts[1:] == (0, 0)


@pytest.mark.parametrize("fs", [100, 250, 500, 1000])
@pytest.mark.parametrize("leads", [1, 12])
@pytest.mark.parametrize("seconds", [1, 5, 20])
def test_short_noise_has_no_beats(fs: int, leads: int, seconds: int) -> None:
    white = np.random.default_rng(0).standard_normal((leads, fs * seconds))
    assert detect(white, fs).size == 0
    assert detect(np.cumsum(white, axis=1), fs).size == 0


@pytest.mark.parametrize("seed", range(5))
def test_noise_has_no_beats(seed: int) -> None:
    generator = np.random.default_rng(seed)
    white = generator.standard_normal((2, 15_000))
    assert detect(white, FS).size == 0
    assert detect(np.cumsum(white, axis=1), FS).size == 0


def test_a_noisy_stretch_has_no_beats(record: Simulated) -> None:
    generator = np.random.default_rng(0)
    noise = 0.5 * generator.standard_normal((3, 10_000)).astype(np.float32)
    detected = detect(np.concatenate([record.signal, noise, record.signal], axis=1), FS)
    in_noise = (detected > 15_000 + 5 * FS) & (detected < 25_000 - 5 * FS)
    assert not in_noise.any()


@pytest.mark.parametrize("bad", [np.zeros, lambda n: 1e3 * np.random.default_rng(1).random(n)])
def test_a_bad_lead_changes_nothing(record: Simulated, bad: object) -> None:
    signal = np.vstack([record.signal[:1], bad(15_000)[None]])  # type: ignore[operator]
    assert errors(record, detect(signal, FS)) == 0


def test_constant_and_empty_signals_have_no_beats() -> None:
    for signal in (np.zeros((2, 5000)), np.full((1, 5000), np.nan), np.zeros((1, 0)),
                   np.ones((12, 1)), np.full((3, 2500), 7)):  # fmt: skip
        assert detect(signal, FS).size == 0
    assert detect_long([], FS).size == 0


@pytest.mark.parametrize("leads", [("II",), ("I", "II", "V2")], ids=str)
def test_one_beat_and_none(leads: tuple[str, ...]) -> None:
    one = simulate(["SB"], seed=1, duration_s=10, fs=FS, leads=leads, noise=CLEAN)
    first = one.r_peaks[0]
    detected = detect(one.signal[:, : first + 100], FS)
    assert np.abs(detected - first).max() <= 2
    assert detected.size == 1
    assert rr(detected, FS).size == 0
    assert np.isnan(heart_rate(detected, FS))
    assert rr(NOTHING, FS).size == 0
    assert np.isnan(heart_rate(NOTHING, FS))


@pytest.mark.parametrize("seconds", [3, 5, 10])
def test_short_records(seconds: int) -> None:
    record = simulate(seed=8, duration_s=seconds, fs=500)
    assert errors(record, detect(record.signal, 500)) == 0


def test_signals_of_microvolts_are_detected_unless_rounded_to_zero(record: Simulated) -> None:
    assert errors(record, detect(record.signal / 1000, FS)) == 0
    rounded = np.rint(record.signal / 1000).astype(np.int16)  # stored in whole mV
    assert detect(rounded, FS).size == 0


def split(signal: np.ndarray, lengths: Iterator[int]) -> Iterator[np.ndarray]:
    first = 0
    while first < signal.shape[1]:
        step = next(lengths)
        yield signal[:, first : first + step]
        first += step


def test_the_same_beats_in_any_chunks() -> None:
    record = simulate(["AF", "PVC"], seed=6, duration_s=1500, fs=100, leads=("II", "V5"))
    digital = np.rint(record.signal * 200).astype(np.int16)
    whole = detect(digital, 100)
    assert errors(record, whole) <= 0.005 * len(whole)  # fibrillation with early wide beats
    generator = np.random.default_rng(0)
    for minutes in (1, 10, 60):
        every = iter(lambda step=minutes * 6000: step, None)
        np.testing.assert_array_equal(detect_long(split(digital, every), 100), whole)
    uneven = iter(lambda: int(generator.integers(0, 20_000)), None)
    np.testing.assert_array_equal(detect_long(split(digital, uneven), 100), whole)


def test_an_hour_at_100_hz() -> None:
    tile = simulate(["AF"], seed=9, duration_s=360, fs=100, leads=("II",))
    r_peaks = np.concatenate([tile.r_peaks + 36_000 * index for index in range(10)])
    seams = np.array([[36_000 * index - 100, 36_000 * index + 100] for index in range(11)])
    counts = count(r_peaks, detect(np.tile(tile.signal, 10), 100), 100, left_out=seams)
    assert counts.tp > 3000
    assert counts[1:] == (0, 0)


@pytest.mark.parametrize(
    ("signal", "fs", "text"),
    [
        (np.zeros((2, 500)), 50, "fs is 50 Hz; R peaks are detected from 100 Hz on"),
        (np.zeros((2, 500)), float("nan"), "fs is nan Hz"),
        (np.zeros((2, 500)), float("inf"), "fs is inf Hz; no electrocardiogram has more than"),
        (np.zeros((2, 500)), 100_001.0, "fs is 100001 Hz; no electrocardiogram has"),
        (np.zeros(500), 250, r"the shape \(500,\)"),
        (np.zeros((0, 500)), 250, r"the shape \(0, 500\)"),
    ],
)
def test_invalid_signals_raise_an_error(signal: np.ndarray, fs: float, text: str) -> None:
    with pytest.raises(LeadwiseError, match=text):
        detect(signal, fs)


def test_all_chunks_must_have_the_same_leads() -> None:
    with pytest.raises(LeadwiseError, match=r"the first has \(2, 500\)"):
        detect_long([np.zeros((2, 500)), np.zeros((3, 500))], 250)


def test_quality_separates_good_leads_from_bad(record: Simulated) -> None:
    noise = np.random.default_rng(2).standard_normal(15_000)
    signal = np.vstack([record.signal, np.zeros(15_000), noise])
    marks = quality(signal, FS, record.r_peaks)
    assert (marks[:3] > 0.95).all()
    assert marks[3] == 0
    assert marks[4] < 0.5
    assert np.isnan(quality(signal, FS, NOTHING)).all()
    np.testing.assert_array_equal(quality(-signal, FS, record.r_peaks), marks)


def test_quality_counts_beats_with_room_for_a_wave() -> None:
    signal, r_peaks = metronome(0.8, 10)
    until = r_peaks[-1] + 20  # no wave after the last beat
    assert quality(signal[:, :until], FS, r_peaks) == 1
    noisy = np.vstack([signal, np.random.default_rng(0).standard_normal(signal.shape)])
    assert quality(noisy, FS, r_peaks)[1] < 0.5
    fast, r_peaks = metronome(0.25, 40)
    assert np.isnan(quality(fast[:, : r_peaks[-1] + 20], FS, r_peaks))
    assert np.isnan(quality(np.zeros((2, 0)), FS, NOTHING)).all()


def test_heart_rate_leaves_long_gaps_out() -> None:
    assert heart_rate(np.array([0, 250, 500, 4000, 4250]), 250) == 60
    assert heart_rate(np.array([0, 250, 500, 1240, 1490]), 250) == pytest.approx(40.268, abs=1e-3)
    assert heart_rate(np.array([0, 250, 500, 1260, 1510]), 250) == 60  # 3.04 times the median
    np.testing.assert_allclose(rr(np.array([0, 250, 500]), 250), 1)


def test_windows_are_nan_beyond_the_ends() -> None:
    signal = np.arange(20, dtype=np.float32).reshape(2, 10)
    cut = windows(signal, np.array([1, 5]), 2, 3)
    assert cut.shape == (2, 2, 5)
    np.testing.assert_array_equal(cut[1], [[3, 4, 5, 6, 7], [13, 14, 15, 16, 17]])
    np.testing.assert_array_equal(cut[0, 0], [np.nan, 0, 1, 2, 3])
    assert windows(signal, NOTHING, 2, 3).shape == (0, 2, 5)


@given(st.lists(st.tuples(st.integers(6, 60), st.floats(-4, 4)), min_size=1, max_size=40),
       st.integers(1, 5))  # fmt: skip
def test_settling_early_gives_the_same_beats(drawn: list[tuple[int, float]], often: int) -> None:
    times = np.cumsum([step for step, _ in drawn]) / 50
    ratios = np.array([value for _, value in drawn])
    columns = (times, ratios, np.full(len(times), 0.8), np.arange(len(times)))
    at_once, in_steps = Viterbi(), Viterbi()
    at_once.add(Candidates(*columns))
    beats = []
    for first in range(0, len(times), often):
        in_steps.add(Candidates(*(column[first : first + often] for column in columns)))
        beats += in_steps.settle()
    assert beats + in_steps.finish() == at_once.finish()


def test_weak_beats_close_gaps_and_t_waves_are_rejected() -> None:
    times = np.array([0.0, 0.8, 1.0, 1.6, 2.4, 3.2, 4.8, 5.6])
    ratios = np.array([4, 4, 0.5, 4, -0.5, 4, 4, 4])  # a T wave, and a weak beat at 2.4 s
    viterbi = Viterbi()
    viterbi.add(Candidates(times, ratios, np.full(8, 0.8), np.arange(8)))
    assert viterbi.finish() == [0, 1, 3, 4, 5, 6, 7]


@given(st.lists(st.one_of(st.floats(-9, 9), st.just(float("nan"))), min_size=1, max_size=20))
def test_running_medians_leave_nan_out(values: list[float]) -> None:
    fast = running_median(np.array([values]), 5)[0]
    for index, median in enumerate(fast):
        around = [v for v in values[max(index - 2, 0) : index + 3] if not np.isnan(v)]
        expected = np.median(around) if around else np.nan
        np.testing.assert_allclose(median, expected)
