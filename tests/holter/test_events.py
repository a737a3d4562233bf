"""Events: counted by hand in short sequences of beats."""

import numpy as np
import pytest

from holter.activity import Activity
from holter.events import Events, Gaps, find_events, find_gaps

FS = 100.0
NONE = np.zeros((0, 2), int)


def events(letters: str, rr: float | list[float] = 0.8, **fields: object) -> tuple[Events, Gaps]:
    """Find the events of beats whose signal is quiet between them."""
    intervals = rr if isinstance(rr, list) else [rr] * (len(letters) - 1)
    peaks = np.rint(100 * np.cumsum([0.5, *intervals])).astype(int)[: len(letters)]
    slope = np.full((1, peaks[-1] // 10 + 10), 0.02)
    slope[0, peaks // 10] = 1.0
    if extra := fields.get("extra"):
        slope[0, extra] = 0.9
    activity = Activity(10, 10 * slope.shape[1], slope, slope)
    gaps = find_gaps(peaks, activity, FS, fields.get("noise", NONE))
    labels = np.array(list(letters), "U1")
    return find_events(peaks, labels, gaps.joined, activity.samples, FS), gaps


def test_couplets_and_runs_are_counted_per_label() -> None:
    found, _ = events("NVVNVNVVVVNSSNSSSN")
    assert found.counts == {"N": 6, "S": 5, "V": 7}
    assert [(one.first, one.last) for one in found.couplets["V"]] == [(1, 3)]
    assert [(one.first, one.last) for one in found.runs["V"]] == [(6, 10)]
    assert [(one.first, one.last) for one in found.couplets["S"]] == [(11, 13)]
    assert [(one.first, one.last) for one in found.runs["S"]] == [(14, 17)]
    assert found.runs["V"][0].rate == pytest.approx(75)


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("NVNVNVN", [(0, 7)]),
        ("NVNVN", []),
        ("NNVSVNVNN", [(1, 8)]),
        ("VNNVNNV", []),
        ("VNVVNVNV", [(3, 8)]),
    ],
)
def test_bigeminy_needs_three_ventricular_beats(
    letters: str, expected: list[tuple[int, int]]
) -> None:
    assert [(one.first, one.last) for one in events(letters)[0].bigeminy] == expected


def test_a_quiet_gap_is_a_pause_and_another_gap_ends_a_run() -> None:
    rr = [0.8, 0.8, 2.5, 0.8, 0.6, 0.8]
    found, gaps = events("NNVVNNN", rr)
    assert gaps.pauses == [(2, 2.5)]
    assert gaps.unclear == []
    assert found.longest == (2, 2.5)
    assert found.shortest == (4, pytest.approx(0.6))
    assert len(found.couplets["V"]) == 1

    missed, gaps = events("NNVVNNN", rr, extra=33)  # a slope as of a beat at 3.3 s, in the gap
    assert (gaps.pauses, gaps.unclear) == ([], [(2, 2.5)])
    assert missed.couplets["V"] == []
    assert missed.longest.seconds == pytest.approx(0.8)


def test_noise_between_two_beats_separates_them() -> None:
    found, gaps = events(
        "NVVVN", noise=np.array([[140, 180]])
    )  # between the beats at 1.3 and 2.1 s
    assert found.runs["V"] == []
    assert [(one.first, one.last) for one in found.couplets["V"]] == [(2, 4)]
    assert gaps.joined.tolist() == [True, False, True, True]


def test_the_trend_has_a_rate_for_each_minute_with_beats() -> None:
    found, _ = events(
        "N" * 225, [0.5] * 112 + [64.0] + [1.0] * 111, noise=np.array([[6000, 11900]])
    )
    np.testing.assert_allclose(found.trend, [120, np.nan, 60, 60])


def test_one_beat_and_none() -> None:
    assert events("V")[0].couplets == {"S": [], "V": []}
    activity = Activity(10, 6000, np.zeros((1, 600)), np.zeros((1, 600)))
    peaks = np.zeros(0, int)
    assert find_gaps(peaks, activity, FS, NONE).pauses == []
    empty = find_events(peaks, np.zeros(0, "U1"), np.zeros(0, bool), 6000, FS)
    assert (empty.longest, empty.bigeminy, empty.counts["V"]) == (None, [], 0)
    assert np.isnan(empty.trend).all()
