"""Rules and labels: truth table of the four modes, and which labels a rule cannot change."""

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
