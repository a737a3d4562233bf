"""A study as a grid: recipes × lead sets × folds × seeds."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ecg import LeadwiseError
from models.recipe import Recipe, vary


@dataclass(frozen=True)
class Grid:
    """Named recipes, and the lead sets, folds and seeds that each is trained for.

    Attributes
    ----------
    recipes : dict of str to Recipe
        By variant, in the table's order; the first is the reference of gains.
    leads : tuple of int
        Sizes of the lead sets, one training each; (): one training for all lead sets of the recipe.
    folds : tuple of pairs of str
        Validation and test fold; all others are training folds.  Validation fold "": a quarter of
        the training records is used for validation.  (): each fold is the test fold once.
    by : str
        Key of `experiments.runs.FOLDS`: how records are divided into folds.
    records : int or None
        Number of training records, the first ones; None: all.
    measures : tuple of str
        Keys of `experiments.outputs.MEASURES`; gains and published scores refer to the first.
    sections : tuple of str
        Keys of `experiments.sections.SECTIONS`: further tables of the report.
    published : dict of (str, int) to float
        Published score per variant and lead-set size.
    source : str
        Source of the published scores.
    pretrained : bool
        Whether the trainings are initialised from the model folders of `run --init-from`.
    """

    name: str
    summary: str
    recipes: Mapping[str, Recipe]
    leads: tuple[int, ...] = (12,)
    folds: tuple[tuple[str, str], ...] = (("8", "9"),)
    by: str = "table"
    seeds: tuple[int, ...] = (0,)
    records: int | None = None
    measures: tuple[str, ...] = ("challenge",)
    sections: tuple[str, ...] = ()
    published: Mapping[tuple[str, int], float] = field(default_factory=dict)
    source: str = ""
    pretrained: bool = False


def variants(base: Recipe, changes: Mapping[str, Mapping[str, Any]]) -> dict[str, Recipe]:
    """Make one recipe per set of changes; without changes it is the base itself."""
    recipes = {}
    for name, fields in changes.items():
        recipe = vary(base, **fields)
        if recipe != base:
            summary = f"`{base.name}`, {name}"
            recipe = vary(recipe, name=f"{base.name}-{name}", summary=summary)
        recipes[name] = recipe
    return recipes


def narrowed(
    grid: Grid, *, only: Collection[str] | None = None, epochs: int | None = None, **fields: Any
) -> Grid:
    """Restrict a grid to variants, lead sets, folds, seeds or records.

    Parameters
    ----------
    only : collection of str, optional
        Names of variants.
    epochs : int, optional
        Maximum number of epochs.
    **fields
        New values of the grid's fields; None: unchanged.

    Raises
    ------
    LeadwiseError
        Unknown variant; the message lists the known ones.
    """
    for name in only or ():
        if name not in grid.recipes:
            raise LeadwiseError(f"{grid.name} has no '{name}'; it has {', '.join(grid.recipes)}")
    recipes = {
        name: vary(recipe, epochs=min(epochs or recipe.epochs, recipe.epochs))
        for name, recipe in grid.recipes.items()
        if not only or name in only
    }
    given = {name: value for name, value in fields.items() if value is not None}
    return replace(grid, recipes=recipes, **given)
