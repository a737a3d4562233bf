"""Recipe files: JSON in the form of `model.json`, or changes of a recipe that is named as base.

    python -m models.recipe [NAME | FILE.json]

prints a recipe as JSON, with all fields, or without an argument the names of all recipes.  A file
with a base holds what differs: `{"base": "house-resnet", "epochs": 3, "loss": {"name": "bce"}}`.
Without a name it has that of the file.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ecg import LeadwiseError
from ecg.progress import quiet_pipe
from models import find, recipes_by_name
from models.json_file import read_json, readable
from models.recipe import HEAD_FIELDS, Recipe, recipe_from_json, recipe_to_json
from models.typed import shown, suggestion


def read_recipe(path: Path) -> Recipe:
    """Read a recipe from a JSON file.

    Raises
    ------
    LeadwiseError
        The file cannot be read or holds no recipe.
    """
    try:
        content = read_json(path)
    except FileNotFoundError as error:
        raise LeadwiseError(f"{path}: no such recipe file") from error
    try:
        if isinstance(content, dict) and "base" in content:
            content = with_base({"name": path.stem, **content})
        return recipe_from_json(content)
    except LeadwiseError as error:
        raise LeadwiseError(f"{path}: {error}") from error


def with_base(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a whole recipe as JSON: that of the base, with the changes.

    Fields of a head (`loss`, `metric` …) change the base's only head.  `heads` may be an object of
    changes by a head's name.  A part with a `name` replaces that of the base; without, it changes
    numbers.  A list of parts replaces that of the base; an object changes parts by their names.

    Raises
    ------
    LeadwiseError
        The base is unknown, has several heads where only one can be changed, or lacks what is
        changed by name.

    Examples
    --------
    >>> mine = {"base": "house-resnet", "optimiser": {"lr": 0.001}, "augment": {"noise": {"mv": 1}}}
    >>> mine = with_base(mine)
    >>> mine["optimiser"], mine["augment"][2]
    ({'name': 'adamw', 'lr': 0.001, 'weight_decay': 0.02}, {'name': 'noise', 'mv': 1})
    """
    changes = {name: value for name, value in content.items() if name != "base"}
    if not isinstance(content["base"], str):
        raise LeadwiseError(f"base: must be a recipe's name, not {shown(content['base'])}")
    recipe = recipe_to_json(find(content["base"]))
    of_head = {name: changes.pop(name) for name in HEAD_FIELDS & changes.keys()}
    if of_head:
        if len(recipe["heads"]) > 1 or "heads" in changes:
            raise LeadwiseError(
                f"{min(of_head)}: the heads are several; write it into the one that it changes: "
                f'"heads": {{"{recipe["heads"][0]["name"]}": {{"{min(of_head)}": …}}}}'
            )
        changes["heads"] = {recipe["heads"][0]["name"]: of_head}
    return {**recipe, **{name: _changed(recipe.get(name), value, name)
                         for name, value in changes.items()}}  # fmt: skip


def _changed(old: Any, new: Any, where: str) -> Any:
    """Merge an object into an object, or by name into the items of a list; others replace."""
    if not isinstance(new, Mapping):
        return new
    if isinstance(old, dict) and "name" not in new:
        return {**old, **{name: _changed(old.get(name), value, f"{where}.{name}")
                          for name, value in new.items()}}  # fmt: skip
    if isinstance(old, list):
        named = {item["name"]: item for item in old if isinstance(item, dict) and "name" in item}
        if unknown := [name for name in new if name not in named]:
            raise LeadwiseError(
                f"{where}: the base has no {shown(unknown[0])}; {suggestion(unknown[0], named)}"
            )
        merged = {name: _changed(named[name], value, f"{where}.{name}")
                  for name, value in new.items()}  # fmt: skip
        return [merged.get(item["name"], item) for item in old]
    return new


@quiet_pipe()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m models.recipe",
        description="Print a recipe as JSON, or without an argument the names of all recipes.",
    )
    parser.add_argument("recipe", nargs="?", metavar="NAME", help="name, or a file NAME.json")
    name = parser.parse_args(argv).recipe
    if name is None:
        print("\n".join(recipes_by_name()))
        return 0
    try:
        recipe = read_recipe(Path(name)) if name.endswith(".json") else find(name)
    except LeadwiseError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    print(readable(recipe_to_json(recipe)))
    return 0
