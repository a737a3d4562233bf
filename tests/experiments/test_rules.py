"""The study of rules from records to the page, on simulated records; its figures by hand."""

from pathlib import Path

import numpy as np
import pytest

from docs.generate import RULES_PAGE
from ecg import LeadwiseError
from ecg.leads import LEAD_SETS
from ecg.rules import RULES
from experiments import rules
from experiments.rules import (
    best_numbers,
    cross_fitted,
    difference,
    labels_of,
    measure_all,
    read_published,
    read_table,
    report,
)
from simulate import write_records

COUNT = 57


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Records in three folds, their measures, and invented published answers: all no."""
    data, out = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("out")
    names = write_records(data, COUNT, seed=1, fs=100)
    rows = [f"{name}\t{7 + number % 3}\tp" for number, name in enumerate(names)]
    (data / "folds.tsv").write_text("\n".join(["record\tfold\tpatient", *rows]) + "\n")
    answers = out / "published.tsv"
    head = "record LAD RAD brady tachy LQRSV PR six four three two labels".split()
    rows_ = ["\t".join([name, *"000000", *["000000"] * 4, "NSR"]) for name in names[:-1]]
    answers.write_text("\n".join(["\t".join(head), *rows_]) + "\n")
    measure_all(data, out)
    return data, out, answers


def test_what_is_measured_is_kept_and_refused_for_other_records(study, tmp_path: Path) -> None:
    data, out, _ = study
    kept = {path: path.stat().st_mtime_ns for path in out.glob("*.npz")}
    assert len(kept) == len(LEAD_SETS)
    measure_all(data, out)
    assert {path: path.stat().st_mtime_ns for path in out.glob("*.npz")} == kept
    write_records(tmp_path, 3, fs=100)
    with pytest.raises(LeadwiseError, match="measured on other records"):
        read_table(tmp_path, out, 12)
    with pytest.raises(LeadwiseError, match="run `rules-measure` first"):
        read_table(data, tmp_path, 12)


def test_constants_are_fitted_on_the_other_folds_alone(study) -> None:
    """A fold whose measures are spoilt changes its own answers, not the constants for it."""
    data, out, _ = study
    table = read_table(data, out, 12)
    rule = RULES["LAD"]
    labels, folds = labels_of(table, rule), np.arange(COUNT) % 3
    before = best_numbers(rule, table, labels, folds != 0)
    labels[folds == 0] = True
    spoilt = {**table.columns, "axis": np.where(folds == 0, 25.0, table.columns["axis"])}
    other = table._replace(columns=spoilt)
    assert best_numbers(rule, other, labels, folds != 0) == before
    assert (cross_fitted(rule, other, labels, folds)[folds == 0] == 0).all()
    assert best_numbers(rule, other, labels, np.ones(COUNT, bool))["limit"] > 25


def test_the_interval_of_a_difference() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random(500) < 0.3
    good, bad = labels ^ (rng.random(500) < 0.05), labels ^ (rng.random(500) < 0.3)
    low, high = difference(labels, good, bad)
    assert 0 < low < high < 1
    assert difference(labels, good, good) == (0, 0)


def test_published_answers_are_read_by_lead_set(tmp_path: Path) -> None:
    path = tmp_path / "answers.tsv"
    path.write_text(
        "record\t…\nHR1\t1\t0\t0\t1\t0\t0\t001000\t000000\t000001\t000100\tLAD,NSR\n", "utf-8"
    )
    answers = read_published(path)["HR1"]
    assert answers[12] == (True, False, False, True, False, False)
    assert [size for size in answers if any(answers[size])] == [12, 6, 3, 2]


def test_the_page_is_filled(study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, out, answers = study
    page = tmp_path / "rules.md"
    page.write_text(RULES_PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(rules, "PAGE", page)
    monkeypatch.setattr(rules, "RESAMPLES", 20)
    report(data, out, answers)
    text = page.read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| LAD | 12 | ")]
    cells = rows[0].strip("| ").split(" | ")
    labelled = labels_of(read_table(data, out, 12), RULES["LAD"])[:-1]
    assert float(cells[2]) > 0.5
    assert cells[3] == "0.000"
    assert cells[6] == f"0 0 {labelled.sum()}"
    assert "| sinus arrhythmia | 2 | " in text


def test_empty_folders_and_answers_leave_the_page_as_it_is(
    study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "rules.md"
    page.write_text(RULES_PAGE.read_text())
    monkeypatch.setattr(rules, "PAGE", page)
    data, out, _ = study
    (tmp_path / "none.tsv").write_text("record\n")
    with pytest.raises(LeadwiseError, match=r"none\.tsv: has no answer for a record of"):
        report(data, out, tmp_path / "none.tsv")
    for waves in (tmp_path, tmp_path / "nobody"):
        with pytest.raises(LeadwiseError, match="mitdb: lacks 102, 104, 107, 217; unpack it"):
            rules.elsewhere(waves, data)
    assert page.read_text() == RULES_PAGE.read_text()
