"""Data: what a folder of 2017 teaches, and what is left out of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecg import LeadwiseError
from ecg.records import write_record
from models import find
from training.data import chosen_recipe, labelled_records
from training.settings import Settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight records A1 … A8 of one lead without a word about labels."""
    signal = np.random.default_rng(0).normal(scale=0.3, size=(1, 300))
    for number in range(1, 9):
        write_record(tmp_path, f"A{number}", signal, ["ECG"], 300)
    return tmp_path


def test_the_five_lead_sets_are_not_for_a_recipe_of_other_leads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    single = replace(find("house-resnet"), lead_sets=(("ECG",),))
    monkeypatch.setattr("training.data.find", lambda _: single)
    assert chosen_recipe(Settings()).lead_sets == (("ECG",),)
    with pytest.raises(LeadwiseError, match=r"own leads \(ECG\); LEADWISE_LEADS is not for it"):
        chosen_recipe(Settings(leads=(2,)))


def test_a_folder_of_2017_is_read_and_what_has_no_class_is_left_out(folder: Path) -> None:
    rows = "A1,N\nA2,A\nA3,O\nA4,~\nA5,X\nA6,N\nA6,A\nA9,N\n"
    (folder / "REFERENCE.csv").write_text(rows)
    records, left_out = labelled_records(str(folder), "af", exclusive=True)
    assert [(record.name, record.header.codes) for record in records] == [
        ("A1", ("N",)), ("A2", ("A",)), ("A3", ("O",)), ("A4", ("~",))
    ]  # fmt: skip
    assert [(remark.record, remark.kind) for remark in left_out] == [
        ("A5", "unknown label"), ("A6", "two labels"), ("A9", "no record"),
        ("A7", "no label"), ("A8", "no label"),
    ]  # fmt: skip


def test_where_classes_are_exclusive_a_record_has_one_of_them(folder: Path) -> None:
    (folder / "REFERENCE.csv").write_text("A1,N\nA2,A\nA3,A\n")
    signal = np.random.default_rng(1).normal(scale=0.3, size=(1, 300))
    write_record(folder, "A2", signal, ["ECG"], 300, codes=["N", "A"])
    write_record(folder, "A4", signal, ["ECG"], 300, codes=["164889003"])
    records, _ = labelled_records(str(folder), "af")
    assert [record.name for record in records] == ["A1", "A2", "A3", "A4"]
    records, left_out = labelled_records(str(folder), "af", exclusive=True)
    assert [record.name for record in records] == ["A1", "A3"]
    said = [str(remark) for remark in left_out if remark.kind == "not one class"]
    assert said == [
        "A2: has 2 of the classes N, A, O, ~, of which each record has one",
        "A4: has 0 of the classes N, A, O, ~, of which each record has one",
    ]


def test_a_folder_of_other_labels_is_said(folder: Path) -> None:
    with pytest.raises(LeadwiseError, match="can be trained on; 8 records .*: no label"):
        labelled_records(str(folder), "af", exclusive=True)
    (folder / "REFERENCE.csv").write_text("A1,N\nA2,A\n")
    with pytest.raises(LeadwiseError, match="none of the 2 records has one of the 26 scored"):
        labelled_records(str(folder))
