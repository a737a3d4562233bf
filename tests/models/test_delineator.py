"""From a record to its marks: windows, chunks, rates, gaps, leads, classes of beats."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ecg import LeadwiseError
from ecg.annotations import Waves
from ecg.records import Record, record_of
from models.delineator import Delineation, mark
from models.heartly2021.network import Network
from models.model import Model
from models.segmenter import Segmenter
from tests.marks_model import beats, pulses, write_marks_model


@pytest.fixture
def segmenter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Segmenter:
    return Segmenter(Model.load(write_marks_model(tmp_path / "marks-model", monkeypatch)))


def limits(waves: Waves, kind: str = "") -> list[tuple[int, int]]:
    kept = waves.take(waves.kinds == kind) if kind else waves
    return list(zip(kept.onsets.tolist(), kept.offsets.tolist(), strict=True))


def one_lead(signal: np.ndarray, fs: float, lead: str = "V2") -> Record:
    return record_of(signal[None], [lead], fs)


def near(found: list[tuple[int, int]], true: list[tuple[float, float]], reach: float) -> bool:
    return len(found) == len(true) and bool(np.abs(np.array(found) - np.array(true)).max() <= reach)


@pytest.mark.parametrize("fs", [100.0, 128.0, 250.0, 257.0, 360.0, 500.0, 977.5, 1000.0])
def test_every_rate_gives_the_marks_in_its_own_samples(segmenter: Segmenter, fs: float) -> None:
    """70 s are three windows; a limit is right within a frame of the network and a sample."""
    waves = beats(70.0)
    found = mark(segmenter, one_lead(pulses(70.0, fs, *waves), fs))
    for kind in "pNt":
        true = [(onset * fs, offset * fs) for onset, offset, name in waves if name == kind]
        assert near(limits(found.fused, kind), true, 1 + fs / 250)
    assert found.beats.samples.tolist() == found.fused.peaks[found.fused.kinds == "N"].tolist()
    assert set(found.beats.symbols) == {"N"}


@pytest.mark.parametrize("seconds", [2.0, 9.99, 32.0, 32.004, 33.0, 60.0, 60.004, 300.0])
def test_every_length_is_marked_to_its_end(segmenter: Segmenter, seconds: float) -> None:
    waves = beats(seconds, first_s=0.1)
    found = mark(segmenter, one_lead(pulses(seconds, 250.0, *waves), 250.0))
    true = [(onset * 250, offset * 250) for onset, offset, _ in waves]
    assert near(limits(found.fused), true, 1)
    assert limits(found.by_lead[0]) == limits(found.fused)


def equal(one: Delineation, other: Delineation) -> bool:
    same = np.allclose(one.probabilities, other.probabilities, rtol=1e-12)  # sums in other order
    tables = (one.by_lead == other.by_lead, one.fused == other.fused, one.beats == other.beats)
    return same and all(tables) and np.array_equal(one.gaps, other.gaps)


def small_network() -> Network:
    torch.manual_seed(0)
    return Network(12, {"waves": 4, "beats": 3, "diagnosis": 2}, fs=250.0, encoder=(8,) * 7,
                   decoder=(8,) * 6, activation="silu", latents=2, width=16, rounds=1)  # fmt: skip


@pytest.fixture(scope="module")
def trained() -> Network:
    """A small network that was trained for some seconds on pulses with noise."""
    network = small_network()
    optimiser = torch.optim.AdamW(network.parameters(), 0.01)
    draws = np.random.default_rng(0)
    for _ in range(100):
        signal, target = np.zeros((8, 12, 1024), np.float32), np.zeros((8, 1024), int)
        for row, truth in zip(signal, target, strict=True):
            clean = pulses(4.096, 250.0, *beats(4.096, draws.uniform(0.7, 1.1), draws.uniform()))
            truth[:] = np.select([clean > 0.7, clean > 0.3, clean > 0.1], [2, 3, 1])
            row[[[1], [10], [1, 10]][draws.integers(3)]] = clean + draws.normal(0, 0.05, 1024)
        waves, _ = network.segment(torch.from_numpy(signal))
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(waves, torch.from_numpy(target)).backward()
        optimiser.step()
    return network.eval()


def test_marks_do_not_depend_on_how_much_is_read(
    segmenter: Segmenter, trained: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eleven minutes of two leads with noise that grows, and a gap of 20 s."""
    monkeypatch.setattr(segmenter, "_network", trained)
    draws, samples = np.random.default_rng(0), 660 * 360
    noise = draws.normal(0, 0.4, (2, samples)) * np.linspace(0, 1, samples)
    signal = pulses(660.0, 360.0, *beats(660.0)) + noise
    signal[:, 360 * 100 : 360 * 120] = np.nan
    record = record_of(signal, ["II", "V5"], 360.0)
    whole = mark(segmenter, record, groups=100)
    assert len(limits(whole.fused, "N")) > 700
    assert len(limits(whole.by_lead[0], "N")) != len(limits(whole.by_lead[1], "N"))
    assert whole.gaps.tolist() == [[36000, 43200]]
    for groups in (1, 2):
        assert equal(mark(segmenter, record, groups=groups), whole)


def test_the_shares_of_progress_add_to_the_whole(segmenter: Segmenter) -> None:
    shares: list[float] = []
    mark(segmenter, one_lead(pulses(300.0, 250.0), 250.0), shares.append, groups=1)
    assert len(shares) > 2
    assert sum(shares) == pytest.approx(1)


def test_segment_gives_what_the_whole_network_gives() -> None:
    network = small_network().eval()
    signal = torch.randn(2, 12, 700)
    with torch.inference_mode():
        outputs = network(signal, torch.tensor([700, 700]))
        waves, classes = network.segment(signal)
    assert torch.equal(waves, outputs["waves"])
    assert torch.equal(classes, outputs["beats"])


