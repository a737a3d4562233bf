import errno
from pathlib import Path

import numpy as np
import pytest

from ecg import LeadwiseError
from scoring.challenge import load_weights
from scoring.headers import find_pairs, read_labels
from scoring.outputs import list_names, read_outputs, save_outputs

AF, NSR = "164889003", "426783006"
CLASSES = ((AF,), (NSR,))


@pytest.mark.parametrize(
    ("labels", "probabilities", "lines"),
    [
        ([1, 0], [0.25, 0.1], "1,0\n0.25,0.1\n"),
        ([True, False], np.array([0.1, 1 / 3], dtype=np.float32), "True,False\n0.1,0.33333334\n"),
        (np.array([1, 0]), np.array([1e-7, 1 / 3]), "1,0\n1e-07,0.3333333333333333\n"),
        ([1.0, 0], [np.nan, 1], "1.0,0\nnan,1\n"),
    ],
)
def test_output_file_to_the_character(tmp_path, labels, probabilities, lines):
    save_outputs(tmp_path / "A1.csv", "A1", [AF, NSR], labels, probabilities)
    assert (tmp_path / "A1.csv").read_bytes().decode() == f"#A1\n{AF},{NSR}\n{lines}"


def test_failed_record_is_three_empty_lines(tmp_path):
    save_outputs(tmp_path / "A1.csv", "A1", [], [], [])
    assert (tmp_path / "A1.csv").read_bytes() == b"#A1\n\n\n\n"


