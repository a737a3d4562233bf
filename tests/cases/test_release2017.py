"""PhysioNet's release of 2017, nested with `A00/A00001,N`, is trained, answered and scored."""

import shutil
from pathlib import Path

import pytest

import evaluate_model
import run_model
import train_model
from models import recipes_by_name
from scoring.af.__main__ import main as score_af
from tests.conftest import single_lead, small

CASE = Path(__file__).parents[1] / "data" / "cases" / "release2017" / "data"
LETTERS = {"A00001": "N", "A00003": "N", "A00005": "N", "A01002": "A", "A01004": "A", "A01006": "A"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(CASE, tmp_path_factory.mktemp("release2017") / "data"))


@pytest.fixture(scope="module")
def answered(data: Path) -> Path:
    """Outputs of a model that was trained on these records, both by the commands."""
    model, outputs = data.parent / "model", data.parent / "outputs"
    with pytest.MonkeyPatch.context() as patch:
        recipe = single_lead(small(recipes_by_name()["house-resnet"]))
        patch.setattr("training.data.find", lambda name: recipe)
        assert train_model.main([str(data), str(model)]) == 0
    assert run_model.main([str(model), str(data), str(outputs)]) == 0
    return outputs


def test_it_is_trained_and_answered(data: Path, answered: Path) -> None:
    assert sorted(path.stem for path in answered.iterdir()) == sorted(LETTERS)
    problems = (data.parent / "model" / "problems.tsv").read_text().splitlines()
    assert problems == ["record\tused\tkind\twhat"]


def score(reference: Path, answers: Path, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert score_af([str(reference), str(answers)]) == 0
    return capsys.readouterr().out


def test_both_tables_score_its_answers_alike(
    data: Path, answered: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nested, flat = (score(data / name, answered, capsys)
                    for name in ("training/REFERENCE.csv", "REFERENCE-flat.csv"))  # fmt: skip
    assert nested == flat
    assert nested.startswith("6 records\n")


def test_the_right_answers_score_one(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Answers are named by record, by path, and in another order."""
    tables = [dict(sorted(LETTERS.items(), reverse=True)),
              {f"{name[:3]}/{name}": letter for name, letter in LETTERS.items()},
              {f"{name}.mat": letter.lower() for name, letter in LETTERS.items()}]  # fmt: skip
    for letters in tables:
        answers = tmp_path / "answers.txt"
        answers.write_text("".join(f"{name},{letter}\n" for name, letter in letters.items()))
        out = score(data / "training" / "REFERENCE.csv", answers, capsys)
        assert out.splitlines()[1] == "accuracy            1.0000"


@pytest.mark.parametrize("answers", ["A01002.hea,N\nA00009,N\n", "A00002,N\n", "a00001,N\n", ""])
def test_answers_to_other_records_are_an_error(
    data: Path, tmp_path: Path, answers: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "answers.txt").write_text(answers)
    status = score_af([str(data / "training" / "REFERENCE.csv"), str(tmp_path / "answers.txt")])
    captured = capsys.readouterr()
    if "A01002" in answers:  # one matches
        assert status == 0
        assert "records without an answer, counted as ~: 5" in captured.err
        return
    assert (status, captured.out) == (1, "")
    assert ("has no answer for any of the 6" if answers else "holds no label") in captured.err


@pytest.mark.parametrize("year", ["2020", "2021"])
@pytest.mark.parametrize("dx", ["", "# Dx: \n", "#Dx:\n#Age: 50\n"])
def test_the_scorer_of_codes_refuses_it(
    data: Path, answered: Path, tmp_path: Path, dx: str, year: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    copy = Path(shutil.copytree(data, tmp_path / "data"))
    for path in copy.rglob("*.hea"):
        path.write_text(path.read_text() + dx)
    capsys.readouterr()
    assert evaluate_model.main([str(copy), str(answered), "--year", year]) == 1
    assert capsys.readouterr().err == (
        f"Error: {copy}: none of its 6 headers has a code in a Dx line, so there is nothing to "
        "score. The labels of 2017 are in a table; score them by `python -m scoring.af "
        f"REFERENCE.csv {answered}`.\n"
    )
