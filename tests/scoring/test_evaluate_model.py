import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import evaluate_model

ROOT = Path(__file__).parents[2]
AF, NSR, SB = "164889003", "426783006", "426177001"
PROGRESS = (
    "Loading weights...\nLoading label and output files...\nEvaluating model...\n"
    "- AUROC and AUPRC...\n- Accuracy...\n- F-measure...\n{}- Challenge metric...\nDone.\n"
)
BETA = "- F-beta and G-beta measures...\n"


@pytest.fixture
def case(folders):
    """Make worked example 003 of the official cases: sinus rhythm always."""
    headers = {f"R{n}.hea": f"R{n} 1 1 1\n#Dx: {code}\n" for n, code in enumerate((AF, NSR, SB))}
    text = f"{AF},{NSR},{SB}\n0,1,0\n0.5,0.5,0.5\n"
    return folders(headers, {f"R{number}.csv": f"#R{number}\n{text}" for number in range(3)})


def test_two_arguments_print_the_scores(case, capsys):
    assert evaluate_model.main(list(case)) == 0
    scores = "AUROC,AUPRC,Accuracy,F-measure,Challenge metric\n0.500,0.333,0.333,0.167,0.000\n"
    assert capsys.readouterr() == (PROGRESS.format("") + scores, "")


def test_2020_prints_its_own_lines(case, capsys):
    assert evaluate_model.main([*case, "--year", "2020"]) == 0
    expected = PROGRESS.format(BETA) + (
        "AUROC,AUPRC,Accuracy,F-measure,Fbeta-measure,Gbeta-measure,Challenge metric\n"
        "0.500,0.333,0.333,0.167,0.238,0.111,0.000\n"
    )
    assert capsys.readouterr().out == expected


def test_four_arguments_write_two_files_and_print_neither(case, tmp_path, capsys):
    files = tmp_path / "scores.csv", tmp_path / "classes.csv"
    assert evaluate_model.main([*case, *map(str, files)]) == 0
    assert capsys.readouterr().out == PROGRESS.format("")
    assert files[0].read_bytes().endswith(b"metric\n0.500,0.333,0.333,0.167,0.000")
    lines = files[1].read_text().split("\n")
    assert [line.split(",")[0] for line in lines] == ["Classes", "AUROC", "AUPRC", "F-measure"]
    assert "164909002|733534002" in lines[0].split(",")
    assert "17338001|427172004" in lines[0].split(",")
    assert len(lines[3].split(",")) == 27


def test_the_official_function_answers_in_the_official_form(case):
    found = evaluate_model.evaluate_model(*case)
    classes, auroc, auprc, auroc_classes, auprc_classes, accuracy, f, f_classes, metric = found
    assert classes[4] == {"733534002", "164909002"}
    assert (len(classes), len(auroc_classes), len(auprc_classes), len(f_classes)) == (26,) * 4
    expected = (0.5, 1 / 3, 1 / 3, 1 / 6, 0.0)
    assert (auroc, auprc, accuracy, f, metric) == pytest.approx(expected, abs=1e-12)  # means


