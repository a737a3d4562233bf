"""The inputs of tests/data/cases, copied, and a model that answers them."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

import run_model
import team_code

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
