"""Holter: noise, pauses and clusters on MIT-BIH's DS1, and the time of a day of three leads.

    python -m benchmarks.holter MITDB [--hours 24]

No classifier takes part: all beats of a recording have one label, so its clusters are those that
a person would read without one.  A cluster counts as ventricular if most of its beats are.  Fusion
and unclassified beats count neither way.  The day is simulated, see benchmarks.day; it runs in a
process of its own.  The table is written into docs/holter.md.
"""

import sys
import tempfile
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from benchmarks.common import Seconds, machine, parse_options, run, table_lines, timed
from benchmarks.day import FS, LEADS, write_day
from docs.generate import ROOT, write_tables
from ecg.annotations import aami_classes
from ecg.records import read_record
from holter.analysis import analyse
from holter.cases import DS1
from holter.result import CLASSES, Result
from holter.table import BeatTable

PAGE = ROOT / "docs" / "holter.md"
MATCH_S = 0.15


def all_normal(table: BeatTable) -> np.ndarray:
    """Call every beat normal."""
    return np.tile(np.array([label == "N" for label in CLASSES], float), (len(table), 1))


def of_record(stem: Path) -> np.ndarray:
    """Count in one record.

    Returns
    -------
    np.ndarray of int, shape (9,)
        R peaks, those left out, pauses, those in which a beat is marked, clusters, and for V found
        by reading clusters: true positives, false positives, false negatives.  Last: unclear gaps.
    """
    record = read_record(f"{stem}.hea")
    annotations = record.annotations()
    assert annotations is not None
    marks = annotations.beats.samples
    result = analyse(record, all_normal)
    away = np.abs(marks[:, None] - result.peaks)
    classes = np.array(aami_classes(annotations.beats.symbols))[away.argmin(axis=0)]
    classes[away.min(axis=0) > MATCH_S * record.fs] = "none"
    found = np.zeros(len(result), bool)
    for look in result.looks:
        own = classes[result.clusters == look.number]
        found[result.clusters == look.number] = 2 * (own == "V").sum() > len(own)
    ventricular = classes == "V"
    false = found & np.isin(classes, ["N", "S", "none"])
    wrong = _with_beats(result, marks)
    return np.array([
        len(result) + result.left_out, result.left_out, len(result.gaps.pauses), wrong,
        len(result.looks), (found & ventricular).sum(), false.sum(), (~found & ventricular).sum(),
        len(result.gaps.unclear),
    ])  # fmt: skip


def _with_beats(result: Result, marks: np.ndarray) -> int:
    """Count the pauses in which a beat is marked."""
    reach, count = MATCH_S * result.fs, 0
    for one in result.gaps.pauses:
        first, last = result.peaks[one.beat : one.beat + 2]
        count += bool(((marks > first + reach) & (marks < last - reach)).any())
    return count


def of_day(folder: Path) -> tuple[Result, Seconds, float]:
    """Analyse the day: result, duration, and peak memory in MB of this process."""
    result, duration = timed(lambda: analyse(read_record(folder / "day.hea"), all_normal))
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return result, duration, int(peak.split()[1]) / 1000


def rows_of_day(hours: int) -> Iterator[list[str]]:
    """Simulate some hours and measure them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        marks = write_day(folder / "day.dat", hours)
        lines = [f"day {len(LEADS)} {FS} {hours * 3600 * FS}"]
        lines += [f"day.dat 16 1000/mV 16 0 0 0 0 {lead}" for lead in LEADS]
        (folder / "day.hea").write_text("\n".join(lines) + "\n", encoding="ascii")
        with get_context("spawn").Pool(1) as pool:
            result, duration, peak_mb = pool.apply(of_day, (folder,))
    yield [f"{hours} h of {len(LEADS)} leads, without classifier and drawings",
           f"{duration.cpu:.0f} CPU s, {duration.wall:.0f} s, {peak_mb:.0f} MB"]  # fmt: skip
    wrong = _with_beats(result, marks)
    yield ["its pauses of 2 s or more; with a beat in them", f"{len(result.gaps.pauses)}; {wrong}"]


def main() -> None:
    """Run the command."""
    options = parse_options(__doc__, "mitdb", hours=24)
    counts = np.zeros((len(DS1), 9), int)
    for number, name in enumerate(DS1):
        print(name, file=sys.stderr, flush=True)
        counts[number] = of_record(options.mitdb / name)
    peaks, left_out, pauses, wrong, clusters, tp, fp, fn, unclear = counts.sum(axis=0).tolist()
    rows = [
        ["R peaks; left out as noise", f"{peaks:,}; {left_out:,}"],
        ["pauses of 2 s or more; with a marked beat in them", f"{pauses}; {wrong}"],
        ["unclear gaps", str(unclear)],
        ["clusters per record: mean, most", f"{clusters / len(DS1):.1f}, {counts[:, 4].max()}"],
        ["V found by reading clusters: Se, +P", f"{_percent(tp, fn)}, {_percent(tp, fp)}"],
        *rows_of_day(options.hours),
    ]
    columns = ["on DS1, and on a simulated day", "result"]
    write_tables(PAGE, {"holter-measured": [
        f"{machine('scipy', 'scikit-learn')}; one thread.", "", *table_lines(columns, rows)
    ]})  # fmt: skip


def _percent(found: int, other: int) -> str:
    return f"{100 * found / (found + other):.1f} %" if found + other else "-"


if __name__ == "__main__":
    run(main)
