"""Format 2: every recipe, trained folders and shipped models are read as those of format 3."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ecg import LeadwiseError
from ecg.leads import LEAD_SETS
from models import find, recipes_by_name
from models.folder import read_model
from models.model import Model
from models.recipe import Recipe, part, recipe_from_json, recipe_to_json, vary

WEIGHTS = Path(__file__).resolve().parents[2] / "weights"
SHIPPED = {
    "dualnet2017": "dualnet-house",
    "house2026": "house-pair",
    "isibrno2020": "isibrno-rules",
}
# Names of format 3 and of format 2.
FIELDS = {"transforms": "steps", "post_transforms": "finish", "ema": "average", "transfer": "teach"}
PARTS = {
    "schedule": {"warmup_cosine": "falling"},
    "transfer": {"none": "nothing", "distillation": "labels", "frozen_backbone": "backbone"},
    "augment": {"sample_dropout": "drop", "baseline_wander": "wander", "invert": "turn"},
}
NUMBERS = {
    "warmup_cosine": {"warmup": "warm", "decay": "fall"},
    "one_cycle": {"warmup": "rising"},
    "crnn": {"width_divisor": "narrow"},
}
REPEATED = {"resample": ("to_hz", "fs"), "fit_length": ("seconds", "max_s")}


def as_format_2(content: dict[str, Any]) -> dict[str, Any]:
    """Write a recipe's JSON as format 2 did."""
    (head,) = content.pop("heads")
    old = {FIELDS.get(name, name): _old(name, value, content) for name, value in content.items()}
    for name in ("loss", "classes", "mask", "exclusive", "decision", "rules"):
        old[name] = head[name]
    old["select"] = head["metric"]
    old["decision"] = "expected" if old["decision"] == "expected_metric" else old["decision"]
    return old


def _old(field: str, value: Any, recipe: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_old(field, one, recipe) for one in value]
    if not isinstance(value, dict):
        return value
    name = value["name"]
    numbers = {NUMBERS.get(name, {}).get(key, key): item for key, item in value.items()}
    if name in REPEATED:
        number, stated = REPEATED[name]
        numbers.setdefault(number, recipe[stated])
    return {**numbers, "name": PARTS.get(field, {}).get(name, name)}


def folder_as_format_2(content: dict[str, Any]) -> None:
    content.update(format=2, recipe=as_format_2(content["recipe"]))
    content["classes"] = content["classes"]["diagnosis"]
    training = content["training"]
    training["learned"] = training.pop("train_records")
    training["chosen"] = training.pop("validation_records")
    for entry in content["lead_sets"]:
        entry.update(entry.pop("heads")["diagnosis"])
        assert entry["decision"]["name"] == "expected_metric"
        entry["decision"]["name"] = "expected"


@pytest.fixture
def copy(model_folder: Path, tmp_path: Path) -> Path:
    """Copy a trained folder and describe it in format 2."""
    folder = Path(shutil.copytree(model_folder, tmp_path / "copy"))
    edit(folder, folder_as_format_2)
    return folder


def edit(folder: Path, change: Callable[[dict], object]) -> None:
    content = json.loads((folder / "model.json").read_text())
    change(content)
    (folder / "model.json").write_text(json.dumps(content))


def varied(name: str) -> Recipe:
    """Return a recipe whose every field of another name has a value of its own."""
    recipe = find(name)
    changes: dict[str, Any] = {"rules": "learned", "mask": "sources", "ema": 0.9, "metric": "auroc"}
    if recipe.transfer.name == "none":
        changes["transfer"] = part("distillation", share=0.25)
    if recipe.system == "revenger2021":
        changes["network"] = part("crnn", **{**recipe.network.options, "width_divisor": 2})
    return vary(recipe, **changes)


OF_ONE_HEAD = [name for name, one in recipes_by_name().items() if len(one.heads) == 1]


