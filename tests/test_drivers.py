"""The drivers with a fake team's code: exact outputs, failures, exit statuses."""

import errno
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import run_model
import train_model
from ecg import LeadwiseError
from ecg.records import write_record
from helper_code import twelve_leads
from training.settings import VARIABLES

ROOT = Path(__file__).resolve().parent.parent
CODES = ("426783006", "164889003")


class Team:
    """A team's code of ten lines: it answers with the mean of the recording, or fails as set."""

    def __init__(self) -> None:
        self.loaded: list[tuple[str, tuple[str, ...]]] = []
        self.errors: dict[str, BaseException] = {}
        self.answers: dict[str, tuple] = {}

    def load_model(self, folder: str, leads: tuple[str, ...]) -> str:
        self.loaded.append((folder, leads))
        return "-".join(leads)

    def run_model(self, model: str, header: str, recording: np.ndarray) -> tuple:
        name = header.split()[0]
        if name in self.errors:
            raise self.errors[name]
        if name in self.answers:
            return self.answers[name]
        assert recording.dtype == np.int16
        assert recording.flags.writeable
        return CODES, [1, 0], [float(recording.mean()), np.float32(len(model.split("-")) / 10)]


@pytest.fixture
def team(monkeypatch: pytest.MonkeyPatch) -> Team:
    fake = Team()
    monkeypatch.setitem(sys.modules, "team_code", fake)
    return fake


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A model folder, a data folder (A has 12 leads, B and C have 2), and where outputs go."""
    model, data = tmp_path / "model", tmp_path / "data"
    model.mkdir()
    record(data, "A", twelve_leads)
    record(data, "B", ("II", "I"))
    record(data, "C", ("I", "II"))
    return model, data, tmp_path / "outputs"


def record(folder: Path, name: str, leads: tuple[str, ...], mv: float = 0.5) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_record(folder, name, np.full((len(leads), 4), mv), leads, 500)


def run(*arguments: object) -> int:
    return run_model.main([str(argument) for argument in arguments])


def written(folder: Path) -> dict[str, str]:
    return {path.name: path.read_bytes().decode() for path in folder.iterdir()}


def test_outputs_to_the_character(team: Team, folders: tuple[Path, Path, Path]) -> None:
    assert run(*folders) == 0
    assert written(folders[2]) == {
        "A.csv": "#A\n426783006,164889003\n1,0\n500.0,1.2\n",
        "B.csv": "#B\n426783006,164889003\n1,0\n500.0,0.2\n",
        "C.csv": "#C\n426783006,164889003\n1,0\n500.0,0.2\n",
    }


def test_loads_one_model_for_each_distinct_lead_set(
    team: Team, folders: tuple[Path, Path, Path]
) -> None:
    run(*folders)
    model = str(folders[0])
    assert sorted(team.loaded) == [(model, ("I", "II")), (model, twelve_leads)]


def test_id_from_the_header_and_name_from_the_file(
    team: Team, folders: tuple[Path, Path, Path]
) -> None:
    header = folders[1] / "A.hea"
    header.write_text(header.read_text().replace("A 12", "A.mat 12", 1))
    (folders[1] / "B.hea").write_text("")
    assert run(*folders) == 1
    outputs = written(folders[2])
    assert outputs["A.csv"].startswith("#A.mat\n426783006,")
    assert outputs["B.csv"] == "#B\n\n\n\n"


def test_nested_folders_give_flat_outputs_and_a_name_twice_is_a_failure(
    team: Team, folders: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    model, data, outputs = folders
    record(data / "x" / "y", "D", ("I",))
    record(data / "x" / "z", "A", ("I",), mv=0.1)
    record(data / ".hidden", "E", ("I",))
    assert run(*folders) == 1
    assert sorted(written(outputs)) == ["A.csv", "B.csv", "C.csv", "D.csv"]
    assert "500.0" in written(outputs)["A.csv"]
    assert capsys.readouterr().err.splitlines() == [
        f"A: two records of this name; {data / 'x' / 'z' / 'A.hea'} is left out",
        "1 of 5 records failed: A",
    ]
    assert run(*folders, "-f") == 0


FAILED = "#{}\n\n\n\n"


def test_a_failed_record_is_named_and_the_run_continues(
    team: Team, folders: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    model, data, outputs = folders
    for name in "DEFGHIJKL":
        record(data, name, ("I", "II"))
    (data / "A.mat").unlink()
    (data / "B.mat").write_bytes((data / "B.mat").read_bytes()[:-1])
    (data / "C.hea").write_text("C twelve\n")
    (data / "D.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    team.errors["E"] = LeadwiseError("E: the beat is lost")
    team.errors["F"] = RuntimeError("not enough memory")
    team.errors["G"] = IndexError("index 3 is out of bounds")
    team.errors["H"] = ZeroDivisionError("division by zero")
    team.answers["I"] = ((), (), ())
    team.answers["J"] = (CODES, [1], [0.5, 0.5])
    team.errors["K"] = OSError(errno.EIO, "Input/output error")
    assert run(*folders) == 1
    captured = capsys.readouterr()
    assert captured.err.splitlines() == [
        "A failed: has a header but no signal (A.mat)",
        "B failed: the .mat is cut off: 39 of 40 bytes; fetch the file again",
        "C failed: line 1 of the header must be NAME LEADS FS SAMPLES; it is 'C twelve'",
        "D failed: the .mat is no MATLAB file; fetch the file again",
        "E failed: the beat is lost",
        "F failed: RuntimeError: not enough memory",
        "G failed: IndexError: index 3 is out of bounds",
        "H failed: ZeroDivisionError: division by zero",
        "J failed: 2 classes, 1 labels and 2 probabilities",
        "K failed: OSError: [Errno 5] Input/output error",
        "11 of 12 records failed: A, B, C, D, E, F, G, H, I, J, K",
    ]
    assert captured.out == "Done.\n"
    expected = {f"{name}.csv": FAILED.format(name) for name in "ABCDEFGHIJK"}
    expected["L.csv"] = "#L\n426783006,164889003\n1,0\n500.0,0.2\n"
    assert written(outputs) == expected


def test_allow_failures_changes_only_the_status(
    team: Team, folders: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    team.errors["B"] = LeadwiseError("B: no beat")
    assert run(*folders, "--allow-failures") == 0
    assert capsys.readouterr().err.splitlines()[-1] == "1 of 3 records failed: B"
    assert written(folders[2])["B.csv"] == FAILED.format("B")


def test_a_bug_in_the_code_ends_the_run(team: Team, folders: tuple[Path, Path, Path]) -> None:
    team.errors["A"] = TypeError("a programmer's mistake")
    with pytest.raises(TypeError, match="a programmer's mistake"):
        run(*folders)


def test_verbose_prints_one_line_per_record(
    team: Team, folders: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    team.answers["B"] = (CODES, [0, 0], [0.1, 0.1])
    assert run(*folders, "-v") == 0
    assert capsys.readouterr().err == "A: 426783006 (NSR)\nB: no class\nC: 426783006 (NSR)\n"
    run(*folders)
    assert capsys.readouterr().err == ""


def test_names_of_headers_forge_neither_outputs_nor_lines_of_the_terminal(
    team: Team, folders: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    model, data, outputs = folders
    text = (data / "A.hea").read_text()
    (data / "A.hea").write_text(text.replace("A 12", "A\x1b[2J\x07 12", 1))
    forged = "D\n426783006\n1\n1"
    (data / f"{forged}.hea").write_text("no header")
    assert run(*folders, "-v") == 1
    texts = written(outputs)
    assert texts["A.csv"].splitlines()[0] == r"#A\x1b[2J\x07"
    assert texts[f"{forged}.csv"] == FAILED.format(r"D\n426783006\n1\n1")
    err = capsys.readouterr().err
    assert err.replace("\n", "").isprintable()
    assert r"D\n426783006\n1\n1 failed: line 1 of the header" in err


def test_ctrl_c_ends_with_a_sentence(
    team: Team, folders: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    team.errors["B"] = KeyboardInterrupt()
    assert run(*folders) == 130
    out, err = capsys.readouterr()
    assert (out, err[:13]) == ("", "Interrupted. ")
    assert [*written(folders[2])] == ["A.csv"]


def test_drafts_of_killed_runs_are_deleted_and_those_of_running_ones_kept(
    team: Team, folders: tuple[Path, Path, Path]
) -> None:
    outputs = folders[2]
    outputs.mkdir()
    ended = subprocess.Popen(["true"])
    ended.wait()
    host = platform.node()
    drafts = [outputs / f".A.csv.{host}.{process}.part" for process in (ended.pid, os.getpid(), 1)]
    for draft in [*drafts, outputs / ".A.csv.notes.part"]:
        draft.touch()
    assert run(*folders) == 0
    assert {name for name in written(outputs) if name[0] == "."} == {
        f".A.csv.{host}.1.part", ".A.csv.notes.part"
    }  # fmt: skip


def test_older_outputs_of_other_records_are_named(
    team: Team, folders: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = folders[2]
    outputs.mkdir()
    for name in ("A.csv", "Z.csv", "notes.txt"):
        (outputs / name).write_text("older")
    assert run(*folders) == 0
    assert capsys.readouterr().err == (
        f"Note: {outputs} holds 1 older outputs of other records (Z.csv); move them before you "
        "score the folder.\n"
    )
    assert written(outputs)["Z.csv"] == "older"


def test_a_signal_without_header_is_named_and_no_failure(
    team: Team, folders: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (folders[1] / "X.mat").touch()
    assert run(*folders) == 0
    assert capsys.readouterr().err == "X: has a signal but no header\n"


def test_a_model_that_cannot_be_loaded_ends_the_run(
    team: Team, folders: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    def load_model(folder: str, leads: tuple[str, ...]) -> None:
        raise LeadwiseError(f"{folder}: no model.json")

    team.load_model = load_model
    assert run(*folders) == 1
    assert capsys.readouterr().err == f"Error: {folders[0]}: no model.json\n"


def test_folders_are_checked_before_the_teams_code_is_loaded(
    folders: tuple[Path, Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "team_code", None)  # its import would raise
    model, data, outputs = folders
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    assert run(tmp_path / "absent", data, outputs) == 1
    assert run(model, tmp_path / "absent", outputs) == 1
    assert run(model, tmp_path / "empty", outputs) == 1
    assert run(model, data, tmp_path / "file") == 1
    assert run(model, data, tmp_path / "file" / "below") == 1
    assert capsys.readouterr().err.splitlines() == [
        f"Error: {tmp_path / 'absent'}: no such model folder; train_model.py creates one",
        f"Error: {tmp_path / 'absent'}: no such folder",
        f"Error: {tmp_path / 'empty'}: holds no record (no .hea file); is it the data folder?",
        f"Error: {tmp_path / 'file'}: cannot be created: File exists",
        f"Error: {tmp_path / 'file' / 'below'}: cannot be created: Not a directory",
    ]
    assert not outputs.exists()


def test_a_full_disk_is_an_error_and_leaves_no_partial_file(
    team: Team,
    folders: tuple[Path, Path, Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(path: Path, *_: object, **__: object) -> None:
        path.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    assert run(*folders) == 1
    assert capsys.readouterr().err == (
        f"Error: {folders[2] / 'A.csv'}: cannot be written: No space left on device\n"
    )
    assert written(folders[2]) == {}


@pytest.mark.parametrize(
    "arguments", [[], ["model", "data"], ["a", "b", "c", "d"], ["a", "b", "c", "-x"]]
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        run(*arguments)
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("usage: ")


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """The calls of the fake training and their settings."""
    calls: list[tuple] = []

    def training_code(data: str, model: str) -> None:
        settings = {name: text for name, text in os.environ.items() if name[:9] == "LEADWISE_"}
        calls.append((data, model, settings))

    monkeypatch.setitem(sys.modules, "team_code", SimpleNamespace(training_code=training_code))
    for name in VARIABLES:  # so that the variables that the command sets are unset after the test
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return calls


def test_training_gets_the_folders_and_the_settings(
    trained: list[tuple], folders: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    model, data = str(folders[0]), str(folders[1])
    os.environ["LEADWISE_SEED"] = "7"
    os.environ["LEADWISE_EPOCHS"] = "3"
    assert train_model.main([data, model]) == 0
    assert (
        train_model.main([data, model, "--minutes", "2.5", "--leads", "12,2", "--seed", "8"]) == 0
    )
    before = {"LEADWISE_SEED": "7", "LEADWISE_EPOCHS": "3"}
    after = before | {"LEADWISE_MINUTES": "2.5", "LEADWISE_LEADS": "12,2", "LEADWISE_SEED": "8"}
    assert trained == [(data, model, before), (data, model, after)]
    assert capsys.readouterr().out == "Done.\nDone.\n"


def test_a_wrong_training_call_is_an_error(
    trained: list[tuple],
    folders: tuple[Path, Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, data, absent = (str(path) for path in (*folders[:2], tmp_path / "absent"))
    assert train_model.main([absent, model]) == 1
    assert capsys.readouterr().err == f"Error: {absent}: no such folder\n"

    def fail(data: str, model: str) -> None:
        raise LeadwiseError("no record has a label")

    monkeypatch.setattr(sys.modules["team_code"], "training_code", fail)
    assert train_model.main([data, model]) == 1
    assert capsys.readouterr() == ("", "Error: no record has a label\n")
    with pytest.raises(SystemExit) as stop:
        train_model.main([data, model, "--minutes", "soon"])
    assert stop.value.code == 2
    assert "error: LEADWISE_MINUTES=soon: time budget for all lead sets" in capsys.readouterr().err


TEAM_CODE = """
def training_code(data_directory, model_directory):
    open(model_directory + "/model", "w").write("trained")

