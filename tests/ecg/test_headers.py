"""Headers against wfdb where it reads them, every peculiarity of the Challenge's, and bad ones."""

import math
import pickle
import re
import time
from pathlib import Path

import pytest
import wfdb
from hypothesis import given
from hypothesis import strategies as st

from ecg import LeadwiseError
from ecg.header_text import lead_name
from ecg.headers import Header, parse_header, parse_multi_segment, with_gain
from ecg.leads import STANDARD

SAMPLES = Path(__file__).parent.parent / "data" / "challenge-samples"
HEADERS = sorted(SAMPLES.glob("*.hea"))
TOP = "R1 1 500 5000\n"
LINE = "R1.mat 16+24 1000/mV 16 0 -5 77 0 II\n"


def parse(text: str) -> Header:
    return parse_header(text, "R1")


def warnings_of(text: str) -> list[str]:
    return [str(warning) for warning in parse(text).warnings]


@pytest.mark.parametrize("path", HEADERS, ids=lambda path: path.stem)
def test_genuine_headers_as_wfdb_reads_them(path: Path) -> None:
    header = parse_header(path.read_text(), path.stem)
    if header.identity.endswith(".mat"):  # Georgia, first dialect
        with pytest.raises(wfdb.io.header.HeaderSyntaxError):
            wfdb.rdheader(str(path.with_suffix("")))
        assert header.identity == f"{header.name}.mat"
        assert header.leads == STANDARD
        return
    expected = wfdb.rdheader(str(path.with_suffix("")))
    assert header.identity == expected.record_name
    assert header.leads == tuple(expected.sig_name)
    assert (header.fs, header.samples) == (expected.fs, expected.sig_len)
    assert list(header.lines.files) == expected.file_name
    assert list(header.lines.gains) == expected.adc_gain
    assert list(header.lines.units) == expected.units
    assert list(header.lines.baselines) == expected.baseline
    assert list(header.lines.firsts) == expected.init_value
    assert list(header.lines.checksums) == expected.checksum
    assert set(header.lines.mv_per_adu) == {0.001}
    assert header.warnings == ()


def test_both_dialects_and_their_content() -> None:
    first = parse_header((SAMPLES / "A0689.hea").read_text(), "A0689")
    assert (first.age, first.sex, first.codes) == (80.0, "male", ("164889003",))
    second = parse_header((SAMPLES / "E07500.hea").read_text(), "E07500")
    assert (second.age, second.sex) == (78.0, "male")
    assert second.codes == ("67741000119109", "426177001")


@pytest.mark.parametrize("blank", ["", " "])
@pytest.mark.parametrize(
    ("lines", "age", "sex", "codes"),
    [
        (("Age: 74", "Sex: Female", "Dx: 1,2"), 74.0, "female", ("1", "2")),
        (("Age: NaN", "Sex: NaN", "Dx: "), math.nan, "unknown", ()),
        (("Age: 5 years", "Sex: F", "Dx:"), math.nan, "female", ()),
        (("Age: inf", "Sex: M", "Dx: 1,,2,"), math.nan, "male", ("1", "2")),
        (("Age:61", "Sex:male", "Dx:1, 2 ,1"), 61.0, "male", ("1", "2")),
        (("Age: 1", "Age: 2", "Dx: 9", "Sex: Unknown", "Dx: 8,9"), 2.0, "unknown", ("9", "8")),
        ((), math.nan, "unknown", ()),
    ],
)
def test_age_sex_and_codes(
    lines: tuple[str, ...], age: float, sex: str, codes: tuple[str, ...], blank: str
) -> None:
    header = parse(TOP + LINE + "".join(f"#{blank}{line}\n" for line in lines))
    assert header.age == pytest.approx(age, nan_ok=True)
    assert (header.sex, header.codes) == (sex, codes)


def test_blank_lines_line_ends_and_comments_anywhere_are_skipped() -> None:
    plain = parse(TOP + LINE + "#Age: 9\n")
    assert parse(f"\n#Age: 9\n{TOP}\n{LINE}") == plain
    assert parse((TOP + LINE + "#Age: 9").replace("\n", "\r\n")) == plain
    assert parse(" R1\t1  500 5000 \nR1.mat\t16+24  1000/mV 16 0 -5 77 0 II \n#Age: 9") == plain


