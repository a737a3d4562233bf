"""MLII, Holter's modified lead II, is read by single-lead networks, and as II if it is renamed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ecg.headers import parse_header
from tests.cases.conftest import FAILED


def with_leads(data: Path, first: str, second: str) -> None:
    lines = (data / "mitlike1.hea").read_text().splitlines()
    for row, lead in ((1, first), (2, second)):
        lines[row] = f"{lines[row].rpartition(' ')[0]} {lead}"
    (data / "mitlike1.hea").write_text("\n".join(lines))


@pytest.mark.parametrize("lead", ["MLII", "mlii", "ML2", "MLIII"])
def test_networks_of_standard_leads_refuse_it(
    case: Callable[[str], Path], answer: Callable, lead: str
) -> None:
    data = case("mlii")
    with_leads(data, lead, "V1")
    name = parse_header((data / "mitlike1.hea").read_text(), "x").leads[0]
    status, rows, err = answer(data)
    assert (status, rows) == (1, {"mitlike1": FAILED})
    assert f"mitlike1: its leads are {name}, V1; the network reads I, II" in err
    assert f"--rename {name}={name[2:]}\n" in err


def test_renamed_it_is_lead_ii(case: Callable[[str], Path], answer: Callable) -> None:
    data = case("mlii")
    renamed = answer(data, "--rename", "mlii=ii")
    with_leads(data, "II", "V1")
    assert answer(data) == renamed
    assert renamed.status == 0
    assert "missing and not derivable" in renamed.err


@pytest.mark.parametrize(
    ("leads", "read"),
    [(("MLII", "V1"), "MLII"), (("V1", "ml2"), "MLII"), (("V1", "II"), "II"), (("V5", "I"), None)],
)
def test_single_lead_networks_read_it_without_lead_i(
    case: Callable[[str], Path], answer: Callable, model_2017: Path, leads: tuple[str, str],
    read: str | None,
) -> None:  # fmt: skip
    data = case("mlii")
    with_leads(data, *leads)
    for ending in (".hea", ".mat"):  # a second record: said once
        (data / f"other{ending}").write_bytes((data / f"mitlike1{ending}").read_bytes())
    status, rows, err = answer(data, model=model_2017)
    assert status == 0
    assert rows["mitlike1"] == rows["other"] != FAILED
    said = [line for line in err.splitlines() if "in place of lead I" in line]
    assert said == ([f"Note: {read} is read in place of lead I"] if read else [])
    assert f"{leads[0] if leads[0][0] == 'V' else leads[1]} not read; the network reads ECG" in err


def test_of_two_chest_leads_a_single_lead_network_reads_none(
    case: Callable[[str], Path], answer: Callable, model_2017: Path
) -> None:
    data = case("mlii")
    with_leads(data, "V1", "V5")
    status, rows, err = answer(data, model=model_2017)
    assert (status, rows) == (1, {"mitlike1": FAILED})
    assert "mitlike1: its leads are V1, V5; the network reads ECG\n" in err
