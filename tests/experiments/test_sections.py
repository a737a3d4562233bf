"""Further tables of reports: on invented folds, and from a cell's files to the page."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecg.labels import CODES, SINUS_RHYTHM
from ecg.leads import LEAD_SETS
from ecg.records import find_records
from ecg.rules import RULES
from experiments import sections
from experiments.cells import cells_of, run_cells
from experiments.grid import Grid
from experiments.grids import GRIDS
from experiments.outputs import MEASURES, Scored, measured, paired_gain, rule_answers
from experiments.results import Result, read_results
from experiments.sections import SECTIONS, Side, cross_fitted, rule_rows
from experiments.tables import write_report
from models import find
from models.recipe import part
from models.rules import CANNOT_SAY, NO, YES
from scoring.challenge import challenge_metric
from tests.conftest import small
from training.decisions import read_answers

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
    return Side(Scored(labels, outputs * 1.0, outputs), answers)


def test_a_rule_that_knows_gains_what_the_row_says() -> None:
    chosen, reported = side(300, 0), side(300, 1)
    rows = {row.split(" | ")[0]: row.split(" | ") for row in rule_rows(chosen, reported)}
    scored = reported.scored
    metric = challenge_metric(scored.labels, scored.outputs)
    added = int((scored.labels & ~scored.outputs).sum())
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
    """Equal outputs have none; for one of 300 records it is about as large as the gain."""
    scored = side(300, 0).scored
    assert paired_gain(scored, scored) == (0, 0)
    outputs = scored.outputs.copy()
    missed = np.flatnonzero((scored.labels & ~scored.outputs)[:, COLUMN])[0]
    outputs[missed, COLUMN] = True
    gain = paired_gain(scored, Scored(scored.labels, scored.probabilities, outputs))
    assert gain.gain > 0
    assert gain.error == pytest.approx(gain.gain, rel=0.15)


def test_cross_fitting_keeps_patients_together_and_does_not_see_what_it_is_measured_on() -> None:
    """A rule that is right for one patient only: chosen where he is, never applied to him."""
    example = side(300, 0)
    (missed,) = np.nonzero((example.scored.labels & ~example.scored.outputs)[:, COLUMN])
    patients = np.array([f"p{number}" for number in range(300)])
    patients[missed] = "one"
    answers = np.full_like(example.answers, CANNOT_SAY)
    answers[missed, PLACE] = YES
    gain, modes = cross_fitted(example._replace(answers=answers), patients.tolist())
    assert modes == {f"{RULE} or": 4}
    assert gain == (0, 0)
    alone = cross_fitted(example._replace(answers=answers), [str(number) for number in range(300)])
    assert alone[0].gain > 0
    assert alone[1] == {f"{RULE} or": 5}


def test_a_measure_lies_in_its_interval() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.random((200, 26)) ** 4
    labels = rng.random(probabilities.shape) < probabilities
    scored = Scored(labels, probabilities, probabilities >= 0.3)
    for name in ("challenge", "f_measure", "auroc", "auprc", "accuracy"):
        value = measured(scored, name)
        assert value.low < value.value < value.high
        assert str(value).startswith(f"{value.value:.3f} ({value.low:.3f} to ")
    assert measured(scored).value == challenge_metric(labels, scored.outputs)
    decided = scored.decided(part("thresholds", values=(0.3,) * len(CODES)))
    assert (decided.outputs == scored.outputs).all()
    assert str(measured(scored, "af_f1")) == "–"
    assert MEASURES["af_f1"].title == "F1 over N, A, O"


RECIPE = replace(small(find("isibrno-basic")), epochs=1, lead_sets=(LEAD_SETS[12], LEAD_SETS[2]))
STUDY = Grid(
    "pair", "two lead sets in one training", {"final": RECIPE}, leads=(), records=20,
    sections=("decisions", "calibration", "rules", "rules-cross-fitted"),
)  # fmt: skip


@pytest.fixture(scope="module")
def results(folded: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    """Two lead sets of one cell, trained on the first 20 records."""
    runs = tmp_path_factory.mktemp("runs")
    run_cells(STUDY, folded, runs)
    return read_results(STUDY, runs)


@pytest.fixture(autouse=True)
def _one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADWISE_WORKERS", "1")


def test_folds_do_not_mix(results: list[Result]) -> None:
    twelve, two = results
    assert (twelve.size, two.size) == (12, 2)
    training = twelve.model.training
    assert (training["train_records"], training["validation_records"]) == (20, 12)
    assert len(twelve.test.names) == len(twelve.validation.names) == 12
    assert not set(twelve.test.names) & set(twelve.validation.names)
    assert twelve.test.names == two.test.names
    assert (twelve.test.labels == two.test.labels).all()
    assert (twelve.test.probabilities != two.test.probabilities).any()


def test_decisions_are_fitted_on_the_validation_fold(results: list[Result]) -> None:
    head, _, *rows = SECTIONS["decisions"](STUDY, results, Path())
    assert len(rows) == 2 * 5
    test = results[0].test
    threshold = float(rows[0].split("global (")[1].split(")")[0])
    metric = challenge_metric(test.labels, test.probabilities >= threshold)
    assert rows[0].split(" | ")[5].startswith(f"{metric:.3f} (")
    own = rows[3].split(" | ")
    assert own[3] == "own"
    assert own[5] == str(measured(test))
    assert {row.count("|") for row in rows} == {head.count("|")}


def test_rules_that_cannot_answer_change_nothing(
    results: list[Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = SECTIONS["decisions"](STUDY, results, Path())
    joined = [row for row in rows if "five classes replaced by our rules" in row]
    assert not all(row.endswith("+0.0000 ± 0.0000 |") for row in joined)
    monkeypatch.setattr(sections, "rule_answers", silent)
    rows = SECTIONS["decisions"](STUDY, results, Path())
    joined = [row for row in rows if "five classes replaced by our rules" in row]
    assert len(joined) == 2
    assert all(row.endswith("+0.0000 ± 0.0000 |") for row in joined)


def silent(_: Path, names: tuple[str, ...], __: tuple[str, ...], ___: str) -> np.ndarray:
    """Rules that cannot answer."""
    return np.full((len(names), len(RULES)), CANNOT_SAY, np.int8)


def test_answers_of_rules_belong_to_the_outputs_records(
    results: list[Result], folded: Path
) -> None:
    records = {record.name: record for record in find_records(folded)[0]}
    for result in results:
        names, leads = result.test.names, result.entry.leads
        expected = read_answers([records[name] for name in names], (leads,), 1)[leads]
        answers = rule_answers(result.records("9"), names, leads)
        np.testing.assert_array_equal(answers, expected)


def test_rules_read_nested_folders(simulated_folder: Path, tmp_path: Path) -> None:
    """As `read_scored` does."""
    flat = find_records(simulated_folder)[0][:2]
    for record in flat:
        folder = tmp_path / record.name[-1]
        folder.mkdir()
        for ending in (".hea", ".mat"):
            shutil.copy(record.stem + ending, folder)
    names = tuple(record.name for record in reversed(flat))
    expected = read_answers(flat[::-1], (("I", "II"),), 1)[("I", "II")]
    np.testing.assert_array_equal(rule_answers(tmp_path, names, ("I", "II")), expected)


def test_the_report_has_all_tables(results: list[Result]) -> None:
    runs = results[0].runs
    page = write_report(STUDY, runs)
    for name in STUDY.sections:
        _, _, rest = page.partition(f"## pair-{name}\n\n")
        table = rest.partition("\n\n")[0].splitlines()
        assert len({row.count("|") for row in table}) == 1
    for name in ("all, as learned", "five, by our rules", "five, by the published detectors"):
        assert page.count(f"**{name}**") == 2 * 2
    assert (runs / "pair" / "reliability.png").stat().st_size > 10_000
    assert len(SECTIONS["calibration"](STUDY, results, runs)) == 2 + 2 * 2
    assert len(SECTIONS["rules-cross-fitted"](STUDY, results, runs)) == 2 + 2 * 2
    assert [cell.leads for cell in cells_of(STUDY)] == [(12, 2)]
    assert set(GRIDS["isibrno2020"].sections) == set(STUDY.sections)
