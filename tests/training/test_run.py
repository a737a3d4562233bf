"""What a training leaves on disk."""

import math
from pathlib import Path

import pytest

from ecg import LeadwiseError
from ecg.headers import Message
from models import find
from tests.conftest import small
from training.budget import TotalBudget
from training.run import train_folder, write_history, write_problems
from training.settings import Settings

ROW = {"epoch": 1, "loss": 0.5, "score": 0.25, "threshold": math.nan, "lr": 1e-3}


def test_history_has_one_row_per_epoch_and_columns_for_further_heads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.run.plot_training", lambda *_: None)  # no picture
    steps = {"12 leads": [0.75, 0.25, 0.5], "2 leads": [0.5]}
    write_history(tmp_path, {"12 leads": [ROW, {**ROW, "epoch": 2}], "2 leads": [ROW]}, steps)
    assert (tmp_path / "history.tsv").read_text().splitlines() == [
        "lead_set\tepoch\tloss\tscore\tthreshold\tlr",
        "12 leads\t1\t0.5\t0.25\tnan\t0.001",
        "12 leads\t2\t0.5\t0.25\tnan\t0.001",
        "2 leads\t1\t0.5\t0.25\tnan\t0.001",
    ]
    assert (tmp_path / "steps.tsv").read_text().splitlines() == [
        "lead_set\tstep\tloss", "12 leads\t1\t0.75", "12 leads\t2\t0.25", "12 leads\t3\t0.5",
        "2 leads\t1\t0.5",
    ]  # fmt: skip
    two_heads = {**ROW, "loss diagnosis": 0.25, "loss waves": 0.125, "score waves": 0.75}
    write_history(tmp_path, {"2 leads": [two_heads]}, {})
    assert (tmp_path / "history.tsv").read_text().splitlines() == [
        "lead_set\tepoch\tloss\tscore\tthreshold\tlr\tloss diagnosis\tloss waves\tscore waves",
        "2 leads\t1\t0.5\t0.25\tnan\t0.001\t0.25\t0.125\t0.75",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.tsv", "steps.tsv"]


def test_problems_list_records_that_are_left_out_and_warnings(tmp_path: Path) -> None:
    write_problems(tmp_path, [Message("A", "no label", "x")], [Message("B", "flat", "y")])
    assert (tmp_path / "problems.tsv").read_text() == (
        "record\tused\tkind\twhat\nA\tno\tno label\tx\nB\tyes\tflat\ty\n"
    )


@pytest.mark.parametrize("cache", [None, "shared"])
def test_prepared_signals_of_others_are_kept_in_a_shared_folder_only(
    cache: str | None, simulated_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    def open_cache(*arguments: object, keep: bool, budget: TotalBudget):
        *_, folder, workers = arguments
        opened.append((folder, keep))
        raise LeadwiseError("enough")

    monkeypatch.setattr("training.run.open_cache", open_cache)
    monkeypatch.setattr("training.data.find", lambda _: small(find("isibrno-basic")))
    with pytest.raises(LeadwiseError, match="enough"):
        train_folder(str(simulated_folder), str(tmp_path / "model"), Settings(cache=cache))
    assert opened == [(Path("shared"), True) if cache else (tmp_path / "model" / "state", False)]
