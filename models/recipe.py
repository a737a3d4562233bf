"""Recipes: a system's settings as names and numbers.

A recipe is frozen, hashable and equal after a round trip through JSON.  A variant is
`vary(recipe, field=value)`.  Each name is a key of a dict, first of the system's own, then of a
shared one, so a model folder cannot run other code.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

from ecg import LeadwiseError
from ecg.leads import LEAD_SETS
from models.format2 import OLD_FIELDS, upgraded_recipe

KINDS = ("record", "samples", "beats")


@dataclass(frozen=True)
class Part:
    """A named part with its numbers as sorted pairs, which unlike a dict are frozen."""

    name: str
    numbers: tuple[tuple[str, Any], ...] = ()

    @property
    def options(self) -> dict[str, Any]:
        """Return the numbers as keyword arguments."""
        return dict(self.numbers)


def part(name: str, **numbers: Any) -> Part:
    """Make a part.

    Examples
    --------
    >>> part("resample", tolerance=0.03)
    Part(name='resample', numbers=(('tolerance', 0.03),))
    """
    return Part(name, tuple(sorted(numbers.items())))


@dataclass(frozen=True)
class Head:
    """One task of a network: what it predicts, how it is trained and how it is scored.

    Attributes
    ----------
    name : str
        Key of the head's targets, outputs and losses.
    kind : str
        `record`: one label vector per record.  `samples`: one class per sample, from wave marks.
        `beats`: one class per beat, from beat annotations.
    classes : str
        Key of `ecg.labels.POLICIES`.
    exclusive : bool
        Whether exactly one class is true, so that probabilities are a softmax.
    mask : str
        Key of `training.data.MASKS`: which labels of a record are known.
    loss : Part
        Key of `LOSSES`.
    weight : float
        Factor of this head's loss in the sum over heads.
    decision : str
        Key of `training.decisions.FITS`: how probabilities become labels.
    rules : str
        Key of `training.decisions.USES`: how clinical rules change these labels.
    metric : str
        Key of `scoring.METRICS`, or of `scoring.DENSE_METRICS` for samples and beats.  The epoch
        with the best metric of the first head is used.
    """

    name: str = "diagnosis"
    kind: str = "record"
    classes: str = "scored"
    exclusive: bool = False
    mask: str = "off"
    loss: Part = Part("bce")
    weight: float = 1.0
    decision: str = "global"
    rules: str = "off"
    metric: str = "challenge"

    @property
    def dense(self) -> bool:
        """Whether targets and outputs have one value per sample."""
        return self.kind != "record"


@dataclass(frozen=True)
class Recipe:
    """How a system reads records, trains and predicts.

    Attributes
    ----------
    name, system, source, summary : str
        The name starts with the system's name without its year.
    fs : float
        Sampling rate of the network in Hz.
    max_s : float
        Longest signal that the network reads at once, in s; longer records are cut into windows.
    transforms : tuple of Part
        From mV at the record's rate to the network's channels at `fs`; cached.
    epochs, batch : int
        Maximum number of epochs; records per training step.
    post_transforms : tuple of Part
        Transforms after the selection of leads; their result depends on the lead set.
    stride_s : float
        Step between windows of a longer record, in s; 0: the fewest windows.
    augment : tuple of Part
        Keys of `training.augment.AUGMENTATIONS` or of the system's own.
    ema : float
        Decay of the exponential moving average of weights, used for prediction; 0: no average.
    stop : Part
        Early stopping, of `training.optim.STOPS`.
    transfer : Part
        Transfer from the first lead set to the others, of `training.transfer.TRANSFERS`.
    minutes : float
        Time budget for all lead sets together.
    seed : int
        Seed of all random numbers.
    lead_sets : tuple of tuples of str
        One network is trained per lead set.
    """

    name: str
    system: str
    source: str
    summary: str
    fs: float
    max_s: float
    transforms: tuple[Part, ...]
    network: Part
    optimiser: Part
    schedule: Part
    epochs: int
    batch: int
    heads: tuple[Head, ...] = (Head(),)
    post_transforms: tuple[Part, ...] = ()
    stride_s: float = 0.0
    augment: tuple[Part, ...] = ()
    ema: float = 0.0
    stop: Part = Part("never")
    transfer: Part = Part("none")
    minutes: float = field(default=2600.0)  # 43 of the 48 h that the organisers allow with a GPU
    seed: int = 0
    lead_sets: tuple[tuple[str, ...], ...] = tuple(LEAD_SETS.values())

    @property
    def head(self) -> Head:
        """The first head, whose metric is used to choose the epoch."""
        return self.heads[0]

    @property
    def max_samples(self) -> int:
        """Longest signal that the network reads at once, in samples at `fs`."""
        return math.floor(self.max_s * self.fs)


HEAD_FIELDS = frozenset(entry.name for entry in fields(Head)) - {"name"}


def vary(recipe: Recipe, **changes: Any) -> Recipe:
    """Change fields of a recipe; fields of a head (`loss`, `metric` …) change its only head.

    Raises
    ------
    LeadwiseError
        The recipe has several heads, so the change is ambiguous.

    Examples
    --------
    >>> from models import find
    >>> vary(find("isibrno-basic"), batch=8, decision="global").head.decision
    'global'
    """
    of_head = {name: value for name, value in changes.items() if name in HEAD_FIELDS}
    of_recipe = {name: value for name, value in changes.items() if name not in HEAD_FIELDS}
    if of_head:
        if len(recipe.heads) > 1:
            raise LeadwiseError(f"{recipe.name} has several heads; change `heads` as a whole")
        of_recipe["heads"] = (replace(recipe.head, **of_head),)
    return replace(recipe, **of_recipe)


def recipe_to_json(recipe: Recipe) -> dict[str, Any]:
    """Convert a recipe to JSON's types."""
    return {entry.name: plain(getattr(recipe, entry.name)) for entry in fields(Recipe)}


