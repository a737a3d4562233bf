"""Inputs: windows, post-transforms, rates, and filters that do not fit a rate."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import team_code
from ecg import LeadwiseError
from ecg.headers import Message
from ecg.labels import CODES
from ecg.leads import LEAD_SETS, STANDARD
from ecg.signals import TRANSFORMS
from models import find
from models.inputs import (
    channels_of,
    check_transforms,
    post_transform,
    prepare,
    unfit,
    window_bounds,
)
from models.network import build, predict_signal
from models.recipe import Head, part
from simulate import simulate
from tests.conftest import small

PLAIN = replace(find("isibrno-published"), transforms=(part("fill"),), fs=500.0, max_s=10.0)
BAND_PASS = part("fir_band_pass", low_hz=0.5, high_hz=60)


@pytest.mark.parametrize(("samples", "count"), [(5000, 1), (7001, 2), (15_000, 6), (900_000, 448)])
def test_windows_with_a_stride_are_as_published(samples: int, count: int) -> None:
    """Windows of 5000 samples every 2000, (n − 5000) // 2000 + 1; the fact sheet, section a."""
    bounds = window_bounds(replace(PLAIN, stride_s=4.0), samples)
    assert bounds == [(2000 * index, 2000 * index + 5000) for index in range(count)]


@pytest.mark.parametrize("samples", [1, 300, 5000, 5001, 12_000, 12_001, 54_321])
def test_windows_without_a_stride_are_the_fewest_and_of_about_equal_length(samples: int) -> None:
    """As NumPy's `array_split` cuts them."""
    count = -(-samples // 5000)
    expected = np.array_split(np.arange(samples), count)
    bounds = window_bounds(PLAIN, samples)
    assert bounds == [(int(window[0]), int(window[-1]) + 1) for window in expected]
    assert [offset - onset for onset, offset in window_bounds(PLAIN, 12_000)] == [4000] * 3


def test_a_dense_head_reads_the_end_of_a_record_too() -> None:
    dense = replace(PLAIN, stride_s=4.0, heads=(Head("waves", "samples", classes="waves"),))
    for samples in (7001, 8999):
        assert window_bounds(dense, samples) == [
            (0, 5000), (2000, 7000), (samples - 5000, samples)
        ]  # fmt: skip
    assert window_bounds(dense, 7000) == [(0, 5000), (2000, 7000)]


def test_where_windows_overlap_a_sample_has_their_mean() -> None:
    """The network answers by its window's first sample; the signal counts its samples."""

    def first(signal: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        odds = signal[:, :1, :1].expand(-1, 1, signal.shape[2]) / 1000
        return torch.cat([odds, torch.zeros(len(odds), 3, signal.shape[2])], 1)

    recipe = replace(
        PLAIN, fs=100.0, stride_s=4.0, max_s=10.0,
        heads=(Head("waves", "samples", classes="waves"),),
    )  # fmt: skip
    signal = np.arange(2650, dtype=np.float32)[None]
    output = predict_signal(recipe, first, signal, torch.device("cpu"))
    onsets = [0, 400, 800, 1200, 1600, 1650]
    assert output.bounds == [(onset, onset + 1000) for onset in onsets]
    for sample in (0, 399, 400, 999, 1000, 1399, 1620, 1700, 2600, 2649):
        values = [
            np.exp(onset / 1000) / (np.exp(onset / 1000) + 3)
            for onset in onsets
            if onset <= sample < onset + 1000
        ]
        assert output.probabilities["waves"][0, sample] == pytest.approx(np.mean(values))


def test_a_stride_does_not_cut_a_short_record() -> None:
    assert window_bounds(replace(PLAIN, stride_s=4.0), 300) == [(0, 300)]


def test_post_transforms_read_the_leads_of_the_network() -> None:
    """Two channels of twelve prepared leads, as in the cache, and two leads of a record."""
    record = simulate(("NSR",), seed=0, duration_s=4.0, fs=500.0)
    recipe = replace(
        PLAIN, post_transforms=(part("record_z_score"), part("fit_length", seconds=3, tolerance=1))
    )
    twelve = prepare(recipe, record.signal, record.leads, STANDARD, record.fs).signal
    two = prepare(recipe, record.signal, record.leads, LEAD_SETS[2], record.fs).signal
    from_cache, _ = post_transform(recipe, twelve[channels_of(LEAD_SETS[2], STANDARD, 1)])
    np.testing.assert_array_equal(from_cache, post_transform(recipe, two)[0])
    assert from_cache.shape == (2, 1500)
    of_twelve = post_transform(recipe, twelve)[0]
    assert not np.allclose(from_cache, of_twelve[:2]), "the z-score of twelve leads differs"
    assert post_transform(PLAIN, twelve)[0] is twelve


@pytest.mark.parametrize(
    ("seconds", "samples", "first", "last"),
    [(3, 2000, 250, 1749), (3, 1500, 0, 1499), (5, 2000, -1, -1), (3, 4000, 0, 3999)],
)
def test_positions_are_the_samples_before_the_post_transforms(
    seconds: int, samples: int, first: int, last: int
) -> None:
    recipe = replace(PLAIN, post_transforms=(part("fit_length", seconds=seconds, tolerance=0.4),))
    signal = np.arange(1.0, samples + 1, dtype=np.float32)[None]
    ready, positions = post_transform(recipe, signal)
    assert positions.shape == (ready.shape[1],)
    inside = positions >= 0
    np.testing.assert_array_equal(ready[0, inside], signal[0, positions[inside]])
    assert not ready[0, ~inside].any()
    assert (positions[0], positions[-1]) == (first, last)
    np.testing.assert_array_equal(post_transform(PLAIN, signal)[1], np.arange(samples))


@pytest.mark.parametrize(
    ("samples", "in_training"), [(4000, 5000), (5000, 5000), (7000, 5000), (7001, 7001)]
)
def test_a_record_is_cut_to_the_training_length_in_training_only(
    samples: int, in_training: int
) -> None:
    """Kang & Wen: windows of 10 s up to 14 s; running reads the record whole, 15 s too."""
    recipe = find("revenger-nc-se")
    signal = np.random.default_rng(0).normal(size=(12, samples)).astype(np.float32)
    assert post_transform(recipe, signal, training=True)[0].shape == (12, in_training)
    ready, positions = post_transform(recipe, signal)
    assert ready.shape == signal.shape
    assert positions.tolist() == list(range(samples))
    assert window_bounds(recipe, samples) == [(0, samples)]
    np.testing.assert_allclose((ready.mean(), ready.std()), (0, 1), atol=1e-5)
    check_transforms(recipe)


def test_rate_and_length_that_a_part_leaves_out_are_those_of_the_recipe() -> None:
    recipe = replace(
        PLAIN, fs=100.0, max_s=3.0, transforms=(part("resample"),),
        post_transforms=(part("fit_length", tolerance=0.4),),
    )  # fmt: skip
    prepared = prepare(recipe, np.ones((1, 2000)), ["I"], ["I"], 500.0).signal
    assert prepared.shape == (1, 400)
    assert post_transform(recipe, prepared)[0].shape == (1, 300)
    check_transforms(recipe)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"transforms": (part("fill"),)},
            "give 1000 Hz for a record of 1000 Hz, but",
        ),
        (
            {"transforms": (part("resample", to_hz=250),)},
            r"give 250 Hz for a record of 1000 Hz, but fs is 500 Hz; add part\('resample'\) to",
        ),
        (
            {"transforms": (part("resample"),), "post_transforms": (part("resample", to_hz=100),)},
            "the post-transform 'resample' changes the length; only fit_length, ",
        ),
    ],
)
def test_transforms_that_end_at_another_rate_or_length_are_refused(changes, message: str) -> None:
    with pytest.raises(LeadwiseError, match=message):
        check_transforms(replace(PLAIN, **changes))


