"""The report of a grid: its rows and pictures."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from ecg import LeadwiseError
from ecg.leads import LEAD_SETS
from experiments import __main__ as command
from experiments.cells import cells_done
from experiments.grids import GRIDS
from experiments.outputs import measured, read_scored
from experiments.results import read_results
from experiments.tables import write_report
from models.decision import decide
from models.folder import read_model, write_model
from scoring.challenge import challenge_metric
from tests.experiments.conftest import TINY, Ran


@pytest.fixture
def runs(ran: Ran, tmp_path: Path) -> Path:
    """The grid's runs, with a second seed and a second lead set that are copies."""
    shutil.copytree(ran.runs, tmp_path / "runs", symlinks=True)
    here = tmp_path / "runs" / "tiny"
    (first,) = (cell for cell in cells_done(ran.runs, "tiny") if cell.variant == "base")
    for cell in (replace(first, seed=1), replace(first, leads=(12,))):
        shutil.copytree(here / first.name, here / cell.name)
        if cell.leads == (12,):
            other = read_model(here / cell.name / "model")
            entries = (replace(other.lead_sets[0], leads=LEAD_SETS[12]),)
            recipe = replace(other.recipe, lead_sets=(LEAD_SETS[12],))
            write_model(replace(other, recipe=recipe, lead_sets=entries))
            history = here / cell.name / "model" / "history.tsv"
            history.write_text(history.read_text().replace("2 leads", "12 leads"))
            for path in (here / cell.name).glob("fold-*-2-leads"):
                path.rename(path.with_name(path.name.replace("-2-", "-12-")))
        (here / cell.name / "cell.json").write_text(json.dumps(asdict(cell)))
    return tmp_path / "runs"


def test_a_row_holds_what_the_scorer_says(ran: Ran) -> None:
    page = write_report(TINY, ran.runs)
    cell = ran.runs / "tiny" / "base-2-leads-fold-9-seed-0"
    scored = read_scored(ran.runs / "data" / "folds-9", cell / "fold-9-2-leads")
    (entry,) = read_model(cell / "model").lead_sets
    metric = challenge_metric(
        scored.labels, decide(entry.heads["diagnosis"].decision, scored.probabilities)
    )
    (row,) = (line for line in page.splitlines() if line.startswith("| base "))
    cells = [word.strip() for word in row.strip("|").split("|")]
    assert cells[:5] == ["base", "2", "9", "0", "1 of 1"]
    assert cells[5] == f"challenge {entry.heads['diagnosis'].scores['challenge']:.3f}"
    assert cells[6].startswith(f"{metric:.3f} (")
    assert cells[7:9] == ["–", "0.500"]
    (other,) = (line for line in page.splitlines() if line.startswith("| bare "))
    base, bare = read_results(TINY, ran.runs)
    assert f"| {measured(bare.test).value - measured(base.test).value:+.4f} ± 0." in other
    assert base.parameters > 1.5 * bare.parameters
    assert f"| {bare.parameters:,} |" in other
    assert (cell.parent / "report.md").read_text() == page


def test_seeds_get_a_row_of_their_own_and_lead_sets_a_picture(runs: Path) -> None:
    page = write_report(TINY, runs)
    lines = page.splitlines()
    assert sum(line.startswith("| base | 2 |") for line in lines) == 3
    assert sum("**mean and range of 2**" in line for line in lines) == 1
    assert any(line.startswith("| base | 2 |") and "+0.0000 ± 0.0000" in line for line in lines)
    counts = {line.count("|") for line in lines if line.startswith("|")}
    assert len(counts) == 1
    for name in ("epochs", "leads"):
        assert f"![{name}.png]({name}.png)" in page
        assert (runs / "tiny" / f"{name}.png").stat().st_size > 10_000


def test_the_command_prints_the_page(
    ran: Ran, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(GRIDS, "tiny", TINY)
    for words in (["list"], ["run", "tiny", str(ran.data), str(ran.runs), "--leads", "2"],
                  ["report", "tiny", str(ran.runs)]):  # fmt: skip
        monkeypatch.setattr("sys.argv", ["experiments", *words])
        command.main()
    printed = capsys.readouterr()
    assert "tiny: a network and half of it (2 cells)" in printed.out
    assert printed.out.endswith((ran.runs / "tiny" / "report.md").read_text())
    assert "tiny: 0 of 2 cells to run" in printed.err


@pytest.mark.parametrize(
    "words", [["--leads", "5"], ["--folds", "8"], ["--seeds", "x"], ["--jobs", "0"]]
)
def test_options_that_cannot_be_are_refused(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["experiments", "run", "losses", "DATA", "RUNS", *words])
    with pytest.raises(SystemExit, match="2"):
        command.main()
    assert f"argument {words[0]}: invalid" in capsys.readouterr().err


def test_a_grid_without_runs_says_so(tmp_path: Path) -> None:
    with pytest.raises(LeadwiseError, match="no cell of this study is done; run it first"):
        write_report(TINY, tmp_path)
    assert not list(tmp_path.iterdir())


def test_validation_reports_show_no_score_of_the_test_fold(ran: Ran) -> None:
    page = write_report(TINY, ran.runs, on="validation")
    (row,) = (line for line in page.splitlines() if line.startswith("| base "))
    value = measured(read_results(TINY, ran.runs)[0].validation)
    assert row.split("|")[3].strip() == "8"
    assert f"| {value} |" in row
    assert ".png" not in page
    assert (ran.runs / "tiny" / "report-validation.md").read_text() == page


def test_the_tables_go_into_their_page(ran: Ran, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Ours\n<!-- tiny -->\n<!-- /tiny -->\nwords\n")
    text = write_report(replace(TINY, sections=("decisions",)), ran.runs, page=page)
    assert page.read_text().startswith("# Ours\n<!-- tiny -->\n| variant |")
    assert page.read_text().endswith("\n<!-- /tiny -->\nwords\n")
    assert "## tiny-decisions" in text
    page.write_text("nothing")
    with pytest.raises(LeadwiseError, match="has no mark <!-- tiny --> for the table"):
        write_report(TINY, ran.runs, page=page)
