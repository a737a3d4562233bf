"""Inputs: windows, what follows the choice of leads, and filters that do not fit a rate."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from models.classifier import build, probabilities_of

import team_code
from ecg.headers import Message
from ecg.leads import LEAD_SETS, STANDARD
from models import find
from models.inputs import channels_of, finish, prepare, unfit, windows
from models.recipe import part
from simulate import simulate
from tests.conftest import small

PLAIN = replace(find("isibrno-published"), steps=(part("fill"),), fs=500.0, max_s=10.0)
BAND_PASS = part("fir_band_pass", low_hz=0.5, high_hz=60)


@pytest.mark.parametrize(("samples", "count"), [(5000, 1), (7001, 2), (15_000, 6), (900_000, 448)])
def test_windows_with_a_stride_are_as_published(samples: int, count: int) -> None:
    """Windows of 5000 samples every 2000, (n − 5000) // 2000 + 1; the fact sheet, section a."""
    signal = np.arange(samples)[None]
    pieces = windows(replace(PLAIN, stride_s=4.0), signal)
    assert [piece.shape[1] for piece in pieces] == [5000] * count
    assert [int(piece[0, 0]) for piece in pieces] == [2000 * place for place in range(count)]


def test_windows_without_a_stride_hold_all_and_are_the_fewest() -> None:
    signal = np.arange(12_000)[None]
    pieces = windows(PLAIN, signal)
    assert [piece.shape[1] for piece in pieces] == [4000] * 3
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), signal)
    assert windows(replace(PLAIN, stride_s=4.0), signal[:, :300])[0].shape[1] == 300


def test_what_is_finished_sees_the_leads_that_the_network_reads() -> None:
    """Rows of twelve prepared leads, as in the cache, and two leads of a record give the same."""
    made = simulate(("NSR",), seed=0, duration_s=4.0, fs=500.0)
    recipe = replace(
        PLAIN, finish=(part("record_z_score"), part("fit_length", seconds=3, tolerance=1))
    )
    twelve = prepare(recipe, made.signal, made.leads, STANDARD, made.fs).signal
    two = prepare(recipe, made.signal, made.leads, LEAD_SETS[2], made.fs).signal
    from_cache = finish(recipe, twelve[channels_of(LEAD_SETS[2], STANDARD, 1)])
    np.testing.assert_array_equal(from_cache, finish(recipe, two))
    assert from_cache.shape == (2, 1500)
    assert not np.allclose(from_cache, finish(recipe, twelve)[:2]), "twelve leads scale otherwise"
    assert finish(PLAIN, twelve) is twelve


@pytest.mark.parametrize(
    ("fs", "record_fs", "said"),
    [(500.0, 500.0, 0), (500.0, 121.0, 0), (500.0, 120.0, 1), (500.0, 100.0, 1), (100.0, 500.0, 1)],
)
def test_a_filter_that_does_not_fit_a_rate_is_said(fs: float, record_fs: float, said: int) -> None:
    recipe = replace(PLAIN, fs=fs, steps=(part("resample", to_hz=fs), BAND_PASS))
    texts = list(unfit(recipe, record_fs))
    assert len(texts) == said
    for text in texts:
        assert text == (
            f"at {min(fs, record_fs):g} Hz nothing lies above {min(fs, record_fs) / 2:g} Hz; "
            "the upper edge of fir_band_pass, 60 Hz, does nothing"
        )
    made = simulate(("NSR",), seed=0, duration_s=4.0, fs=record_fs)
    assert np.isfinite(prepare(recipe, made.signal, made.leads, STANDARD, made.fs).signal).all()


def test_it_is_said_once_for_many_records(capsys: pytest.CaptureFixture) -> None:
    text = "at 99.5 Hz nothing lies above 49.75 Hz"
    for name in ("A1", "A2"):
        team_code._note_once(Message(name, "filter beyond rate", text))
    assert capsys.readouterr().err == f"Note: {text}\n"


def test_a_network_answers_what_is_finished() -> None:
    """A whole-record z-score forgets scale and offset, so the answer does."""
    recipe = replace(small(PLAIN), finish=(part("record_z_score"),))
    signal = simulate(("AF",), seed=0, duration_s=4.0, fs=500.0).signal[:2]
    torch.manual_seed(0)
    network = build(recipe, LEAD_SETS[2], 26).eval()
    plain, other = (
        probabilities_of(recipe, network, each, torch.device("cpu"))
        for each in (signal, 5 * signal + 1)
    )
    np.testing.assert_allclose(other, plain, atol=1e-5)
    unfinished = replace(recipe, finish=())
    moved = probabilities_of(unfinished, network, 5 * signal + 1, torch.device("cpu"))
    assert np.abs(moved - plain).max() > 1e-4  # ten times the tolerance above
