"""`pip install .` gives the commands and an importable package, away from the tree."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import leadwise
from leadwise.__main__ import main, modules
from simulate import write_records

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ROOMS = ("datasets", "ecg", "holter", "models", "scoring", "simulate", "training", "weights")
PACKAGED = (*ROOMS, "leadwise", "pyproject.toml", "requirements.txt", "README.md", "LICENSE.txt",
            "AUTHORS.txt", *(path.name for path in ROOT.glob("*.py")))  # fmt: skip
USE = """
import sys
from pathlib import Path
import leadwise
assert "torch" not in sys.modules, "torch is loaded by `import leadwise`"
record = leadwise.read_record("data/SIM00001.hea")
assert len(leadwise.r_peaks(record.signal, record.fs)) > 5
assert leadwise.judge(record.signal, record.leads, record.fs)["LAD"].rule == "LAD"
prediction = leadwise.Model.load(leadwise.WEIGHTS / "house2026").predict(record)
assert len(prediction.probabilities) == len(prediction.classes) == 26
assert Path(leadwise.TREE).parts[-2:] == ("leadwise", "_tree"), leadwise.TREE
from ecg.labels import CODES
assert len(CODES) == 26, "the tables of codes are in the package"
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install a copy of the tree, so that the build leaves nothing in it."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    for name in PACKAGED:
        if (ROOT / name).is_dir():
            unwanted = shutil.ignore_patterns("__pycache__", "state")
            shutil.copytree(ROOT / name, source / name, ignore=unwanted)
        else:
            shutil.copy(ROOT / name, source)
    command = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
               "--target", str(target), str(source)]  # fmt: skip
    _run(target, sys.executable, *command)
    return target


def _run(site: Path, *words: str, cwd: Path | None = None) -> str:
    """Run a command outside the tree, with the installed package and nothing else of ours."""
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    environment["PYTHONPATH"] = str(site)
    ended = subprocess.run(words, cwd=cwd or site, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, f"{words}\n{ended.stdout}{ended.stderr}"
    return ended.stdout


def test_the_package_holds_every_file_of_the_rooms(installed: Path) -> None:
    tree = installed / "leadwise" / "_tree"
    for room in ROOMS:
        files = [path.relative_to(ROOT) for path in (ROOT / room).rglob("*") if path.is_file()]
        absent = [
            name for name in files if "__pycache__" not in name.parts and not (tree / name).exists()
        ]
        assert not absent, f"add their kind to package-data in pyproject.toml: {absent}"


def test_site_packages_gets_one_name(installed: Path) -> None:
    assert {path.name.partition("-")[0] for path in installed.iterdir()} == {"bin", "leadwise"}


def test_the_library_works_elsewhere(installed: Path, tmp_path: Path) -> None:
    write_records(tmp_path / "data", 1, seed=1)
    _run(installed, sys.executable, "-c", USE, cwd=tmp_path)


@pytest.mark.parametrize("command", sorted(PROJECT["project"]["scripts"]))
def test_the_commands_answer(installed: Path, command: str) -> None:
    usage = _run(installed, sys.executable, str(installed / "bin" / command), "--help")
    assert usage.startswith("usage:")


def test_the_modules_that_are_commands_run_from_any_folder(installed: Path, tmp_path: Path) -> None:
    command, helped = str(installed / "bin" / "leadwise"), modules()
    assert {"datasets.ptbxl", "ecg.plots", "scoring.af", "simulate"} <= set(helped)
    for module in helped:
        for start in ([sys.executable, command], [sys.executable, "-m", "leadwise"]):
            usage = _run(installed, *start, module, "--help", cwd=tmp_path)
            assert usage.startswith("usage:"), module
    _run(installed, sys.executable, command, "simulate", "data", "--records", "1", cwd=tmp_path)
    drawn = _run(
        installed, sys.executable, command, "ecg.plots", "data/SIM00001", "--out", "pictures",
        cwd=tmp_path,
    )  # fmt: skip
    assert drawn == "pictures/SIM00001.png\n"
    assert (tmp_path / "pictures" / "SIM00001.png").stat().st_size > 10_000


@pytest.mark.parametrize("words", [[], ["nothing"], ["ecg.headers"], ["os"]])
def test_another_module_is_wrong_usage(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert "usage: leadwise" in capsys.readouterr().err


def test_every_public_name_is_there() -> None:
    for name in leadwise.__all__:
        assert getattr(leadwise, name) is not None
    assert leadwise.TREE == ROOT
    with pytest.raises(AttributeError, match="leadwise has no 'Modle'; its names are TREE"):
        _ = leadwise.Modle


def test_a_foreign_module_of_the_same_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text("")
    program = "import models, sys; sys.path.append(sys.argv[1]); import leadwise"
    words = [sys.executable, "-c", program, str(ROOT)]
    ended = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert "leadwise needs the name 'models', but" in ended.stderr


def test_the_versions_of_the_dependencies_are_those_of_the_image(installed: Path) -> None:
    metadata = next(installed.glob("leadwise-*.dist-info/METADATA")).read_text(encoding="utf-8")
    pinned = (ROOT / "requirements.txt").read_text().splitlines()
    for line in pinned:
        if "==" in line:
            assert f"Requires-Dist: {line}\n" in metadata
