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
    counts, hours = of_record(tmp_path / "R1")
    ventricular = int((symbols == "V").sum())
    assert ventricular > 5
    assert abs(counts.peaks - len(one.r_peaks)) <= 2
    assert (counts.left_out, counts.pauses, counts.false_pauses, counts.fp) == (0, 0, 0, 0)
    assert counts.clusters <= 10
    assert counts.tp + counts.fn == ventricular
    assert counts.tp > 0.9 * ventricular
    assert hours == 0
