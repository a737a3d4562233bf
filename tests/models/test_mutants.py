"""Mutants of model.json, recipe files and weights files end in a sentence or load, quickly."""

import copy
import hashlib
import json
import random
import shutil
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecg import LeadwiseError
from models import find
from models.model import Model
from models.recipe import recipe_to_json
from models.recipe_file import read_recipe
from tests.conftest import small
from training.checks import check_recipe, try_batch

MUTANTS = 300
SLOWEST_S = 5.0
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 3, 7, 0.5, -0.5, 1e9, -1e9, 1e300, 10**30, float("nan"),
    float("inf"), "", "x", "\u001b[31m", "1", "bce", [], [1], [[1]], ["I"], {}, {"name": "x"},
    {"name": 1}, {"x": 1},
)  # fmt: skip


def places(content: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each container with each of its keys or indices."""
    if isinstance(content, dict | list):
        for key in list(content) if isinstance(content, dict) else range(len(content)):
            yield content, key
            yield from places(content[key])


def mutate(content: Any, draw: random.Random) -> None:
    """Change one place: another value, a scaled number, a removed, renamed or copied field."""
    holder, key = draw.choice(list(places(content)))
    value, how = holder[key], draw.randrange(5)
    if how == 0 and isinstance(holder, dict):
        holder[f"{key}x"] = holder.pop(key)
    elif how == 1:
        del holder[key]
    elif how == 2 and isinstance(value, int | float):
        holder[key] = value * draw.choice([-1, 10, 1000, 1e6])
    elif how == 3 and isinstance(holder, dict):
        holder[key] = copy.deepcopy(holder[draw.choice(list(holder))])
    else:
        holder[key] = draw.choice(VALUES)


def refused(work: Callable[[], object]) -> bool:
    """Do something that may be refused, by a LeadwiseError of one printable line, within 5 s."""
    started, text = time.process_time(), ""
    try:
        work()
    except LeadwiseError as error:
        text = str(error)
    assert time.process_time() - started < SLOWEST_S
    assert text.isprintable(), repr(text)
    assert len(text) < 2000
    return bool(text)


@pytest.fixture
def folder(model_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model_folder, tmp_path / "copy"))


def test_mutants_of_a_model_description(folder: Path) -> None:
    file, count = folder / "model.json", 0
    good = json.loads(file.read_text())
    good["lead_sets"] = good["lead_sets"][-1:]
    for seed in range(MUTANTS):
        content = copy.deepcopy(good)
        mutate(content, random.Random(seed))
        file.write_text(json.dumps(content))
        count += refused(lambda: Model.load(folder))
    assert MUTANTS / 2 < count < MUTANTS


@pytest.mark.parametrize("name", ["house-pair", "dualnet-house", "revenger-nc-se"])
def test_mutants_of_a_recipe(name: str, tmp_path: Path) -> None:
    file, count = tmp_path / "mine.json", 0
    good = recipe_to_json(small(find(name)))
    for seed in range(MUTANTS // 3):
        content = json.loads(json.dumps(good))
        mutate(content, random.Random(seed))
        file.write_text(json.dumps(content))

        def check() -> None:
            recipe = read_recipe(file)
            check_recipe(recipe)
            try_batch(recipe)

        count += refused(check)
    assert MUTANTS / 6 < count < MUTANTS / 3


def test_mutants_of_a_weights_file_with_its_right_sha256(folder: Path) -> None:
    description = json.loads((folder / "model.json").read_text())
    entry = description["lead_sets"] = description["lead_sets"][-1:]
    weights, count = folder / entry[0]["file"], 0
    content = weights.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header, values = content[8 : 8 + size], content[8 + size :]
    for seed in range(MUTANTS):
        draw = random.Random(seed)
        if seed % 2:
            changed = json.loads(header)
            mutate(changed, draw)
            text = json.dumps(changed).encode()
        else:
            changed = bytearray(header)
            changed[draw.randrange(size)] = draw.randrange(256)
            text = bytes(changed)
        stated = draw.choice([len(text)] * 8 + [0, 2**40])
        weights.write_bytes(struct.pack("<Q", stated) + text + values)
        entry[0]["sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
        (folder / "model.json").write_text(json.dumps(description))
        count += refused(lambda: Model.load(folder))
    assert MUTANTS / 2 < count < MUTANTS


def test_weights_that_are_not_finite_are_refused(folder: Path) -> None:
    description = json.loads((folder / "model.json").read_text())
    weights = folder / description["lead_sets"][0]["file"]
    content = weights.read_bytes()
    for value in (np.nan, np.inf):
        weights.write_bytes(content[:-4] + np.float32(value).tobytes())
        sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
        description["lead_sets"][0]["sha256"] = sha256
        (folder / "model.json").write_text(json.dumps(description))
        with pytest.raises(LeadwiseError, match=f"{weights.name}: '.*' holds NaN or infinity"):
            Model.load(folder)
