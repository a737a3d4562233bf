"""The benchmark of Holter: what it counts in a record whose beats are known."""

from pathlib import Path

from benchmarks.holter import of_record
from ecg.annotation_files import write_annotations
from ecg.annotations import Annotations, Beats
from ecg.records import write_record
from simulate import simulate


def test_clusters_hold_the_ventricular_beats_of_a_record(tmp_path: Path) -> None:
    one = simulate(["PVC"], seed=5, duration_s=120, fs=250, leads=("II", "V1"))
    write_record(tmp_path, "R1", one.signal, ("II", "V1"), 250)
    symbols = one.annotations().beats.symbols
    write_annotations(Annotations(250, Beats(one.r_peaks, symbols)), tmp_path / "R1")
    peaks, left_out, pauses, wrong, clusters, tp, fp, fn, _ = of_record(tmp_path / "R1").tolist()
    ventricular = int((symbols == "V").sum())
    assert ventricular > 5
    assert abs(peaks - len(one.r_peaks)) <= 2
    assert (left_out, pauses, wrong, fp) == (0, 0, 0, 0)
    assert clusters <= 10
    assert tp + fn == ventricular
    assert tp > 0.9 * ventricular
