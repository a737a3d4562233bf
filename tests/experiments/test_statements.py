"""PTB-XL's statements as classes: their tables, the data folder and a tiny run."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecg import LeadwiseError
from ecg.headers import parse_header
from experiments import __main__ as command
from experiments.grids import GRIDS
from experiments.results import read_results
from experiments.statements import read_statements, write_statements
from models import find
from models.folder import read_model
from scoring.measures import areas
from tests.conftest import small
from training.soft import read_soft


def test_tables_say_the_same(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "records.tsv", tmp_path / "ptbxl_database.csv"
    ours.write_text("record\tscp\nHR00001\tNORM,SR\nHR00012\t\n")
    theirs.write_text("ecg_id,scp_codes\n1,\"{'NORM': 80.0, 'SR': 0.0}\"\n12,{}\n")
    third = tmp_path / "remarks.tsv"
    third.write_text("record\tscp_codes\nHR00001\t{'NORM': 80.0, 'SR': 0.0}\nHR00012\t{}\n")
    assert read_statements(ours) == {"HR00001": {"NORM": 0, "SR": 0}, "HR00012": {}}
    expected = {"HR00001": {"NORM": 80, "SR": 0}, "HR00012": {}}
    assert read_statements(theirs) == read_statements(third) == expected


def test_another_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("name,age\n")
    with pytest.raises(LeadwiseError, match=r"other\.csv: neither the columns record and scp"):
        read_statements(tmp_path / "other.csv")


@pytest.mark.parametrize("row", ["two,{}", "2,{'NORM': 1", "2,5", "2", "2,os"])
def test_a_row_that_is_not_ptbxls_is_named(row: str, tmp_path: Path) -> None:
    table = tmp_path / "ptbxl_database.csv"
    table.write_text(f"ecg_id,scp_codes\n1,{{}}\n{row}\n")
    with pytest.raises(LeadwiseError, match=r"ptbxl_database\.csv, line 3: is no row of PTB-XL's"):
        read_statements(table)


def test_headers_name_statements_behind_the_codes(folded: Path, tmp_path: Path) -> None:
    first, second, *_ = sorted(path.stem for path in folded.glob("*.hea"))
    stated, table = tmp_path / "stated", tmp_path / "records.tsv"
    table.write_text(f"record\tscp\n{second}\tNORM,SR\n")
    write_statements(folded, table, stated)
    before, after = ((folder / f"{second}.hea").read_text() for folder in (folded, stated))
    codes = parse_header(before, second).codes
    assert codes
    assert parse_header(after, second).codes == (*codes, "NORM", "SR")
    assert [line for line in after.splitlines() if "Dx" not in line] == [
        line for line in before.splitlines() if "Dx" not in line
    ]
    assert (stated / f"{first}.hea").read_text() == (folded / f"{first}.hea").read_text()
    assert (stated / "folds.tsv").read_text() == (folded / "folds.tsv").read_text()
    assert not (stated / "soft.tsv").exists(), "the table has no likelihoods"
    with pytest.raises(LeadwiseError, match="stated: exists already; choose a new folder"):
        write_statements(folded, table, stated)


def test_likelihoods_are_targets_where_they_are_known(folded: Path, tmp_path: Path) -> None:
    name = min(path.stem for path in folded.glob("*.hea"))
    table = tmp_path / "remarks.tsv"
    table.write_text(f"record\tscp_codes\n{name}\t{{'IMI': 35.0, 'NORM': 100.0, 'SR': 0.0}}\n")
    write_statements(folded, table, tmp_path / "stated")
    (code, *_) = parse_header((folded / f"{name}.hea").read_text(), name).codes
    targets = read_soft(tmp_path / "stated", ("IMI", "NORM", "SR", code), exclusive=False)
    np.testing.assert_allclose(targets.pop(name), [0.35, 1, 1, 1])
    assert all((others[:3] == 0).all() for others in targets.values())


def test_a_tiny_run_from_table_to_row(
    folded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """A statement that comes and goes, one that all have, one that fold 9 does not have."""
    names = sorted(path.stem for path in folded.glob("*.hea"))
    codes_ = [
        ("SR", "NORM,SR", "IMI,SR")[2 * (index == 0) or index // 4 % 2] for index in range(48)
    ]
    lines = [f"{name}\t{codes}" for name, codes in zip(names, codes_, strict=True)]
    table, runs = tmp_path / "records.tsv", tmp_path / "runs"
    table.write_text("\n".join(["record\tscp", *lines]) + "\n")
    recipes = {"house": replace(small(find("house-statements")), epochs=1)}
    monkeypatch.setitem(GRIDS, "statements", replace(GRIDS["statements"], recipes=recipes))
    data = str(tmp_path / "stated")
    commands = (
        ["statements", str(folded), str(table), data], ["run", "statements", data, str(runs)],
        ["report", "statements", str(runs)],
    )  # fmt: skip
    for words in commands:
        monkeypatch.setattr("sys.argv", ["experiments", *words])
        command.main()
    model = read_model(runs / "statements" / "house-12-leads-fold-9-seed-0" / "model")
    classes = model.classes["diagnosis"]
    assert tuple(name for name in classes if not name.isdigit()) == ("IMI", "NORM", "SR")
    assert len(classes) > 3
    (result,) = read_results(GRIDS["statements"], runs)
    columns = result.test.columns
    auroc = areas(result.test.labels[:, columns], result.test.probabilities[:, columns]).auroc
    assert np.isfinite(auroc).sum() == 1
    page = capsys.readouterr().out
    assert f"| {np.nanmean(auroc):.3f} (" in page
    assert "S4 0.941 (Mehari & Strodthoff 2023)." in page
