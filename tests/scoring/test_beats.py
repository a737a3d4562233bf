"""Matching beside an exhaustive twin, the fact sheet's cases, and figures by hand."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.beats import (
    LEARNING_S,
    TOLERANCES_MS,
    average,
    count,
    f1,
    gross,
    match,
    outside,
    positive_predictivity,
    sensitivity,
    stack,
)

marks = st.lists(st.integers(0, 60), max_size=6).map(sorted)


def exhaustive(marked: list[int], detected: list[int], tolerance: float) -> tuple[int, int]:
    """Most pairs and smallest total distance, by trying every set of pairs; plain and slow."""
    near = [(i, j) for i, j in itertools.product(range(len(marked)), range(len(detected)))]
    near = [(i, j) for i, j in near if abs(marked[i] - detected[j]) <= tolerance]
    best = (0, 0)

    def extend(start: int, rows: frozenset[int], columns: frozenset[int], distance: int) -> None:
        nonlocal best
        best = min(best, (-len(rows), distance))
        for place in range(start, len(near)):
            i, j = near[place]
            if i not in rows and j not in columns:
                step = abs(marked[i] - detected[j])
                extend(place + 1, rows | {i}, columns | {j}, distance + step)

    extend(0, frozenset(), frozenset(), 0)
    return -best[0], best[1]


@given(marks, marks, st.integers(0, 25))
def test_the_matching_is_optimal(a: list[int], b: list[int], tolerance: int) -> None:
    marked, detected = np.array(a, int), np.array(b, int)
    pairs = match(marked, detected, tolerance)
    distance = np.abs(marked[pairs[:, 0]] - detected[pairs[:, 1]])
    assert (len(pairs), distance.sum()) == exhaustive(a, b, tolerance)
    assert (distance <= tolerance).all()
    assert (np.diff(pairs, axis=0) > 0).all()


@given(marks, marks, st.integers(0, 25))
def test_the_matching_is_symmetric(a: list[int], b: list[int], tolerance: int) -> None:
    assert len(match(a, b, tolerance)) == len(match(b, a, tolerance))


def test_the_fact_sheets_case() -> None:
    marked, detected = np.array([100, 300, 500]), np.array([110, 290, 295, 700])
    pairs = match(marked, detected, 75)
    assert pairs.tolist() == [[0, 0], [1, 2]]
    error = detected[pairs[:, 1]] - marked[pairs[:, 0]]
    assert error.mean() / 500 * 1000 == pytest.approx(5)
    assert error.std() / 500 * 1000 == pytest.approx(15)
    assert error.std(ddof=1) / 500 * 1000 == pytest.approx(21.21, abs=0.005)
    counts = count(marked, detected, 500)
    assert counts == (2, 1, 2)
    assert sensitivity(counts) == pytest.approx(2 / 3)
    assert positive_predictivity(counts) == 0.5
    assert f1(counts) == pytest.approx(0.5714, abs=5e-5)


@pytest.mark.parametrize(
    ("fs", "distance", "correct"),
    [(500, 75, 1), (500, 76, 0), (360, 54, 1), (360, 55, 0), (250, 37, 1), (250, 38, 0)],
)
def test_150_ms_and_no_more(fs: float, distance: int, correct: int) -> None:
    assert count(np.array([1000]), np.array([1000 + distance]), fs).tp == correct
    assert count(np.array([1000]), np.array([1000 - distance]), fs).tp == correct


def test_more_pairs_are_better_than_nearer_pairs() -> None:
    assert match(np.array([0, 50]), np.array([45, 110]), 60).tolist() == [[0, 0], [1, 1]]


def test_a_wider_tolerance_never_pairs_less() -> None:
    generator = np.random.default_rng(0)
    marked = np.sort(generator.integers(0, 360 * 600, 800))
    detected = np.sort(marked + generator.integers(-60, 60, 800))
    curve = [count(marked, detected, 360, tolerance_ms=width).tp for width in TOLERANCES_MS]
    assert curve == sorted(curve)
    assert curve[0] < curve[-1]


def test_the_learning_period_is_not_counted_but_matched() -> None:
    # The beat at the border is detected just before it, and one before it is detected just after.
    marked, detected = np.array([700, 995, 1500, 2000]), np.array([100, 700, 1005, 1490, 1700])
    assert count(marked, detected, 100, since_s=10) == (1, 1, 1)
    assert count(np.array([1000]), np.array([995]), 100, since_s=10) == (1, 0, 0)


def test_beats_in_left_out_stretches_are_not_counted() -> None:
    marked, detected = np.array([100, 300, 500]), np.array([101, 250, 320, 400, 505])
    assert count(marked, detected, 360, left_out=np.array([[200, 400]])) == (2, 0, 0)
    assert outside(marked, np.zeros((0, 2))).tolist() == [100, 300, 500]


def test_gross_counts_beats_and_average_counts_records() -> None:
    records = stack([count(np.arange(0, 100_000, 1000), np.arange(0, 50_000, 1000), 360),
                     count(np.array([500]), np.array([500]), 360),
                     count(np.array([], int), np.array([], int), 360)])  # fmt: skip
    assert gross(records) == (51, 50, 0)
    assert sensitivity(gross(records)) == pytest.approx(51 / 101)
    assert average(sensitivity(records)) == pytest.approx(0.75)  # undefined for the empty record
    assert average(positive_predictivity(records)) == 1


def test_no_beats() -> None:
    nothing = np.array([], int)
    assert match(nothing, nothing, 54).shape == (0, 2)
    assert count(nothing, np.array([5]), 360) == (0, 0, 1)
    assert count(np.array([5]), nothing, 360) == (0, 1, 0)
    assert np.isnan(f1(count(nothing, nothing, 360)))


def test_a_hundred_thousand_beats_take_little_time() -> None:
    generator = np.random.default_rng(1)
    marked = np.cumsum(generator.integers(100, 400, 100_000))
    counts = count(marked, np.sort(marked + generator.integers(-9, 9, 100_000)), 360)
    assert counts == (100_000, 0, 0)


def test_a_distance_of_the_tolerance_is_a_match_at_any_rate():
    """150 ms are 54 samples at 360 Hz, but 0.15 * 360 and 150 * 360 / 1000 round otherwise."""
    for fs in range(20, 2001, 20):
        samples = 3 * fs // 20
        assert count(np.array([1000]), np.array([1000 + samples]), fs) == (1, 0, 0), fs
        assert count(np.array([1000]), np.array([1001 + samples]), fs) == (0, 1, 1), fs

    # 0.9 - 0.7 is more than 0.2 in floating point.
    assert match(np.array([0.9]), np.array([0.7]), 0.2).tolist() == [[0, 0]]


def test_bxb_leaves_out_the_first_five_minutes():
    assert LEARNING_S == 5 * 60
