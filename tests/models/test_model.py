"""Model: predictions, their segments, and threads that share a model."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ecg import LeadwiseError
from ecg.labels import CODES, class_name
from ecg.leads import LEAD_SETS, STANDARD, choose
from ecg.records import Record, read_record, write_record
from models import find
from models.folder import (
    FittedHead,
    ModelFolder,
    TrainedSet,
    read_model,
    write_model,
    write_weights,
)
from models.inputs import lead_messages
from models.model import Model, Prediction
from models.network import build
from models.recipe import Recipe, part
from simulate import simulate
from tests.conftest import draw_norms, small

CLASSES = {"diagnosis": CODES}
DECISION = part("thresholds", values=(0.5,) * len(CODES))
# Without a fixed length, so that each length of a record is a shape of its own.
FREE = replace(small(find("house-resnet")), post_transforms=(), stride_s=0.0)


def untrained(folder: Path, recipe: Recipe, sizes: tuple[int, ...] = (12,)) -> Path:
    """Write a model folder of untrained networks, whose norms are not the identity."""
    folder.mkdir()
    torch.manual_seed(0)
    entries = []
    for leads in (LEAD_SETS[size] for size in sizes):
        network = build(recipe, leads, CLASSES)
        draw_norms(network)
        file, sha256 = write_weights(folder, f"{len(leads)}-leads", network.state_dict())
        heads = {"diagnosis": FittedHead(DECISION, {"challenge": 0.0})}
        entries.append(TrainedSet(leads, file, sha256, 1, heads))
    write_model(ModelFolder(folder, recipe, CLASSES, tuple(entries)))
    return folder


def record_of(folder: Path, seconds: float, seed: int = 0) -> Record:
    simulated = simulate(("AF",), seed=seed, duration_s=seconds, fs=250.0)
    write_record(folder, f"R{seed}", simulated.signal, simulated.leads, simulated.fs)
    return read_record(folder / f"R{seed}.hea")


def same(one: Prediction, other: Prediction) -> bool:
    np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-6)
    for own, of_other in zip(one.segments, other.segments, strict=True):
        assert own[:2] == of_other[:2]
        np.testing.assert_allclose(own.probabilities, of_other.probabilities, atol=1e-6)
    return (one.record, one.leads, one.warnings) == (other.record, other.leads, other.warnings)


@pytest.mark.parametrize("sizes", [(12,), (12, 2)])
def test_four_threads_predict_what_one_thread_predicts(
    tmp_path: Path, sizes: tuple[int, ...]
) -> None:
    """Records of different lengths, with networks that the threads load themselves."""
    folder = untrained(tmp_path / "model", FREE, sizes)
    records = [
        record_of(tmp_path, seconds, seed)
        for seed, seconds in enumerate((3.0, 4.7, 9.1, 26.0), start=1)
    ]
    alone = Model.load(folder)
    expected = [alone.predict(record) for record in records]
    assert np.abs(expected[0].probabilities - expected[1].probabilities).max() > 1e-3
    shared = Model.load(folder)

    def repeat(record: Record) -> list[Prediction]:
        return [shared.predict(record) for _ in range(8)]

    with ThreadPoolExecutor(4) as threads:
        for predictions, prediction in zip(threads.map(repeat, records), expected, strict=True):
            assert all(same(one, prediction) for one in predictions)


def test_segments_are_the_windows_on_the_records_time_axis(tmp_path: Path) -> None:
    model = Model.load(untrained(tmp_path / "model", FREE))
    prediction = model.predict(record_of(tmp_path, 26.0))
    assert [segment[:2] for segment in prediction.segments] == [(0, 8.67), (8.67, 17.34),
                                                                (17.34, 26.0)]  # fmt: skip
    mean = np.mean([segment.probabilities for segment in prediction.segments], axis=0)
    np.testing.assert_allclose(prediction.probabilities, mean, atol=1e-9)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(6.0, [(0, 6)]), (12.0, [(1, 11)]), (20.0, [(0, 10), (4, 14), (8, 18)])],
)
def test_padding_and_cropped_samples_belong_to_no_segment(
    tmp_path: Path, seconds: float, expected: list[tuple[float, float]]
) -> None:
    """Padded to 10 s; cropped to its middle 10 s; windows of 10 s every 4 s."""
    model = Model.load(untrained(tmp_path / "model", small(find("house-resnet"))))
    prediction = model.predict(record_of(tmp_path, seconds))
    assert [segment[:2] for segment in prediction.segments] == expected


def test_a_prediction_names_its_record_leads_and_classes(tmp_path: Path) -> None:
    model = Model.load(untrained(tmp_path / "model", FREE))
    assert model.classes == CODES
    prediction = model.predict(record_of(tmp_path, 5.0, seed=7))
    assert (prediction.record, prediction.leads, prediction.classes) == ("R7", STANDARD, CODES)
    assert prediction.probabilities.dtype == np.float64
    assert prediction.labels.dtype == bool
    np.testing.assert_array_equal(prediction.labels, prediction.probabilities >= 0.5)
    assert prediction.findings == ()  # no rule is used
    assert prediction.annotations is None
    assert prediction.named() == {
        class_name(code): value for code, value in zip(CODES, prediction.probabilities, strict=True)
    }


def test_rules_change_labels_by_their_mode(tmp_path: Path) -> None:
    """A tachycardia that the network denies: its probabilities stay below the threshold of 1."""
    signal = simulate(("STach",), seed=1, duration_s=10.0, fs=250.0).signal
    write_record(tmp_path, "T", signal, STANDARD, 250.0)
    record = read_record(tmp_path / "T.hea")
    never = part("thresholds", values=(1.0,) * len(CODES))
    folder = read_model(untrained(tmp_path / "model", FREE))
    for mode, labels in {"off": 0, "veto": 0, "or": 1, "replace": 1}.items():
        head = FittedHead(never, {}, (part("tachycardia", mode=mode), part("LAD", mode="off")))
        (entry,) = folder.lead_sets
        changed = replace(folder, lead_sets=(replace(entry, heads={"diagnosis": head}),))
        prediction = Model(changed, torch.device("cpu")).predict(record)
        assert prediction.labels.sum() == labels
        assert (len(prediction.findings) > 0) == (mode != "off")


def test_a_prediction_as_json_has_all_values(tmp_path: Path) -> None:
    model = Model.load(untrained(tmp_path / "model", FREE))
    prediction = model.predict(record_of(tmp_path, 13.0))
    content = json.loads(prediction.to_json())
    assert content["record"] == "R0"
    assert tuple(content["leads"]) == STANDARD
    assert tuple(content["classes"]) == CODES
    assert content["probabilities"] == prediction.probabilities.tolist()
    assert content["labels"] == prediction.labels.astype(int).tolist()
    assert content["warnings"] == [str(message) for message in prediction.warnings]
    assert content["segments"] == [
        {"start_s": start, "end_s": end, "probabilities": values.tolist()}
        for start, end, values in prediction.segments
    ]
    assert len(content["segments"]) == 2


def test_missing_leads_are_a_warning(tmp_path: Path) -> None:
    model = Model.load(untrained(tmp_path / "model", FREE))
    simulated = simulate(("AF",), seed=0, duration_s=4.0, fs=250.0)
    write_record(tmp_path, "two", simulated.signal[:2], simulated.leads[:2], simulated.fs)
    prediction = model.predict(read_record(tmp_path / "two.hea"))
    assert prediction.leads == STANDARD
    (warning,) = [one for one in prediction.warnings if one.kind == "missing leads"]
    assert warning.text == "V1, V2, V3, V4, V5, V6 missing and not derivable; read as 0"


@pytest.mark.parametrize(
    ("leads", "kind", "text"),
    [
        (("II", "III"), "fewer leads",
         "the network reads I, II, III, aVR, aVL, aVF; it is trained for this lead set, too"),
        (("I", "II", "V2"), "fewer leads",
         "the network reads I, II, III, aVR, aVL, aVF, V2; it is trained for this lead set, too"),
        (("II",), "fewer leads", "the network reads II; it is trained for this lead set, too"),
        (("V1",), "missing leads", "I, II, III, aVR, aVL, aVF, V2, V3, V4, V5, V6 missing"),
        (("I", "II", "V1"), "missing leads", "V2, V3, V4, V5, V6 missing and not derivable"),
    ],
)  # fmt: skip
def test_a_network_of_all_lead_sets_names_what_it_reads(
    leads: tuple[str, ...], kind: str, text: str
) -> None:
    recipe = find("heartly-leadwise")
    _, missing = choose(np.ones((len(leads), 4)), leads, STANDARD)
    (message,) = lead_messages(recipe, "R", leads, STANDARD, missing)
    assert (message.record, message.kind) == ("R", kind)
    assert message.text.startswith(text)
    of_others = lead_messages(find("isibrno-leadwise"), "R", leads, STANDARD, missing)
    assert [one.kind for one in of_others] == ["missing leads"]


def test_a_record_with_all_leads_has_no_message() -> None:
    assert not list(lead_messages(find("heartly-leadwise"), "R", STANDARD, STANDARD, ()))


def test_errors_of_the_signal_are_warnings_of_the_prediction(tmp_path: Path) -> None:
    record = record_of(tmp_path, 10.0)
    path = tmp_path / "R0.hea"
    path.write_text(path.read_text().replace(" 2500\n", " 2600\n", 1))
    model = Model.load(untrained(tmp_path / "model", FREE))
    texts = [str(warning) for warning in model.predict(read_record(path)).warnings]
    assert "R0: the header states 2600 samples, the signal has 2500" in texts
    assert model.predict(record).warnings == ()


def test_weights_may_have_half_precision_and_counters_may_not(tmp_path: Path) -> None:
    folder = read_model(untrained(tmp_path / "model", FREE))
    (entry,) = folder.lead_sets
    weights = load_file(tmp_path / "model" / entry.file)
    for of_counters in (False, True):
        changed = {
            name: one.half() if of_counters or one.is_floating_point() else one
            for name, one in weights.items()
        }
        file, sha256 = write_weights(tmp_path / "model", "changed", changed)
        write_model(replace(folder, lead_sets=(replace(entry, file=file, sha256=sha256),)))
        if of_counters:
            with pytest.raises(LeadwiseError, match=r"is float16 \(\), not int64 \(\)"):
                Model.load(tmp_path / "model")
        else:
            Model.load(tmp_path / "model").predict(record_of(tmp_path, 5.0))
