"""Scores of a network's marks, on pulses whose waves and beats are known."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.marks import score_beats, score_waves
from benchmarks.waves import wave_cells
from ecg.annotation_files import write_annotations
from ecg.annotations import ABSENT, Annotations, Beats, Waves
from ecg.records import Record, read_record, write_record
from models.model import Model
from models.segmenter import Segmenter
from tests.marks_model import beats, pulses, write_marks_model

FS = 250.0


@pytest.fixture
def segmenter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Segmenter:
    return Segmenter(Model.load(write_marks_model(tmp_path / "marks-model", monkeypatch)))


def pulsed(folder: Path, kinds: str, marked: str) -> Record:
    """Write a record of beats 1 s apart, N or V, with marks of other classes."""
    rows = [
        wave
        for number, kind in enumerate(kinds)
        for wave in beats(number + 1.0, 9.0, number + 0.2, kind)
    ]
    signal = pulses(len(kinds), FS, *rows).astype(np.float32)[None]
    name = f"mitdb{len(list(folder.glob('*.hea')))}"
    write_record(folder, name, signal, ["V2"], FS)
    waves = Waves.of([
        (round(onset * FS), ABSENT, round(offset * FS), "N" if kind == "V" else kind, "V2")
        for onset, offset, kind in rows
    ])  # fmt: skip
    samples = np.array([round((number + 0.4) * FS) for number in range(len(marked))])
    found = Beats(samples, np.array(list(marked)))
    write_annotations(Annotations(FS, found, waves=waves), folder / name)
    return read_record(folder / f"{name}.hea")


def test_waves_are_scored_in_the_leads_that_have_marks(
    tmp_path: Path, segmenter: Segmenter
) -> None:
    record = pulsed(tmp_path, "N" * 12, "")
    dice, f1 = wave_cells(score_waves(segmenter, [record, record]))
    assert min(map(float, dice.split(" / "))) > 0.95
    assert f1 == "100.0 / 100.0 / 100.0"


def test_beats_are_scored_at_the_networks_own_peaks(tmp_path: Path, segmenter: Segmenter) -> None:
    """A fusion beat counts neither way; a marked beat without a peak is a miss."""
    first = pulsed(tmp_path, "NNVVVN", "NVVVFN")
    second = pulsed(tmp_path, "NNNNNN", "NASNNNVV")
    scores = score_beats([(segmenter, first), (segmenter, second)])
    v, s = scores["V"], scores["S"]
    assert [v.tp.tolist(), v.fp.tolist(), v.fn.tolist()] == [[2, 0], [0, 0], [1, 2]]
    assert [s.tp.tolist(), s.fp.tolist(), s.fn.tolist()] == [[0, 0], [0, 0], [0, 2]]
    assert v.f1 == pytest.approx(4 / 7)
