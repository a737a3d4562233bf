"""Table 5: every row's size is the published one, and no score is invented."""

from pathlib import Path

import pytest

from experiments import __main__ as command
from experiments import table5
from experiments.grid import Grid
from experiments.grids import GRIDS
from experiments.table5 import PUBLISHED, Row, score, table
from tests.experiments.conftest import TINY, Ran


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("| ").split("|")]


def test_all_rows_have_the_published_size_and_a_command_that_fills_them() -> None:
    rows = [cells(line) for line in table(None, batch=1, rounds=0)][4:]
    assert len(rows) == len(PUBLISHED) == 22
    for row, published in zip(rows, PUBLISHED, strict=True):
        assert f"{int(row[2].replace(',', '')) / 1e6:.3g}" == f"{published.millions:.3g}"
        grid, name = row[8].split("run ")[1].rstrip("`").split(" DATA RUNS --only ")
        assert row[8].startswith("open: `python -m experiments run ")
        network = GRIDS[grid].recipes[name].network
        assert network.options["backbone"] == published.backbone
        assert GRIDS[grid].published[name, 12] == pytest.approx(published.score, abs=0.0006)


def test_speed_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table5, "PUBLISHED", (Row("tresnet-f", "1", 1.23, 0.643, 373, 3325),))
    (row,) = [cells(line) for line in table(None, batch=2, rounds=1)][4:]
    assert float(row[6]) > float(row[4]) > 0


def test_a_score_is_that_of_the_cells_that_ran(
    ran: Ran, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The tiny grid has 2 leads: it fills no row unless its cell has 12."""
    bare = TINY.recipes["bare"].network
    study = Grid("tiny", "", TINY.recipes)
    monkeypatch.setattr(table5, "STUDIES", (study,))
    assert score(bare, ran.runs).startswith("open: `python -m experiments run tiny")
    folder = tmp_path / "tiny" / "bare-12-leads-fold-9-seed-0"
    folder.parent.mkdir()
    (tmp_path / "data").symlink_to(ran.runs / "data")
    folder.mkdir()
    done = ran.runs / "tiny" / "bare-2-leads-fold-9-seed-0"
    (folder / "model").symlink_to(done / "model")
    for name in ("fold-9-2-leads", "fold-9-12-leads"):
        (folder / name).symlink_to(done / "fold-9-2-leads")
    (folder / "cell.json").write_text(
        (done / "cell.json").read_text().replace(": [\n  2\n ]", ": [12]")
    )
    assert score(bare, tmp_path).endswith(", tiny, 1 epochs at most")


def test_the_command_writes_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(table5, "PUBLISHED", PUBLISHED[-1:])
    monkeypatch.setattr("sys.argv", ["experiments", "table5", str(tmp_path), "--rounds", "0"])
    command.main()
    page = (tmp_path / "table5.md").read_text().splitlines()
    assert page == capsys.readouterr().out.splitlines()
    assert "| branched-lw | lstm-se-2 | 7,456,970 | 7.46 M | – | 134 |" in page[-1]
