"""The model folder: what training leaves and answering needs, written aside, never unpickled.

`model.json` names the recipe, the classes and, for each lead set, its weights file with sha256,
decision, rules and scores.  Weights are safetensors, named by their content, so that an unfinished
training never spoils a finished one: `model.json` changes last.
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
from models.recipe import Part, Recipe, frozen, plain, recipe_from_json, recipe_to_json
from models.rules import combine

FORMAT = 2
_WEIGHTS_FILE = re.compile(r"[\w-]+\.safetensors")  # of this folder: no way out of it


@dataclass(frozen=True)
class TrainedSet:
    """What training brought for one lead set.

    `file` is its weights file, `sha256` that file's; `decision` (of `models.decision`)
    turns probabilities into labels, which `rules` (of `models.rules`) then join; `scores` are those
    of the validation part at the kept epoch.
    """

    leads: tuple[str, ...]
    file: str
    sha256: str
    decision: Part
    epoch: int
    scores: dict[str, float]
    rules: tuple[Part, ...] = ()


@dataclass(frozen=True)
class ModelFolder:
    """The content of `model.json`.

    `training` tells where the model comes from: data fingerprint, records, device, command and
    minutes.
    """

    path: Path
    recipe: Recipe
    classes: tuple[str, ...]
    lead_sets: tuple[TrainedSet, ...]
    training: dict[str, Any] = field(default_factory=dict)


def write_weights(folder: Path, name: str, weights: Mapping[str, torch.Tensor]) -> tuple[str, str]:
    """Write the weights of a lead set; give file name and sha256."""
    content = save({key: value.detach().cpu().contiguous() for key, value in weights.items()})
    sha256 = hashlib.sha256(content).hexdigest()
    file = f"{name}-{sha256[:8]}.safetensors"
    with atomic_write(folder / file) as draft:
        draft.write_bytes(content)
    return file, sha256


def write_model(model: ModelFolder) -> None:
    """Write `model.json`, then remove weights that no lead set uses any more."""
    content = {
        "about": "Leadwise model folder. Research use, not a medical device.",
        "format": FORMAT,
        "recipe": recipe_to_json(model.recipe),
        "classes": model.classes,
        "lead_sets": [
            {
                **asdict(trained),
                "decision": plain(trained.decision),
                "rules": plain(trained.rules),
            }
            for trained in model.lead_sets
        ],
        "versions": versions(),
        "training": model.training,
    }
    with atomic_write(model.path / "model.json") as draft:
        draft.write_text(_readable(content) + "\n", encoding="utf-8")
    used = {trained.file for trained in model.lead_sets}
    for path in model.path.glob("*.safetensors"):
        if path.name not in used:
            path.unlink()


def _readable(content: Any) -> str:
    """Write JSON indented, but lists and objects of numbers and words in one line."""
    text = json.dumps(content, indent=1, ensure_ascii=False)
    return re.sub(r"[\[{][^\[\]{}]*[\]}]", lambda found: re.sub(r"\s*\n\s*", " ", found[0]), text)


def versions() -> dict[str, str]:
    """Name the versions that weights depend on."""
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
        The folder holds no model, half of one, or one of another format.
    """
    file = path / "model.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        state = " (its training has not finished)" if (path / "state").is_dir() else ""
        raise LeadwiseError(f"{path}: holds no model.json{state}; train a model first") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise LeadwiseError(f"{file}: cannot be read ({error}); train again") from error
    found = content.get("format") if isinstance(content, dict) else None
    if found != FORMAT:
        raise LeadwiseError(f"{file}: has format {found}, this Leadwise reads {FORMAT}")
    try:
        recipe = recipe_from_json(content["recipe"])
        classes = tuple(str(code) for code in content["classes"])
        lead_sets = tuple(_trained_set(entry, classes) for entry in content["lead_sets"])
        training = dict(content["training"])
    except LeadwiseError as error:
        raise LeadwiseError(f"{file}: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise LeadwiseError(f"{file}: a field is missing or odd ({error}); train again") from error
    if not lead_sets:
        raise LeadwiseError(f"{file}: names no trained lead set; train again")
    return ModelFolder(path, recipe, classes, lead_sets, training)


def _trained_set(entry: dict[str, Any], classes: tuple[str, ...]) -> TrainedSet:
    trained = TrainedSet(
        leads=tuple(str(lead) for lead in entry["leads"]),
        file=str(entry["file"]),
        sha256=str(entry["sha256"]),
        decision=frozen(entry["decision"]),
        epoch=int(entry["epoch"]),
        scores={str(key): float(value) for key, value in entry["scores"].items()},
        rules=tuple(map(frozen, entry.get("rules", []))),  # older folders have none
    )
    parts = (trained.decision, *trained.rules)
    if not _WEIGHTS_FILE.fullmatch(trained.file) or not all(isinstance(p, Part) for p in parts):
        raise ValueError(f"the entry of {len(trained.leads)} leads")
    # Else the first record would tell.
    labels = decide(trained.decision, np.zeros((1, len(classes))))
    combine(labels, np.zeros((1, len(RULES)), np.int8), trained.rules, classes)
    return trained


def read_weights(model: ModelFolder, trained: TrainedSet) -> dict[str, torch.Tensor]:
    """Read the weights of a lead set.

    Raises
    ------
    LeadwiseError
        The file is missing or is not the one that was trained.
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
    """Round weights to float16; a network that loads them takes them as float32 again."""
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
