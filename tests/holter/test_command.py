"""The command: files of each recording, what is finished stays, bad recordings are skipped."""

import json
from pathlib import Path

import numpy as np
import pytest
import wfdb
from distributed import LocalCluster

from ecg.files import atomic_write
from ecg.records import write_record
from holter import recordings
from holter.__main__ import main
from holter.classifier import BeatClassifier, Trees, load, write_model
from holter.files import read_result
from simulate import simulate
from tests.holter.test_files import by_width, rows_of

FS, LEADS = 250, ("II", "V1")
ENDINGS = {"atr", "json", "beats.tsv", "review.tsv", "html", "trend.svg", "clusters.svg"}


class StandIn:
    sha256 = "0" * 64
    __call__ = staticmethod(by_width)


def written(folder: Path, name: str, signal: np.ndarray | None = None) -> Path:
    if signal is None:
        signal = simulate(["PVC"], seed=5, duration_s=60, fs=FS, leads=LEADS).signal
    folder.mkdir(exist_ok=True)
    write_record(folder, name, signal, LEADS, FS)
    return folder / f"{name}.hea"


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "load", lambda folder: StandIn())
    monkeypatch.delenv("LEADWISE_RENAME", raising=False)


def run(*words: object) -> int:
    return main([str(word) for word in words])


def state(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_each_recording_gets_its_files_and_is_done_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path / "in", "R1"), written(tmp_path / "in", "R2")
    assert run(tmp_path / "in", "--out", tmp_path / "out") == 0
    before = state(tmp_path / "out")
    assert set(before) == {f"R{number}.{ending}" for number in (1, 2) for ending in ENDINGS}
    assert "R2: " in capsys.readouterr().err
    assert run(tmp_path / "in", "--out", tmp_path / "out") == 0
    assert capsys.readouterr().err.count("is finished") == 2
    assert state(tmp_path / "out") == before


def test_bad_recordings_are_named_and_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = written(tmp_path / "in", "short", np.zeros((2, 100)))
    good = written(tmp_path / "in", "good")
    cut = written(tmp_path / "in", "cut")
    mat = cut.with_suffix(".mat")
    mat.write_bytes(mat.read_bytes()[:5000])
    assert run(cut, short, good, tmp_path / "none", "--out", tmp_path / "out") == 1
    told = capsys.readouterr().err
    assert "cut failed: " in told
    assert "none failed: " in told
    assert "2 of 4 records failed: cut, none" in told
    assert (tmp_path / "out" / "good.atr").exists()
    assert json.loads((tmp_path / "out" / "short.json").read_text())["beats"] == 0
    assert not list((tmp_path / "out").glob("*cut*"))
    assert run(cut, "--out", tmp_path / "out", "-f") == 0


def test_a_foreign_annotation_is_never_replaced_unasked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record, out = written(tmp_path / "in", "R1"), tmp_path / "out"
    out.mkdir()
    (out / "R1.atr").write_bytes(b"an expert's")
    assert run(record, "--out", out) == 1
    told = capsys.readouterr().err
    assert "R1.atr exists already and is no result of this command; give --overwrite" in told
    assert (out / "R1.atr").read_bytes() == b"an expert's"
    assert run(record, "--out", out, "--overwrite") == 0
    assert (out / "R1.atr.bak").read_bytes() == b"an expert's"
    ours = (out / "R1.atr").read_bytes()
    assert run(record, "--out", out, "--overwrite") == 0
    assert (out / "R1.atr.bak").read_bytes() == b"an expert's"
    assert (out / "R1.atr.bak2").read_bytes() == ours
    with pytest.raises(SystemExit):
        run(record, "--out", out, "--jobs", 0)
    assert run(record, "--out", record.parent) == 1


