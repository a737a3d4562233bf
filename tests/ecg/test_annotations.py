"""Annotations: masks at any sampling frequency, missing marks, windows, and WFDB files."""

from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg import LeadwiseError
from ecg.annotation_files import (
    Mark,
    annotation_files,
    beats_and_rhythms,
    read_annotations,
    waves_of_marks,
    write_annotations,
)
from ecg.annotations import (
    AAMI,
    ABSENT,
    UNKNOWN,
    Annotations,
    Beats,
    Rhythms,
    Spans,
    Waves,
    beat_mask,
    wave_mask,
)

LEADS = ("I", "aVR", "V1")
# A beat at 500 Hz with P, QRS and T, marked from sample 50 to 349.
BEAT = Annotations(
    500.0,
    Beats([180], ["N"]),
    waves=Waves.of([(100, 120, 140, "p", ""), (160, 180, 210, "N", ""), (260, 300, 340, "t", "")]),
    annotated=Spans([50], [350], [""]),
)


def runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """Value and length of each run of a mask."""
    ends = np.append(np.flatnonzero(np.diff(mask)) + 1, len(mask))
    return [
        (int(mask[end - 1]), int(length))
        for end, length in zip(ends, np.diff(ends, prepend=0), strict=True)
    ]


def test_a_wave_mask_is_unknown_outside_the_annotated_part() -> None:
    assert runs(wave_mask(BEAT, 400)) == [
        (UNKNOWN, 50), (0, 50), (1, 40), (0, 20), (2, 50), (0, 50), (3, 80), (0, 10), (UNKNOWN, 50),
    ]  # fmt: skip
    assert (wave_mask(Annotations(500.0, BEAT.beats), 400) == UNKNOWN).all()


@pytest.mark.parametrize("fs", [100.0, 250.0, 257.0, 360.0, 1000.0])
def test_a_mask_at_another_rate_has_the_same_waves_at_the_same_times(fs: float) -> None:
    samples = round(400 * fs / 500)
    times = np.arange(samples) / fs
    at_500_hz = np.floor(times * 500 + 1e-6).astype(int)  # the sample that covers this time
    np.testing.assert_array_equal(wave_mask(BEAT, samples, fs), wave_mask(BEAT, 400)[at_500_hz])


def test_a_lead_has_its_own_waves_and_those_of_all_leads() -> None:
    waves = Waves.of([(10, 12, 20, "N", "II"), (30, 32, 40, "N", "V1"), (50, 52, 60, "t", "")])
    marks = Annotations(500.0, waves=waves, annotated=Spans([0], [70], [""]))
    assert runs(wave_mask(marks, 70, lead="II")) == [(0, 10), (2, 10), (0, 30), (3, 10), (0, 10)]
    assert runs(wave_mask(marks, 70)) == [(0, 50), (3, 10), (0, 10)]
    own = Annotations(500.0, waves=waves, annotated=Spans([5], [65], ["V1"]))
    assert runs(wave_mask(own, 70, lead="V1"))[:2] == [(UNKNOWN, 5), (0, 25)]
    assert (wave_mask(own, 70, lead="II") == UNKNOWN).all()


@pytest.mark.parametrize(
    ("t_wave", "expected"),
    [
        ((ABSENT, 40, 50, "t", ""), [(0, 10), (2, 10), (UNKNOWN, 20), (3, 10), (0, 10)]),
        ((30, 40, ABSENT, "t", ""), [(0, 10), (2, 10), (0, 10), (3, 11), (UNKNOWN, 19)]),
        ((ABSENT, 40, ABSENT, "t", ""), [(0, 10), (2, 10), (UNKNOWN, 20), (3, 1), (UNKNOWN, 19)]),
        ((30, ABSENT, 50, "t", ""), [(0, 10), (2, 10), (0, 10), (3, 20), (0, 10)]),
        ((30, 40, 50, "u", ""), [(0, 10), (2, 10), (0, 40)]),
    ],
)
def test_a_missing_limit_makes_the_mask_unknown_up_to_the_next_wave(
    t_wave: tuple[int | str, ...], expected: list[tuple[int, int]]
) -> None:
    waves = Waves.of([(10, 15, 20, "N", ""), t_wave])
    assert (
        runs(wave_mask(Annotations(500.0, waves=waves, annotated=Spans([0], [60], [""])), 60))
        == expected
    )


def test_a_beat_mask_has_the_class_within_50_ms_of_each_beat() -> None:
    marks = Annotations(360.0, Beats([5, 100, 200, 300, 400], ["L", "E", "F", "a", "Q"]))
    mask = beat_mask(marks, 500)
    assert runs(mask) == [
        (0, 24), (UNKNOWN, 58), (2, 37), (UNKNOWN, 163), (1, 37), (UNKNOWN, 181),
    ]  # fmt: skip
    halved = beat_mask(marks, 250, fs=180.0)
    assert [value for value, _ in runs(halved)] == [value for value, _ in runs(mask)]
    assert runs(beat_mask(marks, 500, classes=("V",), half_width_s=0.0))[1] == (0, 1)


