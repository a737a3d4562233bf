"""Recipes: all that makes a published system, as names and numbers.

A recipe is frozen, hashable and goes through JSON unchanged; a variant is `replace(recipe, …)`.
Names are looked up in plain dicts when they are used, so that a model folder can name nothing but
what stands in them.
"""

import json
import math
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from ecg import LeadwiseError
from ecg.leads import LEAD_SETS


@dataclass(frozen=True)
class Part:
    """A part chosen by name, with its numbers as sorted pairs (a dict would not be frozen)."""

    name: str
    numbers: tuple[tuple[str, Any], ...] = ()

    @property
    def options(self) -> dict[str, Any]:
        """Give the numbers as keyword arguments."""
        return dict(self.numbers)


def part(name: str, **numbers: Any) -> Part:
    """Make a part.

    Examples
    --------
    >>> part("resample", to_hz=250)
    Part(name='resample', numbers=(('to_hz', 250),))
    """
    return Part(name, tuple(sorted(numbers.items())))


@dataclass(frozen=True)
class Recipe:
    """How a system reads, learns and answers.

    Attributes
    ----------
    name, system, source, summary : str
        Identity; the name begins with the system's name without its year.
    fs : float
        Rate in Hz at which the network reads.
    max_s : float
        Longest piece that the network reads, in s; longer records are cut into windows.
    steps : tuple of Part
        Signal steps from mV to the network's rows, of `ecg.signals.TRANSFORMS` or the system's own.
    network, loss, optimiser, schedule : Part
        Parts by name.
    finish : tuple of Part
        Signal steps after the choice of leads, of the same dicts: what depends on the lead set.
    stride_s : float
        From one window of a longer record to the next, in s; 0 makes the fewest windows.
    augment : tuple of Part
        What training does to records and batches, of `training.augment.AUGMENTATIONS`.
    average : float
        How much of the moving average of the weights a step keeps (0.999); at 0 there is none, and
        the last weights answer.
    stop : Part
        When training ends before its last epoch, of `training.schedules.STOPS`.
    classes : str
        What the network learns to tell, of `ecg.labels.POLICIES`.
    mask : str
        Which labels count as known, of `training.masks.MASKS`; others teach nothing.
    exclusive : bool
        Whether a record has exactly one of the classes, so that probabilities are a softmax.
    decision : str
        How probabilities become labels, of `training.decisions.FITS`.
    rules : str
        How the rules of `ecg.rules` join these labels, of `training.rules.USES`.
    select : str
        Name of the metric that chooses the epoch, of `scoring.METRICS`.
    epochs, batch : int
        Passes over the training part; records a step.
    minutes : float
        Budget for all lead sets together where the settings give none.
    seed : int
        Where all random numbers begin.
    lead_sets : tuple of tuples of str
        Sets for which a network each is trained.
    teach : Part
        How the first lead set's network helps the later ones, of `training.teaching.TEACHERS`.
    """

    name: str
    system: str
    source: str
    summary: str
    fs: float
    max_s: float
    steps: tuple[Part, ...]
    network: Part
    loss: Part
    optimiser: Part
    schedule: Part
    epochs: int
    batch: int
    finish: tuple[Part, ...] = ()
    stride_s: float = 0.0
    augment: tuple[Part, ...] = ()
    average: float = 0.0
    stop: Part = Part("never")
    classes: str = "scored"
    mask: str = "off"
    exclusive: bool = False
    decision: str = "global"
    rules: str = "off"
    select: str = "challenge"
    minutes: float = 2600.0  # 43 of the 48 h that the organisers allow with a GPU
    seed: int = 0
    lead_sets: tuple[tuple[str, ...], ...] = tuple(LEAD_SETS.values())
    teach: Part = Part("nothing")


def recipe_to_json(recipe: Recipe) -> dict[str, Any]:
    """Turn a recipe into what JSON can hold."""
    return {field.name: plain(getattr(recipe, field.name)) for field in fields(Recipe)}


def plain(value: Any) -> Any:
    """Turn parts and tuples into dicts and lists."""
    if isinstance(value, Part):
        return {"name": value.name, **{key: plain(item) for key, item in value.numbers}}
    return [plain(item) for item in value] if isinstance(value, tuple) else value


# What JSON may hold for a field of each type; the others are tuples.
_KINDS: dict[Any, Any] = {float: (int, float), int: int, str: str, bool: bool, Part: Part}


def recipe_from_json(content: Any) -> Recipe:
    """Turn JSON back into a recipe equal to the one it was made from.

    A field with a default may be missing, in folders that are older than the field: its default is
    what was done before there was a choice.

    Raises
    ------
    LeadwiseError
        A field is missing, unknown or of the wrong kind.
    """
    known = {field.name for field in fields(Recipe)}
    required = {field.name for field in fields(Recipe) if field.default is MISSING}
    found = set(content) if isinstance(content, dict) else set()
    if odd := (required - found) | (found - known):
        names = ", ".join(sorted(odd))
        raise LeadwiseError(f"not a recipe of this version: check the fields {names}")
    values = {key: frozen(value) for key, value in content.items()}
    hints = get_type_hints(Recipe)
    for key in values:
        kinds: Any = _KINDS.get(hints[key], tuple)
        if not isinstance(values[key], kinds) or (isinstance(values[key], bool) != (kinds is bool)):
            raise LeadwiseError(f"the recipe's {key} is {content[key]!r}, which cannot be")
    return Recipe(**values)


def read_recipe(path: Path) -> Recipe:
    """Read a recipe from a file: one that no system lists, such as a grid's variant.

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
    """Turn dicts and lists back into parts and tuples."""
    if isinstance(value, dict):
        numbers = {key: frozen(item) for key, item in value.items() if key != "name"}
        return part(str(value.get("name")), **numbers)
    return tuple(frozen(item) for item in value) if isinstance(value, list) else value


def longest(recipe: Recipe) -> int:
    """Give the longest piece that the network reads, in samples at the recipe's rate."""
    return math.floor(recipe.max_s * recipe.fs)
