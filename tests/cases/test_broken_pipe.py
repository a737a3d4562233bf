"""Commands whose reader ends early, as in `… | head -1`, end quietly."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
AF = "164889003"


@pytest.fixture
def scored(tmp_path: Path) -> list[str]:
    """A folder of one header and one of its output."""
    for folder, file, text in (("labels", "R0.hea", f"R0 1 1 1\n#Dx: {AF}\n"),
                               ("outputs", "R0.csv", f"#R0\n{AF}\n1\n1\n")):  # fmt: skip
        (tmp_path / folder).mkdir()
        (tmp_path / folder / file).write_text(text)
    return [str(tmp_path / "labels"), str(tmp_path / "outputs")]


@pytest.fixture
def tables(tmp_path: Path) -> list[str]:
    """A table of labels, which is its own table of answers."""
    (tmp_path / "REFERENCE.csv").write_text("A1,N\nA2,A\nA3,O\nA4,~\n")
    return [str(tmp_path / "REFERENCE.csv")] * 2


def unread(*words: str, unbuffered: str, both: bool = False) -> tuple[int, bytes]:
    """Run a command whose output nobody reads; return its status and stderr."""
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, *words], cwd=ROOT, stdout=writing,
        stderr=writing if both else subprocess.PIPE, check=False,
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
    )  # fmt: skip
    os.close(writing)
    return ended.returncode, ended.stderr or b""


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("options", [[], ["--classes"], ["--bootstrap", "5"], ["--year", "2020"]])
def test_the_scorer(scored: list[str], options: list[str], unbuffered: str) -> None:
    assert unread("evaluate_model.py", *scored, *options, unbuffered=unbuffered) == (141, b"")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_the_scorer_of_2017(tables: list[str], unbuffered: str) -> None:
    assert unread("-m", "scoring.af", *tables, unbuffered=unbuffered) == (141, b"")


def test_an_unread_error_has_its_status(scored: list[str]) -> None:
    (Path(scored[1]) / "R0.csv").unlink()
    status, _ = unread("evaluate_model.py", *scored, unbuffered="1", both=True)
    assert status == 141


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "words",
    [
        ["-m", "experiments", "list"],
        ["run_model.py", "weights/dualnet2017", "tests/data/cases/release2017/data", "{tmp}"],
    ],
    ids=["experiments", "run_model"],
)
def test_other_commands(words: list[str], unbuffered: str, tmp_path: Path) -> None:
    words = [word.format(tmp=tmp_path) for word in words]
    assert unread(*words, unbuffered=unbuffered) == (141, b"")


@pytest.mark.parametrize(
    "words",
    [
        ["run_model.py"], ["test_model.py"], ["train_model.py"], ["evaluate_model.py"],
        ["extract_leads_wfdb.py"], ["-m", "simulate"], ["-m", "scoring.af"],
        ["entries/2020/driver.py"], ["entries/2020/train_model.py"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_help(words: list[str]) -> None:
    """Argparse itself ignores a closed pipe if Python does not buffer."""
    status, error = unread(*words, "--help", unbuffered="")
    assert (status, error) == (141, b"")