def test_aami_classes_are_the_customary_ones() -> None:
    groups = {group: "".join(key for key in AAMI if AAMI[key] == group) for group in "NSVFQ"}
    assert set("NLRej") <= set(groups["N"])
    assert set(groups["S"]) == set("AaJS")
    assert {"V", "E"} <= set(groups["V"])
    assert groups["F"] == "F"
    assert set("/fQ") <= set(groups["Q"])
    assert all(wfdb.io.annotation.is_qrs[code] for code in _codes(AAMI))


def _codes(symbols: object) -> list[int]:
    table = wfdb.io.annotation.ann_label_table
    return table["label_store"][table["symbol"].isin(list(symbols))].tolist()


def test_columns_of_a_table_have_one_length_and_tables_compare_by_value() -> None:
    with pytest.raises(LeadwiseError, match="^Beats: the columns differ in length$"):
        Beats([1, 2], ["N"])
    assert Beats([1], ["N"]) == Beats(np.array([1]), np.array(["N"]))
    assert Beats([1], ["N"]) != Beats([1], ["V"])
    assert Beats() == Beats([], [])
    assert len(Waves()) == 0


def test_a_window_cuts_waves_and_spans_at_its_ends() -> None:
    marks = Annotations(
        500.0,
        BEAT.beats,
        waves=BEAT.waves,
        rhythms=Rhythms([0, 200], [200, 400], ["N", "AFIB"]),
        annotated=BEAT.annotated,
    )
    window = marks.window(130, 280)
    assert window.beats == Beats([50], ["N"])
    assert window.waves == Waves.of(
        [(0, ABSENT, 10, "p", ""), (30, 50, 80, "N", ""), (130, ABSENT, 150, "t", "")]
    )
    assert window.rhythms == Rhythms([0, 70], [70, 150], ["N", "AFIB"])
    assert window.annotated == Spans([0], [150], [""])
    np.testing.assert_array_equal(wave_mask(window, 150), wave_mask(marks, 400)[130:280])
    assert marks.window(0, 400) == marks


@st.composite
def annotations(draw: st.DrawFn) -> Annotations:
    """Annotations that a file can hold: in order, waves of a lead without overlap."""
    gaps = st.lists(st.integers(1, 3000), max_size=12)
    beats = np.cumsum(draw(gaps))
    symbols = draw(st.lists(st.sampled_from(list(AAMI)), min_size=len(beats), max_size=len(beats)))
    limits = np.cumsum([0, *draw(gaps)])
    rhythms = [
        (onset, offset, draw(st.sampled_from(["N", "AFIB", "AFL", "PREX"])))
        for onset, offset in zip(limits[:-1], limits[1:], strict=True)
        if draw(st.booleans())
    ]
    waves, parts = [], []
    for lead in ("", *LEADS):
        last = draw(st.integers(0, 9))
        first = last
        for kind in draw(st.lists(st.sampled_from("pNtu"), max_size=6)):
            onset, peak, end = np.cumsum(draw(st.tuples(*[st.integers(0, 50)] * 3))) + last
            marks = [
                value if keep else ABSENT
                for value, keep in zip((onset, peak, end + 1), draw(PRESENCE), strict=True)
            ]
            waves.append((*marks, kind, lead))
            last = int(end) + 1
        if last > first:
            parts.append((first, last + draw(st.integers(1, 50)), lead))
    return Annotations(
        draw(st.sampled_from([100.0, 360.0, 257.5])),
        Beats(beats, symbols), waves=Waves.of(waves), rhythms=Rhythms.of(rhythms),
        annotated=Spans.of(parts),
    )  # fmt: skip


# At least a peak, or both limits: a lone limit could belong to the next wave.
PRESENCE = st.sampled_from([(1, 1, 1), (0, 1, 1), (1, 1, 0), (0, 1, 0), (1, 0, 1)])


@given(annotations())
@settings(max_examples=60)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, marks: Annotations
) -> None:
    stem = tmp_path_factory.mktemp("marks") / "R.1"
    write_annotations(marks, stem)
    files = annotation_files(str(stem), LEADS)
    assert read_annotations(str(stem), LEADS, marks.fs, 10**6, files) == marks
    assert len(list(stem.parent.iterdir())) == len(files)


