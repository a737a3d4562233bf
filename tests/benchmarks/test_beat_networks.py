"""The benchmark of the beat networks: who trains and who is tested, and what it counts."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import beat_networks
from benchmarks.beat_networks import held_out, read_by_a_person, train_folds, without
from holter.cases import EXTRA, NEITHER
from holter.examples import Examples, Marked, Source
from holter.table import read_table
from simulate import simulate
from tests.holter.test_table import simulated

NONE = Examples(np.zeros((0, 300), np.float16), *np.zeros((2, 0), int))


@pytest.fixture(scope="module")
def marked() -> Marked:
    one = simulate(["PVC"], seed=5, duration_s=60, fs=250, leads=("II", "V1"))
    symbols = one.annotations().beats.symbols
    table = read_table(simulated(250, seed=5), peaks=one.r_peaks)
    classes = np.where(symbols == "V", 2, 0)
    every = np.ones(len(table), bool)
    return Marked(table, classes, ~every, np.zeros((2, 3), int), every, ~every)


def test_no_patient_of_a_fold_is_trained_with(
    marked: Marked, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [Source(name, marked, marked, NONE) for name in "abcdef"]
    calls = []

    def record(name: str, folder: Path, others: list[Source], simulated_beats: Examples) -> None:
        calls.append((folder.name, name, "".join(source.name for source in others)))

    monkeypatch.setattr(beat_networks, "train_experiment", record)
    train_folds(sources, np.array([0, 1, 1, 0, 2, 2]), 2, NONE, Path("runs"))
    first = [("fold0", name, "bcef") for name in ("lstm", "transfer", "attention")]
    assert calls == [*first, ("fold1", "attention", "adef")]


def test_beats_that_are_held_out_teach_nothing(marked: Marked) -> None:
    moved = marked._replace(table=marked.table.take(np.arange(3, len(marked.table))))
    moved = moved._replace(
        classes=marked.classes[3:], matched=marked.matched[3:], flutter=marked.flutter[3:]
    )
    source = Source("a", marked, moved, NONE)
    (held,) = held_out([source])
    assert 0.05 < held.mean() < 0.4
    (rest,) = without([source], [held])
    for kept, own, before in ((rest.clean, held, marked), (rest.noisy, held[3:], moved)):
        assert (kept.classes[own] == NEITHER).all()
        assert not kept.matched[own].any()
        assert kept.flutter[own].all()
        np.testing.assert_array_equal(kept.classes[~own], before.classes[~own])


def test_a_person_names_clusters_by_most_of_their_beats(marked: Marked) -> None:
    normal = np.zeros(len(marked.table), int)
    normal[4] = EXTRA
    (read,), count = read_by_a_person([marked], [normal])
    assert read[4] == EXTRA
    assert 1 < count <= 10
    known = np.arange(len(read)) != 4
    assert (read[known] == marked.classes[known]).mean() > 0.95
