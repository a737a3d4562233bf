"""Format 2: its recipes and models give those of today; wrong content is left to the checks."""

import json
from pathlib import Path
from typing import Any

import pytest

from ecg import LeadwiseError
from ecg.leads import LEAD_SETS
from models import find
from models.format2 import upgraded_model, upgraded_recipe
from models.recipe import Recipe, part, recipe_from_json, recipe_to_json, vary
from models.recipe_file import read_recipe

GUARD = Path(__file__).resolve().parent.parent / "data" / "guard"
TWELVE_AND_TWO = (LEAD_SETS[12], LEAD_SETS[2])


def guarded(name: str, numbers: dict[str, Any], **changes: Any) -> Recipe:
    """Return a recipe with two epochs of 16 records and these numbers of the network."""
    recipe = find(name)
    network = part(recipe.network.name, **{**recipe.network.options, **numbers})
    return vary(recipe, network=network, epochs=2, batch=16, **changes)


SMALL_DUAL = {"widths": (8, 8, 32, 32, 32)}
# Revenger's recipes when format 2 was written: windows of 10 s in prediction too.
WINDOWS: dict[str, Any] = {
    "max_s": 10.0, "crop_s": 0.0, "stride_s": 4.0, "leave_out": (), "split": part("stratified"),
}  # fmt: skip
FIT = part("fit_length", tolerance=0.4)
RESIDUAL = part("residual", blocks=(1, 1, 1, 1), head_dropout=0.3, widths=(8, 8, 16))
EXPECTED = {
    "dualnet-house": guarded("dualnet-house", {"encoder": RESIDUAL, "latent": 32}),
    "dualnet-published": guarded("dualnet-pp-s-as-published", {**SMALL_DUAL, "padded": 2240}),
    "dualnet-s": guarded("dualnet-s", SMALL_DUAL),
    "house-pair": guarded(
        "house-pair", {"blocks": (1, 1, 1), "widths": (8, 8, 16)}, mask="sources",
        lead_sets=TWELVE_AND_TWO,
    ),
    "isibrno": guarded(
        "isibrno-rules",
        {"context_dropout": 0.1, "dropout": 0.1, "units": 8, "widths": (8, 8, 8, 8, 16)},
        lead_sets=TWELVE_AND_TWO,
    ),
    "revenger-reuse": guarded(
        "revenger-branched-lw-reuse-100hz", {"width_divisor": 8}, lead_sets=TWELVE_AND_TWO,
        decision="global", post_transforms=(part("z_score"), FIT), **WINDOWS,
    ),
    "revenger": guarded(
        "revenger-nc-se-100hz", {"width_divisor": 8}, decision="near ties",
        lead_sets=(LEAD_SETS[3],), post_transforms=(part("record_z_score"), FIT), **WINDOWS,
        augment=(
            part("lead_dropout", probability=0.5), part("mixup", alpha=0.3, share=0.6),
            part("label_smoothing"), part("random_masking"),
        ),
    ),
}  # fmt: skip


def test_every_recipe_of_the_guard_is_compared_here() -> None:
    assert {path.stem for path in GUARD.glob("*.json")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_recipe_of_format_2_gives_the_recipe_of_today(name: str) -> None:
    recipe = read_recipe(GUARD / f"{name}.json")
    texts = {"summary": "", "source": ""}  # for people; they may be reworded
    assert vary(recipe, **texts) == vary(EXPECTED[name], **texts)
    content = json.loads(json.dumps(recipe_to_json(recipe)))
    assert "heads" in content
    assert recipe_from_json(content) == recipe


def test_the_given_content_is_unchanged() -> None:
    content = json.loads((GUARD / "revenger-reuse.json").read_text())
    before = json.dumps(content)
    upgraded_recipe(content)
    assert json.dumps(content) == before


def test_only_a_rate_or_length_that_repeats_the_recipes_is_dropped() -> None:
    content = json.loads((GUARD / "isibrno.json").read_text())
    assert {"name": "resample"} in upgraded_recipe({**content, "fs": 100, "steps": [
        {"name": "resample", "to_hz": 100}]})["transforms"]  # fmt: skip
    other = {"name": "resample", "to_hz": 50}
    assert other in upgraded_recipe({**content, "fs": 100, "steps": [other]})["transforms"]
    lengths = [{"name": "fit_length", "seconds": seconds, "tolerance": 0.5} for seconds in (8, 9)]
    upgraded = upgraded_recipe({**content, "max_s": 8, "finish": lengths})["post_transforms"]
    assert upgraded == [{"name": "fit_length", "tolerance": 0.5}, lengths[1]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": None}, "recipe.transforms: must be a list, not None"),
        ({"finish": 3}, "recipe.post_transforms: must be a list, not 3"),
        ({"loss": "bce"}, r"recipe.heads\[0\].loss: must be an object of fields, not 'bce'"),
        ({"exclusive": "no"}, r"recipe.heads\[0\].exclusive: must be true or false, not 'no'"),
        ({"average": "much"}, "recipe.ema: must be a number, not 'much'"),
        ({"steps": [None]}, r"recipe.transforms\[0\]: must be an object of fields, not None"),
        ({"colour": 1}, "recipe: unknown field 'colour'"),
    ],
)
def test_wrong_content_is_an_error(change: dict[str, Any], message: str) -> None:
    content = json.loads((GUARD / "isibrno.json").read_text())
    with pytest.raises(LeadwiseError, match=message):
        recipe_from_json({**content, **change})


def test_a_missing_field_is_named() -> None:
    content = json.loads((GUARD / "isibrno.json").read_text())
    del content["steps"], content["fs"]
    with pytest.raises(LeadwiseError, match="recipe: missing fields fs, transforms"):
        recipe_from_json(content)


def test_a_model_of_format_2_has_its_classes_decisions_and_rules_in_a_head() -> None:
    recipe = json.loads((GUARD / "isibrno.json").read_text())
    entry = {
        "leads": ["I", "II"], "file": "2-leads-0.safetensors", "sha256": "0", "epoch": 3,
        "decision": {"name": "expected", "slope": 1.0}, "scores": {"challenge": 0.5},
    }  # fmt: skip
    training = {"data": "0", "learned": 15, "chosen": 5, "minutes": 1.5}
    content = {
        "format": 2, "recipe": recipe, "classes": ["1", "2"], "lead_sets": [entry],
        "training": training,
    }  # fmt: skip
    model = upgraded_model(content)
    assert model["format"] == 3
    assert model["classes"] == {"diagnosis": ["1", "2"]}
    assert model["training"] == {
        "data": "0", "train_records": 15, "validation_records": 5, "minutes": 1.5,
    }  # fmt: skip
    assert recipe_from_json(model["recipe"]) == recipe_from_json(recipe)
    (lead_set,) = model["lead_sets"]
    assert lead_set.pop("heads") == {"diagnosis": {
        "decision": {"name": "expected_metric", "slope": 1.0}, "scores": {"challenge": 0.5},
        "rules": [],
    }}  # fmt: skip
    assert lead_set == {key: entry[key] for key in ("leads", "file", "sha256", "epoch")}
