"""Splits share each class equally and keep the records of a patient together."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecg import LeadwiseError
from ecg.records import Record, record_of
from models import find
from tests.conftest import small
from training.run import train_folder
from training.settings import Settings
from training.splits import (
    check_folds,
    read_folds,
    split_by_fold,
    split_within_sources,
    stratified_split,
)


def unbalanced(records: int = 1500, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """Return labels as unequal as the Challenge's (60 % to a few) and patients of 1–4 records."""
    rng = np.random.default_rng(seed)
    shares = np.geomspace(0.6, 0.003, 22)
    labels = rng.random((records, 22)) < shares
    patients = [f"p{number}" for number in rng.integers(0, records // 2, records)]
    return labels, patients


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.25, 0.1])
def test_no_class_deviates_by_more_than_two_records_or_two_percent(seed: int, share: float) -> None:
    labels, patients = unbalanced(seed=seed)
    validation = stratified_split(labels, share=share, seed=seed, groups=patients)
    wanted, shared = share * labels.sum(0), labels[validation].sum(0)
    assert (np.abs(shared - wanted) <= np.maximum(2, 0.02 * labels.sum(0))).all()
    assert abs(validation.sum() - share * len(labels)) <= 0.02 * len(labels)


def test_records_of_a_patient_are_on_one_side() -> None:
    labels, patients = unbalanced()
    validation = stratified_split(labels, groups=patients)
    sides: dict[str, set[bool]] = {}
    for patient, side in zip(patients, validation.tolist(), strict=True):
        sides.setdefault(patient, set()).add(side)
    assert {len(both) for both in sides.values()} == {1}


def test_the_seed_decides_and_the_global_generator_is_unchanged() -> None:
    labels, _ = unbalanced(400)
    np.random.seed(5)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    first = stratified_split(labels, seed=1)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    np.testing.assert_array_equal(stratified_split(labels, seed=1), first)
    assert (stratified_split(labels, seed=2) != first).any()


def test_two_records_are_split_and_one_is_too_few() -> None:
    validation = stratified_split(np.ones((2, 3), dtype=bool))
    assert sorted(validation.tolist()) == [False, True]
    with pytest.raises(LeadwiseError, match="1 usable records of 1 patients; a split needs two"):
        stratified_split(np.ones((1, 3), dtype=bool))


def test_a_fold_of_the_table_becomes_the_validation_records(tmp_path: Path) -> None:
    (tmp_path / "folds.tsv").write_text("record\tfold\tpatient\na\t1\tp\nb\t8\tq\n")
    folds = read_folds(tmp_path)
    assert folds == {"a": ("1", "p"), "b": ("8", "q")}
    assert split_by_fold(["a", "b", "unnamed"], folds, "8").tolist() == [False, True, False]
    with pytest.raises(LeadwiseError, match="fold 9 holds 0 of 2 records; .* the folds 1, 8"):
        split_by_fold(["a", "b"], folds, "9")
    with pytest.raises(LeadwiseError, match="no folds.tsv"):
        split_by_fold(["a"], {}, "8")


def test_a_table_without_its_columns_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "folds.tsv").write_text("name,fold\na,1\n")
    with pytest.raises(LeadwiseError, match="folds.tsv: needs the columns record and fold"):
        read_folds(tmp_path)
    (tmp_path / "folds.tsv").write_text("")
    with pytest.raises(LeadwiseError, match="folds.tsv: needs the columns record and fold"):
        read_folds(tmp_path)
    assert read_folds(tmp_path / "elsewhere") == {}


FOLDS = {"a": ("1", "p"), "b": ("8", "q"), "c": ("8", "p")}