def test_table_for_people(case, capsys):
    assert evaluate_model.main([*case, "--classes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in lines if line.startswith(("AF ", "NSR ", "PVC|"))]
    assert rows == [
        ["AF", AF, "1", "0", "0.000", "-", "0.000", "0.500", "0.333"],
        ["NSR", NSR, "1", "3", "1.000", "0.333", "0.500", "0.500", "0.333"],
        ["PVC|VPB", "427172004|17338001", "0", "0", "-", "-", "-", "-", "-"],
    ]


def test_bootstrap_prints_seeded_intervals(case, capsys):
    printed = []
    for seed in ("1", "1", "2"):
        assert evaluate_model.main([*case, "--bootstrap", "3", "--seed", seed]) == 0
        printed.append(capsys.readouterr().out.splitlines()[-5:])
    assert printed[0] == printed[1] != printed[2]
    assert printed[0][2].startswith("Accuracy            0.333  (0.")
    ends = re.findall(r"\((\d\.\d+) to (\d\.\d+)\)", " ".join(printed[2]))
    assert all(low <= high for low, high in ends)
    assert any(low < high for low, high in ends)


def test_odd_things_are_told_but_do_not_stop(folders, capsys):
    headers = {f"R{n}.hea": f"R{n}\n#Dx: 55827005\n" for n in range(4)} | {"A.hea": f"#Dx: {AF}\n"}
    outputs = {f"R{n}.csv": f"#R{n}\n{AF}\n1\n1\n" for n in range(4)}
    outputs |= {"A.csv": "#A\n\n\n\n", "Z.csv": "x", "notes.txt": "x"}
    assert evaluate_model.main(list(folders(headers, outputs))) == 0
    assert capsys.readouterr().err.splitlines() == [
        "Note: output files without a header, not used: 1 (Z.csv).",
        "Note: records without a scored label: 4 (R0.hea, R1.hea, R2.hea and 1 more).",
        "Note: output files without a scored class, counted as all negative: 1 (A.csv).",
    ]


NUMBERS = "Note: output files with probabilities that are no finite numbers, counted as {}: {}.\n"
OUTPUTS = "Note: output files with outputs other than 0 and 1, counted as negative: {}.\n"


@pytest.mark.parametrize(
    ("outputs", "probabilities", "notes"),
    [
        ("1,0", "0.5,0.25", ""),
        ("1.0,false", "5e-1,0.25", ""),
        ("1,0.0", "0.5,0.25", ""),
        ("1, 0 ", " 0.5,0.250", ""),
        ("1,0", "0.5,nan", NUMBERS),
        ("1,0", "0.5,-inf", NUMBERS),
        ("1,0", "0.5,inf", NUMBERS),
        ("1,0", "0.5,", NUMBERS),
        ("1,0", "0.5,high", NUMBERS),
        ("1,nan", "0.5,0.25", OUTPUTS),
        ("1,", "0.5,0.25", OUTPUTS),
        ("1,0.9", "0.5,0.25", OUTPUTS),
        ("1,2", "0.5,x", OUTPUTS + NUMBERS),
    ],
)
@pytest.mark.parametrize("others", [0, 4])
def test_values_that_are_no_numbers_count_as_officially_and_are_said(
    folders, capsys, outputs, probabilities, notes, others
):
    """The scores are those of 0; files are counted, and three are named."""
    headers = {f"R{n}.hea": f"R{n}\n#Dx: {(AF, NSR)[n % 2]}\n" for n in range(6)}
    good = f"#R{{}}\n{AF},{NSR}\n1,0\n0.5,0.{{}}\n"
    odd = f"#R{{}}\n{AF},{NSR}\n{outputs}\n{probabilities}\n"
    files = {f"R{n}.csv": (odd if n <= others else good).format(n, n) for n in range(6)}
    assert evaluate_model.main(list(folders(headers, files, "odd"))) == 0
    scores, error = capsys.readouterr()
    names = "5 (R0.csv, R1.csv, R2.csv and 2 more)" if others else "1 (R0.csv)"
    assert error == notes.replace("{}: {}", "0: {}").format(names, names)
    zero = "0.25" if "0.25" in probabilities else "0.250" if not notes else "0"
    plain = f"#R{{}}\n{AF},{NSR}\n1,0\n0.5,{zero}\n"
    files = {f"R{n}.csv": (plain if n <= others else good).format(n, n) for n in range(6)}
    evaluate_model.main(list(folders(headers, files, "plain")))
    assert capsys.readouterr() == (scores, "")


def test_values_of_classes_that_are_not_scored_are_no_matter(folders, capsys):
    headers = {"A.hea": f"#Dx: {AF}\n"}
    outputs = {"A.csv": f"#A\n55827005,{AF},x\n2,1,\nnan,0.5,text\n"}
    assert evaluate_model.main(list(folders(headers, outputs))) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("year", "counted"), [("2020", "in 2020"), ("2021", "0")])
def test_the_note_on_probabilities_has_the_years_rule(folders, capsys, year, counted):
    headers = {"A.hea": f"#Dx: {AF}\n"}
    outputs = {"A.csv": f"#A\n{AF}\n1\nnan\n"}
    assert evaluate_model.main([*folders(headers, outputs), "--year", year]) == 0
    assert capsys.readouterr().err == NUMBERS.format(counted, "1 (A.csv)")


def test_outputs_of_another_model_are_named(folders, capsys):
    """Failed records have no classes, whatever the model."""
    headers = {f"R{n}.hea": f"R{n}\n#Dx: {AF}\n" for n in range(9)}
    outputs = {f"R{n}.csv": f"#R{n}\n{AF},{NSR}\n1,0\n0.5,0.5\n" for n in range(4)}
    outputs |= {f"R{n}.csv": f"#R{n}\n{NSR},{AF}\n0,1\n0.5,0.5\n" for n in (4, 5, 6)}
    outputs |= {"R7.csv": "#R7\n\n\n\n", "R8.csv": "#R8\nN,A\n0,1\n0.5,0.5\n"}
    assert evaluate_model.main(list(folders(headers, outputs))) == 0
    assert capsys.readouterr().err.splitlines() == [
        "Note: output files without a scored class, counted as all negative: 2 (R7.csv, R8.csv).",
        "Note: output files with other classes than the rest, of another model?: 4 (R4.csv, R5.csv,"
        " R6.csv and 1 more).",
    ]


@pytest.mark.parametrize(("ago", "older"), [(0, False), (599, False), (600, True), (1e8, True)])
def test_outputs_of_an_earlier_run_are_named(case, capsys, ago, older):
    now = Path(case[1], "R0.csv").stat().st_mtime
    for name, before in (("R0", ago), ("R1", ago + 30), ("R2", 0)):
        os.utime(Path(case[1], f"{name}.csv"), (now - before, now - before))
    assert evaluate_model.main(list(case)) == 0
    text = "Note: output files much older than the rest, of an earlier run?: 2 (R0.csv, R1.csv).\n"
    assert capsys.readouterr().err == (text if older else "")


def test_outputs_whose_lines_are_not_as_written_are_named(folders, capsys):
    """A repeated or moved line makes labels of probabilities; the scores are the official ones."""
    good = f"{AF},{NSR}\n1,0\n0.5,0.5\n"
    texts = {
        "right": f"#right\n{good}",
        "blanks": f"#blanks \r\n{good}\n \n",
        "other": f"#right\n{good}",
        "bare": f"#\n{good}",
        "headless": f"1,0\n{good}",
        "repeated": f"#repeated\n{AF},{NSR}\n1,0\n1,0\n0.5,0.5\n",
        "longer": f"#longer\n{good}x\n",
        "uneven": f"#uneven\n{AF},{NSR}\n1,0,1\n0.5,0.5\n",
    }
    headers = {f"{name}.hea": f"{name}\n#Dx: {AF}\n" for name in texts}
    case = folders(headers, {f"{name}.csv": text for name, text in texts.items()})
    assert evaluate_model.main(list(case)) == 0
    out, err = capsys.readouterr()
    assert err.splitlines() == [
        "Note: output files whose first line is not # and the name of the file: 3 (bare.csv, "
        "headless.csv, other.csv).",
        "Note: output files of other than four lines, or with lines of unequal lengths: 3 "
        "(longer.csv, repeated.csv, uneven.csv).",
    ]
    assert out.endswith("nan,1.000,1.000,1.000,1.000\n")


def test_without_any_scored_label_the_scores_are_said_to_mean_nothing(folders, capsys):
    headers = {"A.hea": "#Dx: 55827005\n", "B.hea": "#Dx:\n"}
    outputs = {f"{name}.csv": f"#{name}\n{AF}\n0\n0\n" for name in "AB"}
    assert evaluate_model.main(list(folders(headers, outputs))) == 0
    assert capsys.readouterr().err.splitlines() == [
        "Note: records without a scored label: 2 (A.hea, B.hea).",
        "Note: no record has a scored label, so these scores mean nothing.",
    ]


def test_names_of_files_do_not_control_the_terminal(folders, capsys):
    headers = {"A.hea": f"#Dx: {AF}\n", "B\x1b[2J.hea": "#Dx: 55827005\n"}
    outputs = {"A.csv": f"#A\n{AF}\n1\n1\n", "B\x1b[2J.csv": f"#B\\x1b[2J\n{AF}\n1\n1\n"}
    assert evaluate_model.main(list(folders(headers, outputs))) == 0
    assert capsys.readouterr().err == "Note: records without a scored label: 1 (B\\x1b[2J.hea).\n"


def test_the_shift_of_2020_is_told(folders, capsys):
    headers = {"A.hea": f"#Dx: {AF}\n#Dx: {NSR}\n", "B.hea": f"#Dx: {AF}\n"}
    outputs = {f"{name}.csv": f"#{name}\n{AF}\n1\n1\n" for name in "AB"}
    case = folders(headers, outputs)
    assert evaluate_model.main([*case, "--year", "2020"]) == 0
    assert "Note: headers with two Dx lines, which shift" in capsys.readouterr().err
    assert evaluate_model.main(list(case)) == 0
    assert capsys.readouterr().err == ""


def test_failure_is_one_sentence_and_status_1(case, tmp_path, capsys):
    (Path(case[1]) / "R1.csv").unlink()
    assert evaluate_model.main([*case, str(tmp_path / "scores.csv")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("Error: 1 of 3 records have no output file in ")
    assert error.endswith(": R1.csv. Run the model on them, or remove their headers.\n")
    assert not (tmp_path / "scores.csv").exists()


def test_a_missing_folder_for_the_scores_is_reported_before_the_work(case, tmp_path, capsys):
    assert evaluate_model.main([*case, str(tmp_path / "no" / "scores.csv")]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.endswith("does not exist; create it first.\n")


@pytest.mark.parametrize(
    "arguments", [[], ["labels"], ["a", "b", "c", "d", "e"], ["a", "b", "--year", "2019"]]
)
def test_wrong_usage_is_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        evaluate_model.main(arguments)
    assert stop.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_a_negative_number_of_resamples_is_wrong_usage(capsys):
    with pytest.raises(SystemExit) as stop:
        evaluate_model.main(["a", "b", "--bootstrap", "-1"])
    assert stop.value.code == 2
    assert "--bootstrap" in capsys.readouterr().err


def test_the_command_runs_from_any_folder(case, tmp_path):
    command = [sys.executable, str(ROOT / "evaluate_model.py"), *case]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("0.500,0.333,0.333,0.167,0.000\n")


def test_import_is_cheap():
    heavy = "torch", "scipy", "sklearn", "pandas", "matplotlib", "wfdb", "joblib"
    code = f"import sys, scoring, evaluate_model; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout == "[]\n"
