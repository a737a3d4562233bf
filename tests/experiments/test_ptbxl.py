"""Trained models side by side, and one of them made ready for others."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments import ptbxl, runs
from models.expected import differences
from models.folder import read_model, read_weights, write_model
from models.rules import CANNOT_SAY, RULES


@pytest.fixture(scope="module")
def two(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model with two of its lead sets."""
    copy = tmp_path_factory.mktemp("models") / "two"
    shutil.copytree(model_folder, copy)
    model = read_model(copy)
    write_model(replace(model, lead_sets=(model.lead_sets[0], model.lead_sets[-1])))
    return copy


def test_a_row_a_lead_set_with_intervals_that_hold_their_scores(
    folded: Path, two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = list(ptbxl.rows(folded, tmp_path, [two]))
    head, _, *found = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert [row[1] for row in found] == ["12", "2"]
    for row in found:
        assert len(row) == len(head)
        for cell in row[5:9]:
            score, low, _, high = cell.replace("(", "").replace(")", "").split()
            assert float(low) <= float(score) <= float(high)
    monkeypatch.setattr(runs, "command", lambda *_, **__: pytest.fail("answered again"))
    assert list(ptbxl.rows(folded, tmp_path, [two])) == rows
    monkeypatch.setattr(ptbxl, "ruled", silent)
    without = [row.rpartition(" | ") for row in ptbxl.rows(folded, tmp_path, [two])]
    assert [row[0] for row in without] == [row.rpartition(" | ")[0] for row in rows]
    assert {row[2] for row in without[2:]} == {"+0.0000 ± 0.0000 |"}
    assert any("+0.0000" not in row[-1] for row in found), "rules change nothing"


def test_who_chooses_sees_the_fold_to_choose_on_alone(
    folded: Path, two: Path, tmp_path: Path
) -> None:
    _, _, *found = ptbxl.choices(folded, tmp_path, [two])
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in found]
    assert [(row[0], row[2]) for row in cells] == [("two", "12"), ("two", "2")]
    for row in cells:
        for cell in row[3:]:
            score, low, _, high = cell.replace("(", "").replace(")", "").split()
            assert float(low) <= float(score) <= float(high)
    assert {path.name[-6:] for path in (tmp_path / "answers").iterdir()} == {"fold-8"}


def silent(
    _: Path, names: tuple[str, ...], lead_sets: tuple[tuple[str, ...], ...]
) -> dict[tuple[str, ...], np.ndarray]:
    """Rules that can say nothing."""
    return {leads: np.full((len(names), len(RULES)), CANNOT_SAY, np.int8) for leads in lead_sets}


def test_a_shipped_model_is_half_as_large_and_says_what_it_answers(
    two: Path, tmp_path: Path
) -> None:
    model = read_model(two)
    about = {
        **model.training,
        "command": "train_model.py /data/folds /models/two --leads 12,2 --begin /models/one",
        "begin": {"model": "/models/one", "12-leads": "0a1b"},
    }
    write_model(replace(model, training=about))
    ptbxl.ship(two, tmp_path / "weights")
    before, after = read_model(two), read_model(tmp_path / "weights")
    assert after.recipe == before.recipe
    assert after.training["command"] == "train_model.py DATA MODEL --leads 12,2 --begin one"
    assert after.training["begin"] == {"model": "one", "12-leads": "0a1b"}
    for one, other in zip(before.lead_sets, after.lead_sets, strict=True):
        assert (one.leads, one.decision, one.rules) == (other.leads, other.decision, other.rules)
        for name, weight in read_weights(before, one).items():
            if weight.is_floating_point():
                halves = read_weights(after, other)[name]
                assert halves.dtype == torch.float16
                torch.testing.assert_close(halves.float(), weight, atol=1e-3, rtol=1e-3)
    assert max(differences(tmp_path / "weights")) < 1e-5
