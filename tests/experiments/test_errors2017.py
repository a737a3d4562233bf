"""2017's records from a cell to its row and to pictures of errors, on simulated ones."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from datasets.reference import read_reference
from ecg import LeadwiseError
from ecg.labels import AF_LETTERS
from ecg.records import read_record, write_record
from experiments import __main__ as command
from experiments import runs as runs_module
from experiments.cells import run_cells
from experiments.errors import common_errors, rhythm, rhythm_rows
from experiments.grid import Grid
from experiments.grids2017 import OF_2017
from experiments.outputs import MEASURES, Scored, measured, read_scored
from experiments.results import read_results
from experiments.runs import by_class, by_submission, fold_path
from experiments.sections import SECTIONS
from experiments.tables import main_table
from models import find
from scoring.af import score
from simulate import simulate
from tests.conftest import single_lead, small

RECIPE = replace(single_lead(small(find("isibrno-basic"))), epochs=1)
GRID = Grid("tiny", "one network", {"base": RECIPE}, **OF_2017, seeds=(0, 1),
            published={("base", 1): 0.5}, source="nobody")  # fmt: skip


@pytest.fixture(scope="module")
def runs(folder_2017: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs2017")
    run_cells(GRID, folder_2017, folder)
    return folder


def answered(confusion: dict[tuple[str, str], int], sure: float = 0.7) -> Scored:
    """Records of a label, answered so; each a little surer than the one before."""
    labels, answers = (np.repeat([AF_LETTERS.index(pair[at]) for pair in confusion],
                                 list(confusion.values())) for at in (0, 1))  # fmt: skip
    probabilities = np.full((len(labels), 4), (1 - sure) / 4)
    indices = np.arange(len(labels))
    probabilities[indices, answers] = sure + 0.001 * indices
    names = tuple(f"A{at:05d}" for at in indices)
    one_hot = np.eye(4, dtype=bool)
    return Scored(one_hot[labels], probabilities, one_hot[answers], names, AF_LETTERS)


def test_ten_folds_hold_each_class_evenly(folder_2017: Path) -> None:
    letters, _ = read_reference(folder_2017 / "REFERENCE.csv")
    folds = by_class(folder_2017)
    assert folds == by_class(folder_2017)
    assert set(folds) == set(letters)
    for letter in AF_LETTERS:
        sizes = Counter(fold for name, (fold, _) in folds.items() if letters[name] == letter)
        assert max(sizes.values()) - min(sizes[str(fold)] for fold in range(10)) <= 1


def test_the_authors_second_split_holds_411_of_the_public_records(folder_2017: Path) -> None:
    held = runs_module.SUBMISSION.read_text().split()
    assert len(held) == len(set(held)) == 411
    assert held == sorted(held)
    split = by_submission(folder_2017)  # the first 24 of the public records, by their names
    assert {name for name, (fold, _) in split.items() if fold == "held"} == set(held) & set(split)
    assert {fold for fold, _ in split.values()} <= {"held", "fit"}


def test_two_classes_have_no_f1_over_three() -> None:
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
    one_hot = np.eye(2, dtype=bool)
    two = Scored(
        one_hot[[0, 0, 1]], probabilities, one_hot[probabilities.argmax(1)], classes=("N|O|~", "A")
    )
    values = [MEASURES[name].of(two, None) for name in OF_2017["measures"]]
    assert values[:2] == [pytest.approx(2 / 3), pytest.approx(2 / 3)]
    assert np.isnan(values[2])


def test_a_row_holds_what_the_scorer_says(runs: Path) -> None:
    results = read_results(GRID, runs)
    head, line, first, second, seeds = main_table(GRID, results)
    one, other = (result.test for result in results)
    scores = score(one.labels, one.outputs)
    assert len({row.count("|") for row in (head, line, first, second, seeds)}) == 1
    assert first.startswith("| base | 1 | 9 | 0 | 1 of 1 | af_accuracy ")
    cells = [cell.strip() for cell in first.strip("|").split("|")]
    for cell, value in zip(
        cells[6:9], (scores.accuracy, scores.f1_four, scores.f1_three), strict=True
    ):
        assert cell.startswith(f"{value:.3f} (")
    assert cells[9:11] == ["–", "0.500"]
    assert second.startswith("| base | 1 | 9 | 1 |")
    low, high = sorted(measured(each, "accuracy").value for each in (one, other))
    assert seeds.startswith("| base | 1 | 9 | **mean and range of 2** |")
    assert f"| {(low + high) / 2:.3f} ({low:.3f} to {high:.3f}) |" in seeds


def test_an_ensemble_is_the_mean_of_seeds(runs: Path) -> None:
    results = read_results(GRID, runs)
    *_, row = SECTIONS["ensemble"](GRID, results, runs)
    one, other = (result.test for result in results)
    answers = (one.probabilities + other.probabilities).argmax(1)
    accuracy = (answers == one.labels.argmax(1)).mean()
    assert row.startswith(f"| base | 1 | 9 | mean of 2 | {accuracy:.3f} (")


def test_intervals_hold_the_scores_and_shrink_with_records() -> None:
    few = {("N", "N"): 30, ("N", "O"): 5, ("A", "A"): 10, ("O", "O"): 15, ("~", "N"): 5}
    many = {pair: 10 * number for pair, number in few.items()}
    for name in OF_2017["measures"]:
        values = [measured(answered(counts), name) for counts in (few, many)]
        assert all(value.low < value.value < value.high for value in values)
        narrow, wide = (value.high - value.low for value in reversed(values))
        assert narrow < 0.5 * wide  # by the square root of ten


def test_the_most_frequent_errors_and_their_most_probable_records() -> None:
    scored = answered({("N", "N"): 9, ("N", "O"): 4, ("A", "O"): 1, ("O", "N"): 6, ("~", "N"): 3})
    errors = common_errors(scored)
    names = [(AF_LETTERS[label], AF_LETTERS[output], len(at)) for label, output, at in errors]
    assert names == [("O", "N", 6), ("N", "O", 4), ("~", "N", 3)]
    assert errors[0][2][:2].tolist() == [19, 18]
    assert common_errors(answered({("N", "N"): 3, ("A", "A"): 2})) == []


@pytest.mark.parametrize(
    ("diagnosis", "rate", "early", "change"),
    [("NSR", (60, 100), (0, 0), (0, 0.05)), ("AF", (60, 160), (3, 40), (0.1, 0.5))],
)
def test_a_rhythm_is_measured(
    diagnosis: str, rate: tuple, early: tuple, change: tuple, tmp_path: Path
) -> None:
    record = simulate([diagnosis], seed=3, duration_s=30, fs=300, leads=["I"])
    write_record(tmp_path, "A", record.signal, ["ECG"], 300.0)
    for value, (least, most) in zip(
        rhythm(read_record(tmp_path / "A.hea")), (rate, early, change), strict=True
    ):
        assert least <= value <= most


def test_a_record_without_beats_has_no_rhythm(tmp_path: Path) -> None:
    write_record(tmp_path, "A", np.zeros((1, 3000)), ["ECG"], 300.0)
    assert np.isnan(rhythm(read_record(tmp_path / "A.hea"))).all()


def test_errors_and_right_outputs_have_a_rhythm() -> None:
    scored = answered({("N", "N"): 3, ("O", "N"): 2, ("~", "~"): 1})
    rhythms = np.array([[70, 0, 0.01], [72, 1, 0.03], [74, 1, 0.02], [50, 2, 0.1],
                        [np.nan] * 3, [np.nan] * 3])  # fmt: skip
    assert list(rhythm_rows(scored, rhythms)) == [
        "O | N | 2 | 50 | 2 | ± 10.0 % | 0.70",
        "N | N | 3 | 72 | 1 | ± 2.0 % | 0.70",
        "~ | ~ | 1 | nan | nan | ± nan % | 0.70",
    ]


def test_errors_are_drawn_and_listed(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = runs / "tiny" / "base-1-leads-fold-9-seed-0" / "fold-9-1-leads"
    records = fold_path(runs, ("9",))
    words = ["errors-2017", str(records), str(outputs), str(tmp_path / "errors")]
    monkeypatch.setattr("sys.argv", ["experiments", *words])
    command.main()
    listed = (tmp_path / "errors" / "errors.md").read_text()
    assert capsys.readouterr().out == listed
    drawn = {path.stem for path in (tmp_path / "errors").glob("*.png")}
    scored = read_scored(records, outputs, AF_LETTERS)
    missed = (scored.labels != scored.outputs).any(1)
    assert drawn <= {name for name, miss in zip(scored.names, missed, strict=True) if miss}
    assert len(drawn) == listed.count("(A") > 0


def test_the_models_decision_counts_and_no_output_is_noise(tmp_path: Path) -> None:
    (tmp_path / "REFERENCE.csv").write_text("A1,O\nA2,~\n")
    files = (["N,A,O,~", "0,0,1,0", "0.5,0.1,0.3,0.1"], ["", "", ""])
    for name, lines in zip(("A1", "A2"), files, strict=True):
        (tmp_path / f"{name}.hea").touch()
        (tmp_path / f"{name}.csv").write_text("\n".join([f"#{name}", *lines]) + "\n")
    four = read_scored(tmp_path, tmp_path, AF_LETTERS)
    assert four.outputs.argmax(1).tolist() == [2, 3]
    assert MEASURES["accuracy"].of(four, None) == 1
    two = read_scored(tmp_path, tmp_path, ("N|O|~", "A"))
    assert two.outputs.tolist() == [[True, False], [True, False]]


def test_missing_files_are_named(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir()
    with pytest.raises(LeadwiseError, match=r"records have no output file in .*outputs: A\d+"):
        read_scored(fold_path(runs, ("9",)), tmp_path / "outputs", AF_LETTERS)
    with pytest.raises(LeadwiseError, match=r"no cell of this study is done; run it first"):
        read_results(GRID, tmp_path)
