"""Blanks, blank lines, line ends and comments do not change the leads of a record."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import extract_leads_wfdb
import helper_code
import team_code
from ecg.leads import STANDARD
from ecg.records import read_record
from scoring.headers import read_labels

# Each changes the text of a header and nothing that it states.
CHANGES: dict[str, Callable[[str], str]] = {
    "blank at each end": lambda text: text.replace("\n", " \n"),
    "tabs at each end": lambda text: text.replace("\n", "\t \t\n"),
    "comments at each end": lambda text: text.replace("V6\n", "V6 # V7 ?\n").replace(
        "1500\n", "1500 # 2020\n"
    ),
    "comments between": lambda text: text.replace("ref.mat", "# ref.mat 16 V9\nref.mat"),
    "CR CR LF": lambda text: text.replace("\n", "\r\r\n"),
    "CR alone": lambda text: text.replace("\n", "\r"),
    "blank lines": lambda text: text.replace("\n", "\n \n\t\n"),
    "byte order mark": lambda text: "\ufeff" + text,
    "form feeds": lambda text: text.replace("\n", "\f\n"),
}


@pytest.fixture
def data(case: Callable[[str], Path]) -> Path:
    """The records of the case, and one per change."""
    folder = case("trailing-blank") / "data"
    text = (folder / "ref.hea").read_text()
    for number, change in enumerate(CHANGES.values()):
        (folder / f"change{number}.hea").write_bytes(change(text).encode())
        shutil.copy(folder / "ref.mat", folder / f"change{number}.mat")
    return folder


def same_as_ref(folder: Path) -> list[str]:
    return [path.stem for path in sorted(folder.glob("*.hea")) if path.stem != "eleven_leads"]


def test_all_are_answered_as_the_plain_header(data: Path, answer: Callable) -> None:
    status, rows, err = answer(data)
    assert status == 0
    names = same_as_ref(data)
    assert len(names) == len(CHANGES) + 5
    assert {name: rows[name] for name in names} == dict.fromkeys(names, rows["ref"])
    assert rows["eleven_leads"] != rows["ref"]
    text = "V1, V2, V3, V4, V5 not read; the network reads I, II, III, aVR, aVL, aVF"
    assert err == f"Note: eleven_leads: {text}\n"


def test_the_organisers_leads_do_not_choose_the_network(data: Path, model_folder: Path) -> None:
    """Their helper reads the leads of an unusual header wrongly and gives them to `load_model`."""
    recording = read_record(data / "ref.hea").digital()
    answers = []
    for leads in (STANDARD, ("",) * 12, (*STANDARD[:11], "V6\r"), ("noisy", "I", "II")):
        model = team_code.load_model(str(model_folder), leads)
        header = (data / "one_blank.hea").read_bytes().decode()
        answers.append(team_code.run_model(model, header, recording))
    assert answers[1:] == answers[:1] * 3


def test_all_readers_read_the_same(data: Path, tmp_path: Path) -> None:
    names = same_as_ref(data)
    expected = read_record(data / "ref.hea").header
    for path in data.glob("eleven_leads.*"):
        path.unlink()
    out = tmp_path / "out"
    assert extract_leads_wfdb.main(["-i", str(data), "-o", str(out), "-l", "V6", "I"]) == 0
    reduced = read_record(out / "ref.hea")
    for name in names:
        header = read_record(data / f"{name}.hea").header
        assert (header.leads, header.fs, header.samples, header.codes, header.age) == (
            expected.leads, expected.fs, expected.samples, expected.codes, expected.age
        )  # fmt: skip
        text = helper_code.load_header(str(data / f"{name}.hea"))
        assert helper_code.get_leads(text) == STANDARD
        assert (helper_code.get_num_leads(text), helper_code.get_frequency(text)) == (12.0, 250.0)
        assert helper_code.get_adc_gains(text, STANDARD).tolist() == [1000.0] * 12
        assert helper_code.get_labels(text) == ["164889003"]
        assert read_record(out / f"{name}.hea").leads == ("V6", "I")
        np.testing.assert_array_equal(read_record(out / f"{name}.hea").signal, reduced.signal)
    labels = read_labels([str(data / f"{name}.hea") for name in names], [["164889003"]]).labels
    assert labels.all()
