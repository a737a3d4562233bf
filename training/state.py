"""The state of a training, from which an interrupted one is resumed: one file per lead set.

Each step makes its random generator from counters (`generator_of`), so the state holds none.  The
file has a checksum of its content.  The state of another training is set aside, not overwritten.
"""

import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ecg.files import atomic_write, make_folder
from ecg.progress import log


@dataclass
class TrainingState:
    """The training of one lead set, after an epoch or within one.

    `key` holds all that the weights depend on; `network`, `best`, `optimiser` and `ema` are tensors
    by name; `history` has one row, and `step_losses` the loss of each step, of finished epochs.
    `step` and `losses` are those of the unfinished epoch.
    """

    key: dict[str, str]
    epoch: int = 0
    step: int = 0
    used_s: float = 0.0
    finished: bool = False
    losses: list[dict[str, float]] = field(default_factory=list)
    history: list[dict[str, float]] = field(default_factory=list)
    step_losses: list[float] = field(default_factory=list)
    best_epoch: int = 0
    network: dict[str, torch.Tensor] = field(default_factory=dict)
    best: dict[str, torch.Tensor] = field(default_factory=dict)
    optimiser: dict[str, torch.Tensor] = field(default_factory=dict)
    ema: dict[str, torch.Tensor] = field(default_factory=dict)

    @property
    def scores(self) -> list[float]:
        """Validation score of each epoch."""
        return [row["score"] for row in self.history]

    @property
    def started(self) -> bool:
        """Whether at least one step is finished."""
        return self.epoch > 0 or self.step > 0

    @property
    def position(self) -> str:
        """Describe where the training continues."""
        if self.step:
            return f"after step {self.step} of epoch {self.epoch + 1}"
        return f"after epoch {self.epoch}"


LEGIBLE = 32  # characters; longer values, such as hashes, are not shown
SET_ASIDE = "set-aside"  # folder in the model folder
# How to train again with the value of a set-aside state.
WAYS = {
    "threads": "OMP_NUM_THREADS={}",
    "device": "--device {}",
    "precision": "--precision {}",
    "recipe: epochs": "--epochs {}",
    "recipe: seed": "--seed {}",
    "recipe: name": "--recipe {}",
    "version of leadwise": "Leadwise {}",
    "version of python": "Python {}",
    "version of numpy": "NumPy {}",
    "version of torch": "PyTorch {}",
}
_TENSORS = ("network", "best", "optimiser", "ema")


def save_state(path: Path, state: TrainingState) -> None:
    """Write a state atomically."""
    tensors = {
        f"{group}/{name}": tensor.detach().cpu().contiguous()
        for group in _TENSORS
        for name, tensor in getattr(state, group).items()
    }
    rest = json.dumps({key: value for key, value in vars(state).items() if key not in _TENSORS})
    content = save(tensors, metadata={"state": rest, "checksum": _checksum(rest, tensors)})
    with atomic_write(path) as draft:
        draft.write_bytes(content)


def _checksum(rest: str, tensors: Mapping[str, torch.Tensor]) -> str:
    digest = hashlib.sha256(rest.encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()


def load_state(path: Path, key: dict[str, str]) -> TrainingState:
    """Read a state, or return a new one.

    A damaged state is not used.  One with another key (data, recipe, device, threads, versions)
    would lead to other weights; it is moved to the folder `set-aside` of the model folder, and the
    log names the differences and how to continue with it.
    """
    try:
        state = _read_state(path)
    except FileNotFoundError:
        return TrainingState(key)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, AttributeError):
        log(f"{path}: the state of an earlier training is damaged; this lead set is trained again.")
        return TrainingState(key)
    if state.key != key:
        _set_aside(path, state.key, key)
        return TrainingState(key)
    return state


