"""Icentia11k's layout, written small: where crops lie, what they are, and who learns from them."""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import wfdb

import team_code
from datasets.icentia import CLASS_OF, FIBRILLATION, NONE, NORMAL
from ecg import LeadwiseError
from ecg.labels import ICENTIA
from ecg.records import find_records, read_record
from experiments import icentia
from experiments.icentia import draw, main
from models import find
from models.folder import read_model
from models.inputs import prepare
from models.recipe import vary
from tests.conftest import small
from training.splits import read_folds

FS, SAMPLES = 250, 100 * 250
GAIN = 32767 * 6 / (0.9375 * 2820)  # units a mV; the authors' converter
TRAIN, CHOOSE = (0, 1), (10_000,)
# Rhythms of a patient's segments, as (note, first and last beat); beats come each 200 samples.
SEGMENTS = (
    (("(N", 0, 124),),
    (("(N", 0, 90), ("(AFIB", 91, 124)),
    (("(AFL", 0, 124),),
    (),
)


def write_segment(folder: Path, name: str, digital: np.ndarray, rhythms: tuple) -> None:
    """Write a segment as PhysioNet's version 1.0 has it."""
    folder.mkdir(parents=True, exist_ok=True)
    wfdb.wrsamp(
        name, FS, ["mV"], ["ecg"], d_signal=digital[:, None], fmt=["16"], adc_gain=[GAIN],
        baseline=[0], write_dir=str(folder),
    )  # fmt: skip
    beats = np.arange(100, len(digital), 200)
    marks = [(beat, "N", "") for beat in beats]
    for note, first, last in rhythms:
        marks += [(beats[first], "+", note), (beats[last], "+", ")")]
    places, symbols, notes = zip(*sorted(marks), strict=True)
    if rhythms:
        wfdb.wrann(
            name, "atr", np.array(places), symbol=np.array(symbols), aux_note=list(notes), fs=FS,
            write_dir=str(folder),
        )  # fmt: skip


def place(folder: Path, patient: int) -> Path:
    return folder / f"p{patient // 1000:02d}" / f"p{patient:05d}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three patients, one for validation, of four segments of 100 s, 300 mV off the zero."""
    made = tmp_path_factory.mktemp("icentia11k")
    generator = np.random.default_rng(0)
    for patient in (*TRAIN, *CHOOSE):
        for number, rhythms in enumerate(SEGMENTS):
            digital = 22_000 + generator.integers(-200, 200, SAMPLES)
            name = f"p{patient:05d}_s{number:02d}"
            write_segment(place(made, patient), name, digital, rhythms)
    return made


