"""Simulated records, recipes of small networks and trained models, made once per run."""

import mmap
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from torch import nn

from ecg.labels import AF_LETTERS, CODES, POLICIES
from ecg.records import write_record
from models import recipes_by_name
from models.folder import FittedHead, ModelFolder, TrainedSet, write_model, write_weights
from models.model import Model
from models.recipe import Recipe, part, vary
from simulate import simulate, write_records
from simulate import write_records as write_simulated  # noqa: F401 - for test_guard
from training.mapped import MappedArrays, map_file

# No deadline per example: a busy machine exceeds hypothesis's 200 ms.
settings.register_profile("leadwise", deadline=None)
settings.load_profile("leadwise")

# One small size per system, for all its networks, so that the contract runs on each in seconds.
SMALL_NETWORKS = {
    "isibrno2020": {"widths": (8, 8, 8, 8, 16), "units": 8, "dropout": 0.1, "context_dropout": 0.1},
    "revenger2021": {"width_divisor": 8},
    "house2026": {"widths": (8, 8, 16), "blocks": (1, 1, 1)},
    "dualnet2017": {"widths": (8, 8, 32, 32, 32)},
    "heartly2021": {
        "encoder": (16,) * 7,
        "decoder": (16,) * 6,
        "latents": 2,
        "width": 8,
        "heads": 2,
    },
}


def small(recipe: Recipe) -> Recipe:
    """Return a recipe with its network in its system's smallest size."""
    options = {**recipe.network.options, **SMALL_NETWORKS.get(recipe.system, {})}
    if "padded" in options:
        options["padded"] = 2240  # samples; the published 18,000 take a hundred times as long
    network = part(recipe.network.name, **options)
    sampling = recipe.sampling
    if "others" in sampling.options:  # records drawn per epoch, by the thousand
        sampling = part(sampling.name, **{**sampling.options, "others": 24})
    # Simulated records are short, and of one source.
    return vary(
        recipe, network=network, sampling=sampling, batch=16, epochs=2, leave_out=(),
        split=part("stratified"),
    )  # fmt: skip


def save_untrained(recipe: Recipe, network: nn.Module, folder: Path) -> Model:
    """Write a network of the recipe's first lead set as a model folder, and load it."""
    leads = recipe.lead_sets[0]
    file, sha256 = write_weights(folder, "weights", network.state_dict())
    classes = {head.name: POLICIES[head.classes]([]) or tuple(CODES) for head in recipe.heads}
    heads = {head.name: FittedHead(part("highest"), {}) for head in recipe.heads}
    write_model(ModelFolder(folder, recipe, classes, (TrainedSet(leads, file, sha256, 1, heads),)))
    return Model.load(folder)


def draw_norms(network: nn.Module) -> None:
    """Draw statistics, scales and shifts of all norms, which are initialised as 0 and 1."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
        if isinstance(module, nn.BatchNorm2d | nn.GroupNorm | nn.LayerNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)


def mapped_arrays(records: Sequence[np.ndarray], path: Path | None = None) -> MappedArrays:
    """Return records of one dtype as the cache holds them, in memory or mapped from a file."""
    content: mmap.mmap | bytes = b"".join(record.tobytes() for record in records)
    if path:
        path.write_bytes(content)
        content = map_file(path)
    lengths = np.array([record.shape[1] for record in records])
    return MappedArrays(content, records[0].dtype.type, len(records[0]), lengths)


AF_CODES = {"N": "NSR", "A": "AF", "O": "SB"}  # diagnosis of a simulated record of 2017; ~ is noise


def single_lead(recipe: Recipe) -> Recipe:
    """Return a recipe that predicts 2017's four classes from one lead."""
    return vary(
        recipe, lead_sets=(("ECG",),), classes="af", exclusive=True, decision="highest",
        rules="off", metric="af_accuracy", loss=part("bce"),
    )  # fmt: skip


def write_2017(folder: Path, records: int) -> None:
    """Write simulated records of 9 s of one lead, and their REFERENCE.csv."""
    letters = (AF_LETTERS * records)[:records]
    for number, letter in enumerate(letters, 1):
        if letter in AF_CODES:
            codes = (AF_CODES[letter],)
            signal = simulate(codes, seed=number, duration_s=9.0, fs=300.0, leads=["I"]).signal
        else:
            signal = np.random.default_rng(number).normal(scale=0.5, size=(1, 2700))
        write_record(folder, f"A{number:05d}", signal, ["ECG"], 300.0)
    rows = "".join(f"A{number:05d},{letter}\n" for number, letter in enumerate(letters, 1))
    (folder / "REFERENCE.csv").write_text(rows)


def _forget_settings() -> None:
    for name in [name for name in os.environ if name.startswith("LEADWISE_")]:
        del os.environ[name]


_forget_settings()


@pytest.fixture(autouse=True)
def _no_settings_from_outside() -> Iterator[None]:
    """Forget what commands set in the environment, before fixtures of all tests would read it."""
    yield
    _forget_settings()


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


@pytest.fixture(scope="session")
def folder_2017(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 simulated records of one lead at 300 Hz, six of each class."""
    folder = tmp_path_factory.mktemp("training2017")
    write_2017(folder, 24)
    return folder


@pytest.fixture(scope="session")
def model_2017(folder_2017: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of these records' four classes, trained by `team_code` on a small network."""
    import team_code

    folder = tmp_path_factory.mktemp("model2017")
    with pytest.MonkeyPatch.context() as patch:
        recipe = single_lead(small(recipes_by_name()["house-resnet"]))
        patch.setattr("training.data.find", lambda name: recipe)
        team_code.training_code(str(folder_2017), str(folder))
    return folder
