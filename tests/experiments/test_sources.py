"""Leave one source out, from the command to the table, on two simulated sources."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ecg import LeadwiseError
from ecg.labels import codes_by_name
from ecg.records import write_record
from experiments import __main__ as command
from experiments.cells import cells_done, cells_of, run_cells
from experiments.grids import leave_one_source_out
from experiments.runs import fold_folder
from models import find
from models.folder import read_model
from models.recipe import recipe_to_json, vary
from simulate import simulate
from tests.conftest import small

RECIPE = replace(small(find("isibrno-basic")), epochs=1)
SOURCES = {"A": ("AF", "NSR"), "E": ("NSR", "AF")}  # prefix: what it labels, what it does not


@pytest.fixture(scope="module")
def two_sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """32 records each, 24 of a diagnosis that the source labels, 8 of one that it does not."""
    folder = tmp_path_factory.mktemp("sources")
    codes = codes_by_name()
    for prefix, (labelled, silent) in SOURCES.items():
        (folder / prefix).mkdir()
        for number in range(32):
            shown = labelled if number % 4 else silent
            record = simulate([shown], seed=number, duration_s=3, fs=250)
            known = (codes[labelled],) if number % 4 else (codes["LAD"],)
            write_record(
                folder / prefix, f"{prefix}{number:04d}", record.signal, record.leads, record.fs,
                codes=known, comments=("simulated",),
            )  # fmt: skip
    return folder


def test_each_source_is_tested_by_a_model_that_never_saw_it(
    two_sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    recipe, runs = tmp_path / "tiny.json", tmp_path / "runs"
    recipe.write_text(json.dumps(recipe_to_json(RECIPE)))
    study = "leave-one-source-out"
    for words in (["run", study, str(two_sources), str(runs), "--base", str(recipe),
                   "--only", "masked"], ["report", study, str(runs)]):  # fmt: skip
        monkeypatch.setattr("sys.argv", ["experiments", *words])
        command.main()
    printed = capfd.readouterr()
    cells = cells_done(runs, "leave-one-source-out")
    assert [cell.test for cell in cells] == ["cpsc2018", "georgia"]
    for cell, prefix, other in zip(cells, "AE", "EA", strict=True):
        model = read_model(cell.path(runs) / "model")
        assert model.recipe.head.mask == "sources"
        assert (model.training["train_records"], model.training["validation_records"]) == (24, 8)
        training = runs / "data" / ("folds-georgia" if prefix == "A" else "folds-cpsc2018")
        assert {path.stem[0] for path in training.glob("*.hea")} == {other}
        assert {path.stem[0] for path in cell.outputs(runs, cell.test, 12).iterdir()} == {prefix}
    rows = [line for line in printed.out.splitlines() if line.startswith("| masked |")]
    assert [row.split("|")[3].strip() for row in rows] == ["cpsc2018", "georgia"]
    assert "![sources.png](sources.png)" in printed.out
    assert (runs / study / "sources.png").stat().st_size > 10_000
    assert "Unknown in georgia (32 records): AF," in printed.err
    assert "Unknown in cpsc2018 (32 records): AFL," in printed.err


def test_one_source_alone_is_refused(simulated_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(LeadwiseError, match="no fold is left to train on: all records are in simu"):
        run_cells(leave_one_source_out(RECIPE), simulated_folder, tmp_path)


def test_both_variants_differ_in_the_mask_alone(two_sources: Path) -> None:
    grid = leave_one_source_out(vary(RECIPE, mask="sources"))
    assert [recipe.head.mask for recipe in grid.recipes.values()] == ["off", "sources"]
    tests = [(cell.validation, cell.test) for cell in cells_of(grid, two_sources)]
    assert tests == 2 * [("", "cpsc2018")] + 2 * [("", "georgia")]
    unmasked = vary(grid.recipes["masked"], mask="off", summary=RECIPE.summary)
    assert replace(unmasked, name=RECIPE.name) == RECIPE


def test_records_in_other_formats_are_linked_whole(tmp_path: Path) -> None:
    """A WFDB record has its signal and marks in files that its header names."""
    data, runs = tmp_path / "data", tmp_path / "runs"
    data.mkdir()
    for name in ("A0001", "A0002"):
        (data / f"{name}.hea").write_text(
            f"{name} 1 500 10\n{name}_signal.dat 16 1000 16 0 0 0 0 I\n# Dx: 426783006\n"
        )
        (data / f"{name}_signal.dat").write_bytes(bytes(20))
        (data / f"{name}.atr").write_bytes(bytes(2))
    (data / "A0003.hea").write_text("no header\n")
    rows = [f"A000{number}\t1\tp{number}" for number in (1, 2, 3)]
    (data / "folds.tsv").write_text("\n".join(["record\tfold\tpatient", *rows]) + "\n")
    linked = fold_folder(data, runs, ("1",))
    assert sorted(path.name for path in linked.iterdir()) == [
        "A0001.atr", "A0001.hea", "A0001_signal.dat", "A0002.atr", "A0002.hea",
        "A0002_signal.dat", "A0003.hea", "folds.tsv"]  # fmt: skip
    assert all(path.exists() for path in linked.iterdir())
