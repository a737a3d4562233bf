"""The helper functions against the official ones' answers, and against scipy.io.loadmat."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

import helper_code as helper
from ecg import LeadwiseError

DATA = Path(__file__).parent / "data"
# Produced by running python-classifier-2021; see tests/data/README.md.
CASES = json.loads((DATA / "official-helper-cases.json").read_text(encoding="utf-8"))
FIRST = [case for case in CASES["headers"] if not case["note"].startswith("dialect 2")]
SECOND = [case for case in CASES["headers"] if case["note"].startswith("dialect 2")]
SAMPLES = sorted((DATA / "challenge-samples").glob("*.hea"))


def same(actual: object, expected: object) -> bool:
    """Equal, with NaN equal to the file's "NaN"."""
    if expected == "NaN":
        return isinstance(actual, float) and math.isnan(actual)
    if isinstance(expected, list):
        return len(actual) == len(expected) and all(map(same, actual, expected))
    return actual == expected


def ask(question: str, header: str) -> object:
    """Call `get_age` or, with leads, `get_adc_gains (12 leads)`."""
    name, _, leads = question.partition(" ")
    if not leads:
        return getattr(helper, name)(header)
    lead_set = helper.twelve_leads if leads == "(12 leads)" else ("II", "I")
    return getattr(helper, name)(header, lead_set)


def written(case: dict, folder: Path) -> str:
    """The text of a case's header, through a file with its own line ends."""
    path = folder / "case.hea"
    path.write_bytes(case["header"].encode())
    return helper.load_header(str(path))


@pytest.mark.parametrize("case", FIRST, ids=lambda case: case["note"])
def test_official_answers_on_the_first_dialect(case: dict, tmp_path: Path) -> None:
    header = written(case, tmp_path)
    for question, expected in case["expected"].items():
        if isinstance(expected, dict):
            with pytest.raises(IndexError):
                ask(question, header)
        else:
            assert same(ask(question, header), expected), question


@pytest.mark.parametrize(
    ("case", "age", "sex", "labels"),
    [
        (SECOND[0], 78.0, "Male", ["67741000119109", "426177001"]),
        (SECOND[1], 59.0, "Female", ["164934002", "426783006"]),
    ],
    ids=["E07500", "HR06000"],
)
def test_right_answers_on_the_second_dialect(
    case: dict, age: float, sex: str, labels: list[str]
) -> None:
    header = case["header"]
    expected = case["expected"]
    for question in ("get_recording_id", "get_leads", "get_frequency", "get_num_samples"):
        assert same(ask(question, header), expected[question])
    assert (helper.get_age(header), helper.get_sex(header)) == (age, sex)
    assert helper.get_labels(header) == labels
    assert helper.get_adc_gains(header, helper.twelve_leads).tolist() == [1000.0] * 12
    assert helper.get_baselines(header, ("V1", "?")).tolist() == [0.0, 0.0]


BASELINES = (
    "B 2 500 9\nB.mat 16x1+24 200.5(-7)/mV 16 3 0 0 0 II\nB.mat 16x1+24 100/mV 16 4 0 0 0 I\n"
)


@pytest.mark.parametrize("comment", ["# Age: 9\n", ""])
def test_baseline_in_parentheses_counts_in_the_second_dialect(comment: str) -> None:
    header = BASELINES + comment
    assert helper.get_adc_gains(header, ("I", "II")).tolist() == [100.0, 200.5]
    assert helper.get_baselines(header, ("I", "II")).tolist() == [4.0, -7.0]


def test_parentheses_mean_nothing_in_the_first_dialect() -> None:
    header = BASELINES + "#Age: 9\n"
    assert helper.get_adc_gains(header, ("I", "II")).tolist() == [100.0, 0.0]
    assert helper.get_baselines(header, ("I", "II")).tolist() == [4.0, 3.0]


