"""The state of a training, from which an interrupted one is resumed: one file.

Each step makes its random generator from counters (`generator_of`), so the state holds none.
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
class TrainingState:
    """The training of one lead set after an epoch.

    `key` holds all that the weights depend on; `network`, `best`, `optimiser` and `ema` are tensors
    by name; `history` has one row per epoch.
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
    ema: dict[str, torch.Tensor] = field(default_factory=dict)

    @property
    def scores(self) -> list[float]:
        """Validation score of each epoch."""
        return [row["score"] for row in self.history]


LEGIBLE = 32  # characters; longer values, such as hashes, are not shown
_TENSORS = ("network", "best", "optimiser", "ema")


def save_state(path: Path, state: TrainingState) -> None:
    """Write a state atomically."""
    tensors = {
        f"{group}/{name}": tensor.detach().cpu().contiguous()
        for group in _TENSORS
        for name, tensor in getattr(state, group).items()
    }
    rest = {key: value for key, value in vars(state).items() if key not in _TENSORS}
    content = save(tensors, metadata={"state": json.dumps(rest)})
    with atomic_write(path) as draft:
        draft.write_bytes(content)


def load_state(path: Path, key: dict[str, str]) -> TrainingState:
    """Read a state, or return a new one.

    A damaged state is not used, nor one with another key (data, recipe, device, threads, versions),
    since it would lead to other weights.  The log names the difference.
    """
    try:
        with safe_open(path, "pt") as file:
            rest = json.loads(file.metadata()["state"])
            if rest["key"] == key:
                state = TrainingState(**rest)
                for name in file.keys():  # noqa: SIM118 - a safetensors file is no dict
                    group, _, inner = name.partition("/")
                    getattr(state, group)[inner] = file.get_tensor(name)
                return state
            reason = f"differs in {', '.join(_differences(rest['key'], key))}"
    except FileNotFoundError:
        return TrainingState(key)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, AttributeError):
        reason = "is damaged"
    log(f"{path}: the state of an earlier training {reason}; this lead set is trained again.")
    return TrainingState(key)


def _differences(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    """Yield the entries in which two keys differ, with their values if they are short."""
    for part in sorted(old.keys() | new.keys()):
        before, now = str(old.get(part)), str(new.get(part))
        if before != now:
            readable = max(len(before), len(now)) < LEGIBLE
            yield f"{part} ({before}, now {now})" if readable else part


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Return an optimiser's moments as tensors by name: `3/exp_avg`."""
    return {
        f"{number}/{name}": torch.as_tensor(value).clone()
        for number, moments in optimiser.state_dict()["state"].items()
        for name, value in moments.items()
    }


def restore_optimiser(
    optimiser: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]
) -> None:
    """Restore an optimiser's moments."""
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
    """Make the generator of these counters; equal counters give equal numbers."""
    return np.random.default_rng(number_of(*counters))
