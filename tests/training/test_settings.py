"""Settings are read from the environment; invalid ones are errors."""

import os

import pytest
import torch

from ecg import LeadwiseError
from models.device import device_of, precision_of
from training.settings import OLD_NAMES, VARIABLES, Settings, read_settings, workers_of


def test_without_settings_the_recipe_decides() -> None:
    assert read_settings({"PATH": "/bin", "LEADWISE_MINUTES": " "}) == Settings()


def test_all_can_be_set() -> None:
    settings = read_settings(
        {name: str(entry.metadata["example"]) for name, entry in VARIABLES.items()}
    )
    assert settings == Settings(
        "house-pair",
        30.0,
        (12, 2),
        "cpu",
        "float32",
        2,
        "cache",
        0,
        75,
        "8",
        "model",
        (("MLII", "II"), ("C1", "V1")),
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("MINUTES", "soon"), ("MINUTES", "-1"), ("MINUTES", "nan"), ("LEADS", "5"),
     ("LEADS", "2,2"), ("PRECISION", "half"), ("EPOCHS", "0"), ("WORKERS", "x"), ("WORKERS", "0"),
     ("SEED", "1.5"), ("SEED", "-1")],
)  # fmt: skip
def test_the_error_for_an_invalid_value_gives_an_example(name: str, value: str) -> None:
    with pytest.raises(LeadwiseError, match=f"LEADWISE_{name}={value}: .* for example LEADWISE_"):
        read_settings({f"LEADWISE_{name}": value})


def test_the_error_for_an_unknown_setting_lists_the_known_ones() -> None:
    with pytest.raises(LeadwiseError, match="unknown setting LEADWISE_MINUTE; known are LEADWISE"):
        read_settings({"LEADWISE_MINUTE": "3"})


@pytest.mark.parametrize("name", ["mps", "cuda:7", "meta", "best", ""])
def test_a_device_that_cannot_be_used_is_an_error_of_one_line(name: str) -> None:
    if not name:
        assert device_of(name).type in ("cpu", "cuda")
        return
    with pytest.raises(LeadwiseError) as caught:
        device_of(name)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 250
    assert name in text
    assert "use --device cpu" in text or "known are cpu, cuda, mps" in text


def test_workers_are_as_set_else_one_per_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    assert workers_of(Settings(workers=3)) == 3
    assert workers_of(Settings()) == len(os.sched_getaffinity(0))
    monkeypatch.delattr(os, "sched_getaffinity")  # as on macOS
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert workers_of(Settings()) == 5


def test_a_cpu_computes_in_bfloat16_only_if_asked() -> None:
    cpu = torch.device("cpu")
    assert precision_of(None, cpu) == "float32"
    assert precision_of("bfloat16", cpu) == "bfloat16"


def test_the_old_name_of_a_setting_is_still_read_and_the_new_one_takes_precedence() -> None:
    (old, new), *others = OLD_NAMES.items()
    assert (old, new, others) == ("LEADWISE_BEGIN", "LEADWISE_INIT_FROM", [])
    assert read_settings({old: "a"}) == Settings(init_from="a")
    for environment in ({old: "a", new: "b"}, {new: "b", old: "a"}):
        assert read_settings(environment).init_from == "b"
    assert read_settings({old: "a", new: ""}).init_from == "a"
