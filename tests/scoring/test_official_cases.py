"""Our scorer, and the reference in tests/reference, against the official evaluators' numbers."""

import json
from pathlib import Path

import numpy as np
import pytest

import evaluate_model
from benchmarks.peers import challenge_scorer as reference
from scoring.challenge import headline, load_weights

ROOT = Path(__file__).parents[2]
DOCUMENT = json.loads((ROOT / "tests/data/official-cases.json").read_text())
CASES = DOCUMENT["cases"]
FAILING = [case for case in CASES if "error" in case["expected"]]
SCORED = [case for case in CASES if "error" not in case["expected"]]
# The headers of 066 and 067 are of the second dialect, which the official scorers cannot read.
SECOND_DIALECT = ("066", "067")
NAMES = {
    "AUROC": "auroc",
    "AUPRC": "auprc",
    "Accuracy": "accuracy",
    "F-measure": "f_measure",
    "Fbeta-measure": "fbeta_measure",
    "Gbeta-measure": "gbeta_measure",
    "Challenge metric": "challenge_metric",
}
TOLERANCE = {"rel": 0, "abs": 1e-12, "nan_ok": True}  # sums run in another order


def cases(chosen):
    return pytest.mark.parametrize("case", chosen, ids=lambda case: case["id"])


def floats(values):
    """Read JSON's null as NaN."""
    return np.array(values, dtype=float)


def test_all_cases_are_here():
    years = [case["challenge"] for case in CASES]
    assert (years.count(2021), years.count(2020)) == (53, 52)


@pytest.mark.parametrize("year", [2020, 2021])
def test_classes_are_the_official_ones(year):
    expected = [set(name.split("|")) for name in DOCUMENT["classes"][str(year)]]
    assert [set(name.split("|")) for name in load_weights(year).names] == expected


@cases([case for case in SCORED if case["id"] not in SECOND_DIALECT])
def test_scores_files_and_messages(case, folders, tmp_path, capsys):
    labels, outputs = folders(case["headers"], case["outputs"])
    files = [str(tmp_path / name) for name in ("scores.csv", "class_scores.csv")]
    year, expected = case["challenge"], case["expected"]
    assert evaluate_model.main([labels, outputs, *files, "--year", str(year)]) == 0
    assert Path(files[0]).read_bytes().decode() == expected["scores_csv"]
    if "class_scores_csv" in expected:
        assert Path(files[1]).read_bytes().decode() == expected["class_scores_csv"]
    assert capsys.readouterr().out.count("formatting errors") == expected.get("messages", 0)

    scores = evaluate_model.evaluate(labels, outputs, year).scores
    for name, value in headline(scores, year).items():
        assert float(value) == pytest.approx(*floats([expected[NAMES[name]]]), **TOLERANCE), name
    for name, values in expected["per_class"].items():
        assert getattr(scores, name) == pytest.approx(floats(values), **TOLERANCE), name


@cases([case for case in FAILING if case["id"] not in SECOND_DIALECT])
def test_official_traceback_is_a_sentence_here(case, folders, capsys):
    labels, outputs = folders(case["headers"], case["outputs"])
    assert evaluate_model.main([labels, outputs, "--year", str(case["challenge"])]) == 1
    captured = capsys.readouterr()
    guilty = {"057": "R001.csv", "058": "R001.csv", "069": "R002.hea", "071": "R003.hea"}
    empty = case["id"] in ("094", "095")
    assert captured.err.startswith("Error: ")
    assert captured.err.count("\n") == 1
    assert (labels if empty else guilty.get(case["id"], "R001.csv")) in captured.err
    assert "Done." not in captured.out


@cases([case for case in CASES if case["id"] in SECOND_DIALECT])
def test_second_dialect_scores_as_the_first(case, folders):
    year = case["challenge"]
    second = folders(case["headers"], case["outputs"], "second")
    headers = {name: text.replace("\n# ", "\n#") for name, text in case["headers"].items()}
    first = folders(headers, case["outputs"], "first")
    found = headline(evaluate_model.evaluate(*second, year).scores, year)
    expected = headline(evaluate_model.evaluate(*first, year).scores, year)
    assert found == expected
    assert found["Challenge metric"] > 0.5  # the labels are read: official is 0 and IndexError


@cases(SCORED)
def test_reference(case, folders):
    year, expected = case["challenge"], case["expected"]
    weights = ROOT / f"scoring/weights-{year}.csv"
    _, scores, per_class = reference.evaluate(
        *folders(case["headers"], case["outputs"]), weights, year
    )
    for name, value in scores.items():
        assert float(value) == pytest.approx(*floats([expected[name]]), **TOLERANCE), name
    for name, values in expected["per_class"].items():
        assert floats(per_class[name]) == pytest.approx(floats(values), **TOLERANCE), name


@cases(FAILING)
def test_reference_fails_where_the_official_scorer_does(case, folders):
    year = case["challenge"]
    with pytest.raises((OSError, IndexError, ValueError)):
        reference.evaluate(
            *folders(case["headers"], case["outputs"]),
            ROOT / f"scoring/weights-{year}.csv",
            year,
        )
