"""Batches hold each record once; long records give windows."""

import mmap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ecg import LeadwiseError
from ecg.leads import LEAD_SETS, STANDARD
from ecg.signals import record_z_score
from models import find
from models.recipe import Recipe, part
from training import mapped
from training.items import PIECE_SAMPLES, Items, batch_count, batches, items_of
from training.mapped import Signals, map_file


def signals_of(records: Sequence[np.ndarray], path: Path | None = None) -> Signals:
    """The records as the cache holds them, in memory or mapped from a file."""
    content: mmap.mmap | bytes = b"".join(record.tobytes() for record in records)
    if path:
        path.write_bytes(content)
        content = map_file(path)
    lengths = np.array([record.shape[1] for record in records])
    return Signals(content, len(records[0]), lengths)


def reading(samples: int, **fields: object) -> Recipe:
    """A recipe whose network reads so many samples at once."""
    return replace(find("isibrno-published"), fs=250.0, max_s=samples / 250, **fields)


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
    signals = signals_of(
        [np.ones((2, 5), np.float16), np.arange(20, dtype=np.float16).reshape(2, 10)]
    )
    items = Items(signals, np.eye(2, dtype=bool), rows=[1], recipe=reading(7))
    batch = items.batch([0, 1], np.random.default_rng(0))
    assert batch.signal.shape == (2, 1, 7)
    assert batch.length.tolist() == [5, 7]
    assert batch.signal[0, 0].tolist() == [1, 1, 1, 1, 1, 0, 0]
    assert np.diff(batch.signal[1, 0].numpy()).tolist() == [1] * 6
    assert batch.labels.tolist() == [[1, 0], [0, 1]]


def test_a_batch_of_long_records_is_cut_into_pieces() -> None:
    lengths = np.random.default_rng(0).integers(1000, 5000, 100)
    lengths[::10] = 60_000
    signals = Signals(bytes(2 * lengths.sum()), 1, lengths)
    items = Items(signals, np.zeros((100, 1), bool), rows=[0], recipe=reading(30_000))
    short, mixed = [1, 5, 3, 2], list(range(0, 100, 2))
    assert items.pieces(short) == [short]
    pieces = items.pieces(mixed)
    assert sorted(sum(pieces, [])) == mixed
    padded = [len(piece) * min(lengths[piece].max(), 30_000) for piece in pieces]
    assert max(padded) <= PIECE_SAMPLES
    assert sum(padded) < 1.2 * np.minimum(lengths[mixed], 30_000).sum()
    assert len(items.part(np.array([0, 10])).pieces([1, 0])) == 1


def test_one_record_that_is_longer_than_a_piece_is_one() -> None:
    signals = Signals(bytes(8 * PIECE_SAMPLES), 1, np.array([2 * PIECE_SAMPLES] * 2))
    items = Items(signals, np.zeros((2, 1), bool), rows=[0], recipe=reading(2 * PIECE_SAMPLES))
    assert items.pieces([1, 0]) == [[1], [0]]


def resident_kb() -> int:
    """Memory of this process that is pages of files."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssFile:"))


def test_records_are_read_anew_and_leave_no_memory_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped, "KEPT_BYTES", 4e6)
    rng = np.random.default_rng(0)
    records = [rng.normal(size=(4, 50_000)).astype(np.float16) for _ in range(100)]  # 40 MB
    signals = signals_of(records, tmp_path / "signals.f16")
    before = resident_kb()
    views = list(signals)
    for record, view in zip(records, views, strict=True):
        np.testing.assert_array_equal(view, record)
        np.testing.assert_array_equal(signals.part(np.array([1, 0]))[1], records[0])
    for number, record in enumerate(records):
        np.testing.assert_array_equal(signals[number], record)
    assert resident_kb() - before < 8_000
    np.testing.assert_array_equal(views[0], records[0])


def test_a_file_that_is_cut_off_while_in_use_is_said(tmp_path: Path) -> None:
    path = tmp_path / "signals.f16"
    signals = signals_of([np.ones((2, 5000), np.float16)], path)
    with open(path, "rb+") as file:
        file.truncate(100)
    with pytest.raises(LeadwiseError, match="cut off while in use; start again"):
        signals[0]


def test_a_record_is_finished_whole_before_a_window_is_taken() -> None:
    """The whole record's mean and deviation count, of the leads that the lead set reads."""
    rng = np.random.default_rng(0)
    record = rng.normal(size=(12, 400)).astype(np.float16)
    finished = reading(100, finish=(part("record_z_score"),))
    items = items_of(signals_of([record]), np.ones((1, 1), bool), LEAD_SETS[2], finished)
    whole, _ = record_z_score(record[:2].astype(np.float32), 250)
    batch = items.batch([0])
    assert batch.signal.dtype == torch.float32
    np.testing.assert_array_equal(batch.signal[0], whole[:, :100])
    begin = int(np.random.default_rng(3).integers(301))
    window = items.batch([0], np.random.default_rng(3)).signal[0]
    np.testing.assert_array_equal(window, whole[:, begin : begin + 100])


