"""Rules and labels: the four modes by their truth table, and what a rule may not touch."""

import numpy as np
import pytest

from ecg import LeadwiseError
from ecg.labels import CODES
from ecg.leads import LEAD_SETS
from ecg.rules import RULES, Finding
from models.recipe import part
from models.rules import CANNOT_SAY, MODES, NO, PUBLISHED, YES, answers_of, combine, findings_of
from simulate import simulate

RULE = "tachycardia"
CODE = RULES[RULE].codes[0]
PLACE = list(RULES).index(RULE)
# The label that the network gives, what the rule says; then the label in each mode.
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
    answers[:, PLACE] = [answer for _, answer, _ in TRUTH_TABLE]
    before = labels.copy()
    combined = combine(labels, answers, [part(RULE, mode=mode)], CODES)
    assert combined.dtype == bool
    assert combined[:, CODES.index(CODE)].tolist() == [row[mode] for _, _, row in TRUTH_TABLE]
    np.testing.assert_array_equal(labels, before)  # the argument is left alone
    np.testing.assert_array_equal(
        np.delete(combined, CODES.index(CODE), 1), np.delete(labels, CODES.index(CODE), 1)
    )


def test_a_rule_without_its_class_does_nothing() -> None:
    classes = [code for code in CODES if code != CODE]
    labels = np.random.default_rng(0).random((50, len(classes))) < 0.5
    answers = np.full((50, len(RULES)), YES, np.int8)
    combined = combine(labels, answers, [part(RULE, mode="replace")], classes)
    np.testing.assert_array_equal(combined, labels)


def test_the_order_in_which_rules_are_named_changes_nothing() -> None:
    rng = np.random.default_rng(1)
    labels = rng.random((200, len(CODES))) < 0.3
    answers = rng.integers(-1, 2, (200, len(RULES))).astype(np.int8)
    rules = [part(name, mode=str(rng.choice(["or", "veto", "replace"]))) for name in RULES]
    forward, backward = (combine(labels, answers, some, CODES) for some in (rules, rules[::-1]))
    np.testing.assert_array_equal(forward, backward)
    assert (forward != labels).any()


def test_of_two_rules_of_one_class_the_later_one_has_the_last_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("models.rules.RULES", {"first": RULES[RULE], "second": RULES[RULE]})
    rules = [part("second", mode="replace"), part("first", mode="replace")]
    answers = np.array([[YES, NO], [NO, YES], [YES, CANNOT_SAY]], np.int8)
    combined = combine(np.zeros((3, 1), bool), answers, rules, [CODE])
    assert combined[:, 0].tolist() == [False, True, True]


def test_unknown_rules_and_modes_are_answered_with_the_known_ones() -> None:
    labels, answers = np.zeros((1, 26), bool), np.zeros((1, len(RULES)), np.int8)
    with pytest.raises(LeadwiseError, match="no rule 'palm reading'; known are tachycardia"):
        combine(labels, answers, [part("palm reading", mode="or")], CODES)
    with pytest.raises(LeadwiseError, match="no mode of a rule 'xor'; known are off, or, veto, re"):
        combine(labels, answers, [part(RULE, mode="xor")], CODES)


def test_the_published_rules_are_there_and_set_classes_of_ours() -> None:
    assert {RULES[rule.name].codes[0] for rule in PUBLISHED} == {
        "426627000",  # Brady
        "39732003",  # LAD
        "47665007",  # RAD
        "251146004",  # LQRSV
        "10370003",  # PR
    }  # the classes on which the published network does not speak
    assert {rule.options["mode"] for rule in PUBLISHED} == {"replace"}


def test_answers_are_findings_as_numbers() -> None:
    findings = [Finding("a", True, ""), Finding("b", False, ""), Finding("c", None, "")]
    answers = answers_of(findings)
    assert answers.tolist() == [YES, NO, CANNOT_SAY]
    assert answers.dtype == np.int8


@pytest.mark.parametrize("size", LEAD_SETS)
def test_a_lead_set_sees_the_same_of_a_record_with_more_leads(size: int) -> None:
    """Training judges records of twelve leads, running those that have no more than the set's."""
    record, want = simulate(["LAD"], seed=1), LEAD_SETS[size]
    there = [record.leads.index(lead) for lead in want]
    whole = findings_of(record.signal, record.leads, want, record.fs)
    reduced = findings_of(record.signal[there], want, want, record.fs)
    assert [finding.rule for finding in whole] == list(RULES)
    assert whole == reduced


def test_leads_that_cannot_be_had_are_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row of zeros would be a flat lead; V2 is none of these."""
    seen = []
    monkeypatch.setattr(
        "models.rules.judge", lambda signal, leads, fs: seen.append((signal.shape, leads)) or {}
    )
    findings_of(np.ones((2, 100), np.float32), ("aVR", "v5"), LEAD_SETS[4], 500.0)
    findings_of(np.ones((2, 100), np.float32), ("I", "aVF"), LEAD_SETS[4], 500.0)
    assert seen == [((0, 100), []), ((3, 100), ["I", "II", "III"])]
