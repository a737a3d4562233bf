"""Transfer from folders to the page, on simulated records; its figures by hand."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from docs.generate import README
from ecg import LeadwiseError
from ecg.labels import CODES, class_name
from ecg.leads import LEAD_SETS, STANDARD
from ecg.records import find_records, read_record
from experiments import __main__ as command
from experiments import transfer
from experiments.transfer import (
    UNSEEN,
    Predictions,
    class_rows,
    data_row,
    labelled_as,
    load_networks,
    measure,
    predict_all,
    read_samples,
    report,
    shown,
)
from models import find
from models.folder import FittedHead, TrainedSet
from models.model import Model
from models.recipe import part
from simulate import simulate

SHIPPED = README.parent / "weights" / "isibrno2020"


@pytest.fixture
def samples(simulated_folder: Path, tmp_path: Path) -> Path:
    """Simulated records as samples: one of PTB-XL, one without label, one twice, one wrong gain."""
    folder = tmp_path / "samples"
    shutil.copytree(simulated_folder, folder)
    for path in folder.iterdir():
        path.chmod(0o644)
    first, second, third, fourth = sorted(folder.glob("*.hea"))[:4]
    for old, new in ((first, "HR00001"), (fourth, "E07510")):
        for ending in (".hea", ".mat"):
            shutil.copy(old.with_suffix(ending), folder / (new + ending))
        text = (folder / f"{new}.hea").read_text()
        (folder / f"{new}.hea").write_text(text.replace(old.stem, new))
    lines = [line for line in second.read_text().splitlines() if "Dx" not in line]
    second.write_text("\n".join([*lines, "#Dx: "]) + "\n")
    third.write_text(third.read_text().replace("1000.0(0)/mV", "4880/mV"))
    return folder


@pytest.fixture
def ludb(tmp_path: Path) -> Path:
    """Eight simulated records with LUDB's words, in format 16."""
    folder = tmp_path / "ludb"
    folder.mkdir()
    rhythms = {"SB": "Sinus bradycardia", "NSR": "Sinus rhythm"}
    for number in range(8):
        name = ("SB", "NSR")[number % 2]
        signal = simulate([name], seed=number, duration_s=3.0).signal
        (1000 * signal).round().T.astype("<i2").tofile(folder / f"{number}.dat")
        lines = [f"{number} 12 500 {signal.shape[1]}"]
        lines += [f"{number}.dat 16 77/mV 0 0 0 0 0 {lead.lower()}" for lead in STANDARD]
        lines += ["#<diagnoses>:", f"#Rhythm: {rhythms[name]}."]
        (folder / f"{number}.hea").write_text("\n".join(lines) + "\n")
    return folder


def test_samples_are_others_labelled_once_and_in_mv(samples: Path) -> None:
    data = read_samples(samples)
    assert data.left_out == "1 of PTB-XL, 1 without label, 1 that repeat a signal"
    assert len(data.records) == 47 == len(data.labels)
    wrong = sorted(samples.glob("SIM*.hea"))[2]
    (right,) = (one for one in data.records if one.name == wrong.stem)
    np.testing.assert_allclose(right.signal, 4.88 * read_record(wrong).signal, rtol=1e-5)
    others = [one for one in data.records if one is not right]
    np.testing.assert_array_equal(others[5].signal, read_record(others[5].stem + ".hea").signal)


def test_requests_that_show_the_same_leads_to_a_network_are_one(model_folder: Path) -> None:
    assert [one.sizes for one in load_networks(SHIPPED)] == [(12,), (6, 4, 3, 2)]
    assert [one.sizes for one in load_networks(model_folder)] == [(size,) for size in LEAD_SETS]


def test_a_model_of_other_classes_is_refused(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Model, "classes", CODES[:3])
    with pytest.raises(LeadwiseError, match="its classes are not the Challenge's 26"):
        load_networks(model_folder)


def test_a_network_does_not_see_leads_that_were_not_asked_for(
    simulated_folder: Path, model_folder: Path
) -> None:
    """Twelve leads' network asked with two: precordial leads change nothing, limb leads do."""
    record = find_records(simulated_folder)[0][0]
    digital = record.digital()
    chest, arms = digital.copy(), digital.copy()
    chest[6:], arms[0] = chest[6:] // 2, arms[0] // 2
    records = [replace(record, recording=one) for one in (digital, chest, arms)]
    model = Model.load(model_folder, STANDARD)
    network = transfer.LoadedNetwork(model, model.network_for(STANDARD)[0], (2,))
    plain, other, moved = predict_all(network, labelled_as("x", records)).probabilities
    assert (plain == other).all()
    assert (plain != moved).any()
    assert shown(record, LEAD_SETS[3]).leads == ("I", "II", "V2")
    np.testing.assert_array_equal(
        shown(record, LEAD_SETS[3]).signal, record.signal[[0, 1, STANDARD.index("V2")]]
    )


