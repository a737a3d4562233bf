"""Tabs, several blanks, and comments or blank lines first are read by every command."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import extract_leads_wfdb
import train_model
from ecg.leads import STANDARD
from ecg.records import read_record
from models import find
from models.folder import read_model
from tests.conftest import small


@pytest.fixture
def data(case: Callable[[str], Path]) -> Path:
    """The records of the case, a plain one and neighbours."""
    folder = case("header-blanks") / "data"
    plain = (folder / "tabs.hea").read_text().replace("\t", " ")
    neighbours = {
        "plain": plain,
        "leading": plain.replace("\n", "\n  "),
        "tabs_and_blanks": "\t" + plain.replace(" ", " \t "),
        "comments_first": "#Age: 63\n# by\n\n#\n" + plain,
        "blank_before_comment": plain.replace("# ", "\t# "),
    }
    for name, text in neighbours.items():
        (folder / f"{name}.hea").write_text(text)
        shutil.copy(folder / "tabs.mat", folder / f"{name}.mat")
    shutil.copy(folder / "tabs.mat", folder / "two.mat")
    return folder


def test_all_are_answered_as_the_plain_header(data: Path, answer: Callable) -> None:
    status, rows, err = answer(data)
    assert (status, err) == (0, "")
    assert len(rows) == 9
    assert rows == dict.fromkeys(rows, rows["plain"])


def test_all_are_trained_on_and_extracted(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.data.find", lambda _: small(find("isibrno-basic")))
    monkeypatch.setenv("LEADWISE_LEADS", "2")
    monkeypatch.setenv("LEADWISE_EPOCHS", "1")
    assert train_model.main([str(data), str(tmp_path / "model")]) == 0
    training = read_model(tmp_path / "model").training
    assert training["train_records"] + training["validation_records"] == 9
    for path in data.glob("*.hea"):
        header = read_record(path).header
        assert (header.leads, header.codes, header.sex) == (STANDARD, ("164889003",), "female")
    out = tmp_path / "out"
    assert extract_leads_wfdb.main(["-i", str(data), "-o", str(out), "-l", "aVF"]) == 0
    assert len(list(out.glob("*.hea"))) == 9
