"""Convert model folders and recipes of format 2 to format 3.

In format 2 the fields of the only head were fields of the recipe, and other names were in use.
Content is not checked here but when format 3 is read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from models.typed import typed

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
    for name, stated in (("transforms", "fs"), ("post_transforms", "max_s")):
        if isinstance(parts := recipe.get(name), list):
            recipe[name] = [_without_copy(part, recipe.get(stated)) for part in parts]
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
    if not isinstance(part, Mapping) or str(part.get("name")) not in copied:
        return part
    number = copied[str(part["name"])]
    return {key: value for key, value in part.items() if key != number or value != stated}


@dataclass(frozen=True)
class _TrainedSet:
    """A lead set in the `model.json` of format 2."""

    leads: Any
    file: Any
    sha256: Any
    epoch: Any
    decision: dict[str, Any]
    scores: Any
    rules: tuple[Any, ...] = ()  # older folders have none


@dataclass(frozen=True)
class _Model:
    """The fields of `model.json` of format 2 that change."""

    recipe: dict[str, Any]
    classes: Any
    lead_sets: tuple[_TrainedSet, ...]
    training: dict[str, Any]
    format: int
    about: Any = ""
    versions: Any = field(default_factory=dict)


def upgraded_model(content: Any) -> dict[str, Any]:
    """Convert the content of a `model.json` of format 2 to format 3.

    Raises
    ------
    LeadwiseError
        A field that format 3 names otherwise is missing or wrong.
    """
    model: _Model = typed(_Model, content, "model")
    recipe = upgraded_recipe(model.recipe)
    name = "diagnosis"
    recipe["heads"][0]["name"] = name
    lead_sets = []
    for entry in model.lead_sets:
        known = entry.decision.get("name")
        decision = {**entry.decision, "name": DECISIONS.get(str(known), known)}
        fitted = {"decision": decision, "scores": entry.scores, "rules": list(entry.rules)}
        kept = {key: getattr(entry, key) for key in ("leads", "file", "sha256", "epoch")}
        lead_sets.append({**kept, "heads": {name: fitted}})
    return {
        **content, "format": 3, "recipe": recipe, "classes": {name: model.classes},
        "lead_sets": lead_sets,
        "training": {TRAINING.get(key, key): item for key, item in model.training.items()},
    }  # fmt: skip
