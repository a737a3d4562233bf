"""C1 to C6, the chest leads' names of IEC 60601-2-25, are V1 to V6."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ecg.headers import parse_header
from ecg.leads import STANDARD


def renamed(data: Path, **names: str) -> None:
    text = (data / "german1.hea").read_text()
    for old, new in names.items():
        text = text.replace(f" 0 {old}\n", f" 0 {new}\n")
    (data / "german1.hea").write_text(text)


CHEST = {f"C{number}": f"V{number}" for number in range(1, 7)}


@pytest.mark.parametrize(
    "names",
    [
        CHEST,
        {"C1": "c1", "C2": "c2"},
        {"C1": "Lead C1", "C3": "V3"},
        {"I": "i", "C6": "lead_c6"},
    ],
    ids=["V", "lower case", "prefix", "mixed"],
)
def test_the_answer_is_that_under_v_names(
    case: Callable[[str], Path], answer: Callable, names: dict[str, str]
) -> None:
    data = case("chest-c1-c6")
    expected = answer(data)
    assert (expected.status, expected.err) == (0, "")
    renamed(data, **names)
    assert answer(data) == expected


def test_beside_a_v_lead_of_its_number_a_c_lead_is_unknown(
    case: Callable[[str], Path], answer: Callable
) -> None:
    data = case("chest-c1-c6")
    renamed(data, C1="V2", C6="C7")
    leads = parse_header((data / "german1.hea").read_text(), "german1").leads
    assert leads == (*STANDARD[:6], "V2", "C2", "V3", "V4", "V5", "C7")
    status, _, err = answer(data)
    assert status == 0
    assert "german1: C2, C7 not read: no known name; --rename OLD=NEW" in err
