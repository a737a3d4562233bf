"""Records against wfdb, written and read back, damaged and incomplete."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.io import loadmat, savemat

from ecg import LeadwiseError
from ecg.checks import signal_warnings
from ecg.headers import Message, parse_header
from ecg.leads import STANDARD
from ecg.matlab import write_mat
from ecg.records import (
    Record,
    find_headers,
    find_records,
    read_record,
    record_of,
    summarise,
    write_record,
)

SAMPLES = Path(__file__).parent.parent / "data" / "challenge-samples"
HEADERS = sorted(SAMPLES.glob("*.hea"))
# mV; the limb leads as I and II determine them.
WAVE = (
    np.sin(np.arange(500) / 7)[None]
    * np.array([[0.4, 1.6, 1.2, -1.0, -0.4, 1.4, *np.linspace(1, 1.5, 6)]]).T
)


def written_record(
    folder: Path, signal: np.ndarray = WAVE, leads: tuple[str, ...] = STANDARD
) -> Record:
    write_record(folder, "R1", signal, leads, 500)
    return read_record(folder / "R1.hea")


def edited(folder: Path, old: str, new: str) -> Record:
    """Record R1 with another header."""
    path = folder / "R1.hea"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return read_record(path)


def sentences(warnings: tuple[Message, ...]) -> list[str]:
    return [str(warning) for warning in warnings]


@pytest.mark.parametrize("path", HEADERS, ids=lambda path: path.stem)
def test_genuine_signals_as_wfdb_reads_them(path: Path, tmp_path: Path) -> None:
    record = read_record(path)
    for ending in (".hea", ".mat"):
        shutil.copy(path.with_suffix(ending), tmp_path)
    # wfdb refuses the name in line 1 of Georgia's first dialect.
    copy = tmp_path / path.name
    copy.write_text(copy.read_text().replace(f"{path.stem}.mat 12", f"{path.stem} 12"))
    expected = wfdb.rdrecord(str(copy.with_suffix("")))
    assert (record.signal.dtype, record.signal.shape) == (np.float32, (12, 5000))
    examined = record.read().signal  # the same, row by row in memory
    assert examined.flags.c_contiguous
    np.testing.assert_array_equal(examined, record.signal)
    # One rounding of the sample, one of the product: 2 parts in 2²⁴.
    np.testing.assert_allclose(record.signal, expected.p_signal.T, rtol=2.0**-23, atol=0)
    assert record.fs == expected.fs


@pytest.mark.parametrize("path", HEADERS, ids=lambda path: path.stem)
def test_genuine_records_have_no_errors(path: Path) -> None:
    reading = read_record(path).read()
    assert reading.errors == ()
    flat = {"JS20004": ["JS20004: V2, V4, V6 flat"]}
    assert sentences(reading.warnings) == flat.get(path.stem, [])


ALIKE = {"elements": st.integers(-32767, 32767), "dtype": np.int16}


@given(
    st.permutations([*STANDARD, "MLII"]).flatmap(
        lambda names: st.integers(1, 13).flatmap(
            lambda rows: st.tuples(
                st.just(tuple(names[:rows])),
                st.integers(1, 40).flatmap(lambda length: arrays(shape=(rows, length), **ALIKE)),
            )
        )
    ),
    st.sampled_from([100.0, 257.0, 500.0, 1000.0]),
    st.one_of(st.just(float("nan")), st.integers(0, 100).map(float)),
    st.sampled_from(["female", "male", "Unknown"]),
)
@settings(max_examples=50)
def test_a_written_record_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    leads_and_digital: tuple[tuple[str, ...], np.ndarray],
    fs: float,
    age: float,
    sex: str,
) -> None:
    leads, digital = leads_and_digital
    folder = tmp_path_factory.mktemp("record")
    codes, comments = ("426783006", "1"), ("a comment: with a colon",)
    write_record(
        folder, "R1", digital / 1000, leads, fs, age=age, sex=sex, codes=codes, comments=comments
    )
    record = read_record(folder / "R1.hea")
    assert (record.name, record.leads, record.fs) == ("R1", leads, fs)
    assert (record.header.samples, record.header.codes) == (digital.shape[1], codes)
    np.testing.assert_equal(record.header.age, age)
    assert record.header.sex == sex.casefold()
    np.testing.assert_array_equal(record.signal, digital.astype(np.float32) * np.float32(0.001))
    assert record.read().errors == ()
    in_memory = Record(parse_header((folder / "R1.hea").read_text(), "R1"), recording=digital)
    np.testing.assert_array_equal(in_memory.signal, record.signal)


@pytest.mark.parametrize(
    ("seconds", "fs"), [(0.5, 500), (0.5, 100), (10, 1000), (3600, 100), (0.002, 500)]
)
def test_any_length_and_rate(seconds: float, fs: int, tmp_path: Path) -> None:
    samples = round(seconds * fs)
    signal = np.random.default_rng(2).normal(size=(2, samples)).round(3)
    write_record(tmp_path, "R1", signal, ("I", "II"), fs)
    record = read_record(tmp_path / "R1.hea")
    assert (record.fs, record.header.samples) == (fs, samples)
    # Half a unit of the last place written, and float32.
    np.testing.assert_allclose(record.signal, signal, atol=1e-6)
    assert record.read().errors == ()


def test_beyond_16_bits_is_clipped_when_written(tmp_path: Path) -> None:
    signal = np.array([[40.0, -40.0, 0.0004, -0.0006]])
    written = written_record(tmp_path, signal, ("I",)).signal
    np.testing.assert_allclose(written, [[32.767, -32.767, 0, -0.001]], rtol=1e-6)


def test_samples_without_value(tmp_path: Path) -> None:
    signal = WAVE.copy()
    signal[1, 3:5] = np.nan
    record = written_record(tmp_path, signal)
    assert loadmat(tmp_path / "R1.mat")["val"][1, 3] == -32768
    np.testing.assert_array_equal(np.argwhere(np.isnan(record.signal)), [[1, 3], [1, 4]])
    reading = record.read()
    assert reading.errors == ()
    assert sentences(reading.warnings) == [
        "R1: 2 samples without a value (NaN, infinite or −32768) in II; read as 0 mV"
    ]
    assert not np.isnan(edited(tmp_path, "(0)/mV", "(-32768)/mV").signal[0]).any()


@pytest.mark.parametrize(
    ("gain", "factor", "offset"),
    [
        ("1000.0(0)/uV", 0.001, 0),
        ("1000.0(250)/mV", 1, -0.25),
        ("500/mV", 2, 0),
        ("0/mV", 5, 0),
        ("1000.0(-500)/uV", 0.001, 0.0005),
    ],
)
def test_units_gains_and_baselines(gain: str, factor: float, offset: float, tmp_path: Path) -> None:
    plain = written_record(tmp_path).signal.astype(float)
    signal = edited(tmp_path, "1000.0(0)/mV", gain).signal
    # float32, and the subtraction of a baseline that is as large as the signal
    np.testing.assert_allclose(signal, plain * factor + offset, rtol=1e-5, atol=2e-7)


def test_flat_clipped_and_absurd_signals_give_warnings(tmp_path: Path) -> None:
    signal = WAVE.copy()
    signal[6:8] = 0
    signal[2] = np.clip(signal[2], -0.9, 0.9)
    assert sentences(written_record(tmp_path, signal).read().warnings) == [
        "R1: V1, V2 flat",
        "R1: III clipped",
    ]
    assert sentences(written_record(tmp_path, WAVE * 0).read().warnings) == [
        "R1: all leads are flat"
    ]
    written_record(tmp_path)
    # The superseded releases of PTB (S0001) and of PTB-XL, see official/README, section 4.
    half_a_microvolt = edited(tmp_path, "1000.0(0)/mV", "2000000/mV").read()
    assert sentences(half_a_microvolt.warnings) == [
        "R1: the whole record stays within 1.6 µV; is the gain in the header right?"
    ]
    assert half_a_microvolt.errors == ()
    volts = edited(tmp_path, "2000000/mV", "0.4/mV").read()
    assert sentences(volts.warnings) == [
        "R1: the leads range over 6000 mV; is the gain in the header right?"
    ]


def test_swapped_leads_are_detected_by_checksum(tmp_path: Path) -> None:
    record = written_record(tmp_path)
    rows = record.digital().copy()
    rows[[0, 4]] = rows[[4, 0]]
    write_mat(tmp_path / "R1.mat", rows)
    assert sentences(read_record(tmp_path / "R1.hea").read().errors) == [
        "R1: rows are swapped: first values and checksums of I, aVL fit other rows"
    ]


def test_a_changed_sample_is_detected_by_checksum(tmp_path: Path) -> None:
    rows = written_record(tmp_path).digital().copy()
    rows[7, 100] += 1
    write_mat(tmp_path / "R1.mat", rows)
    (error,) = read_record(tmp_path / "R1.hea").read().errors
    assert str(error) == (
        "R1: signal and header disagree in first value or checksum of V2; fetch it again"
    )
    assert error.kind == "corrupt signal"
    # Missing values are not compared: tools that reduce records write zeros, or nothing.
    lines = (tmp_path / "R1.hea").read_text().splitlines()
    for ending in (" 16 0 0 0 0 {}", " 16 0"):
        unstated = [f"R1.mat 16+24 1000/mV{ending.format(lead)}" for lead in STANDARD]
        (tmp_path / "R1.hea").write_text("\n".join([lines[0], *unstated]))
        assert read_record(tmp_path / "R1.hea").read().errors == ()


def test_counts_that_disagree(tmp_path: Path) -> None:
    written_record(tmp_path)
    longer = edited(tmp_path, "500 500\n", "500 600\n")
    assert sentences(longer.read().errors) == [
        "R1: the header states 600 samples, the signal has 500"
    ]
    assert longer.signal.shape == (12, 500)
    shorter = edited(tmp_path, "500 600\n", "500 400\n")
    assert sentences(shorter.read().errors) == [
        "R1: the header states 400 samples, the signal has 500"
    ]
    write_mat(tmp_path / "R1.mat", np.ones((11, 600), np.int16))
    with pytest.raises(
        LeadwiseError,
        match=r"^R1: the header names 12 leads, the signal has the shape \(11, 600\); which row is",
    ):
        _ = longer.signal
    write_mat(tmp_path / "R1.mat", np.ones((12, 0), np.int16))
    with pytest.raises(LeadwiseError, match="^R1: the signal has no samples$"):
        longer.read()


def test_damaged_and_missing_signals(tmp_path: Path) -> None:
    record = written_record(tmp_path)
    path = tmp_path / "R1.mat"
    whole = path.read_bytes()
    path.write_bytes(whole[:5000])
    with pytest.raises(LeadwiseError, match="^R1: the .mat is cut off: 5000 of 12024 bytes; fetch"):
        record.read()
    path.unlink()
    with pytest.raises(LeadwiseError, match=r"^R1: has a header but no signal \(R1.mat\)$"):
        read_record(tmp_path / "R1.hea")
    with pytest.raises(LeadwiseError, match="^R1: has a header but no signal"):
        _ = record.signal


def test_header_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(LeadwiseError, match="^R1: the header cannot be read: No such file"):
        read_record(tmp_path / "R1.hea")
    (tmp_path / "R1.hea").write_bytes(b"\xff\xfe\x00\n")
    with pytest.raises(LeadwiseError, match="^R1: line 1 of the header must be NAME"):
        read_record(tmp_path / "R1.hea")


def test_comments_in_another_encoding_do_no_harm(tmp_path: Path) -> None:
    written_record(tmp_path)
    with open(tmp_path / "R1.hea", "ab") as file:
        file.write(b"# Sx: M\xe4rz\n")
    assert read_record(tmp_path / "R1.hea").signal.shape == (12, 500)


@pytest.mark.parametrize("dtype", [np.int32, np.float64])
def test_other_types_of_numbers(dtype: type, tmp_path: Path) -> None:
    plain = written_record(tmp_path).signal
    savemat(tmp_path / "R1.mat", {"val": loadmat(tmp_path / "R1.mat")["val"].astype(dtype)})
    record = read_record(tmp_path / "R1.hea")
    np.testing.assert_array_equal(record.signal, plain)
    assert record.read().errors == ()


@pytest.mark.parametrize(("fmt", "invalid"), [("16", -32768), ("212", -2048), ("80", -128)])
def test_other_formats_through_wfdb(fmt: str, invalid: int, tmp_path: Path) -> None:
    digital = np.random.default_rng(3).integers(-100, 100, size=(300, 2))
    digital[10, 1] = invalid
    wfdb.wrsamp("R1", 360, ["mV", "uV"], ["MLII", "V1"], d_signal=digital, fmt=[fmt] * 2,
                adc_gain=[200, 2], baseline=[24, 0], write_dir=str(tmp_path))  # fmt: skip
    record = read_record(tmp_path / "R1.hea")
    assert (record.leads, record.fs) == (("MLII", "V1"), 360.0)
    expected = (digital.T - [[24], [0]]) / [[200], [2000]]
    expected[1, 10] = np.nan
    np.testing.assert_allclose(record.signal, expected, rtol=1e-5, atol=1e-7)
    kinds = [warning.kind for warning in record.read().warnings]
    assert kinds == ["samples without value"]
    (tmp_path / "R1.dat").write_bytes(b"short")
    with pytest.raises(LeadwiseError, match="^R1: R1.dat is cut off: it holds [1-5] of 300 sam"):
        _ = record.signal


def test_finds_headers_flat_and_nested(tmp_path: Path) -> None:
    for file in ("b/R2.hea", "b/R2.mat", "a/R1.hea", "R3.HEA", "b/c/R1.hea", "lone.mat", "text.txt",
                 ".hidden.hea", ".git/R9.hea", "d.hea/R4.hea"):  # fmt: skip
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    headers, problems = find_headers(tmp_path)
    assert headers == [
        tmp_path / file for file in ("a/R1.hea", "b/R2.hea", "R3.HEA", "d.hea/R4.hea")
    ]
    assert sentences(tuple(problems)) == [
        "lone: has a signal but no header",
        f"R1: two records of this name; {tmp_path / 'b' / 'c' / 'R1.hea'} is left out",
    ]


def test_no_data(tmp_path: Path) -> None:
    with pytest.raises(LeadwiseError, match=r"absent: no such folder$"):
        find_headers(tmp_path / "absent")
    with pytest.raises(LeadwiseError, match=r"holds no record \(no .hea file\); is it the data fo"):
        find_records(tmp_path)


def test_records_are_found_and_the_others_named(tmp_path: Path) -> None:
    for name in ("R1", "R2", "R3"):
        write_record(tmp_path, name, WAVE, STANDARD, 500)
    (tmp_path / "R2.mat").unlink()
    (tmp_path / "R3.hea").write_text("R3 12 none\n")
    records, problems = find_records(tmp_path)
    assert [record.name for record in records] == ["R1"]
    assert sentences(tuple(problems)) == [
        "R2: has a header but no signal (R2.mat)",
        "R3: the header states 12 leads and has 0 lines of leads",
    ]


def test_many_messages_of_one_kind_are_summarised() -> None:
    alike = [Message(f"R{number}", "flat leads", f"V{number} flat") for number in range(1, 6)]
    assert list(summarise(alike[:3])) == ["R1: V1 flat", "R2: V2 flat", "R3: V3 flat"]
    assert list(summarise([*alike, Message("X", "other length", "long")])) == [
        "5 records (R1, R2, R3, …): flat leads; the first: V1 flat",
        "X: long",
    ]


def test_a_record_of_an_array_has_its_signal_leads_and_rate() -> None:
    signal = np.random.default_rng(0).normal(size=(3, 700))
    signal[1, 5] = np.nan
    record = record_of(signal, ["V1", "ii", "aVR"], 257.5, name="A1")
    assert (record.name, record.leads, record.fs) == ("A1", ("V1", "II", "aVR"), 257.5)
    np.testing.assert_array_equal(record.signal, signal.astype(np.float32))
    reading = record.read()
    assert reading.errors == ()
    assert [message.kind for message in reading.warnings] == ["samples without value"]
    np.testing.assert_array_equal(record.window(1, 2).signal, record.signal[:, 258:515])


@pytest.mark.parametrize("shape", [(700,), (2, 700), (3, 0)])
def test_an_array_of_another_shape_is_no_record(shape: tuple[int, ...]) -> None:
    with pytest.raises(LeadwiseError, match="A1: a signal of shape .* is not 3 leads"):
        record_of(np.zeros(shape), ["I", "II", "V2"], 500, name="A1")
    with pytest.raises(LeadwiseError, match="line 1 of the header"):
        record_of(np.zeros((1, 700)), ["I"], 500, name="two words")


def kinds(signal: np.ndarray, leads: tuple[str, ...] = STANDARD) -> dict[str, str]:
    """Kinds and sentences of the warnings about a signal."""
    return dict(signal_warnings(signal.astype(np.float32), leads))


@pytest.mark.parametrize("rows", [[6], [6, 7, 8, 9, 10], [1]])
@pytest.mark.parametrize("factor", [1000, 0.001])
def test_a_wrong_gain_of_one_to_five_leads(rows: list[int], factor: float) -> None:
    signal = WAVE.copy()
    signal[rows] *= factor
    names = ", ".join(STANDARD[row] for row in rows)
    assert kinds(signal)["gain of a lead"].startswith(f"{names} range over ")
    assert kinds(WAVE) == {}


@pytest.mark.parametrize("offset", [-32.768, 32.768])
def test_a_wrong_baseline_of_a_lead(offset: float) -> None:
    signal = WAVE.copy()
    signal[8] += offset
    assert kinds(signal) == {
        "absurd baseline": "V3 beyond 20 mV throughout; is the baseline in the header right?"
    }


def test_limb_leads_that_contradict_each_other() -> None:
    text = (
        "not as I and II determine (III = II − I); a wrong gain, name or polarity in one of them?"
    )
    for change, names in {
        (2, 2, -1.0): "III", (4, 4, 5.0): "aVL", (0, 1, 1.0): "III, aVL"
    }.items():  # fmt: skip
        target, source, factor = change
        signal = WAVE.copy()
        signal[target] = factor * WAVE[source]
        assert kinds(signal) == {"limb leads disagree": f"{names} {text}"}
    alone = WAVE[[0, 2, 4]] * np.array([[1.0], [-1.0], [1.0]])
    assert kinds(alone, ("I", "III", "aVL")) == {}  # II is needed


def test_infinite_samples_have_no_value() -> None:
    signal = WAVE.copy()
    signal[7, :] = np.inf
    signal[8, 3] = -np.inf
    assert kinds(signal) == {
        "samples without value": (
            "501 samples without a value (NaN, infinite or −32768) in V2, V3; read as 0 mV"
        ),
        "flat leads": "V2 flat",
    }
    assert "all leads flat" in kinds(np.full((12, 50), np.inf))


@pytest.mark.parametrize("dtype", [np.int32, np.float64, np.float32])
def test_checksums_of_other_types_and_of_wfdb_python(dtype: type, tmp_path: Path) -> None:
    digital = written_record(tmp_path).digital().astype(dtype)
    text = (tmp_path / "R1.hea").read_text()
    unsigned = "\n".join(
        " ".join([*words[:6], str(int(words[6]) % 65536), *words[7:]]) if len(words) == 9 else line
        for line in text.splitlines()
        for words in [line.split(" ")]
    )
    assert unsigned != text
    (tmp_path / "R1.hea").write_text(unsigned)
    savemat(tmp_path / "R1.mat", {"val": digital})
    assert read_record(tmp_path / "R1.hea").read().errors == ()
    digital[3, 8] += 1
    savemat(tmp_path / "R1.mat", {"val": digital})
    (error,) = read_record(tmp_path / "R1.hea").read().errors
    assert error.text == (
        "signal and header disagree in first value or checksum of aVR; fetch it again"
    )
    digital[3, 8] -= 1
    digital[5, 9] = -32768
    savemat(tmp_path / "R1.mat", {"val": digital})
    assert np.isnan(read_record(tmp_path / "R1.hea").signal[5, 9])


def test_skews_are_applied_and_frames_refused(tmp_path: Path) -> None:
    plain = written_record(tmp_path).signal
    last = (tmp_path / "R1.hea").read_text().splitlines()[12]
    skewed = edited(tmp_path, last, last.replace("16x1+24", "16x1:3+24"))
    np.testing.assert_array_equal(skewed.signal[:11], plain[:11])
    np.testing.assert_array_equal(skewed.signal[11, :-3], plain[11, 3:])
    assert np.isnan(skewed.signal[11, -3:]).all()
    np.testing.assert_array_equal(skewed.window(0.2, 0.4).signal[11], plain[11, 103:203])
    assert skewed.read().errors == ()
    with pytest.raises(LeadwiseError, match="^R1: the header states several samples per frame"):
        _ = edited(tmp_path, "16x1:3+24", "16x2+24").signal


def test_a_null_byte_in_the_name_of_a_file(tmp_path: Path) -> None:
    written_record(tmp_path)
    (tmp_path / "R1.mat").unlink()
    with pytest.raises(LeadwiseError, match="^R1: has a header but no signal"):
        edited(tmp_path, "R1.mat", "R\x001.mat")


def test_a_record_whose_leads_are_all_flat_is_unusable(tmp_path: Path) -> None:
    for name, value in {"flat": 0.0, "alive": 1.0}.items():
        signal = np.full((2, 500), 0.5)
        signal[1] += value * WAVE[1]
        write_record(tmp_path, name, signal, ("I", "II"), 500.0)
        reading = read_record(tmp_path / f"{name}.hea").read()
        assert [one.kind for one in reading.unusable] == ["all leads flat"] * (name == "flat")
        assert reading.errors == ()