@pytest.mark.parametrize(
    ("top", "fs", "samples"),
    [
        ("R1 1 257 462600 15-May-2020 15:42:19", 257.0, 462600),
        ("R1 1 360/180(0.5) 10", 360.0, 10),
        ("R1 1 99.5", 99.5, None),
        ("R1 1", 250.0, None),  # WFDB's default
        ("R1 1 1e3 2", 1000.0, 2),
        ("R1 1 500 0", 500.0, None),  # not stated
        ("R1 1 500 1.5e3", 500.0, 1500),
        ("R1 1 500 10000000000", 500.0, 10**10),
        ("R1 1 500 # 10", 500.0, None),
    ],
)
def test_line_1(top: str, fs: float, samples: int | None) -> None:
    header = parse(f"{top}\n{LINE}")
    assert (header.identity, header.fs, header.samples) == ("R1", fs, samples)


@pytest.mark.parametrize(
    ("line", "mv_per_adu", "baseline"),
    [
        ("R1.mat 16+24 1000/mV 16 0 1 2 0 I", 0.001, 0),
        ("R1.mat 16x1+24 1000.0(0)/mV 16 9 1 2 0 I", 0.001, 0),
        ("R1.mat 16 200(-5)/mv 16 9 1 2 0 I", 0.005, -5),
        ("R1.mat 212 200 12 1024 1 2 0 I", 0.005, 1024),
        ("R1.mat 16:0+24 2/uV 16 0 1 2 0 I", 0.0005, 0),
        ("R1.mat 16 2/µV 16 0 1 2 0 I", 0.0005, 0),
        ("R1.mat 16 2/μV 16 0 1 2 0 I", 0.0005, 0),  # Greek mu
        ("R1.mat 16 5/V 16 0 1 2 0 I", 200.0, 0),
        ("R1.mat 16 5e5/nV 16 0 1 2 0 I", 2e-12, 0),
        ("R1.mat 16 -1000/mV 16 0 1 2 0 I", -0.001, 0),
    ],
)
def test_gain_unit_and_baseline(line: str, mv_per_adu: float, baseline: int) -> None:
    header = parse(f"R1 1 500\n{line}\n")
    assert header.lines.mv_per_adu[0] == pytest.approx(mv_per_adu, rel=1e-12)
    assert header.lines.baselines == (baseline,)
    assert (header.lines.firsts, header.lines.checksums) == ((1,), (2,))
    assert header.warnings == ()


def test_fields_at_the_end_are_optional() -> None:
    header = parse("R1 4 500\nR1.dat 16\nR1.dat 16 100/mV\nR1.dat 16 100/mV 12 7\n" + LINE)
    assert header.leads == ("", "", "", "II")
    assert header.lines.baselines == (0, 0, 7, 0)
    assert header.lines.firsts == (None, None, None, -5)
    assert header.lines.checksums == (None, None, None, 77)
    assert header.lines.mv_per_adu == (0.005, 0.01, 0.01, 0.001)
    assert [warning.kind for warning in header.warnings] == ["lead without name", "no gain"]


def test_leads_get_standard_names_and_unknown_names_are_kept() -> None:
    names = ("avr", "V1", "MLII", "v6", "ECG I")
    lines = [LINE.replace("II", name) for name in names]
    assert parse("R1 5 500 9\n" + "".join(lines)).leads == ("aVR", "V1", "MLII", "V6", "ECG I")


def test_assumptions_give_warnings() -> None:
    unnamed = LINE.replace(" II", "")
    assert warnings_of("R1 4 500 9\n" + LINE + LINE + unnamed + LINE.replace("II", "V1")) == [
        "R1: II named more than once; the first row of each is used",
        "R1: row 3 has no lead name and is not used",
    ]
    assert warnings_of(TOP + LINE.replace("1000", "0")) == [
        "R1: no gain in the header for II; 200/mV is assumed"
    ]
    assert warnings_of(TOP + LINE.replace("mV", "mmHg")) == [
        "R1: unknown unit mmHg in the header; mV is assumed"
    ]
    assert warnings_of(TOP + LINE) == []
    assert warnings_of(TOP.replace("5000", "long") + LINE) == [
        "R1: the number of samples 'long' in line 1 cannot be read and is ignored"
    ]
    assert warnings_of("R1 1\n" + LINE) == [
        "R1: no sampling frequency in the header; 250 Hz is assumed, as by WFDB"
    ]
    skewed = LINE.replace("16+24", "16x1:3+24").replace("II", "V1")
    assert warnings_of("R1 3 500 9\n" + LINE + skewed + LINE.replace("II", "I")) == [
        "R1: the header states a skew of V1; it is applied when the signal is read from its files"
    ]


def test_many_leads_are_refused_or_read_in_linear_time() -> None:
    started = time.perf_counter()
    with pytest.raises(LeadwiseError, match=r"^R1: the header states 20000 leads; an ECG has at"):
        parse("R1 20000 500 9\n" + LINE * 20000)
    assert warnings_of("R1 500 500 9\n" + LINE * 500 + LINE * 20000) == [
        "R1: lines that are no comments after those of the leads: 20000, not read",
        "R1: II named more than once; the first row of each is used",
    ]
    assert time.perf_counter() - started < 2


