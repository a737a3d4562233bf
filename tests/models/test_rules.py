"""Rules and labels: truth table of the four modes, and which labels a rule cannot change."""

import numpy as np
import pytest
import torch

from ecg import LeadwiseError
from ecg.labels import CODES
from ecg.leads import LEAD_SETS
from ecg.rules import RULES, Finding, published
from models.network import from_logits
from models.recipe import Head, part
from models.rules import (
    CANNOT_SAY,
    MODES,
    NO,
    PUBLISHED,
    REPLACE,
    YES,
    answers_of,
    combine,
    detector_of,
    findings_of,
    with_ruled,
)
from simulate import simulate

TWO = LEAD_SETS[2]
RULE = "tachycardia"
CODE = RULES[RULE].codes[0]
INDEX = list(RULES).index(RULE)
# Label of the network, answer of the rule, then the label in each mode.
TRUTH_TABLE = [
    (False, YES, {"off": False, "or": True, "veto": False, "replace": True}),
    (False, NO, {"off": False, "or": False, "veto": False, "replace": False}),
    (False, CANNOT_SAY, {"off": False, "or": False, "veto": False, "replace": False}),
    (True, YES, {"off": True, "or": True, "veto": True, "replace": True}),
    (True, NO, {"off": True, "or": True, "veto": False, "replace": False}),
    (True, CANNOT_SAY, {"off": True, "or": True, "veto": True, "replace": True}),
]


@pytest.mark.parametrize("mode", MODES)
def test_modes_follow_their_truth_table(mode: str) -> None:
    labels = np.zeros((len(TRUTH_TABLE), len(CODES)), dtype=bool)
    labels[:, CODES.index(CODE)] = [label for label, _, _ in TRUTH_TABLE]
    answers = np.full((len(TRUTH_TABLE), len(RULES)), CANNOT_SAY, np.int8)
    answers[:, INDEX] = [answer for _, answer, _ in TRUTH_TABLE]
    before = labels.copy()
    combined = combine(labels, answers, [part(RULE, mode=mode)], CODES)
    assert combined.dtype == bool
    assert combined[:, CODES.index(CODE)].tolist() == [row[mode] for _, _, row in TRUTH_TABLE]
    np.testing.assert_array_equal(labels, before)  # the argument is unchanged
    np.testing.assert_array_equal(
        np.delete(combined, CODES.index(CODE), 1), np.delete(labels, CODES.index(CODE), 1)
    )


def test_a_rule_without_its_class_has_no_effect() -> None:
    classes = [code for code in CODES if code != CODE]
    labels = np.random.default_rng(0).random((50, len(classes))) < 0.5
    answers = np.full((50, len(RULES)), YES, np.int8)
    combined = combine(labels, answers, [part(RULE, mode="replace")], classes)
    np.testing.assert_array_equal(combined, labels)


def test_the_order_of_rules_has_no_effect() -> None:
    rng = np.random.default_rng(1)
    labels = rng.random((200, len(CODES))) < 0.3
    answers = rng.integers(-1, 2, (200, len(RULES))).astype(np.int8)
    rules = [part(name, mode=str(rng.choice(["or", "veto", "replace"]))) for name in RULES]
    forward, backward = (combine(labels, answers, own, CODES) for own in (rules, rules[::-1]))
    np.testing.assert_array_equal(forward, backward)
    assert (forward != labels).any()


def test_of_two_rules_of_one_class_the_later_one_is_applied_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("models.rules.RULES", {"first": RULES[RULE], "second": RULES[RULE]})
    rules = [part("second", mode="replace"), part("first", mode="replace")]
    answers = np.array([[YES, NO], [NO, YES], [YES, CANNOT_SAY]], np.int8)
    combined = combine(np.zeros((3, 1), bool), answers, rules, [CODE])
    assert combined[:, 0].tolist() == [False, True, True]


def test_errors_for_unknown_rules_and_modes_list_the_known_ones() -> None:
    labels, answers = np.zeros((1, 26), bool), np.zeros((1, len(RULES)), np.int8)
    with pytest.raises(LeadwiseError, match="no rule 'palm reading'; similar are pacing"):
        combine(labels, answers, [part("palm reading", mode="or")], CODES)
    with pytest.raises(LeadwiseError, match="no mode of a rule 'xor'; known are off, or, veto, re"):
        combine(labels, answers, [part(RULE, mode="xor")], CODES)


