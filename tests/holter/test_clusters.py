"""Clusters: the sheet's example of merging, order, labels, and few clusters for genuine beats."""

from itertools import permutations

import numpy as np
import pytest

from holter.clusters import Group, find_clusters, k_means, merge
from holter.steps import CLUSTERS, MERGING
from holter.table import BeatTable, read_table
from tests.holter.test_table import simulated


def groups(*parts: tuple[str, tuple[float, ...], int]) -> list[Group]:
    ends = np.cumsum([size for *_, size in parts])
    return [
        Group(label, np.array(mean), np.arange(end - size, end))
        for (label, mean, size), end in zip(parts, ends, strict=True)
    ]


EXAMPLE = groups(("N", (1, 0), 60), ("N", (0.98, 0.2), 40), ("N", (0, 1), 10))


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_sheets_example_gives_two_clusters_in_any_order(order: tuple[int, ...]) -> None:
    """Sheet, section 6: the first two merge to (0.992, 0.08)."""
    large, small = merge([EXAMPLE[index] for index in order])
    np.testing.assert_allclose(large.mean, (0.992, 0.08), atol=1e-12)
    np.testing.assert_array_equal(large.members, np.arange(100))
    np.testing.assert_array_equal(small.members, np.arange(100, 110))
    assert large.mean @ small.mean / np.linalg.norm(large.mean) == pytest.approx(0.08038, abs=1e-5)


def test_the_limit_decides() -> None:
    """The similarity of the first two is 0.97980."""
    assert len(merge(EXAMPLE, 0.9797)) == 2
    assert len(merge(EXAMPLE, 0.9799)) == 3


def test_beats_of_different_label_are_never_merged() -> None:
    same = groups(("N", (1, 0), 5), ("V", (1, 0), 5), ("S", (1, 0), 5))
    assert len(merge(same, most=1)) == 3


def test_ten_clusters_remain_though_none_are_similar() -> None:
    axes = np.eye(14)
    many = groups(*(("NV"[index % 2], tuple(axes[index]), 5 + index) for index in range(14)))
    left = merge(many)
    assert len(left) == 10
    assert sorted(np.concatenate([group.members for group in left])) == list(range(161))


def test_k_means_finds_shapes_though_they_differ_in_size() -> None:
    """Scale and mean do not count, so two shapes of 300 and 20 beats give two clusters."""
    table = of_shapes(300, 20)
    narrow, wide = find_clusters(table, np.full(len(table), "N"))
    assert (narrow.number, narrow.label, len(narrow.members)) == (1, "N", 300)
    np.testing.assert_array_equal(wide.members, np.arange(300, 320))
    assert wide.centre >= 300
    np.testing.assert_allclose(wide.mean[0], table.windows[300:, 0].mean(0, np.float32), atol=1e-3)
    np.testing.assert_allclose(
        wide.spread[0], table.windows[300:, 0].astype(np.float32).std(0), atol=2e-3
    )


def of_shapes(narrow: int, wide: int) -> BeatTable:
    random = np.random.default_rng(1)
    at = np.arange(-150, 150)
    shapes = [np.exp(-((at / 5) ** 2) / 2), -np.exp(-((at / 20) ** 2) / 2)]
    beats = np.repeat(shapes, (narrow, wide), axis=0) * random.uniform(0.5, 2, (narrow + wide, 1))
    beats += 0.01 * random.normal(size=beats.shape)
    windows = np.stack([beats, np.zeros_like(beats)], 1).astype(np.float16)
    usable = np.tile([True, False], (len(beats), 1))
    return BeatTable("R", 250.0, 200 * np.arange(len(beats)), windows, ("II", "V1"), usable)


def test_a_dead_lead_has_no_mean_and_changes_nothing() -> None:
    two = of_shapes(100, 30)
    labels = np.where(np.arange(130) < 100, "N", "V")
    one = BeatTable("R", 250.0, two.peaks, two.windows[:, :1], ("II",), two.usable[:, :1])
    for with_dead, alone in zip(
        find_clusters(two, labels), find_clusters(one, labels), strict=True
    ):
        np.testing.assert_array_equal(with_dead.members, alone.members)
        assert np.isnan(with_dead.mean[1]).all()


def test_few_beats_and_none() -> None:
    table = of_shapes(1, 2)
    assert [c.members.tolist() for c in find_clusters(table, np.array(["N", "V", "V"]))] == [
        [0], [1, 2]
    ]  # fmt: skip
    assert find_clusters(table, np.full(3, "?")) == []
    assert k_means(np.zeros((0, 100), np.float32)) == []


def test_equal_beats_give_one_cluster_without_a_warning() -> None:
    table = of_shapes(40, 0)
    table.windows[:] = table.windows[0]
    assert len(find_clusters(table, np.full(40, "N"))) == 1


def test_every_beat_of_a_record_is_in_one_cluster() -> None:
    table = read_table(simulated(360))
    clusters = find_clusters(table, np.where(np.arange(len(table)) % 9 == 0, "V", "N"))
    assert len(clusters) <= 10
    members = np.sort(np.concatenate([cluster.members for cluster in clusters]))
    np.testing.assert_array_equal(members, np.arange(len(table)))


def test_k_means_and_merging_can_be_left_out() -> None:
    table = of_shapes(300, 20)
    labels = np.full(len(table), "N")
    (one,) = find_clusters(table, labels, [CLUSTERS])
    np.testing.assert_array_equal(one.members, np.arange(320))
    assert len(find_clusters(table, labels, [MERGING])) == 8