def test_labels_of_lists_in_other_styles_are_read() -> None:
    header = "X 1 500 9\nX.mat 16 1 16 0 0 0 0 I\n#Dx: {}\n"
    for listed in ("1|2", "1;2", "[1, 2]", "1.0,2.0"):
        assert helper.get_labels(header.format(listed)) == ["1", "2"]
    assert helper.get_labels(header.format("1,,2,1")) == ["1", "", "2", "1"]  # as officially


def test_lines_of_leads_may_have_comments_between_and_names_several_words() -> None:
    lead = "X.mat 16 {}/mV 16 {} 0 0 0 {}"
    lines = ["# first", "", "X\t2  500  9", lead.format(100, 3, "Lead I"), "#Age: 5", "  ",
             lead.format(200, 4, "V6 \t# loose")]  # fmt: skip
    header = "\n".join(lines)
    assert helper.get_recording_id(header) == "X"
    assert helper.get_leads(header) == ("Lead I", "V6")
    assert helper.get_adc_gains(header, ("V6", "Lead I")).tolist() == [200.0, 100.0]
    assert helper.get_baselines(header, ("V6", "Lead I")).tolist() == [4.0, 3.0]
    assert (helper.get_num_samples(header), helper.get_age(header)) == (9.0, 5.0)


@pytest.mark.parametrize("case", CASES["numbers"], ids=lambda case: str(case["x"]))
def test_numbers(case: dict) -> None:
    x = float("nan") if case["x"] == "float nan" else case["x"]
    for name in ("is_number", "is_integer", "is_finite_number"):
        assert getattr(helper, name)(x) is case[name]


@pytest.mark.parametrize("case", CASES["sort_leads"], ids=lambda case: "-".join(case["leads"]))
def test_sort_leads(case: dict) -> None:
    assert helper.sort_leads(case["leads"]) == tuple(case["sort_leads"])


# The file has the repr of arrays, which rounds.
VALUES = {
    "[1, 0]": [1, 0],
    "[0.25, 0.1]": [0.25, 0.1],
    "array([ True, False])": np.array([True, False]),
    "array([0.1       , 0.33333334], dtype=float32)": np.array([0.1, 1 / 3], np.float32),
    "array([1, 0])": np.array([1, 0]),
    "array([1.e-07, 3.e-01])": np.array([1e-7, 0.1 + 0.2]),
    "[1.0]": [1.0],
    "[nan]": [math.nan],
    "[]": [],
    "['1']": ["1"],
    "[1]": [1],
}


@pytest.mark.parametrize("case", CASES["save_outputs"], ids=lambda case: str(case["recording_id"]))
def test_outputs_to_the_character_and_back(case: dict, tmp_path: Path) -> None:
    path = str(tmp_path / "output.csv")
    labels, probabilities = VALUES[case["labels"]], VALUES[case["probabilities"]]
    helper.save_outputs(path, case["recording_id"], case["classes"], labels, probabilities)
    assert Path(path).read_bytes() == case["file"].encode()
    assert [*tmp_path.iterdir()] == [Path(path)]
    expected = case["load_outputs"]
    identity, classes, actual, numbers = helper.load_outputs(path)
    assert identity == expected["recording_id"]
    assert (classes, actual) == (tuple(expected["classes"]), tuple(expected["labels"]))
    assert isinstance(numbers, tuple)
    assert same(numbers, expected["probabilities"])


def test_load_outputs_needs_four_lines_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "output.csv"
    path.write_text("#A\n1\n0\n0.5\nand more\n")
    assert helper.load_outputs(str(path)) == ("A\n", ("1",), ("0",), (0.5,))
    path.write_text("#A\n1\n0\n")
    with pytest.raises(
        LeadwiseError, match=r"output\.csv: an output file has four lines, this one 3$"
    ):
        helper.load_outputs(str(path))


def test_an_output_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = str(tmp_path / "absent" / "A.csv")
    with pytest.raises(LeadwiseError, match=r"A\.csv: cannot be written: No such file"):
        helper.save_outputs(path, "A", [], [], [])


