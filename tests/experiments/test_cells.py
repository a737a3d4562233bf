"""Cells: done on a cluster though a worker is killed, resumed, and not mistaken for others."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ecg import LeadwiseError
from ecg.records import find_records
from experiments import cells, runs
from experiments.cells import Cell, cells_done, cells_of, run_cells
from experiments.runs import by_source, fold_folder
from models.folder import read_model
from models.model import Model
from tests.experiments.conftest import TINY, Ran


def test_the_grid_is_done_though_a_worker_was_killed(ran: Ran) -> None:
    assert not os.path.exists(f"/proc/{ran.killed}")
    assert ran.orphans, "nothing was running when the worker was killed"
    assert not any(process.is_running() for process in ran.orphans)
    assert cells_done(ran.runs, "tiny") == sorted(cells_of(TINY), key=lambda cell: cell.name)


def test_a_variants_model_folder_is_one_like_others(ran: Ran) -> None:
    record = find_records(ran.data)[0][0]
    for cell in cells_done(ran.runs, "tiny"):
        model = read_model(cell.path(ran.runs) / "model")
        assert model.recipe.network == TINY.recipes[cell.variant].network
        assert (model.training["train_records"], model.training["validation_records"]) == (24, 12)
        assert Model.load(model.path).predict(record).probabilities.shape == (26,)


def test_what_is_done_is_left_alone(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "command", lambda *_, **__: pytest.fail("ran again"))
    run_cells(TINY, ran.data, ran.runs)


def test_a_cell_that_fails_does_not_end_the_others(
    folded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_once(cell: Cell, *_: object) -> None:
        if cell.variant == "base":
            raise LeadwiseError("the disk is full")
        cell.outputs(tmp_path, cell.test, 2).mkdir()

    monkeypatch.setattr(cells, "run_cell", fail_once)
    with pytest.raises(LeadwiseError, match=r"1 of 2 cells failed \(base-2-leads-fold-9-seed-0\)"):
        run_cells(TINY, folded, tmp_path)
    assert [cell.variant for cell in cells_done(tmp_path, "tiny")] == ["bare"]


def test_other_cells_of_the_same_name_are_refused(ran: Ran) -> None:
    with pytest.raises(LeadwiseError, match="holds a cell with other records; choose another RUNS"):
        run_cells(replace(TINY, records=7), ran.data, ran.runs)
    recipes = {name: replace(recipe, batch=8) for name, recipe in TINY.recipes.items()}
    with pytest.raises(LeadwiseError, match="holds a cell with other batch; choose another RUNS"):
        run_cells(replace(TINY, recipes=recipes), ran.data, ran.runs)
    with pytest.raises(LeadwiseError, match="no record is in fold 10; known are 1, 8, 9"):
        run_cells(replace(TINY, folds=(("8", "10"),)), ran.data, ran.runs)


def test_runs_belong_to_one_data(ran: Ran, simulated_folder: Path) -> None:
    with pytest.raises(LeadwiseError, match=r"holds runs on .*, not runs on .*; choose"):
        fold_folder(simulated_folder, ran.runs, ("9",))
    with pytest.raises(LeadwiseError, match=r"has no folds.tsv \(record, fold, patient\)"):
        run_cells(TINY, simulated_folder, ran.runs)


def test_a_limit_keeps_the_validation_fold_whole(folded: Path, tmp_path: Path) -> None:
    target = fold_folder(folded, tmp_path, ("1", "8"), 5, whole="8")
    rows = (target / "folds.tsv").read_text().splitlines()[1:]
    assert sorted(row.split("\t")[1] for row in rows) == ["1"] * 5 + ["8"] * 12
    assert len(list(target.glob("*.hea"))) == len(list(target.glob("*.mat"))) == 17
    assert set(by_source(folded).values()) == {("simulated", f"p{number}") for number in range(48)}
