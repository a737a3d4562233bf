"""Recipes: a system's settings as names and numbers.

A recipe is frozen, hashable and equal after a round trip through JSON.  A variant is
`vary(recipe, field=value)`.  Each name is a key of a dict, first of the system's own, then of a
shared one, so a model folder cannot run other code.
"""

import math
import sys
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any

from ecg import LeadwiseError
from ecg.labels import POLICIES, RULED
from ecg.leads import LEAD_SETS
from models.format2 import OLD_FIELDS, upgraded_recipe
from models.typed import Filled, OneOf, Part, Range, part, plain, typed

__all__ = ["Head", "Part", "Recipe", "part", "recipe_from_json", "recipe_to_json", "vary"]

KINDS = ("record", "samples", "beats")


# Types of fields, with the values that are accepted.
Name = Annotated[str, Filled()]
Names = Annotated[tuple[Name, ...], Filled()]
Share = Annotated[float, Range(0, 1)]
Seconds = Annotated[float, Range(0, 86_400)]
Count = Annotated[int, Range(1, 1e6)]
MOST_SAMPLES = 2_000_000  # that a network reads at once: limits memory


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
        Key of `ecg.labels.POLICIES`.  Of `network21+rules5` the network learns 21 classes, and
        rules answer five.
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
    targets : str
        `labels`; `soft` (`training.soft`: the data folder's probabilities in training); or a key
        of the system's `TARGETS`: functions from the codes of all records to
        bool (records, columns), the labels of training (label engineering).  The network then has
        these columns in training, and the head's classes otherwise.
    metric : str
        Key of `scoring.METRICS`, or of `scoring.DENSE_METRICS` for samples and beats.  The epoch
        with the best metric of the first head is used.
    """

    name: Name = "diagnosis"
    kind: Annotated[str, OneOf(KINDS)] = "record"
    classes: Annotated[str, OneOf(POLICIES)] = "scored"
    exclusive: bool = False
    mask: str = "off"
    loss: Part = Part("bce")
    weight: Annotated[float, Range(0, 1e6, above=True)] = 1.0
    decision: str = "global"
    rules: str = "off"
    targets: str = "labels"
    metric: str = "challenge"

    @property
    def engineered(self) -> bool:
        """Whether training has other columns than the head's classes (label engineering)."""
        return self.targets not in ("labels", "soft")

    @property
    def dense(self) -> bool:
        """Whether targets and outputs have one value per sample."""
        return self.kind != "record"

    @property
    def ruled(self) -> tuple[str, ...]:
        """Codes of the classes that rules alone answer; the network has no output for them."""
        return RULED.get(self.classes, ())

    def learned(self, classes: Sequence[str]) -> list[int]:
        """Give the columns of the classes that the network learns."""
        return [column for column, code in enumerate(classes) if code not in self.ruled]


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
    crop_s : float
        Longest signal in training, in s; longer records are cut at random.  0: `max_s`.
    augment : tuple of Part
        Keys of `training.augment.AUGMENTATIONS` or of the system's own.
    ema : float
        Decay of the exponential moving average of weights, used for prediction; 0: no average.
    sampling : Part
        Which records an epoch holds, of `training.sampling.SAMPLINGS`.
    pretraining : Part
        Self-supervised loss at the start of the training, of `training.pretraining.PRETRAININGS`.
    accumulation : Part
        Batches whose gradients make one step, of `training.optim.ACCUMULATIONS`.
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
    leave_out : tuple of Part
        Which records a training leaves out, of `training.selection.SELECTIONS`.
    split : Part
        How records are divided into training and validation if no fold is named, of
        `training.splits.SPLITS`.
    batch_of : tuple of (int, int)
        Size of a lead set, and records per training step for it, where they differ from `batch`.
    """

    name: Name
    system: Name
    source: str
    summary: str
    fs: Annotated[float, Range(1, 10_000)]
    max_s: Annotated[float, Range(0, 86_400, above=True)]
    transforms: tuple[Part, ...]
    network: Part
    optimiser: Part
    schedule: Part
    epochs: Count
    batch: Count
    heads: Annotated[tuple[Head, ...], Filled()] = (Head(),)
    post_transforms: tuple[Part, ...] = ()
    stride_s: Seconds = 0.0
    crop_s: Seconds = 0.0
    augment: tuple[Part, ...] = ()
    ema: Share = 0.0
    sampling: Part = Part("all")
    pretraining: Part = Part("none")
    accumulation: Part = Part("none")
    stop: Part = Part("never")
    transfer: Part = Part("none")
    minutes: Annotated[float, Range(0, 1e9, above=True)] = 2600.0  # 43 of the 48 h with a GPU
    seed: Annotated[int, Range(0, 2**63 - 1)] = 0
    lead_sets: Annotated[tuple[Names, ...], Filled()] = tuple(LEAD_SETS.values())
    leave_out: tuple[Part, ...] = ()
    split: Part = Part("stratified")
    batch_of: tuple[tuple[Count, Count], ...] = ()

    @property
    def head(self) -> Head:
        """The first head, whose metric is used to choose the epoch."""
        return self.heads[0]

    @property
    def max_samples(self) -> int:
        """Longest signal that the network reads at once, in samples at `fs`."""
        return math.floor(self.max_s * self.fs)

    @property
    def crop_samples(self) -> int:
        """Longest signal in training, in samples at `fs`."""
        return math.floor((self.crop_s or self.max_s) * self.fs)


def for_leads(recipe: Recipe, leads: Sequence[str]) -> Recipe:
    """Give the recipe with the batch of one lead set."""
    return replace(recipe, batch=dict(recipe.batch_of).get(len(leads), recipe.batch))


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


def recipe_from_json(content: Any, where: str = "recipe") -> Recipe:
    """Convert JSON to a recipe, also JSON of model folder format 2.

    A missing field has its default, except `heads`.

    Raises
    ------
    LeadwiseError
        A field is missing, unknown or of the wrong type, or its value is outside its range; the
        message names it.
    """
    if isinstance(content, dict) and "heads" not in content and content.keys() & OLD_FIELDS:
        content = upgraded_recipe(content)
    if isinstance(content, dict) and "heads" not in content:
        raise LeadwiseError(f"{where}: missing field heads, a list")
    recipe: Recipe = typed(Recipe, content, where)
    _check_lengths(recipe, where)
    _check_different([head.name for head in recipe.heads], f"{where}.heads")
    _check_different([frozenset(leads) for leads in recipe.lead_sets], f"{where}.lead_sets")
    for index, leads in enumerate(recipe.lead_sets):
        _check_different(leads, f"{where}.lead_sets[{index}]")
    return recipe


def _check_different(names: Sequence[Hashable], where: str) -> None:
    if len(set(names)) < len(names):
        raise LeadwiseError(f"{where}: two have the same name")


def _check_lengths(recipe: Recipe, where: str) -> None:
    """Check the lengths of windows in samples, and that windows leave out no sample."""
    samples = recipe.max_s * recipe.fs
    if not 1 <= samples <= MOST_SAMPLES:
        raise LeadwiseError(
            f"{where}.max_s: {recipe.max_s:g} s at {recipe.fs:g} Hz are {samples:g} samples; "
            f"a network reads 1 to {MOST_SAMPLES}"
        )
    if recipe.crop_s > recipe.max_s or 0 < recipe.crop_s * recipe.fs < 1:
        raise LeadwiseError(
            f"{where}.crop_s: must be 0, or from one sample to max_s ({recipe.max_s:g} s), not "
            f"{recipe.crop_s:g}"
        )
    if recipe.stride_s and not recipe.max_s / 100 <= recipe.stride_s <= recipe.max_s:
        raise LeadwiseError(
            f"{where}.stride_s: must be 0, or from max_s / 100 to max_s ({recipe.max_s:g} s), not "
            f"{recipe.stride_s:g}"
        )


if __name__ == "__main__":
    from models.recipe_file import main  # imports this module under its own name

    sys.exit(main())
