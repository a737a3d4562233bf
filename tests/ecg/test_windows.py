"""Windows and chunks of a record, in several formats, and multi-segment records."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import wfdb
from scipy.io import savemat

from ecg import LeadwiseError
from ecg.annotation_files import write_annotations
from ecg.annotations import Annotations, Beats, Spans, Waves
from ecg.headers import parse_header
from ecg.records import Record, find_headers, find_records, read_record, write_record
from ecg.wfdb_signals import read_signal

FS, SAMPLES, LEADS = 360, 1003, ("MLII", "V1")
DIGITAL = np.random.default_rng(3).integers(-100, 100, size=(SAMPLES, 2))
DIGITAL[500, 1] = -2048  # format 212: without a value


def write_wfdb(
    folder: Path, name: str, digital: np.ndarray, fmt: str = "16", **fields: object
) -> None:
    settings = {
        "units": ["mV", "uV"],
        "sig_name": list(LEADS),
        "adc_gain": [200, 2],
        "baseline": [24, 0],
    }
    settings.update(fields)
    formats = [fmt] * digital.shape[1]
    wfdb.wrsamp(name, FS, d_signal=digital, fmt=formats, write_dir=str(folder), **settings)


def mat_4(folder: Path) -> Record:
    write_record(folder, "R1", DIGITAL.T / 1000, LEADS, FS)
    return read_record(folder / "R1.hea")


def mat_5(folder: Path) -> Record:
    mat_4(folder)
    savemat(folder / "R1.mat", {"val": DIGITAL.T.astype(np.int16)}, do_compression=True)
    return read_record(folder / "R1.hea")


def in_memory(folder: Path) -> Record:
    mat_4(folder)
    text = (folder / "R1.hea").read_text()
    return Record(parse_header(text, "R1"), recording=DIGITAL.T.astype(np.int16))


def by_wfdb(fmt: str) -> Callable[[Path], Record]:
    def write(folder: Path) -> Record:
        digital = DIGITAL.copy()
        if fmt in ("80", "516"):
            digital[500, 1] = -100
        write_wfdb(folder, "R1", digital, fmt)
        return read_record(folder / "R1.hea")

    write.__name__ = f"format_{fmt}"
    return write


def fixed_layout(folder: Path) -> Record:
    lines = []
    for number, (first, last) in enumerate([(0, 400), (400, 401), (401, SAMPLES)]):
        write_wfdb(folder, f"R1_{number}", DIGITAL[first:last])
        lines.append(f"R1_{number} {last - first}\n")
    (folder / "R1.hea").write_text(f"R1/3 2 {FS} {SAMPLES}\n{''.join(lines)}# Dx: 1,2\n# Age: 7\n")
    return read_record(folder / "R1.hea")


def variable_layout(folder: Path) -> Record:
    write_wfdb(folder, "R1_0001", DIGITAL[:400])
    V1 = {"units": ["mV"], "sig_name": ["V1"], "adc_gain": [50], "baseline": [7]}
    write_wfdb(folder, "R1_0002", DIGITAL[500:, 1:] * 0 + 107, **V1)
    layout = "".join(f"~ 0 200/mV 16 0 0 0 0 {lead}\n" for lead in LEADS)
    (folder / "R1_layout.hea").write_text(f"R1_layout 2 {FS} 0\n{layout}")
    lines = f"R1_layout 0\nR1_0001 400\n~ 100\nR1_0002 {SAMPLES - 500}\n"
    (folder / "R1.hea").write_text(f"R1/4 2 {FS} {SAMPLES}\n{lines}")
    return read_record(folder / "R1.hea")


KINDS = [mat_4, mat_5, in_memory, *map(by_wfdb, ("16", "212", "24", "32", "80", "516")),
         fixed_layout, variable_layout]  # fmt: skip


@pytest.mark.parametrize("write", KINDS, ids=lambda write: write.__name__)
def test_a_window_has_the_samples_of_the_whole_signal(
    write: Callable[[Path], Record], tmp_path: Path
) -> None:
    record = write(tmp_path)
    whole = record.signal
    assert record.samples == whole.shape[1] == SAMPLES
    for first, last in (
        (0, 1),
        (0, SAMPLES),
        (399, 402),
        (410, 460),
        (498, 503),
        (SAMPLES - 3, SAMPLES),
    ):
        window = record.window(first / FS, last / FS)
        assert window.samples == last - first
        np.testing.assert_array_equal(window.signal, whole[:, first:last])
        reading = window.read()
        np.testing.assert_array_equal(reading.signal, whole[:, first:last])
        assert reading.errors == ()
    window = record.window(100 / FS, 900 / FS).window(50 / FS, 9999)
    np.testing.assert_array_equal(window.signal, whole[:, 150:900])
    with pytest.raises(LeadwiseError, match=r"^R1: no sample between 3 and 4 s; it lasts 2.78"):
        record.window(3, 4)


@pytest.mark.parametrize("samples", [90, 91, 50, 49, 1, 100, 130])
def test_chunks_cover_the_record_and_overlap(samples: int) -> None:
    digital = np.arange(samples, dtype=np.int16)[None]
    header = parse_header(f"R1 1 50 {samples}\nR1.mat 16 1000/mV 16 0 0 0 0 I\n", "R1")
    record = Record(header, recording=digital)
    for overlap in (0, 10):
        chunks = list(record.chunks(1.0, overlap / 50))
        starts = [round(start_s * 50) for start_s, _ in chunks]
        assert starts == list(range(0, starts[-1] + 1, 50 - overlap))
        assert all(window.samples == 50 for _, window in chunks[:-1])
        assert starts[-1] + chunks[-1][1].samples == samples
        assert len(chunks) == 1 or starts[-1] + overlap < samples  # the last one is needed
        for start, (_, window) in zip(starts, chunks, strict=True):
            assert window.digital()[0, 0] == start
    inner = record.window(0, 0.5)
    assert [window.samples for _, window in inner.chunks(0.2)] == [10, 10, 5][
        : -(-min(samples, 25) // 10)
    ] or samples < 25
    with pytest.raises(LeadwiseError, match="^windows of 1 s cannot overlap by 1 s$"):
        next(record.chunks(1.0, 1.0))


def test_a_window_of_a_mat_file_leaves_the_rest_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = mat_4(tmp_path)
    monkeypatch.setattr("ecg.matlab.read_bytes", None)
    assert record.window(0, 1).signal.shape == (2, FS)
    with open(tmp_path / "R1.mat", "rb+") as file:
        file.truncate(1000)
    monkeypatch.undo()
    with pytest.raises(LeadwiseError, match="^R1: the .mat is cut off: 1000 of 4036 bytes; fetch"):
        record.window(0, 1)


def test_a_window_has_its_annotations(tmp_path: Path) -> None:
    record = mat_4(tmp_path)
    assert record.annotations() is None
    waves = Waves.of([(95, 100, 110, "N", ""), (300, 310, 320, "N", "V1")])
    spans = Spans([0, 0], [SAMPLES, 600], ["", "V1"])
    marks = Annotations(FS, Beats([100, 310], ["N", "V"]), waves=waves, annotated=spans)
    write_annotations(marks, tmp_path / "R1")
    assert record.annotations() == marks
    assert record.window(0.25, 1).annotations() == marks.window(90, 360)
    for start_s, chunk in record.chunks(1, 0.5):
        first = round(start_s * FS)
        assert chunk.annotations() == marks.window(first, first + chunk.samples)


def test_a_multi_segment_record_is_one_recording(tmp_path: Path) -> None:
    record = fixed_layout(tmp_path)
    assert (record.leads, record.fs, record.header.codes) == (LEADS, 360.0, ("1", "2"))
    assert (record.header.age, record.header.samples) == (7.0, SAMPLES)
    expected = (DIGITAL.T - [[24], [0]]) / [[200], [2000]]
    np.testing.assert_allclose(record.signal, expected, rtol=1e-5, atol=1e-7)
    headers, problems = find_headers(tmp_path)
    assert ([path.name for path in headers], problems) == (["R1.hea"], [])


def test_gaps_of_a_variable_layout_have_no_value(tmp_path: Path) -> None:
    signal = variable_layout(tmp_path).signal
    np.testing.assert_allclose(signal[0, :400], (DIGITAL[:400, 0] - 24) / 200, rtol=1e-5, atol=1e-7)
    assert np.isnan(signal[:, 400:500]).all()
    assert np.isnan(signal[0, 500:]).all()
    np.testing.assert_allclose(signal[1, 500:], 2.0, rtol=1e-6)
    ((record,), problems) = find_records(tmp_path)
    assert (record.name, problems) == ("R1", [])


def test_bad_multi_segment_records_are_named(tmp_path: Path) -> None:
    path = tmp_path / "u.hea"
    path.write_text("u/2 2 250 2000\nu_1 1000\nu_2 1000\n")
    text = r"^u: a multi-segment record without the header of its segment u_1, u_2 \(2 of 2 are"
    with pytest.raises(LeadwiseError, match=text):
        read_record(path)
    for name in ("u_1", "u_2"):
        write_wfdb(tmp_path, name, DIGITAL[:1000])
    path.write_text("u/3 2 360 2000\nu_1 1000\nu_2 1000\n")
    with pytest.raises(
        LeadwiseError, match="^u: line 1 of the header states 3 segments of 2 leads"
    ):
        read_record(path)
    path.write_text("u/2 2 360 2000\nu_1 1000\nu_2 1000\n")
    (tmp_path / "u_2.dat").unlink()
    with pytest.raises(LeadwiseError, match="^u_2: has a header but no signal"):
        _ = read_record(path).signal
    with pytest.raises(
        LeadwiseError, match="^u: a multi-segment record; its leads are in the head"
    ):
        parse_header("u/2 2 250 2000\nu_1 1000\nu_2 1000\n", "u")


def changed_header(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "fact"),
    [
        ("R1_0 2 360 400", "R1_0 2 360 390", "390 samples at 360 Hz"),
        ("R1_0 2 360 400", "R1_0 2 180 400", "400 samples at 180 Hz"),
        ("R1_0 2 360 400", "R1_0 2", "400 samples at 250 Hz"),  # WFDB's rate of no rate
    ],
)
def test_a_segment_that_its_record_describes_otherwise_is_an_error(
    tmp_path: Path, old: str, new: str, fact: str
) -> None:
    record = fixed_layout(tmp_path)
    changed_header(tmp_path / "R1_0.hea", old, new)
    text = f"^R1: states 400 samples at 360 Hz for its segment R1_0, whose header states {fact}"
    for use in (lambda: record.signal, record.read, lambda: record.window(0, 0.1).signal):
        with pytest.raises(LeadwiseError, match=text):
            use()


@pytest.mark.parametrize("stated", [300, 500])
def test_a_segment_is_not_cut_or_read_beyond_its_end(tmp_path: Path, stated: int) -> None:
    """With 500 the last 100 samples would be what wfdb reads beyond the end."""
    fixed_layout(tmp_path)
    changed_header(tmp_path / "R1.hea", f"360 {SAMPLES}\nR1_0 400", f"360 1103\nR1_0 {stated}")
    with pytest.raises(LeadwiseError, match="^R1: states .* whose header states 400 samples"):
        read_record(tmp_path / "R1.hea").read()


def test_checksums_of_segments_are_compared(tmp_path: Path) -> None:
    record = fixed_layout(tmp_path)
    assert record.read().errors == ()
    with open(tmp_path / "R1_2.dat", "rb+") as file:
        file.seek(100)
        file.write(b"\x01\x02\x03\x04")
    ((name, kind, text),) = record.read().errors
    assert (name, kind) == ("R1", "corrupt signal")
    assert text.startswith("segment R1_2: signal and header disagree in first value or checksum of")
    assert record.window(0, 1).read().errors == ()


def test_checksums_of_segments_with_gaps_are_compared(tmp_path: Path) -> None:
    record = variable_layout(tmp_path)
    assert record.read().errors == ()
    with open(tmp_path / "R1_0002.dat", "rb+") as file:
        file.write(b"\x7f")
    (error,) = record.read().errors
    assert error.text.startswith("segment R1_0002: signal and header disagree")


def test_a_recording_of_one_dimension_is_an_error() -> None:
    header = parse_header("R1 1 50 9\nR1.mat 16 1000/mV 16 0 0 0 0 I\n", "R1")
    record = Record(header, recording=np.zeros(9, np.int16))
    with pytest.raises(LeadwiseError, match=r"names 1 leads, the signal has the shape \(9,\)"):
        _ = record.signal


def test_a_missing_signal_is_reported(tmp_path: Path) -> None:
    write_wfdb(tmp_path, "R1", DIGITAL)
    record = read_record(tmp_path / "R1.hea")
    (tmp_path / "R1.dat").unlink()
    for window in (record, record.window(0, 1)):
        with pytest.raises(LeadwiseError, match="^R1: has a header but no signal"):
            _ = window.signal
    with pytest.raises(LeadwiseError, match="^R1: wfdb cannot read the signal"):
        read_signal(record.stem, record.name, record.header.lines)
