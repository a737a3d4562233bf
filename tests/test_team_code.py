"""The Challenge's three functions: training and running with good and bad input."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import team_code
from ecg import LeadwiseError
from ecg.labels import CODES
from ecg.leads import LEAD_SETS, STANDARD
from ecg.records import write_record
from ecg.rules import RULES, Finding
from models import recipes_by_name
from models.folder import read_model, write_model
from models.recipe import part, vary
from simulate import write_records
from tests.conftest import small

NSR, AF = "426783006", "164889003"


@pytest.fixture(autouse=True)
def _small_and_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.data.find", lambda _: small(recipes_by_name()["isibrno-basic"]))
    monkeypatch.setenv("LEADWISE_LEADS", "2")
    monkeypatch.setenv("LEADWISE_EPOCHS", "1")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    write_records(folder, 16, seed=2, duration_s=1.0, fs=250.0)
    return folder


def train(data: Path, model: Path) -> None:
    team_code.training_code(str(data), str(model))


def noise(samples: int = 500, leads: int = 12, scale: float = 0.3) -> np.ndarray:
    return np.random.default_rng(samples).normal(scale=scale, size=(leads, samples))


def test_bad_records_are_named_and_the_others_are_used(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (data / "SIM00001.mat").unlink()
    (data / "SIM00002.hea").write_text("not a header\n")
    (data / "SIM00003.mat").write_bytes(b"MATLAB 5.0 MAT-file, but the rest is not one")
    shutil.copy(data / "SIM00004.mat", data / "SIM00005.mat")  # another record's signal
    (data / "SIM00006.hea").unlink()
    text = (data / "SIM00007.hea").read_text()
    (data / "SIM00007.hea").write_text("\n".join(text.split("# Dx")[0].splitlines()) + "\n# Dx:\n")
    (data / "nested").mkdir()
    write_record(data / "nested", "HALF", noise(125), STANDARD, 250.0, codes=[AF])
    write_record(data / "nested", "ONE", noise(leads=1), ["II"], 1000.0, codes=[NSR])
    write_record(data / "nested", "TINY", noise(scale=3e-4), STANDARD, 100.0, codes=[NSR])
    train(data, tmp_path / "model")
    log = capsys.readouterr().err
    for name, reason in {
        "SIM00001": "has a header but no signal",
        "SIM00002": "line 1 of the header must be",
        "SIM00003": "the .mat",
        "SIM00005": "signal and header disagree",
        "SIM00006": "has a signal but no header",
        "SIM00007": "no Dx code",
    }.items():
        assert f"Left out: {name}: " in log
        assert reason in log.partition(f"{name}: ")[2].splitlines()[0], name
    assert "Note: ONE: I, III, aVR" in log
    assert "Note: TINY: the whole record stays within" in log
    problems = (tmp_path / "model" / "problems.tsv").read_text().splitlines()[1:]
    assert sorted(line.split("\t")[0] for line in problems if "\tno\t" in line) == [
        f"SIM0000{number}" for number in (1, 2, 3, 5, 6, 7)
    ]
    model = read_model(tmp_path / "model")
    assert model.training["train_records"] + model.training["validation_records"] == 16 - 6 + 3


def test_a_finished_model_is_replaced_with_a_warning(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    train(data, tmp_path / "model")
    assert "holds a finished model" not in capsys.readouterr().err
    train(data, tmp_path / "model")
    assert f"{tmp_path / 'model'}: holds a finished model" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda data: shutil.rmtree(data), "no such folder"),
        (lambda data: [path.unlink() for path in data.iterdir()], "holds no record"),
        (
            lambda data: [path.unlink() for path in data.glob("*.mat")],
            "no record can be used for training; 16 records .*: has a header but no signal",
        ),
        (
            lambda data: [path.write_bytes(b"") for path in data.glob("*.mat")],
            "no record has a usable signal; 16 records .* holds 0 bytes",
        ),
    ],
)
def test_training_fails_only_if_no_record_is_left(
    data: Path, tmp_path: Path, make: Callable[[Path], object], message: str
) -> None:
    make(data)
    with pytest.raises(LeadwiseError, match=message):
        train(data, tmp_path / "model")
    assert not (tmp_path / "model" / "model.json").exists()


def test_a_folder_without_any_scored_label_is_an_error(tmp_path: Path) -> None:
    for number in range(4):
        write_record(tmp_path, f"R{number}", noise(), STANDARD, 250.0, codes=["251238007"])
    with pytest.raises(LeadwiseError, match="none of the 4 records has one of the 26 scored"):
        train(tmp_path, tmp_path / "model")


def test_a_class_with_one_positive_trains(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for number in range(8):
        codes = [AF] if number == 3 else [NSR]
        write_record(tmp_path, f"R{number}", noise(400 + number), STANDARD, 250.0, codes=codes)
    train(tmp_path, tmp_path / "model")
    assert np.isfinite(
        read_model(tmp_path / "model").lead_sets[0].heads["diagnosis"].scores["challenge"]
    )
    assert "No positive training record:" in capsys.readouterr().err


def test_an_unwritable_model_folder_is_an_error_before_records_are_read(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "model").write_text("a file")
    with pytest.raises(LeadwiseError, match="model/state: cannot be created"):
        train(data, tmp_path / "model")
    assert capsys.readouterr().err == ""


def test_the_same_seed_gives_the_same_files_and_another_seed_others(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        monkeypatch.setenv("LEADWISE_SEED", seed)
        train(data, tmp_path / name)
    a, b, c = (read_model(tmp_path / name).lead_sets[0].sha256 for name in "abc")
    assert a == b
    assert a != c


def test_an_interrupted_training_continues_and_ends_with_the_same_weights(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    recipe = vary(small(recipes_by_name()["isibrno-basic"]), rules="learned")
    monkeypatch.setattr("training.data.find", lambda _: recipe)
    monkeypatch.setenv("LEADWISE_LEADS", "2,3")
    monkeypatch.setenv("LEADWISE_EPOCHS", "2")
    train(data, tmp_path / "uninterrupted")
    import training.loop

    evaluate, calls = training.loop._evaluate, []

    def interrupted(*arguments: object) -> None:
        calls.append(1)
        if len(calls) in (2, 5):
            raise KeyboardInterrupt
        evaluate(*arguments)

    monkeypatch.setattr(training.loop, "_evaluate", interrupted)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            train(data, tmp_path / "model")
    capsys.readouterr()
    train(data, tmp_path / "model")
    log = capsys.readouterr().err
    assert "2-leads: already trained." in log
    assert "3-leads: continues after epoch 1." in log
    assert "Using the prepared signals in" in log
    whole, resumed = (read_model(tmp_path / name) for name in ("uninterrupted", "model"))
    assert whole.lead_sets == resumed.lead_sets
    assert [rule.name for rule in whole.lead_sets[0].heads["diagnosis"].rules] == [
        name for name, rule in RULES.items() if rule.codes[0] in CODES
    ]
    assert "3-leads: rule tachycardia " in log
    assert not (tmp_path / "model" / "state").exists()


def test_other_data_start_a_new_training(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setenv("LEADWISE_EPOCHS", "2")
    with monkeypatch.context() as patch:
        patch.setattr("training.loop.log", stop)  # after the first epoch's state is written
        with pytest.raises(KeyboardInterrupt):
            train(data, tmp_path / "model")
    assert (tmp_path / "model" / "state" / "2-leads.safetensors").is_file()
    shutil.copy(data / "SIM00001.mat", data / "SIM00002.mat")
    train(data, tmp_path / "model")
    assert "continues" not in capsys.readouterr().err


def header(
    leads: tuple[str, ...], samples: int, fs: float = 500, gain: str = "1000.0(0)/mV"
) -> str:
    lines = [f"X {len(leads)} {fs:g} {samples}"]
    lines += [f"X.mat 16x1+24 {gain} 16 0 0 0 0 {lead}" for lead in leads]
    return "\n".join([*lines, "# Age: 50", "# Sex: Male", "# Dx: 426783006"]) + "\n"


UNUSUAL = {
    "half a second": (STANDARD, 250, 500, lambda signal: signal),
    "100 Hz": (STANDARD, 1000, 100, lambda signal: signal),
    "1000 Hz": (STANDARD, 10_000, 1000, lambda signal: signal),
    "one sample": (STANDARD, 1, 500, lambda signal: signal),
    "60 minutes": (("I", "II"), 3600 * 100, 100, lambda signal: signal),
    "flat": (STANDARD, 5000, 500, lambda signal: 0 * signal),
    "invalid throughout": (STANDARD, 5000, 500, lambda signal: np.full_like(signal, -32768)),
    "NaN": (STANDARD, 5000, 500, lambda signal: np.where(signal > 100, np.nan, signal)),
    "infinite": (STANDARD, 5000, 500, lambda signal: np.where(signal > 100, np.inf, signal)),
    "clipped": (STANDARD, 5000, 500, lambda signal: np.clip(signal, -50, 50)),
    "spiked": (STANDARD, 5000, 500, lambda signal: np.where(signal > 900, 32767, signal)),
    "one lead": (("V5",), 5000, 500, lambda signal: signal),
    "an unknown lead": (("X", "I", "II"), 5000, 500, lambda signal: signal),
    "one lead twice": (("I", "I", "II"), 5000, 500, lambda signal: signal),
    "a lead without a name": (("I", "", "II"), 5000, 500, lambda signal: signal),
    "other order and case": (("v2", "ii", "i"), 5000, 500, lambda signal: signal),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_records_are_answered(model_folder: Path, name: str) -> None:
    leads, samples, fs, spoil = UNUSUAL[name]
    recording = np.rint(noise(samples, len(leads)) * 1000).astype(np.int16)
    model = team_code.load_model(str(model_folder), tuple(leads))
    text = header(leads, samples, fs)
    classes, labels, probabilities = team_code.run_model(model, text, spoil(recording))
    assert len(classes) == len(labels) == len(probabilities) == 26
    assert np.isfinite(probabilities).all()
    assert set(labels) <= {0, 1}


def test_a_warning_that_many_records_share_is_printed_once(
    model_folder: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(team_code, "_printed", set())
    model = team_code.load_model(str(model_folder), ("I", "II"))
    for name in ("X1", "X2"):
        text = header(("V1", "I", "II"), 500).replace("X ", f"{name} ", 1)
        recording = np.rint(noise(500, 3) * 1000).astype(np.int16)
        recording[1, 100] = -32768
        team_code.run_model(model, text, recording)
    lines = capsys.readouterr().err.splitlines()
    assert sum("without a value" in line for line in lines) == 2, "each record's own"
    assert sum("V1 not read" in line for line in lines) == 2, "leads are named per record"


def with_rules(folder: Path, copy: Path, mode: str) -> Path:
    """Copy a model folder and give all rules this mode."""
    model = read_model(Path(shutil.copytree(folder, copy)))
    rules = tuple(part(name, mode=mode) for name in RULES)
    lead_sets = []
    for trained in model.lead_sets:
        fitted = replace(trained.heads["diagnosis"], rules=rules)
        lead_sets.append(replace(trained, heads={"diagnosis": fitted}))
    write_model(replace(model, lead_sets=tuple(lead_sets)))
    return copy


def test_unusual_records_are_answered_by_rules(model_folder: Path, tmp_path: Path) -> None:
    folder = with_rules(model_folder, tmp_path / "model", "replace")
    for name, (leads, _, _, _) in UNUSUAL.items():
        trained, _ = team_code.load_model(str(folder), tuple(leads)).network_for(leads)
        assert trained.heads["diagnosis"].rules
        test_unusual_records_are_answered(folder, name)


@pytest.mark.parametrize("answer", [True, False, None])
def test_rules_change_the_labels_after_the_decision(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bool | None
) -> None:
    """Rules get the leads of the lead set, and those derivable from them, in mV."""

    def judge(signal: np.ndarray, leads: list[str], fs: float) -> dict[str, Finding]:
        assert leads == ["I", "II", "III", "aVR", "aVL", "aVF"]
        np.testing.assert_allclose(signal[5], signal[1] - signal[0] / 2, atol=1e-6)
        assert (np.nanmax(abs(signal)), fs) == (pytest.approx(1.2, abs=0.5), 500)
        return {name: Finding(name, answer, "invented") for name in RULES}

    monkeypatch.setattr("models.rules.judge", judge)
    recording = np.rint(noise(5000, 2) * 1000).astype(np.int16)
    words = (header(("II", "III"), 5000), recording)
    folder = with_rules(model_folder, tmp_path / "model", "replace")
    network, joined = (
        team_code.run_model(team_code.load_model(str(one), ("II", "III")), *words)
        for one in (model_folder, folder)
    )
    ruled = {rule.codes[0] for rule in RULES.values()}
    expected = [
        int(answer) if code in ruled and answer is not None else label
        for code, label in zip(network[0], network[1], strict=True)
    ]
    assert list(joined[1]) == expected
    assert joined[2] == network[2]  # rules do not change probabilities


@pytest.mark.parametrize(
    ("text", "recording", "message"),
    [
        ("", np.zeros((2, 9)), "line 1 of the header must be"),
        ("X two 500 9\n", np.zeros((2, 9)), "line 1 of the header must be"),
        (header(("I", "II"), 9), np.zeros((3, 9)), "header names 2 leads, the signal has the shap"),
        (header(("I", "II"), 9), np.zeros((2, 0)), "the signal has no samples"),
        (header(("I", "II"), 9), np.zeros(9), "the signal has the shape"),
        (header(("I", "II"), 9, gain="much"), np.zeros((2, 9)), "a lead's line must be"),
        (header(("I", "II"), 9, fs=0), np.zeros((2, 9)), "no rate in Hz"),
        (header(("X", "Y"), 9), np.ones((2, 9)), "X: its leads are X, Y; the network reads I, II"),
    ],
)
def test_a_record_that_cannot_be_answered_is_named_and_empty(
    model_folder: Path,
    text: str,
    recording: np.ndarray,
    message: str,
    capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    model = team_code.load_model(str(model_folder), ("I", "II"))
    assert team_code.run_model(model, text, recording) == ((), (), ())
    assert message in capsys.readouterr().err


def test_missing_leads_are_named_once(model_folder: Path, capsys: pytest.CaptureFixture) -> None:
    team_code._printed.clear()
    model = team_code.load_model(str(model_folder), LEAD_SETS[12])
    for _ in range(3):
        recording = np.rint(noise(leads=2) * 1000).astype(np.int16)
        team_code.run_model(model, header(("I", "V3"), 500), recording)
    log = capsys.readouterr().err
    assert log.count("missing and not derivable") == 1
    assert "II, III, aVR, aVL, aVF, V1, V2, V4, V5, V6 missing" in log
