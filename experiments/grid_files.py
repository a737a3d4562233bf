"""Studies of one's own: a grid as a JSON file, in place of a study's name.

    {"name": "mixup", "summary": "with and without mixup", "seeds": [0, 1, 2],
     "recipes": {"with": "house-resnet", "without": "no-mixup.json"}}

`recipes` gives each variant a recipe as `--recipe` takes it: a name, or a file NAME.json beside
this one; the first is the reference of gains.  `leads`, `folds`, `by`, `seeds`, `records`,
`measures` and `sections` are those of `experiments.grids.Grid`, whose defaults they have.
"""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ecg import LeadwiseError
from ecg.leads import LEAD_SETS
from experiments.grid import Grid
from experiments.grids import GRIDS, find_grid
from experiments.outputs import MEASURES
from experiments.runs import FOLDS
from experiments.sections import SECTIONS
from models.recipe import Recipe
from training.data import named_recipe


def _is_int(value: Any) -> bool:
    return type(value) is int and value >= 0


def _list_of(accepts: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(accepts, value))


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[\w.+-]*\w[\w.+-]*", value) is not None


def _is_fold(value: Any) -> bool:
    return (
        isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)
        and _is_name(value[1]) and (not value[0] or _is_name(value[0]))
    )  # fmt: skip


# Field: what it accepts, in words and as a function.
FIELDS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "name": ("letters, digits and -", _is_name),
    "summary": ("a text", lambda value: isinstance(value, str)),
    "recipes": ("recipes by variant", lambda value: isinstance(value, dict) and bool(value) and all(
        _is_name(name) and isinstance(recipe, str) for name, recipe in value.items())),
    "leads": (f"a list of {', '.join(map(str, LEAD_SETS))}",
              _list_of(lambda size: _is_int(size) and size in LEAD_SETS)),
    "folds": ('a list of pairs ["validation", "test"]', _list_of(_is_fold)),
    "by": (f"one of {', '.join(FOLDS)}", lambda value: isinstance(value, str) and value in FOLDS),
    "seeds": ("a list of whole numbers", lambda value: _list_of(_is_int)(value) and bool(value)),
    "records": ("a whole number", lambda value: _is_int(value) and value > 0),
    "measures": (f"a list of {', '.join(MEASURES)}", lambda value: _list_of(
        lambda one: isinstance(one, str) and one in MEASURES)(value) and bool(value)),
    "sections": (f"a list of {', '.join(SECTIONS)}",
                 _list_of(lambda one: isinstance(one, str) and one in SECTIONS)),
}  # fmt: skip
NEEDED = ("name", "recipes")


def grid_of(study: str) -> Grid:
    """Find a study by its name, or read it from a file NAME.json.

    Raises
    ------
    LeadwiseError
        Unknown name, or the file is no grid.
    """
    return read_grid(Path(study)) if study.endswith(".json") else find_grid(study)


def read_grid(path: Path) -> Grid:
    """Read a grid.

    Raises
    ------
    LeadwiseError
        The file cannot be read, a field is unknown, missing or wrong, or a recipe is unknown.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LeadwiseError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise LeadwiseError(f"{path}: is not JSON ({error})") from error
    if not isinstance(content, dict):
        raise LeadwiseError(f"{path}: is no grid; it has no fields")
    if unknown := content.keys() - FIELDS.keys():
        known = ", ".join(FIELDS)
        raise LeadwiseError(f"{path}: has no field '{min(unknown)}'; its fields are {known}")
    for name, (words, accepts) in FIELDS.items():
        if name not in content and name in NEEDED:
            raise LeadwiseError(f"{path}: the field '{name}' is missing: {words}")
        if name in content and not accepts(content[name]):
            shown = json.dumps(content[name], ensure_ascii=False)[:60]
            raise LeadwiseError(f"{path}: '{name}' is {shown}, not {words}")
    if content["name"] in GRIDS:
        raise LeadwiseError(f"{path}: a study '{content['name']}' exists; choose another name")
    recipes = {
        variant: _recipe(path, variant, text) for variant, text in content["recipes"].items()
    }
    fields = {name: _tuples(value) for name, value in content.items()}
    return Grid(**{"summary": f"of {path.name}", **fields, "recipes": recipes})


def _recipe(path: Path, variant: str, text: str) -> Recipe:
    try:
        return named_recipe(str(path.parent / text) if text.endswith(".json") else text)
    except LeadwiseError as error:
        raise LeadwiseError(f"{path}, recipe of '{variant}': {error}") from error


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
