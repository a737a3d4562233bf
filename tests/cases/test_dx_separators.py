"""Dx lists of other styles are read; labels that cannot be read are never learned as negative."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import evaluate_model
import train_model
from ecg.labels import CODES, all_classes, code_of, label_matrix, read_codes
from ecg.records import read_record
from models import find
from models.folder import read_model
from tests.conftest import small

AF, NSR = "164889003", "426783006"
STYLES = ("bar", "blank", "comma", "float", "list", "names", "quoted", "semicolon")


@pytest.mark.parametrize("style", STYLES)
def test_codes_are_read(case: Callable[[str], Path], style: str) -> None:
    codes = read_record(case("dx-separators") / "data" / f"{style}.hea").header.codes
    assert tuple(map(code_of, codes)) == (AF, NSR)
    assert label_matrix([codes]).nonzero()[1].tolist() == [CODES.index(AF), CODES.index(NSR)]


@pytest.mark.parametrize(
    ("listed", "codes"),
    [
        (f"{AF} | {NSR}", (AF, NSR)),
        (f"{AF}\t{NSR}", (AF, NSR)),
        (f"{AF}/{NSR}", (AF, NSR)),
        (f"['{AF}', '{NSR}']", (AF, NSR)),
        (f"({AF}; {NSR};)", (AF, NSR)),
        (f'"{AF}", "{NSR}.0"', (AF, NSR)),
        ("Atrial Fibrillation, sinus rhythm", ("Atrial Fibrillation", "sinus rhythm")),
        ("af nsr", ("af", "nsr")),
        ("['AF'|'NSR']", ("AF", "NSR")),
        (f"{AF},NSR", (AF, "NSR")),
        ("NORM,IMI", ("NORM", "IMI")),
        (f"{AF}0e-1", (f"{AF}0e-1",)),
        ("Unknown", ()),
        ("NaN", ()),
        ("[]", ()),
    ],
)
def test_neighbours(listed: str, codes: tuple[str, ...]) -> None:
    assert read_codes(f"R 1 500 9\n# Dx: {listed}\n# Rx: Unknown\n") == codes
    assert read_codes(f"#dx:{listed}\r\n") == codes


def test_names_are_codes_where_the_classes_are_codes_and_else_classes_themselves() -> None:
    codes = [read_codes(f"# Dx: {listed}") for listed in ("AF,LVH", f"{AF},nsr", "LVH", "1,NORM")]
    assert [row.nonzero()[0].tolist() for row in label_matrix(codes, (AF, NSR))] == [
        [0], [0, 1], [], []
    ]  # fmt: skip
    classes = all_classes(codes[2:])
    assert classes == ("1", "LVH", "NORM")
    assert label_matrix(codes[2:], classes).astype(int).tolist() == [[0, 1, 0], [1, 0, 1]]


@pytest.fixture
def data(case: Callable[[str], Path]) -> Path:
    """The records of the case, and three whose labels cannot be read."""
    folder = case("dx-separators") / "data"
    text = (folder / "comma.hea").read_text()
    texts = {"word": "fibrillation", "partly": f"{AF},flutter", "sum": "1.6e8"}
    texts |= {"torn": f"{AF},42678\t3006", "halves": "16488 9003"}
    for name, listed in texts.items():
        (folder / f"{name}.hea").write_text(text.replace(f"{AF},{NSR}", listed))
        shutil.copy(folder / "comma.mat", folder / f"{name}.mat")
    return folder


def test_training_names_what_it_cannot_read(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("training.data.find", lambda _: small(find("isibrno-basic")))
    monkeypatch.setenv("LEADWISE_LEADS", "2")
    monkeypatch.setenv("LEADWISE_EPOCHS", "1")
    assert train_model.main([str(data), str(tmp_path / "model")]) == 0
    err = capsys.readouterr().err
    for name, word in {"word": "fibrillation", "sum": "1.6e8"}.items():
        assert f"Left out: {name}: '{word}' of its labels is no code and no name of a class" in err
    assert "Left out: unknown: the header has no Dx code" in err
    assert "Left out: halves: '16488, 9003' of its labels is no code and no name" in err
    assert "Note: partly: 'flutter' of its labels is no code" in err
    assert "Note: torn: '42678, 3006' of its labels is no code" in err
    training = read_model(tmp_path / "model").training
    assert training["train_records"] + training["validation_records"] == len(STYLES) + 2


@pytest.mark.parametrize("year", ["2021", "2020"])
def test_the_scorer_reads_the_same_codes(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], year: str
) -> None:
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    for name in STYLES:
        (outputs / f"{name}.csv").write_text(f"#{name}\n{AF},{NSR}\n1,1\n0.9,0.8\n")
    others = [path.stem for path in data.glob("*.hea") if path.stem not in STYLES]
    for name in others:
        (outputs / f"{name}.csv").write_text(f"#{name}\n{AF},{NSR}\n0,0\n0.1,0.1\n")
    assert evaluate_model.main([str(data), str(outputs), "--year", year]) == 0
    out, err = capsys.readouterr()
    # Of 14 records, `partly` and `torn` have a code and are answered without.
    assert float(out.splitlines()[-1].split(",")[2]) == pytest.approx(12 / 14, abs=1e-3)
    assert "no code and no known name: 3 (halves.hea, sum.hea, word.hea)" in err