@pytest.mark.parametrize(
    "text",
    [
        "record\tfold\tpatient\na\t1\tp\nb\t8\tq\nc\t8\tp\n",
        "Record;Fold;Patient\r\na;1;p\r\nb;8;q\r\nc;8;p\r\n",
        "RECORD,FOLD,PATIENT\ra,1,p\rb,8,q\rc,8,p",
        "sep=;\nrecord;fold;patient\na;1;p\nb;8;q\nc;8;p\n",
        '"record"\t"fold"\t"patient"\n"a"\t"1"\t"p"\n"b"\t"8"\t"q"\n"c"\t"8"\t"p"\n',
        "record fold patient\n a 1  p\nb 8 q\nc  8 p \n",
        " record \t fold\tPatient \na \t1\t p\n b\t8 \tq\n\nc\t8\tp\n\n",
        "record\tfold\tpatient\na.hea\t1\tp\nb.mat\t8\tq\ng1/c\t8\tp\n",
        "patient_id\tsex\tstrat_fold\trecord\np\tF\t1.0\ta\nq\tM\t8.0\tb\np\t\t8\tc\n",
        "record\tfold\tpatient\t\t\na\t1\tp\t\t\nb\t8\tq\t\t\nc\t8\tp\t\t\n\t\t\t\t\n",
        "record\tfold\tpatient\na\t1\tp\na\t1\tp\nb\t8\tq\nc\t8\tp\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_table_is_read_as_spreadsheets_save_it(tmp_path: Path, text: str, encoding: str) -> None:
    (tmp_path / "folds.tsv").write_bytes(text.encode(encoding))
    assert read_folds(tmp_path) == FOLDS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("record\tfold\tpatient\na\t1\n", "line 2 has 2 cells, its title 3: 'a,1'"),
        ("record\tfold\na\t1\tp\n", "line 2 has 3 cells, its title 2: 'a,1,p'"),
        ("record\tfold\n\n\t1\n", "line 3 lacks the record or its fold: ',1'"),
        ("record\tfold\na\t\n", "line 2 lacks the record or its fold: 'a,'"),
        ("record\tfold\na\t1\na.hea\t2\n", "line 3 has another fold or patient of a than a"),
        ("record\tpatient\na\tp\n", "needs the columns record and fold"),
        ("a\t1\tp\n", "needs the columns record and fold"),
        ("record\tfold\tpatient\tsubject\na\t1\tp\ts\n", "has two columns patient; delete"),
        ("record\tfold\na\t\xe4\n", "line 2 is no text in UTF-8 or UTF-16; save the table as"),
        ("PK\x03\x04\xff", "line 1 is no text in UTF-8 or UTF-16"),
    ],
)
def test_a_table_that_cannot_be_read_is_an_error_with_its_line(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "folds.tsv").write_bytes(text.encode("latin-1"))
    with pytest.raises(LeadwiseError) as error:
        read_folds(tmp_path)
    assert str(error.value).startswith(f"{tmp_path}/folds.tsv: {message}")


@pytest.mark.parametrize("name", ["folds.csv", "folds.tsv.txt"])
def test_a_table_of_another_name_is_not_ignored(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("record\tfold\na\t1\n")
    with pytest.raises(LeadwiseError, match=f"{name}: the table of folds must be a file folds.tsv"):
        read_folds(tmp_path)


def records(folder: Path, *names: str) -> list[Record]:
    signal = np.zeros((1, 9), np.float32)
    return [replace(record_of(signal, ["I"], 300, name=name), stem=str(folder / name))
            for name in names]  # fmt: skip


def checked(folder: Path, text: str, *names: str, fold: str | None = None) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "folds.tsv").write_text(text)
    check_folds(str(folder), records(folder, *names), fold)


