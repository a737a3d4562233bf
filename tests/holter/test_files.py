"""Files of a result, and the pipeline of one recording from its signal to them."""

import json
from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecg import LeadwiseError
from ecg.records import Record
from holter.analysis import analyse
from holter.files import read_result, to_json, write_files
from holter.result import Result
from holter.review import COLUMNS, review
from holter.table import BeatTable
from simulate import simulate
from tests.holter.test_table import in_memory

FS = 250
BEATS = simulate(["PVC"], seed=5, duration_s=300, fs=FS, leads=("II", "V1"))


def by_width(table: BeatTable) -> np.ndarray:
    """Stand in for a model: a beat is ventricular if its QRS complex is wide."""
    windows = np.abs(table.windows.astype(float))
    width = (windows > windows.max(axis=2, keepdims=True) / 3).sum(axis=2).max(axis=1)
    wide = np.clip((width - 20) / 20, 0.02, 0.98)
    return np.stack([1 - wide, 0 * wide, wide], axis=1)


def rows_of(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text().splitlines()]


def recorded() -> Record:
    """Five minutes with ventricular beats, noise in the third and no contact in the fourth."""
    signal = BEATS.signal.copy()
    random = np.random.default_rng(0)
    signal[:, 130 * FS : 160 * FS] += random.normal(0, 1, (2, 30 * FS))
    signal[:, 200 * FS : 215 * FS] = np.nan
    return in_memory(signal, FS)


@pytest.fixture(scope="module")
def result() -> Result:
    return analyse(recorded(), by_width, model={"name": "by width", "sha256": "0"})


def test_the_pipeline_finds_beats_noise_and_few_clusters(result: Result) -> None:
    truth = BEATS.r_peaks
    seconds = truth / FS
    clear = ((seconds < 129) | (seconds > 161)) & ((seconds < 199) | (seconds > 216))
    found = np.abs(truth[clear, None] - result.peaks).min(axis=1) < 20
    assert found.mean() > 0.99
    assert not ((result.peaks > 132 * FS) & (result.peaks < 158 * FS)).any()
    np.testing.assert_allclose(result.noise / FS, [[130, 160], [200, 215]], atol=1.5)
    assert 1 <= len(result.looks) <= 10
    assert result.left_out > 0
    assert (result.clusters > 0).all()


def test_the_result_does_not_depend_on_the_parts(result: Result) -> None:
    other = analyse(recorded(), by_width, model=result.model, part_s=11)
    assert to_json(other) == to_json(result)
    np.testing.assert_array_equal(other.probabilities, result.probabilities)


def test_the_annotation_is_read_by_wfdb(result: Result, tmp_path: Path) -> None:
    write_files(result, tmp_path / "R")
    read = wfdb.rdann(str(tmp_path / "R"), "atr")
    symbols = np.array(read.symbol)
    np.testing.assert_array_equal(read.sample[symbols != "~"], result.peaks)
    assert symbols[symbols != "~"].tolist() == result.labels.tolist()
    np.testing.assert_array_equal(read.sample[symbols == "~"], result.noise.ravel())
    assert read.subtype[symbols == "~"].tolist() == [-1, 0, -1, 0]


def test_noise_until_the_end_has_one_mark(tmp_path: Path) -> None:
    noise = in_memory(np.random.default_rng(0).normal(size=(2, 60 * FS)), FS)
    result = analyse(noise, by_width)
    write_files(result, tmp_path / "R")
    told = json.loads((tmp_path / "R.json").read_text())
    assert told["noise_minutes"] > 0.9
    assert (told["beats"], told["trend"]) == (len(result), [None])
    assert len(result) < 3
    assert wfdb.rdann(str(tmp_path / "R"), "atr").symbol[-1] == "~"


def test_a_result_is_read_back(result: Result, tmp_path: Path) -> None:
    write_files(result, tmp_path / "R")
    again = read_result(tmp_path / "R")
    assert to_json(again) == to_json(result)
    assert [row[:4] for row in review(again)] == [row[:4] for row in review(result)]


def test_the_json_counts_what_the_table_lists(result: Result, tmp_path: Path) -> None:
    write_files(result, tmp_path / "R")
    told = json.loads((tmp_path / "R.json").read_text())
    header, *rows = rows_of(tmp_path / "R.beats.tsv")
    labels = [row[header.index("label")] for row in rows]
    assert told["counts"] == {label: labels.count(label) for label in "NSV"}
    assert sum(one["beats"] for one in told["clusters"]) == told["beats"] == len(rows)
    assert told["burden_percent"]["V"] == pytest.approx(100 * labels.count("V") / len(rows), 1e-3)


def test_the_list_has_events_before_clusters_before_single_beats(
    result: Result, tmp_path: Path
) -> None:
    write_files(result, tmp_path / "R")
    header, *rows = rows_of(tmp_path / "R.review.tsv")
    assert tuple(header) == COLUMNS
    kinds = [row[1] for row in rows]
    order = ["run", "pause", "gap", "cluster", "couplet", "bigeminy", "beat"]
    assert sorted(kinds, key=order.index) == kinds
    assert kinds.count("cluster") == len(result.looks)
    doubts = [float(row[7]) for row in rows if row[1] == "beat"]
    assert doubts == sorted(doubts)


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("R.json", "{}", "R: is no result of `python -m holter`"),
        ("R.json", "[", "R: is no result of `python -m holter`"),
        ("R.beats.tsv", "beat\n", "0 beats in NAME.beats.tsv"),
    ],
)
def test_damaged_files_are_refused(
    result: Result, tmp_path: Path, name: str, text: str, error: str
) -> None:
    write_files(result, tmp_path / "R")
    (tmp_path / name).write_text(text)
    with pytest.raises(LeadwiseError, match=error):
        read_result(tmp_path / "R")
    with pytest.raises(LeadwiseError, match=r"Q\.json: does not exist; give FOLDER/NAME"):
        read_result(tmp_path / "Q")
