"""2017's scores: the fact sheet's check values, missing answers, the command."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ecg import LeadwiseError
from ecg.labels import AF_LETTERS, label_matrix
from scoring import METRICS
from scoring.af import score, score_classes
from scoring.af.__main__ import main, matrices, read_answers
from scoring.outputs import save_outputs

ROOT = Path(__file__).resolve().parents[2]
# specs/dualnet2017.md, section 13, "Scores"; [M] there.
TRUTH = dict(enumerate("N" * 6 + "O" * 4 + "A" * 3 + "~" * 2))
ANSWERS = dict(enumerate("NNNNO~" + "OONA" + "AAO" + "~N"))


def by_hand(truth: str, answers: str) -> dict[str, float]:
    """F1 of each letter, counted by loops."""
    pairs = list(zip(truth, answers, strict=True))
    f1 = {}
    for letter in AF_LETTERS:
        both = sum(one == other == letter for one, other in pairs)
        either = sum((one == letter) + (other == letter) for one, other in pairs)
        f1[letter] = 2 * both / either if either else float("nan")
    return f1


def test_the_check_values_of_the_fact_sheet() -> None:
    scores = score(*matrices(TRUTH, ANSWERS))
    assert scores.accuracy == pytest.approx(0.6, abs=1e-6)
    np.testing.assert_allclose(scores.f1, [0.666667, 0.666667, 0.5, 0.5], atol=1e-6)  # N A O ~
    assert scores.f1_four == pytest.approx(0.583333, abs=1e-6)
    assert scores.f1_three == pytest.approx(0.611111, abs=1e-6)
    assert scores.confusion.tolist() == [[4, 0, 1, 1], [0, 2, 1, 0], [1, 1, 2, 0], [1, 0, 0, 1]]


def test_a_missing_answer_counts_as_noise() -> None:
    without = {name: letter for name, letter in ANSWERS.items() if name != 0}
    scores = score(*matrices(TRUTH, without))
    assert scores.f1[[0, 3]] == pytest.approx([0.545455, 0.4], abs=1e-6)
    assert scores.accuracy == pytest.approx(0.533333, abs=1e-6)
    assert scores.f1_four == pytest.approx(0.528030, abs=1e-6)
    assert scores.f1_three == pytest.approx(0.570707, abs=1e-6)


@pytest.mark.parametrize("letters", ["NAO~", "NA", "N"])
def test_scores_are_those_of_a_count_by_hand(letters: str) -> None:
    rng = np.random.default_rng(len(letters))
    truth, answers = ("".join(rng.choice(list(letters), 40)) for _ in range(2))
    scores = score(*matrices(dict(enumerate(truth)), dict(enumerate(answers))))
    expected = by_hand(truth, answers)
    np.testing.assert_allclose(scores.f1, list(expected.values()))
    assert scores.f1_four == pytest.approx(np.nanmean(list(expected.values())))
    assert scores.f1_three == pytest.approx(np.nanmean([expected[one] for one in "NAO"]))


def test_training_metrics_accept_any_order_of_classes() -> None:
    labels, answers = matrices(TRUTH, ANSWERS)
    classes = ("N", "O", "A", "~")  # the order of ECG-DualNet's logits
    columns = [AF_LETTERS.index(letter) for letter in classes]
    for name, value in (("af_accuracy", 0.6), ("af_f1", 0.583333)):
        metric = METRICS[name]
        assert metric(labels[:, columns], answers[:, columns], answers, classes) == pytest.approx(
            value, abs=1e-6
        )
    with pytest.raises(LeadwiseError, match=r"classes N, A, O, ~; these are N\|O\|~, A"):
        score_classes(labels[:, :2], answers[:, :2], ("N|O|~", "A"))


def test_two_classes_at_once_cannot_be_scored() -> None:
    labels = label_matrix([["N"], ["A"]], AF_LETTERS)
    with pytest.raises(LeadwiseError, match="one of the classes N, A, O and ~, and one answer"):
        score(labels, np.ones((2, 4), bool))


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    path = tmp_path / "REFERENCE.csv"
    path.write_text("".join(f"A{name:05d},{letter}\n" for name, letter in TRUTH.items()))
    return path


def write_answers(folder: Path, answers: dict[int, str]) -> Path:
    path = folder / "answers.txt"
    path.write_text("".join(f"A{name:05d},{letter}\n" for name, letter in answers.items()))
    return path


def test_the_command_scores_an_answers_txt(reference: Path, tmp_path: Path) -> None:
    answers = write_answers(tmp_path, {**ANSWERS, 99: "N"})
    ended = subprocess.run(
        [sys.executable, "-m", "scoring.af", str(reference), str(answers)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.stderr == "Note: answers without a label, not used: 1 (A00099).\n"
    assert ended.stdout.splitlines() == [
        "15 records",
        "accuracy            0.6000",
        "F1 over N, A, O     0.6111",
        "F1 over N, A, O, ~  0.5833",
        "",
        "label      N      A      O      ~     F1",
        "N          4      0      1      1 0.6667",
        "A          0      2      1      0 0.6667",
        "O          1      1      2      0 0.5000",
        "~          1      0      0      1 0.5000",
        "",
        "N normal, A atrial fibrillation, O other rhythm, ~ too noisy",
    ]


def test_the_command_scores_a_folder_of_outputs(
    reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = tmp_path / "outputs"
    folder.mkdir()
    for number, letter in list(ANSWERS.items())[2:]:
        name, row = f"A{number:05d}", [int(letter == one) for one in AF_LETTERS]
        save_outputs(folder / f"{name}.csv", name, AF_LETTERS, row, row)
    (folder / "A00001.csv").write_text("#A00001\n\n\n\n")  # a failed record; A00000 has no file
    assert main([str(reference), str(folder)]) == 0
    captured = capsys.readouterr()
    assert captured.err == (
        "Note: output files without a class of 2017: 1 (A00001).\n"
        "Note: records without an answer, counted as ~: 2 (A00000, A00001).\n"
    )
    assert captured.out.splitlines()[1] == "accuracy            0.4667"
    save_outputs(folder / "A00003.csv", "A00003", AF_LETTERS, [1, 1, 0, 0], [0.5] * 4)
    with pytest.raises(LeadwiseError, match="1 records have more than one class: A00003; 2017's"):
        read_answers(folder, ["A00003"])


def test_an_absent_class_is_left_out_with_a_note(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "REFERENCE.csv").write_text("A1,N\nA2,A\nA3,N\n")
    (tmp_path / "answers.txt").write_text("A1,N\nA2,N\nA3,N\n")
    assert main([str(tmp_path / "REFERENCE.csv"), str(tmp_path / "answers.txt")]) == 0
    captured = capsys.readouterr()
    assert (
        captured.err
        == "Note: classes absent from labels and answers, left out of the means: 2 (O, ~).\n"
    )
    assert "F1 over N, A, O     0.4000" in captured.out


@pytest.mark.parametrize(
    ("table", "answers", "message"),
    [
        ("A1,N\n", "A1,X\n", "answers.txt: is not used, because 1 of 1 lines have no label of 2"),
        ("A1,N\n", "A1,N\nA1,A\n", "answers.txt: A1: answers.txt has two labels, N and A"),
        ("A1,Q\n", "A1,N\n", "'A1,Q', line 1 of REFERENCE.csv, is not RECORD,X with X one of N A"),
        ("A1,N\nA2,Q\n", "A1,N\n", "REFERENCE.csv: A2: 'A2,Q', line 2 of REFERENCE.csv, is not "),
        ("A1,N\n", "", "answers.txt: holds no label"),
        ("A1,N\n", "A2,N\n", "answers.txt: has no answer for any of the 1 records, such as A1"),
        ("", "A1,N\n", "REFERENCE.csv: holds no label"),
        ("A1,N\n", None, "answers.txt: cannot be read: No such file"),
    ],
)
def test_errors_are_messages(
    tmp_path: Path, capsys: pytest.CaptureFixture, table: str, answers: str | None, message: str
) -> None:
    (tmp_path / "REFERENCE.csv").write_text(table)
    if answers is not None:
        (tmp_path / "answers.txt").write_text(answers)
    assert main([str(tmp_path / "REFERENCE.csv"), str(tmp_path / "answers.txt")]) == 1
    assert message in capsys.readouterr().err
