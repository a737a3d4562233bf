"""The benchmark of delineators: intervals, scores of known marks, and the peers' program."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers.delineators import DELINEATORS, marks_of
from benchmarks.waves import PEERS, UNSEEN, goal_cells, intervals_ms, score_ludb, score_qtdb
from ecg.annotation_files import write_annotations
from ecg.annotations import ABSENT, Annotations, Spans, Waves
from ecg.records import Record, read_record

ROOT = Path(__file__).parents[2]
GENUINE = ROOT / "tests" / "data" / "genuine"
BEAT = [(100, ABSENT, 150, "p", ""), (180, 200, 225, "N", ""), (300, ABSENT, 380, "t", "")]
LATER = [(one + 500, ABSENT, two + 500, kind, "") for one, _, two, kind, _ in BEAT]


def marks(waves: list[tuple[int, int, int, str, str]]) -> Annotations:
    return Annotations(500.0, waves=Waves.of(waves), annotated=Spans([100], [880], [""]))


def test_intervals_are_medians_of_the_beats_in_the_marked_part() -> None:
    whole = marks([*BEAT, *LATER])
    assert intervals_ms(whole, whole).tolist() == [160, 90, 400]
    without_p = marks([*BEAT[1:], *LATER[1:]])
    np.testing.assert_array_equal(intervals_ms(without_p, whole), [np.nan, 90, 400])
    assert np.isnan(intervals_ms(marks(BEAT[:1]), whole)).all()
    outside = [(one + 2000, ABSENT, two + 3000, kind, "") for one, _, two, kind, _ in BEAT]
    assert intervals_ms(marks([*BEAT, *outside]), whole).tolist() == [160, 90, 400]


def test_the_reference_itself_scores_full_marks(tmp_path: Path) -> None:
    record = read_record(GENUINE / "ludb2.hea")
    (tmp_path / "same").mkdir()
    write_annotations(record.annotations(), tmp_path / "same" / record.name)
    full = goal_cells(score_ludb([record], tmp_path / "same"))
    assert full == ["1.000 / 1.000 / 1.000", "100.0 / 100.0 / 100.0",
                    "0.0 / 0.0 / 0.0 / 0.0 / 0.0", "0.0 / 0.0 / 0.0"]  # fmt: skip
    (tmp_path / "nothing").mkdir()
    assert score_ludb([record], tmp_path / "nothing").leads.dice["P"] == 0


def test_qtdb_is_scored_in_the_nearer_lead_and_in_signal_0(tmp_path: Path) -> None:
    record = Record(read_record(GENUINE / "208s0360.hea").header, str(GENUINE / "208s0360"),
                    marks=marks([*BEAT, *LATER]))  # fmt: skip
    for lead, shift in zip(record.leads, (9, -3), strict=True):
        waves = [(one + shift, ABSENT, two + shift, kind, lead)
                 for one, _, two, kind, _ in [*BEAT, *LATER]]  # fmt: skip
        write_annotations(Annotations(360.0, waves=Waves.of(waves)), tmp_path / record.name)
    nearer, first = score_qtdb([record], tmp_path)["t", "offset"]
    assert nearer == pytest.approx([-3000 / 360] * 2)
    assert first == pytest.approx([9000 / 360] * 2)


def test_a_peer_that_fails_answers_with_its_error(tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", fs=500, **{"1.I": np.zeros(100)})
    program = ROOT / "benchmarks" / "peers" / "delineators.py"
    command = [sys.executable, program, "ecgdeli", tmp_path / "in.npz", tmp_path / "out.json"]
    subprocess.run(command, check=True)
    answers = json.loads((tmp_path / "out.json").read_text())
    assert "No module named 'ecgdeli'" in answers["1.I"]["error"]


def test_missing_limits_are_no_marks() -> None:
    found = list(marks_of([[np.nan, 3], [2, 5], [None]], 1))
    assert found == [(3, "(", 1), (2, "N", 1), (5, "N", 1)]


def test_all_peers_have_a_program_and_openecgs_records_are_given() -> None:
    assert set(PEERS) == set(DELINEATORS)
    assert len(UNSEEN) == 32
    assert all(int(name) % 5 for name in UNSEEN)