@pytest.fixture(scope="module")
def drawn(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "crops"
    main([str(folder), str(out), "--crops", "3"])
    return out


def table(out: Path) -> list[Mapping[str, str]]:
    rows = []
    for path in sorted(out.glob(f"p*/p*/{icentia.TABLE}")):
        with open(path, newline="") as file:
            rows += list(csv.DictReader(file, delimiter="\t"))
    return rows


def test_crops_last_30_to_60_s_and_the_network_reads_all_of_them() -> None:
    """Fault 9: there they had 12,960 to 25,918 samples at 300 Hz, of which 18,000 were read."""
    crops = list(draw(1_048_577, 250.0, 4000, np.random.default_rng(0)))
    lengths = np.array([offset - onset for onset, offset in crops])
    assert 7500 <= lengths.min() < 7520
    assert 14_980 < lengths.max() <= 15_000
    assert abs(lengths.mean() - 11_250) < 5 * 2165 / np.sqrt(4000)  # of 7,501 equally likely ones
    assert min(onset for onset, _ in crops) < 2000
    assert 1_048_577 - 2000 < max(offset for _, offset in crops) <= 1_048_577
    for name in ("dualnet-icentia", "dualnet-pp-icentia"):
        recipe = find(name)
        for samples, read in ((7500, 9000), (15_000, 18_000)):
            signal = np.random.default_rng(1).normal(size=(1, samples)).astype(np.float32)
            length = prepare(recipe, signal, ("ECG",), ("ECG",), 250.0).signal.shape[1]
            assert length == read <= recipe.max_samples


def test_crops_lie_elsewhere_in_each_segment_of_each_patient(drawn: Path) -> None:
    """Fault 10: there they lay at the same places in all patients."""
    places = {(row["onset"], row["offset"]) for row in table(drawn)}
    assert len(table(drawn)) == len(places) == 3 * 4 * 3


def test_the_seed_moves_what_is_learned_from_and_nothing_else(
    folder: Path, drawn: Path, tmp_path: Path
) -> None:
    """Fault 10: there every epoch and every run drew the same places in the training part too."""
    main([str(folder), str(tmp_path / "other"), "--crops", "3", "--seed", "1"])
    before, after = table(drawn), table(tmp_path / "other")
    same = [one == other for one, other in zip(before, after, strict=True)]
    assert same == [row["segment"].startswith("p10") for row in before]
    main([str(folder), str(tmp_path / "again"), "--crops", "2"])
    first_two = [row for row in before if not row["record"].endswith("_c2")]
    assert table(tmp_path / "again") == first_two


def expected(rhythms: tuple, onset: int, offset: int) -> str:
    """The class by walking the samples; here only a crop's edges can lie outside all rhythms."""
    codes = set()
    for note, first, last in rhythms:
        if any(onset <= at < offset for at in range(100 + 200 * first, 101 + 200 * last)):
            codes.add(CLASS_OF[note[1:]])
    return max(codes, key=ICENTIA.index, default=NONE)


def test_records_are_crops_of_their_segments_with_the_class_of_what_is_in_them(
    folder: Path, drawn: Path
) -> None:
    records, problems = find_records(drawn)
    assert problems == []
    rows = {row["record"]: row for row in table(drawn)}
    assert set(rows) == {record.name for record in records}
    for record in records:
        row = rows[record.name]
        onset, offset = int(row["onset"]), int(row["offset"])
        assert record.header.codes == (row["code"],)
        number = int(row["segment"][-2:])
        assert row["code"] == expected(SEGMENTS[number], onset, offset)
        assert (record.leads, record.fs) == (("ECG",), FS)
        patient = place(folder, int(row["segment"][1:6]))
        whole = read_record(patient / f"{row['segment']}.hea").signal[:, onset:offset]
        np.testing.assert_allclose(record.signal, whole - np.median(whole), atol=0.00055)
    assert {row["code"] for row in rows.values()} == set(ICENTIA)
    of_one_segment = {row["code"] for row in rows.values() if row["segment"].endswith("_s01")}
    assert of_one_segment == {NORMAL, FIBRILLATION}


def test_patients_are_in_folds(drawn: Path) -> None:
    folds = read_folds(drawn)
    assert len(folds) == 3 * 4 * 3
    for record, (fold, patient) in folds.items():
        assert patient == record[:6]
        assert fold == ("1" if patient == "p10000" else "0")


def test_what_cannot_be_used_is_said_and_the_rest_is_drawn(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    normal = (("(N", 0, 49),)
    noise = np.random.default_rng(0).integers(-200, 200, 10_000)
    here = place(data, 7)
    write_segment(here, "p00007_s00", np.full(10_000, 12), normal)
    write_segment(here, "p00007_s01", noise[:7000], (("(N", 0, 20),))
    write_segment(here, "p00007_s02", noise, (("(VT", 0, 30),))
    write_segment(here, "p00007_s03", noise, normal)
    write_segment(here, "p00007_s04", noise, ())  # without .atr, as some published ones
    write_segment(here, "p00007_s05", noise, normal)
    (here / "p00007_s05.dat").write_bytes(b"\0")
    write_segment(place(data, 8), "p00008_s00", noise, ())
    main([str(data), str(out), "--crops", "1", "--patients", "7:10"])
    said = capsys.readouterr()
    for text in (
        "Note: 1 of 3 patients are missing.",
        "Left out: p00007_s00: all leads are flat",
        "Left out: p00007_s01: lasts 28.0 s, but a crop at least 30 s",
        f"Left out: p00007_s02: {here / 'p00007_s02'}.atr: unknown rhythm 'VT' at sample 100",
        "Left out: p00007_s05: p00007_s05.dat is cut off: it holds 0 of 10000 samples",
        "Left out: p00008: no .hea file or no .atr file; download the folder again",
    ):
        assert text in said.err
    assert said.out.splitlines() == [
        "fold 0, training: 1 ~, 1 NSR, 0 AF, 0 AFL",
        "fold 1, validation: 0 ~, 0 NSR, 0 AF, 0 AFL",
    ]
    assert [row["segment"] for row in table(out)] == ["p00007_s03", "p00007_s04"]
    problems = (place(out, 7) / "problems.tsv").read_text()
    assert "p00007_s04\tyes\tno beats marked" in problems
    write_segment(place(data, 8), "p00008_s00", noise, normal)  # fetched again
    main([str(data), str(out), "--crops", "1", "--patients", "7:10"])
    assert len(read_folds(out)) == 3


def test_an_interrupted_drawing_goes_on_and_ends_as_an_undisturbed_one(
    folder: Path, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(Exception):
        """In place of a kill."""

    written: list[str] = []
    write = icentia.write_record

    def stop(to: Path, name: str, *rest: object, **more: object) -> None:
        if name == "p00001_s02_c1":
            raise Interrupted
        written.append(name)
        write(to, name, *rest, **more)

    words = [str(folder), str(tmp_path), "--crops", "3"]
    with monkeypatch.context() as patch:
        patch.setattr(icentia, "write_record", stop)
        with pytest.raises(Interrupted):
            main(words)
        assert not (tmp_path / "folds.tsv").exists()
        assert len(find_records(tmp_path)[0]) == 12  # nothing of the patient that is half drawn
        patch.setattr(icentia, "write_record", lambda to, name, *rest, **more: (
            written.append(name), write(to, name, *rest, **more)
        ))  # fmt: skip
        written.clear()
        main(words)
        assert not any(name.startswith("p00000") for name in written)
    for path in drawn.rglob("*"):
        if path.is_file():
            assert (tmp_path / path.relative_to(drawn)).read_bytes() == path.read_bytes(), path
    assert not list(tmp_path.glob("p*/.*"))


def test_wrong_calls_are_answered(
    folder: Path, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit, match="p00/p00002, ….*Icentia11k's WFDB release?"):
        main([str(folder), str(tmp_path), "--patients", "2:4"])
    with pytest.raises(SystemExit, match="holds 3 crops a segment, seed 0, not 1 crops a segment"):
        main([str(folder), str(drawn), "--crops", "1"])
    for option, value, said in (
        ("--patients", "9:3", "'9:3' is not FIRST:LAST with numbers from 0 to 11000"),
        ("--patients", "0:11001", "'0:11001' is not FIRST:LAST"),
        ("--patients", "all", "'all' is not FIRST:LAST"),
        ("--crops", "0", "--crops must be at least 1"),
    ):
        with pytest.raises(SystemExit):
            main([str(folder), str(tmp_path), option, value])
        assert said in capsys.readouterr().err


def test_a_network_learns_from_the_crops_and_another_begins_with_it(
    drawn: Path, folder_2017: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    before, after = (
        vary(small(find("dualnet-s")), epochs=1, **changes)
        for changes in (
            {"loss": find("dualnet-icentia").head.loss, "augment": (), "classes": "icentia",
             "metric": "accuracy"}, {},
        )
    )  # fmt: skip
    monkeypatch.setattr("training.data.find", lambda name: {"b": before, "a": after}[name])
    monkeypatch.setattr("training.run.plot_training", lambda *_: None)  # the picture takes longest
    monkeypatch.setenv("LEADWISE_RECIPE", "b")
    monkeypatch.setenv("LEADWISE_VALIDATION", "1")
    team_code.training_code(str(drawn), str(tmp_path / "icentia"))
    model = read_model(tmp_path / "icentia")
    assert model.classes == {"diagnosis": ICENTIA}
    assert (model.training["train_records"], model.training["validation_records"]) == (24, 12)
    monkeypatch.setenv("LEADWISE_RECIPE", "a")
    monkeypatch.delenv("LEADWISE_VALIDATION")
    monkeypatch.setenv("LEADWISE_INIT_FROM", str(tmp_path / "icentia"))
    capsys.readouterr()
    team_code.training_code(str(folder_2017), str(tmp_path / "2017"))
    assert "1-leads: initialised with 104 of the 106 tensors of" in capsys.readouterr().err
    (trained,) = model.lead_sets
    assert read_model(tmp_path / "2017").training["init_from"] == {
        "model": str(tmp_path / "icentia"), "1-leads": trained.sha256
    }  # fmt: skip


def test_another_database_is_refused(drawn: Path, tmp_path: Path) -> None:
    with pytest.raises(LeadwiseError, match="is it Icentia11k's WFDB release"):
        icentia.draw_all(tmp_path, tmp_path / "out", [range(1)], 1, 0, 1)