def test_control_characters_reach_neither_messages_nor_lines() -> None:
    name = "R\n\x1b[2J\u2028#1"
    with pytest.raises(LeadwiseError) as raised:
        parse_header("R1 1 500\x1b[31m\n" + LINE, name)
    assert str(raised.value).isprintable()
    assert str(raised.value).startswith(r"R\n\x1b[2J\u2028#1: the sampling frequency '500\x1b[31m'")
    (warning,) = parse_header("R1 1\n" + LINE, name).warnings
    assert str(warning).isprintable()
    assert tuple(pickle.loads(pickle.dumps(warning))) == tuple(warning)


SHAPE = r"a lead's line must be FILE FORMAT GAIN BITS ZERO FIRST CHECKSUM BLOCK LEAD; it is '"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "^R1: line 1 of the header must be NAME LEADS FS SAMPLES; the file is empty$"),
        ("#Age: 5\n", "the file is empty$"),
        ("R1\n", "must be NAME LEADS FS SAMPLES; it is 'R1'$"),
        ("R1 twelve 500\n", "it is 'R1 twelve 500'$"),
        ("R1 " + "9" * 5000, "^R1: line 1"),
        ("R1 1 500 5000\n", "^R1: the header states 1 leads and has 0 lines of leads$"),
        ("R1 3 500 5000\n" + LINE, "^R1: the header states 3 leads and has 1 lines of leads$"),
        ("R1 0 500 5000\n", "^R1: the header states 0 leads and has 0 lines of leads$"),
        (
            "R1 1 0 5\n" + LINE,
            "^R1: the sampling frequency '0' in line 1 is no rate in Hz; correct it$",
        ),
        ("R1 1 1e999 5\n" + LINE, "frequency '1e999' in line 1"),
        ("R1 1 5-5 5\n" + LINE, "frequency '5-5' in line 1"),
        ("R1 1 500Hz 5\n" + LINE, "frequency '500Hz' in line 1 is no rate in Hz; correct it$"),
        ("R1 1 500,0 5\n" + LINE, "frequency '500,0' in line 1"),
        ("R1 1 49.9 5\n" + LINE, r"^R1: 49.9 Hz is not the .* of an ECG \(50 to 10000 Hz\); if"),
        ("R1 1 10001 5\n" + LINE, r"^R1: 10001 Hz is not the sampling frequency"),
        ("R1 1 500 10000000001\n" + LINE, "states 1e.10 samples, more than an ECG has; correct"),
        ("R1 1 500 " + "9" * 5000 + "\n" + LINE, "states inf samples, more than an ECG has"),
        ("R1 501 500\n" + 501 * LINE, "^R1: the header states 501 leads; an ECG has at most 500$"),
        (TOP + "R1.mat\n", SHAPE + "R1.mat'$"),
        (TOP + LINE.replace("16+24", "mat"), SHAPE),
        (TOP + LINE.replace("1000/mV", "much"), SHAPE),
        (TOP + LINE.replace("1000/mV", "1e-99/mV"), SHAPE),
        (TOP + LINE.replace("1000/mV", "1e999/mV"), SHAPE),
        (TOP + LINE.replace("16 0 -5", "16 zero -5"), SHAPE),
        (TOP + LINE.replace("-5 77", "-5 7.7"), SHAPE),
        (TOP + "R1.mat 16 100/mV 12 x\n", SHAPE),
        (TOP + LINE.replace("1000/mV", "1000(" + "9" * 99 + ")/mV"), SHAPE),
        ("R1 3 500 9\n" + LINE + "one\ntwo\n", SHAPE + "one'$"),
        ("R1 2 500 9\n" + LINE + "no lead at all\n", SHAPE + "no lead at all'$"),
    ],
)
def test_bad_headers_are_errors(text: str, sentence: str) -> None:
    with pytest.raises(LeadwiseError, match=sentence) as raised:
        parse(text)
    assert str(raised.value).startswith("R1: ")


@given(st.text(max_size=200))
def test_any_text_gives_a_header_or_an_error(text: str) -> None:
    for whole in (text, TOP + text, TOP + LINE + text, TOP + LINE.replace("1000/mV", text or "0")):
        try:
            assert isinstance(parse(whole).warnings, tuple)
        except LeadwiseError as error:
            sentence = str(error)
            assert sentence.startswith("R1: ")  # noqa: PT017


