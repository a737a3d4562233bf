"""Studies from JSON files: their fields, and what is refused."""

import json
from pathlib import Path

import pytest

from ecg import LeadwiseError
from experiments import __main__ as command
from experiments.cells import cells_of
from experiments.grid import Grid
from experiments.grid_files import FIELDS, grid_of
from experiments.grids import GRIDS, find_grid
from models import find
from models.recipe import recipe_to_json, vary
from tests.experiments.conftest import BASE, Ran

GOOD = {"name": "mine", "recipes": {"a": "house-resnet", "b": "isibrno-basic"}}


def write(folder: Path, content: object) -> str:
    path = folder / "mine.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_a_file_has_the_fields_of_a_grid(tmp_path: Path) -> None:
    own = vary(find("house-resnet"), epochs=3, name="own")
    (tmp_path / "own.json").write_text(json.dumps(recipe_to_json(own)))
    grid = grid_of(write(tmp_path, {
        **GOOD, "recipes": {"own": "own.json", **GOOD["recipes"]}, "summary": "a test",
        "leads": [12, 2], "folds": [["8", "9"], ["", "7"]], "seeds": [0, 4], "records": 50,
        "measures": ["auroc"], "sections": ["decisions"], "by": "source",
    }))  # fmt: skip
    assert grid == Grid(
        "mine", "a test", {"own": own, "a": find("house-resnet"), "b": find("isibrno-basic")},
        leads=(12, 2), folds=(("8", "9"), ("", "7")), seeds=(0, 4), records=50,
        measures=("auroc",), sections=("decisions",), by="source",
    )  # fmt: skip
    assert len(cells_of(grid)) == 3 * 2 * 2 * 2
    assert {*FIELDS} <= {*Grid.__dataclass_fields__}


def test_missing_fields_have_the_defaults_of_a_grid(tmp_path: Path) -> None:
    grid = grid_of(write(tmp_path, GOOD))
    recipes = {name: find(recipe) for name, recipe in GOOD["recipes"].items()}
    assert grid == Grid("mine", "of mine.json", recipes)
    assert grid_of("losses") == find_grid("losses") == GRIDS["losses"]


@pytest.mark.parametrize(
    ("change", "message"),
    [({"seed": [1]}, "has no field 'seed'; its fields are name, summary, recipes"),
     ({"name": "../x"}, "'name' is \"../x\", not letters"), ({"name": "."}, "'name' is"),
     ({"name": ""}, "'name' is"), ({"name": 5}, "'name' is 5"),
     ({"name": "losses"}, "a study 'losses' exists; choose another name"),
     ({"recipes": {}}, "'recipes' is {}"), ({"recipes": ["house-resnet"]}, "'recipes' is"),
     ({"recipes": {"a/b": "house-resnet"}}, "'recipes' is"),
     ({"recipes": {"a": "nobody"}}, "recipe of 'a': "),
     ({"recipes": {"a": "nobody.json"}}, "recipe of 'a': "),
     ({"leads": 12}, "'leads' is 12, not a list of 12, 6, 4, 3, 2"), ({"leads": [5]}, "'leads' is"),
     ({"leads": [True]}, "'leads' is"), ({"folds": [["8"]]}, "'folds' is"),
     ({"folds": [["8", ""]]}, "'folds' is"), ({"folds": [[8, 9]]}, "'folds' is"),
     ({"folds": [["8", "../9"]]}, "'folds' is"), ({"by": "age"}, "'by' is \"age\", not one of"),
     ({"by": []}, "'by' is"), ({"seeds": []}, "'seeds' is"), ({"seeds": [-1]}, "'seeds' is"),
     ({"seeds": [1.5]}, "'seeds' is"), ({"records": 0}, "'records' is"),
     ({"records": "all"}, "'records' is"), ({"measures": ["auc"]}, "'measures' is"),
     ({"measures": []}, "'measures' is"), ({"measures": [[]]}, "'measures' is"),
     ({"sections": ["x"]}, "'sections' is"), ({"summary": None}, "'summary' is null")],
)  # fmt: skip
def test_wrong_fields_are_named(change: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(LeadwiseError) as raised:
        grid_of(write(tmp_path, {**GOOD, **change}))
    assert message in str(raised.value)
    assert str(raised.value).startswith(str(tmp_path / "mine.json"))


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "is not JSON"), ("[]", "is no grid"), ("5", "is no grid"), ("null", "is no grid"),
     ("{}", "the field 'name' is missing"), ('{"name": "x"}', "the field 'recipes' is missing"),
     (100_000 * "[", "is not JSON")],
)  # fmt: skip
def test_other_files_are_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(LeadwiseError, match=message):
        grid_of(write(tmp_path, text))
    with pytest.raises(LeadwiseError, match="cannot be read"):
        grid_of(str(tmp_path / "nobody.json"))
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LeadwiseError, match="is not JSON"):
        grid_of(str(tmp_path / "bytes.json"))


def test_the_command_runs_and_reports_a_file(
    ran: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tiny.json").write_text(json.dumps(recipe_to_json(BASE)))
    study = write(tmp_path, {"name": "mine", "recipes": {"tiny": "tiny.json"}, "leads": [2]})
    for words in (["run", study, str(ran.data), str(tmp_path / "runs")],
                  ["report", study, str(tmp_path / "runs")]):  # fmt: skip
        monkeypatch.setattr("sys.argv", ["experiments", *words])
        command.main()
    assert "| tiny | 2 | 9 | 0 |" in capfd.readouterr().out
    assert (tmp_path / "runs" / "mine" / "report.md").exists()
