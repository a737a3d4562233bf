"""Comparison of wave limits: the worked values of the fact sheet, both rules, and the command."""

import math
from pathlib import Path

import numpy as np
import pytest

from ecg.annotation_files import write_annotations
from ecg.annotations import Annotations, Spans, Waves
from ecg.records import write_record
from scoring.waves import LIMITS, compare, fused_reference, pooled, row
from scoring.waves.__main__ import main

FS = 500.0


def waves(kind: str, *limits: tuple[int, int], lead: str = "") -> Annotations:
    """Annotate waves from onset to offset; the annotated part is first to last mark."""
    rows = [(onset, max(onset, 0), offset, kind, lead) for onset, offset in limits]
    first = min(max(onset, 0) for onset, _ in limits)
    last = max(offset for _, offset in limits)
    return Annotations(FS, waves=Waves.of(rows), annotated=Spans([first], [last], [lead]))


def test_the_worked_values_of_the_fact_sheet() -> None:
    marked = waves("N", (100, 104), (300, 304), (500, 504))
    found = waves("N", (110, 114), (290, 292), (295, 299), (700, 704))
    limits = compare(marked, found, 1000).limits["N", "onset"]
    assert limits.errors_ms.tolist() == [20, -10]
    rule_a = row(limits, 0, "A")
    # 700 lies 196 samples after the last mark: not counted by either rule; 290 is false.
    assert (rule_a.sensitivity, rule_a.positive_predictivity) == (2 / 3, 2 / 3)
    assert (rule_a.mean_ms, rule_a.sd_ms) == (5, 15)
    inner = compare(waves("N", (100, 104), (300, 304), (500, 504), (900, 904)), found, 1000)
    assert row(inner.limits["N", "onset"]).f1 == pytest.approx(2 * 2 / (2 * 2 + 2 + 2))


def test_a_pair_exactly_at_the_tolerance_counts() -> None:
    for distance, pairs in ((75, 1), (76, 0)):
        found = waves("N", (100 + distance, 104 + distance))
        limits = compare(waves("N", (100, 104)), found, 1000).limits["N", "onset"]
        assert limits.rule_b.tp[0] == pairs
        assert limits.rule_b.tp[1] == 0  # 40 ms are 20 samples


def test_dice_of_half_overlapping_waves_is_0_8() -> None:
    marked = Annotations(
        FS, waves=Waves([100], [120], [150], ["p"], [""]), annotated=Spans([0], [300], [""])
    )
    found = waves("p", (110, 160))
    assert compare(marked, found, 300).dice == {"P": 0.8, "QRS": 1.0, "T": 1.0}


def test_rule_a_punishes_what_lies_before_the_first_mark_and_rule_b_does_not() -> None:
    marked = waves("N", (200, 240))
    found = Annotations(FS, waves=Waves([140, 200], [150, 220], [160, 240], ["p", "N"], ["", ""]))
    limits = compare(marked, found, 1000).limits["p", "offset"]
    assert (limits.rule_a.fp[0], limits.rule_b.fp[0]) == (1, 0)
    assert math.isnan(row(limits).sensitivity)
    far = Annotations(FS, waves=Waves([10], [20], [30], ["p"], [""]))
    assert compare(marked, far, 1000).limits["p", "offset"].rule_a.fp[0] == 0


def test_a_limit_that_the_expert_left_out_is_no_error() -> None:
    marked = Annotations(
        FS, waves=Waves([-1, 400], [220, 420], [240, 440], ["N", "N"], ["", ""]),
        annotated=Spans([200], [500], [""]),
    )  # fmt: skip
    found = waves("N", (200, 240), (300, 330), (400, 440))
    limits = compare(marked, found, 1000).limits["N", "onset"]
    assert (limits.rule_b.tp[0], limits.rule_b.fn[0], limits.rule_b.fp[0]) == (1, 0, 0)
    far = compare(marked, waves("N", (320, 330)), 1000).limits["N", "onset"]
    assert far.rule_b.fp[0] == 1  # 81 samples from the known part of the first


def test_limits_of_several_leads_are_joined_by_their_median() -> None:
    rows = [(100 + lead, 120, 150 - lead, "N", f"V{lead}") for lead in range(1, 7)]
    rows += [(400, 420, 440, "N", f"V{lead}") for lead in range(1, 6)]  # five leads are too few
    rows += [(200 if lead > 2 else -1, 210, 230, "t", f"V{lead}") for lead in range(1, 7)]
    fused = fused_reference(Annotations(FS, waves=Waves.of(rows)))
    assert list(map(list, fused.waves)) == [
        [104, -1], [120, 210], [146, 230], ["N", "t"], ["", ""],
    ]  # fmt: skip
    assert fused.annotated == Spans([104], [230], [""])


