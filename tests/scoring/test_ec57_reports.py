"""Layouts beside WFDB's own output, and the command `python -m scoring.ec57`."""

from pathlib import Path

import numpy as np
import pytest

from ecg.annotation_files import write_annotations
from ecg.annotations import Annotations, Beats, Rhythms
from scoring.ec57 import reports, tables
from scoring.ec57.__main__ import main
from scoring.ec57.beats import Annotator, Comparison, compare_beats
from scoring.ec57.runs import SVEB, VEB, RunComparison, compare_runs

# checkpkg/expected/bxb.out and rxr.out of the WFDB Software Package: `bxb -r 100s -a atr ann -f 0`.
BXB = """\
Beat-by-beat comparison results for record 100s
Reference annotator: atr
     Test annotator: ann

               Algorithm
        n    v    f    q    o    x
   _______________________________
 N |   74    0    0    0    0    0
 V |    0    0    0    0    0    0
 F |    0    0    0    0    0    0
 Q |    0    0    0    0    0    0
 O |    0    0    0    0
 X |    0    0    0    0

           QRS sensitivity: 100.00% (74/74)
 QRS positive predictivity: 100.00% (74/74)
           VEB sensitivity:      -  (0/0)
 VEB positive predictivity:      -  (0/0)
   VEB false positive rate:  0.000% (0/74)


  Beats missed in shutdown:   0.00% (0/74)
      N missed in shutdown:   0.00% (0/74)
      V missed in shutdown:      -  (0/0)
      F missed in shutdown:      -  (0/0)
       Total shutdown time:     0 seconds"""
_RUNS = """\
               Algorithm Run Length
          0    1    2    3    4    5   >5
     ____________________________________
   0 |         0    0    0    0    0    0
   1 |    0    0    0    0    0    0    0
   2 |    0    0    0    0    0    0    0
   3 |    0    0    0    0    0    0    0
   4 |    0    0    0    0    0    0    0
   5 |    0    0    0    0    0    0    0
  >5 |    0    0    0    0    0    0    0
"""
RXR = f"""\
VE run-by-run comparison results for record 100s
Reference annotator: atr
     Test annotator: ann

{_RUNS}
      (Run Sensitivity Summary Matrix)


{_RUNS}
 (Run Positive Predictivity Summary Matrix)

            Couplet sensitivity:   -  (0/0)
  Couplet positive predictivity:   -  (0/0)
          Short run sensitivity:   -  (0/0)
Short run positive predictivity:   -  (0/0)
           Long run sensitivity:   -  (0/0)
 Long run positive predictivity:   -  (0/0)
"""


def test_reports_are_those_of_wfdbs_own_check() -> None:
    beats = Annotator(100 + 300 * np.arange(74), np.full(74, "N"))
    comparison = compare_beats(beats, beats, 360, start_s=0)
    assert reports.beat_report("100s", ("atr", "ann"), comparison, svebs=False) == BXB
    runs = compare_runs(beats, beats, 360, start_s=0)
    assert reports.run_report("100s", ("atr", "ann"), runs, VEB) == RXR


def full() -> Comparison:
    """Count every entry of the matrix in its own number of beats."""
    matrix = np.arange(1, 50).reshape(7, 7)
    matrix[5:, 5:] = 0
    return Comparison(matrix, 12.5, 2 * 30.0**2, 2)


def test_a_report_with_svebs() -> None:
    lines = reports.beat_report("x", ("atr", "new"), full()).splitlines()
    assert lines[5:9] == [
        "        n    s    v    f    q    o    x",
        "   ____________________________________",
        " N |    1    2    3    4    5    6    7",
        " S |    8    9   10   11   12   13   14",
    ]
    assert lines[13] == " X |   43   44   45   46   47"
    text = "\n".join(lines)
    assert "           QRS sensitivity:  67.46% (425/630)" in text
    assert "          SVEB sensitivity:  11.69% (9/77)" in text
    # Ns 2, Vs 16, Fs 23, Os 37 and Xs 44 are false; Qs 30 is not.
    assert "SVEB positive predictivity:   6.87% (9/131)" in text
    assert "     RMS RR interval error:  30.00 ms\n" in text
    assert "      S missed in shutdown:  18.18% (14/77)" in text
    assert text.endswith("       Total shutdown time:    13 seconds")


