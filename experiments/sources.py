"""Leave one source out: train on all others, test on it, for each source of a folder in turn.

A Challenge entry is scored on hospitals that it never saw (ISIBrno 2020: 0.847 on the source with
most training weight, −0.006 on an unseen one), so this is what a score on held-out records of the
same hospitals does not tell.  Each recipe is trained twice: `plain`, and `masked`, where a class
that a source never labels is unknown there instead of absent.
"""

from dataclasses import replace
from pathlib import Path

from ecg import LeadwiseError
from experiments.cells import known_folds
from experiments.grids import Grid, variants
from models.recipe import Recipe


def leave_one_out(data: Path, base: Recipe) -> Grid:
    """Make the grid of a data folder.

    Raises
    ------
    LeadwiseError
        It holds one source alone.
    """
    sources = sorted(known_folds(data, "source"))
    if len(sources) < 2:
        raise LeadwiseError(
            f"{data}: all records are from one source ({sources[0]}); leaving it out leaves nothing"
        )
    recipes = variants(replace(base, mask="off"), {"plain": {}, "masked": {"mask": "sources"}})
    return Grid(
        "leave-one-source-out",
        "each source (fold) left out in turn; validation is on the others, the score on it",
        recipes, folds=tuple(("", source) for source in sources), by="source",
    )  # fmt: skip