@pytest.mark.parametrize(
    ("fs", "record_fs", "count"),
    [(500.0, 500.0, 0), (500.0, 121.0, 0), (500.0, 120.0, 1), (500.0, 100.0, 1), (100.0, 500.0, 1)],
)
def test_filters_that_do_not_fit_a_rate_are_described(
    fs: float, record_fs: float, count: int
) -> None:
    recipe = replace(PLAIN, fs=fs, transforms=(part("resample"), BAND_PASS))
    texts = list(unfit(recipe, record_fs))
    assert len(texts) == count
    for text in texts:
        assert text == (
            f"a record of {min(fs, record_fs):g} Hz holds nothing above "
            f"{min(fs, record_fs) / 2:g} Hz; the upper edge of fir_band_pass, 60 Hz, has no effect"
        )
    record = simulate(("NSR",), seed=0, duration_s=4.0, fs=record_fs)
    prepared = prepare(recipe, record.signal, record.leads, STANDARD, record.fs)
    assert np.isfinite(prepared.signal).all()


def test_the_description_is_printed_once_for_many_records(capsys: pytest.CaptureFixture) -> None:
    text = "a record of 99.5 Hz holds nothing above 49.75 Hz"
    for name in ("A1", "A2"):
        team_code._print_once(Message(name, "filter beyond rate", text))
    assert capsys.readouterr().err == f"Note: {text}\n"