def test_lines_and_sums_without_svebs_by_hand() -> None:
    numbers = tables.beat_table({"100": full()}, svebs=False).splitlines()
    # Nn' = Nn+Ns+Nf+Nq + Sn+Ss+Sf+Sq = 12 + 40; Fn' = 96 + 124; On' = 152 + 180; VFP = 13 + 83.
    assert numbers[1] == (
        " 100    52  68 220 332  13   17  55  83  40  41 124  67.46  50.60  13.49  15.04 13.714"
    )
    assert numbers[2] == "_" * 86
    assert numbers[3] == "Sum      52  68 220 332  13   17  55  83  40  41 124"
    assert numbers[4] == f"{'Gross':54}  67.46  50.60  13.49  15.04 13.714"
    assert numbers[5] == f"{'Average':54}  67.46  50.60  13.49  15.04 13.714"
    assert numbers[6:] == [
        "Total QRS complexes: 630  Total VEBs: 126", "", "Summary of results from 1 record"
    ]  # fmt: skip


def test_lines_and_sums_with_svebs() -> None:
    lines = tables.beat_table({"100": full(), "101": full()}).splitlines()
    assert len(lines[0]) == len(lines[1]) == len(lines[3]) == 132
    assert lines[1].endswith("  67.46  50.60  13.49  15.04  11.69   6.87  30.00")
    # The sums of sumstats leave Fs out of the false ones: 9 / (2 + 9 + 16 + 37 + 44).
    assert lines[5].split() == ["Gross", "67.46", "50.60", "13.49", "15.04", "11.69", "8.33"]
    assert lines[6].split()[-1] == "30.00"
    assert lines[7] == "Total QRS complexes: 1260  Total VEBs: 252  Total SVEBs: 154"


def test_shutdown_lines() -> None:
    lines = tables.shutdown_table({"100": full()}).splitlines()
    beats, n = "  16.67", "  25.00"
    assert lines[2] == (
        f" 100    7   14   21   28   35  {beats}{n}  18.18  16.67  16.00   13 seconds "
        "28 77 126 175 224"
    )
    lines = tables.shutdown_table({"100": full()}, svebs=False).splitlines()
    assert lines[2].startswith(" 100   21   21   28   35  ")
    assert lines[4] == f"Sum     21   21   28   35{'':31}  13 seconds"
    assert lines[5].split()[0] == "Gross"