def test_a_table_that_fits_is_silent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = "record\tfold\tpatient\na\t1\tp\nb\t8\tq\nc\t8\tq\nnot here\t1\tr\n"
    for fold in (None, "8"):
        checked(tmp_path, table, "a", "b", "c", fold=fold)
    check_folds(str(tmp_path / "none"), records(tmp_path / "none", "a"), None)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("table", "names", "fold", "message"),
    [
        ("record\tfold\nx\t1\ny\t2\n", "ab", None, "does not list the record a by its name .it"),
        ("record\tfold\nA\t1\nb\t2\n", "ab", None, "does not list the record a by its name .it"),
        ("record\tfold\na\t1\nb\t2\n", "ab", "3", "validation fold 3 holds 0 of 2 records; "),
        ("record\tfold\na\t1\nb\t1\n", "ab", "1", "validation fold 1 holds 2 of 2 records; "),
        ("record\tfold\na\n", "ab", None, "line 2 has 1 cells, its title 2"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(
    tmp_path: Path, table: str, names: str, fold: str | None, message: str
) -> None:
    with pytest.raises(LeadwiseError, match=message):
        checked(tmp_path, table, *names, fold=fold)


@pytest.mark.parametrize(
    ("table", "fold", "note"),
    [
        ("record\tfold\tpatient\na\t1\tp\n", None, "does not list 1 records (b); each is its own"),
        ("record\tfold\tname\na\t1\tp\nb\t8\tp\n", None, "has no column patient (it has 'record"),
        ("record\tfold\tpatient\na\t1\tp\nb\t8\tp\n", "8", "has 1 patients (p) in the validation"),
        ("record\tfold\tpatient\na\t1\t\nb\t8\tp\n", "8", "names no patient of 1 records (a)."),
        ("record\tfold\tpatient\na\t1\tp\nb\tnan\tq\n", "1", "has folds that are no numbers: nan."),
        (
            "record\tfold\tpatient\na\t1\tp\nb\ttest\tq\n",
            None,
            "has folds that are no numbers: test.",
        ),
        ("record\tfold\tpatient\na\t;1\tp\nb\t1\tq\n", "1", "has folds that are no numbers: ;1."),
    ],
)
def test_what_a_table_leaves_open_is_said(
    tmp_path: Path, table: str, fold: str | None, note: str, capsys: pytest.CaptureFixture[str]
) -> None:
    checked(tmp_path, table, "a", "b", fold=fold)
    lines = capsys.readouterr().err.splitlines()
    assert [line.startswith(f"Note: {tmp_path}/folds.tsv {note}") for line in lines] == [True]


@pytest.mark.parametrize(
    "rows", ["a\t1\tp\nb\t8\tq\n", "a\ttrain\tp\nb\ttest\tq\n", "a\t1\ta\nb\t8\tb\n"],
    ids=["numbers", "words", "records as patients"],
)  # fmt: skip
def test_nothing_is_said_of_a_table_of_one_kind_of_folds_and_patients(
    tmp_path: Path, rows: str, capsys: pytest.CaptureFixture[str]
) -> None:
    checked(tmp_path, f"record\tfold\tpatient\n{rows}", "a", "b", fold=None)
    assert capsys.readouterr().err == ""


def test_a_table_in_a_subfolder_is_not_used_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "g1").mkdir()
    (tmp_path / "g1" / "folds.tsv").write_text("record\tfold\na\t1\n")
    check_folds(str(tmp_path), records(tmp_path / "g1", "a"), None)
    assert capsys.readouterr().err == (
        f"Note: {tmp_path}/g1/folds.tsv is not used; only {tmp_path}/folds.tsv is.\n"
    )


def test_a_training_checks_the_table_before_it_prepares_a_record(
    simulated_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = shutil.copytree(simulated_folder, tmp_path / "data")
    (data / "folds.tsv").write_text("record\tfold\nx\t1\n")
    monkeypatch.setattr("training.run.open_cache", None)  # would fail
    monkeypatch.setattr("training.data.find", lambda name: small(find("house-resnet")))
    with pytest.raises(LeadwiseError, match="folds.tsv: does not list the record SIM00001 by its"):
        train_folder(str(data), str(tmp_path / "model"), Settings())


@pytest.mark.parametrize("share", [0.25, 0.1])
@pytest.mark.parametrize("seed", range(2))
def test_no_move_of_a_patient_improves_the_split(seed: int, share: float) -> None:
    """Deviations of classes and records count in units of what is tolerated, squared."""
    labels, patients = unbalanced(300, seed)
    counted = np.column_stack([labels, np.ones(len(labels))])
    wanted = share * counted.sum(0)
    tolerated = np.maximum(2, 0.02 * counted.sum(0))

    def cost(validation: np.ndarray) -> float:
        return float((((counted[validation].sum(0) - wanted) / tolerated) ** 2).sum())

    validation = stratified_split(labels, share=share, seed=seed, groups=patients)
    least = cost(validation)
    for patient in sorted(set(patients)):
        assert cost(validation ^ (np.array(patients) == patient)) > least - 1e-6


def test_folds_and_patients_of_a_spreadsheet_lose_their_decimals(tmp_path: Path) -> None:
    (tmp_path / "folds.tsv").write_text("record\tfold\tpatient\na\t9.0\t12.0\nb\t9.5\t1.50\n")
    assert read_folds(tmp_path) == {"a": ("9", "12"), "b": ("9.5", "1.50")}


def test_a_quarter_of_the_records_validates() -> None:
    """Nejedly et al., CinC 2020, section 2."""
    assert stratified_split(np.ones((400, 1), bool)).sum() == 100


def test_a_fifth_of_each_source_with_its_classes_on_both_sides() -> None:
    """Kang & Wen: a class counts for a source from 20 records on."""
    names = [f"A{n:04d}" for n in range(300)] + [f"E{n:05d}" for n in range(200)]
    labels = np.zeros((500, 3), bool)
    labels[:300, 0] = labels[300:320, 1] = True
    labels[300:319, 2] = True  # 19 records: not a class of the source
    for seed in range(8):
        validation = split_within_sources(labels, names, share=0.2, seed=seed)
        assert (validation[:300].sum(), validation[300:].sum()) == (60, 40)
        assert 0 < labels[validation, 1].sum() < 20
        again = split_within_sources(labels, names, share=0.2, seed=seed)
        np.testing.assert_array_equal(again, validation)
    assert (split_within_sources(labels, names, share=0.2, seed=0) != validation).any()


def test_patients_stay_on_one_side_of_a_split_within_sources(
    capsys: pytest.CaptureFixture,
) -> None:
    names = [f"HR{n:05d}" for n in range(400)]
    patients = [f"P{n // 4}" for n in range(400)]
    labels = np.zeros((400, 2), bool)
    labels[:, 0] = True
    validation = split_within_sources(labels, names, share=0.2, groups=patients)
    assert validation.sum() == 80
    assert set(validation.reshape(100, 4).sum(1)) == {0, 4}
    labels[:20, 1] = True
    one_patient = ["P0"] * 20 + patients[20:]
    split_within_sources(labels, names, share=0.2, groups=one_patient)
    assert "no split of ptb-xl has each of its classes on both sides" in capsys.readouterr().err
    with pytest.raises(LeadwiseError, match="20 usable records; a split needs two patients"):
        split_within_sources(labels[:20], names[:20], share=0.2, groups=["P0"] * 20)
