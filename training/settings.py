"""Settings of a training: environment variables `LEADWISE_…`, since the contract has no options."""

import os
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

from ecg import LeadwiseError
from ecg.leads import LEAD_SETS, Rename, read_rename

DEFAULT_RECIPE = "house-pair"
PRECISIONS = ("float32", "bfloat16")


def positive_int(text: str) -> int:
    """Read a number of at least 1, or raise ValueError."""
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


def _natural(text: str) -> int:
    if int(text) < 0:
        raise ValueError(text)
    return int(text)


def _positive(text: str) -> float:
    if not 0 < float(text) < float("inf"):
        raise ValueError(text)
    return float(text)


def lead_set_sizes(text: str) -> tuple[int, ...]:
    """Read different sizes of the Challenge's lead sets (`12,2`), or raise ValueError."""
    sizes = tuple(int(word) for word in text.split(","))
    if not set(sizes) <= LEAD_SETS.keys() or len(set(sizes)) < len(sizes):
        raise ValueError(text)
    return sizes


def _precision(text: str) -> str:
    if text not in PRECISIONS:
        raise ValueError(text)
    return text


def _setting(read: Callable[[str], Any], help: str, example: str, default: Any = None) -> Any:
    return field(default=default, metadata={"read": read, "help": help, "example": example})


@dataclass(frozen=True)
class Settings:
    """Settings of a training; None: from the recipe, or chosen for the machine.

    The environment variable of a field is `LEADWISE_` and its name in capitals; `train_model.py`
    takes the same settings as options (`--minutes 30`).
    """

    recipe: str = _setting(
        str, "recipe to train: its name, or a file NAME.json", DEFAULT_RECIPE, DEFAULT_RECIPE
    )
    minutes: float | None = _setting(
        _positive, "time budget for all lead sets together, in minutes", "30"
    )
    leads: tuple[int, ...] | None = _setting(
        lead_set_sizes, "lead sets to train, by their size: of 12, 6, 4, 3, 2", "12,2"
    )
    device: str | None = _setting(str, "device: cpu, cuda, cuda:1, mps", "cpu")
    precision: str | None = _setting(
        _precision,
        "precision of training steps: float32, or bfloat16 (default on a GPU that supports it)",
        "float32",
    )
    workers: int | None = _setting(
        positive_int, "number of processes that read records, 1 or more", "2"
    )
    cache: str | None = _setting(
        str, "folder for the prepared signals, which later trainings use again", "cache"
    )
    seed: int | None = _setting(_natural, "seed of all random numbers, 0 or more", "0")
    epochs: int | None = _setting(
        positive_int, "maximum number of epochs, if fewer than the recipe's", "75"
    )
    validation: str | None = _setting(
        str, "validation fold of the data folder's folds.tsv; all others are training folds", "8"
    )
    init_from: str | None = _setting(
        str, "model folder that initialises all weights but those of the last layers", "model"
    )
    rename: Rename | None = _setting(
        read_rename,
        "new names of leads, OLD=NEW,OLD=NEW; NEW is one of I to V6 or ECG, each once",
        "MLII=II,C1=V1",
    )


VARIABLES: dict[str, Field[Any]] = {
    f"LEADWISE_{entry.name.upper()}": entry for entry in fields(Settings)
}
OLD_NAMES = {"LEADWISE_BEGIN": "LEADWISE_INIT_FROM"}  # still read


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings from the environment.

    Raises
    ------
    LeadwiseError
        A `LEADWISE_…` variable is unknown or its value is invalid.  An empty one counts as not set.
    """
    given = {
        name: text
        for name, text in environment.items()
        if name.startswith("LEADWISE_") and text.strip()
    }
    old = {OLD_NAMES[name]: given.pop(name) for name in OLD_NAMES.keys() & given.keys()}
    given = {**old, **given}  # the new name takes precedence
    unknown = sorted(set(given) - set(VARIABLES))
    if unknown:
        raise LeadwiseError(f"unknown setting {unknown[0]}; known are {', '.join(VARIABLES)}")
    values: dict[str, Any] = {}
    for name, text in given.items():
        entry = VARIABLES[name]
        try:
            values[entry.name] = entry.metadata["read"](text.strip())
        except ValueError as error:
            example = entry.metadata["example"]
            raise LeadwiseError(
                f"{name}={text}: {entry.metadata['help']}; for example {name}={example}"
            ) from error
    return Settings(**values)


def workers_of(settings: Settings) -> int:
    """Choose how many processes read records: as set, else one per available processor."""
    if settings.workers:
        return settings.workers
    if hasattr(os, "sched_getaffinity"):  # Linux: fewer than the machine's in a container
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
