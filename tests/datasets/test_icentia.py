"""Icentia11k's annotations as wfdb writes them, and the class of a crop that follows from them."""

from pathlib import Path

import numpy as np
import pytest
import wfdb

from datasets.icentia import FIBRILLATION, FLUTTER, NONE, NORMAL, class_of, read_segment
from ecg import LeadwiseError
from ecg.annotation_files import Mark, beats_and_rhythms
from ecg.annotations import Annotations, Beats, Rhythms

FS, MINUTE = 250.0, 15_000


def annotate(*rhythms: tuple[str, int, int], beats: tuple[int, ...] | None = None) -> Annotations:
    """A minute with a beat each 200 samples from 100 on, and rhythms from one beat to another."""
    samples = range(100, MINUTE, 200) if beats is None else beats
    marks = [Mark(sample, "N") for sample in samples]
    for note, first, last in rhythms:
        marks += [Mark(first, "+", 0, note), Mark(last, "+", 0, ")")]
    marks.sort(key=lambda mark: mark.sample)
    of_beats, of_rhythms = beats_and_rhythms(marks, MINUTE)
    return Annotations(FS, of_beats, rhythms=of_rhythms)


def test_flutter_comes_before_fibrillation_and_both_before_normal() -> None:
    marks = annotate(("(N", 100, 4900), ("(AFIB", 5100, 6900), ("(AFL", 7100, 14_900))
    assert class_of(marks, 0, MINUTE) == FLUTTER
    assert class_of(marks, 0, 7100) == FIBRILLATION
    assert class_of(marks, 6900, 7100) == FIBRILLATION  # its last beat alone
    assert class_of(marks, 6901, 7100) == NONE
    assert class_of(marks, 0, 5100) == NORMAL


def test_only_annotations_in_the_crop_count() -> None:
    """Fault 9: the published labels are of a span of which the network then read only a part."""
    marks = annotate(("(N", 100, 9900), ("(AFIB", 10_100, 14_900))
    assert class_of(marks, 2000, 10_100) == NORMAL
    assert class_of(marks, 2000, 10_101) == FIBRILLATION


def test_a_crop_without_marks_is_no_class() -> None:
    """Fault 11: in the published code it is normal."""
    unmarked = Annotations(FS)
    assert class_of(unmarked, 0, MINUTE) == NONE
    assert class_of(annotate(), 0, MINUTE) == NONE  # beats, but of no rhythm
    marks = annotate(("(N", 100, 14_900), beats=(100, 14_900))
    assert class_of(marks, 1000, 9000) == NONE  # a rhythm, but no beat


def test_a_normal_crop_is_normal_throughout() -> None:
    whole = (("(N", 100, 6900), ("(N", 7300, 14_900))
    assert class_of(annotate(*whole), 0, MINUTE) == NONE  # the beat at 7100 is of no rhythm
    assert class_of(annotate(*whole), 0, 7000) == NORMAL
    without_7100 = tuple(sample for sample in range(100, MINUTE, 200) if sample != 7100)
    assert (
        class_of(annotate(*whole, beats=without_7100), 0, MINUTE) == NORMAL
    )  # a distance of two beats
    late = tuple(sample for sample in without_7100 if sample >= 1100)
    at_border = annotate(("(N", 1100, 14_900), beats=late)
    assert class_of(at_border, 0, MINUTE) == NONE  # 4.4 s unmarked
    assert class_of(at_border, 351, MINUTE) == NORMAL  # 3 s less a sample
    assert class_of(at_border, 350, MINUTE) == NORMAL  # 3 s
    assert class_of(at_border, 349, MINUTE) == NONE


def write_atr(folder: Path, name: str, samples: list[int], symbols: str, notes: list[str]) -> str:
    wfdb.wrann(
        name, "atr", np.array(samples), symbol=list(symbols), aux_note=notes, fs=250,
        write_dir=str(folder),
    )  # fmt: skip
    return str(folder / name)


def test_annotations_are_read_as_wfdb_writes_them(tmp_path: Path) -> None:
    samples = [90, 90, 300_000, 400_000, 400_000, 500_000, 500_000, 600_000]
    notes = ["", "(AFIB", "", "", ")", "", "(N)", "(AFL"]
    stem = write_atr(tmp_path, "p00000_s00", samples, "Q+VN+S++", notes)
    marks = read_segment(stem, 1_048_577)
    assert marks.beats == Beats([90, 300_000, 400_000, 500_000], ["Q", "V", "N", "S"])
    assert marks.rhythms == Rhythms(
        [90, 500_000, 600_000], [400_001, 500_001, 1_048_577], ["AFIB", "N", "AFL"]
    )
    assert read_segment(str(tmp_path / "p00000_s01"), 1000) == Annotations(FS)  # no such file
    (tmp_path / "p00000_s02.atr").write_bytes(b"\1")
    with pytest.raises(LeadwiseError, match=r"p00000_s02.atr: wfdb cannot read the annotations"):
        read_segment(str(tmp_path / "p00000_s02"), 1000)


@pytest.mark.parametrize(
    ("note", "text"),
    [("(VT", "R1.atr: unknown rhythm 'VT' at sample 7; known are N, AFIB, AFL"),
     (")", "R1.atr: at sample 7 a rhythm ends that has not started")],
)  # fmt: skip
def test_rhythms_that_the_release_does_not_have_are_errors(
    note: str, text: str, tmp_path: Path
) -> None:
    stem = write_atr(tmp_path, "R1", [7], "+", [note])
    with pytest.raises(LeadwiseError, match=text):
        read_segment(stem, 100)
