"""Table 5: every row's size is the published one, and no score is invented."""

from pathlib import Path

import numpy as np
import pytest

from docs.generate import stored_rows
from experiments import __main__ as command
from experiments import table5
from experiments.grid import Grid
from experiments.grids import GRIDS
from experiments.table5 import (
    PUBLISHED,
    Row,
    finished,
    order_lines,
    rank_correlation,
    score_lines,
    size_row,
)
from tests.experiments.conftest import TINY, Ran


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("| ").split("|")]


def test_all_rows_have_the_published_size_and_a_command_that_fills_them() -> None:
    scores = [cells(line) for line in score_lines(None)][2:]
    assert len(scores) == len(PUBLISHED) == 22
    for row, published in zip(scores, PUBLISHED, strict=True):
        size = cells(size_row(published, 1, 0))
        assert f"{int(size[2].replace(',', '')) / 1e6:.3g}" == f"{published.millions:.3g}"
        assert (size[4], size[6]) == ("–", "–")
        grid, name = row[2].split("run ")[1].rstrip("`").split(" DATA RUNS --only ")
        assert row[2].startswith("open: `python -m experiments run ")
        network = GRIDS[grid].recipes[name].network
        assert network.options["backbone"] == published.backbone
        assert GRIDS[grid].published[name, 12] == pytest.approx(published.score, abs=0.0006)


def test_small_studies_keep_networks_and_published_scores() -> None:
    for name in ("ablation-0", "ablation-i", "eight-way"):
        whole, few = GRIDS[f"{name}-100hz"], GRIDS[f"{name}-small"]
        assert few.published == whole.published
        assert few.records == 3000
        assert set(whole.recipes) - set(few.recipes) in (
            set(),
            {"batch-16", "batch-32", "batch-128"},
        )
        for variant, recipe in few.recipes.items():
            assert recipe.network == whole.recipes[variant].network
            assert recipe.head == whole.recipes[variant].head
            assert recipe.epochs == 8


def test_speed_is_measured() -> None:
    row = cells(size_row(Row("tresnet-f", "1", 1.23, 0.643, 373, 3325), 2, 1))
    assert float(row[6]) > float(row[4]) > 0


def test_a_score_is_that_of_the_cells_that_ran(
    ran: Ran, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The tiny grid has 2 leads: it fills no row unless its cell has 12."""
    bare = TINY.recipes["bare"].network
    study = Grid("tiny", "", TINY.recipes)
    monkeypatch.setattr(table5, "STUDIES", (study,))
    assert finished(bare, ran.runs) == [] == finished(bare, None)
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
    (result,) = finished(bare, tmp_path)
    assert result.cell.leads == (12,)
    monkeypatch.setattr(table5, "PUBLISHED", PUBLISHED[:1])
    monkeypatch.setattr(table5, "recipe_of", lambda row: TINY.recipes["bare"])
    row = cells(score_lines(tmp_path)[2])
    assert row[2:4] == ["tiny", "all × 1"]
    assert row[4].startswith("0.")
    assert row[6] == "0.683"


def test_orders_are_compared_within_a_budget() -> None:
    rising = [(0.1 * k, 0.01 * k, 0.9 - 0.1 * k) for k in range(5)]
    lines = list(order_lines({"3000 × 8": rising, "100 × 1": rising[:3]}))
    assert len(lines) == 2
    assert "5 rows of 3000 × 8" in lines[1]
    assert "Challenge metric 1.00 (" in lines[1]
    assert "AUROC -1.00 (" in lines[1]


def test_an_order_without_relation_has_an_interval_around_zero() -> None:
    generator = np.random.default_rng(0)
    text = rank_correlation(np.arange(22.0), generator.permutation(22).astype(float))
    low, high = text.split("(")[1].split(")")[0].split(" to ")
    assert float(low) < 0 < float(high)


def test_the_command_writes_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(table5, "PUBLISHED", PUBLISHED[-1:])
    page = tmp_path / "page.md"
    page.write_text("<!-- table5 -->\n<!-- /table5 -->\n")
    words = ["experiments", "table5", str(tmp_path), "--rounds", "0", "--page", str(page)]
    monkeypatch.setattr("sys.argv", words)
    command.main()
    printed = capsys.readouterr().out
    assert "| branched-lw | lstm-se-2 | 7,456,970 | 7.46 M | – | 134 |" in printed
    row = page.read_text().splitlines()[3]
    assert row in printed
    assert row.endswith("| – | – | – | 0.699 |")


def test_a_row_without_a_cell_keeps_the_scores_of_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    stored = tmp_path / "tables" / "table5.tsv"
    stored.parent.mkdir()
    lines = score_lines(None)
    scored = [
        f"| {row.backbone} | {row.layers} | small | 9 × 1 | 0.{k}00 (0.1 to 0.2) | 0.{k}5 | 0.600 |"
        for k, row in enumerate(PUBLISHED[:4], 1)
    ]
    stored.write_text("\n".join(stored_rows([*lines[:2], *scored, *lines[6:], "", "An order."])))
    after = score_lines(None, page)
    assert after[2:6] == [line.replace("0.600", f"{row.score:.3f}")
                          for line, row in zip(scored, PUBLISHED[:4], strict=True)]  # fmt: skip
    assert after[6:24] == lines[6:24]
    assert "4 rows of 9 × 1" in after[25]
