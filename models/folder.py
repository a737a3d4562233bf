"""The model folder: output of training, input of prediction.  Nothing in it is unpickled.

`model.json` holds the recipe, the classes of each head and, per lead set, the weights file with its
sha256 and the fitted decisions, rules and scores.  Weights are safetensors whose names contain
their hash, and `model.json` is replaced last, so an interrupted training does not damage a finished
model.
"""

import hashlib
import json
import platform
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save

from ecg import LeadwiseError, __version__
from ecg.files import atomic_write
from ecg.rules import RULES
from models.decision import decide
from models.format2 import upgraded_model
from models.recipe import Head, Part, Recipe, frozen, plain, recipe_from_json, recipe_to_json
from models.rules import combine

FORMAT = 3
_WEIGHTS_FILE = re.compile(r"[\w-]+\.safetensors")  # only files in this folder


@dataclass(frozen=True)
class FittedHead:
    """Decision, rules and validation scores of one head of one lead set.

    `decision` (of `models.decision`) turns probabilities into labels; `rules` (of `models.rules`)
    then change these.
    """

    decision: Part
    scores: dict[str, float]
    rules: tuple[Part, ...] = ()


@dataclass(frozen=True)
class TrainedSet:
    """The trained network of one lead set: weights file, its sha256, best epoch, fitted heads."""

    leads: tuple[str, ...]
    file: str
    sha256: str
    epoch: int
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
        draft.write_text(_readable(content) + "\n", encoding="utf-8")
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


def _readable(content: Any) -> str:
    """Write indented JSON, but each innermost list or object on one line."""
    text = json.dumps(content, indent=1, ensure_ascii=False)
    return re.sub(r"[\[{][^\[\]{}]*[\]}]", lambda match: re.sub(r"\s*\n\s*", " ", match[0]), text)


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
        The folder holds no model, an incomplete one, or one of an unknown format.
    """
    file = path / "model.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if not path.is_dir():
            raise LeadwiseError(f"{path}: no such model folder; train a model first") from error
        state = " (its training has not finished)" if (path / "state").is_dir() else ""
        raise LeadwiseError(f"{path}: holds no model.json{state}; train a model first") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise LeadwiseError(f"{file}: cannot be read ({error}); train again") from error
    version = content.get("format") if isinstance(content, dict) else None
    if version not in (2, FORMAT):
        raise LeadwiseError(f"{file}: has format {version}, this Leadwise reads 2 and {FORMAT}")
    try:
        if version == 2:
            content = upgraded_model(content)
        recipe = recipe_from_json(content["recipe"])
        classes = {name: tuple(map(str, codes)) for name, codes in content["classes"].items()}
        if list(classes) != [head.name for head in recipe.heads]:
            raise ValueError(f"classes of the heads {', '.join(classes)}")
        lead_sets = tuple(_trained_set(entry, recipe, classes) for entry in content["lead_sets"])
        training = dict(content["training"])
    except LeadwiseError as error:
        raise LeadwiseError(f"{file}: {error}") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise LeadwiseError(
            f"{file}: a field is missing or wrong ({error}); train again"
        ) from error
    if not lead_sets:
        raise LeadwiseError(f"{file}: names no trained lead set; train again")
    return ModelFolder(path, recipe, classes, lead_sets, training)


def _trained_set(
    entry: dict[str, Any], recipe: Recipe, classes: Mapping[str, tuple[str, ...]]
) -> TrainedSet:
    trained = TrainedSet(
        leads=tuple(str(lead) for lead in entry["leads"]),
        file=str(entry["file"]),
        sha256=str(entry["sha256"]),
        epoch=int(entry["epoch"]),
        heads={
            head.name: _fitted_head(entry["heads"][head.name], head, classes[head.name])
            for head in recipe.heads
        },
    )
    if not _WEIGHTS_FILE.fullmatch(trained.file):
        raise ValueError(f"the weights file of {len(trained.leads)} leads")
    return trained


def _fitted_head(entry: dict[str, Any], head: Head, classes: tuple[str, ...]) -> FittedHead:
    fitted = FittedHead(
        decision=frozen(entry["decision"]),
        scores={str(key): float(value) for key, value in entry["scores"].items()},
        rules=tuple(map(frozen, entry["rules"])),
    )
    if not all(isinstance(part, Part) for part in (fitted.decision, *fitted.rules)):
        raise ValueError(f"decision or rules of {head.name}")
    if not head.dense:  # find errors before the first record
        labels = decide(fitted.decision, np.zeros((1, len(classes))))
        combine(labels, np.zeros((1, len(RULES)), np.int8), fitted.rules, classes)
    return fitted


def read_weights(model: ModelFolder, trained: TrainedSet) -> dict[str, torch.Tensor]:
    """Read the weights of a lead set.

    Raises
    ------
    LeadwiseError
        The file is missing or has another sha256.
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
    return load(content)


def halved(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Round weights to float16; loading converts them back to float32."""
    return {name: one.half() if one.is_floating_point() else one for name, one in weights.items()}


def load_weights(model: ModelFolder, trained: TrainedSet, network: torch.nn.Module) -> None:
    """Load the weights of a lead set into its network, strictly.

    Raises
    ------
    LeadwiseError
        As `read_weights`, or they do not fit the recipe.
    """
    try:
        network.load_state_dict(read_weights(model, trained), strict=True)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        file = model.path / trained.file
        raise LeadwiseError(f"{file}: does not fit its recipe: {reason}") from error