def test_pooled_figures_count_each_mark_once() -> None:
    first = compare(waves("N", (100, 104)), waves("N", (100, 104)), 1000)
    second = compare(waves("N", (100, 104), (300, 304), (500, 504)), waves("N", (302, 306)), 1000)
    figures = row(pooled([first, second]).limits["N", "onset"])
    assert (figures.marks, figures.sensitivity, figures.mean_ms) == (4, 0.5, 2)
    empty = row(compare(waves("N", (100, 104)), Annotations(FS), 1000).limits["N", "onset"])
    assert empty.sensitivity == 0
    assert math.isnan(empty.mean_ms)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Write a record of seven leads with marks, and the same marks 4 ms later as outputs."""
    leads = ["I", "II", "V1", "V2", "V3", "V4", "V5"]
    reference, outputs = tmp_path / "reference", tmp_path / "outputs"
    outputs.mkdir()
    reference.mkdir()
    signal = np.random.default_rng(0).normal(size=(7, 2000))
    write_record(reference, "r1", signal, leads, FS)
    for folder, shift in ((reference, 0), (outputs, 2)):
        rows = [
            (start + shift, start + shift + 20, start + shift + 40, kind, lead)
            for lead in leads
            for start, kind in ((200, "p"), (300, "N"), (400, "t"), (1000, "N"))
        ]
        spans = [(200, 1040, lead) for lead in leads]
        marks = Annotations(FS, waves=Waves.of(rows), annotated=Spans.of(spans))
        write_annotations(marks, folder / "r1")
    return reference, outputs


def test_the_command_prints_all_limits(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture
) -> None:
    reference, outputs = folders
    own = [(202, 222, 242, "p", ""), (302, 322, 342, "N", ""), (1002, 1022, 1042, "N", "")]
    fused = Annotations(FS, waves=Waves.of(own), annotated=Spans([202], [1042], [""]))
    write_annotations(fused, outputs / "r1")
    assert main([*map(str, folders), "--leads"]) == 0
    tables = capsys.readouterr().out.split("\n\n")
    titles = [table.splitlines()[0] for table in tables if table.strip()]
    assert titles[:2] == ["All leads, one by one", "Fused over leads"]
    assert titles[2:] == [f"Lead {lead}" for lead in ("I", "II", "V1", "V2", "V3", "V4", "V5")]
    lines = tables[0].splitlines()
    assert [line[:12].strip() for line in lines[3:9]] == [
        "P onset", "P offset", "QRS onset", "QRS offset", "T onset", "T offset",
    ]  # fmt: skip
    assert lines[3].split() == ["P", "onset", "7", *["100.00"] * 9, "4.0", "0.0", "5.1"]
    assert lines[5].split()[:3] == ["QRS", "onset", "14"]
    # The last QRS reaches two samples beyond the marked part: 2 · 76 / (80 + 78).
    assert lines[9].startswith("Dice of samples: P 0.950, QRS 0.962, T 0.950")
    assert tables[1].splitlines()[7].split()[:4] == ["T", "onset", "1", "0.00"]
    assert len(LIMITS) == 6


def test_missing_and_foreign_files_are_named(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    reference, outputs = folders
    write_record(reference, "r2", np.ones((7, 500)), ["I", "II", "V1", "V2", "V3", "V4", "V5"], FS)
    write_annotations(waves("N", (100, 104), lead="I"), reference / "r2")
    assert main([*map(str, folders)]) == 0
    result = capsys.readouterr()
    assert "Note: records without any output, counted as missed: 1 (r2)." in result.err
    assert "QRS onset        15   93.33" in result.out
    write_annotations(waves("N", (700, 704), lead="I"), outputs / "r2")
    assert main([*map(str, folders)]) == 1
    assert "r2.i: has a mark at sample 703, but the record has 500" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main([str(reference), str(tmp_path / "empty")]) == 1
    assert "no record has marks in both folders" in capsys.readouterr().err
    assert main([str(reference), str(tmp_path / "none")]) == 1
    assert "no such folder" in capsys.readouterr().err