def test_finds_pairs_in_this_folder_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in ("B.hea", "B.mat", "A.hea", "A.mat", "C.hea", "D.mat", ".E.hea", ".E.mat",
                 "F.HEA", "F.mat", "sub/G.hea", "sub/G.mat"):  # fmt: skip
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    files = sorted(path.name for path in tmp_path.iterdir())
    monkeypatch.setattr(helper.os, "listdir", lambda folder: files[::-1])  # in any order
    headers, recordings = helper.find_challenge_files(str(tmp_path))
    assert headers == [str(tmp_path / "A.hea"), str(tmp_path / "B.hea")]
    assert recordings == [str(tmp_path / "A.mat"), str(tmp_path / "B.mat")]


def test_header_in_another_encoding_is_read(tmp_path: Path) -> None:
    path = tmp_path / "A.hea"
    path.write_bytes(b"A 0\r\n#Sex: M\xe4nnlich\r\n")
    assert helper.get_sex(helper.load_header(str(path))) == "M\N{REPLACEMENT CHARACTER}nnlich"


def agrees(actual: np.ndarray, expected: np.ndarray) -> None:
    """Equal in values, type, shape, order and flags."""
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
    assert actual.flags.c_contiguous
    assert actual.flags.writeable
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_recordings_equal_those_of_loadmat(path: Path) -> None:
    mat = str(path.with_suffix(".mat"))
    agrees(helper.load_recording(mat), loadmat(mat)["val"])


@pytest.mark.parametrize("version", ["4", "5"])
@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.uint8, np.float64, np.float32])
def test_any_version_type_and_key(version: str, dtype: type, tmp_path: Path) -> None:
    mat = str(tmp_path / "x.mat")
    numbers = np.arange(12).reshape(3, 4)
    variables = {"val": numbers.astype(dtype), "other": 2 * numbers.T.astype(dtype)}
    savemat(mat, variables, format=version)
    for key in variables:
        agrees(helper.load_recording(mat, key=key), loadmat(mat)[key])
    agrees(helper.load_recording(str(tmp_path / "x")), loadmat(str(tmp_path / "x"))["val"])
    savemat(mat, {"only": numbers.astype(dtype)}, format=version)
    with pytest.raises(LeadwiseError, match=r"^x: the .mat holds no variable 'val', but only$"):
        helper.load_recording(mat)


def test_choose_leads_takes_rows_by_name() -> None:
    path = SAMPLES[0]
    header, mat = helper.load_header(str(path)), str(path.with_suffix(".mat"))
    whole = loadmat(mat)["val"]
    chosen = helper.load_recording(mat, header, ["V2", "?", "I", "avr"])
    assert chosen.dtype == whole.dtype
    np.testing.assert_array_equal(chosen[[0, 2]], whole[[7, 0]])
    assert not chosen[[1, 3]].any()
    agrees(helper.load_recording(mat, header), whole)


def test_lead_sets() -> None:
    assert helper.lead_sets == (
        ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"),
        ("I", "II", "III", "aVR", "aVL", "aVF"),
        ("I", "II", "III", "V2"),
        ("I", "II", "V2"),
        ("I", "II"),
    )
    assert helper.lead_sets[0] is helper.twelve_leads
    assert (helper.six_leads, helper.four_leads) == helper.lead_sets[1:3]
    assert (helper.three_leads, helper.two_leads) == helper.lead_sets[3:]


def test_reads_a_recording_without_scipy_and_torch() -> None:
    program = (
        "import sys, helper_code; helper_code.load_recording(sys.argv[1]); "
        "print(sorted({'scipy', 'torch', 'wfdb'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program, str(SAMPLES[0].with_suffix(".mat"))]
    answer = subprocess.run(command, cwd=DATA.parent.parent, capture_output=True, check=True)
    assert answer.stdout.decode().strip() == "[]"
