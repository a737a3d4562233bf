"""The 2017 entry: output of next.sh to the character; an entry packed, unpacked and run."""

import os
import shutil
import subprocess
import sys
import zipfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from ecg.labels import AF_LETTERS
from ecg.records import read_record
from models.model import Model

ENTRY = Path(__file__).resolve().parents[2] / "entries" / "2017"
# Files at the top of an entry (specs/dualnet2017.md, section 14), and those that ours adds.
LAYOUT = {"setup.sh", "next.sh", "answers.txt", "dependencies.txt", "AUTHORS.txt", "LICENSE.txt"}
OURS = {"paths.sh", "answer.py", "leadwise"}
# Records of the validation folder, some named like files of an entry, and what they are copies of.
NAMES = {"A00001": "A00001", "A00002": "A00002", "answers": "A00003", "next": "A00004",
         "answer": "A00001", "setup": "A00002", "leadwise": "A00003"}  # fmt: skip


@pytest.fixture
def entry_module() -> ModuleType:
    spec = spec_from_file_location("answer_2017", ENTRY / "answer.py")
    assert spec is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def here(folder_2017: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the records A00001 to A00004."""
    for path in folder_2017.glob("A0000[1-4].*"):
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(
    script: Path, *words: object, folder: Path, **environment: str
) -> subprocess.CompletedProcess:
    """Run a script of the entry with these environment variables alone."""
    return subprocess.run(
        ["bash", str(script), *map(str, words)], cwd=folder, capture_output=True, text=True,
        env={"PATH": os.environ["PATH"], "PYTHON": sys.executable, **environment},
    )  # fmt: skip


def letter_of(model: Path, record: Path) -> str:
    prediction = Model.load(model, ("ECG",)).predict(read_record(record))
    return prediction.classes[int(prediction.labels.argmax())]


def test_next_sh_appends_the_models_answer(here: Path, model_2017: Path) -> None:
    (here / "answers.txt").write_text("A00009,~\n")
    ended = run(ENTRY / "next.sh", "A00002", folder=here, ENTRY_WEIGHTS=str(model_2017))
    assert (ended.returncode, ended.stderr, ended.stdout) == (0, "", "")
    letter = letter_of(model_2017, here / "A00002.hea")
    assert (here / "answers.txt").read_text() == f"A00009,~\nA00002,{letter}\n"


def test_next_sh_appends_the_probability_of_atrial_fibrillation(
    here: Path, model_2017: Path
) -> None:
    settings = {"ENTRY_WEIGHTS": str(model_2017), "ENTRY_PROBABILITIES": "of af.txt"}
    ended = run(ENTRY / "next.sh", "A00002", folder=here, **settings)
    assert (ended.returncode, ended.stderr) == (0, "")
    expected = Model.load(model_2017, ("ECG",)).predict(read_record(here / "A00002.hea"))
    assert 0 < expected.named()["A"] < 1
    assert (here / "of af.txt").read_text() == f"A00002,{expected.named()['A']:.4f}\n"
    assert (here / "answers.txt").read_text().startswith("A00002,")


def test_an_unreadable_record_has_no_probability(
    here: Path, model_2017: Path, entry_module: ModuleType
) -> None:
    (here / "A00001.mat").unlink()
    assert entry_module.main(["--probabilities", "af.txt", str(model_2017), "A00001"]) == 0
    assert (here / "answers.txt").read_text() == "A00001,~\n"
    assert (here / "af.txt").read_text() == "A00001,nan\n"


def test_next_sh_takes_one_record(here: Path) -> None:
    for words in ((), ("A00001", "A00002")):
        ended = run(ENTRY / "next.sh", *words, folder=here)
        assert (ended.returncode, ended.stderr) == (2, "usage: next.sh RECORD\n")


def test_answers_that_cannot_be_written_are_an_error(
    here: Path, model_2017: Path, entry_module: ModuleType, capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """As in a read-only folder, which does not stop the root user of the tests."""
    (here / "answers.txt").mkdir()
    assert entry_module.main([str(model_2017), "A00001"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"Error: {here}/answers.txt: cannot be written: Is a directory; run ")
    monkeypatch.setattr(entry_module, "ANSWERS", here / "none" / "answers.txt")
    assert entry_module.main([str(model_2017), "A00001"]) == 1
    assert "cannot be written: No such file or directory; run next.sh" in capsys.readouterr().err


def test_without_weights_the_entry_fails_without_an_answer(here: Path) -> None:
    for script, words in (("setup.sh", ()), ("next.sh", ("A00001",))):
        ended = run(ENTRY / script, *words, folder=here, ENTRY_WEIGHTS=str(here / "none"))
        assert ended.returncode == 1
        assert ended.stderr.startswith(f"Error: {here}/none: the weights are missing; put a model")
        assert "ENTRY_WEIGHTS" in ended.stderr
    assert not (here / "answers.txt").exists()


def test_a_python_without_packages_or_wheels_is_an_error(here: Path, tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text("#!/bin/sh\nexit 1\n")
    bare.chmod(0o755)
    ended = run(ENTRY / "setup.sh", folder=here, PYTHON=str(bare))
    assert ended.returncode == 1
    assert "numpy, safetensors, scipy or torch is missing" in ended.stderr


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda folder: (folder / "A00001.mat").unlink(), "has a header but no signal"),
        (lambda folder: (folder / "A00001.hea").unlink(), "the header cannot be read: No such"),
        (lambda folder: overwrite(folder / "A00001.mat", b"MATLAB 5.0, or not"), "the .mat"),
    ],
)
def test_a_record_that_cannot_be_answered_is_noise_with_a_reason(
    here: Path, model_2017: Path, entry_module: ModuleType, capsys: pytest.CaptureFixture,
    break_it, message: str,
) -> None:  # fmt: skip
    break_it(here)
    assert entry_module.main([str(model_2017), "A00001"]) == 0
    assert (here / "answers.txt").read_text() == "A00001,~\n"
    reason = capsys.readouterr().err
    assert reason.startswith("A00001 is answered by ~ because it cannot be read: ")
    assert message in reason


def overwrite(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def test_a_model_of_other_classes_is_refused(
    here: Path, model_folder: Path, entry_module: ModuleType, capsys: pytest.CaptureFixture
) -> None:
    assert entry_module.main([str(model_folder), "A00001"]) == 1
    assert "does not choose one of the classes N, A, O, ~" in capsys.readouterr().err
    assert not (here / "answers.txt").exists()


def test_an_entry_is_packed_and_runs_where_it_is_unpacked(
    here: Path, model_2017: Path, tmp_path: Path
) -> None:
    """The packed entry, run from its own tree, gives the same answer to a validation record."""
    validation = tmp_path / "validation"
    validation.mkdir()
    for name, source in NAMES.items():
        for ending in (".hea", ".mat"):
            shutil.copy(here / f"{source}{ending}", validation / f"{name}{ending}")
    (validation / "REFERENCE.csv").write_text("".join(f"{name},N\n" for name in NAMES))
    ended = run(
        ENTRY / "prepare-entry.sh", "validation", "entry.zip",
        folder=here, ENTRY_WEIGHTS=str(model_2017),
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "7 records\naccuracy" in ended.stdout
    assert "7 records answered; " in ended.stdout
    assert ended.stdout.endswith(", a dry run\n")
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(here / "entry.zip") as packed:
        packed.extractall(unpacked)
        modes = {entry.filename: entry.external_attr >> 16 for entry in packed.infolist()}
    assert {path.name for path in unpacked.iterdir()} == LAYOUT | OURS | {"DRYRUN"}
    assert all(modes[name] & 0o111 for name in ("setup.sh", "next.sh"))
    assert not list(unpacked.rglob("*.pyc"))
    assert (unpacked / "LICENSE.txt").read_text().startswith("BSD 2-Clause")
    answers = (unpacked / "answers.txt").read_text()
    assert answers == "".join(
        f"{name},{letter_of(model_2017, here / f'{source}.hea')}\n"
        for name, source in sorted(NAMES.items())
    )
    (unpacked / "answers.txt").unlink()
    for ending in (".hea", ".mat"):
        shutil.copy(here / f"A00001{ending}", unpacked)
    for script, words in (("setup.sh", ()), ("next.sh", ("A00001",))):
        ended = run(unpacked / script, *words, folder=unpacked)
        assert ended.returncode == 0, ended.stderr
    assert answers.startswith((unpacked / "answers.txt").read_text())


def test_the_entrys_own_answers_are_300_records() -> None:
    """The Challenge of 2017 compared them; the repository has no records to compare with."""
    lines = (ENTRY / "answers.txt").read_text().splitlines()
    assert lines == sorted(set(lines))
    assert len({line.split(",")[0] for line in lines}) == len(lines) == 300
    assert {line.split(",")[1] for line in lines} == set(AF_LETTERS)
