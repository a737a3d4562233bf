"""Rules by a network's marks: what is read of its tables, and what the constants are chosen on."""

from pathlib import Path

import numpy as np
import pytest

from ecg import LeadwiseError
from ecg.beat_table import RECORD_COLUMNS
from experiments.wave_rules import marked_intervals, report
from simulate import write_records

COUNT = 38


def write_intervals(folder: Path, rows: dict[str, dict[str, str]]) -> None:
    lines = ["\t".join(RECORD_COLUMNS)]
    for name, cells in rows.items():
        known = {"record": name, **cells}
        lines.append("\t".join(known.get(column, "") for column in RECORD_COLUMNS))
    (folder / "intervals.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_intervals_are_read_from_several_folders(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    one = {"pr_ms": "210", "qtc_fridericia_ms": "430", "pr_beats": "6", "beats_of_class": "8"}
    write_intervals(folders[0], {"x": one})
    write_intervals(folders[1], {"y": {"beats_of_class": "5", "pr_beats": "0"}, "z": {}})
    columns = marked_intervals(["z", "x", "y"], folders)
    np.testing.assert_array_equal(columns["PQ"], [np.nan, 210, np.nan])
    np.testing.assert_array_equal(columns["QTc"], [np.nan, 430, np.nan])
    assert columns["P"].tolist() == [0, 0.75, 0]
    with pytest.raises(LeadwiseError, match=r"1 records have no row in intervals.tsv \(w\)"):
        marked_intervals(["x", "w"], folders)


def test_constants_are_chosen_on_fold_8_and_the_table_is_written(tmp_path: Path) -> None:
    """By marks that know the label a record with 240 ms is long, on fold 9 all are wrong."""
    data, marks = tmp_path / "data", tmp_path / "marks"
    marks.mkdir()
    names = write_records(data, COUNT, seed=1, fs=100)
    folds = ["8" if number < COUNT // 2 else "9" for number in range(COUNT)]
    rows = [f"{name}\t{fold}\tp{name}" for name, fold in zip(names, folds, strict=True)]
    (data / "folds.tsv").write_text("\n".join(["record\tfold\tpatient", *rows]) + "\n")
    texts = {name: (data / f"{name}.hea").read_text() for name in names}
    cells = {
        name: {
            "pr_ms": "240" if ("270492004" in texts[name]) == (fold == "8") else "230",
            "pr_beats": "8", "beats_of_class": "8", "qtc_fridericia_ms": "400",
        }
        for name, fold in zip(names, folds, strict=True)
    }  # fmt: skip
    write_intervals(marks, cells)
    page = tmp_path / "page.md"
    page.write_text("<!-- rules-waves -->\n<!-- /rules-waves -->\n", encoding="utf-8")
    (tmp_path / "tables").mkdir()
    lines = report(data, [marks], page)
    rows = [line.strip("| ").split(" | ") for line in lines[2:]]
    found = {tuple(row[:4]): row[4:] for row in rows}
    unchanged = found["long PR", "of the code", "marks", "pq 208, P 0.5"]
    chosen = found["long PR", "of fold 8", "marks", "pq 230, P 0"]
    assert [chosen[0], chosen[3]] == ["1.000", "0.000"]
    assert unchanged[0] < "1.000"
    assert {row[6] == "–" for row in rows if row[2] == "average beat"} == {True}
    assert len(found) == 8
    assert lines[2] in page.read_text(encoding="utf-8")
