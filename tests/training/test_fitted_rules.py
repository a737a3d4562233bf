"""Fitted rules: a mode is chosen if its gain exceeds its standard error; effects are reported."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import team_code
from ecg.labels import CODES, SINUS_RHYTHM
from ecg.leads import LEAD_SETS
from ecg.records import find_records, record_of
from ecg.rules import RULES, published
from models import find
from models.model import Model
from models.rules import CANNOT_SAY, NO, PUBLISHED, YES, answers_of, combine, findings_of
from scoring.challenge import challenge_metric, prepare
from simulate import simulate
from tests.conftest import small
from training.decisions import (
    USES,
    choose_modes,
    fit_rules,
    gain_and_error,
    read_answers,
    rule_lines,
)

RULE = "tachycardia"
COLUMN, INDEX = CODES.index(RULES[RULE].codes[0]), list(RULES).index(RULE)
RECORDS = 400


def truth_and_outputs(missed: float, added: float) -> tuple[np.ndarray, np.ndarray]:
    """Return labels of sinus rhythm and the rule's class, and outputs that miss or add some."""
    rng = np.random.default_rng(0)
    labels = np.zeros((RECORDS, len(CODES)), dtype=bool)
    labels[:, COLUMN] = rng.random(RECORDS) < 0.3
    labels[:, CODES.index(SINUS_RHYTHM)] = ~labels[:, COLUMN]
    outputs = labels.copy()
    outputs[:, COLUMN] &= rng.random(RECORDS) >= missed
    outputs[:, COLUMN] |= rng.random(RECORDS) < added
    return labels, outputs


def unanswered() -> np.ndarray:
    return np.full((RECORDS, len(RULES)), CANNOT_SAY, np.int8)


def modes(rules: tuple) -> dict[str, str]:
    return {rule.name: rule.options["mode"] for rule in rules}


@pytest.mark.parametrize(
    ("missed", "added", "answered", "mode"),
    [
        (0.5, 0.5, "all", "replace"),
        (
            0.5,
            0.0,
            "all",
            "or",
        ),  # replace does the same; of equal modes the smaller
        (0.0, 0.5, "all", "veto"),
        (0.5, 0.5, "yes", "or"),
        (0.5, 0.5, "no", "veto"),
        (0.0, 0.0, "all", "off"),
        (0.5, 0.5, "nothing", "off"),
    ],
)
def test_a_correct_rule_gets_the_mode_that_helps(
    missed: float, added: float, answered: str, mode: str
) -> None:
    labels, outputs = truth_and_outputs(missed, added)
    answers, truth = unanswered(), labels[:, COLUMN]
    if answered in ("yes", "all"):
        answers[truth, INDEX] = YES
    if answered in ("no", "all"):
        answers[~truth, INDEX] = NO
    chosen = modes(choose_modes(outputs, answers, labels, CODES))
    assert chosen == {**dict.fromkeys(chosen, "off"), RULE: mode}
    assert set(chosen) == {name for name, rule in RULES.items() if rule.codes[0] in CODES}


def test_a_random_rule_is_off() -> None:
    labels, outputs = truth_and_outputs(0.2, 0.05)
    rng = np.random.default_rng(2)
    answers = rng.integers(NO, YES + 1, (RECORDS, len(RULES))).astype(np.int8)
    assert set(modes(choose_modes(outputs, answers, labels, CODES)).values()) == {"off"}


def test_the_gain_must_exceed_one_standard_error() -> None:
    """Of k equal gains among n, the sum is √k standard errors, times √((n − 1) / (n − k))."""
    labels, outputs = truth_and_outputs(0.5, 0.0)
    helped = np.flatnonzero(labels[:, COLUMN] & ~outputs[:, COLUMN])
    chosen = []
    for count in (1, 2):  # 1.00 and 1.42 standard errors
        answers = unanswered()
        answers[helped[:count], INDEX] = YES
        chosen.append(modes(choose_modes(outputs, answers, labels, CODES))[RULE])
    assert chosen == ["off", "or"]


def test_gain_and_error_are_those_of_the_metric_and_its_paired_bootstrap() -> None:
    """1,000 resamples estimate a standard error to 2 %, the linear one to some per cent."""
    labels, outputs = truth_and_outputs(0.5, 0.3)
    joined = outputs.copy()
    joined[:, COLUMN] ^= np.random.default_rng(3).random(RECORDS) < 0.2
    ready = prepare(labels, CODES)
    gain, error = gain_and_error(ready, outputs, joined)
    metrics = [challenge_metric(labels, one, CODES) for one in (outputs, joined)]
    assert gain == pytest.approx(metrics[1] - metrics[0])
    times = np.random.default_rng(4).multinomial(RECORDS, np.full(RECORDS, 1 / RECORDS), 1000)
    resampled = ready.metric(joined, times) - ready.metric(outputs, times)
    assert error == pytest.approx(resampled.std(), rel=0.15)
    assert gain_and_error(ready, outputs, outputs) == (0, 0)


@pytest.mark.parametrize("labels", [np.zeros((0, 26)), np.ones((1, 26)), np.zeros((5, 26))])
def test_records_without_information_choose_no_mode(labels: np.ndarray) -> None:
    answers = np.full((len(labels), len(RULES)), YES, np.int8)
    rules = fit_rules("learned", labels > 1, answers, labels > 0, CODES)
    assert set(modes(rules).values()) == {"off"}


