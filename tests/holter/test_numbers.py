"""Numbers per beat: worked values, references in ectopic recordings, and what must not matter."""

import numpy as np
import pytest

import holter.numbers
from holter.numbers import (
    GROUPS,
    INTERVALS,
    NAMES,
    average_alike,
    describe,
    interval_numbers,
    slope_spread_ms,
    width_ms,
)

FS = 250.0


def bump(centre: float, sd: float) -> np.ndarray:
    return np.exp(-0.5 * ((np.arange(300) - centre) / sd) ** 2)


NORMAL = np.stack([bump(150, 4) + 0.15 * bump(105, 8), 0.5 * bump(150, 4) - 0.2 * bump(220, 20)])
WIDE = np.stack([-0.8 * bump(155, 14), bump(155, 14)])


def recording(
    beats: int = 300, ectopic: int = 5, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make peaks, windows and a mask of wide beats that come early and are followed by a pause."""
    generator = np.random.default_rng(seed)
    wide = np.arange(beats) % ectopic == ectopic - 1
    rr = np.where(wide, 150, np.where(np.roll(wide, 1), 350, 250)) + generator.integers(
        -3, 4, beats
    )
    windows = np.where(wide[:, None, None], WIDE, NORMAL) + generator.normal(
        0, 0.01, (beats, 2, 300)
    )
    return np.cumsum(rr), windows.astype(np.float16), wide


def beat_numbers(
    peaks: np.ndarray, fs: float, windows: np.ndarray, usable: np.ndarray
) -> np.ndarray:
    return describe(peaks, fs, windows, usable).numbers


def column(numbers: np.ndarray, name: str) -> np.ndarray:
    return numbers[:, NAMES.index(name)]


def test_two_equal_slopes_spread_by_half_of_their_distance() -> None:
    """Steps 20 samples of 250 Hz apart, 80 ms: standard deviation 40 ms.

    The slope of 16 ms turns a step into four equal samples: the root of 40² + (16² - 4²) / 12.
    """
    step = np.zeros(60)
    step[11:31] = 1.0
    assert slope_spread_ms(step) == pytest.approx(np.sqrt(1620))


def test_a_rectangle_is_as_wide_as_its_samples() -> None:
    """25 samples of 250 Hz are 100 ms; the 1 µV in the denominator takes 0.1 %."""
    signal = np.zeros(100)
    signal[20:45] = -1.0
    assert width_ms(signal) == pytest.approx(100.0, rel=2e-3)


def test_an_early_beat_and_its_pause_are_ratios_to_the_usual_interval() -> None:
    peaks = np.cumsum(np.full(100, 250))
    peaks[50] -= 100  # 0.6 s instead of 1 s, then 1.4 s
    numbers = interval_numbers(peaks, FS)
    named = dict(zip(INTERVALS, numbers[50], strict=True))
    for name in ("before / near", "before / usual", "before / slow", "before / far"):
        assert named[name] == pytest.approx(np.log(0.6))
    assert named["after / usual"] == pytest.approx(np.log(1.4))
    assert named["after / before"] == pytest.approx(np.log(1.4 / 0.6))
    assert named["pair / usual"] == pytest.approx(0.0)
    assert named["slow"] == pytest.approx(0.0)  # log of 1 s
    far = np.delete(numbers, range(30, 71), axis=0)
    ratios = [index for index, name in enumerate(INTERVALS) if "/" in name]
    np.testing.assert_allclose(far[:, ratios], 0, atol=1e-12)


def test_references_are_those_of_sinus_rhythm_if_most_beats_are_premature() -> None:
    """Two of three beats are early: a median would take their interval for the usual one."""
    rr = np.tile([150, 150, 300], 100)
    numbers = interval_numbers(np.cumsum(rr), FS)
    slow = numbers[:, INTERVALS.index("before / slow")]
    np.testing.assert_allclose(slow[rr == 300][1:], 0, atol=1e-12)
    np.testing.assert_allclose(slow[rr == 150][1:], np.log(0.5))
    assert np.median(rr) == 150


def test_the_usual_beat_is_the_normal_one_in_bigeminy() -> None:
    """As many wide beats as normal ones; the wide ones come first and early."""
    peaks, windows, wide = recording(ectopic=2)
    similarity = column(beat_numbers(peaks, FS, windows, np.ones(2, bool)), "wide, all leads")
    assert similarity[~wide].min() > 0.95
    assert similarity[wide].max() < 0.6


def test_wide_beats_differ_in_shape_and_share() -> None:
    peaks, windows, wide = recording()
    numbers = beat_numbers(peaks, FS, windows, np.ones(2, bool))
    assert column(numbers, "slope spread ratio, largest")[wide].min() > 0.5
    assert np.abs(column(numbers, "slope spread ratio, largest")[~wide]).max() < 0.3
    share = np.exp(column(numbers, "share, beats alike"))
    assert share[wide].mean() == pytest.approx(0.2, abs=0.03)
    assert column(numbers, "premature share, beats alike")[wide].min() > 0.95


def test_a_beat_that_is_marked_late_is_aligned() -> None:
    peaks, windows, _ = recording(ectopic=1000)
    moved = windows.copy()
    moved[150] = np.roll(windows[150], 6, axis=1)  # the peak is marked 24 ms too early
    numbers = beat_numbers(peaks, FS, moved, np.ones(2, bool))
    assert column(numbers, "lag, all leads")[150] == 6
    assert column(numbers, "QRS, all leads")[150] > 0.95
    assert column(numbers, "wide before alignment, all leads")[150] < 0.6


def test_the_order_of_leads_does_not_matter() -> None:
    peaks, windows, _ = recording()
    first = beat_numbers(peaks, FS, windows, np.array([True, True]))
    second = beat_numbers(peaks, FS, windows[:, ::-1], np.array([True, True]))
    np.testing.assert_allclose(first, second, rtol=1e-3, atol=1e-3)


def test_an_unusable_lead_does_not_matter() -> None:
    peaks, windows, _ = recording()
    noise = np.random.default_rng(1).normal(0, 5, windows.shape)
    dead = np.concatenate([windows, noise[:, :1], np.full_like(windows[:, :1], np.nan)], axis=1)
    usable = np.array([True, True, False, False])
    np.testing.assert_allclose(
        beat_numbers(peaks, FS, dead, usable),
        beat_numbers(peaks, FS, windows, np.ones(2, bool)),
        rtol=1e-3, atol=1e-3,
    )  # fmt: skip


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    peaks, windows, _ = recording(beats=2500, ectopic=7)
    whole = beat_numbers(peaks, FS, windows, np.ones(2, bool))
    monkeypatch.setattr(holter.numbers, "BLOCK", 512)
    np.testing.assert_array_equal(beat_numbers(peaks, FS, windows, np.ones(2, bool)), whole)


def test_the_rate_of_the_peaks_does_not_matter() -> None:
    peaks, windows, _ = recording()
    np.testing.assert_allclose(
        beat_numbers(peaks * 4, 4 * FS, windows, np.ones(2, bool)),
        beat_numbers(peaks, FS, windows, np.ones(2, bool)),
    )


@pytest.mark.parametrize("beats", [0, 1, 2, 3, 40])
def test_numbers_are_finite_for_few_beats_and_for_flat_or_unusable_leads(beats: int) -> None:
    peaks = np.arange(beats) * 200 + 100
    for windows in (np.zeros((beats, 2, 300)), np.full((beats, 2, 300), np.nan)):
        for usable in (np.array([True, False]), np.zeros((beats, 2), bool)):
            numbers = beat_numbers(peaks, FS, windows.astype(np.float16), usable)
            assert numbers.shape == (beats, len(NAMES))
            assert np.isfinite(numbers).all()


def test_names_are_unique_and_grouped() -> None:
    assert len(set(NAMES)) == len(NAMES) == sum(map(len, GROUPS.values()))


def test_values_are_averaged_over_beats_of_like_shape_and_size() -> None:
    """Two beats of one shape, one of a right angle to it, one of the shape at twice the size."""
    shapes = np.array([[1, 0], [1, 0], [0, 1], [1, 0]], np.float16)
    sizes = np.array([0, 0.1, 0, np.log(2)], np.float32)
    means, share = average_alike(shapes, sizes, np.array([[1.0], [3.0], [10.0], [100.0]]))
    np.testing.assert_allclose(means[:, 0], [2, 2, 10, 100])
    np.testing.assert_allclose(share, np.log([0.501, 0.501, 0.251, 0.251]), rtol=1e-5)
