"""Soft targets from a study's test folds, and scores over all of them."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from ecg import LeadwiseError
from ecg.labels import AF_LETTERS
from experiments import soft
from experiments.cells import Cell
from experiments.grids import GRIDS
from experiments.outputs import Scored, measured, pooled
from experiments.sections import out_of_fold
from experiments.soft import soften
from training.soft import read_soft


@dataclass
class Result:
    """A lead set of a cell, with its outputs on the test fold."""

    cell: Cell
    test: Scored
    size: int = 1
    validation: Scored | None = None


def scored(names: tuple[str, ...], labels: list[int], probabilities: list[list[float]]) -> Scored:
    one_hot, values = np.eye(4, dtype=bool), np.array(probabilities)
    return Scored(one_hot[labels], values, one_hot[values.argmax(1)], names, AF_LETTERS)


FIRST = scored(("A1", "A2"), [0, 1], [[0.9, 0.1, 0, 0], [0.98, 0.02, 0, 0]])
SECOND = scored(("A3",), [2], [[0.5, 0, 0.5, 0]])
AGAIN = scored(("A3",), [2], [[0, 0, 1.0, 0]])


def results_of(*parts: Scored) -> list[Result]:
    return [
        Result(Cell("g", "house", (1,), "8", str(fold), 0, 1), part)
        for fold, part in enumerate(parts)
    ]


def test_targets_mix_labels_and_mean_probabilities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soft, "read_results", lambda *_: results_of(FIRST, SECOND, AGAIN))
    lines = list(soften("dualnet-ten-folds", tmp_path, tmp_path))
    targets = read_soft(tmp_path, AF_LETTERS, exclusive=True)
    np.testing.assert_allclose(targets["A1"], [0.9, 0.1, 0, 0])
    np.testing.assert_allclose(targets["A3"], [0.25, 0, 0.75, 0])
    assert lines[0].endswith("soft.tsv: 3 records, from 3 networks")
    assert lines[1] == "labels with a probability below 0.05: 1 (N 0, A 1, O 0, ~ 0)"
    list(soften("dualnet-ten-folds", tmp_path, tmp_path, share=0.5))
    targets = read_soft(tmp_path, AF_LETTERS, exclusive=True)
    np.testing.assert_allclose(targets["A2"], [0.49, 0.51, 0, 0], atol=1e-6)


def test_no_outputs_and_wrong_shares_are_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soft, "read_results", lambda *_: [])
    with pytest.raises(LeadwiseError, match="dualnet-ten-folds has no outputs"):
        list(soften("dualnet-ten-folds", tmp_path, tmp_path))
    with pytest.raises(LeadwiseError, match="--share must be above 0 and at most 1, not 1.5"):
        list(soften("dualnet-ten-folds", tmp_path, tmp_path, share=1.5))
    assert not list(tmp_path.iterdir())


def test_scores_out_of_fold_are_those_of_all_records(tmp_path: Path) -> None:
    joint = pooled([FIRST, SECOND])
    assert joint.names == ("A1", "A2", "A3")
    assert measured(joint, "accuracy").value == pytest.approx(1 / 3)  # A2 is wrong, A3 a tie
    lines = out_of_fold(GRIDS["dualnet-ten-folds"], results_of(FIRST, SECOND), tmp_path)
    assert "| house | 1 | 0 | 2 | 3 | 0.333" in "\n".join(lines)
    with pytest.raises(LeadwiseError, match="common records"):
        pooled([SECOND, AGAIN])


def test_the_mean_of_two_networks_is_scored_where_each_fold_is_tested_and_chooses(
    tmp_path: Path,
) -> None:
    first, second = results_of(FIRST, SECOND)
    unsure = scored(("A1", "A2"), [0, 1], [[0.8, 0.2, 0, 0], [0, 1.0, 0, 0]])
    pair = [
        replace(first, cell=replace(first.cell, validation="1"), validation=AGAIN),
        replace(second, cell=replace(second.cell, validation="0"), validation=unsure),
    ]
    *_, one, both = out_of_fold(GRIDS["dualnet-ten-folds"], pair, tmp_path)
    assert one.startswith("| house | 1 | 0 | 2 | 3 | 0.333")
    assert both.startswith("| house | 1 | 0 | 2, mean of two networks | 3 | 1.000")
    assert "| +0.6667 ± " in both


def test_the_mean_of_two_networks_is_compared_on_the_folds_that_it_has(tmp_path: Path) -> None:
    first, second = results_of(FIRST, SECOND)
    chosen = replace(first, cell=replace(first.cell, validation="1"), validation=AGAIN)
    *_, every, one, both = out_of_fold(GRIDS["dualnet-ten-folds"], [chosen, second], tmp_path)
    assert every.startswith("| house | 1 | 0 | 2 | 3 | 0.333")
    assert one.startswith("| house | 1 | 0 | 1 | 1 | 0.000")
    assert both.startswith("| house | 1 | 0 | 1, mean of two networks | 1 | 1.000")


def test_each_fold_of_ten_is_tested_and_chooses_once() -> None:
    folds = GRIDS["dualnet-ten-folds"].folds
    assert {test for _, test in folds} == {chosen for chosen, _ in folds} == set("0123456789")
    assert all(test != chosen for chosen, test in folds)


def test_levers_change_one_thing_each() -> None:
    recipes = GRIDS["dualnet-levers"].recipes
    house = recipes["house"]
    assert recipes["rhythm"].network.name == "dual_rhythm"
    assert recipes["macro-f1"].head.decision == "macro_f1"
    assert recipes["soft"].head.targets == "soft"
    shares = {
        name: [each.options["probability"] for each in recipes[name].augment
               if each.name == "invert"]
        for name in ("house", "polarity", "upright")
    }  # fmt: skip
    assert shares == {"house": [0.1], "polarity": [0.5], "upright": []}
    assert recipes["long"].epochs > house.epochs
