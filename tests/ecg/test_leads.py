"""Leads: order, the limb leads' formulas, and the trained lead set for a record."""

import itertools
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg import LeadwiseError
from ecg.leads import (
    LEAD_SETS,
    LIMB,
    STANDARD,
    canonical_name,
    choose,
    derivable_leads,
    lead_warnings,
    read_rename,
    refusal,
    serving_set,
    sort_leads,
    standard_names,
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


@pytest.mark.parametrize(
    ("given", "standard"),
    [
        (("Lead I", "lead_ii", "LEAD-III", "Lead: avr"), ("I", "II", "III", "aVR")),
        (("DI", "dii", "ML2", "mlii", "ecg"), ("I", "II", "MLII", "MLII", "ECG")),
        (("c1", "C2", "lead c6"), ("V1", "V2", "V6")),
        (("C1", "V1", "C2"), ("C1", "V1", "V2")),
        (("-aVR", "ECG_I", "V7", "C7", "Lead", "lI", "VI"),) * 2,
        (("", " "), ("", "")),
    ],
)
def test_standard_names(given: tuple[str, ...], standard: tuple[str, ...]) -> None:
    assert standard_names(given) == standard


def test_new_names_precede_the_usual_ones() -> None:
    assert standard_names(("C1", "C2"), (("c1", "V2"),)) == ("V2", "C2")
    assert standard_names(("I", "II"), (("I", "II"), ("II", "I"))) == ("II", "I")
    assert standard_names(("V1", "V1"), (("MLII", "II"),)) == ("V1", "V1")
    with pytest.raises(LeadwiseError, match="MLII cannot be renamed to II: another of its leads"):
        standard_names(("II", "MLII"), (("MLII", "II"),))
    with pytest.raises(LeadwiseError, match="x cannot be renamed to I"):
        standard_names(("X", "x"), (("x", "I"),))


@pytest.mark.parametrize(
    "text", ["", "A", "A=", "=I", "A=B=I", "A=V7", "A=MLII", "A=I,B=i", "A=I,"]
)
def test_wrong_new_names(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        read_rename(text)


@pytest.mark.parametrize(
    ("have", "lead_set", "refused"),
    [
        (("I", "II"), ("I", "II"), False),
        (("aVR", "aVL", "X"), ("I", "II"), False),  # determined
        (("I",), ("I", "II"), False),  # with a warning
        (("I", "X"), ("I", "II"), True),  # X may be II
        (("I", ""), ("I", "II"), True),
        (("V1",), ("I", "II"), True),  # all zero
        ((), ("I", "II"), True),
        (("MLII", "V1"), ("I", "II", "V1"), True),
        (("MLII", "V1"), ("MLII", "V1"), False),  # a recipe's own lead set
        (("MLII", "V1"), ("ECG",), False),
        (("X",), ("ECG",), True),
        (("V1",), ("ECG",), False),
        (("V1", "X"), ("ECG",), True),
        (("ECG", "X"), ("ECG",), False),
    ],
)
def test_refusal(have: tuple[str, ...], lead_set: tuple[str, ...], refused: bool) -> None:
    reason = refusal(have, lead_set)
    assert bool(reason) == refused
    if refused:
        names = ", ".join(lead or "(no name)" for lead in have)
        assert reason.startswith(f"its leads are {names}; the network reads {', '.join(lead_set)}")


@pytest.mark.parametrize(
    ("have", "lead_set", "kinds"),
    [
        (STANDARD, STANDARD, []),
        (STANDARD[:6], ("I", "II"), []),  # determined by I and II
        (STANDARD, ("I", "II"), ["unread leads"]),
        (("I", "II", "X", ""), ("I", "II"), ["unknown leads"]),
        (("MLII", "V1"), ("ECG",), ["other single lead", "unread leads"]),
        (("V1",), ("ECG",), ["other single lead"]),
        (("I",), ("ECG",), []),
    ],
)
def test_ignored_leads_are_named(
    have: tuple[str, ...], lead_set: tuple[str, ...], kinds: list[str]
) -> None:
    assert [kind for kind, _ in lead_warnings(have, lead_set)] == kinds


@pytest.mark.parametrize(
    ("leads", "row"), [(("MLI", "MLII"), 1), (("MLIII", "MLI"), 1), (("MLII", "V5", "II"), 2)]
)
def test_of_holters_leads_the_one_nearest_to_ii_is_the_single_lead(
    leads: tuple[str, ...], row: int
) -> None:
    signal = np.arange(len(leads), dtype=np.float32)[:, None].repeat(4, 1)
    chosen = choose(signal, leads, ("ECG",))
    assert (chosen.signal.tolist(), chosen.missing) == ([[row] * 4], ())