def test_the_measures_of_a_table_by_hand() -> None:
    labels = np.array([[1, 0], [1, 0], [0, 1], [0, 0]], bool)
    probabilities = np.array([[0.9, 0.1], [0.4, 0.3], [0.6, 0.9], [0.1, 0.2]])
    outputs = probabilities >= 0.5
    joined = outputs.copy()
    joined[1, 0] = True  # a rule finds the second one
    most = Predictions(labels.astype(float), labels, labels)
    values = measure(labels, Predictions(probabilities, outputs, joined), most)
    np.testing.assert_allclose(values[0], [0.5, 1, 0.75])  # 1 right, 1 wrong, 1 missed
    np.testing.assert_allclose(values[1], [0.3, 0, 0.15])  # 2 right, 1 wrong: 0.8
    np.testing.assert_allclose(values[2], [0.75, 1, 0.875])  # 3 of 4 pairs in order
    np.testing.assert_allclose(values[3], [-0.25, 0, -0.125])
    times = np.array([[1, 1, 1, 1], [1, 1, 0, 1]])
    twice = measure(labels, Predictions(probabilities, outputs, joined), most, times)
    np.testing.assert_allclose(twice[0], values)
    assert twice[1, 2, 0] == 1  # without the third record all pairs are in order


@pytest.fixture
def made_up() -> transfer.Labelled:
    """Forty records without signals: sixteen SB, seven AF, sixteen PVC."""
    code = {class_name(one): one for one in CODES}
    codes = [[code["SB"], code["PVC"]]] * 16 + [[code["AF"]]] * 7 + [[code["NSR"]]] * 17
    headers = [SimpleNamespace(codes=own) for own in codes]
    return labelled_as("made up", [SimpleNamespace(header=header) for header in headers])


def test_classes_too_rare_or_never_seen_are_said_not_reported(made_up) -> None:
    assert [class_name(CODES[column]) for column in made_up.reported] == ["NSR", "SB"]
    assert data_row(made_up) == "made up | none | 40 | AF 7 | PVC 16"
    assert [class_name(code) for code in UNSEEN] == ["BBB", "Brady", "PRWP", "PVC"]


def test_rows_have_intervals_changes_and_the_figures_at_home(made_up) -> None:
    labels = made_up.labels
    rng = np.random.default_rng(1)
    good = Predictions(labels.astype(float), labels, labels.copy())
    sb = [class_name(code) for code in CODES].index("SB")
    good.with_rules[:8, sb] = False  # a veto takes half of the bradycardias
    bad = Predictions(rng.random(labels.shape), labels, labels)
    rules = (part("sinus bradycardia", mode="veto"),)
    head = find("isibrno-basic").head
    fitted = FittedHead(part("highest"), {}, rules)
    trained = TrainedSet(("I", "II"), "", "", 1, {head.name: fitted})
    model = SimpleNamespace(recipe=find("isibrno-basic"))
    network = transfer.LoadedNetwork(model, trained, (6, 2))
    home = np.array([[0.5] * 3, [0.25] * 3, [0.9] * 3, [0.0] * 3])
    nsr, row, mean = (line.split(" | ") for line in class_rows(made_up, network, good, None, home))
    assert row[:3] == ["6, 2 (network of 2)", "SB", "16"]
    assert row[3] == "1.000 (1.000 to 1.000)"
    change, low, high = (float(word.strip("(),")) for word in row[4].split()[1:] if word != "to")
    assert row[4].startswith("0.667, ")
    assert change == pytest.approx(-0.333)
    assert low < change < high < 0
    assert row[5:] == ["1.000 (1.000 to 1.000)", "–", "0.500 / 0.750 / 0.900"]
    assert nsr[4] == "–"
    assert nsr[-1] == "0.500 / – / 0.900"  # no rule speaks of it
    assert mean[1:3] == ["**mean**", ""]
    assert mean[4].startswith("0.833, -0.167 (")
    *_, less = (line.split(" | ") for line in class_rows(made_up, network, bad, good, None))
    assert -0.8 < float(less[6].split()[0]) < -0.2
    assert less[7] == "–"
    assert list(class_rows(made_up, network, bad, good, None))[-1].split(" | ") == less  # seeded


def test_the_command_fills_the_page(
    samples: Path, ludb: Path, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "results.md"
    marks = [f"<!-- transfer-{name} -->\n<!-- /transfer-{name} -->" for name in
             ("data", "samples", "ludb")]  # fmt: skip
    page.write_text("before\n" + "\n".join(marks) + "\nafter\n")
    monkeypatch.setattr(transfer, "ENOUGH", 4)
    monkeypatch.setattr(transfer, "RESAMPLES", 20)
    lines = list(report(samples, ludb, [model_folder], ptbxl=samples, page=page))
    text = page.read_text()
    assert set(lines) <= set(text.splitlines()) | {""}
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    of_ludb = text.split("<!-- transfer-ludb -->")[1].splitlines()[3:-2]
    assert len(of_ludb) == 5 * 3  # lead sets; NSR, SB, mean
    assert all(row.count(" | ") == transfer.HEAD.count(" | ") for row in of_ludb)
    assert of_ludb[0].startswith(f"| {model_folder.name} | 12 (network of 12) | NSR | 4 | ")
    assert of_ludb[-1].startswith(f"| {model_folder.name} | 2 (network of 2) | **mean** |")
    assert "| samples | 1 of PTB-XL, 1 without label, 1 that repeat a signal | 47 | " in text


def test_what_is_wrong_is_said_without_a_traceback(
    samples: Path, ludb: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["experiments", "transfer", str(samples), str(ludb), str(tmp_path / "nothing")]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit, match="^Error: .*nothing"):
        command.main()
    monkeypatch.setattr("sys.argv", [*words[:3], str(samples), str(SHIPPED)])
    with pytest.raises(SystemExit, match="is this LUDB's folder"):
        command.main()
