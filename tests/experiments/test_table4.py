"""Table 4 and figures A1 to A3: counts by hand, and the paper's own example."""

import shutil
from pathlib import Path

import pytest

from ecg import LeadwiseError
from ecg.labels import codes_by_name
from ecg.leads import LEAD_SETS
from ecg.records import read_record
from ecg.rules import RULES
from experiments import rules
from experiments.table4 import COUNTS, figures, table4
from simulate import write_records

DATA = Path(__file__).resolve().parent.parent / "data" / "appendix-a"


def test_the_papers_counts_are_complete() -> None:
    assert {sum(counts) for counts in COUNTS.values()} == {78956}


def test_the_first_figure_is_lad_by_two_leads_and_not_by_three(tmp_path: Path) -> None:
    """HR05631, the paper's figure A1: leads I and II positive, aVF negative, labelled LAD."""
    lines = list(figures(DATA, tmp_path / "out"))
    assert lines[0].startswith("HR05631 (")
    assert lines[0].endswith("LAD): axis LAD (2-lead), normal (3-lead)")
    assert lines[1:] == [f"A0226: not in {DATA}", f"A0095: not in {DATA}"]
    assert (tmp_path / "out" / "HR05631.png").stat().st_size > 10_000
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["HR05631.png"]
    assert codes_by_name()["LAD"] in read_record(DATA / "HR05631.hea").header.codes


def test_a_folder_without_these_records_is_refused(tmp_path: Path) -> None:
    write_records(tmp_path, 1, fs=100)
    with pytest.raises(LeadwiseError, match="holds none of HR05631, A0226, A0095"):
        list(figures(tmp_path, tmp_path / "out"))


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path, Path]:
    """Eight records, their measures with 12 leads, and answers on seven: all yes."""
    data, out = tmp_path / "data", tmp_path / "out"
    names = write_records(data, 8, seed=1, fs=100)
    rows = [f"{name}\t{7 + number % 2}\tp" for number, name in enumerate(names)]
    (data / "folds.tsv").write_text("\n".join(["record\tfold\tpatient", *rows]) + "\n")
    monkeypatch.setattr(rules, "LEAD_SETS", {12: LEAD_SETS[12]})
    rules.measure_all(data, out)
    head = "record LAD RAD brady tachy LQRSV PR six four three two labels".split()
    lines = ["\t".join([name, *"111111", *["000000"] * 4, "NSR"]) for name in names[:-1]]
    (out / "answers.tsv").write_text("\n".join(["\t".join(head), *lines]) + "\n")
    return data, out, out / "answers.tsv"


def test_each_class_has_the_papers_counts_theirs_and_ours(study, tmp_path: Path) -> None:
    data, out, answers = study
    page = tmp_path / "page.md"
    page.write_text("<!-- table4 -->\n<!-- /table4 -->\n")
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in
            table4(data, out, answers, page)][2:]  # fmt: skip
    assert len(rows) == 15
    assert rows[0][:7] == "Brady or SB|published|all sources, 78,956|18,905|5,342|54,403|306".split(
        "|"
    )
    measures = rules.read_table(data, out, 12)
    for name, (theirs, ours) in zip(COUNTS, zip(rows[1::3], rows[2::3], strict=True), strict=True):
        labels = rules.labels_of(measures, RULES[name])[:-1]
        assert theirs[2:7] == ["PTB-XL, 7", str(labels.sum()), str((~labels).sum()), "0", "0"]
        assert sum(map(int, ours[3:7])) == 7
    assert rows[-1][-2:] == ["–", "7"]  # pacing needs a higher sampling rate


def test_answers_on_other_records_are_refused(study) -> None:
    data, out, answers = study
    answers.write_text(answers.read_text().splitlines()[0] + "\n")
    with pytest.raises(LeadwiseError, match="no answer for a record"):
        table4(data, out, answers, None)
    shutil.rmtree(out)
    with pytest.raises(LeadwiseError, match="run `rules-measure` first"):
        table4(data, out, answers, None)
