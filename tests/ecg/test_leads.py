"""Leads: order, the limb leads' formulas, and the trained lead set for a record."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg.leads import (
    LEAD_SETS,
    LIMB,
    STANDARD,
    canonical_name,
    choose,
    derivable_leads,
    serving_set,
    sort_leads,
)

GENERATOR = np.random.default_rng(4)
I, II = GENERATOR.normal(size=(2, 50))  # noqa: E741
# Einthoven 1912 and Goldberger 1942.
FORMULAS = {
    "I": I,
    "II": II,
    "III": II - I,
    "aVR": -(I + II) / 2,
    "aVL": I - II / 2,
    "aVF": II - I / 2,
}
leads = st.lists(st.sampled_from([*STANDARD, "MLII", "X"]), unique=True)


def test_the_five_sets() -> None:
    assert STANDARD == tuple("I II III aVR aVL aVF V1 V2 V3 V4 V5 V6".split())
    assert LEAD_SETS[12] == STANDARD
    assert {size: "-".join(LEAD_SETS[size]) for size in (6, 4, 3, 2)} == {
        6: "I-II-III-aVR-aVL-aVF", 4: "I-II-III-V2", 3: "I-II-V2", 2: "I-II"
    }  # fmt: skip


@given(leads.flatmap(st.permutations))
def test_any_order_is_sorted_into_the_standard_one(given_leads: list[str]) -> None:
    sorted_leads = sort_leads(given_leads)
    known = [lead for lead in STANDARD if lead in given_leads]
    assert sorted_leads == (*known, *(lead for lead in given_leads if lead not in STANDARD))


@pytest.mark.parametrize("lead", STANDARD)
def test_case_and_blanks_do_not_matter(lead: str) -> None:
    assert {
        canonical_name(lead.upper()),
        canonical_name(lead.lower()),
        canonical_name(f" {lead} "),
    } == {lead}
    signal = np.arange(3.0)[None]
    assert choose(signal, [lead.upper()], [lead.lower()]).signal.tolist() == signal.tolist()


@pytest.mark.parametrize("pair", [*itertools.combinations(FORMULAS, 2)], ids="-".join)
def test_any_two_limb_leads_give_the_others(pair: tuple[str, str]) -> None:
    signal = np.array([FORMULAS[lead] for lead in pair])
    assert derivable_leads(pair) == set(LIMB)
    chosen, missing = choose(signal, pair, tuple(FORMULAS))
    assert missing == ()
    # Sums of a few numbers of order 1, in another order than the formulas'.
    np.testing.assert_allclose(chosen, list(FORMULAS.values()), atol=1e-12)
    for lead in pair:
        np.testing.assert_array_equal(chosen[list(FORMULAS).index(lead)], FORMULAS[lead])


@given(leads.flatmap(st.permutations), leads)
def test_the_order_of_leads_does_not_matter(have: list[str], want: list[str]) -> None:
    rows = {
        lead: np.float32([index, -index]) for index, lead in enumerate([*STANDARD, "MLII", "X"])
    }
    signal = np.array([rows[lead] for lead in have], np.float32).reshape(-1, 2)
    chosen, missing = choose(signal, have, want)
    assert chosen.dtype == np.float32
    assert chosen.shape == (len(want), 2)
    assert missing == tuple(lead for lead in want if lead not in derivable_leads(have))
    for lead, row in zip(want, chosen, strict=True):
        if lead in have:
            np.testing.assert_array_equal(row, rows[lead])
        elif lead in missing:
            assert not row.any()


def test_the_first_of_equal_names_is_used_and_the_input_is_unchanged() -> None:
    signal = np.float32([[1], [2], [3]])
    before = signal.copy()
    chosen = choose(signal, ["V1", "v1", "I"], ["V1", "V2", "I"])
    assert chosen.signal.tolist() == [[1], [0], [3]]
    assert chosen.missing == ("V2",)
    chosen.signal[:] = 9
    np.testing.assert_array_equal(signal, before)


@pytest.mark.parametrize(
    ("have", "row"),
    [
        (("ECG",), 1.0),
        (("MLII",), 1.0),
        (("V1",), 1.0),
        (("V1", "i"), 2.0),
        (("II", "I", "ECG"), 3.0),
        (("II", "III"), -1.0),  # lead I is II - III
        (("V1", "II"), 2.0),  # II resembles I more than V1 does
        (("V1", "mlii"), 2.0),
        (("V1", "V2"), None),  # neither lead I nor the only one
        (("X",), None),
        (("HR", "X"), None),
        ((), None),
    ],
)
def test_the_single_lead_is_lead_i_or_the_only_one(
    have: tuple[str, ...], row: float | None
) -> None:
    signal = np.arange(1, len(have) + 1, dtype=np.float32)[:, None] * np.ones((1, 4), np.float32)
    chosen = choose(signal, have, ("ECG",))
    assert chosen.missing == (("ECG",) if row is None else ())
    np.testing.assert_allclose(chosen.signal, np.full((1, 4), row or 0.0), atol=1e-6)


def test_a_single_lead_record_has_no_derived_leads() -> None:
    chosen = choose(np.ones((1, 4), np.float32), ("ECG",), STANDARD)
    assert chosen.missing == STANDARD


@pytest.mark.parametrize(
    ("have", "serves"),
    [
        (STANDARD, 12),
        (STANDARD[:6], 6),
        (("I", "II"), 2),  # the very set, though it determines the six
        (("III", "aVF"), 6),
        (("I", "II", "V2"), 3),
        (("aVR", "aVL", "V2"), 6),
        (("V2", "II", "I", "III"), 4),
        (STANDARD[:11], 6),  # V6 is missing: no set of twelve, and six are the most
        ((*STANDARD, "X"), 12),
        (("V2",), 3),
        (("V1", "V3", "V4"), 12),
        (("MLII",), 2),
        ((), 2),
    ],
)
def test_serving_set(have: tuple[str, ...], serves: int) -> None:
    assert serving_set(have, LEAD_SETS.values()) == LEAD_SETS[serves]
    assert serving_set([lead.lower() for lead in have], LEAD_SETS.values()) == LEAD_SETS[serves]
