"""The classifier of beats: trees as arrays against scikit-learn, folders, reviewed beats."""

import json
import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

import holter.classifier
from ecg import LeadwiseError
from holter.classifier import BeatClassifier, Trees, load, similarity, softmax, write_model
from holter.growing import Beats, Patient, choose, ensemble, grow, trees_of
from holter.numbers import NAMES, Description

COUNT = len(NAMES)


def beats(seed: int, count: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Draw numbers, and classes that depend on three of them."""
    generator = np.random.default_rng(seed)
    numbers = generator.normal(size=(count, COUNT)).astype(np.float32)
    classes = np.where(numbers[:, 30] + 0.3 * numbers[:, 5] > 1, 2, numbers[:, 2] < -1)
    return numbers, classes.astype(int)


@cache
def boosting(seed: int = 0, leaves: int = 8) -> HistGradientBoostingClassifier:
    numbers, classes = beats(seed)
    model = HistGradientBoostingClassifier(
        max_iter=12, max_leaf_nodes=leaves, min_samples_leaf=5, random_state=seed,
        early_stopping=False,
    )  # fmt: skip
    return model.fit(numbers, classes)


def classifier(seed: int = 0) -> BeatClassifier:
    return BeatClassifier(trees_of(boosting(seed), np.arange(COUNT)), {"seed": seed})


def described(numbers: np.ndarray) -> Description:
    """Describe beats of which no two look alike."""
    return Description(numbers, np.eye(len(numbers), dtype=np.float16), np.zeros(len(numbers)))


@pytest.mark.parametrize("leaves", [2, 5, 8])
def test_trees_as_arrays_equal_those_of_scikit_learn(leaves: int) -> None:
    numbers, _ = beats(1, 1000)
    model = boosting(0, leaves)
    trees = trees_of(model, np.arange(COUNT))
    result = BeatClassifier(trees, {}).probabilities(described(numbers))
    np.testing.assert_allclose(result, model.predict_proba(numbers), atol=1e-5)


def test_a_number_equal_to_a_threshold_goes_left() -> None:
    """The first tree's root: scikit-learn's rule is `x <= threshold`."""
    trees = trees_of(boosting(), np.arange(COUNT))
    feature, threshold = int(trees.features[0, 0]), trees.thresholds[0, 0]
    numbers = np.zeros((2, COUNT), np.float32)
    numbers[:, feature] = threshold, np.nextafter(threshold, np.float32(np.inf))
    left, right = trees.leaves(numbers)[:, 0]
    assert left < right
    expected = boosting().predict_proba(numbers)
    np.testing.assert_allclose(
        BeatClassifier(trees, {}).probabilities(described(numbers)), expected, atol=1e-5
    )


def test_columns_that_were_left_out_of_training_are_not_read() -> None:
    numbers, classes = beats(3)
    columns = np.array([2, 5, 30, 40])
    model = HistGradientBoostingClassifier(max_iter=5, max_leaf_nodes=8).fit(
        numbers[:, columns], classes
    )
    trees = trees_of(model, columns)
    used = np.unique(trees.features[np.isfinite(trees.thresholds)])
    assert set(used) <= set(columns.tolist())
    result = BeatClassifier(trees, {}).probabilities(described(numbers))
    np.testing.assert_allclose(result, model.predict_proba(numbers[:, columns]), atol=1e-5)


def test_an_ensemble_has_the_mean_log_odds_of_its_members() -> None:
    numbers, _ = beats(4)
    members = [classifier(seed) for seed in range(3)]
    mean = np.mean([member.log_odds(numbers) for member in members], axis=0)
    np.testing.assert_allclose(ensemble(members).log_odds(numbers), mean, atol=1e-5)


def test_beats_that_look_alike_share_their_probability_of_v() -> None:
    """Ten beats of one shape: the log-odds of V are four parts of their mean, one of their own."""
    numbers, _ = beats(5, 20)
    shapes = np.eye(20, dtype=np.float16)
    shapes[:10] = shapes[0]
    result = classifier().probabilities(Description(numbers, shapes, np.zeros(20)))
    alone = classifier().probabilities(described(numbers))
    np.testing.assert_allclose(result[10:], alone[10:], rtol=1e-6)
    odds = np.log(alone[:10, 2] / (1 - alone[:10, 2]))
    together = np.log(result[:10, 2] / (1 - result[:10, 2]))
    np.testing.assert_allclose(together, 0.2 * odds + 0.8 * odds.mean(), rtol=1e-4, atol=1e-4)
    ratio = alone[:, 1] / alone[:, 0]
    np.testing.assert_allclose(result[:, 1] / result[:, 0], ratio, rtol=1e-5)


def test_a_folder_gives_the_same_probabilities(tmp_path: Path) -> None:
    numbers, _ = beats(6)
    write_model(classifier(), tmp_path / "model")
    loaded = load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.log_odds(numbers), classifier().log_odds(numbers))
    assert loaded.origin == {"seed": 0}
    assert len(loaded.sha256) == 64
    assert {path.suffix for path in (tmp_path / "model").iterdir()} == {".json", ".safetensors"}


def test_what_is_wrong_with_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        LeadwiseError, match=r"no classifier\.json; give a folder that holter\.training"
    ):
        load(tmp_path / "missing")
    good = tmp_path / "good"
    write_model(classifier(), good)
    description = json.loads((good / "classifier.json").read_text())

    def changed(message: str, **fields: object) -> None:
        folder = tmp_path / "changed"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(good, folder)
        (folder / "classifier.json").write_text(json.dumps({**description, **fields}))
        with pytest.raises(LeadwiseError, match=message):
            load(folder)

    changed("numbers is not that of this version", numbers=["RR"])
    changed("classes is not that of this version", classes=["N", "V"])
    changed("file must name a .safetensors file beside it", file="../good/x.safetensors")
    changed("differs from the sha256 in classifier.json", sha256="0" * 64)
    changed("cannot be read: No such file", file="other.safetensors")
    file = good / description["file"]
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(LeadwiseError, match="differs from the sha256"):
        load(good)


def test_arrays_that_are_no_trees_are_refused(tmp_path: Path) -> None:
    trees = classifier().trees
    wrong = {
        "shapes or types": trees._replace(values=trees.values[:, :7]),
        "a number that does not exist": trees._replace(features=trees.features + np.int16(COUNT)),
        "not finite": trees._replace(values=trees.values * np.float32(np.nan)),
    }
    for message, each in wrong.items():
        write_model(BeatClassifier(each, {}), tmp_path)
        with pytest.raises(LeadwiseError, match=message):
            load(tmp_path)


def test_reviewed_beats_teach_beats_like_them() -> None:
    """A patient whose beats that the model calls S are V."""
    numbers, _ = beats(7, 300)
    labels = classifier().log_odds(numbers).argmax(axis=1)
    truth = np.where(labels == 1, 2, labels)
    adapted = classifier().adapted(numbers[:150], truth[:150])
    after = adapted.probabilities(described(numbers)).argmax(axis=1)
    assert (labels[150:] == 1).sum() > 10
    assert (labels[150:] == truth[150:]).mean() < 0.95
    assert (after[150:] == truth[150:]).mean() > 0.97


def test_of_many_reviewed_beats_some_adapt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holter.classifier, "MOST_REVIEWED", 40)
    numbers, classes = beats(7, 300)
    adapted = classifier().adapted(numbers, classes)
    assert adapted.reviewed is not None
    assert len(adapted.reviewed[0]) == 40
    assert np.isfinite(adapted.log_odds(numbers)).all()


def test_without_reviewed_beats_nothing_changes() -> None:
    numbers, _ = beats(8, 50)
    adapted = classifier().adapted(numbers[:0], np.zeros(0, int))
    np.testing.assert_allclose(adapted.log_odds(numbers), classifier().log_odds(numbers))


def test_similarity_is_one_for_equal_beats_and_symmetric() -> None:
    numbers, _ = beats(9, 30)
    leaves = classifier().trees.leaves(numbers)
    alike = similarity(leaves, leaves)
    np.testing.assert_allclose(np.diag(alike), 1)
    np.testing.assert_allclose(alike, alike.T)
    assert alike.min() >= 0


def patient(name: str, seed: int, simulated: bool = True) -> Patient:
    numbers, classes = beats(seed, 2500)
    other = beats(seed + 50, 800)
    none = Beats(numbers[:0], classes[:0])
    variants = (Beats(*other), Beats(*beats(seed + 90, 300))) if simulated else (none, none)
    return Patient(name, Beats(numbers, classes), *variants)


def test_each_class_has_the_weight_of_its_beats() -> None:
    """Normal beats are thinned, others repeated; a class has the weight of its beats, S twice."""
    patients = [patient("a", 20), patient("b", 21, simulated=False)]
    chosen = choose(patients, 0)
    counts = np.bincount(np.concatenate([each.genuine.classes for each in patients]))
    weights = np.bincount(chosen.classes, chosen.weights)
    expected = counts * np.array([1, 2, 1])
    np.testing.assert_allclose(weights / weights.sum(), expected / expected.sum())
    assert chosen.weights.mean() == pytest.approx(1)


def test_growing_is_reproducible_and_learns() -> None:
    patients = [patient("a", 30), patient("b", 31)]
    numbers, classes = beats(32, 2000)
    first, second = (grow(patients, 1) for _ in range(2))
    for one, other in zip(first.trees, second.trees, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (first.log_odds(numbers).argmax(axis=1) == classes).mean() > 0.95
    assert isinstance(first.trees, Trees)


def test_softmax_of_large_log_odds_is_finite() -> None:
    np.testing.assert_allclose(softmax(np.array([[1000.0, 0.0, -1000.0]])), [[1, 0, 0]])
