"""Icentia11k's marks as wfdb writes them, and the class that follows from them for a crop."""

from pathlib import Path

import numpy as np
import pytest
import wfdb

from datasets.icentia import (
    FIBRILLATION,
    FLUTTER,
    NONE,
    NORMAL,
    Marks,
    class_of,
    marks_of,
    read_marks,
)
from ecg import LeadwiseError

FS, MINUTE = 250.0, 15_000


def marks(*rhythms: tuple[str, int, int], beats: tuple[int, ...] | None = None) -> Marks:
    """A minute with a beat each 200 samples from 100 on, and rhythms from one beat to another."""
    places = list(range(100, MINUTE, 200)) if beats is None else list(beats)
    found = [(place, "N", "") for place in places]
    for note, first, last in rhythms:
        found += [(first, "+", note), (last, "+", ")")]
    return marks_of(*zip(*sorted(found), strict=True), MINUTE)


def test_a_rhythm_holds_from_its_first_beat_to_its_last() -> None:
    found = marks_of(
        [100, 100, 300, 300, 500, 700, 700],
        ["N", "+", "V", "+", "Q", "S", "+"],
        ["", "(N", "", ")", "", "", "(AFIB)"],
        1000,
    )
    assert found.beats.tolist() == [100, 300, 500, 700]
    assert found.onsets.tolist() == [100, 700]
    assert found.offsets.tolist() == [301, 701]
    assert found.codes.tolist() == [NORMAL, FIBRILLATION]


def test_a_rhythm_without_an_end_lasts_until_the_next_or_the_segments_end() -> None:
    found = marks_of([10, 50], ["+", "+"], ["(N\0", "(AFL"], 90)
    assert found.offsets.tolist() == [50, 90]
    assert found.codes.tolist() == [NORMAL, FLUTTER]


@pytest.mark.parametrize(
    ("note", "said"),
    [("(VT", r"unknown rhythm '\(VT' at sample 7; known are \(N, \(AFIB, \(AFL"),
     (")", "at sample 7 a rhythm ends that has not begun")],
)  # fmt: skip
def test_what_the_release_does_not_have_is_an_error(note: str, said: str) -> None:
    with pytest.raises(LeadwiseError, match=said):
        marks_of([7], ["+"], [note], 100)


def test_flutter_comes_before_fibrillation_and_both_before_normal() -> None:
    found = marks(("(N", 100, 4900), ("(AFIB", 5100, 6900), ("(AFL", 7100, 14_900))
    assert class_of(found, 0, MINUTE, FS) == FLUTTER
    assert class_of(found, 0, 7100, FS) == FIBRILLATION
    assert class_of(found, 6900, 7100, FS) == FIBRILLATION  # its last beat alone
    assert class_of(found, 0, 5100, FS) == NORMAL


def test_only_what_lies_in_the_crop_counts() -> None:
    """Fault 9: there labels were those of a span of which the network then saw a part."""
    found = marks(("(N", 100, 9900), ("(AFIB", 10_100, 14_900))
    assert class_of(found, 2000, 10_100, FS) == NORMAL
    assert class_of(found, 2000, 10_101, FS) == FIBRILLATION


def test_a_crop_without_marks_is_no_class() -> None:
    """Fault 11: there it is normal."""
    unmarked = marks_of((), (), (), MINUTE)
    assert class_of(unmarked, 0, MINUTE, FS) == NONE
    assert class_of(marks(), 0, MINUTE, FS) == NONE  # beats, but of no rhythm
    found = marks(("(N", 100, 14_900), beats=(100, 14_900))
    assert class_of(found, 1000, 9000, FS) == NONE  # a rhythm, but no beat


def test_normal_is_what_is_normal_throughout() -> None:
    whole = (("(N", 100, 6900), ("(N", 7300, 14_900))
    assert class_of(marks(*whole), 0, MINUTE, FS) == NONE  # the beat at 7100 is of no rhythm
    assert class_of(marks(*whole), 0, 7000, FS) == NORMAL
    some = tuple(place for place in range(100, MINUTE, 200) if place != 7100)
    assert class_of(marks(*whole, beats=some), 0, MINUTE, FS) == NORMAL  # a distance of two beats
    late = tuple(place for place in some if place >= 1100)
    at_border = marks(("(N", 1100, 14_900), beats=late)
    assert class_of(at_border, 0, MINUTE, FS) == NONE  # 4.4 s unmarked
    assert class_of(at_border, 351, MINUTE, FS) == NORMAL  # 3 s less a sample
    assert class_of(at_border, 349, MINUTE, FS) == NONE


def test_annotations_are_read_as_wfdb_writes_them(tmp_path: Path) -> None:
    wfdb.wrann(
        "p00000_s00", "atr", np.array([90, 90, 400_000, 400_000]),
        symbol=np.array(["Q", "+", "N", "+"]), aux_note=["", "(AFIB", "", ")"], fs=250,
        write_dir=str(tmp_path),
    )  # fmt: skip
    found = read_marks(str(tmp_path / "p00000_s00"), 1_048_577)
    assert found.beats.tolist() == [90, 400_000]
    assert (found.onsets.tolist(), found.offsets.tolist()) == ([90], [400_001])
    assert found.codes.tolist() == [FIBRILLATION]
    assert len(read_marks(str(tmp_path / "p00000_s01"), 1000).beats) == 0  # no such file
    (tmp_path / "p00000_s02.atr").write_bytes(b"\1")
    with pytest.raises(LeadwiseError, match=r"p00000_s02.atr: wfdb cannot read the annotations"):
        read_marks(str(tmp_path / "p00000_s02"), 1000)
