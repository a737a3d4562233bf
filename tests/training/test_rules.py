"""Learned modes: what helps beyond its standard error is chosen, and told as it is."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from ecg.labels import CODES, SINUS_RHYTHM
from ecg.leads import LEAD_SETS
from ecg.records import find_records
from ecg.rules import RULES
from models.rules import CANNOT_SAY, NO, PUBLISHED, YES, answers_of, combine, findings_of
from scoring.challenge import challenge_metric, prepare
from training.rules import (
    USES,
    choose_modes,
    fit_rules,
    gain_and_error,
    read_answers,
    rule_lines,
)

RULE = "tachycardia"
COLUMN, PLACE = CODES.index(RULES[RULE].codes[0]), list(RULES).index(RULE)
RECORDS = 400


def truth_and_outputs(missed: float, added: float) -> tuple[np.ndarray, np.ndarray]:
    """Labels of sinus rhythm and of the rule's class, of which a network misses or adds some."""
    rng = np.random.default_rng(0)
    labels = np.zeros((RECORDS, len(CODES)), dtype=bool)
    labels[:, COLUMN] = rng.random(RECORDS) < 0.3
    labels[:, CODES.index(SINUS_RHYTHM)] = ~labels[:, COLUMN]
    outputs = labels.copy()
    outputs[:, COLUMN] &= rng.random(RECORDS) >= missed
    outputs[:, COLUMN] |= rng.random(RECORDS) < added
    return labels, outputs


def silent() -> np.ndarray:
    return np.full((RECORDS, len(RULES)), CANNOT_SAY, np.int8)


def modes(rules: tuple) -> dict[str, str]:
    return {rule.name: rule.options["mode"] for rule in rules}


@pytest.mark.parametrize(
    ("missed", "added", "says", "mode"),
    [
        (0.5, 0.5, "all", "replace"),
        (0.5, 0.0, "all", "or"),  # replace would do the same: the one that changes less
        (0.0, 0.5, "all", "veto"),
        (0.5, 0.5, "yes", "or"),
        (0.5, 0.5, "no", "veto"),
        (0.0, 0.0, "all", "off"),
        (0.5, 0.5, "nothing", "off"),
    ],
)
def test_a_rule_that_knows_gets_the_mode_that_helps(
    missed: float, added: float, says: str, mode: str
) -> None:
    labels, outputs = truth_and_outputs(missed, added)
    answers, truth = silent(), labels[:, COLUMN]
    if says in ("yes", "all"):
        answers[truth, PLACE] = YES
    if says in ("no", "all"):
        answers[~truth, PLACE] = NO
    found = modes(choose_modes(outputs, answers, labels, CODES))
    assert found == {**dict.fromkeys(found, "off"), RULE: mode}
    assert set(found) == {name for name, rule in RULES.items() if rule.codes[0] in CODES}


def test_a_rule_that_guesses_is_off() -> None:
    labels, outputs = truth_and_outputs(0.2, 0.05)
    rng = np.random.default_rng(2)
    answers = rng.integers(NO, YES + 1, (RECORDS, len(RULES))).astype(np.int8)
    assert set(modes(choose_modes(outputs, answers, labels, CODES)).values()) == {"off"}


def test_one_record_chooses_nothing_and_three_do() -> None:
    labels, outputs = truth_and_outputs(0.5, 0.0)
    helped = np.flatnonzero(labels[:, COLUMN] & ~outputs[:, COLUMN])
    chosen = []
    for count in (1, 3):
        answers = silent()
        answers[helped[:count], PLACE] = YES
        chosen.append(modes(choose_modes(outputs, answers, labels, CODES))[RULE])
    assert chosen == ["off", "or"]


def test_gain_and_error_are_those_of_the_metric_and_its_paired_bootstrap() -> None:
    """1,000 resamples know a standard error to 2 %, the linear one is good to some per cent."""
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
def test_records_that_say_nothing_choose_nothing(labels: np.ndarray) -> None:
    answers = np.full((len(labels), len(RULES)), YES, np.int8)
    rules = fit_rules("learned", labels > 1, answers, labels > 0, CODES)
    assert set(modes(rules).values()) == {"off"}


def test_what_rules_do_is_told_as_it_is() -> None:
    labels, outputs = truth_and_outputs(0.4, 0.3)
    answers = silent()
    answers[:, PLACE] = np.where(labels[:, COLUMN], YES, NO)
    rules = fit_rules("learned", outputs, answers, labels, CODES)
    joined = combine(outputs, answers, rules, CODES)
    told = {rule.name: rule.options for rule in rules}
    assert told[RULE] == {
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
    assert line.startswith(f"rule {RULE} replace: {told[RULE]['added']} labels added, ")
    assert f"{told[RULE]['before']:.4f} to 1.0000 on the validation part" in line


def test_off_asks_no_rule_and_published_takes_its_table() -> None:
    labels, outputs = truth_and_outputs(0.4, 0.3)
    nobody = np.empty((0, len(RULES)), np.int8)
    assert fit_rules("off", outputs, nobody, labels, CODES) == ()
    found = fit_rules("published", outputs, silent(), labels, CODES)
    assert modes(found) == {rule.name: rule.options["mode"] for rule in PUBLISHED}
    assert list(modes(found)) == [name for name in RULES if name in modes(found)]
    assert set(USES) == {"off", "published", "learned"}


def test_records_are_judged_as_each_lead_set_sees_them(simulated_folder: Path) -> None:
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


def test_a_record_that_vanished_or_is_another_ones_says_nothing(
    simulated_folder: Path, tmp_path: Path
) -> None:
    data = shutil.copytree(simulated_folder, tmp_path / "data")
    gone, other, whole = find_records(data)[0][:3]
    Path(gone.stem + ".mat").unlink()
    shutil.copy(whole.stem + ".mat", other.stem + ".mat")
    answers = read_answers([gone, other, whole], (LEAD_SETS[12],), workers=1)[LEAD_SETS[12]]
    assert (answers[:2] == CANNOT_SAY).all()
    assert (answers[2] != CANNOT_SAY).any()


def test_many_workers_judge_alike(simulated_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecg.parallel.RECORDS_PER_TASK", 2)
    records = find_records(simulated_folder)[0][:9]
    one, two = (read_answers(records, (LEAD_SETS[2],), workers) for workers in (1, 2))
    np.testing.assert_array_equal(one[LEAD_SETS[2]], two[LEAD_SETS[2]])


def test_nothing_is_read_where_no_record_is_asked_for(capsys: pytest.CaptureFixture) -> None:
    answers = read_answers([], (LEAD_SETS[2],), workers=2)
    assert answers[LEAD_SETS[2]].shape == (0, len(RULES))
    assert capsys.readouterr().err == ""