def test_full_disk_keeps_the_old_file_and_leaves_no_partial_one(tmp_path, monkeypatch):
    path = tmp_path / "A1.csv"
    path.write_text("old")

    def full(self, text, **_):
        with open(self, "w") as file:
            file.write(text[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(LeadwiseError, match="A1.csv: cannot be written: No space left on device"):
        save_outputs(path, "A1", [AF], [1], [0.5])
    assert [file.name for file in tmp_path.iterdir()] == ["A1.csv"]
    assert path.read_text() == "old"


@pytest.mark.parametrize("year", [2020, 2021])
def test_written_files_are_read_back(tmp_path, year):
    draw = np.random.default_rng(4)
    classes = load_weights(year).classes
    outputs = draw.random((50, len(classes))) < 0.3
    probabilities = draw.random(outputs.shape)
    paths = [str(tmp_path / f"{number}.csv") for number in range(50)]
    for path, labels, values in zip(paths, outputs.astype(int), probabilities, strict=True):
        save_outputs(path, "A", [codes[0] for codes in classes], labels, values)
    predictions = read_outputs(paths, classes, year)
    np.testing.assert_array_equal(predictions.outputs, outputs)
    np.testing.assert_array_equal(predictions.probabilities, probabilities)  # str is exact
    assert predictions.malformed == predictions.empty == []


def written(folder, *texts):
    paths = [folder / f"R{number}.csv" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return [str(path) for path in paths]


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("", "R0.csv has 0 of 4 lines"),
        ("#R0\n", "R0.csv has 1 of 4 lines"),
        (f"#R0\n{AF}\n1\n", "R0.csv has 3 of 4 lines"),
        (f"#R0\n{AF},{NSR}\n1\n0.5,0.5\n", "R0.csv has 1 of 2 outputs"),
        (f"#R0\n{AF},{NSR}\n1,0\n0.5\n", "R0.csv has 1 of 2 probabilities"),
        (b"#R0\n\xff\xfe\n1\n1\n", "R0.csv is not text in UTF-8"),
    ],
)
def test_a_broken_file_is_named(tmp_path, text, fact):
    with pytest.raises(LeadwiseError) as error:
        read_outputs(written(tmp_path, text, f"#R1\n{AF}\n1\n1\n"), CLASSES)
    assert "1 of 2 output files cannot be scored: " in str(error.value)
    assert f"{fact}. Run the model on these records again." in str(error.value)


def test_several_broken_files_are_counted_and_three_named(tmp_path):
    paths = written(tmp_path, *["#R\n"] * 5, f"#R1\n{AF}\n1\n1\n")
    with pytest.raises(LeadwiseError, match=r"^5 of 6 .*/R0.*/R1.*/R2.* and 2 more\. Run") as error:
        read_outputs(paths, CLASSES)
    assert "R3.csv" not in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(LeadwiseError, match=r"R7.csv cannot be read \(No such file or directory\)"):
        read_outputs([str(tmp_path / "R7.csv")], CLASSES)


def test_cells_that_no_scored_class_needs_may_be_missing(tmp_path):
    predictions = read_outputs(written(tmp_path, f"#R0\n{AF},55827005\n1\n0.5\n"), CLASSES)
    assert predictions.outputs.tolist() == [[True, False]]
    assert predictions.probabilities.tolist() == [[0.5, 0.0]]


NEGATIVE, UNCLEAR = (False, False), (False, True)
POSITIVE = (True, False)


@pytest.mark.parametrize(
    ("cell", "of_2021", "of_2020"),
    [
        ("1", POSITIVE, POSITIVE),
        (" 1 ", POSITIVE, POSITIVE),
        ("True", POSITIVE, POSITIVE),
        ("true", POSITIVE, POSITIVE),
        ("T", POSITIVE, POSITIVE),
        ("t", POSITIVE, POSITIVE),
        ("1.0", POSITIVE, UNCLEAR),  # the 2020 scorer compares the text
        ("1e0", POSITIVE, UNCLEAR),
        ("0", NEGATIVE, NEGATIVE),
        ("0.0", NEGATIVE, NEGATIVE),
        ("False", NEGATIVE, NEGATIVE),
        (" f", NEGATIVE, NEGATIVE),
        ("TRUE", UNCLEAR, UNCLEAR),
        ("yes", UNCLEAR, UNCLEAR),
        ("2", UNCLEAR, UNCLEAR),
        ("-1", UNCLEAR, UNCLEAR),
        ("0.9", UNCLEAR, UNCLEAR),
        ("nan", UNCLEAR, UNCLEAR),
        ("", UNCLEAR, UNCLEAR),
    ],
)
def test_outputs_that_the_years_scorers_count_as_positive(tmp_path, cell, of_2021, of_2020):
    """`is_finite_number` and `== 1` in 2021, a list of words in 2020."""
    paths = written(tmp_path, f"#R0\n{NSR},{AF}\n0,{cell}\n0,0.5\n")
    for year, expected in ((2021, of_2021), (2020, of_2020)):
        predictions = read_outputs(paths, CLASSES, year)
        assert (bool(predictions.outputs[0, 0]), predictions.unclear == paths) == expected


def test_a_missing_newline_at_the_end_is_no_error(tmp_path):
    predictions = read_outputs(written(tmp_path, f"#R0\n{AF}\n1\n0.5"), CLASSES)
    assert predictions.probabilities.tolist() == [[0.5, 0.0]]


def test_2020_separates_malformed_and_empty_files(tmp_path):
    paths = written(tmp_path, "#R0\n\n\n\n", "#R1\nx\n1\n1\n", f"#R2\n{AF}\n1\n1\n")
    predictions = read_outputs(paths, CLASSES, 2020)
    assert (predictions.malformed, predictions.empty) == (paths[:1], paths[1:2])
    assert read_outputs(paths, CLASSES).empty == paths[:2]


def test_headers_without_output_files_are_counted_and_named(folders):
    headers = {f"R{number}.hea": "#Dx: 1\n" for number in range(5)}
    labels, outputs = folders(headers, {"R4.csv": ""})
    with pytest.raises(LeadwiseError, match=r"4 of 5 records have no output file .*: R0.csv, R1"):
        find_pairs(labels, outputs)


def test_missing_and_empty_folders_are_named(tmp_path):
    with pytest.raises(LeadwiseError, match="nowhere: no such folder"):
        find_pairs(str(tmp_path / "nowhere"), str(tmp_path))
    with pytest.raises(LeadwiseError, match="holds no record"):
        find_pairs(str(tmp_path), str(tmp_path))
    (tmp_path / "A.hea").touch()
    with pytest.raises(LeadwiseError, match="nowhere: No such file or directory; give an existing"):
        find_pairs(str(tmp_path), str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("text", "positive"),
    [
        (f"R 1 1 1\n#Dx: {AF}\n", [True, False]),
        (f"R 1 1 1\r\n#Dx: {AF}, {NSR}\r\n", [True, True]),
        (f"R 1 1 1\n# Dx: {NSR}\n", [False, True]),  # the second dialect
        (f"R 1 1 1\n#Dx:{NSR}\n", [False, True]),
        (f"#Dx: {AF}\nR 1 1 1\n#Dx: {NSR}\n", [True, True]),
        (f"R 1 1 1\n#Age: 5\n#Sx: Dx: {AF}\n", [False, False]),
        ("R 1 1 1\n#Dx:\n", [False, False]),
        (f"R 1 1 1\n#Hx: b\xe9b\xe9\n#Dx: {AF}\n".encode("latin-1"), [True, False]),
    ],
)
def test_labels_of_a_header(tmp_path, text, positive):
    paths = written(tmp_path, text)
    assert read_labels(paths, CLASSES).labels.tolist() == [positive]


def test_2020_names_the_headers_without_a_label(tmp_path):
    paths = written(tmp_path, "#Dx:\n", "R\n", f"#Dx: {AF}\n", "#Dx: \n")
    with pytest.raises(LeadwiseError, match="2 of 4 headers have no label: .*R0.*, .*R1.csv. The"):
        read_labels(paths, CLASSES, 2020)


def test_2020_counts_dx_lines_across_headers(tmp_path):
    paths = written(tmp_path, f"#Dx: {AF}\n#Dx: {NSR}\n", f"#Dx: {AF}\n")
    labels = read_labels(paths, CLASSES, 2020)
    assert labels.labels.tolist() == [
        [True, False],
        [False, True],
    ]  # the second record has a label of the first
    assert labels.repeated == paths[:1]
    assert read_labels(paths, CLASSES).labels.tolist() == [[True, True], [True, False]]


def test_list_names():
    assert list_names(["a", "b"]) == "a, b"
    assert list_names(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
