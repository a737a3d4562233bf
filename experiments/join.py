"""Join networks that were trained apart into the model folder of an ensemble."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ecg import LeadwiseError
from experiments.export import without_paths
from models import find
from models.expected import write_expected
from models.folder import (
    ModelFolder,
    TrainedSet,
    halved,
    load_network,
    read_model,
    read_weights,
    write_model,
    write_weights,
)
from models.recipe import Recipe

Weights = dict[str, Any]  # tensors by name


def join(folder: Path, models: Sequence[Path], *, recipe: str) -> None:
    """Write a model folder, ready to publish, whose network has members from several folders.

    The classes must be exclusive, since the most probable one needs no threshold to be fitted.

    Parameters
    ----------
    models : sequence of Path
        Model folders of one network each, or MODEL:0, which is the first member of an ensemble.
    recipe : str
        Recipe of the ensemble, such as `dualnet-trio`.

    Raises
    ------
    LeadwiseError
        The models do not fit each other or the recipe, or a member does not exist.
    """
    if folder.exists():
        raise LeadwiseError(f"{folder}: exists already; choose a new folder")
    joint = find(recipe)
    members = [_member(str(path)) for path in models]
    first, entry = members[0][:2]
    if not all(head.exclusive for head in joint.heads):
        raise LeadwiseError(
            f"{recipe}: its classes are not exclusive, so the decision of an ensemble must be "
            "fitted; train the ensemble instead"
        )
    for model, other, _ in members:
        if _reading(model.recipe) != _reading(joint):
            raise LeadwiseError(
                f"{model.path}: its recipe {model.recipe.name} reads signals by other transforms "
                f"or has another network than {recipe}"
            )
        if (model.classes, other.leads) != (first.classes, entry.leads):
            raise LeadwiseError(
                f"{model.path}: has other classes or leads than {first.path}; join models of one "
                "recipe"
            )
    weights = {
        f"members.{number}.{name}": value
        for number, (_, _, own) in enumerate(members)
        for name, value in halved(own).items()
    }
    draft = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    file, sha256 = write_weights(draft, f"{len(entry.leads)}-leads", weights)
    heads = {name: replace(head, scores={}) for name, head in entry.heads.items()}
    trained = replace(entry, file=file, sha256=sha256, epoch=0, heads=heads)
    names = [path.name for path in models]
    about = {
        "command": f"experiments join MODEL {' '.join(names)} --recipe {recipe}",
        "members": [
            {"model": name, "sha256": of.sha256, **without_paths(model.training)}
            for name, (model, of, _) in zip(names, members, strict=True)
        ],
    }
    model = ModelFolder(draft, joint, first.classes, (trained,), about)
    load_network(model, trained)  # its message says what does not fit the recipe
    write_model(model)
    write_expected(draft)
    draft.rename(folder)


def _reading(recipe: Recipe) -> tuple[Any, ...]:
    """Give what members of an ensemble share: the signal that they read, and their network."""
    network = {name: value for name, value in recipe.network.options.items() if name != "members"}
    return recipe.fs, recipe.max_s, recipe.transforms, recipe.post_transforms, network


def _member(text: str) -> tuple[ModelFolder, TrainedSet, Weights]:
    """Read the network of MODEL, or the member of MODEL:NUMBER."""
    path, colon, number = text.rpartition(":")
    chosen = bool(colon) and number.isdecimal()
    model = read_model(Path(path if chosen else text))
    if len(model.lead_sets) > 1:
        raise LeadwiseError(f"{model.path}: has {len(model.lead_sets)} lead sets, not one")
    (entry,) = model.lead_sets
    weights = read_weights(model, entry)
    if chosen:
        start = f"members.{number}."
        weights = {
            name.removeprefix(start): value
            for name, value in weights.items()
            if name.startswith(start)
        }
        if not weights:
            raise LeadwiseError(f"{model.path}: has no member {number}; the first one is 0")
    return model, entry, weights


if __name__ == "__main__":
    from experiments.__main__ import main

    main("join")
