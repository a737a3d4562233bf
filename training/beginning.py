"""Beginning: the weights of another model with which a training begins, all but the last layer's.

So Reich & Kruk (ECG-DualNet, 2021) transfer from Icentia11k to 2017: every tensor whose name and
shape fit is taken, the last layer is drawn anew, and all of it learns from the recipe's full rate
on.  They draw its weights Kaiming normal and its bias 0; here the layer is as the network draws it,
so that nothing but the beginning of the others differs from a training without it.

The last layer is what has another shape where there is one class more: one linear layer, two in a
network of two members, queries and weights in one whose classes attend apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from ecg import LeadwiseError
from ecg.progress import log
from models.classifier import build
from models.folder import ModelFolder, read_model, read_weights
from models.recipe import Recipe
from training.loop import Task

LeadSet = tuple[str, ...]
NAMED = 3  # of the tensors that do not fit


class Beginning(NamedTuple):
    """Weights by name, and the sha256 of the file that they are from."""

    weights: dict[str, torch.Tensor]
    sha256: str


def beginnings(folder: str | None, recipe: Recipe) -> dict[LeadSet, Beginning]:
    """Find what the networks of a recipe's lead sets begin with, and say it.

    Parameters
    ----------
    folder : str, optional
        Model folder, of any recipe of the system; without one they begin as they are drawn.

    Raises
    ------
    LeadwiseError
        The folder holds no usable model, one of another system, none for a lead set, or one of
        which nothing fits.
    """
    if folder is None:
        return {}
    model = read_model(Path(folder))
    if model.recipe.system != recipe.system:  # where equal names mean different things
        raise LeadwiseError(
            f"{model.path}: is '{model.recipe.name}' of {model.recipe.system}, and nothing of its "
            f"networks is in those of '{recipe.name}'; begin with a model of {recipe.system}"
        )
    return {leads: _beginning(model, recipe, leads) for leads in recipe.lead_sets}


def begun(task: Task, given: Mapping[LeadSet, Beginning]) -> Task:
    """Give a task what its network begins with; its key names it, as all that weights depend on."""
    if task.leads not in given:
        return task
    own = given[task.leads]
    return replace(task, begin=own.weights, key={**task.key, "begin": own.sha256})


def _beginning(model: ModelFolder, recipe: Recipe, leads: LeadSet) -> Beginning:
    trained = {entry.leads: entry for entry in model.lead_sets}
    if leads not in trained:
        there = "; ".join(map(", ".join, trained))
        raise LeadwiseError(
            f"{model.path}: has no network of the leads {', '.join(leads)} to begin with; it has "
            f"one of {there}"
        )
    weights = read_weights(model, trained[leads])
    own, last = _shapes(recipe, leads)
    fitting = {
        name: weight
        for name, weight in weights.items()
        if name not in last and own.get(name) == weight.shape
    }
    if not any(weight.ndim for weight in fitting.values()):  # norms' counters fit everywhere
        raise LeadwiseError(
            f"{model.path}: none of the {len(weights)} tensors of '{model.recipe.name}' fits the "
            f"network of '{recipe.name}' in name and shape; begin with a model of its sizes"
        )
    anew = [name for name in own if name not in fitting and name not in last]
    others = f", and {len(anew)} others that do not fit ({_some(anew)})" if anew else ""
    log(
        f"{len(leads)}-leads: begins with {len(fitting)} of the {len(weights)} tensors of "
        f"{model.path}; drawn anew are those of the last layer ({_some(last)}){others}."
    )
    return Beginning(fitting, trained[leads].sha256)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")


def _shapes(recipe: Recipe, leads: LeadSet) -> tuple[dict[str, torch.Size], list[str]]:
    """Give the shapes of a network's tensors, by name, and the names of the last layer's."""
    with torch.device("meta"):  # shapes alone
        one, more = (build(recipe, leads, classes).state_dict() for classes in (1, 2))
    shapes = {name: weight.shape for name, weight in one.items()}
    return shapes, [name for name in shapes if more[name].shape != shapes[name]]
