"""A missing rate is WFDB's 250 Hz, with a warning; what is no rate of an ECG is refused."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cases.conftest import FAILED

TEXT = "no sampling frequency in the header; 250 Hz is assumed, as by WFDB"


def test_a_missing_rate_is_said_once(case: Callable[[str], Path], answer: Callable) -> None:
    data = case("no-rate") / "data"
    for ending in (".hea", ".mat"):
        shutil.copy(data / f"no_rate{ending}", data / f"another{ending}")
    text = (data / "no_rate.hea").read_text()
    (data / "right.hea").write_text(text.replace("no_rate 12", "no_rate 12 250", 1))
    shutil.copy(data / "no_rate.mat", data / "right.mat")
    status, rows, err = answer(data)
    assert status == 0
    assert err.count(TEXT) == 1
    assert rows["no_rate"] == rows["another"] == rows["right"] != FAILED
    assert rows["stated"] != FAILED


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("500Hz 3000", "the sampling frequency '500Hz' in line 1 is no rate in Hz"),
        ("500,0 3000", "the sampling frequency '500,0' in line 1 is no rate in Hz"),
        ("nan 3000", "the sampling frequency 'nan' in line 1 is no rate in Hz"),
        ("inf 3000", "the sampling frequency 'inf' in line 1 is no rate in Hz"),
        ("-500 3000", "the sampling frequency '-500' in line 1 is no rate in Hz"),
        ("0 3000", "the sampling frequency '0' in line 1 is no rate in Hz"),
        ("0x1F4 3000", "the sampling frequency '0x1F4' in line 1 is no rate in Hz"),
        ("5_00 3000", "the sampling frequency '5_00' in line 1 is no rate in Hz"),
        ("50000 3000", "50000 Hz is not the sampling frequency of an ECG (50 to 10000 Hz)"),
        ("1e20 3000", "1e+20 Hz is not the sampling frequency of an ECG"),
        ("0.01 3000", "0.01 Hz is not the sampling frequency of an ECG"),
        ("49.9/360 3000", "49.9 Hz is not the sampling frequency of an ECG"),
    ],
)
def test_a_rate_that_is_none_is_refused(
    case: Callable[[str], Path], answer: Callable, line: str, problem: str
) -> None:
    data = case("no-rate") / "data"
    text = (data / "stated.hea").read_text()
    (data / "stated.hea").write_text(text.replace("500 3000", line, 1))
    status, rows, err = answer(data)
    assert status == 1
    assert rows["stated"] == FAILED
    assert err.count(f"stated failed: {problem}") == 1


@pytest.mark.parametrize("line", ["500.0 3000", "5e2 3000", "500/500(0) 3000", "+500 3000.0"])
def test_other_spellings_of_a_rate_are_read(
    case: Callable[[str], Path], answer: Callable, line: str
) -> None:
    data = case("no-rate") / "data"
    expected = answer(data).rows["stated"]
    text = (data / "stated.hea").read_text()
    (data / "stated.hea").write_text(text.replace("500 3000", line, 1))
    assert answer(data).rows["stated"] == expected
