"""Simulated records and a small trained model, made once a run."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

from ecg.simulate import write_records
from models import recipes_by_name
from models.recipe import Recipe, part

# One small size a system, for all its networks, so that the whole contract runs on each in seconds.
SMALL_NETWORKS = {
    "isibrno2020": {"widths": (8, 8, 8, 8, 16), "units": 8, "dropout": 0.1, "context_dropout": 0.1},
    "revenger2021": {"narrow": 8},
    "house2026": {"widths": (8, 8, 16), "blocks": (1, 1, 1)},
    "dualnet2017": {"widths": (8, 8, 32, 32, 32)},
}


def small(recipe: Recipe) -> Recipe:
    """A recipe with its network in its system's smallest size."""
    options = {**recipe.network.options, **SMALL_NETWORKS[recipe.system]}
    if "padded" in options:
        options["padded"] = 2240  # samples; the published 18,000 take a hundred times as long
    network = part(recipe.network.name, **options)
    return replace(recipe, network=network, batch=16, epochs=2)


def draw_norms(network: nn.Module) -> None:
    """Draw statistics, scales and shifts of all norms, which begin as 0 and 1."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
        if isinstance(module, nn.BatchNorm2d | nn.GroupNorm | nn.LayerNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("LEADWISE_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def simulated_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 simulated records of 3 s at 250 Hz."""
    folder = tmp_path_factory.mktemp("simulated")
    write_records(folder, 48, seed=3, duration_s=3.0, fs=250.0)
    return folder


@pytest.fixture(scope="session")
def model_folder(simulated_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the five lead sets, trained by `team_code` for one epoch on a small network."""
    import team_code

    folder = tmp_path_factory.mktemp("model")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.data.find", lambda name: small(recipes_by_name()["isibrno-basic"]))
        patch.setenv("LEADWISE_EPOCHS", "1")
        team_code.training_code(str(simulated_folder), str(folder))
    return folder
