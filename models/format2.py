"""Convert model folders and recipes of format 2 to format 3.

In format 2 the fields of the only head were fields of the recipe, and other names were in use.
Content is not checked here but when format 3 is read.
"""

from collections.abc import Mapping
from typing import Any

FIELDS = {"steps": "transforms", "finish": "post_transforms", "average": "ema", "teach": "transfer"}
HEAD_FIELDS = {
    "loss": "loss", "classes": "classes", "mask": "mask", "exclusive": "exclusive",
    "decision": "decision", "rules": "rules", "select": "metric",
}  # fmt: skip
OLD_FIELDS = frozenset({*FIELDS, *HEAD_FIELDS})  # of a recipe; format 3 has none of them
# Names of parts and of their numbers, by the field of format 2 that holds them.
PARTS = {
    "schedule": {"falling": "warmup_cosine"},
    "teach": {"nothing": "none", "labels": "distillation", "backbone": "frozen_backbone"},
    "augment": {"drop": "sample_dropout", "wander": "baseline_wander", "turn": "invert"},
}
NUMBERS = {
    "schedule": {"warm": "warmup", "fall": "decay", "rising": "warmup"},
    "network": {"narrow": "width_divisor"},
}
DECISIONS = {"expected": "expected_metric"}
TRAINING = {"learned": "train_records", "chosen": "validation_records", "begin": "init_from"}


def upgraded_recipe(content: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a recipe of format 2 to format 3."""
    head: dict[str, Any] = {}
    recipe: dict[str, Any] = {}
    for name, value in content.items():
        if name in HEAD_FIELDS:
            head[HEAD_FIELDS[name]] = value
        else:
            recipe[FIELDS.get(name, name)] = _renamed(name, value)
    if "decision" in head:
        head["decision"] = DECISIONS.get(str(head["decision"]), head["decision"])
    for field, stated in (("transforms", "fs"), ("post_transforms", "max_s")):
        if isinstance(parts := recipe.get(field), list):
            recipe[field] = [_without_copy(part, recipe.get(stated)) for part in parts]
    return {**recipe, "heads": [head]}


def _renamed(field: str, value: Any) -> Any:
    """Rename a part, or each part of a list, and its numbers."""
    if isinstance(value, list):
        return [_renamed(field, one) for one in value]
    if not isinstance(value, Mapping) or "name" not in value:
        return value
    numbers = NUMBERS.get(field, {})
    renamed = {numbers.get(key, key): item for key, item in value.items()}
    renamed["name"] = PARTS.get(field, {}).get(str(value["name"]), value["name"])
    return renamed


def _without_copy(part: Any, stated: Any) -> Any:
    """Remove a part's rate or length if it equals that of the recipe, which is the default."""
    copied = {"resample": "to_hz", "fit_length": "seconds"}
    if not isinstance(part, Mapping) or part.get("name") not in copied:
        return part
    number = copied[part["name"]]
    return {key: value for key, value in part.items() if key != number or value != stated}


def upgraded_model(content: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the content of a `model.json` of format 2 to format 3."""
    recipe = upgraded_recipe(content["recipe"])
    name = "diagnosis"
    recipe["heads"][0]["name"] = name
    lead_sets = []
    for entry in content["lead_sets"]:
        decision = dict(entry["decision"])
        decision["name"] = DECISIONS.get(str(decision["name"]), decision["name"])
        rest = {key: entry[key] for key in ("leads", "file", "sha256", "epoch")}
        fitted = {"decision": decision, "scores": entry["scores"], "rules": entry.get("rules", [])}
        lead_sets.append({**rest, "heads": {name: fitted}})
    return {
        **content, "format": 3, "recipe": recipe, "classes": {name: content["classes"]},
        "lead_sets": lead_sets,
        "training": {TRAINING.get(key, key): item for key, item in content["training"].items()},
    }  # fmt: skip