def test_dropped_leads_are_no_part_of_what_finishes_the_others() -> None:
    rng = np.random.default_rng(0)
    record = rng.normal(size=(12, 50)).astype(np.float16)
    record[6:] *= 3
    altered = reading(
        50, finish=(part("record_z_score"),), augment=(part("lead_dropout", probability=1),)
    )
    items = items_of(signals_of([record]), np.ones((1, 1), bool), STANDARD, altered)
    limb, _ = record_z_score(record[:6].astype(np.float32), 250)
    found = [items.batch([0], np.random.default_rng(seed)).signal[0].numpy() for seed in range(40)]
    alone = [signal for signal in found if not signal[6:].any()]
    assert 8 <= len(alone) <= 24  # two of five sets hold no precordial lead
    for signal in alone:
        np.testing.assert_array_equal(signal[:6], limb)
    assert items.batch([0]).signal[0, 6:].any(), "nothing is dropped where nothing is learned"


def test_a_batch_to_learn_from_is_altered_as_its_counters_say() -> None:
    rng = np.random.default_rng(0)
    records = [rng.normal(size=(12, 50)).astype(np.float16) for _ in range(8)]
    mixing = reading(50, augment=(part("mixup"), part("label_smoothing")))
    items = items_of(signals_of(records), np.eye(8, dtype=bool), LEAD_SETS[3], mixing)
    first, again, other = (items.batch(range(8), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.signal, again.signal)
    assert torch.equal(first.labels, again.labels)
    assert not torch.equal(first.signal, other.signal)
    assert torch.equal(items.batch(range(8)).labels, torch.eye(8))


def test_lengths_are_those_of_finished_records() -> None:
    records = [np.ones((12, samples), np.float16) for samples in (300, 40, 130, 100, 300)]
    fitted = reading(100, finish=(part("fit_length", seconds=0.4, tolerance=0.4),))
    items = items_of(signals_of(records), np.ones((5, 1), bool), LEAD_SETS[2], fitted)
    assert items.lengths.tolist() == [300, 100, 100, 100, 300]
    assert items.batch([1, 2, 3]).length.tolist() == [100, 100, 100]


def test_labels_that_are_not_known_are_nan_also_after_mixing() -> None:
    records = [np.ones((12, 40), np.float16)] * 4
    known = np.ones((4, 2), bool)
    known[0, 1] = False
    mixing = reading(40, augment=(part("mixup", alpha=5, share=1.0),))
    items = items_of(signals_of(records), np.ones((4, 2), bool), LEAD_SETS[2], mixing, known)
    assert np.isnan(items.batch([0, 1]).labels.numpy()).tolist() == [[False, True], [False] * 2]
    mixed = [items.batch(range(4), np.random.default_rng(seed)).labels for seed in range(8)]
    unknown = {int(labels[:, 1].isnan().sum()) for labels in mixed}
    assert unknown <= {1, 2}  # the record, and who is mixed with it
    assert 2 in unknown
    assert not any(labels[:, 0].isnan().any() for labels in mixed)
    assert items.part(np.array([1, 2])).known.all()
