"""Rules beside a network: on made-up folds, and from the runs' files to the page."""

from pathlib import Path

import numpy as np
import pytest

from ecg.labels import CODES, SINUS_RHYTHM
from ecg.leads import LEAD_SETS
from ecg.records import find_records
from ecg.rules import RULES
from experiments import combination, isibrno2020
from experiments.combination import Side, cross_fitted, gain_of, rule_rows, tables
from experiments.isibrno2020 import Run
from models.rules import CANNOT_SAY, NO, YES
from scoring.challenge import challenge_metric
from scoring.outputs import save_outputs
from training.rules import read_answers

RULE = "tachycardia"
COLUMN, PLACE = CODES.index(RULES[RULE].codes[0]), list(RULES).index(RULE)


def side(records: int, seed: int, right: float = 1.0) -> Side:
    """A network that misses half of the rule's class, and a rule that is right so often."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((records, len(CODES)), dtype=bool)
    labels[:, COLUMN] = rng.random(records) < 0.3
    labels[:, CODES.index(SINUS_RHYTHM)] = ~labels[:, COLUMN]
    outputs = labels.copy()
    outputs[:, COLUMN] &= rng.random(records) < 0.5
    answers = np.full((records, len(RULES)), CANNOT_SAY, np.int8)
    truth = labels[:, COLUMN] == (rng.random(records) < right)
    answers[:, PLACE] = np.where(truth, YES, NO)
    return Side(labels, outputs, answers)


def test_a_rule_that_knows_gains_what_the_row_says() -> None:
    chosen, reported = side(300, 0), side(300, 1)
    rows = {row.split(" | ")[0]: row.split(" | ") for row in rule_rows(chosen, reported)}
    metric = challenge_metric(reported.labels, reported.outputs)
    added = int((reported.labels & ~reported.outputs).sum())
    name, mode, _, more, fewer, gain, *forced = rows[RULE]
    assert (name, mode, more, fewer) == (RULE, "or", str(added), "0")
    assert gain.startswith(f"{1 - metric:+.4f} ± 0.0")
    assert [cell.rstrip(" |") for cell in forced] == [
        f"{1 - metric:+.4f}",
        "+0.0000",
        f"{1 - metric:+.4f}",
    ]
    together = rows["**all, as learned**"]
    assert together[1] == "goal met"
    assert together[5] == gain
    assert len(rows) == len([rule for rule in RULES.values() if rule.codes[0] in CODES]) + 2


def test_a_rule_that_is_wrong_on_the_other_fold_misses_the_goal() -> None:
    rows = list(rule_rows(side(300, 0), side(300, 1, right=0.2)))
    (together,) = (row for row in rows if row.startswith("**all, as learned**"))
    assert "goal missed" in together


def test_the_error_is_that_of_a_paired_difference() -> None:
    """Equal outputs have none, and one record in 300 has about its own gain's size."""
    some = side(300, 0)
    assert gain_of(some, some.outputs) == (0, 0)
    joined = some.outputs.copy()
    missed = np.flatnonzero((some.labels & ~some.outputs)[:, COLUMN])[0]
    joined[missed, COLUMN] = True
    found = gain_of(some, joined)
    assert found.gain > 0
    assert found.error == pytest.approx(found.gain, rel=0.15)


def test_cross_fitting_keeps_patients_together_and_does_not_see_what_it_is_measured_on() -> None:
    """A rule that is right for one patient only: chosen where he is, never applied to him."""
    some = side(300, 0)
    (missed,) = np.nonzero((some.labels & ~some.outputs)[:, COLUMN])
    patients = np.array([f"p{number}" for number in range(300)])
    patients[missed] = "one"
    answers = np.full_like(some.answers, CANNOT_SAY)
    answers[missed, PLACE] = YES
    gain, modes = cross_fitted(some._replace(answers=answers), patients.tolist())
    assert modes == {f"{RULE} or": 4}
    assert gain == (0, 0)
    alone = cross_fitted(some._replace(answers=answers), [str(number) for number in range(300)])
    assert alone[0].gain > 0
    assert alone[1] == {f"{RULE} or": 5}


@pytest.fixture
def runs(simulated_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Data in folds 8 and 9 and the outputs of two runs: random probabilities."""
    data, runs = tmp_path / "data", tmp_path / "runs"
    data.mkdir()
    names = [record.name for record in find_records(simulated_folder)[0]]
    for path in simulated_folder.iterdir():
        (data / path.name).symlink_to(path)
    rows = [f"{name}\t{8 + number % 2}\tp{number}" for number, name in enumerate(names)]
    (data / "folds.tsv").write_text("\n".join(["record\tfold\tpatient", *rows]) + "\n")
    final = (Run("final-12", "", 12, 1), Run("final-2", "", 2, 1))
    rng = np.random.default_rng(0)
    for run in final:
        for number, name in enumerate(names):
            outputs = runs / run.name / f"fold-{8 + number % 2}"
            outputs.mkdir(parents=True, exist_ok=True)
            save_outputs(str(outputs / f"{name}.csv"), name, CODES, [0] * 26, rng.random(26))
    monkeypatch.setattr(combination, "FINAL", final)
    monkeypatch.setattr(combination, "ROOT", tmp_path)
    monkeypatch.setenv("LEADWISE_WORKERS", "1")
    return runs


def test_the_page_gets_both_tables(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "results.md"
    marks = ("rules-combination", "rules-cross-fitted")
    page.write_text("".join(f"<!-- {m} -->\n<!-- /{m} -->\nwords\n" for m in marks))
    monkeypatch.setattr("sys.argv", ["combination", str(tmp_path / "data"), str(runs)])
    combination.main()
    text = page.read_text()
    assert text.count("words") == 2
    assert text.count("**all, as learned**") == text.count("**all, as published**") == 2 * 2
    for run in ("12 | expected", "12 | global", "2 | expected", "2 | global"):
        assert text.count(f"| {run} |") > 2
    rows = text.split("<!-- /")[0].splitlines()[1:]
    assert {row.count("|") for row in rows} == {rows[0].count("|")}


def test_answers_stand_beside_the_outputs_of_their_records(runs: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    some = isibrno2020.there(runs, combination.FINAL)
    answers = combination.answers_of_fold(data, runs, "9", some)
    names = isibrno2020.scored(data, runs, some[0], "9").names
    records = {record.name: record for record in find_records(data)[0]}
    for leads in (LEAD_SETS[12], LEAD_SETS[2]):
        expected = read_answers([records[name] for name in names], (leads,), 1)[leads]
        np.testing.assert_array_equal(answers[leads], expected)
    assert len(tables(data, runs)["rules-cross-fitted"]) == 2 + 2 * 2