def test_each_lead_is_read_as_lead_ii_then_all_together_on_their_own_channels(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, seen = segmenter._network, []

    def segment(signal: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen.extend([np.flatnonzero(one.abs().sum(1)).tolist() for one in signal])
        return network.segment(signal)

    class Watched:
        pass

    watched = Watched()
    watched.segment = segment
    monkeypatch.setattr(segmenter, "_network", watched)
    signal = np.tile(pulses(10.0, 250.0, *beats(10.0)), (3, 1))
    found = mark(segmenter, record_of(signal, ["MLII", "V1", "CM5"], 250.0))
    assert seen == [[1], [1], [1], [1, 6]]
    assert [str(one) for one in found.messages] == ["record: MLII, CM5 read as lead II"]
    seen.clear()
    mark(segmenter, record_of(signal, ["CM5", "II", "V1"], 250.0))
    assert seen == [[1], [1], [1], [1, 6]]


def test_a_record_s_own_lead_ii_is_not_replaced(segmenter: Segmenter) -> None:
    ectopic = pulses(10.0, 250.0, *beats(10.0, kind="V"))
    normal = pulses(10.0, 250.0, *beats(10.0))
    found = mark(segmenter, record_of([ectopic, normal], ["CM5", "II"], 250.0))
    assert set(found.beats.symbols) == {"N"}


def test_the_class_of_a_beat_comes_from_all_leads_with_its_probability(
    segmenter: Segmenter,
) -> None:
    waves = [*beats(4.0), (4.2, 4.28, "V"), (4.4, 4.56, "t")]
    signal = pulses(6.0, 250.0, *waves)
    found = mark(segmenter, record_of([signal, signal], ["I", "V1"], 250.0))
    assert found.beats.symbols.tolist() == ["N"] * 5 + ["V"]
    sure = np.exp(4) / (np.exp(4) + 2)
    np.testing.assert_allclose(found.probabilities, sure, rtol=1e-5)


def test_leads_vote_and_a_p_of_one_lead_is_no_p(segmenter: Segmenter) -> None:
    waves = beats(10.0)
    without = [wave for wave in waves if wave[2] != "p"]
    signal = np.stack([pulses(10.0, 250.0, *one) for one in (waves, without, without)])
    found = mark(segmenter, record_of(signal, ["V1", "V2", "V3"], 250.0))
    for marks in (found.fused, *found.by_lead):
        assert len(limits(marks, "p")) == 0
        assert len(limits(marks, "N")) == len(limits(marks, "t")) == 12
    found = mark(segmenter, record_of(signal[[0, 0, 1]], ["V1", "V2", "V3"], 250.0))
    counts = [len(limits(marks, "p")) for marks in (found.fused, *found.by_lead)]
    assert counts == [13, 13, 13, 0]


def test_disconnected_leads_do_not_vote(segmenter: Segmenter) -> None:
    """Two of three leads are flat or have no value: the mean over three would find no wave."""
    signal = np.stack(
        [pulses(10.0, 250.0, *beats(10.0)), np.full(2500, 0.4), np.full(2500, np.nan)]
    )
    found = mark(segmenter, record_of(signal, ["I", "V1", "V6"], 250.0))
    assert len(limits(found.fused, "N")) == 12
    assert limits(found.by_lead[1]) == limits(found.by_lead[2]) == []
    assert found.reasons == ("", "flat or without values", "flat or without values", "")
    assert str(found.messages[-1]) == "record: V1, V6 flat or without values; no marks"


def test_a_wave_at_a_gap_or_at_the_ends_is_cut_off(segmenter: Segmenter) -> None:
    """T waves at 0 and 1,000, QRS complexes at 500 and 2,450; the gap ends and begins in waves."""
    waves = [(0.0, 0.2, "t"), (2.0, 2.1, "N"), (3.9, 4.1, "t"), (5.9, 6.1, "N"), (9.8, 10.0, "N")]
    signal = pulses(10.0, 250.0, *waves)
    signal[1000:1500] = np.nan
    found = mark(segmenter, one_lead(signal, 250.0))
    assert limits(found.fused) == [(-1, 50), (500, 525), (975, -1), (-1, 1525), (2450, -1)]
    assert found.gaps.tolist() == [[1000, 1500], [1525, 2450]]  # the second: flat for 3.7 s


@pytest.mark.parametrize(("signal", "reason"), [
    (np.zeros(2500), "flat or without values"), (np.full(2500, np.nan), "flat or without values"),
    (np.random.default_rng(0).normal(0, 0.01, 2500), "no wave found"),
])  # fmt: skip
def test_without_waves_the_reason_is_given(
    segmenter: Segmenter, signal: np.ndarray, reason: str
) -> None:
    found = mark(segmenter, one_lead(signal, 250.0))
    assert (len(found.fused), len(found.beats), found.probabilities.shape) == (0, 0, (0,))
    assert found.reasons == (reason, reason)


@pytest.mark.parametrize(("seconds", "fs"), [(1.0, 500.0), (10.0, 99.0)])
def test_short_records_and_low_rates_are_refused(
    segmenter: Segmenter, seconds: float, fs: float
) -> None:
    text = f"record: lasts {seconds:g} s at {fs:g} Hz; waves are marked from 2 s and 100 Hz on"
    with pytest.raises(LeadwiseError, match=text):
        mark(segmenter, one_lead(pulses(seconds, fs), fs))


def test_a_network_without_waves_is_refused(model_folder: Path) -> None:
    with pytest.raises(LeadwiseError, match="its network marks no waves; give a model of Heart"):
        Segmenter(Model.load(model_folder))
