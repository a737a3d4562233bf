"""The benchmark of the beat networks: who trains and who is tested, and what it counts."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import beat_networks
from benchmarks.beat_networks import held_out, read_by_a_person, shown, train_folds, without
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


def test_no_patient_is_tested_by_a_pair_that_has_seen_him(
    marked: Marked, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [Source(name, marked, marked, NONE) for name in "abcdef"]
    folders = []

    def record(
        name: str, folder: Path, others: list[Source], simulated: Examples, seed: int, most: int
    ) -> set[str]:
        folders.append((name, folder, seed, most))
        return {source.name for source in others}

    monkeypatch.setattr(beat_networks, "train_experiment", record)
    monkeypatch.setattr(beat_networks, "split", lambda marked, seed: np.array([0, 1, 1, 4, 2, 3]))
    pairs = train_folds(sources, NONE, Path("runs"), "lstm", 2, 512)
    for source, others in zip(sources, pairs, strict=True):
        assert source.name not in others
    assert pairs[1] == pairs[2] == set("adef")
    folder = Path("runs", "512-windows-seed-2")
    assert folders == [("lstm", folder / f"fold-{fold}", 2, 512) for fold in range(5)]


def test_seeds_are_shown_as_mean_and_range() -> None:
    assert shown([[90, 80, 85, 3]]) == ["90.0", "80.0", "85.0", "3"]
    assert shown([[90, 80, 85, 3], [80, 70, 75, 5]]) == ["85.0", "75.0", "80.0 (75.0 to 85.0)", "4"]


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