def test_predictions_are_of_the_signal_after_the_post_transforms() -> None:
    """A z-score of the whole record removes scale and offset, so probabilities ignore them."""
    recipe = replace(small(PLAIN), post_transforms=(part("record_z_score"),))
    signal = simulate(("AF",), seed=0, duration_s=4.0, fs=500.0).signal[:2]
    torch.manual_seed(0)
    network = build(recipe, LEAD_SETS[2], {"diagnosis": CODES}).eval()
    device = torch.device("cpu")
    plain, other = (
        predict_signal(recipe, network, each, device).probabilities["diagnosis"]
        for each in (signal, 5 * signal + 1)
    )
    np.testing.assert_allclose(other, plain, atol=1e-5)
    without = replace(recipe, post_transforms=())
    moved = predict_signal(without, network, 5 * signal + 1, device).probabilities["diagnosis"]
    assert np.abs(moved - plain).max() > 1e-4  # ten times the tolerance above


@pytest.mark.parametrize("field", ["transforms", "post_transforms"])
def test_a_transform_that_changes_the_rate_of_one_record_is_refused(
    field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rate is not that of the trial signals, for which the transform returns the right one."""

    def halve(signal: np.ndarray, fs: float) -> tuple[np.ndarray, float]:
        return signal, fs / 2 if signal.shape[1] == 500 else fs

    monkeypatch.setitem(TRANSFORMS, "halve", halve)
    plain = replace(PLAIN, fs=500.0, transforms=(part("resample"),))
    recipe = replace(plain, **{field: (*getattr(plain, field), part("halve"))})
    check_transforms(recipe)
    signal = np.zeros((2, 500), np.float32)
    with pytest.raises(LeadwiseError, match="its transforms end at 250 Hz, but fs is 500 Hz"):
        post_transform(recipe, prepare(recipe, signal, ("I", "II"), ("I", "II"), 500.0).signal)


def test_transforms_are_tried_above_and_below_the_recipes_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At 1000 Hz all of these give the recipe's 500 Hz."""

    def fails_below(signal: np.ndarray, fs: float) -> tuple[np.ndarray, float]:
        return signal[:, : len(signal[0]) if fs >= 500 else 0], 500.0

    transforms = {
        "decimate": lambda signal, fs: (signal, min(fs, 500.0)),
        "above": fails_below,
        "divide": lambda signal, fs: (signal, 1000 // (fs // 500)),
    }
    for name, transform in transforms.items():
        monkeypatch.setitem(TRANSFORMS, name, transform)
    for name, message in {
        "decimate": "give 250 Hz for a record of 250 Hz, but fs is 500 Hz",
        "above": "the transform 'above' gives no finite channels",
        "divide": "the transform 'divide' fails on a trial signal: ZeroDivisionError",
    }.items():
        with pytest.raises(LeadwiseError, match=message):
            check_transforms(replace(PLAIN, transforms=(part(name),)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_transform_that_gives_no_finite_signal_is_refused(
    value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TRANSFORMS, "lose", lambda signal, fs: (signal * value, fs))
    with pytest.raises(LeadwiseError, match="the transform 'lose' gives no finite channels"):
        check_transforms(replace(PLAIN, transforms=(part("resample"), part("lose"))))


@pytest.mark.parametrize(
    ("channels", "samples", "refused"),
    [(2, 9, False), (4, 9, False), (0, 9, True), (1, 9, True), (3, 9, True), (2, 0, True),
     (2, 1, False)],
)  # fmt: skip
def test_a_transform_gives_whole_sets_of_channels(
    channels: int, samples: int, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trial signal has two leads, so each kind of derived channels has two."""
    zeros = np.zeros((channels, samples), np.float32)
    monkeypatch.setitem(TRANSFORMS, "derive", lambda signal, fs: (zeros, 500.0))
    recipe = replace(PLAIN, transforms=(part("derive"),))
    if refused:
        with pytest.raises(LeadwiseError, match="'derive' gives no finite channels of each lead"):
            check_transforms(recipe)
    else:
        check_transforms(recipe)


def test_a_rate_that_is_nearly_the_recipes_is_read_as_this() -> None:
    """INCART's 257 Hz as 250 Hz, as published; within 5 %."""
    signal = np.random.default_rng(0).normal(size=(1, 900))
    recipe = replace(PLAIN, fs=250.0)
    for fs in (240.0, 250.0, 257.0):
        assert prepare(recipe, signal, ["I"], ["I"], fs).signal.shape == (1, 900)
    for fs in (235.0, 265.0):
        with pytest.raises(LeadwiseError, match=f"its transforms end at {fs:g} Hz, but fs is 250"):
            prepare(recipe, signal, ["I"], ["I"], fs)
