"""Labels: the organisers' tables, equivalent codes, and codes of headers."""

import csv
from pathlib import Path

import numpy as np
import pytest

import ecg.labels
import scoring
from ecg.labels import (
    CLASSES,
    CODES,
    POLICIES,
    SINUS_RHYTHM,
    abbreviations,
    all_classes,
    class_name,
    code_of,
    codes_by_name,
    label_matrix,
    read_codes,
    scored_classes,
)

TABLES = Path(ecg.labels.__file__).parent


def test_classes_are_those_of_the_weights_in_its_order() -> None:
    path = Path(scoring.__file__).with_name("weights-2021.csv")
    with open(path, newline="") as file:
        names = next(csv.reader(file))[1:]
    assert [set(codes) for codes in CLASSES] == [set(name.split("|")) for name in names]
    assert len(CODES) == 26
    assert SINUS_RHYTHM in CODES


def test_we_write_codes_that_the_2020_scorer_accepts() -> None:
    with open(Path(scoring.__file__).with_name("weights-2020.csv"), newline="") as file:
        known = set(next(csv.reader(file))[1:])
    for codes in CLASSES:
        assert codes[0] in known or not known.intersection(codes)


def test_every_scored_code_has_a_class() -> None:
    with open(TABLES / "dx_mapping_scored.csv", newline="", encoding="utf-8") as file:
        scored = {row["SNOMEDCTCode"] for row in csv.DictReader(file)}
    assert scored == {code for codes in CLASSES for code in codes}
    assert len(scored) == 30


@pytest.mark.parametrize(
    ("line", "codes"),
    [
        ("#Dx: 164889003", ("164889003",)),
        ("# Dx: 1,2", ("1", "2")),
        ("#  Dx:1", ("1",)),
        ("#Dx: 251146004,284470004,284470004", ("251146004", "284470004")),  # E00015
        ("#Dx: 1,", ("1",)),
        ("#Dx: 1,,2", ("1", "2")),
        ("#Dx: ", ()),
        ("#Dx:", ()),
        ("#Dx", ()),
        ("Dx: 1", ()),
        ("#Hx: Dx: 1", ()),
        ("", ()),
        ("#Dx: 1\r\n#Dx: 2\r\n", ("1", "2")),
    ],
)
def test_codes_of_a_header(line: str, codes: tuple[str, ...]) -> None:
    assert read_codes(f"R1 1 500 9\n{line}\n#Sx: Unknown\n") == codes


def test_equivalent_codes_share_a_class_and_unknown_ones_are_ignored() -> None:
    records = [["733534002"], ["164909002", "713427006"], ["6180003"], [], ("59118001",)]
    labels = label_matrix(records)
    assert (labels.shape, labels.dtype) == ((5, 26), bool)
    lbbb, rbbb = CODES.index("164909002"), CODES.index("713427006")
    assert [np.flatnonzero(row).tolist() for row in labels] == [
        [lbbb], [lbbb, rbbb], [], [], [rbbb]
    ]  # fmt: skip
    assert label_matrix([]).shape == (0, 26)


def test_all_codes_of_a_folder_can_be_classes_and_equivalent_ones_are_one() -> None:
    records = [["NORM", "733534002"], ["164909002", "SR"], ["NORM"]]
    classes = all_classes(records)
    assert classes == ("164909002", "NORM", "SR")
    np.testing.assert_array_equal(label_matrix(records, classes), [[1, 1, 0], [1, 0, 1], [0, 1, 0]])
    assert scored_classes(records) == CODES


def test_the_letters_of_2017_are_four_classes_or_two() -> None:
    records = [["N"], ["A"], ["O"], ["~"], ["164889003"], []]
    four, two = (POLICIES[name](records) for name in ("af", "af2"))
    assert (four, two) == (("N", "A", "O", "~"), ("N|O|~", "A"))
    np.testing.assert_array_equal(label_matrix(records, four), np.eye(6, 4, dtype=bool))
    answers = [[1, 0], [0, 1], [1, 0], [1, 0], [0, 0], [0, 0]]
    np.testing.assert_array_equal(label_matrix(records, two), answers)


def test_names() -> None:
    assert len(abbreviations()) == 133
    assert (class_name("164889003"), class_name("426783006")) == ("AF", "NSR")
    assert class_name("12345") == "12345"
    names = codes_by_name()
    assert names["AF"] == "164889003"
    assert all(class_name(names[name]) == name for name in names)
    scored = {class_name(code): code for codes in CLASSES for code in codes}
    assert {name: names[name] for name in scored} == scored


def test_a_name_of_several_words_is_one_entry() -> None:
    """`PR` alone is a pacing rhythm; the names are those of the organisers' table."""
    listed = read_codes("# Dx: prolonged PR interval; low QRS voltages, sinus rhythm\n")
    assert listed == ("prolonged PR interval", "low QRS voltages", "sinus rhythm")
    assert list(map(code_of, listed)) == ["164947007", "251146004", "426783006"]
    assert read_codes("# Dx: PR AF\n") == ("PR", "AF")


def test_classes_of_beats_and_samples_have_the_order_of_their_masks() -> None:
    """ANSI/AAMI EC57's N, S, V; 0 is no wave."""
    assert POLICIES["beats"]([]) == ("N", "S", "V")
    assert POLICIES["waves"]([]) == ("none", "P", "QRS", "T")