def _read_state(path: Path) -> TrainingState:
    """Read a state and check its content; raise one of several errors if it is damaged."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
    if metadata["checksum"] != _checksum(metadata["state"], tensors):
        raise ValueError("the checksum differs")
    state = TrainingState(**json.loads(metadata["state"]))
    for name, tensor in tensors.items():
        group, _, inner = name.partition("/")
        getattr(state, group)[inner] = tensor
    return state


def _set_aside(path: Path, old: Mapping[str, str], new: Mapping[str, str]) -> None:
    """Move a state out of the way, and log what differs and how to continue with it."""
    folder = path.parent.parent / SET_ASIDE
    make_folder(folder)
    names = (folder / f"{path.stem}.{number}{path.suffix}" for number in count(1))
    kept = next(name for name in names if not name.exists())
    path.rename(kept)
    differing = [part for part in sorted(old.keys() | new.keys()) if old.get(part) != new.get(part)]
    known = [part for part in differing if part in WAYS and part in old]
    ways = [WAYS[part].format(old[part].strip('"')) for part in known]
    others = [part for part in differing if part not in known]
    with_what = [*ways, *([f"the earlier {', '.join(others)}"] if others else [])]
    log(
        f"{path}: the state of an earlier training differs in "
        f"{', '.join(_differences(old, new, differing))}; this lead set is trained again. The "
        f"earlier state is kept: to continue with it, stop this training, move {kept} back to "
        f"{path}, and train with {', '.join(with_what)}."
    )


def _differences(
    old: Mapping[str, str], new: Mapping[str, str], differing: list[str]
) -> Iterator[str]:
    """Yield the entries in which two keys differ, with their values if they are short."""
    for part in differing:
        before, now = str(old.get(part)), str(new.get(part))
        readable = max(len(before), len(now)) < LEGIBLE
        yield f"{part} ({before}, now {now})" if readable else part


def kept_states(model_folder: Path) -> str:
    """Describe what an interrupted training has kept on disk, and what the next start does."""
    state = model_folder / "state"
    found = []
    for path in sorted(state.glob("*.safetensors")):
        try:
            with safe_open(path, "np") as file:
                known = json.loads(file.metadata()["state"])
            one = TrainingState(**known)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            continue
        done = "is trained" if one.finished else f"continues {one.position}"
        found.append(f"{path.stem} {done}")
    if found:
        return f"The same command goes on: {'; '.join(found)}."
    if any(state.glob("signals-*.json")):
        return (
            "No epoch has finished: the same command starts the training over with the prepared "
            "signals."
        )
    return "Nothing is kept: the same command starts over."


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Return an optimiser's state as tensors by name.

    Moments are `3/exp_avg`; counters are `group 0/step` or, outside the groups, `k`.
    """
    content = optimiser.state_dict()
    tensors = {}
    for owner, value in content["state"].items():
        moments = value if isinstance(value, Mapping) else {"": value}
        for name, moment in moments.items():
            tensors[f"{owner}/{name}"] = torch.as_tensor(moment).clone()
    for number, group in enumerate(content["param_groups"]):
        if "step" in group:
            tensors[f"group {number}/step"] = torch.tensor(group["step"])
    return tensors


def restore_optimiser(
    optimiser: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]
) -> None:
    """Restore an optimiser's state from `optimiser_tensors`."""
    state: dict[int | str, Any] = {}
    groups = optimiser.state_dict()["param_groups"]
    for key, tensor in tensors.items():
        owner, _, name = key.partition("/")
        if owner.startswith("group "):
            groups[int(owner.removeprefix("group "))][name] = int(tensor)
        elif name:
            state.setdefault(int(owner), {})[name] = tensor
        else:
            state[owner] = tensor
    optimiser.load_state_dict({"state": state, "param_groups": groups})


def number_of(*counters: int | str) -> int:
    """Hash counters (seed, purpose, epoch, step) to a seed below 2³²."""
    return zlib.crc32(repr(counters).encode())


def generator_of(*counters: int | str) -> np.random.Generator:
    """Make the generator of these counters; equal counters give equal numbers."""
    return np.random.default_rng(number_of(*counters))
