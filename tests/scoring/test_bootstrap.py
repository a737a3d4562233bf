import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scoring import bootstrap
from scoring.bootstrap import intervals
from scoring.challenge import headline, score
from scoring.measures import accuracy


def drawn(records, year=2021):
    draw = np.random.default_rng(5)
    classes = {2020: 24, 2021: 26}[year]
    labels = draw.random((records, classes)) < 0.1
    return labels, labels ^ (draw.random(labels.shape) < 0.05), draw.random(labels.shape).round(1)


@pytest.mark.parametrize("year", [2020, 2021])
def test_weighted_scores_are_those_of_the_resampled_records(year):
    arrays = drawn(60, year)
    times = np.random.default_rng(6).multinomial(60, np.full(60, 1 / 60), 20)
    together = headline(score(*arrays, year, times), year)
    for row, often in enumerate(times):
        places = np.repeat(np.arange(60), often)
        alone = headline(score(*(array[places] for array in arrays), year), year)
        for name, value in alone.items():  # sums in another order
            assert float(together[name][row]) == pytest.approx(float(value), abs=1e-12), name


def test_the_seed_decides():
    arrays = drawn(50)

    def metric(times):
        return score(*arrays, times=times).challenge[:, None]

    first, again, other = (
        intervals(metric, 50, 100, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()
    assert first[0] < float(score(*arrays).challenge) < first[1]


def test_accuracy_has_the_interval_of_the_binomial():
    correct = np.arange(400)[:, None] < 280  # p = 0.7
    spread = 1.96 * np.sqrt(0.7 * 0.3 / 400)
    lower, upper = intervals(
        lambda times: accuracy(correct, np.ones_like(correct), times)[:, None],
        400,
        4000,
        np.random.default_rng(0),
    )
    # A percentile of 4,000 draws has a standard error of 2 % of the spread; 4 of them.
    assert lower[0] == pytest.approx(0.7 - spread, abs=0.08 * spread)
    assert upper[0] == pytest.approx(0.7 + spread, abs=0.08 * spread)


def test_chunks_change_nothing(monkeypatch):
    def mean(times):
        return times @ np.arange(30.0)[:, None] / 30

    whole = intervals(mean, 30, 25, np.random.default_rng(3))
    sizes = []

    def counted(times):
        sizes.append(len(times))
        return mean(times)

    monkeypatch.setattr(bootstrap, "CELLS", 30 * 4)
    np.testing.assert_array_equal(intervals(counted, 30, 25, np.random.default_rng(3)), whole)
    assert sizes == [4] * 6 + [1]


def test_undefined_resamples_are_left_out():
    def scores(times):
        return np.stack([np.full(len(times), np.nan), np.where(times[:, 0], 0.5, np.nan)], axis=1)

    ends = intervals(scores, 5, 200, np.random.default_rng(0))
    np.testing.assert_array_equal(ends, [[np.nan, 0.5], [np.nan, 0.5]])


@pytest.mark.parametrize("module", ["scoring.bootstrap", "scoring.beats"])
@pytest.mark.parametrize(("words", "status"), [([], 1), (["--help"], 0)])
def test_a_module_that_is_no_command_says_so(module, words, status):
    ended = subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == status
    assert (ended.stderr if status else ended.stdout).startswith(f"{module} is no command; `")
