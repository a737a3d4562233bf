"""Recipes are data: there and back, equal, hashable, strict."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from ecg import LeadwiseError
from models import SYSTEMS, find, lookup, recipes_by_name
from models.recipe import part, read_recipe, recipe_from_json, recipe_to_json


@pytest.mark.parametrize("name", recipes_by_name())
def test_a_recipe_goes_through_json_unchanged(name: str) -> None:
    recipe = find(name)
    back = recipe_from_json(json.loads(json.dumps(recipe_to_json(recipe))))
    assert back == recipe
    assert hash(back) == hash(recipe)
    assert pickle.loads(pickle.dumps(recipe)) == recipe
    assert replace(recipe, seed=recipe.seed + 1) != recipe


@pytest.mark.parametrize("name", recipes_by_name())
def test_a_recipe_bears_its_systems_name(name: str) -> None:
    recipe = find(name)
    assert recipe.name == name
    assert recipe.system in SYSTEMS
    assert name.startswith(recipe.system.rstrip("0123456789") + "-")


def test_an_unknown_recipe_is_answered_with_the_known_ones() -> None:
    with pytest.raises(LeadwiseError, match="no recipe 'isibrno-x'; known are isibrno-published"):
        find("isibrno-x")


def test_an_unknown_part_is_answered_with_the_known_ones() -> None:
    with pytest.raises(LeadwiseError, match="no 'notch' among TRANSFORMS; known are butterworth"):
        lookup(find("isibrno-published"), "TRANSFORMS", "notch")


def test_a_recipe_of_an_unknown_system_runs_nothing() -> None:
    recipe = replace(find("isibrno-published"), system="os")
    with pytest.raises(LeadwiseError, match="no system 'os'"):
        lookup(recipe, "NETWORKS", "system")


def test_odd_recipes_are_refused() -> None:
    good = recipe_to_json(find("isibrno-published"))
    without_fs = {name: value for name, value in good.items() if name != "fs"}
    with pytest.raises(LeadwiseError, match="check the fields fs, surprise"):
        recipe_from_json({**without_fs, "surprise": 1})
    with pytest.raises(LeadwiseError, match="check the fields surprise"):
        recipe_from_json({**good, "surprise": 1})
    with pytest.raises(LeadwiseError, match="batch is 'many'"):
        recipe_from_json({**good, "batch": "many"})
    for name, value in (("exclusive", 1), ("batch", True), ("fs", True)):
        with pytest.raises(LeadwiseError, match=f"{name} is {value}, which cannot be"):
            recipe_from_json({**good, name: value})
    assert recipe_from_json({**good, "exclusive": True}).exclusive
    with pytest.raises(LeadwiseError, match="not a recipe"):
        recipe_from_json([1])


def test_a_recipe_older_than_a_field_has_the_fields_default() -> None:
    recipe = find("isibrno-rules")
    content = recipe_to_json(recipe)
    assert content.pop("rules") == "learned"
    assert recipe_from_json(content) == replace(recipe, rules="off")


def test_a_part_is_the_same_in_any_order() -> None:
    assert part("x", b=1, a=2) == part("x", a=2, b=1)


def test_a_recipe_is_read_from_its_file(tmp_path: Path) -> None:
    recipe = replace(find("revenger-nc-se"), name="mine", batch=8)
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(recipe_to_json(recipe)))
    assert read_recipe(path) == recipe
    path.write_text("{")
    with pytest.raises(LeadwiseError, match=r"mine.json: cannot be read as a recipe \(Expecting"):
        read_recipe(path)
    path.write_text('{"name": "mine"}')
    with pytest.raises(LeadwiseError, match="mine.json: not a recipe of this version: check"):
        read_recipe(path)
    with pytest.raises(LeadwiseError, match="none.json: cannot be read as a recipe"):
        read_recipe(tmp_path / "none.json")
