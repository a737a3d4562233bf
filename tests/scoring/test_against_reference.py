"""2,500 random folders, scored by both years' rules: ours equals the loop-by-loop reference."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers import challenge_scorer as reference
from scoring.challenge import challenge_metric, headline, load_weights, score
from scoring.headers import find_pairs, read_labels
from scoring.measures import areas
from scoring.outputs import read_outputs

ROOT = Path(__file__).parents[2]
SETS = 2500
TOLERANCE = {"rel": 0, "abs": 1e-12, "nan_ok": True}  # sums run in another order
# Equal codes of either year, a pair that only 2021 joins, others, and an unscored one.
CODES = (
    *("426783006", "427172004", "17338001", "713427006", "59118001", "284470004", "63593006"),
    *("733534002", "164909002", "164889003", "164890007", "426177001", "270492004", "55827005"),
)
COLUMNS = (*CODES, "733534002|164909002", "17338001|427172004", "164889003|426177001", "x", "")
MARKS = ("0", "0", "0", "1", "1", "1.0", " 1", "true", "T", "TRUE", "nan", "2", "", "01", "1e0")
VALUES = ("0", "0.5", "0.5", "0.25", "1", "0.9", "nan", "inf", "-inf", "text", "", " 0.75 ", "-3")


def header(draw, name):
    codes = draw.choice(CODES, size=draw.integers(0, 4))
    # 2020 counts the Dx lines of all headers, 2021 needs the blank: both readers do so.
    return f"{name} 2 500 10\n#Age: 50\n#Dx: {draw.choice([',', ', ', ',,']).join(codes)}\n"


def output(draw, name):
    columns = draw.choice(COLUMNS, size=draw.integers(0, 12))
    marks = draw.choice(MARKS, size=len(columns))
    values = draw.choice(VALUES, size=len(columns))
    lines = [f"#{name}", *(",".join(row) for row in (columns, marks, values))]
    return draw.choice(["\n", "\r\n"]).join([*lines, ""])


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Write the files of all sets into one folder; return the folders and set borders."""
    draw = np.random.default_rng(20210)
    folder = tmp_path_factory.mktemp("drawn")
    (folder / "labels").mkdir()
    (folder / "outputs").mkdir()
    borders = np.cumsum([0, *draw.integers(1, 13, size=SETS)])
    for number in range(borders[-1]):
        name = f"R{number:05d}"
        (folder / "labels" / f"{name}.hea").write_text(header(draw, name))
        (folder / "outputs" / f"{name}.csv").write_bytes(output(draw, name).encode())
    return folder / "labels", folder / "outputs", borders


@pytest.fixture(scope="module", params=[2020, 2021])
def read(drawn, request):
    """Read the files by ours and by the reference."""
    year = request.param
    labels, outputs, borders = drawn
    pairs, classes = find_pairs(str(labels), str(outputs)), load_weights(year).classes
    predictions = read_outputs(pairs.outputs, classes, year)
    truth = read_labels(pairs.headers, classes, year)
    ours = truth.labels, predictions.outputs, predictions.probabilities
    expected_classes, weights = reference.load_weights(ROOT / f"scoring/weights-{year}.csv", year)
    headers, paths = reference.find_files(labels, outputs)
    expected_labels = reference.read_labels(headers, expected_classes, year)
    expected = (expected_labels, *reference.read_outputs(paths, expected_classes, year))
    return year, borders, ours, expected, expected_classes, weights


def test_files_are_read_as_by_the_reference(read):
    _, _, ours, expected, _, _ = read
    for mine, theirs in zip(ours, expected, strict=True):
        # For eight or more columns per class NumPy adds in another order: two last bits.
        np.testing.assert_allclose(mine, theirs, rtol=5e-16, atol=0)
    labels, outputs, probabilities = ours
    assert labels.any()
    assert outputs.any()
    assert len(np.unique(probabilities)) > 10


def test_every_measure_equals_the_reference(read):
    year, borders, _, expected, classes, weights = read
    for begin, end in zip(borders[:-1], borders[1:], strict=True):
        labels, outputs, probabilities = (array[begin:end] for array in expected)
        ours = score(labels, outputs, probabilities, year)
        auroc, auprc = reference.areas(labels, probabilities)
        f_measure = reference.f_measures(labels, outputs)
        for mine, theirs in (
            (ours.auroc, auroc),
            (ours.auprc, auprc),
            (ours.f_measure, f_measure),
            (ours.accuracy, reference.accuracy(labels, outputs)),
            (ours.challenge, reference.challenge_metric(weights, labels, outputs, classes)),
        ):
            np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-12)  # sums in another order
        named = headline(ours, year)
        assert float(named["AUROC"]) == pytest.approx(reference.mean_of_known(auroc), **TOLERANCE)
        assert float(named["AUPRC"]) == pytest.approx(reference.mean_of_known(auprc), **TOLERANCE)
        if year == 2020:
            f_beta, g_beta = reference.beta_measures(labels, outputs)
            np.testing.assert_allclose(ours.f_beta, f_beta, rtol=0, atol=1e-12)
            np.testing.assert_allclose(ours.g_beta, g_beta, rtol=0, atol=1e-12)


@pytest.mark.parametrize("year", [2020, 2021])
def test_many_records(year):
    draw = np.random.default_rng(year)
    classes, weights = reference.load_weights(ROOT / f"scoring/weights-{year}.csv", year)
    labels = draw.random((3000, len(classes))) < 0.1
    outputs = draw.random(labels.shape) < 0.1
    probabilities = np.round(draw.random(labels.shape), 2)  # with ties
    expected = reference.challenge_metric(weights, labels, outputs, classes)
    assert challenge_metric(labels, outputs, year=year) == pytest.approx(expected, abs=1e-12)
    np.testing.assert_allclose(
        areas(labels, probabilities), reference.areas(labels, probabilities), rtol=0, atol=1e-12
    )