def test_published_rules_replace_five_classes() -> None:
    assert {RULES[rule.name].codes[0] for rule in PUBLISHED} == {
        "426627000",  # Brady
        "39732003",  # LAD
        "47665007",  # RAD
        "251146004",  # LQRSV
        "10370003",  # PR
    }  # classes that the published network does not predict
    assert {rule.options["mode"] for rule in PUBLISHED} == {"replace"}
    assert (detector_of(PUBLISHED), detector_of(REPLACE)) == ("published", "house")


def test_published_findings_are_those_of_the_authors_code() -> None:
    """Their rate is the mean of the RR intervals, and bradycardia is below 60/min: 53 of SB."""
    record = simulate(["SB"], seed=0)
    ours = {one.rule: one for one in findings_of(record.signal, record.leads, TWO, record.fs)}
    theirs = {
        one.rule: one.answer
        for one in findings_of(record.signal, record.leads, TWO, record.fs, "published")
    }
    assert list(theirs) == list(RULES)
    assert ours["bradycardia"].why.startswith("rate 53/min")
    assert (ours["bradycardia"].answer, theirs["bradycardia"]) == (False, True)
    expected = published.judge(record.signal[:2], TWO, record.fs, axis_method="3-lead")
    assert {name: theirs[name] for name in expected} == expected
    assert {theirs[name] for name in set(RULES) - set(expected)} == {None}
    without = findings_of(record.signal[:1], ("V9",), TWO, record.fs, "published")
    assert {one.answer for one in without} == {None}


def test_a_published_rule_reads_the_record_at_500_hz_without_samples_beyond_20_mv() -> None:
    """In I and aVF one sample of −30 mV would make the axis extreme, so normal."""
    record = simulate(["LAD"], seed=1, fs=250)
    leads = ("I", "II", "aVF")
    signal = record.signal[[record.leads.index(lead) for lead in leads]].copy()
    signal[0, 100] = -30.0
    (finding,) = (
        one for one in findings_of(signal, leads, leads, record.fs, "published")
        if one.rule == "LAD"
    )  # fmt: skip
    assert finding.answer


def test_the_probability_of_a_class_that_rules_alone_answer_is_its_label() -> None:
    head = Head(classes="network21+rules5", rules="published")
    probabilities, labels = np.full(26, 0.3), np.zeros(26, bool)
    labels[[CODES.index("39732003"), 0]] = True
    given = with_ruled(head, probabilities, labels, CODES)
    expected = dict.fromkeys(CODES, 0.3) | dict.fromkeys(head.ruled, 0.0) | {"39732003": 1.0}
    assert dict(zip(CODES, given, strict=True)) == expected
    assert with_ruled(Head(), probabilities, labels, CODES).tolist() == [0.3] * 26
    logits = torch.zeros(2, 21)
    assert sorted(from_logits(head, logits)[0]) == [0.0] * 5 + [0.5] * 21


def test_answers_are_findings_as_numbers() -> None:
    findings = [Finding("a", True, ""), Finding("b", False, ""), Finding("c", None, "")]
    answers = answers_of(findings)
    assert answers.tolist() == [YES, NO, CANNOT_SAY]
    assert answers.dtype == np.int8


@pytest.mark.parametrize("size", LEAD_SETS)
def test_findings_of_a_lead_set_do_not_depend_on_further_leads(size: int) -> None:
    """Training reads records of twelve leads, prediction those of the lead set alone."""
    record, want = simulate(["LAD"], seed=1), LEAD_SETS[size]
    indices = [record.leads.index(lead) for lead in want]
    whole = findings_of(record.signal, record.leads, want, record.fs)
    reduced = findings_of(record.signal[indices], want, want, record.fs)
    assert [finding.rule for finding in whole] == list(RULES)
    assert whole == reduced


def test_leads_that_cannot_be_derived_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A channel of zeros would be a flat lead."""
    calls = []
    monkeypatch.setattr(
        "models.rules.judge", lambda signal, leads, fs: calls.append((signal.shape, leads)) or {}
    )
    findings_of(np.ones((2, 100), np.float32), ("aVR", "v5"), LEAD_SETS[4], 500.0)
    findings_of(np.ones((2, 100), np.float32), ("I", "aVF"), LEAD_SETS[4], 500.0)
    assert calls == [((0, 100), []), ((3, 100), ["I", "II", "III"])]
