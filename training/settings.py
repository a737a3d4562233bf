"""Settings: what the contract's command lines leave no room for, as `LEADWISE_…` variables."""

import os
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from ecg import LeadwiseError
from ecg.leads import LEAD_SETS

if TYPE_CHECKING:
    import torch

DEFAULT_RECIPE = "house-pair"
PRECISIONS = ("float32", "bfloat16")


def _setting(default: Any, said: str, example: str) -> Any:
    return field(default=default, metadata={"said": said, "example": example})


@dataclass(frozen=True)
class Settings:
    """How to train; None leaves the choice to the recipe or the machine.

    `LEADWISE_` and the field's name in capitals is the environment variable; our own
    `train_model.py` takes the same as options (`--minutes 30`).
    """

    recipe: str = _setting(
        DEFAULT_RECIPE, "which recipe to train: its name, or a file NAME.json that holds it",
        DEFAULT_RECIPE,
    )  # fmt: skip
    minutes: float | None = _setting(None, "budget for all lead sets together, in minutes", "30")
    leads: tuple[int, ...] | None = _setting(None, "lead sets to train, by their size", "12,2")
    device: str | None = _setting(None, "where to compute: cpu, cuda, cuda:1", "cpu")
    precision: str | None = _setting(
        None, "of training steps: float32, or bfloat16, the default on a GPU that has it", "float32"
    )
    workers: int | None = _setting(None, "processes that read records", "2")
    cache: str | None = _setting(
        None, "folder for the prepared signals, kept there for the next time", "cache"
    )
    seed: int | None = _setting(None, "where all random numbers begin", "0")
    epochs: int | None = _setting(None, "passes over the training part, at most", "75")
    validation: str | None = _setting(
        None, "fold of the data folder's folds.tsv to choose on; the rest is trained on", "8"
    )
    begin: str | None = _setting(
        None, "model folder whose networks training begins with, all but their last layers", "model"
    )


VARIABLES: dict[str, Field[Any]] = {
    f"LEADWISE_{entry.name.upper()}": entry for entry in fields(Settings)
}


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings from the environment.

    Raises
    ------
    LeadwiseError
        A variable of ours is unknown or its value cannot be read; an empty one is as if not set.
    """
    given = {
        name: text
        for name, text in environment.items()
        if name.startswith("LEADWISE_") and text.strip()
    }
    unknown = sorted(set(given) - set(VARIABLES))
    if unknown:
        raise LeadwiseError(f"unknown setting {unknown[0]}; known are {', '.join(VARIABLES)}")
    values: dict[str, Any] = {}
    for name, text in given.items():
        entry = VARIABLES[name]
        try:
            values[entry.name] = _READERS[entry.name](text.strip())
        except ValueError as error:
            example = entry.metadata["example"]
            raise LeadwiseError(
                f"{name}={text}: {entry.metadata['said']}; for example {name}={example}"
            ) from error
    return Settings(**values)


def _positive_int(text: str) -> int:
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


def _positive(text: str) -> float:
    if not 0 < float(text) < float("inf"):
        raise ValueError(text)
    return float(text)


def _lead_set_sizes(text: str) -> tuple[int, ...]:
    sizes = tuple(int(word) for word in text.split(","))
    if not set(sizes) <= LEAD_SETS.keys() or len(set(sizes)) < len(sizes):
        raise ValueError(text)
    return sizes


def _word(text: str) -> str:
    if not text:
        raise ValueError(text)
    return text


def _precision(text: str) -> str:
    if text not in PRECISIONS:
        raise ValueError(text)
    return text


_READERS: dict[str, Callable[[str], Any]] = {
    "recipe": _word,
    "minutes": _positive,
    "leads": _lead_set_sizes,
    "device": _word,
    "precision": _precision,
    "workers": _positive_int,
    "cache": _word,
    "seed": int,
    "epochs": _positive_int,
    "validation": _word,
    "begin": _word,
}


def device_of(settings: Settings) -> "torch.device":
    """Choose the device: as set, else a GPU where there is one, else the CPU.

    Raises
    ------
    LeadwiseError
        There is no such device.
    """
    import torch

    try:
        device = torch.device(settings.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise LeadwiseError(f"device {settings.device} cannot be used: {error}") from error
    return device


def precision_of(settings: Settings, device: "torch.device") -> str:
    """Choose the precision of training steps: as set, else bfloat16 on a GPU that computes in it.

    On a processor bfloat16 has to be asked for: it is quicker where the processor has it (AVX-512
    BF16, AMX) and much slower where it has not.
    """
    import torch

    has_it = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return settings.precision or ("bfloat16" if has_it else "float32")


def workers_of(settings: Settings) -> int:
    """Choose how many processes read records: as set, else one a processor that we may use."""
    return settings.workers or len(os.sched_getaffinity(0))