def test_other_leads_or_another_model_are_not_finished(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    record, out = written(tmp_path / "in", "R1"), tmp_path / "out"
    assert run(record, "--out", out, "--leads", "v1") == 0
    assert json.loads((out / "R1.json").read_text())["leads"] == ["V1"]
    assert run(record, "--out", out) == 1
    assert "R1.atr was made with another leads; give --overwrite" in capsys.readouterr().err
    monkeypatch.setattr(StandIn, "sha256", "1" * 64)
    assert run(record, "--out", out, "--leads", "V1") == 1
    assert "was made with another model" in capsys.readouterr().err
    assert run(record, "--out", out, "--overwrite", "--rename", "V1=V5", "--leads", "V5") == 0
    assert run(record, "--out", out, "--leads", "V9", "--overwrite") == 1


def test_a_full_disk_leaves_the_recording_unfinished(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    record, out = written(tmp_path / "in", "R1"), tmp_path / "out"

    def full(path: object) -> object:
        if str(path).endswith(".json"):
            raise OSError(28, "No space left on device")
        return atomic_write(path)

    with monkeypatch.context() as patch:
        patch.setattr("holter.files.atomic_write", full)
        assert run(record, "--out", out) == 1
    assert "R1 failed: OSError: [Errno 28] No space left on device" in capsys.readouterr().err
    assert not (out / "R1.atr").exists()
    assert not list(out.glob(".*"))
    assert run(record, "--out", out) == 0


def test_an_interruption_is_told_and_the_next_start_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "in", "R1"), written(tmp_path / "in", "R2")
    out = tmp_path / "out"

    def interrupted(result: object, stem: Path) -> None:
        if stem.name == "R2":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(recordings, "write_report", interrupted)
        assert run(tmp_path / "in", "--out", out) == 130
    assert "Interrupted. Recordings without NAME.atr are not finished" in capsys.readouterr().err
    assert sorted(path.name for path in out.glob("*.atr")) == ["R1.atr"]
    assert run(tmp_path / "in", "--out", out) == 0
    assert "R1: is finished" in capsys.readouterr().err


def test_a_cluster_is_renamed_and_the_first_annotation_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record, out = written(tmp_path / "in", "R1"), tmp_path / "out"
    run(record, "--out", out)
    before, annotation = read_result(out / "R1"), (out / "R1.atr").read_bytes()
    look = next(look for look in before.looks if look.label == "V")
    number, own = look.number, before.clusters == look.number
    assert run("relabel", out / "R1", "--cluster", number, "S", "--by", "A. B.") == 0
    assert f"{own.sum()} beats of cluster {number}: V is now S" in capsys.readouterr().out
    after = read_result(out / "R1")
    assert (after.labels[own] == "S").all()
    np.testing.assert_array_equal(after.labels[~own], before.labels[~own])
    symbols = np.array(wfdb.rdann(str(out / "R1"), "atr").symbol)
    assert symbols[symbols != "~"].tolist() == after.labels.tolist()
    assert (out / "R1.auto").read_bytes() == annotation
    assert json.loads((out / "R1.json").read_text())["counts"]["S"] == own.sum()
    assert f"{number}: S, {own.sum()} beats" in (out / "R1.html").read_text()

    assert run("relabel", out / "R1", "--cluster", number, "V", "--by", "C") == 0
    assert (out / "R1.atr").read_bytes() == annotation == (out / "R1.auto").read_bytes()
    _, first, second = rows_of(out / "R1.changes.tsv")
    assert first[1:] == ["A. B.", str(number), "V", "S", str(own.sum())]
    assert second[1:] == ["C", str(number), "S", "V", str(own.sum())]
    listed = [row for row in rows_of(out / "R1.review.tsv") if row[1] == "cluster"]
    assert [row[8] for row in listed if row[6] == str(number)] == ["reviewed"]


def test_wrong_names_and_numbers_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record, out = written(tmp_path / "in", "R1"), tmp_path / "out"
    run(record, "--out", out)
    before = state(out)
    assert run("relabel", out / "R1", "--cluster", 77, "V") == 1
    assert "has no cluster 77 or no label V; it has the clusters 1" in capsys.readouterr().err
    assert run("relabel", out / "Q", "--cluster", 1, "V") == 1
    assert state(out) == before
    (out / "R1.atr").unlink()
    assert run("relabel", out / "R1", "--cluster", 1, "V") == 1
    assert "analyse the recording again" in capsys.readouterr().err


def always_normal(folder: Path) -> Path:
    """Write a model whose trees have one leaf: every beat is N with p = 0.84."""
    count = 3
    trees = Trees(
        np.zeros((count, 7), np.int16), np.full((count, 7), np.inf, np.float32),
        np.full((count, 7), 255, np.uint8), np.zeros((count, 8), np.float32),
        np.array([3, 0, 1], np.float32),
    )  # fmt: skip
    write_model(BeatClassifier(trees, {}), folder)
    return folder


def test_a_cluster_gives_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "load", load)
    model = always_normal(tmp_path / "model")
    written(tmp_path / "in", "R1"), written(tmp_path / "in", "R2")
    words = (tmp_path / "in", "--model", model, "--out")
    assert run(*words, tmp_path / "one") == 0
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster:
        assert run(*words, tmp_path / "many", "--cluster", cluster.scheduler_address) == 0
    assert state(tmp_path / "one") == state(tmp_path / "many")


def test_reviewed_beats_keep_their_labels_and_move_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(recordings, "load", load)
    model, out = always_normal(tmp_path / "model"), tmp_path / "out"
    record = written(tmp_path / "in", "R1")
    words = (record, "--model", model, "--out", out)
    assert run(*words) == 0
    before = read_result(out / "R1")
    assert (before.labels == "N").all()
    checked = before.peaks[:20] + 3
    wfdb.wrann(
        "R1", "atr", np.append(checked, before.peaks[-1] + 60), symbol=[*"V" * 20, "V"], fs=FS,
        write_dir=str(tmp_path),
    )  # fmt: skip
    words += ("--reviewed", tmp_path / "R1.atr")
    assert run(*words) == 1
    assert "was made with another model" in capsys.readouterr().err
    assert run(*words, "--overwrite") == 0
    after = read_result(out / "R1")
    assert (after.probabilities[:20] == [0, 0, 1]).all()
    assert (after.probabilities[20:, 2] > before.probabilities[20:, 2]).all()
    other = written(tmp_path / "in", "R2")
    assert run(other, *words, "--overwrite") == 1
    assert "reviewed beats are of one recording, not of 2" in capsys.readouterr().err
    (tmp_path / "R1.atr").write_bytes(b"")
    assert run(*words, "--overwrite") == 1