def load_model(model_directory, leads):
    return open(model_directory + "/model").read()

def run_model(model, header, recording):
    return ["1", "2"], [1, 0], [0.5, 0.25]
"""


def test_as_the_organisers_call_them(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    model, data, _ = folders
    tree = tmp_path / "tree"
    tree.mkdir()
    for file in ("train_model.py", "run_model.py", "test_model.py", "helper_code.py"):
        shutil.copy(ROOT / file, tree)
    for room in ("ecg", "scoring", "training"):
        (tree / room).symlink_to(ROOT / room)
    (tree / "team_code.py").write_text(TEAM_CODE)

    def command(*arguments: object) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, *map(str, arguments)]
        return subprocess.run(line, cwd=tree, capture_output=True, text=True, check=False)

    assert command("train_model.py", data, model).stdout == "Done.\n"
    for driver in ("test_model.py", "run_model.py"):
        outputs = tmp_path / driver
        done = command(driver, model, data, outputs)
        assert (done.returncode, done.stdout, done.stderr) == (0, "Done.\n", "")
        assert written(outputs) == {
            f"{name}.csv": f"#{name}\n1,2\n1,0\n0.5,0.25\n" for name in "ABC"
        }
    (data / "A.mat").unlink()
    assert command("test_model.py", model, data, tmp_path / "again").returncode == 1
    assert command("test_model.py", model, data, tmp_path / "again", "-f").returncode == 0


@pytest.mark.parametrize("driver", ["train_model", "run_model", "test_model", "extract_leads_wfdb"])
def test_help_needs_no_heavy_package(driver: str) -> None:
    program = (
        f"import runpy, sys; sys.argv = ['{driver}.py', '--help']\n"
        f"try: runpy.run_path('{driver}.py', run_name='__main__')\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "assert not {'torch', 'scipy', 'wfdb', 'sklearn'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ")


def test_records_in_wfdbs_other_formats_are_answered(model_folder: Path, tmp_path: Path) -> None:
    """A .dat record has no .mat; the command reads it with wfdb, as training does."""
    import wfdb

    from run_model import main
    from simulate import simulate

    record = simulate(("AF",), seed=4, duration_s=3.0, fs=250.0)
    (tmp_path / "data").mkdir()
    wfdb.wrsamp(
        "D1", fs=250, units=["mV"] * 12, sig_name=list(record.leads),
        p_signal=record.signal.T.astype(float), fmt=["16"] * 12, write_dir=str(tmp_path / "data"),
    )  # fmt: skip
    assert main([str(model_folder), str(tmp_path / "data"), str(tmp_path / "out")]) == 0
    rows = (tmp_path / "out" / "D1.csv").read_text().splitlines()
    assert rows[0] == "#D1"
    assert len(rows[3].split(",")) == 26


def test_an_interrupted_training_tells_how_to_continue(
    trained: list[tuple],
    folders: tuple[Path, Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    def interrupted(data: str, model: str) -> None:
        os.kill(os.getpid(), number)
        time.sleep(10)

    monkeypatch.setattr(sys.modules["team_code"], "training_code", interrupted)
    ignored = signal.signal(signal.SIGINT, signal.default_int_handler)  # as behind `nohup … &`
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, ignored))
    for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        before = signal.getsignal(number)
        assert train_model.main([str(folders[1]), str(folders[0])]) == status
        assert signal.getsignal(number) == before
        assert capsys.readouterr().err == (
            "Interrupted. Nothing is kept: the same command starts over.\n"
        )


@pytest.mark.parametrize("rename", ["", "I=II,II=I"])
def test_a_multi_segment_record_is_answered_as_the_whole_one(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rename: str
) -> None:
    from simulate import simulate

    record = simulate(("AF",), seed=4, duration_s=4.0, fs=250.0)
    data = tmp_path / "data"
    data.mkdir()
    write_record(data, "whole", record.signal, record.leads, 250)
    for name, part in (("m1", slice(0, 400)), ("m2", slice(400, 1000))):
        write_record(data, name, record.signal[:, part], record.leads, 250)
    (data / "m.hea").write_text("m/2 12 250 1000\nm1 400\nm2 600\n# Age: 50\n")
    words = [str(model_folder), str(data), str(tmp_path / "out")]
    if rename:
        monkeypatch.setenv("LEADWISE_RENAME", "")  # the option sets it
        words += ["--rename", rename]
    assert run_model.main(words) == 0
    rows = {path.stem: path.read_text().splitlines() for path in (tmp_path / "out").iterdir()}
    assert sorted(rows) == ["m", "whole"]
    assert rows["m"][0] == "#m"
    whole, joined = ([float(cell) for cell in rows[name][3].split(",")] for name in ("whole", "m"))
    assert joined == pytest.approx(whole, abs=1e-6)
    assert rows["m"][2] == rows["whole"][2]
