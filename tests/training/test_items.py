"""Batches hold each record once; long records give windows."""

import numpy as np
import pytest

from training.items import Items, batch_count, batches


@pytest.mark.parametrize("records", [1, 2, 63, 64, 65, 129, 1000])
def test_each_record_is_in_one_batch(records: int) -> None:
    lengths = np.random.default_rng(0).integers(100, 5000, records)
    made = list(batches(lengths, 64, np.random.default_rng(1)))
    assert sorted(sum(made, [])) == list(range(records))
    assert len(made) == batch_count(records, 64)
    assert all(len(batch) > 1 for batch in made) or records == 1


def test_records_of_a_batch_are_about_equally_long() -> None:
    lengths = np.repeat([2500, 30_000], [900, 124])
    padded = sum(
        len(batch) * lengths[batch].max()
        for batch in batches(lengths, 64, np.random.default_rng(0))
    )
    assert padded < 1.3 * lengths.sum()


def test_the_generator_decides_the_order() -> None:
    lengths = np.full(200, 2500)
    first, again, other = (
        list(batches(lengths, 16, np.random.default_rng(seed))) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_a_batch_is_padded_with_zeros_and_long_records_give_a_window() -> None:
    signals = [np.ones((2, 5), np.float16), np.arange(20, dtype=np.float16).reshape(2, 10)]
    items = Items(signals, np.eye(2, dtype=bool), rows=[1], longest=7)
    batch = items.batch([0, 1], np.random.default_rng(0))
    assert batch.signal.shape == (2, 1, 7)
    assert batch.length.tolist() == [5, 7]
    assert batch.signal[0, 0].tolist() == [1, 1, 1, 1, 1, 0, 0]
    assert np.diff(batch.signal[1, 0].numpy()).tolist() == [1] * 6
    assert batch.labels.tolist() == [[1, 0], [0, 1]]
