"""The model folder: output of training, input of prediction.  Nothing in it is unpickled.

`model.json` holds the recipe, the classes of each head and, per lead set, the weights file with its
sha256 and the fitted decisions, rules and scores.  Weights are safetensors whose names contain
their hash, and `model.json` is replaced last, so an interrupted training does not damage a finished
model.
"""

import hashlib
import platform
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from ecg import FAILURES, LeadwiseError, __version__
from ecg.files import atomic_write
from ecg.labels import POLICIES
from ecg.rules import RULES
from models.decision import check_decision
from models.format2 import upgraded_model
from models.inputs import check_transforms
from models.json_file import read_json, readable
from models.network import build, skeleton
from models.recipe import Names, Part, Recipe, recipe_from_json, recipe_to_json
from models.rules import combine
from models.typed import Filled, Range, Unlimited, one_line, plain, shown, typed

FORMAT = 3
SHOWN = 3  # faults of a weights file in a message
_WEIGHTS_FILE = re.compile(r"[\w-]+\.safetensors")  # only files in this folder


@dataclass(frozen=True)
class FittedHead:
    """Decision, rules and validation scores of one head of one lead set.

    `decision` (of `models.decision`) turns probabilities into labels; `rules` (of `models.rules`)
    then change these.
    """

    decision: Part
    scores: dict[str, Annotated[float, Unlimited()]]
    rules: tuple[Part, ...] = field(default=(), metadata={"stored": True})


@dataclass(frozen=True)
class TrainedSet:
    """The trained network of one lead set: weights file, its sha256, best epoch, fitted heads.

    Epoch 0 is unknown, as of imported weights.
    """

    leads: Names
    file: str
    sha256: str
    epoch: Annotated[int, Range(0, 1e6)]
    heads: dict[str, FittedHead]


@dataclass(frozen=True)
class ModelFolder:
    """The content of `model.json`.

    `classes` are those of each head, by name.  `training` describes the origin of the model: data
    fingerprint, records, device, command and minutes.
    """

    path: Path
    recipe: Recipe
    classes: dict[str, tuple[str, ...]]
    lead_sets: tuple[TrainedSet, ...]
    training: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Content:
    """The fields of `model.json`; the recipe is read apart, since it may be of format 2."""

    format: int
    recipe: dict[str, Any]
    classes: dict[str, Names]
    lead_sets: Annotated[tuple[TrainedSet, ...], Filled()]
    training: dict[str, Any]
    about: str = ""
    versions: dict[str, str] = field(default_factory=dict)


def write_weights(folder: Path, name: str, weights: Mapping[str, torch.Tensor]) -> tuple[str, str]:
    """Write the weights of a lead set; return file name and sha256."""
    content = save({key: value.detach().cpu().contiguous() for key, value in weights.items()})
    sha256 = hashlib.sha256(content).hexdigest()
    file = f"{name}-{sha256[:8]}.safetensors"
    with atomic_write(folder / file) as draft:
        draft.write_bytes(content)
    return file, sha256


def write_model(model: ModelFolder) -> None:
    """Write `model.json`, then delete the weights files that it no longer names."""
    content = {
        "about": "Leadwise model folder. Research use, not a medical device.",
        "format": FORMAT,
        "recipe": recipe_to_json(model.recipe),
        "classes": model.classes,
        "lead_sets": [_trained_to_json(trained) for trained in model.lead_sets],
        "versions": versions(),
        "training": model.training,
    }
    with atomic_write(model.path / "model.json") as draft:
        draft.write_text(readable(content) + "\n", encoding="utf-8")
    used = {trained.file for trained in model.lead_sets}
    for path in model.path.glob("*.safetensors"):
        if path.name not in used:
            path.unlink()


def _trained_to_json(trained: TrainedSet) -> dict[str, Any]:
    heads = {
        name: {
            "decision": plain(head.decision), "scores": head.scores, "rules": plain(head.rules),
        }
        for name, head in trained.heads.items()
    }  # fmt: skip
    return {**asdict(trained), "heads": heads}


def versions() -> dict[str, str]:
    """Return the versions that weights depend on."""
    return {
        "leadwise": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": str(torch.__version__),
    }


def read_model(path: Path) -> ModelFolder:
    """Read and check `model.json`; weights are checked when they are loaded.

    Raises
    ------
    LeadwiseError
        The folder holds no model, an incomplete one, or one of an unknown format; a field is
        unknown, missing or wrong.
    """
    file = path / "model.json"
    try:
        content = read_json(file)
    except FileNotFoundError as error:
        if not path.is_dir():
            raise LeadwiseError(f"{path}: no such model folder; train a model first") from error
        state = " (its training has not finished)" if (path / "state").is_dir() else ""
        raise LeadwiseError(f"{path}: holds no model.json{state}; train a model first") from error
    version = content.get("format") if isinstance(content, dict) else None
    if version not in (2, FORMAT) or isinstance(version, bool | float):
        raise LeadwiseError(
            f"{file}: has format {shown(version)}, this Leadwise reads 2 and {FORMAT}"
        )
    try:
        if version == 2:
            content = upgraded_model(content)
        read: _Content = typed(_Content, content, "model")
        recipe = recipe_from_json(read.recipe, "model.recipe")
        check_transforms(recipe)
        _check_classes(read.classes, recipe)
        for number, trained in enumerate(read.lead_sets):
            _check_trained(trained, recipe, read.classes, f"model.lead_sets[{number}]")
        if len({trained.leads for trained in read.lead_sets}) < len(read.lead_sets):
            raise LeadwiseError("model.lead_sets: two have the same leads")
    except LeadwiseError as error:
        raise LeadwiseError(f"{file}: {error}; copy the folder again or train again") from error
    return ModelFolder(path, recipe, read.classes, read.lead_sets, read.training)