@pytest.mark.parametrize("name", OF_ONE_HEAD)  # format 2 has no others
def test_a_recipe_of_format_2_equals_that_of_format_3(name: str) -> None:
    for recipe in (find(name), varied(name)):
        content = json.loads(json.dumps(as_format_2(recipe_to_json(recipe))))
        assert "heads" not in content
        assert not set(FIELDS) & set(content)
        assert recipe_from_json(content) == recipe


def test_format_3_accepts_no_old_names() -> None:
    content = recipe_to_json(find("isibrno-basic"))
    content["steps"] = content.pop("transforms")
    with pytest.raises(
        LeadwiseError, match=r"unknown field 'steps' \(.*\); missing field transforms"
    ):
        recipe_from_json(content)


def test_a_folder_of_format_2_equals_that_of_format_3(copy: Path, model_folder: Path) -> None:
    assert replace(read_model(copy), path=model_folder) == read_model(model_folder)
    model = Model.load(copy)
    assert [model.network_for(leads)[0].leads for leads in LEAD_SETS.values()] == [
        *LEAD_SETS.values()
    ]


def test_a_folder_older_than_the_rules_has_none(copy: Path, model_folder: Path) -> None:
    def remove_rules(content: dict) -> None:
        assert content["recipe"].pop("rules") == "off"
        assert [entry.pop("rules") for entry in content["lead_sets"]] == [[]] * 5

    edit(copy, remove_rules)
    assert replace(read_model(copy), path=model_folder) == read_model(model_folder)
    assert all(trained.heads["diagnosis"].rules == () for trained in read_model(copy).lead_sets)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.pop("classes"), "model: missing field classes; copy the"),
        (lambda content: content.pop("recipe"), "model: missing field recipe"),
        (lambda content: content.pop("training"), "model: missing field training"),
        (lambda content: content.update(training=1), "model.training: must be an object"),
        (lambda content: content.update(recipe=["isibrno"]), "model.recipe: must be an obj"),
        (lambda content: content["recipe"].pop("fs"), "model.recipe: missing field fs"),
        (
            lambda content: content["recipe"].update(surprise=1),
            "unknown field 'surprise'",
        ),
        (lambda content: content["recipe"]["steps"][0].update(name="exec"), "no 'exec' among TRA"),
        (lambda content: content["recipe"]["network"].update(name="eval"), "no 'eval' among NETW"),
        (lambda content: content["lead_sets"][0].pop("scores"), "missing field scores"),
        (lambda content: content["lead_sets"][0].update(decision="0.5"), "decision: must be an"),
        (
            lambda content: content["lead_sets"][0]["decision"].update(name="eval"),
            "no decision 'eval'; known are thresholds, near ties",
        ),
        (
            lambda content: content["lead_sets"][0].update(rules=[{"name": "eval", "mode": "or"}]),
            r"lead_sets\[0\].heads.diagnosis: no rule 'eval'; similar are pacing",
        ),
    ],
)
def test_a_tampered_description_of_format_2_is_refused(copy: Path, change, message: str) -> None:
    edit(copy, change)
    with pytest.raises(LeadwiseError, match=message):
        Model.load(copy, ("I", "II"))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_models_of_format_2_are_read(name: str) -> None:
    """As the recipe of this name, except for texts and what was set for that training."""
    content = json.loads((WEIGHTS / name / "model.json").read_text(encoding="utf-8"))
    assert content["format"] == 2
    model = read_model(WEIGHTS / name)
    recipe, listed = model.recipe, find(SHIPPED[name])
    texts = {"source": listed.source, "summary": listed.summary}
    settings = {"epochs": listed.epochs, "lead_sets": listed.lead_sets}
    assert replace(recipe, **texts, **settings) == listed
    assert model.classes == {"diagnosis": tuple(content["classes"])}
    assert model.training["train_records"] == content["training"]["learned"]
    assert model.training["validation_records"] == content["training"]["chosen"]
    assert [trained.file for trained in model.lead_sets] == [
        entry["file"] for entry in content["lead_sets"]
    ]
