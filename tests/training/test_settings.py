"""Settings are read from the environment, and what is odd is said."""

import pytest
import torch

from ecg import LeadwiseError
from training.settings import VARIABLES, Settings, precision_of, read_settings


def test_nothing_set_leaves_all_to_the_recipe() -> None:
    assert read_settings({"PATH": "/bin", "LEADWISE_MINUTES": " "}) == Settings()


def test_all_can_be_set() -> None:
    settings = read_settings(
        {name: str(entry.metadata["example"]) for name, entry in VARIABLES.items()}
    )
    assert settings == Settings(
        "house-pair", 30.0, (12, 2), "cpu", "float32", 2, "cache", 0, 75, "8", "model"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("MINUTES", "soon"), ("MINUTES", "-1"), ("MINUTES", "nan"), ("LEADS", "5"),
     ("LEADS", "2,2"), ("PRECISION", "half"), ("EPOCHS", "0"), ("WORKERS", "x"), ("SEED", "1.5")],
)  # fmt: skip
def test_a_value_that_cannot_be_is_answered_with_an_example(name: str, value: str) -> None:
    with pytest.raises(LeadwiseError, match=f"LEADWISE_{name}={value}: .* for example LEADWISE_"):
        read_settings({f"LEADWISE_{name}": value})


def test_an_unknown_setting_is_answered_with_the_known_ones() -> None:
    with pytest.raises(LeadwiseError, match="unknown setting LEADWISE_MINUTE; known are LEADWISE"):
        read_settings({"LEADWISE_MINUTE": "3"})


def test_a_processor_computes_in_bfloat16_only_where_it_is_asked_to() -> None:
    cpu = torch.device("cpu")
    assert precision_of(Settings(), cpu) == "float32"
    assert precision_of(Settings(precision="bfloat16"), cpu) == "bfloat16"
