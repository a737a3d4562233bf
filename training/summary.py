"""The last lines of a training: the scores of what is written, and warnings of useless models."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from models.recipe import Recipe
from training.budget import FEW_EPOCHS
from training.evaluate import Scores
from training.optim import STOPS


class Result(NamedTuple):
    """A trained lead set: its name, the score of each epoch, the best epoch, and final scores."""

    name: str
    epochs: Sequence[float]
    best_epoch: int
    scores: Mapping[str, Scores]


def summary_lines(recipe: Recipe, results: Sequence[Result]) -> Iterator[str]:
    """Describe the validation scores of each lead set, then warn of useless ones."""
    for result in results:
        for head in recipe.heads:
            scores = result.scores[head.name]
            if math.isnan(scores.constant):
                yield (
                    f"{result.name}: validation {head.metric} is not measured, because no "
                    f"validation record has known {head.name}"
                )
                continue
            rules = "" if scores.rules is None else f", {scores.rules:.3f} with rules"
            yield (
                f"{result.name}: best epoch {result.best_epoch} of {len(result.epochs)}, "
                f"validation {head.metric} {scores.decision:.3f} with the fitted decision{rules}; "
                f"the best constant answer {scores.constant:.3f}"
            )
    missing = len(recipe.lead_sets) - len(results)
    if missing:
        yield f"Warning: {missing} lead sets are not trained; set more minutes, or fewer lead sets."
    few = [result.name for result in results if _too_few(recipe, result)]
    if few:
        yield (
            f"Warning: {', '.join(few)}: fewer than {FEW_EPOCHS} of {recipe.epochs} epochs; these "
            "networks are hardly trained and their scores are chance. Set more minutes, fewer lead "
            "sets, or a smaller recipe."
        )
    for head in recipe.heads:
        named = [(result.name, result.scores[head.name]) for result in results]
        useless = [
            name for name, of in named if not (math.isnan(of.constant) or of.written > of.constant)
        ]
        if useless:
            yield (
                f"Warning: {', '.join(useless)}: the validation {head.metric} is not better than "
                "that of the best constant answer, so the model is useless. Train for more epochs "
                "or on more records, and check the labels."
            )


def _too_few(recipe: Recipe, result: Result) -> bool:
    """Whether fewer epochs than intended were trained because the time was too short."""
    intended = min(FEW_EPOCHS, recipe.epochs)
    stopped = STOPS[recipe.stop.name](result.epochs, **recipe.stop.options)
    return len(result.epochs) < intended and not stopped
