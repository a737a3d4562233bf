"""Data: usable records of a folder, their labels, and which labels are known."""

from pathlib import Path

import numpy as np
import pytest

from ecg import LeadwiseError
from ecg.labels import CODES, codes_by_name
from ecg.leads import LEAD_SETS
from ecg.records import write_record
from models import find
from models.recipe import Head, vary
from tests.conftest import mapped_arrays
from training.cache import Cache
from training.checks import check_recipe
from training.data import MASKS, chosen_recipe, labelled_records, split_data
from training.settings import Settings

EXCLUSIVE = (Head(classes="af", exclusive=True),)
AF, LAD, NSR = (CODES.index(codes_by_name()[name]) for name in ("AF", "LAD", "NSR"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write eight records A1 … A8 of one lead without labels."""
    signal = np.random.default_rng(0).normal(scale=0.3, size=(1, 300))
    for number in range(1, 9):
        write_record(tmp_path, f"A{number}", signal, ["ECG"], 300)
    return tmp_path


def test_a_recipe_of_other_leads_refuses_the_five_lead_sets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    single = vary(find("house-resnet"), lead_sets=(("ECG",),))
    monkeypatch.setattr("training.data.find", lambda _: single)
    assert chosen_recipe(Settings()).lead_sets == (("ECG",),)
    with pytest.raises(LeadwiseError, match=r"own \(ECG\), so LEADWISE_LEADS cannot be used"):
        chosen_recipe(Settings(leads=(2,)))


def test_settings_shorten_a_recipe_and_never_lengthen_it() -> None:
    recipe = find("house-resnet")
    assert chosen_recipe(Settings(recipe="house-resnet")) == recipe
    changed = chosen_recipe(Settings(recipe="house-resnet", epochs=3, minutes=7.0, seed=5))
    assert (changed.epochs, changed.minutes, changed.seed) == (3, 7.0, 5)
    assert chosen_recipe(Settings(recipe="house-resnet", epochs=1000)).epochs == recipe.epochs
    assert chosen_recipe(Settings(recipe="house-resnet", seed=0)).seed == 0


def test_a_recipe_is_read_from_a_file_by_its_ending(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text('{"base": "house-resnet", "epochs": 3}')
    assert chosen_recipe(Settings(recipe=str(file))).epochs == 3
    with pytest.raises(LeadwiseError, match="no recipe .*mine"):
        chosen_recipe(Settings(recipe=str(file.with_suffix(""))))


def test_lead_sets_without_the_first_one_have_no_distillation(
    capsys: pytest.CaptureFixture[str],
) -> None:
    kept = chosen_recipe(Settings(recipe="house-pair", leads=(12, 2)))
    assert kept.lead_sets == (LEAD_SETS[12], LEAD_SETS[2])
    assert kept.transfer == find("house-pair").transfer
    assert capsys.readouterr().err == ""
    for leads in ((2,), (2, 12)):
        alone = chosen_recipe(Settings(recipe="house-pair", leads=leads))
        assert alone.transfer.name == "none"
        assert "no distillation without the network of 12 leads" in capsys.readouterr().err


def test_a_record_is_used_if_one_of_its_labels_is_readable(folder: Path) -> None:
    signal = np.random.default_rng(1).normal(scale=0.3, size=(1, 300))
    for name, codes in {"B1": ["426783006"], "B2": ["426783006", "xyz"], "B3": ["xyz"]}.items():
        write_record(folder, name, signal, ["ECG"], 300, codes=codes)
    records, left_out = labelled_records(str(folder), (Head(),))
    assert [record.name for record in records] == ["B1", "B2"]
    assert [one.record for one in left_out if one.kind == "unreadable label"] == ["B3"]


def test_a_patient_of_the_table_is_on_one_side(folder: Path) -> None:
    """Fold and patient differ: each patient has two records, of different folds."""
    (folder / "REFERENCE.csv").write_text("".join(f"A{n},{'NA'[n % 2]}\n" for n in range(1, 9)))
    rows = [f"A{n}\t{n % 2}\tp{(n + 1) // 2}\n" for n in range(1, 9)]
    (folder / "folds.tsv").write_text("record\tfold\tpatient\n" + "".join(rows))
    records, _ = labelled_records(str(folder), EXCLUSIVE)
    signals = mapped_arrays([np.zeros((1, 300), np.float16)] * 8)
    cache = Cache(folder, signals, {}, None, np.arange(8), (), ())
    for seed in range(5):
        recipe = vary(find("house-resnet"), heads=EXCLUSIVE, lead_sets=(("ECG",),), seed=seed)
        side = split_data(records, cache, str(folder), recipe, Settings()).validation
        assert side[::2].tolist() == side[1::2].tolist()
        assert side.sum() == 2
    held = split_data(records, cache, str(folder), recipe, Settings(validation="1")).validation
    assert held.tolist() == [True, False] * 4


def test_a_folder_of_2017_is_read_and_records_without_a_class_are_left_out(folder: Path) -> None:
    rows = "A1,N\nA2,A\nA3,O\nA4,~\nA5,X\nA6,N\nA6,A\nA9,N\n"
    (folder / "REFERENCE.csv").write_text(rows)
    records, left_out = labelled_records(str(folder), EXCLUSIVE)
    assert [(record.name, record.header.codes) for record in records] == [
        ("A1", ("N",)), ("A2", ("A",)), ("A3", ("O",)), ("A4", ("~",))
    ]  # fmt: skip
    assert [(message.record, message.kind) for message in left_out] == [
        ("A5", "unknown label"), ("A6", "two labels"), ("A9", "no record"),
        ("A7", "no label"), ("A8", "no label"),
    ]  # fmt: skip


def test_a_record_must_have_exactly_one_exclusive_class(folder: Path) -> None:
    (folder / "REFERENCE.csv").write_text("A1,N\nA2,A\nA3,A\n")
    signal = np.random.default_rng(1).normal(scale=0.3, size=(1, 300))
    write_record(folder, "A2", signal, ["ECG"], 300, codes=["N", "A"])
    write_record(folder, "A4", signal, ["ECG"], 300, codes=["164889003"])
    records, _ = labelled_records(str(folder), (Head(classes="af"),))
    assert [record.name for record in records] == ["A1", "A2", "A3", "A4"]
    records, left_out = labelled_records(str(folder), EXCLUSIVE)
    assert [record.name for record in records] == ["A1", "A3"]
    texts = [str(message) for message in left_out if message.kind == "not one class"]
    assert texts == [
        "A2: has 2 of the classes N, A, O, ~; a record must have exactly one",
        "A4: has 0 of the classes N, A, O, ~; a record must have exactly one",
    ]


def test_a_folder_without_usable_labels_is_an_error(folder: Path) -> None:
    with pytest.raises(LeadwiseError, match="can be used for training; 8 records .*: no label"):
        labelled_records(str(folder), EXCLUSIVE)
    (folder / "REFERENCE.csv").write_text("A1,N\nA2,A\n")
    with pytest.raises(LeadwiseError, match="none of the 2 records has one of the 26 scored"):
        labelled_records(str(folder), (Head(),))


def test_records_without_labels_are_used_if_a_head_is_dense_and_their_labels_are_unknown(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "REFERENCE.csv").write_text("A1,N\nA2,A\n")
    heads = (Head(classes="af"), Head("waves", kind="samples", classes="all", metric="dice"))
    records, left_out = labelled_records(str(folder), heads)
    assert [record.name for record in records] == [f"A{number}" for number in range(1, 9)]
    assert left_out == []
    signals = mapped_arrays([np.zeros((1, 300), np.float16)] * 7)
    cache = Cache(folder, signals, {}, None, np.arange(7), (), ())
    recipe = vary(find("house-resnet"), heads=heads, lead_sets=(("ECG",),))
    data = split_data(records, cache, str(folder), recipe, Settings())
    assert data.labels.keys() == data.known.keys() == {"diagnosis"}
    assert data.classes.keys() == {"diagnosis", "waves"}
    assert data.labels["diagnosis"].sum() == 2
    assert data.known["diagnosis"].tolist() == [[number < 2] * 4 for number in range(7)]
    assert 0 < data.validation.sum() < 7
    assert "training records" in capsys.readouterr().err
    plain = split_data(records, cache, str(folder), vary(recipe, heads=heads[:1]), Settings())
    assert plain.known == {}, "without a dense head all labels are known"


def test_an_absent_class_is_unknown_if_the_source_never_labels_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = [f"A{n:04d}" for n in range(30)] + [f"E{n:05d}" for n in range(40)]
    labels = np.zeros((70, len(CODES)), bool)
    labels[:25, AF] = labels[30:, NSR] = labels[30:55, LAD] = True
    labels[3, LAD] = True  # too few in CPSC, so absent labels are unknown; this one is present
    known = MASKS["sources"](names, labels, CODES)
    assert known.shape == labels.shape
    assert known[:30, AF].all()
    assert known[:30, LAD].tolist() == [number == 3 for number in range(30)]
    assert not known[:30, NSR].any()
    assert known[30:, [NSR, LAD]].all()
    assert not known[30:, AF].any()
    log = capsys.readouterr().err
    assert "Unknown in cpsc2018 (30 records): AFL, BBB," in log
    assert "Unknown in georgia (40 records): AF, AFL," in log


def test_without_a_mask_all_labels_are_known() -> None:
    assert MASKS["off"](["A0001"], np.zeros((1, 26), bool), CODES) is None
    assert find("revenger-nc-se").head.mask == "off"


def test_the_error_for_an_unknown_mask_lists_the_known_ones() -> None:
    with pytest.raises(LeadwiseError, match="no mask 'all'; known are off, sources"):
        check_recipe(vary(find("revenger-nc-se"), mask="all"))
