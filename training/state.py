"""State: what an interrupted training needs to go on, in one file, written aside and renamed.

Randomness is counter-based (`generator_of`), so no generator's history belongs to it.
"""

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ecg.files import atomic_write
from ecg.progress import log


@dataclass
class State:
    """Where the training of one lead set stands after an epoch.

    `key` names all that the weights depend on; `network`, `best`, `optimiser` and `average` are
    tensors by name; `history` has one row an epoch.
    """

    key: dict[str, str]
    epoch: int = 0
    used_s: float = 0.0
    finished: bool = False
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    network: dict[str, torch.Tensor] = field(default_factory=dict)
    best: dict[str, torch.Tensor] = field(default_factory=dict)
    optimiser: dict[str, torch.Tensor] = field(default_factory=dict)
    average: dict[str, torch.Tensor] = field(default_factory=dict)


LEGIBLE = 32  # characters: shorter than a hash
_TENSORS = ("network", "best", "optimiser", "average")


def save_state(path: Path, state: State) -> None:
    """Write a state; whoever reads meets the old one or the new one, never half of either."""
    tensors = {
        f"{group}/{name}": tensor.detach().cpu().contiguous()
        for group in _TENSORS
        for name, tensor in getattr(state, group).items()
    }
    rest = {key: value for key, value in vars(state).items() if key not in _TENSORS}
    content = save(tensors, metadata={"state": json.dumps(rest)})
    with atomic_write(path) as draft:
        draft.write_bytes(content)


def load_state(path: Path, key: dict[str, str]) -> State:
    """Read a state; a fresh one where there is none.

    So it is, and this is said, where the state is damaged or is one of other data, another recipe,
    device, number of threads or version: going on from it would end with other weights.
    """
    try:
        with safe_open(path, "pt") as file:
            rest = json.loads(file.metadata()["state"])
            if rest["key"] == key:
                state = State(**rest)
                for name in file.keys():  # noqa: SIM118 - a safetensors file is no dict
                    group, _, inner = name.partition("/")
                    getattr(state, group)[inner] = file.get_tensor(name)
                return state
            reason = f"differs in {', '.join(_differences(rest['key'], key))}"
    except FileNotFoundError:
        return State(key)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, AttributeError):
        reason = "is damaged"
    log(f"{path}: the state of an earlier training {reason}; this lead set is trained anew.")
    return State(key)


def _differences(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    """Name the parts in which two keys differ, with their values where people can read them."""
    for part in sorted(old.keys() | new.keys()):
        before, now = str(old.get(part)), str(new.get(part))
        if before != now:
            readable = max(len(before), len(now)) < LEGIBLE
            yield f"{part} ({before}, now {now})" if readable else part


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Take an optimiser's moments as tensors by name: `3/exp_avg`."""
    return {
        f"{number}/{name}": torch.as_tensor(value).clone()
        for number, moments in optimiser.state_dict()["state"].items()
        for name, value in moments.items()
    }


def restore_optimiser(
    optimiser: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]
) -> None:
    """Give an optimiser its moments back."""
    moments: dict[int, dict[str, Any]] = {}
    for key, tensor in tensors.items():
        number, _, name = key.partition("/")
        moments.setdefault(int(number), {})[name] = tensor
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": moments, "param_groups": groups})


def number_of(*counters: int | str) -> int:
    """Hash counters (seed, purpose, epoch, step) to a seed below 2³²."""
    return zlib.crc32(repr(counters).encode())


def generator_of(*counters: int | str) -> np.random.Generator:
    """Make the generator that belongs to these counters; the same ones give the same numbers."""
    return np.random.default_rng(number_of(*counters))
