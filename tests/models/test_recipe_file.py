"""Recipe files: changes of a base, their errors, and the command that prints recipes."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ecg import LeadwiseError
from models import find, recipes_by_name
from models.recipe import Head, part, recipe_from_json, recipe_to_json, vary
from models.recipe_file import main, read_recipe, with_base
from training.checks import check_recipe

ROOT = Path(__file__).resolve().parents[2]
RESNET = find("house-resnet")


def written(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "mine.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"epochs": 3, "seed": 1}, {"epochs": 3, "seed": 1}),
        ({"name": "other"}, {"name": "other"}),
        ({"decision": "global", "metric": "auroc"}, {"decision": "global", "metric": "auroc"}),
        ({"loss": {"name": "bce"}}, {"loss": part("bce")}),
        ({"optimiser": {"lr": 0.001}}, {"optimiser": part("adamw", lr=0.001, weight_decay=0.02)}),
        ({"optimiser": {"name": "adam", "lr": 1}}, {"optimiser": part("adam", lr=1)}),
        ({"network": {"widths": [8, 8]}}, {"network": part("resnet", widths=(8, 8))}),
        ({"augment": []}, {"augment": ()}),
        ({"augment": [{"name": "noise", "mv": 1}]}, {"augment": (part("noise", mv=1),)}),
        (
            {"augment": {"noise": {"mv": 0.5}}},
            {"augment": (*RESNET.augment[:2], part("noise", mv=0.5), RESNET.augment[3])},
        ),
        ({"heads": {"diagnosis": {"mask": "sources"}}}, {"mask": "sources"}),
        ({"lead_sets": [["I", "II"]]}, {"lead_sets": (("I", "II"),)}),
    ],
)
def test_a_file_with_a_base_holds_what_differs(
    changes: dict[str, Any], expected: dict[str, Any], tmp_path: Path
) -> None:
    recipe = read_recipe(written(tmp_path, {"base": "house-resnet", **changes}))
    assert recipe == vary(RESNET, **{"name": "mine", **expected})


def test_heads_of_a_base_are_changed_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    waves = Head("waves", "samples", classes="waves", loss=part("cross_entropy"), metric="dice")
    two = replace(RESNET, heads=(Head(), waves))
    monkeypatch.setattr("models.recipe_file.find", lambda name: two)
    content = {"base": "two", "heads": {"waves": {"weight": 2.0, "loss": {"smoothing": 0.1}}}}
    changed = replace(waves, weight=2.0, loss=part("cross_entropy", smoothing=0.1))
    assert recipe_from_json(with_base(content)) == replace(two, heads=(Head(), changed))
    with pytest.raises(LeadwiseError, match="weight: the heads are several; write it into the one"):
        with_base({"base": "two", "weight": 2.0})


def test_the_example_of_the_page_passes_the_checks(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "adding-a-system.md").read_text(encoding="utf-8")
    recipe = read_recipe(written(tmp_path, text.partition("```json\n")[2].partition("```")[0]))
    assert recipe.augment[2] == part("noise", mv=0.02)
    assert recipe.optimiser.options["lr"] == 0.001
    check_recipe(recipe)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"base": "house-resnt"}, "no recipe 'house-resnt'; similar are house-resnet, "),
        ({"base": 1}, "base: must be a recipe's name, not 1"),
        ({"base": "house-resnet", "epoch": 3}, r"unknown field 'epoch' \(similar are epochs,"),
        ({"base": "house-resnet", "epochs": "3"}, "recipe.epochs: must be a whole number, not '3'"),
        ({"base": "house-resnet", "batch": -1}, "recipe.batch: must be from 1 to 1e[+]06, not -1"),
        (
            {"base": "house-resnet", "augment": {"nois": {}}},
            "augment: the base has no 'nois'; ",
        ),
        ({"base": "house-resnet", "heads": {"waves": {}}}, "heads: the base has no 'waves'; known"),
        ('{"base": "house-resnet", "epochs": 3, "epochs": 4}', "the field 'epochs' occurs twice"),
        ("[" * 100_000, "cannot be read: not JSON"),
        ("9" * 10_000, "cannot be read: not JSON"),
        ('{"base": "house-resnet", "seed": NaN}', "recipe.seed: must be a whole number, not nan"),
        ('{"base": "house-resnet", "ema": NaN}', "recipe.ema: must be from 0 to 1, not nan"),
    ],
)
def test_wrong_files_are_refused(content: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(LeadwiseError, match=rf"mine.json: .*{message}"):
        read_recipe(written(tmp_path, content))


def test_a_folder_and_a_device_are_no_recipe_files(tmp_path: Path) -> None:
    (tmp_path / "x.json").mkdir()
    for path in (tmp_path / "x.json", Path("/dev/zero")):
        with pytest.raises(LeadwiseError, match="cannot be read: not a plain file"):
            read_recipe(path)


def test_the_command_prints_a_recipe_that_can_be_read_again(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["house-pair"]) == 0
    assert read_recipe(written(tmp_path, capsys.readouterr().out)) == find("house-pair")
    (tmp_path / "b.json").write_text('{"base": "dualnet-s", "batch": 2}')
    assert main([str(tmp_path / "b.json")]) == 0
    assert json.loads(capsys.readouterr().out) == recipe_to_json(
        vary(find("dualnet-s"), name="b", batch=2)
    )
    assert main([]) == 0
    assert capsys.readouterr().out.split() == [*recipes_by_name()]
    assert main(["house-pear"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("Error: no recipe 'house-pear'; similar are house-pair, ")
    assert error.count(",") == 2


def test_the_module_runs_without_a_warning() -> None:
    words = [sys.executable, "-W", "error", "-m", "models.recipe", "isibrno-basic"]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(ended.stdout)["name"] == "isibrno-basic"
    assert ended.stderr == ""
