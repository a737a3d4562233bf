"""Recipes: round trips through JSON, heads, strict reading, and recipes of format 2."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from ecg import LeadwiseError
from models import SYSTEMS, find, lookup, recipes_by_name
from models.recipe import Head, part, recipe_from_json, recipe_to_json, vary
from models.recipe_file import read_recipe


@pytest.mark.parametrize("name", recipes_by_name())
def test_a_recipe_is_unchanged_by_json(name: str) -> None:
    recipe = find(name)
    back = recipe_from_json(json.loads(json.dumps(recipe_to_json(recipe))))
    assert back == recipe
    assert hash(back) == hash(recipe)
    assert pickle.loads(pickle.dumps(recipe)) == recipe
    assert replace(recipe, seed=recipe.seed + 1) != recipe


@pytest.mark.parametrize("name", recipes_by_name())
def test_a_recipes_name_starts_with_that_of_its_system(name: str) -> None:
    recipe = find(name)
    assert recipe.name == name
    assert recipe.system in SYSTEMS
    assert name.startswith(recipe.system.rstrip("0123456789") + "-")


def test_the_error_for_an_unknown_recipe_lists_the_known_ones() -> None:
    with pytest.raises(LeadwiseError, match="no recipe 'isibrno-x'; similar are isibrno-"):
        find("isibrno-x")


def test_the_error_for_an_unknown_part_lists_the_known_ones() -> None:
    with pytest.raises(LeadwiseError, match="no 'notch' among TRANSFORMS; similar are env"):
        lookup(find("isibrno-published"), "TRANSFORMS", "notch")


def test_a_recipe_of_an_unknown_system_runs_nothing() -> None:
    recipe = replace(find("isibrno-published"), system="os")
    with pytest.raises(LeadwiseError, match="no system 'os'"):
        lookup(recipe, "NETWORKS", "system")


def test_wrong_recipes_are_refused() -> None:
    good = recipe_to_json(find("isibrno-published"))
    without_fs = {name: value for name, value in good.items() if name != "fs"}
    with pytest.raises(LeadwiseError, match=r"unknown field 'surprise' \(.*\); missing field fs$"):
        recipe_from_json({**without_fs, "surprise": 1})
    with pytest.raises(LeadwiseError, match=r"unknown field 'surprise' \(similar are [a-z_, ]*\)$"):
        recipe_from_json({**good, "surprise": 1})
    with pytest.raises(LeadwiseError, match="^recipe.batch: must be a whole number, not 'many'"):
        recipe_from_json({**good, "batch": "many"})
    for name, value in (("batch", True), ("fs", True)):
        with pytest.raises(LeadwiseError, match=f"^recipe.{name}: must be .* number, not True"):
            recipe_from_json({**good, name: value})
    with pytest.raises(LeadwiseError, match=r"^recipe: must be an object of fields, not \[1\]"):
        recipe_from_json([1])


def test_wrong_heads_are_refused() -> None:
    good = recipe_to_json(find("isibrno-published"))
    (head,) = good["heads"]
    for heads in ([], {}, "diagnosis", None):
        with pytest.raises(LeadwiseError, match="^recipe.heads: must "):
            recipe_from_json({**good, "heads": heads})
    for wrong in (1, "diagnosis", None):
        with pytest.raises(LeadwiseError, match=rf"heads\[0\]: must be an object .* {wrong!r}$"):
            recipe_from_json({**good, "heads": [wrong]})
    with pytest.raises(LeadwiseError, match=r"heads\[0\]: unknown field 'surprise'"):
        recipe_from_json({**good, "heads": [{**head, "surprise": 1}]})
    for name, value in (("exclusive", 1), ("weight", True), ("loss", "bce"), ("kind", 1)):
        message = rf"^recipe.heads\[0\].{name}: must be .*, not {value!r}"
        with pytest.raises(LeadwiseError, match=message):
            recipe_from_json({**good, "heads": [{**head, name: value}]})
    assert recipe_from_json({**good, "heads": [{**head, "exclusive": True}]}).head.exclusive
    with pytest.raises(LeadwiseError, match="recipe.heads: two have the same name"):
        recipe_from_json({**good, "heads": [head, head]})


def test_a_missing_field_has_its_default() -> None:
    recipe = find("isibrno-rules")
    content = recipe_to_json(recipe)
    assert content["heads"][0].pop("rules") == "learned"
    assert recipe_from_json(content) == vary(recipe, rules="off")
    assert content.pop("stride_s") == recipe.stride_s == 0
    assert recipe_from_json(content) == vary(recipe, rules="off")


def test_a_recipe_of_several_heads_is_unchanged_by_json() -> None:
    waves = Head(name="waves", kind="samples", classes="waves", loss=part("cross_entropy"))
    recipe = replace(find("isibrno-basic"), heads=(Head(), waves))
    assert recipe_from_json(json.loads(json.dumps(recipe_to_json(recipe)))) == recipe
    assert [head.dense for head in recipe.heads] == [False, True]


def test_vary_changes_fields_of_the_only_head() -> None:
    recipe = find("isibrno-basic")
    varied = vary(recipe, batch=8, decision="global", loss=part("bce"))
    assert (varied.batch, varied.head.decision, varied.head.loss) == (8, "global", part("bce"))
    assert vary(varied, batch=recipe.batch, heads=recipe.heads) == recipe
    two = replace(recipe, heads=(Head(), Head(name="other")))
    assert vary(two, batch=8).heads == two.heads
    with pytest.raises(LeadwiseError, match="isibrno-basic has several heads; change `heads` as a"):
        vary(two, decision="global")


def test_a_part_is_the_same_in_any_order() -> None:
    assert part("x", b=1, a=2) == part("x", a=2, b=1)


def test_a_recipe_is_read_from_its_file(tmp_path: Path) -> None:
    recipe = replace(find("revenger-nc-se"), name="mine", batch=8)
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(recipe_to_json(recipe)))
    assert read_recipe(path) == recipe
    path.write_text("{")
    with pytest.raises(LeadwiseError, match=r"mine.json: cannot be read: not JSON \(Expecting"):
        read_recipe(path)
    path.write_text('{"name": "mine", "heads": [{}]}')
    with pytest.raises(LeadwiseError, match="mine.json: recipe: missing fields system, source"):
        read_recipe(path)
    with pytest.raises(LeadwiseError, match="none.json: no such recipe file"):
        read_recipe(tmp_path / "none.json")