@given(
    st.lists(
        st.tuples(
            st.floats(0.5, 1e6).map(lambda gain: float(f"{gain:.6g}")),
            st.integers(-2048, 2048),
            st.integers(-32768, 32767),
            st.integers(-32768, 32767),
            st.sampled_from([*STANDARD, "MLII", "X"]),
        ),
        min_size=1,
        max_size=14,
    ),
    st.integers(100, 1000),
    st.integers(0, 10**9),
)
def test_what_is_written_is_read(leads: list[tuple], fs: int, samples: int) -> None:
    lines = [
        f"R1.mat 16+24 {gain}({baseline})/mV 16 0 {first} {checksum} 0 {lead}"
        for gain, baseline, first, checksum, lead in leads
    ]
    header = parse("\n".join([f"R1 {len(leads)} {fs} {samples}", *lines]))
    gains, baselines, firsts, checksums, names = zip(*leads, strict=True)
    assert (header.fs, header.samples, header.leads) == (float(fs), samples or None, names)
    assert header.lines[1:2] + header.lines[4:7] == (gains, baselines, firsts, checksums)


def test_a_multi_segment_record_is_as_long_as_its_segments() -> None:
    first = parse_header("s 1 250 100\ns.mat 16 200/mV 16 0 1 2 0 II\n", "s")
    text = "m/3 1 250 600\ns 100\n~ 300\ns 200\n# Dx: 426783006\n"
    header = parse_multi_segment(text, "m", first)
    assert (header.samples, header.leads, header.codes) == (600, ("II",), ("426783006",))
    assert header.segments == (("s", 100), ("~", 300), ("s", 200))


@pytest.mark.parametrize(
    ("words", "lead"),
    [
        ("II", "II"),
        ("Lead II", "Lead II"),
        ("V1 near the sternum", "V1 near the sternum"),
        ("", ""),
    ],
)
def test_a_leads_name_is_all_that_follows_the_eighth_field(words: str, lead: str) -> None:
    row = f"R1.mat 16+24 1000/mV 16 0 -5 77 0 {words}".rstrip()
    assert lead_name(row) == lead
    header = parse(TOP + row + "\n")
    assert header.leads == (lead.removeprefix("Lead "),)


@pytest.mark.parametrize(("skew", "warned"), [(0, False), (1, True), (12, True)])
def test_a_skew_is_named(skew: int, warned: bool) -> None:
    text = TOP + LINE.replace("16+24", f"16:{skew}+24")
    assert any("states a skew of II" in warning for warning in warnings_of(text)) == warned


@pytest.mark.parametrize("top", ["{}!", "R1 one {}", "R1 1 {} 10", "R1 1 500 {}"])
def test_at_most_60_characters_of_a_line_are_quoted(top: str) -> None:
    """A header may be a megabyte without line ends."""
    top = top.format("x" * 100)
    try:
        text = str(parse(f"{top}\n{LINE}").warnings)
    except LeadwiseError as error:
        text = str(error)
    quoted = next(word for word in re.findall("'([^']*)'", text) if "x" in word)
    assert len(quoted) == 60
    assert quoted in top


def test_a_known_gain_replaces_the_stated_one() -> None:
    header = with_gain(parse(TOP + LINE.replace("1000/mV", "50(7)/uV")), 1000.0)
    assert header.lines.mv_per_adu == (0.001,)
    assert (header.lines.gains, header.lines.units, header.lines.baselines) == (
        (1000.0,), ("mV",), (0,)
    )  # fmt: skip


def test_a_mark_of_the_byte_order_is_no_part_of_the_name() -> None:
    assert parse("\ufeff" + TOP + LINE) == parse(TOP + LINE)


def test_only_leads_of_gain_0_have_no_gain() -> None:
    rows = "".join(
        LINE.replace("1000/mV", f"{gain}/mV").replace("II", lead)
        for gain, lead in ((1, "I"), (0, "II"), (0.5, "V1"))
    )
    assert warnings_of("R1 3 500 5000\n" + rows) == [
        "R1: no gain in the header for II; 200/mV is assumed"
    ]


@pytest.mark.parametrize("fs", [50, 10_000])
def test_the_limits_of_the_rate_are_rates_of_an_ecg(fs: int) -> None:
    assert parse(TOP.replace("500 ", f"{fs} ", 1) + LINE).fs == fs


@pytest.mark.parametrize("end", ["\r", "\r\n", "\r\r\n", "\n\r"])
def test_lines_end_with_any_mixture(end: str) -> None:
    text = TOP + LINE + "# Dx: 426783006\n# Age: 50\n"
    assert parse(text.replace("\n", end)) == parse(text)
    assert parse(text).age == 50
