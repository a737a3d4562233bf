"""The inputs of tests/data/cases, copied, and a model that answers them."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

import run_model
import team_code
from models import find
from training.cache import open_cache
from training.data import labelled_records

CASES = Path(__file__).parents[1] / "data" / "cases"


class Answers(NamedTuple):
    """Exit status, rows of each output after its first, and what was printed to stderr."""

    status: int
    rows: dict[str, list[str]]
    err: str


@pytest.fixture
def case(tmp_path: Path) -> Callable[[str], Path]:
    """Copy an input."""

    def copied(name: str) -> Path:
        return Path(shutil.copytree(CASES / name, tmp_path / name))

    return copied


@pytest.fixture
def answer(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Answers]:  # fmt: skip
    """Run `run_model.py` on a folder, by default with a model of the five lead sets."""

    def answers(data: Path, *options: str, model: Path = model_folder) -> Answers:
        monkeypatch.setenv("LEADWISE_RENAME", "")  # the option sets it
        team_code._printed.clear()
        outputs = tmp_path / f"outputs{len(list(tmp_path.iterdir()))}"
        capsys.readouterr()
        status = run_model.main([str(model), str(data), str(outputs), *options])
        rows = {path.stem: path.read_text().splitlines()[1:] for path in outputs.iterdir()}
        return Answers(status, rows, capsys.readouterr().err)

    return answers


FAILED = ["", "", ""]


class Learned(NamedTuple):
    """Names of the records that a training uses, and what it left out or noted, as text."""

    names: list[str]
    left_out: str
    notes: str


@pytest.fixture
def learn(tmp_path: Path) -> Callable[[Path], Learned]:
    """Read a folder as a training of a Challenge recipe does."""

    def learned(data: Path) -> Learned:
        recipe = find("isibrno-basic")
        records, left_out = labelled_records(str(data), recipe.heads)
        cache = open_cache(records, recipe, tmp_path / f"cache-{data.name}", 1, keep=True)
        names = [records[index].name for index in cache.usable]
        return Learned(
            names, "\n".join(map(str, [*left_out, *cache.left_out])),
            "\n".join(map(str, cache.warnings)),
        )  # fmt: skip

    return learned