def test_run_lines_beside_rxrs_output_of_record_201() -> None:
    # MIT-LCP/physionet, issue 29: 21 couplets, 3 short runs, 3 of 4 long runs.
    matrix = np.zeros((7, 7), int)
    matrix[2, 2], matrix[3, 3], matrix[6, 6] = 21, 3, 3
    missed, false = matrix.copy(), matrix.copy()
    missed[6, 0], false[0, 6] = 1, 1
    lines = tables.run_table({"201": RunComparison(missed, false)}, SVEB).splitlines()
    assert lines[:3] == [
        "(SVE run detection)",
        "Record CTs CFN CTp CFP STs SFN STp SFP LTs LFN LTp LFP  CSe C+P SSe S+P LSe L+P",
        " 201  21   0  21   0   3   0   3   0   3   1   3   1  100 100 100 100  75  75",
    ]
    assert lines[7] == "Total couplets: 21  Total short runs: 3  Total long runs: 4"


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Write three records of 400 s at 250 Hz without signals, and annotations of a test."""
    reference, test = tmp_path / "reference", tmp_path / "test"
    test.mkdir()
    reference.mkdir()
    for name in ("a1", "a2", "a3"):
        (reference / f"{name}.hea").write_text(
            f"{name} 1 250 100000\n{name}.dat 16 200 16 0 0 0 0 0 II\n"
        )
        write_beats(reference / name)
        write_beats(test / name)
    return reference, test


def write_beats(stem: Path, fs: float = 250, last: int = 99_000, step: int = 250) -> None:
    """Write a beat a second; every tenth is V, the next S."""
    samples = np.arange(100, last, step)
    symbols = np.array([{0: "V", 1: "S"}.get(at % 10, "N") for at in range(len(samples))])
    rhythms = Rhythms([100], [5000], ["N"])
    write_annotations(Annotations(fs, Beats(samples, symbols), rhythms=rhythms), stem)


def test_the_command_compares_folders_and_records(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    reference, test = map(str, folders)
    assert main([reference, "--test", test]) == 0
    text, notes = capsys.readouterr()
    assert text.count("Summary of results from 3 records") == 4
    assert "Total QRS complexes: 288  Total VEBs: 30  Total SVEBs: 30" in text
    assert not notes
    assert main([f"{reference}/a1", f"{reference}/a2.hea", "--test", test, "-l", "-f", "0"]) == 0
    text, notes = capsys.readouterr()
    assert text.count("Summary of results from 2 records") == 3
    assert "Total QRS complexes: 792" in text
    assert "-f, -t and -w give figures that are not EC57's" in notes
    assert main([f"{reference}/a1", "--test", test, "-S", "-t", "6:00"]) == 0
    text = capsys.readouterr().out
    assert "SVE run-by-run comparison results for record a1" in text
    assert "QRS sensitivity: 100.00% (60/60)" in text


def test_bad_inputs_are_left_out_with_a_sentence(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    reference, test = folders
    command = [str(reference), "--test", str(test)]
    (test / "a1.atr").unlink()
    (test / "a2.atr").write_bytes(b"no annotations")
    assert main(command) == 1
    text, notes = capsys.readouterr()
    assert "Summary of results from 1 record\n" in text
    assert f"Left out: a1: no annotations: {test / 'a1.atr'} does not exist\n" in notes
    assert f"Left out: a2: {test / 'a2.atr'} is cut off or no annotation file" in notes
    write_beats(test / "a1", fs=360)
    write_beats(test / "a2", last=250_000)
    write_beats(reference / "a3", last=60_000)
    assert main(command) == 1
    text, notes = capsys.readouterr()
    assert not text
    assert "a1.atr is at 360 Hz and the record at 250 Hz; write the annotations at" in notes
    assert "a2.atr has a mark at sample 249,850, the record has 100,000 samples; is it" in notes
    assert f"Left out: a3: {reference / 'a3.atr'} has no beats in the test period" in notes


def test_the_wrong_folders_and_times(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    reference, test = map(str, folders)
    assert main([reference, "--test", f"{test}x"]) == 1
    assert f"Error: {test}x: no such folder" in capsys.readouterr().err
    assert main([f"{reference}/a1", "--test", reference]) == 1
    assert "a1.atr is both reference and test" in capsys.readouterr().err
    assert main([f"{reference}/b", "--test", test]) == 1
    assert "Left out: b: the header cannot be read" in capsys.readouterr().err
    assert main([reference, "--test", test, "-f", "7:00"]) == 1
    assert "the record has 400 s, the comparison begins at 420 s" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([reference, "--test", test, "-t", "60"])
    assert "ends (-t) before it begins (-f)" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([reference, "--test", test, "-f", "soon"])
    assert "invalid seconds value: 'soon'" in capsys.readouterr().err


def test_a_test_annotator_without_beats_misses_all(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    reference, test = folders
    write_beats(test / "a1", last=2000)
    assert main([f"{reference}/a1", "--test", str(test)]) == 0
    text, notes = capsys.readouterr()
    assert "Note: no beat of the test annotator, all are missed: a1." in notes
    assert text.splitlines()[3].split()[20:22] == ["0.00", "-"]
