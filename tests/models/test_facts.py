"""Facts of a record: age, sex and amplitude."""

import numpy as np
import pytest
import torch

from ecg.headers import parse_header
from models import find
from models.dualnet2017 import NETWORKS
from models.facts import RHYTHM, facts_of, read_facts, reads_facts, rhythm_of
from models.network import build
from models.recipe import Recipe
from simulate import simulate
from tests.conftest import small

SIGNAL = np.concatenate([np.full(95, 0.5), np.full(5, -4.0), [np.nan, np.inf]])[None]
HEADER = "one 1 500 102\none.mat 16 1000/mV 16 0 0 0 0 I\n"


@pytest.mark.parametrize(
    ("comments", "age", "sex"),
    [
        ("# Age: 60\n# Sex: Female\n", (0.6, 0), (1, 0)),
        ("# Age: NaN\n# Sex: M\n", (0, 1), (-1, 0)),
        ("", (0, 1), (0, 1)),
    ],
)
def test_what_is_missing_is_0_and_marked(
    comments: str, age: tuple[float, float], sex: tuple[float, float]
) -> None:
    facts = facts_of(parse_header(HEADER + comments, "one"), SIGNAL)
    assert facts.dtype == np.float32
    assert facts == pytest.approx([*age, *sex, np.quantile(np.abs(SIGNAL[0, :100]), 0.95)])


def test_a_signal_without_values_has_no_amplitude() -> None:
    assert facts_of(parse_header(HEADER, "one"), np.full((2, 9), np.nan))[4] == 0


def test_only_a_network_that_takes_facts_reads_them() -> None:
    assert not any(reads_facts(find(name)) for name in ("isibrno-basic", "dualnet-s", "house-pair"))
    assert reads_facts(find("heartly-leadwise")) == "facts"
    assert reads_facts(find("dualnet-house-rhythm")) == "rhythm"


def beats(intervals: list[float], fs: float = 250.0) -> np.ndarray:
    """Draw narrow complexes with these intervals in s."""
    onsets = np.round(np.cumsum([0.5, *intervals]) * fs).astype(int)
    signal = np.random.default_rng(0).normal(scale=0.002, size=onsets[-1] + 200)
    for onset in onsets:
        signal[onset - 8 : onset + 9] += np.hanning(17)
    return signal[None]


def named(intervals: list[float]) -> dict[str, float]:
    return dict(zip(RHYTHM, rhythm_of(beats(intervals), 250.0).tolist(), strict=True))


def test_numbers_of_a_regular_rhythm_with_one_early_beat() -> None:
    """By hand: 20 intervals of 0.8 s, one of 0.4 s and the pause of 1.2 s after it."""
    numbers = named([0.8] * 10 + [0.4, 1.2] + [0.8] * 10)
    relative = np.array([1.0] * 10 + [0.5, 1.5] + [1.0] * 10)
    assert numbers["median heart rate / 100"] == pytest.approx(0.75, abs=0.01)
    assert numbers["share of early beats"] == pytest.approx(1 / 22)
    assert numbers["share of late beats"] == pytest.approx(1 / 22)
    assert numbers["standard deviation"] == pytest.approx(relative.std(), abs=0.01)
    changes = np.diff(relative)
    rms = np.sqrt((changes**2).mean())
    assert numbers["root mean square of the changes"] == pytest.approx(rms, abs=0.01)
    assert numbers["share of changes below 5 %"] == pytest.approx(18 / 21)
    assert numbers["correlation of neighbours"] < 0
    assert numbers["too few beats"] == 0


def test_fibrillation_is_less_regular_than_sinus_rhythm() -> None:
    af, sr = (
        rhythm_of(record.signal, record.fs)
        for record in (simulate([code], seed=2, duration_s=30) for code in ("AF", "NSR"))
    )
    names = ("standard deviation", "median change", "share of early beats")
    assert all(af[RHYTHM.index(name)] > sr[RHYTHM.index(name)] for name in names)


def test_few_beats_have_no_rhythm() -> None:
    nothing = [0.0] * 9 + [1.0]
    assert rhythm_of(np.zeros((1, 3000)), 300).tolist() == nothing
    assert rhythm_of(beats([0.8] * 3), 250).tolist() == nothing
    assert rhythm_of(np.ones((1, 3000)), 50.0).tolist() == nothing  # no beats below 100 Hz


def test_a_network_of_the_rhythm_begins_as_one_without() -> None:
    recipe: Recipe = small(find("dualnet-house-rhythm"))
    network = build(recipe, ("ECG",), {"diagnosis": range(4)}).eval()
    signal, length = torch.randn(2, 1, 1000), torch.tensor([1000, 1000])
    rhythm = torch.randn(2, len(RHYTHM))
    torch.testing.assert_close(network(signal, length, rhythm), network(signal, length))
    torch.nn.init.ones_(network.rhythm[-1].weight)
    assert (network(signal, length, rhythm) - network(signal, length)).abs().max() > 0.01
    plain = NETWORKS["dual"](1, 4, **recipe.network.options)
    assert set(plain.state_dict()) < set(network.state_dict())


def test_facts_are_those_that_the_network_reads() -> None:
    header, signal = parse_header(HEADER, "one"), beats([0.8] * 8, 500.0)
    assert read_facts(find("dualnet-house"), header, signal) is None
    rhythm = read_facts(find("dualnet-house-rhythm"), header, signal)
    np.testing.assert_array_equal(rhythm, rhythm_of(signal, 500.0))
    facts = read_facts(find("heartly-leadwise"), header, signal)
    np.testing.assert_array_equal(facts, facts_of(header, signal))
