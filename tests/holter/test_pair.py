"""The published pair of networks: windows, steps, model folder, command, training."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ecg import LeadwiseError
from ecg.records import read_record, write_record
from holter import examples, morphology, pair_training
from holter.__main__ import main
from holter.examples import (
    Examples,
    artefact_examples,
    in_memory,
    read_source,
    simulated_examples,
    ventricular_examples,
    weights,
    with_noise,
)
from holter.files import read_result
from holter.pair import Answers, BeatPair, inputs, load_pair, usual_ranges, write_pair
from holter.pair_training import train, train_experiment, trained
from holter.steps import ARTEFACTS, BEAT_CHECK, V_CHECK, VENTRICULAR
from holter.table import BeatTable, read_table
from models.malt2021 import RECIPES, BeatNetwork, predict
from simulate import simulate
from tests.holter.test_table import simulated

GENUINE = Path(__file__).parents[1] / "data" / "genuine"
NOISE = {
    name: np.random.default_rng(place).normal(0, 0.3, (2, 30_000)).astype(np.float32)
    for place, name in enumerate(("em", "ma", "bw"))
}


def untrained(seed: int = 0, experiment: str = "attention") -> BeatPair:
    torch.manual_seed(seed)
    attention = experiment == "attention"
    networks = [BeatNetwork(1, 2, attention).eval() for _ in range(2)]
    return BeatPair(networks[0], networks[1], experiment, {})


@pytest.fixture(scope="module")
def table() -> BeatTable:
    return read_table(simulated(250))


def odds(table: BeatTable, beat: float, ventricular: np.ndarray) -> Answers:
    """Make answers that are equal in all leads."""
    by_lead = np.broadcast_to(ventricular[:, None], table.usable.shape)
    return Answers(np.full(table.usable.shape, beat), by_lead, table.usable)


def test_windows_are_scaled_by_the_recording_not_by_the_window(table: BeatTable) -> None:
    scaled = inputs(table.windows, usual_ranges(table)).astype(float)
    assert np.median(np.ptp(scaled[..., 100:200], axis=2), axis=0) == pytest.approx(1, abs=0.01)
    louder = replace(table, windows=2 * table.windows)
    again = inputs(louder.windows, usual_ranges(louder)).astype(float)
    np.testing.assert_allclose(again, scaled, atol=0.01)
    windows = table.windows.copy()
    windows[3] *= 3
    one = replace(table, windows=windows)
    loud = inputs(one.windows, usual_ranges(one)).astype(float)[3]
    np.testing.assert_allclose(loud, 3 * scaled[3], atol=0.05)


def test_log_odds_are_averaged_over_usable_leads(table: BeatTable) -> None:
    pair = untrained()
    usable = table.usable.copy()
    usable[0, 1] = False
    some = replace(table, usable=usable)
    answers = pair.answers(some)
    windows = inputs(some.windows, usual_ranges(some))
    p = predict(pair.ventricular, windows[5][:, None])[:, 1].astype(float)
    mean = np.log(p / (1 - p)).mean()
    assert answers.ventricular[5] == pytest.approx(1 / (1 + np.exp(-mean)), abs=1e-4)
    first = predict(pair.artefact, windows[0, :1, None, 100:200])[0, 1]
    assert answers.beat[0] == pytest.approx(first, abs=1e-4)


def test_each_step_can_be_left_out(table: BeatTable, monkeypatch: pytest.MonkeyPatch) -> None:
    pair, beats = untrained(), len(table)
    ventricular = np.where(np.arange(beats) % 2, 5.0, -5.0)
    artefact, beat = odds(table, -5.0, ventricular), odds(table, 3.0, ventricular)
    only_networks = pair.leaving_out([BEAT_CHECK, V_CHECK])
    assert not only_networks.decide(table, artefact).any()
    kept = pair.leaving_out([ARTEFACTS, BEAT_CHECK, V_CHECK]).decide(table, artefact)
    np.testing.assert_array_equal(kept.argmax(axis=1), 2 * (ventricular > 0))
    assert (pair.leaving_out([VENTRICULAR, BEAT_CHECK]).decide(table, beat)[:, 0] == 1).all()
    monkeypatch.setattr(morphology, "is_beat", lambda table, p: np.arange(len(table)) > 0)
    monkeypatch.setattr(morphology, "is_different", lambda table: np.zeros(len(table), bool))
    checked = pair.decide(table, beat)
    assert not checked[0].any()
    assert (checked[1::2] == [0.5, 0, 0.5]).all()  # V that are not confirmed: first N, unsure
    assert (pair.leaving_out([V_CHECK]).decide(table, beat)[1::2].argmax(axis=1) == 2).all()


def test_morphology_knows_small_narrow_and_double_peaks(table: BeatTable) -> None:
    windows = table.windows.copy()
    windows[2] *= 0.1
    windows[4] = 0
    windows[4, :, 150] = 1
    windows[6] = np.random.default_rng(0).normal(0, 1, windows[6].shape)
    peaks = table.peaks.copy()
    peaks[9] = peaks[8] + 40  # 0.16 s
    changed = replace(table, windows=windows, peaks=peaks)
    certainty = np.full(len(table), 0.9)
    certainty[8] = 0.6
    found = morphology.is_beat(changed, certainty)
    np.testing.assert_array_equal(np.flatnonzero(~found), [2, 4, 6, 8])
    assert morphology.is_beat(table.take(np.zeros(0, int)), np.zeros(0)).shape == (0,)


def test_only_beats_unlike_the_usual_one_are_different() -> None:
    one = simulate(["PVC"], seed=5, duration_s=60, fs=250, leads=("II", "V1"))
    own = read_table(simulated(250, seed=5), peaks=one.r_peaks[2:-2])
    ectopic = one.annotations().beats.symbols[2:-2] == "V"
    different = morphology.is_different(own)
    assert different[ectopic].mean() > 0.9
    assert different[~ectopic].mean() < 0.1


def test_a_model_folder_comes_back_and_bad_ones_are_refused(
    table: BeatTable, tmp_path: Path
) -> None:
    pair = untrained(experiment="transfer")
    write_pair(replace(pair, origin={"seed": 7}), tmp_path)
    back = load_pair(tmp_path)
    assert (back.experiment, back.origin) == ("transfer", {"seed": 7})
    some = table.take(np.arange(8))
    np.testing.assert_array_equal(back.answers(some).v_odds, pair.answers(some).v_odds)
    description = tmp_path / "pair.json"
    told = json.loads(description.read_text())
    for change, message in (
        ({"experiment": "attention"}, "not the weights of the pair"),
        ({"experiment": "other"}, "experiment must be one of lstm, transfer, attention"),
        ({"format": 9}, "format is not that of this version"),
        ({"file": "../x.safetensors"}, "file must name a .safetensors file beside it"),
    ):
        description.write_text(json.dumps({**told, **change}))
        with pytest.raises(LeadwiseError, match=message):
            load_pair(tmp_path)
    description.write_text(json.dumps(told))
    weights_file = tmp_path / told["file"]
    weights_file.write_bytes(weights_file.read_bytes()[:-1])
    with pytest.raises(LeadwiseError, match="differs from the sha256"):
        load_pair(tmp_path)
    with pytest.raises(LeadwiseError, match=r"no pair\.json; give a folder that holter\.pair_tr"):
        load_pair(tmp_path / "none")


def test_the_command_uses_a_pair_and_shows_its_heat(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signal = simulate(["PVC"], seed=5, duration_s=60, fs=250, leads=("II", "V1")).signal
    (tmp_path / "in").mkdir()
    write_record(tmp_path / "in", "R1", signal, ("II", "V1"), 250)
    write_pair(untrained(3), tmp_path / "model")
    words = [str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--model"]
    network = [*words, str(tmp_path / "model"), "--without", "artefacts,v-check"]
    assert main(network) == 0
    stem = tmp_path / "out" / "R1"
    result = read_result(stem)
    assert result.model["without"] == "artefacts, v-check"
    for look in result.looks:
        assert look.heat is not None
        assert look.heat.label == look.label
        assert look.heat.heat.shape == look.heat.beat.shape == (2, 300)
        assert 0 <= look.heat.heat.min() <= look.heat.heat.max() <= 1
    text = Path(f"{stem}.html").read_text()
    assert "Where the network looked" in text
    assert text.count("<figure>") == 2 * len(result.looks)
    assert Path(f"{stem}.heat.svg").exists()
    assert main([*words, str(tmp_path / "model")]) == 1
    assert "was made with another model" in capsys.readouterr().err
    assert main([*network[:-1], "ventricular", "--overwrite"]) == 0
    assert all(look.heat is None for look in read_result(stem).looks)
    assert not Path(f"{stem}.heat.svg").exists()
    with pytest.raises(SystemExit):
        main([*network[:-1], "unknown"])
    assert "no step unknown; steps are artefacts, beat-check" in capsys.readouterr().err
    assert main([*words[:-1], "--without", "artefacts", "--overwrite"]) == 1
    assert "is no pair of networks and has no step artefacts" in capsys.readouterr().err
    assert main([*network, "--reviewed", str(stem) + ".atr", "--overwrite"]) == 1
    assert "cannot be adapted to reviewed beats" in capsys.readouterr().err


def test_noise_has_the_ratio_that_was_asked_for() -> None:
    """nst's: an eighth of the squared range of the QRS complexes over the variance of seconds."""
    stem = GENUINE / "106s0900"
    record = read_record(f"{stem}.hea")
    clear = in_memory(record, record.signal)
    np.testing.assert_allclose(clear.signal, record.signal, atol=1e-6)
    noise = NOISE["em"]
    noisy = with_noise(record, Path(f"{stem}.atr"), [(noise, 6.0)], first_s=2)
    added = noisy.signal - record.signal
    assert not np.abs(added[:, : 2 * 360]).max() > 0.005
    marks = read_record(f"{stem}.hea").annotations()
    assert marks is not None
    beats = [one for one in marks.beats.samples if 18 <= one < record.samples - 18]
    for lead, own in zip(record.signal, added[:, 2 * 360 :], strict=True):
        ranges = np.mean([np.ptp(lead[one - 18 : one + 19]) for one in beats])
        power = own[: len(own) // 360 * 360].reshape(-1, 360).var(axis=1).mean()
        assert 10 * np.log10(ranges**2 / 8 / power) == pytest.approx(6, abs=0.3)

    # Noise shorter than the recording repeats, each of its channels alone.
    short = with_noise(record, Path(f"{stem}.atr"), [(noise[:, :400], 6.0)], first_s=2)
    repeated = (short.signal - record.signal)[:, 2 * 360 :]
    np.testing.assert_allclose(repeated[:, :400], repeated[:, 400:800], atol=0.01)


def test_examples_are_the_marked_beats_and_what_is_no_beat() -> None:
    source = read_source(GENUINE / "208s0360", NOISE)
    v = ventricular_examples([source])
    marked = source.clean
    assert len(v.targets) == marked.table.usable[marked.classes >= 0].sum()
    assert v.targets.sum() == marked.table.usable[marked.classes == 2].sum()
    artefact = artefact_examples([source, source])
    assert set(np.unique(artefact.groups)) <= {0, 1, 2, 3, 4, 5}
    assert (artefact.targets == 0).sum() > 0
    p = weights(artefact)
    assert p.sum() == pytest.approx(1)
    assert p[artefact.targets == 0].sum() == pytest.approx(0.5)


def test_training_learns_resumes_and_writes_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examples, "SIMULATED_RECORDS", 2)
    monkeypatch.setattr(pair_training, "STEPS", 4)
    long_noise = {name: np.tile(one, 2) for name, one in NOISE.items()}
    simulated_beats = simulated_examples(long_noise)
    sources = [read_source(GENUINE / name, NOISE) for name in ("106s0900", "208s0360")]
    pair = train_experiment("attention", tmp_path / "a", sources, simulated_beats, most=64)
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert names == {f"malt-{kind}-attention.safetensors" for kind in ("artefact", "ventricular")}
    assert (tmp_path / "simulated.safetensors").exists()
    frozen = train_experiment("frozen", tmp_path / "a", sources, simulated_beats, most=64)
    before, own = frozen.artefact.state_dict(), frozen.ventricular.state_dict()
    changed = {key for key in own if not torch.equal(own[key], before[key])}
    assert changed == {"head.weight", "head.bias"}
    assert torch.equal(before["head.weight"], pair.artefact.head.weight)

    def never(*words: object) -> BeatNetwork:
        raise AssertionError("trained again")

    monkeypatch.setattr(pair_training, "train", never)
    again = train_experiment("attention", tmp_path / "a", sources, simulated_beats, most=64)
    table = sources[0].clean.table.take(np.arange(5))
    np.testing.assert_array_equal(again.answers(table).v_odds, pair.answers(table).v_odds)
    (tmp_path / "bad.safetensors").write_bytes(b"no weights")
    with pytest.raises(LeadwiseError, match="is no network of this recipe; delete it"):
        trained(tmp_path / "bad.safetensors", RECIPES["malt-artefact-lstm"], never)


def test_a_network_learns_what_can_be_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_training, "STEPS", 75)
    random = np.random.default_rng(0)
    targets = np.arange(400) % 2
    signal = random.normal(0, 0.1, (400, 300)).astype(np.float16)
    signal[:, 150] += np.where(targets, 1, -1).astype(np.float16)
    own = Examples(signal, targets, np.zeros(400, int))
    recipe = replace(RECIPES["malt-artefact-lstm"], epochs=5, batch=50)
    network = train(recipe, own, None, seed=0, most=900)
    p = predict(network, signal[:, None, 100:200].astype(np.float32))
    assert ((p[:, 1] > 0.5) == targets).mean() > 0.95


def test_bad_options_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        pair_training.main([str(tmp_path), str(tmp_path), "out", "--windows", "5"])
    with pytest.raises(SystemExit, match="em"):
        pair_training.main([str(tmp_path), str(tmp_path), str(tmp_path / "out")])