def plain(value: Any) -> Any:
    """Convert parts, heads and tuples to dicts and lists."""
    if isinstance(value, Part):
        return {"name": value.name, **{key: plain(item) for key, item in value.numbers}}
    if isinstance(value, Head):
        return {entry.name: plain(getattr(value, entry.name)) for entry in fields(Head)}
    return [plain(item) for item in value] if isinstance(value, tuple) else value


# JSON types that a field of each type accepts; all other fields are tuples.
_JSON_TYPES: dict[Any, Any] = {float: (int, float), int: int, str: str, bool: bool, Part: Part}


def recipe_from_json(content: Any) -> Recipe:
    """Convert JSON to a recipe, also JSON of model folder format 2.

    A missing field has its default.

    Raises
    ------
    LeadwiseError
        A field is missing, unknown or of the wrong type.
    """
    if isinstance(content, dict) and "heads" not in content and content.keys() & OLD_FIELDS:
        content = upgraded_recipe(content)
    heads = content.get("heads") if isinstance(content, dict) else None
    if not isinstance(heads, list) or not heads:
        raise LeadwiseError("not a recipe of this version: it needs a list of heads")
    typed = tuple(_typed(Head, head, "head") for head in heads)
    if len({head.name for head in typed}) < len(typed):
        raise LeadwiseError("two heads of the recipe have the same name")
    rest = {key: value for key, value in content.items() if key != "heads"}
    recipe: Recipe = _typed(Recipe, rest, "recipe")
    return replace(recipe, heads=typed)


def _typed(kind: type, content: Any, word: str) -> Any:
    """Make a Head or Recipe from a dict; check names and types of its fields."""
    required = {entry.name for entry in fields(kind) if entry.default is MISSING}
    known = {entry.name for entry in fields(kind)}
    if not isinstance(content, dict):
        raise LeadwiseError(f"not a {word} of this version: {content!r}")
    given = set(content)
    if wrong := (required - given) | (given - known):
        names = ", ".join(sorted(wrong))
        raise LeadwiseError(f"not a {word} of this version: check the fields {names}")
    values = {key: frozen(value) for key, value in content.items()}
    hints = get_type_hints(kind)
    for key, value in values.items():
        expected: Any = _JSON_TYPES.get(hints[key], tuple)
        valid = isinstance(value, expected) and isinstance(value, bool) == (expected is bool)
        if valid and hints[key] == tuple[Part, ...]:
            valid = all(isinstance(one, Part) for one in value)
        if not valid:
            raise LeadwiseError(f"the {word}'s {key} is {content[key]!r}, which is not valid")
    return kind(**values)


def read_recipe(path: Path) -> Recipe:
    """Read a recipe from a JSON file, for example a variant of a system's recipe.

    Raises
    ------
    LeadwiseError
        The file cannot be read or holds no recipe.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise LeadwiseError(f"{path}: cannot be read as a recipe ({error})") from error
    try:
        return recipe_from_json(content)
    except LeadwiseError as error:
        raise LeadwiseError(f"{path}: {error}") from error


def frozen(value: Any) -> Any:
    """Convert dicts and lists back to parts and tuples."""
    if isinstance(value, Mapping):
        numbers = {key: frozen(item) for key, item in value.items() if key != "name"}
        return part(str(value.get("name")), **numbers)
    return tuple(frozen(item) for item in value) if isinstance(value, list) else value
