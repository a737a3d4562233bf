"""Studies of ECG-DualNet: A against N alone, and networks initialised from pretrained ones."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecg import LeadwiseError
from experiments import runs
from experiments.cells import run_cells
from experiments.grid import Grid, narrowed
from experiments.grids import GRIDS
from experiments.grids2017 import OF_2017
from experiments.outputs import read_scored
from models import find
from training.data import labelled_records


def test_a_against_n_leaves_out_the_other_records(folder_2017: Path, tmp_path: Path) -> None:
    """24 records, six of each class."""
    records, left_out = labelled_records(str(folder_2017), find("dualnet-a-or-n").heads)
    assert sorted(record.header.codes[0] for record in records) == ["A"] * 6 + ["N"] * 6
    assert {message.text for message in left_out} == {
        "has 0 of the classes N, A; a record must have exactly one"
    }
    for path in folder_2017.glob("*.hea"):
        (tmp_path / f"{path.stem}.csv").write_text(f"#{path.stem}\nN,A\n1,0\n0.8,0.2\n")
    scored = read_scored(folder_2017, tmp_path, ("N", "A"))
    np.testing.assert_array_equal(scored.labels.sum(0), [6, 6])
    assert set(scored.names) == {record.name for record in records}


def test_a_study_of_pretrained_networks_begins_with_them(
    folder_2017: Path, model_2017: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, object] = {}

    def record(script: str, *words: Path, **settings: object) -> None:
        given.update(settings)
        words[-1].mkdir()

    monkeypatch.setattr(runs, "command", record)
    grid = Grid("fine", "one network", {"base": find("dualnet-s")}, **OF_2017, pretrained=True)
    with pytest.raises(LeadwiseError, match=r"fine needs --init-from FOLDER, .* folders base"):
        run_cells(grid, folder_2017, tmp_path / "runs")
    with pytest.raises(LeadwiseError, match="base: no such model folder"):
        run_cells(grid, folder_2017, tmp_path / "runs", init_from=tmp_path)
    (tmp_path / "base").symlink_to(model_2017)
    run_cells(grid, folder_2017, tmp_path / "runs", init_from=tmp_path)
    assert given["LEADWISE_INIT_FROM"] == tmp_path / "base"
    given.clear()
    run_cells(replace(grid, pretrained=False), folder_2017, tmp_path / "others")
    assert given
    assert "LEADWISE_INIT_FROM" not in given


def test_fine_tuning_has_the_published_accuracies() -> None:
    """README of the public code (fact sheet, section 11), the best of three runs."""
    grid = narrowed(GRIDS["dualnet-fine-tuning"], only=("xl-as-published", "pp-xl-as-published"))
    assert grid.pretrained
    assert grid.published == {("xl-as-published", 1): 0.8468, ("pp-xl-as-published", 1): 0.8481}
