"""PTB-XL's statements as classes: the tables that are read, the folder that is made, a tiny run."""

import json
from pathlib import Path

import pytest

from ecg import LeadwiseError
from ecg.headers import parse_header
from experiments import __main__ as command
from experiments import statements
from experiments.statements import read_statements, restate
from models import find
from models.folder import read_model
from models.recipe import recipe_to_json
from tests.conftest import small


def test_both_tables_say_the_same(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "records.tsv", tmp_path / "ptbxl_database.csv"
    ours.write_text("record\tscp\nHR00001\tNORM,SR\nHR00012\t\n")
    theirs.write_text("ecg_id,scp_codes\n1,\"{'NORM': 100.0, 'SR': 0.0}\"\n12,{}\n")
    expected = {"HR00001": ("NORM", "SR"), "HR00012": ()}
    assert read_statements(ours) == read_statements(theirs) == expected


def test_another_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("name,age\n")
    with pytest.raises(LeadwiseError, match=r"other\.csv: neither the columns record and scp"):
        read_statements(tmp_path / "other.csv")


def test_headers_name_statements_behind_the_codes(folded: Path, tmp_path: Path) -> None:
    first, second, *_ = sorted(path.stem for path in folded.glob("*.hea"))
    made = restate(folded, {second: ("NORM", "SR")}, tmp_path / "made")
    before, after = ((folder / f"{second}.hea").read_text() for folder in (folded, made))
    codes = parse_header(before, second).codes
    assert codes
    assert parse_header(after, second).codes == (*codes, "NORM", "SR")
    assert [line for line in after.splitlines() if "Dx" not in line] == [
        line for line in before.splitlines() if "Dx" not in line
    ]
    assert (made / f"{first}.hea").read_text() == (folded / f"{first}.hea").read_text()
    assert (made / "folds.tsv").read_text() == (folded / "folds.tsv").read_text()
    restate(folded, {}, made)  # is there: nothing is made again
    assert (made / f"{second}.hea").read_text() == after


def test_a_tiny_run_from_table_to_row(
    folded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement that comes and goes, one that all have, one that fold 9 does not have."""
    names = sorted(path.stem for path in folded.glob("*.hea"))
    said = [("SR", "NORM,SR", "IMI,SR")[2 * (place == 0) or place // 4 % 2] for place in range(48)]
    lines = [f"{name}\t{codes}" for name, codes in zip(names, said, strict=True)]
    table, recipe = tmp_path / "records.tsv", tmp_path / "recipe.json"
    table.write_text("\n".join(["record\tscp", *lines]) + "\n")
    recipe.write_text(json.dumps(recipe_to_json(small(find("house-statements")))))
    monkeypatch.setattr(statements, "RECIPE", recipe)
    monkeypatch.setattr(statements, "ROOT", tmp_path)
    page = tmp_path / "docs" / "results.md"
    page.parent.mkdir()
    page.write_text("<!-- statements -->\n<!-- /statements -->\n")
    words = [str(folded), str(table), str(tmp_path / "runs"), "--epochs", "1"]
    monkeypatch.setattr("sys.argv", ["experiments", "ptbxl-statements", *words])
    command.main()
    classes = read_model(tmp_path / "runs" / "model").classes
    assert tuple(name for name in classes if not name.isdigit()) == ("IMI", "NORM", "SR")
    assert len(classes) > 3
    ours, *published = list(statements.rows(tmp_path / "runs"))[2:]
    assert ours in page.read_text()
    assert "| 1 of 3 | " in ours
    assert len(published) == 2