def test_files_are_laid_out_as_ludb_and_wfdb_have_them(tmp_path: Path) -> None:
    waves = Waves.of([(10, 12, 20, "N", "aVR"), (50, 52, 60, "t", "")])
    parts = Spans([0, 0], [70, 70], ["aVR", ""])
    marks = Annotations(
        500.0,
        Beats([12], ["V"]),
        waves=waves,
        rhythms=Rhythms([0], [70], ["AFIB"]),
        annotated=parts,
    )
    paths = write_annotations(marks, tmp_path / "R1")
    assert [path.name for path in paths] == ["R1.atr", "R1.avr", "R1.all"]
    of_lead = wfdb.rdann(str(tmp_path / "R1"), "avr")
    assert of_lead.fs == 500
    triple = [(s, x) for s, x in zip(of_lead.sample, of_lead.symbol, strict=True) if x != '"']
    assert triple == [(10, "("), (12, "N"), (19, ")")]
    beats = wfdb.rdann(str(tmp_path / "R1"), "atr")
    assert beats.symbol == ["+", "V", "+"]
    with pytest.raises(LeadwiseError, match="^'p' is no beat symbol; known are N L R"):
        write_annotations(Annotations(500.0, Beats([12], ["p"])), tmp_path / "R1")


def test_rhythms_as_mit_bih_and_icentia_have_them() -> None:
    notes = [(10, "(N"), (50, "(AFIB"), (70, ")"), (80, "(AFL)"), (90, "MISSB"), (95, "(VT")]
    marks = [Mark(sample, "+", 0, note) for sample, note in notes]
    rhythms = beats_and_rhythms([*marks, Mark(99, "~")], 200)[1]
    assert rhythms == Rhythms([10, 50, 80, 95], [50, 71, 81, 200], ["N", "AFIB", "AFL", "VT"])
    with pytest.raises(LeadwiseError, match="^at sample 70 a rhythm ends that has not started$"):
        beats_and_rhythms(marks[2:], 200)


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        # QTDB, expert 1: a T without onset, a U; the QRS has the beat's symbol.
        ("1(10 0B12 1)20 0t30 2)40 0u44 3)48",
         [(10, 12, 21, "N"), (ABSENT, 30, 41, "t"), (ABSENT, 44, 49, "u")]),
        # ecgpuwave: a biphasic T has two peaks.
        ("2(10 4t12 4t16 2)20 1(30 0N32 1)40", [(10, 12, 21, "t"), (30, 32, 41, "N")]),
        ("1(10 1)20 2(30", [(10, ABSENT, 21, "N"), (30, ABSENT, ABSENT, "t")]),
        # LUDB: `num` is not used; in 111 a QRS peak comes before its onset, in 116 limits recur.
        ("0N10 0)20 0(30 0t35", [(ABSENT, 10, 21, "N"), (30, 35, ABSENT, "t")]),
        ("0N10 0(11 0)20 0(30 0t35 0)40", [(ABSENT, 10, ABSENT, "N"), (30, 35, 41, "t")]),
        ("0(10 0(11 0t15 0t16 0)20 0)21",
         [(11, 15, ABSENT, "t"), (ABSENT, 16, 21, "t")]),
    ],
)  # fmt: skip
def test_marks_become_waves(marks: str, expected: list[tuple[int, int, int, str]]) -> None:
    parsed = [Mark(int(word[2:]), word[1], int(word[0])) for word in marks.split()]
    assert waves_of_marks(parsed) == Waves.of([(*wave, "") for wave in expected])


def test_without_a_statement_the_marked_part_reaches_from_first_to_last_mark(
    tmp_path: Path,
) -> None:
    wfdb.wrann(
        "R1", "ii", np.array([644, 662, 682, 776, 843, 878]), symbol=list("(N)(t)"),
        write_dir=str(tmp_path),
    )  # fmt: skip
    marks = read_annotations(str(tmp_path / "R1"), ("I", "II"), 500.0, 5000, ["ii"])
    assert marks.annotated == Spans([644], [879], ["II"])
    assert marks.waves == Waves.of([(644, 662, 683, "N", "II"), (776, 843, 879, "t", "II")])
    (tmp_path / "R1.ii").write_bytes(b"\1")
    with pytest.raises(LeadwiseError, match=r"R1\.ii: wfdb cannot read the annotations"):
        read_annotations(str(tmp_path / "R1"), ("I", "II"), 500.0, 5000, ["ii"])


def test_waves_may_overlap_where_the_number_of_a_limit_tells_the_wave(tmp_path: Path) -> None:
    waves = Waves.of(
        [(10, 20, 34, "p", "II"), (30, 40, 50, "N", "II"), (48, ABSENT, 70, "t", "II")]
    )
    write_annotations(Annotations(500.0, waves=waves), tmp_path / "r")
    assert read_annotations(str(tmp_path / "r"), ["II"], 500, 100, ["ii"]).waves == waves
