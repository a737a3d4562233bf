"""`delineate.py`: its files to the character, its messages and exit statuses, bad input."""

from pathlib import Path

import numpy as np
import pytest
import wfdb

import delineate
from ecg.beat_table import BEAT_COLUMNS, RECORD_COLUMNS
from ecg.records import find_records, read_record, write_record
from tests.marks_model import beats, pulses, write_marks_model

FS = 500.0


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return write_marks_model(tmp_path / "model", monkeypatch)


def write(
    folder: Path, name: str, signal: np.ndarray, leads: tuple[str, ...] = ("V1", "aVR"),
    fs: float = FS,
) -> None:  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    write_record(folder, name, np.broadcast_to(signal, (len(leads), signal.shape[-1])), leads, fs)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A has six beats of 0.8 s, B in a subfolder one P, one QRS complex and one T that is cut."""
    write(tmp_path / "data", "A", pulses(5.0, FS, *beats(4.9)))
    waves = [(0.2, 0.3, "p"), (0.36, 0.44, "V"), (2.9, 3.0, "t")]
    write(tmp_path / "data" / "sub", "B", pulses(3.0, FS, *waves), ("II",))
    return tmp_path / "data"


def run(*words: object) -> int:
    return delineate.main([str(word) for word in words])


def test_files_are_those_of_ludb_and_wfdb_reads_them(
    data: Path, model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert run(data, "--out", out, "--model", model) == 0
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.*")) == [
        "A.all", "A.avr", "A.beats.tsv", "A.v1", "intervals.tsv",
        "sub/B.all", "sub/B.beats.tsv", "sub/B.ii",
    ]  # fmt: skip
    for ending in ("v1", "avr", "all"):
        marks = wfdb.rdann(str(out / "A"), ending)
        assert marks.fs == 500
        assert marks.symbol == list("(p)(N)(t)" * 6)
        # The signal has samples 100 to 149, 180 to 219 and 280 to 359 in the first beat.
        assert np.abs(marks.sample[[0, 2, 3, 5, 6, 8]] - [100, 149, 180, 219, 280, 359]).max() <= 2
        assert all(marks.sample[0::3] <= marks.sample[1::3])
        assert all(marks.sample[1::3] <= marks.sample[2::3])
    assert wfdb.rdann(str(out / "sub" / "B"), "ii").symbol == list("(p)(N)(t")


def test_tables_have_the_intervals_and_the_reasons(data: Path, model: Path, tmp_path: Path) -> None:
    run(data, "--out", tmp_path / "out", "--model", model)
    lines = (tmp_path / "out" / "A.beats.tsv").read_text().splitlines()
    columns = lines[0].split("\t")
    assert columns == list(BEAT_COLUMNS)
    first, second, *_ = (dict(zip(columns, line.split("\t"), strict=True)) for line in lines[1:])
    assert len(lines) == 1 + 6
    expected = {"pr_ms": 160, "qrs_ms": 80, "qt_ms": 360, "rr_ms": 800,
                "qtc_fridericia_ms": 388, "qtc_bazett_ms": 402}  # fmt: skip
    for name, value in expected.items():
        assert abs(int(second[name]) - value) <= 6, name
    assert (first["rr_ms"], first["missing"], second["missing"]) == ("", "first beat", "")
    assert second["class"] == "N"
    assert 180 <= int(first["r_sample"]) < 220
    last = (tmp_path / "out" / "sub" / "B.beats.tsv").read_text().splitlines()[1].split("\t")
    row = dict(zip(columns, last, strict=True))
    assert (row["class"], row["t_offset"], row["qt_ms"]) == ("V", "", "")
    assert row["missing"] == "T cut off; first beat"

    table = (tmp_path / "out" / "intervals.tsv").read_text().splitlines()
    columns = table[0].split("\t")
    assert columns == list(RECORD_COLUMNS)
    rows = {cells[0]: dict(zip(columns, cells, strict=True))
            for cells in (line.split("\t") for line in table[1:])}  # fmt: skip
    assert list(rows) == ["A", "sub/B"]
    assert (rows["A"]["beats"], rows["A"]["class"], rows["A"]["rr_beats"]) == ("6", "N", "5")
    assert abs(int(rows["A"]["pr_ms"]) - 160) <= 4
    assert int(rows["A"]["pr_iqr_ms"]) <= 4
    assert rows["sub/B"]["missing"] == "no beat with qt, qtc_fridericia, qtc_bazett, rr"


def test_a_wave_that_is_absent_has_no_limits(model: Path, tmp_path: Path) -> None:
    waves = [wave for wave in beats(5.0) if wave[2] != "p"]
    write(tmp_path / "data", "AF", pulses(6.0, FS, *waves))
    run(tmp_path / "data" / "AF", "--out", tmp_path / "out", "--model", model)
    lines = (tmp_path / "out" / "AF.beats.tsv").read_text().splitlines()
    columns = lines[0].split("\t")
    rows = [dict(zip(columns, line.split("\t"), strict=True)) for line in lines[1:]]
    assert [row["missing"] for row in rows] == ["no P; first beat", *["no P"] * (len(rows) - 1)]
    assert {row["p_onset"] + row["p_offset"] + row["pr_ms"] for row in rows} == {""}


def test_rr_across_a_gap_is_unknown(model: Path, tmp_path: Path) -> None:
    signal = pulses(8.0, FS, *beats(7.9))
    signal[1700:2300] = np.nan
    write(tmp_path / "data", "G", signal)
    run(tmp_path / "data" / "G.hea", "--out", tmp_path / "out", "--model", model)
    lines = (tmp_path / "out" / "G.beats.tsv").read_text().splitlines()
    columns = lines[0].split("\t")
    rows = [dict(zip(columns, line.split("\t"), strict=True)) for line in lines[1:]]
    after = [row for row in rows if "gap before" in row["missing"]]
    assert [(row["rr_ms"], row["qtc_bazett_ms"]) for row in after] == [("", "")]
    assert {int(row["rr_ms"]) for row in rows[1:] if row not in after} <= {798, 800, 802}


def test_bad_records_are_named_and_skipped(
    data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(data, "short", pulses(1.0, FS))
    write(data, "flat", np.zeros(2500))
    write(data, "slow", pulses(10.0, 99.0), fs=99.0)
    write(data, "cut", pulses(10.0, FS))
    (data / "cut.mat").write_bytes((data / "cut.mat").read_bytes()[:4000])
    (data / "bad.hea").write_text("\x1b[31m nonsense\n")
    (data / "bad.mat").write_bytes(b"")
    words = (data, data / "absent", "--out", tmp_path / "out", "--model", model)
    assert run(*words) == 1
    printed = capsys.readouterr()
    assert "short failed: lasts 1 s at 500 Hz; waves are marked from 2 s and 100 Hz on" in (
        printed.err
    )
    for name in ("slow", "cut", "bad", "absent"):
        assert printed.err.count(f"{name} failed: ") == 1
    assert "5 of 8 records failed: " in printed.err
    assert "\x1b" not in printed.err
    assert "flat: V1, aVR flat or without values; no marks" in printed.err
    assert not list((tmp_path / "out").glob("short*"))
    assert wfdb.rdann(str(tmp_path / "out" / "flat"), "v1").aux_note == ["flat or without values"]
    assert len((tmp_path / "out" / "flat.beats.tsv").read_text().splitlines()) == 1
    table = (tmp_path / "out" / "intervals.tsv").read_text().splitlines()
    reasons = {line.split("\t")[0]: line.split("\t")[-1] for line in table[1:]}
    assert reasons["flat"] == "no QRS complex found"
    assert reasons["short"].startswith("lasts 1 s")
    assert {len(line.split("\t")) for line in table} == {len(RECORD_COLUMNS)}
    assert run(*words, "-f") == 0


def test_files_without_waves_leave_the_beats_of_a_record(model: Path, tmp_path: Path) -> None:
    """The note in such a file is no statement about beats, which are in another file."""
    write(tmp_path / "data", "flat", np.zeros(2500))
    run(tmp_path / "data", "--out", tmp_path / "out", "--model", model)
    write(tmp_path / "out", "flat", np.zeros(2500))
    wfdb.wrann("flat", "atr", np.array([500]), symbol=["V"], write_dir=str(tmp_path / "out"))
    marks = read_record(tmp_path / "out" / "flat.hea").annotations()
    assert marks.beats.symbols.tolist() == ["V"]


def test_marks_never_replace_files_of_the_records(
    data: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in data.rglob("*.*")}
    assert run(data, "--out", data, "--model", model) == 1
    assert run(data / "sub" / "B", "--out", data / "sub", "--model", model) == 1
    assert capsys.readouterr().err.count("choose another --out") == 2
    assert {path: path.read_bytes() for path in data.rglob("*.*")} == before


def test_names_of_leads_never_leave_the_folder(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leads = ("../../x", "ECG", "ECG", "hea", "all", "V1")
    write(tmp_path / "data", "A", pulses(5.0, FS, *beats(5.0)), leads)
    assert run(tmp_path / "data", "--out", tmp_path / "out", "--model", model) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "A.all", "A.beats.tsv", "A.ecg", "A.lead1", "A.lead3", "A.lead4", "A.lead5", "A.v1",
        "intervals.tsv",
    ]  # fmt: skip
    assert "A: ../../x, ECG, ECG, hea, all read as lead II" in capsys.readouterr().err


def test_leads_are_renamed_as_told(model: Path, tmp_path: Path) -> None:
    write(tmp_path / "data", "A", pulses(5.0, FS, *beats(5.0)), ("MLII",))
    words = (tmp_path / "data", "--out", tmp_path / "out", "--model", model)
    assert run(*words, "--rename", "MLII=II") == 0
    assert (tmp_path / "out" / "A.ii").exists()
    with pytest.raises(SystemExit, match="2"):
        run(*words, "--rename", "MLII")


def test_two_records_of_one_name_are_not_mixed(
    data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "other", "A", pulses(5.0, FS))
    words = (data / "A", tmp_path / "other", "--out", tmp_path / "out", "--model", model)
    assert run(*words) == 1
    assert f"A: two records of this name; {tmp_path / 'other' / 'A.hea'} is left out" in (
        capsys.readouterr().err
    )


def test_pictures_show_the_marks(data: Path, model: Path, tmp_path: Path) -> None:
    run(data, "--out", tmp_path / "out", "--model", model, "--plot")
    assert (tmp_path / "out" / "A.png").stat().st_size > 10_000
    assert (tmp_path / "out" / "sub" / "B.png").exists()


@pytest.mark.parametrize(("words", "text"), [
    (["{data}", "--model", "{data}/nothing"], "no such model folder"),
    (["{tmp}", "--model", "{model}"], "holds no record"),
])  # fmt: skip
def test_what_cannot_begin_ends_with_a_sentence(
    data: Path, model: Path, tmp_path: Path, words: list[str], text: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "empty").mkdir()
    places = {"data": data, "model": model, "tmp": tmp_path / "empty"}
    given = [word.format(**places) for word in words]
    assert run(*given, "--out", tmp_path / "out") == 1
    printed = capsys.readouterr().err
    assert printed.startswith("Error: ")
    assert text in printed


def test_interrupted_it_says_so(
    data: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(delineate, "write_marks", interrupt)
    assert run(data, "--out", tmp_path / "out", "--model", model) == 130
    assert "Interrupted." in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []


def test_marks_are_compared_and_read_as_annotations(
    data: Path, model: Path, tmp_path: Path
) -> None:
    """`NAME.all` is read back with a record that has no lead of its own marked."""
    run(data, "--out", tmp_path / "out", "--model", model)
    for name in ("A.hea", "A.mat"):
        (tmp_path / "out" / name).write_bytes((data / name).read_bytes())
    (record,), _ = find_records(tmp_path / "out")
    marks = record.annotations()
    assert marks.waves.leads.tolist().count("") == 18
    assert set(marks.waves.leads) == {"", "V1", "aVR"}


def test_the_rows_of_a_long_table_are_those_of_its_pieces(
    data: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(data, "--out", tmp_path / "whole", "--model", model)
    monkeypatch.setattr("ecg.beat_table.AT_ONCE", 2)
    run(data, "--out", tmp_path / "pieces", "--model", model)
    name = "A.beats.tsv"
    assert (tmp_path / "pieces" / name).read_text() == (tmp_path / "whole" / name).read_text()
