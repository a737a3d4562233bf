"""2017's records from a grid's cell to its row and to pictures of errors, on simulated ones."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from datasets.reference import read_reference
from docs.generate import put
from ecg import LeadwiseError
from ecg.labels import AF_LETTERS
from ecg.records import read_record, write_record
from experiments import dualnet2017
from experiments import runs as runs_module
from experiments.cells import run_cells
from experiments.dualnet2017 import (
    Answered,
    in_common,
    kinds_of_error,
    read_answered,
    rhythm,
    rows,
)
from experiments.grids import GRIDS, Grid
from experiments.runs import by_class, by_submission, place
from experiments.tables import write_report
from models import find
from scoring.af import score
from scoring.bootstrap import intervals
from simulate import simulate
from tests.conftest import single_lead, small

RECIPE = replace(single_lead(small(find("isibrno-basic"))), epochs=1)
GRID = Grid("tiny", "one network", {"base": RECIPE}, leads=(1,), by="class", seeds=(0, 1),
            published={("base", 1): 0.5}, source="nobody")  # fmt: skip


@pytest.fixture(scope="module")
def runs(folder_2017: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("runs2017")
    run_cells(GRID, folder_2017, made)
    return made


def answered(confusion: dict[tuple[str, str], int], sure: float = 0.7) -> Answered:
    """Records of a label, answered so; each a little surer than the one before."""
    labels, answers = (np.repeat([AF_LETTERS.index(pair[at]) for pair in confusion],
                                 list(confusion.values())) for at in (0, 1))  # fmt: skip
    probabilities = np.full((len(labels), 4), (1 - sure) / 4)
    places = np.arange(len(labels))
    probabilities[places, answers] = sure + 0.001 * places
    names = tuple(f"A{at:05d}" for at in places)
    return Answered(AF_LETTERS, names, np.eye(4, dtype=bool)[labels], probabilities, answers)


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
    two = Answered(
        ("N|O|~", "A"), ("a", "b", "c"), np.eye(2, dtype=bool)[[0, 0, 1]], probabilities,
        probabilities.argmax(1),
    )  # fmt: skip
    accuracy, f1, three = two.scores()[0]
    assert (accuracy, f1) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert np.isnan(three)


def test_a_row_holds_what_the_scorer_says(runs: Path) -> None:
    head, line, first, second, seeds, ensemble = rows(GRID, runs)
    outputs = runs / "tiny" / "base-1-leads-fold-9-seed-0" / "fold-9"
    read = read_answered(place(runs, ("9",)), outputs)
    scores = score(read.labels, np.eye(4, dtype=bool)[read.answers])
    assert (read.confusion == scores.confusion).all()
    assert len({row.count("|") for row in (head, line, first, second, seeds, ensemble)}) == 1
    assert first.startswith("| base | 0 | 1 of 1 | ")
    assert f"| {scores.accuracy:.3f} (" in first
    assert f"| {scores.f1_four:.3f} (" in first
    assert f"| {scores.f1_three:.3f} | 0.500 |" in first
    assert second.startswith("| base | 1 |")
    other = read_answered(
        place(runs, ("9",)), runs / "tiny" / "base-1-leads-fold-9-seed-1" / "fold-9"
    )
    low, high = sorted(each.scores()[0, 0] for each in (read, other))
    assert seeds.startswith("| base, 2 seeds: mean and range |")
    assert f"| {(low + high) / 2:.3f} ({low:.3f} to {high:.3f}) |" in seeds
    answers = (read.probabilities + other.probabilities).argmax(1)
    accuracy = (answers == read.labels.argmax(1)).mean()
    assert ensemble.startswith("| base, 2 seeds: their mean answer |")
    assert f"| {accuracy:.3f} (" in ensemble


def test_the_table_goes_into_its_page(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "docs" / "results.md"
    page.parent.mkdir()
    page.write_text("<!-- tiny -->\n<!-- /tiny -->\n")
    monkeypatch.setitem(GRIDS, "tiny", GRID)
    monkeypatch.setattr(dualnet2017, "ROOT", tmp_path)
    dualnet2017.main(["report", "tiny", str(runs)])
    said = capsys.readouterr().out
    assert page.read_text() == put("<!-- tiny -->\n<!-- /tiny -->\n", "tiny", said.rstrip("\n"))


def ends(some: Answered) -> np.ndarray:
    return intervals(some.scores, len(some.names), 500, np.random.default_rng(0))


def test_intervals_hold_the_scores_and_shrink_with_records() -> None:
    few = answered({("N", "N"): 30, ("N", "O"): 5, ("A", "A"): 10, ("O", "O"): 15, ("~", "N"): 5})
    many = answered({("N", "N"): 300, ("N", "O"): 50, ("A", "A"): 100, ("O", "O"): 150,
                     ("~", "N"): 50})  # fmt: skip
    for each in (few, many):
        low, high = ends(each)
        assert (low < each.scores()[0]).all()
        assert (each.scores()[0] < high).all()
    widths = [np.diff(ends(each), axis=0)[0] for each in (few, many)]
    assert (widths[1] < 0.5 * widths[0]).all()  # by the square root of ten


def test_kinds_of_error_are_the_commonest_and_their_surest_records() -> None:
    some = answered({("N", "N"): 9, ("N", "O"): 4, ("A", "O"): 1, ("O", "N"): 6, ("~", "N"): 3})
    kinds = kinds_of_error(some)
    assert [each[:3] for each in kinds] == [("O", "N", 6), ("N", "O", 4), ("~", "N", 3)]
    assert kinds[0].surest == [19, 18]
    assert kinds_of_error(answered({("N", "N"): 3, ("A", "A"): 2})) == []


@pytest.mark.parametrize(
    ("diagnosis", "rate", "early", "change"),
    [("NSR", (60, 100), (0, 0), (0, 0.05)), ("AF", (60, 160), (3, 40), (0.1, 0.5))],
)
def test_a_rhythm_is_measured(
    diagnosis: str, rate: tuple, early: tuple, change: tuple, tmp_path: Path
) -> None:
    made = simulate([diagnosis], seed=3, duration_s=30, fs=300, leads=["I"])
    write_record(tmp_path, "A", made.signal, ["ECG"], 300.0)
    for value, (least, most) in zip(
        rhythm(read_record(tmp_path / "A.hea")), (rate, early, change), strict=True
    ):
        assert least <= value <= most


def test_a_record_without_beats_has_no_rhythm(tmp_path: Path) -> None:
    write_record(tmp_path, "A", np.zeros((1, 3000)), ["ECG"], 300.0)
    assert np.isnan(rhythm(read_record(tmp_path / "A.hea"))).all()


def test_errors_stand_beside_right_answers_with_their_rhythm() -> None:
    some = answered({("N", "N"): 3, ("O", "N"): 2, ("~", "~"): 1})
    rhythms = np.array([[70, 0, 0.01], [72, 1, 0.03], [74, 1, 0.02], [50, 2, 0.1],
                        [np.nan] * 3, [np.nan] * 3])  # fmt: skip
    _, _, *lines = in_common(some, rhythms)
    assert lines == [
        "| O | N | 2 | 50 | 2 | ± 10.0 % | 0.70 |",
        "| N | N | 3 | 72 | 1 | ± 2.0 % | 0.70 |",
        "| ~ | ~ | 1 | nan | nan | ± nan % | 0.70 |",
    ]


def test_errors_are_drawn_and_listed(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = runs / "tiny" / "base-1-leads-fold-9-seed-0" / "fold-9"
    records = place(runs, ("9",))
    dualnet2017.main(["errors", str(records), str(outputs), str(tmp_path / "errors")])
    listed = (tmp_path / "errors" / "errors.md").read_text()
    assert capsys.readouterr().out.rstrip("\n") == listed.rstrip("\n")
    drawn = {path.stem for path in (tmp_path / "errors").glob("*.png")}
    wrong = read_answered(records, outputs)
    missed = wrong.labels.argmax(1) != wrong.answers
    assert drawn <= {name for name, miss in zip(wrong.names, missed, strict=True) if miss}
    assert len(drawn) == listed.count("(A") > 0


def test_what_the_model_decided_counts_and_no_answer_is_noise(tmp_path: Path) -> None:
    (tmp_path / "REFERENCE.csv").write_text("A1,O\nA2,~\n")
    said = (["N,A,O,~", "0,0,1,0", "0.5,0.1,0.3,0.1"], ["", "", ""])
    for name, lines in zip(("A1", "A2"), said, strict=True):
        (tmp_path / f"{name}.csv").write_text("\n".join([f"#{name}", *lines]) + "\n")
    read = read_answered(tmp_path, tmp_path)
    assert read.answers.tolist() == [2, 3]
    assert read.scores()[0, 0] == 1
    assert read_answered(tmp_path, tmp_path, ("N|O|~", "A")).answers.tolist() == [0, 0]


def test_what_is_missing_is_said(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir()
    with pytest.raises(LeadwiseError, match=r"outputs: lacks \d+ files, the first A\d+.csv"):
        read_answered(place(runs, ("9",)), tmp_path / "outputs")
    with pytest.raises(LeadwiseError, match=r"no cell of this grid is done; run it first"):
        list(rows(GRID, tmp_path))
    with pytest.raises(LeadwiseError, match=r"experiments.dualnet2017 report tiny"):
        write_report(GRID, runs)
