"""The documents are true: tables, figures, commands, examples, links, drawings, versions."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from docs.drawings import DRAWN, boxes_of
from docs.generate import (
    README,
    pages,
    put,
    rates_table,
    read_stored,
    stored,
    with_tables,
    write_tables,
)
from ecg import LeadwiseError, __version__

ROOT = README.parent
PAGES = sorted(
    [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md")]
)
RESULTS = [ROOT / "docs" / "results.md", *sorted(ROOT.glob("docs/results/*.md"))]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def commands_of(page: Path) -> list[str]:
    """The commands of a page, which run here on the folders of this run."""
    text = page.read_text(encoding="utf-8")
    return re.findall(r"^\$ ((?:python|entries/).+)$", text, re.MULTILINE)


def run_blocks(page: Path) -> int:
    """Run the Python of a page in order, and the checks that follow it in comments."""
    text, names = page.read_text(encoding="utf-8"), {"__name__": page.stem, "Path": Path}
    pattern = r"^```python\n(.*?)^```|^<!-- check: (.*?) -->"
    blocks = list(re.finditer(pattern, text, re.MULTILINE | re.DOTALL))
    for block in blocks:
        line = text.count("\n", 0, block.start())
        if block[1]:
            program = "\n" * (line + 1) + block[1]  # so that errors name the line of the page
            exec(compile(program, name_of(page), "exec"), names)
        else:
            assert eval(block[2], names), f"{name_of(page)}, line {line + 1}: {block[2]}"
    return len(blocks)


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_the_tables_of_a_page_are_those_of_the_code_and_of_the_stored_results(page: Path) -> None:
    assert with_tables(page) == page.read_text(encoding="utf-8"), "run `make docs`"


def test_each_stored_result_has_a_place() -> None:
    placed = {
        stored(page, name)
        for page in pages()
        for name in re.findall(r"^<!-- ([a-z0-9-]+) -->$", page.read_text(encoding="utf-8"), re.M)
    }
    assert set(ROOT.glob("docs/**/tables/*.tsv")) <= placed


def test_a_table_that_no_command_makes_is_named(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- nobody -->\n| a | b |\n<!-- /nobody -->\n")
    with pytest.raises(LeadwiseError, match="which command makes the table nobody?"):
        with_tables(page)


@pytest.mark.parametrize(
    "lines",
    [[], ["| a | b |", "| --- | --- |"], ["Words.", "", "| a | b |", "| --- | --- |"],
     ["| a | b |", "| --- | --- |", "", "| a | b |", "| --- | --- |", "| 1 | 2 |"]],
)  # fmt: skip
def test_a_table_without_a_row_leaves_all_pages_as_they_are(
    lines: list[str], tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- good -->\n<!-- /good -->\n<!-- bare -->\nold\n<!-- /bare -->\n")
    before, full = page.read_text(), ["| a | b |", "| --- | --- |", "| 1 | 2 |"]
    with pytest.raises(LeadwiseError, match="bare: there is no result for this table"):
        write_tables(page, {"good": full, "bare": lines})
    assert page.read_text() == before
    assert list(tmp_path.iterdir()) == [page]


@pytest.mark.parametrize(
    "lines",
    [["| a | b |", "| --- | --- |", "| 1 | N|O|~ |"], ["Words: 2.", "", "| a |  | c |",
     "| --- | --- | --- |", "|  |  | 3 |", "", "More."], ["Words only, with | a bar."]],
)  # fmt: skip
def test_a_page_is_remade_from_its_stored_result(lines: list[str], tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n<!-- one -->\nold\n<!-- /one -->\nend\n")
    write_tables(page, {"one": iter(lines)})
    written = page.read_text()
    assert written == "\n".join(
        ["# Title", "<!-- one -->", *lines, "<!-- /one -->", "end\n"])  # fmt: skip
    assert read_stored(stored(page, "one")) == lines
    page.write_text(put(written, "one", ["typed by hand"]))
    assert with_tables(page) == written


def test_a_recipe_with_a_filter_is_in_its_row_of_the_table_of_rates() -> None:
    (row,) = [row for row in rates_table() if "`heartly-published`" in row]
    assert row.startswith("| 500 Hz | low_pass, 50 Hz | more than 100 Hz |")
    (row,) = [row for row in rates_table() if "`revenger-official`" in row]
    assert row.startswith("| 500 Hz | butterworth_band_pass, 60 Hz | more than 120 Hz |")


def test_the_generated_tables_are_not_empty() -> None:
    assert with_tables(README).count("LEADWISE_RECIPE") >= 1


def test_the_readmes_table_of_models_has_the_figures_of_the_results() -> None:
    table = README.read_text(encoding="utf-8").partition("<!-- shipped -->")[2]
    rows = table.partition("<!-- /shipped -->")[0].splitlines()[3:]
    folders = [re.findall(r"`(.+)`", row)[0] for row in rows]
    assert sorted(folders) == sorted(f"weights/{path.name}" for path in ROOT.glob("weights/*"))
    results = RESULTS[0].read_text(encoding="utf-8")
    for row, folder in zip(rows, folders, strict=True):
        size = sum(path.stat().st_size for path in (ROOT / folder).iterdir())
        shown = f"{size / 1e6:.0f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
        assert f"| {shown} |" in row
        for figure in re.findall(r"0\.\d{3}", row):
            assert figure in results, f"{folder}: {figure} is not in docs/results.md"


def test_each_headline_figure_is_on_its_page() -> None:
    rows = re.findall(r"^\| .+\.md\) \|$", RESULTS[0].read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) > 25
    linked = set()
    for row in rows:
        cells = row.split(" | ")
        page = RESULTS[0].parent / re.findall(r"\((.+?\.md)\)", cells[-1])[0]
        linked.add(page)
        text = page.read_text(encoding="utf-8")
        for figure in re.findall(r"\d[\d,]*\.?\d*", f"{cells[1]} {cells[2]}"):
            assert re.search(rf"(?<![\d.]){re.escape(figure)}(?!\d)", text), f"{figure}: {row}"
    assert set(RESULTS[1:]) <= linked


def test_reports_find_the_page_of_their_table(tmp_path: Path) -> None:
    page, inner = tmp_path / "results.md", tmp_path / "results" / "losses.md"
    inner.parent.mkdir()
    page.write_text("# Results\n")
    inner.write_text("<!-- losses -->\nold\n<!-- /losses -->\n")
    write_tables(page, {"losses": ["new"]})
    assert inner.read_text() == "<!-- losses -->\nnew\n<!-- /losses -->\n"
    assert (inner.parent / "tables" / "losses.tsv").read_text() == "new\n"
    with pytest.raises(LeadwiseError, match="no place for 'beats'"):
        write_tables(page, {"beats": ["new"]})


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)]+)\)", prose):
        file, _, anchor = target.partition("#")
        if "://" not in target:
            linked = page.parent / file if file else page
            assert linked.exists(), f"{page.name} links to {target}"
            assert not anchor or anchor in anchors_of(linked), f"{page.name} links to {target}"


def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_map_has_every_page() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for page in ROOT.glob("docs/*.md"):
        assert page.name == "index.md" or f"({page.name})" in index, (
            f"{page.name} is not in the map"
        )


@pytest.mark.parametrize("name", ["pipeline", *(f"networks/{name}" for name in DRAWN)])
def test_drawings_are_there_and_small(name: str) -> None:
    assert 5_000 < (ROOT / "docs" / f"{name}.png").stat().st_size < 100_000, "run `make docs`"
    assert f"({name}.png)" in (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")


def test_a_drawing_has_every_parameter_of_its_network() -> None:
    network = nn.Sequential(nn.Conv1d(2, 4, 3), nn.Dropout(), nn.Linear(8, 3))
    network.forward = lambda signal, length: nn.Sequential.forward(network, signal)
    boxes = boxes_of(network, torch.zeros(1, 2, 10), torch.tensor([10]))
    assert [(box.name, box.shape, box.parameters) for box in boxes] == [
        ("0", (4, 8), 28), ("2", (4, 3), 27)]  # fmt: skip


def test_the_examples_of_the_library_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_blocks(ROOT / "docs" / "python.md") > 20


def test_the_readmes_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    monkeypatch.chdir(tmp_path)
    assert run_blocks(README) == 1
    assert (tmp_path / "record.png").stat().st_size > 10_000


def test_the_page_on_adding_a_system_is_right(tmp_path: Path) -> None:
    """One file and one word in a copy of the tree; then the page's commands, and its Python."""
    page = ROOT / "docs" / "adding-a-system.md"
    template, two_heads, reading = re.findall(
        r"^```python\n(.*?)^```", page.read_text(), re.M | re.S
    )
    for room in ("datasets", "ecg", "scoring", "simulate", "training"):
        (tmp_path / room).symlink_to(ROOT / room)
    shutil.copytree(ROOT / "models", tmp_path / "models")
    for file in (*ROOT.glob("*.py"), ROOT / "pyproject.toml"):
        shutil.copy(file, tmp_path)
    (tmp_path / "tests").mkdir()
    for name in ("conftest", "test_contract", "test_dense_heads"):
        shutil.copy(ROOT / "tests" / f"{name}.py", tmp_path / "tests")
    (tmp_path / "models" / "example2026.py").write_text(f"{template}\n\n{two_heads}")
    systems = tmp_path / "models" / "__init__.py"
    text = systems.read_text()
    systems.write_text(re.sub(r"^SYSTEMS = \(", 'SYSTEMS = ("example2026", ', text, flags=re.M))
    commands = [shlex.split(command)[1:] for command in commands_of(page)]
    assert [words[-1] for words in commands] == [
        "example", "--annotations", "1", "12,2", "outputs", "outputs"]  # fmt: skip
    checks = """
truth = read_record("test/SIM00012.hea").annotations().waves
for kind in "pNt":
    predicted, expected = ((one.kinds == kind).sum() for one in (waves, truth))
    assert expected / 2 < predicted < 2 * expected, f"{kind}: {predicted} waves, not {expected}"
assert (waves.peaks == -1).all() and prediction.annotations.beats.samples.size == 0
"""
    for words in (*commands, ["-c", reading + checks]):
        ended = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, capture_output=True, text=True
        )
        assert ended.returncode == 0, f"{words}\n{ended.stdout}{ended.stderr}"
    assert len(list((tmp_path / "outputs").glob("*.csv"))) == 24


