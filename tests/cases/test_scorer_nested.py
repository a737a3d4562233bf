"""Label folders are scored as `run_model.py` answers them: flat or nested."""

import shutil
from pathlib import Path

import pytest

import evaluate_model
from ecg.labels import CODES, read_codes
from scoring.outputs import save_outputs

CASE = Path(__file__).parents[1] / "data" / "cases" / "scorer-nested" / "data" / "labels"


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CASE, tmp_path / "labels"))


@pytest.fixture
def outputs(labels: Path, tmp_path: Path) -> Path:
    """The labels as outputs, one of ten wrong."""
    folder = tmp_path / "outputs"
    folder.mkdir()
    for path in sorted(labels.rglob("*.hea")):
        codes = read_codes(path.read_text()) if path.stem != "R004" else ()
        row = [int(code in codes) for code in CODES]
        save_outputs(folder / f"{path.stem}.csv", path.stem, CODES, row, row)
    return folder


def scores(labels: Path, outputs: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert evaluate_model.main([str(labels), str(outputs)]) == 0
    captured = capsys.readouterr()
    return [captured.out.splitlines()[-1], captured.err]


def test_the_case_is_scored_as_if_it_were_flat(
    labels: Path, outputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(labels / "g1", tmp_path / "flat")
    nested, flat = (scores(folder, outputs, capsys) for folder in (labels, tmp_path / "flat"))
    assert nested == flat
    assert nested[0].split(",")[2] == "0.900"  # accuracy


def test_2020_shifts_labels_in_the_order_of_file_names(
    labels: Path, outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in a flat folder: a header with two Dx lines shifts the labels of those after it."""
    header = labels / "g1" / "R004.hea"
    header.write_text(header.read_text() + "#Dx: 426783006\n")
    printed = []
    for target in ("g1", "a", "z"):
        (labels / target).mkdir(exist_ok=True)
        header = header.rename(labels / target / "R004.hea")
        assert evaluate_model.main([str(labels), str(outputs), "--year", "2020"]) == 0
        printed.append(capsys.readouterr())
    assert printed[0] == printed[1] == printed[2]
    assert "Note: headers with two Dx lines, which shift all later labels" in printed[0].err


@pytest.mark.parametrize("target", ["g2", "g1/deeper/still", "."])
def test_headers_in_several_folders_are_scored(
    labels: Path, outputs: Path, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = scores(labels, outputs, capsys)
    (labels / target).mkdir(parents=True, exist_ok=True)
    for name in ("R001.hea", "R004.hea", "R009.hea"):
        (labels / "g1" / name).rename(labels / target / name)
    assert scores(labels, outputs, capsys) == expected


def test_hidden_folders_are_not_answered_and_not_scored(
    labels: Path, outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = scores(labels, outputs, capsys)
    shutil.copytree(labels / "g1", labels / ".g1")
    assert scores(labels, outputs, capsys) == expected


def test_a_name_that_occurs_twice_is_a_sentence(
    labels: Path, outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (labels / "g2").mkdir()
    shutil.copy(labels / "g1" / "R003.hea", labels / "g2")
    assert evaluate_model.main([str(labels), str(outputs)]) == 1
    assert capsys.readouterr().err == (
        f"Error: {labels}: 1 names of records occur twice, but outputs are named by record: R003: "
        f"two records of this name; {labels}/g2/R003.hea is left out. Rename these records, or "
        "remove their headers.\n"
    )


def test_segments_of_a_record_need_no_output(
    labels: Path, outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `run_model.py`, which answers a multi-segment record once."""
    expected = scores(labels, outputs, capsys)
    header = (labels / "g1" / "R001.hea").read_text().splitlines()
    (labels / "g1" / "R001_1.hea").write_text("\n".join(["R001_1 12 500 5000", *header[1:13]]))
    comments = [line for line in header if line[0] == "#"]
    text = "\n".join(["R001/1 12 500 5000", "R001_1 5000", *comments, ""])
    (labels / "g1" / "R001.hea").write_text(text)
    assert scores(labels, outputs, capsys) == expected