def _check_classes(classes: Mapping[str, tuple[str, ...]], recipe: Recipe) -> None:
    """Check that each head has its classes, in their order."""
    if list(classes) != [head.name for head in recipe.heads]:
        raise LeadwiseError(
            f"model.classes: are those of {', '.join(classes)}; the recipe's heads are "
            f"{', '.join(head.name for head in recipe.heads)}"
        )
    for head in recipe.heads:
        names = classes[head.name]
        fixed = POLICIES[head.classes]([])  # empty if they depend on the records
        if len(set(names)) < len(names) or (fixed and names != fixed):
            raise LeadwiseError(
                f"model.classes.{head.name}: are not the classes '{head.classes}' of the recipe"
            )


def _check_trained(
    trained: TrainedSet, recipe: Recipe, classes: Mapping[str, tuple[str, ...]], where: str
) -> None:
    """Check a lead set's file name, and try its decisions and rules before the first record."""
    if not _WEIGHTS_FILE.fullmatch(trained.file):
        raise LeadwiseError(f"{where}.file: {shown(trained.file)} is no weights file in the folder")
    if trained.leads not in recipe.lead_sets:
        raise LeadwiseError(f"{where}.leads: are none of the recipe's lead_sets")
    if trained.heads.keys() != classes.keys():
        raise LeadwiseError(f"{where}.heads: must be {', '.join(classes)}")
    for head in recipe.heads:
        fitted, names = trained.heads[head.name], classes[head.name]
        try:
            if not head.dense:
                check_decision(fitted.decision, len(names), recipe)
                labels = np.zeros((1, len(names)), bool)
                combine(labels, np.zeros((1, len(RULES)), np.int8), fitted.rules, names)
        except LeadwiseError as error:
            raise LeadwiseError(f"{where}.heads.{head.name}: {error}") from error


def read_weights(model: ModelFolder, trained: TrainedSet) -> dict[str, torch.Tensor]:
    """Read the weights of a lead set.

    Raises
    ------
    LeadwiseError
        The file is missing, has another sha256, is no safetensors file, or holds NaN or infinity.
    """
    file = model.path / trained.file
    try:
        content = file.read_bytes()
    except OSError as error:
        raise LeadwiseError(f"{file}: cannot be read: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != trained.sha256:
        raise LeadwiseError(
            f"{file}: is not the file that model.json describes (sha256 differs); copy the folder "
            "again or train again"
        )
    try:
        weights: dict[str, torch.Tensor] = load(content)
    except (SafetensorError, *FAILURES, TypeError) as error:
        raise LeadwiseError(f"{file}: is no safetensors file: {one_line(error)}") from error
    for name, weight in weights.items():
        if weight.is_floating_point() and not torch.isfinite(weight.float()).all():
            raise LeadwiseError(f"{file}: {shown(name)} holds NaN or infinity; train again")
    return weights


def halved(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Round weights to float16; loading converts them back to float32."""
    return {name: one.half() if one.is_floating_point() else one for name, one in weights.items()}


def load_network(model: ModelFolder, trained: TrainedSet) -> torch.nn.Module:
    """Build the network of a lead set and load its weights.

    Names, shapes and types are compared before the network takes memory.

    Raises
    ------
    LeadwiseError
        As `read_weights`, or the recipe's network cannot be built, or the weights do not fit it.
    """
    expected = skeleton(model.recipe, trained.leads, model.classes).state_dict()
    weights, file = read_weights(model, trained), model.path / trained.file
    faults = [
        *(f"missing {name}" for name in expected if name not in weights),
        *(f"unknown {shown(name)}" for name in weights if name not in expected),
        *(
            f"{name} is {_described(weights[name])}, not {_described(one)}"
            for name, one in expected.items()
            if name in weights and not _fits(weights[name], one)
        ),
    ]
    if faults:
        more = f"; {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise LeadwiseError(
            f"{file}: does not fit its recipe: {'; '.join(faults[:SHOWN])}{more}; train again"
        )
    network = build(model.recipe, trained.leads, model.classes)
    network.load_state_dict(weights, strict=True)
    return network


def _fits(weight: torch.Tensor, expected: torch.Tensor) -> bool:
    """Compare shape and type; weights may be rounded to float16 (`halved`)."""
    rounded = weight.dtype == torch.float16 and expected.is_floating_point()
    return weight.shape == expected.shape and (rounded or weight.dtype == expected.dtype)


def _described(weight: torch.Tensor) -> str:
    return f"{str(weight.dtype).removeprefix('torch.')} {tuple(weight.shape)}"
