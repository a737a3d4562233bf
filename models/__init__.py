"""Models: recipes, networks, decisions and prediction; one file or folder per published system."""

import re
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ecg import LeadwiseError
from ecg.signals import TRANSFORMS
from models.typed import suggestion

if TYPE_CHECKING:  # `python -m models.recipe` imports it after this file
    from models.recipe import Recipe

SYSTEMS = ("isibrno2020", "revenger2021", "house2026", "dualnet2017", "heartly2021")


def find(name: str) -> "Recipe":
    """Find a recipe by name; only its own system is imported.

    Raises
    ------
    LeadwiseError
        The recipe does not exist; the message lists similar names.
    """
    for system in SYSTEMS:
        family = re.sub(r"\d+$", "-", system)  # a recipe's name starts with it
        if name.startswith(family) and name in (recipes := _recipes(system)):
            return recipes[name]
    similar = suggestion(name, recipes_by_name())
    raise LeadwiseError(f"no recipe '{name}'; {similar} (all: python -m models.recipe)")


def recipes_by_name() -> dict[str, "Recipe"]:
    """Collect all recipes of all systems."""
    return {name: recipe for system in SYSTEMS for name, recipe in _recipes(system).items()}


def lookup(recipe: "Recipe", kind: str, name: str, shared: Mapping[str, Any] | None = None) -> Any:
    """Find a part by name, first in the recipe's system, then among the shared ones.

    Parameters
    ----------
    kind : str
        Name of the dict: `TRANSFORMS`, `NETWORKS`, `LOSSES`, `AUGMENTATIONS`, `FITS` or
        `DECISIONS`.
    shared : mapping, optional
        Shared parts; by default those of `ecg.signals` and `models.losses`.

    Raises
    ------
    LeadwiseError
        Neither dict has the name; the message lists the known or similar ones.
    """
    if recipe.system not in SYSTEMS:
        raise LeadwiseError(
            f"{recipe.name}: no system '{recipe.system}'; known are {', '.join(SYSTEMS)}"
        )
    known = known_parts(recipe, kind, shared)
    if name not in known:
        raise LeadwiseError(f"{recipe.name}: no '{name}' among {kind}; {suggestion(name, known)}")
    return known[name]


def known_parts(
    recipe: "Recipe", kind: str, shared: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Collect the parts that `lookup` finds, by name."""
    common = _shared(kind) if shared is None else shared
    return {**common, **getattr(_module(recipe.system), kind, {})}


def _recipes(system: str) -> Mapping[str, "Recipe"]:
    recipes: Mapping[str, Recipe] = _module(system).RECIPES
    return recipes


def _shared(kind: str) -> Mapping[str, Any]:
    if kind == "LOSSES":
        from models.losses import LOSSES

        return LOSSES
    return TRANSFORMS if kind == "TRANSFORMS" else {}


def _module(system: str) -> ModuleType:
    return import_module(f"models.{system}")
