"""State: what an interrupted training needs to go on, in one file, written aside and renamed.

Randomness is counter-based (`generator_of`), so no generator's history belongs to it.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ecg.files import aside


@dataclass
class State:
    """Where the training of one lead set stands after an epoch.

    `network`, `best` and `optimiser` are tensors by name; `history` has one row an epoch.
    """

    key: str
    epoch: int = 0
    used_s: float = 0.0
    finished: bool = False
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    thresholds: list[float] = field(default_factory=list)
    network: dict[str, torch.Tensor] = field(default_factory=dict)
    best: dict[str, torch.Tensor] = field(default_factory=dict)
    optimiser: dict[str, torch.Tensor] = field(default_factory=dict)


_TENSORS = ("network", "best", "optimiser")


def save_state(path: Path, state: State) -> None:
    """Write a state; whoever reads meets the old one or the new one, never half of either."""
    tensors = {
        f"{group}/{name}": tensor.detach().cpu().contiguous()
        for group in _TENSORS
        for name, tensor in getattr(state, group).items()
    }
    rest = {key: value for key, value in vars(state).items() if key not in _TENSORS}
    with aside(path) as draft:
        save_file(tensors, draft, metadata={"state": json.dumps(rest)})


def load_state(path: Path, key: str) -> State | None:
    """Read a state; None where there is none, or one of other data or another recipe."""
    try:
        with safe_open(path, "pt") as file:
            rest = json.loads(file.metadata()["state"])
            if rest["key"] != key:
                return None
            state = State(**rest)
            for name in file.keys():  # noqa: SIM118 - a safetensors file is no dict
                group, _, inner = name.partition("/")
                getattr(state, group)[inner] = file.get_tensor(name)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None
    return state


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
