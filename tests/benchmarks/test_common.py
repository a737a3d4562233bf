"""What the benchmarks share: turns, ratios, processes, tables, options."""

import sys
from pathlib import Path

import pytest

from benchmarks.common import (
    Seconds,
    best,
    parse_options,
    ratio,
    repeat_records,
    run,
    run_process,
    table_lines,
    take_turns,
)
from ecg import LeadwiseError


def test_calls_take_turns_and_the_first_round_is_not_counted() -> None:
    order: list[str] = []
    durations = take_turns([lambda: order.append("a"), lambda: order.append("b")], rounds=2)
    assert order == ["a", "b"] * 3
    assert [len(one) for one in durations] == [2, 2]


def test_best_and_ratio() -> None:
    ours, peer = [Seconds(2, 9), Seconds(4, 1)], [Seconds(8, 0), Seconds(4, 0)]
    assert best(ours) == Seconds(2, 1)
    assert ratio(peer, ours) == "2.00 (1.00 to 4.00)"


def test_a_process_is_measured_watched_and_its_failure_named(tmp_path: Path) -> None:
    pids: list[int] = []
    code = "import os; print(os.environ['WORD'], os.getcwd(), sum(range(10**7)))"
    output, duration = run_process(
        [sys.executable, "-c", code], tmp_path, {"WORD": "word"}, pids.append
    )
    assert output == f"word {tmp_path} 49999995000000\n"
    assert 0 < duration.cpu
    assert 0 < duration.wall
    assert len(set(pids)) == 1
    with pytest.raises(LeadwiseError, match=r"python.* -c: .*it broke"):
        run_process([sys.executable, "-c", "import sys; sys.exit('it broke')"])


def test_records_are_repeated_under_new_names(tmp_path: Path) -> None:
    (tmp_path / "A1.hea").write_text("A1 1 500 3\nA1.mat 16 1000/mV 16 0 0 0 0 I\n")
    (tmp_path / "A1.mat").write_bytes(b"signal")
    repeat_records([tmp_path / "A1.hea"], tmp_path / "many", 2)
    headers = [path.read_text() for path in sorted((tmp_path / "many").glob("*.hea"))]
    assert headers[1] == "R000001 1 500 3\nR000001.mat 16 1000/mV 16 0 0 0 0 I\n"
    assert [path.read_bytes() for path in (tmp_path / "many").glob("*.mat")] == [b"signal"] * 2


def test_a_table() -> None:
    assert list(table_lines(["side", "ms"], [["ours", "5"]])) == [
        "| side | ms |", "| --- | --- |", "| ours | 5 |"
    ]  # fmt: skip


def test_options_follow_from_their_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {"rounds": 5, "threads": [1, 2], "beside": ("peer", "half"), "write": False}

    def parse(*words: str) -> dict[str, object]:
        monkeypatch.setattr(sys, "argv", ["command", *words])
        return vars(parse_options("Measure.", "data", "models*", **kinds))

    given = {"rounds": 5, "threads": [1, 2], "beside": "peer", "write": False}
    assert parse("in") == {"data": Path("in"), "models": [], **given}
    words = ("in", "m", "--rounds", "3", "--threads", "4", "--beside", "half", "--write")
    changed = {"rounds": 3, "threads": [4], "beside": "half", "write": True}
    assert parse(*words) == {"data": Path("in"), "models": [Path("m")], **changed}
    with pytest.raises(SystemExit):
        parse("in", "--beside", "other")


def test_an_error_has_no_traceback() -> None:
    def main() -> None:
        raise LeadwiseError("it broke")

    with pytest.raises(SystemExit, match="^Error: it broke$"):
        run(main)
