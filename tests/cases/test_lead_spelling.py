"""Usual spellings of lead names are read as the standard ones."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ecg.leads import STANDARD

SPELLINGS = {
    "upper": [lead.upper() for lead in STANDARD],
    "Lead I": [f"Lead {lead}" for lead in STANDARD],
    "lead_i": [f"lead_{lead.lower()}" for lead in STANDARD],
    "LEAD-I": [f"LEAD-{lead}" for lead in STANDARD],
    "DI": ["DI", "dii", "DIII", *STANDARD[3:]],
}


def respelled(folder: Path, leads: list[str]) -> None:
    text = (folder / "lower1.hea").read_text()
    for old, new in zip(STANDARD, leads, strict=True):
        text = text.replace(f" 0 {old.lower()}\n", f" 0 {new}\n")
    (folder / "lower1.hea").write_text(text)


@pytest.mark.parametrize("leads", [[*STANDARD], *SPELLINGS.values()], ids="-".join)
def test_the_answer_is_that_under_lower_case(
    case: Callable[[str], Path], answer: Callable, leads: list[str]
) -> None:
    data = case("lead-spelling")
    expected = answer(data)
    assert (expected.status, expected.err) == (0, "")
    respelled(data, leads)
    assert answer(data) == expected


def test_names_that_only_look_alike_are_unknown(
    case: Callable[[str], Path], answer: Callable
) -> None:
    data = case("lead-spelling")
    respelled(data, ["I", "II", "III", "-aVR", "ECG_aVL", "aVF?", "V-1", *STANDARD[7:]])
    status, _, err = answer(data)
    assert status == 0  # by the two leads that are known
    assert "lower1: -aVR, ECG_aVL, aVF?, V-1 not read: no known name; --rename" in err
    assert "V2, V3, V4, V5, V6 not read; the network reads I, II, III, aVR, aVL, aVF\n" in err