def test_the_readmes_commands_run(
    simulated_folder: Path, folder_2017: Path, model_2017: Path, tmp_path: Path
) -> None:
    """Each command of the README and of docs/commands.md, in order, on small simulated records."""
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
    commands = [*commands_of(README), *commands_of(ROOT / "docs" / "commands.md")]
    assert len(commands) >= 10
    environment = {"LEADWISE_RECIPE": "isibrno-basic", "LEADWISE_EPOCHS": "1", "PATH": "/bin",
                   "PYTHONPATH": str(ROOT), "PYTHON": sys.executable,
                   "ENTRY_WEIGHTS": str(model_2017)}  # fmt: skip
    for command in commands:
        words = shlex.split(command, comments=True)
        words[0] = sys.executable if words[0] == "python" else str(ROOT / words[0])
        if words[1].endswith(".py"):
            words[1] = str(ROOT / words[1])
        ended = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert ended.returncode == 0, f"{command}\n{ended.stderr}"
    assert (tmp_path / "scores.csv").read_text().startswith("AUROC,AUPRC,Accuracy,F-measure,Chall")
    assert "Classes," in (tmp_path / "class_scores.csv").read_text()
    assert re.fullmatch(r"A00001,[NAO~]\n", (tmp_path / "answers.txt").read_text())


def test_the_citation_has_the_version() -> None:
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_image_installs_the_runtime_alone() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    three = ["RUN mkdir /physionet", "COPY ./ /physionet", "WORKDIR /physionet"]
    assert lines[0] == "FROM python:3.11-slim-bookworm"
    assert lines[lines.index(three[0]) :][:3] == three
    pinned = (ROOT / "requirements.txt").read_text()
    assert all("==" in line for line in pinned.splitlines() if line and not line.startswith("#"))
    assert re.search(r"^wfdb==", pinned, re.MULTILINE)
    assert not re.search(
        r"distributed|hypothesis|pytest|ruff|mypy", pinned.split("docs/design.md")[-1]
    )


def test_each_dependency_has_its_reason() -> None:
    design = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    for file in ("requirements.txt", "requirements-dev.txt"):
        for line in (ROOT / file).read_text().splitlines():
            if "==" in line:
                assert line.partition("==")[0] in design, f"{line} has no line in docs/design.md"