def test_the_effect_of_each_rule_is_reported() -> None:
    labels, outputs = truth_and_outputs(0.4, 0.3)
    answers = unanswered()
    answers[:, INDEX] = np.where(labels[:, COLUMN], YES, NO)
    rules = fit_rules("learned", outputs, answers, labels, CODES)
    joined = combine(outputs, answers, rules, CODES)
    effects = {rule.name: rule.options for rule in rules}
    assert effects[RULE] == {
        "mode": "replace",
        "added": int((labels & ~outputs)[:, COLUMN].sum()),
        "removed": int((outputs & ~labels)[:, COLUMN].sum()),
        "before": round(challenge_metric(labels, outputs, CODES), 6),
        "after": round(challenge_metric(labels, joined, CODES), 6),
    }
    numbers = [(rule.options["before"], rule.options["after"]) for rule in rules]
    assert [before for before, _ in numbers[1:]] == [after for _, after in numbers[:-1]]
    lines = list(rule_lines(rules))
    assert len(lines) == len(rules)
    (line,) = (line for line in lines if f"rule {RULE} " in line)
    assert line.startswith(f"rule {RULE} replace: {effects[RULE]['added']} labels added, ")
    assert f"{effects[RULE]['before']:.4f} to 1.0000 on the validation records" in line


def test_off_uses_no_rule_and_published_its_table() -> None:
    labels, outputs = truth_and_outputs(0.4, 0.3)
    no_answers = np.empty((0, len(RULES)), np.int8)
    assert fit_rules("off", outputs, no_answers, labels, CODES) == ()
    published = fit_rules("published", outputs, unanswered(), labels, CODES)
    assert modes(published) == {rule.name: rule.options["mode"] for rule in PUBLISHED}
    assert list(modes(published)) == [name for name in RULES if name in modes(published)]
    assert modes(published) == modes(fit_rules("replace", outputs, unanswered(), labels, CODES))
    assert {rule.options["detector"] for rule in published} == {"published"}
    assert set(USES) == {"off", "replace", "published", "learned"}


def test_rules_are_applied_to_the_leads_of_each_lead_set(simulated_folder: Path) -> None:
    records, lead_sets = find_records(simulated_folder)[0][:6], (LEAD_SETS[12], LEAD_SETS[2])
    answers = read_answers(records, lead_sets, workers=1)
    assert list(answers) == list(lead_sets)
    for leads in lead_sets:
        expected = [
            answers_of(findings_of(record.signal, record.leads, leads, record.fs))
            for record in records
        ]
        np.testing.assert_array_equal(answers[leads], expected)
    assert (answers[LEAD_SETS[12]] != CANNOT_SAY).any()


def test_a_record_that_was_deleted_or_replaced_has_no_answers(
    simulated_folder: Path, tmp_path: Path
) -> None:
    data = shutil.copytree(simulated_folder, tmp_path / "data")
    deleted, other, intact = find_records(data)[0][:3]
    Path(deleted.stem + ".mat").unlink()
    shutil.copy(intact.stem + ".mat", other.stem + ".mat")
    answers = read_answers([deleted, other, intact], (LEAD_SETS[12],), workers=1)[LEAD_SETS[12]]
    assert (answers[:2] == CANNOT_SAY).all()
    assert (answers[2] != CANNOT_SAY).any()


def test_the_number_of_workers_does_not_change_the_answers(
    simulated_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecg.parallel.RECORDS_PER_TASK", 2)
    records = find_records(simulated_folder)[0][:9]
    one, two = (read_answers(records, (LEAD_SETS[2],), workers) for workers in (1, 2))
    np.testing.assert_array_equal(one[LEAD_SETS[2]], two[LEAD_SETS[2]])


def test_without_records_no_rule_is_applied(capsys: pytest.CaptureFixture) -> None:
    answers = read_answers([], (LEAD_SETS[2],), workers=2)
    assert answers[LEAD_SETS[2]].shape == (0, len(RULES))
    assert capsys.readouterr().err == ""


def test_a_network_of_21_classes_and_the_published_rules_for_five(
    simulated_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network has 21 outputs; Brady, LAD, LQRSV, PR and RAD are those of `published.judge`."""
    recipe = small(find("revenger-nc-se-100hz-rules"))
    monkeypatch.setattr("training.data.find", lambda _: recipe)
    monkeypatch.setenv("LEADWISE_LEADS", "2")
    team_code.training_code(str(simulated_folder), str(tmp_path / "model"))
    model = Model.load(tmp_path / "model")
    assert model.classes == CODES
    entry, network = model.network_for(LEAD_SETS[2])
    assert len(network.state_dict()["head.3.bias"]) == 21
    rules = entry.heads["diagnosis"].rules
    assert [rule.options["detector"] for rule in rules] == ["published"] * 5
    record = simulate(["SB"], seed=0)
    prediction = model.predict(record_of(record.signal, record.leads, record.fs))
    named = prediction.named()
    theirs = published.judge(record.signal[:2], LEAD_SETS[2], record.fs, axis_method="3-lead")
    of_rules = {name: name for name in ("LAD", "LQRSV", "RAD")}
    of_rules |= {"Brady": "bradycardia", "PR": "pacing"}
    assert {name: named[name] for name in of_rules} == {
        name: float(theirs[rule]) for name, rule in of_rules.items()
    }
    assert named["Brady"] == 1.0
    assert 0 < named["SB"] < 1
    labels = dict(zip(CODES, prediction.labels, strict=True))
    assert all(labels[code] == theirs[rule] for rule in of_rules.values()
               for code in RULES[rule].codes[:1])  # fmt: skip
