"""Modules that run: `python -m MODULE --help` prints a usage and does nothing else."""

import re
import runpy
import tomllib
import warnings
from pathlib import Path

import pytest

from docs.generate import ROOT, pages
from experiments.__main__ import COMMANDS

ROOMS = ("benchmarks", "datasets", "docs", "ecg", "experiments", "holter", "leadwise", "models",
         "scoring", "simulate", "training")  # fmt: skip


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__main__")


RUNNABLE = sorted(
    name_of(path) for room in ROOMS for path in (ROOT / room).rglob("*.py")
    if path.name == "__main__.py" or 'if __name__ == "__main__"' in path.read_text("utf-8")
    if "_tree" not in path.parts and "peers" not in path.parts
    if "is no command" not in path.read_text("utf-8")
)  # fmt: skip


@pytest.mark.parametrize("module", RUNNABLE)
def test_help_prints_a_usage_and_writes_nothing(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [module, "--help"])
    before = {page: page.stat().st_mtime_ns for page in pages()}
    warnings.filterwarnings("ignore", "'.+' found in sys.modules")
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    assert not ended.value.code
    assert capsys.readouterr().out.startswith("usage: ")
    assert not list(tmp_path.iterdir())
    assert before == {page: page.stat().st_mtime_ns for page in pages()}


def test_each_command_of_the_experiments_runs_by_its_modules_name() -> None:
    for command in COMMANDS:
        if (ROOT / "experiments" / f"{command}.py").exists() and command != "rules":
            assert f"experiments.{command}" in RUNNABLE


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_each_module_that_a_page_runs_is_one_that_runs(page: Path) -> None:
    for module in re.findall(r"python -m ([\w.]+)", page.read_text(encoding="utf-8")):
        if module.partition(".")[0] in ROOMS:
            assert module in RUNNABLE, f"{page.name}: python -m {module}"


def test_the_page_of_commands_has_all_of_them() -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    modules = page.partition("## All modules")[2]
    named = set(re.findall(r"`([\w.-]+)`", modules))
    of_commands = {f"experiments.{command}" for command in COMMANDS}
    assert {*RUNNABLE, *COMMANDS} - of_commands - named == set()
    scripts = [path.name for path in ROOT.glob("*.py") if "__main__" in path.read_text("utf-8")]
    scripts += tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    assert [name for name in scripts if name not in page] == []
