"""The documents say what is true: tables, commands, links, versions."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from docs.generate import PAGES as GENERATED
from docs.generate import README, with_tables

ROOT = README.parent
PAGES = sorted([README, *ROOT.glob("docs/*.md")])
# The README's commands, here on the folders of this run.
COMMANDS = re.findall(
    r"^\$ ((?:python|entries/).+)$", README.read_text(encoding="utf-8"), re.MULTILINE
)


@pytest.mark.parametrize("page", GENERATED, ids=lambda page: page.name)
def test_the_tables_of_a_page_are_those_of_the_code(page: Path) -> None:
    assert with_tables(page) == page.read_text(encoding="utf-8"), "run `make docs`"


def test_the_generated_tables_are_not_empty() -> None:
    assert with_tables(README).count("LEADWISE_RECIPE") >= 1


def test_the_readmes_table_of_models_says_what_the_results_say() -> None:
    table = README.read_text(encoding="utf-8").partition("<!-- shipped -->")[2]
    rows = table.partition("<!-- /shipped -->")[0].splitlines()[3:]
    folders = [re.findall(r"`(.+)`", row)[0] for row in rows]
    assert sorted(folders) == sorted(f"weights/{path.name}" for path in ROOT.glob("weights/*"))
    results = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    for row, folder in zip(rows, folders, strict=True):
        size = sum(path.stat().st_size for path in (ROOT / folder).iterdir())
        assert f"| {size / 1e6:.0f} MB |" in row
        for figure in re.findall(r"0\.\d{3}", row):
            assert figure in results, f"{folder}: {figure} stands nowhere in docs/results.md"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_readmes_commands_run(
    simulated_folder: Path, folder_2017: Path, model_2017: Path, tmp_path: Path
) -> None:
    """Each command of the README, in order, on small simulated records."""
    (tmp_path / "test_data").symlink_to(simulated_folder)
    (tmp_path / "training2017").symlink_to(folder_2017)
    (tmp_path / "model2017").symlink_to(model_2017)
    for ending in (".hea", ".mat"):
        (tmp_path / f"A00001{ending}").symlink_to(folder_2017 / f"A00001{ending}")
    (tmp_path / "weights").symlink_to(ROOT / "weights")
    (tmp_path / "training_data").mkdir()
    for path in simulated_folder.iterdir():
        (tmp_path / "training_data" / path.name).symlink_to(path)
    rows = "".join(
        f"{path.stem}\t{8 if number % 4 == 0 else 1}\tp{number}\n"
        for number, path in enumerate(sorted(simulated_folder.glob("*.hea")))
    )
    (tmp_path / "training_data" / "folds.tsv").write_text("record\tfold\tpatient\n" + rows)
    assert len(COMMANDS) >= 5
    environment = {"LEADWISE_RECIPE": "isibrno-basic", "LEADWISE_EPOCHS": "1", "PATH": "/bin",
                   "PYTHONPATH": str(ROOT), "PYTHON": sys.executable,
                   "ENTRY_WEIGHTS": str(model_2017)}  # fmt: skip
    for command in COMMANDS:
        words = shlex.split(command, comments=True)
        words[0] = sys.executable if words[0] == "python" else str(ROOT / words[0])
        if words[1].endswith(".py"):
            words[1] = str(ROOT / words[1])
        ended = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert ended.returncode == 0, f"{command}\n{ended.stderr}"
    assert (tmp_path / "scores.csv").read_text().startswith("AUROC,AUPRC,Accuracy,F-measure,Chall")
    assert "Classes," in (tmp_path / "class_scores.csv").read_text()
    assert re.fullmatch(r"A00001,[NAO~]\n", (tmp_path / "answers.txt").read_text())


def test_the_image_installs_the_runtime_alone() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    three = ["RUN mkdir /physionet", "COPY ./ /physionet", "WORKDIR /physionet"]
    assert lines[0] == "FROM python:3.11-slim-bookworm"
    assert lines[lines.index(three[0]) :][:3] == three
    pinned = (ROOT / "requirements.txt").read_text()
    assert all("==" in line for line in pinned.splitlines() if line and not line.startswith("#"))
    assert re.search(r"^wfdb==", pinned, re.MULTILINE)
    assert not re.search(
        r"matplotlib|hypothesis|pytest|ruff|mypy", pinned.split("docs/design.md")[-1]
    )


def test_each_dependency_has_its_reason() -> None:
    design = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    for file in ("requirements.txt", "requirements-dev.txt"):
        for line in (ROOT / file).read_text().splitlines():
            if "==" in line:
                assert line.partition("==")[0] in design, f"{line} has no line in docs/design.md"
