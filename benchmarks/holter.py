"""Holter: noise, pauses and clusters on MIT-BIH's DS1, and the time of a day of three leads.

    python -m benchmarks.holter MITDB QTDB [--hours 24] [--days 1 2]

On DS1 no classifier takes part: all beats of a recording have one label, so its clusters are those
that a person would read without one.  A cluster counts as ventricular if most of its beats are.
Fusion and unclassified beats count neither way.  Normal recordings are those of DS1 with sinus
rhythm throughout and less than 1 % of other beats, and those of QTDB from the MIT-BIH Normal Sinus
Rhythm Database.  The day is simulated, see benchmarks.day, and analysed by the command, classifier
and drawings included; --days repeats it.  The table is written into docs/holter.md.
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.common import Seconds, machine, parse_options, run, run_process, table_lines
from benchmarks.day import FS, LEADS, write_day
from docs.generate import ROOT, write_tables
from ecg.annotations import aami_classes
from ecg.records import read_record
from holter.analysis import analyse
from holter.cases import DS1
from holter.files import read_result
from holter.gate import load_gate
from holter.result import CLASSES, Result
from holter.table import BeatTable

PAGE = ROOT / "docs" / "holter.md"
MODEL = ROOT / "weights" / "malt2021"
MATCH_S = 0.15
MOST_OTHERS = 0.01  # share of the beats of a normal recording that are not N
NORMAL = "sel1[67]*.hea"  # of QTDB
NO_EVENT = 3.0  # the 95 % limit of a Poisson count of 0; for more events it is left out


class Counts(NamedTuple):
    """Counts of one record, or the sums of several; `tp`, `fp` and `fn` of V by clusters."""

    peaks: int
    left_out: int
    missed: int  # marked beats
    pauses: int
    false_pauses: int  # with a marked beat
    unclear: int
    clusters: int
    tp: int
    fp: int
    fn: int


def all_normal(table: BeatTable) -> np.ndarray:
    """Call every beat normal."""
    return np.tile(np.array([label == "N" for label in CLASSES], float), (len(table), 1))


def of_record(stem: Path) -> tuple[Counts, float]:
    """Count in one record; the hours that it lasts if it is normal, else 0."""
    record = read_record(f"{stem}.hea")
    annotations = record.annotations()
    assert annotations is not None
    marks = annotations.beats.samples
    result = analyse(record, all_normal, gate=load_gate(MODEL))
    away = np.abs(marks[:, None] - result.peaks)
    marked = np.array(aami_classes(annotations.beats.symbols))
    classes = marked[away.argmin(axis=0)]
    classes[away.min(axis=0) > MATCH_S * record.fs] = "none"
    found = np.zeros(len(result), bool)
    for look in result.looks:
        own = classes[result.clusters == look.number]
        found[result.clusters == look.number] = 2 * (own == "V").sum() > len(own)
    ventricular = classes == "V"
    false = found & np.isin(classes, ["N", "S", "none"])
    counts = Counts(
        len(result) + result.left_out, result.left_out,
        int((away.min(axis=1) > MATCH_S * record.fs).sum()),
        len(result.gaps.pauses), _with_beats(result, marks), len(result.gaps.unclear),
        len(result.looks), int((found & ventricular).sum()), int(false.sum()),
        int((~found & ventricular).sum()),
    )  # fmt: skip
    normal = set(annotations.rhythms.labels.tolist()) <= {"N"}
    normal &= bool((marked != "N").mean() < MOST_OTHERS)
    return counts, normal * result.seconds / 3600


def _with_beats(result: Result, marks: np.ndarray) -> int:
    """Count the pauses in which a beat is marked."""
    reach, count = MATCH_S * result.fs, 0
    for one in result.gaps.pauses:
        first, last = result.peaks[one.beat : one.beat + 2]
        count += bool(((marks > first + reach) & (marks < last - reach)).any())
    return count


def of_day(folder: Path) -> tuple[Result, Seconds, float]:
    """Analyse the day by the command: result, duration, and peak memory in MB."""
    peak = 0

    def watch(process: int) -> None:
        nonlocal peak
        status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
        peaks = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
        peak = max(peak, *map(int, peaks), 0)

    command = [sys.executable, "-m", "holter", folder / "day.hea", "--out", folder / "out"]
    _, duration = run_process(command, environment={"OMP_NUM_THREADS": "1"}, watch=watch)
    return read_result(folder / "out" / "day"), duration, peak / 1000


def rows_of_day(hours: int, days: list[int]) -> Iterator[list[str]]:
    """Simulate some hours, and measure them, each time repeated some times."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        marks = write_day(folder / "one.dat", hours)
        for repeated in days:
            whole = repeated * hours
            (folder / "day.dat").write_bytes(repeated * (folder / "one.dat").read_bytes())
            lines = [f"day {len(LEADS)} {FS} {whole * 3600 * FS}"]
            lines += [f"day.dat 16 1000/mV 16 0 0 0 0 {lead}" for lead in LEADS]
            (folder / "day.hea").write_text("\n".join(lines) + "\n", encoding="ascii")
            result, duration, peak_mb = of_day(folder)
            took = f"{duration.cpu:.0f} CPU s, {duration.wall:.0f} s, {peak_mb:.0f} MB"
            yield [f"{whole} h of {len(LEADS)} leads, whole command", took]
            shutil.rmtree(folder / "out")
            if repeated == 1:
                wrong = f"{len(result.gaps.pauses)}; {_with_beats(result, marks)}"
                yield ["its pauses of 2 s or more; with a beat in them", wrong]


def rows_of_normal(counted: list[tuple[Counts, float]]) -> Iterator[list[str]]:
    """Scale the false pauses of normal recordings to a day."""
    normal = [one for one in counted if one[1]]
    hours = sum(lasts for _, lasts in normal)
    pauses, false = (
        sum(getattr(one, name) for one, _ in normal) for name in ("pauses", "false_pauses")
    )
    yield [f"{len(normal)} normal recordings, {hours:.1f} h: pauses; with a marked beat in them",
           f"{pauses}; {false}"]  # fmt: skip
    limit = "" if false else f" (95 % limit {24 * NO_EVENT / hours:.0f})"
    yield ["the same: false pauses a day", f"{24 * false / hours:.1f}{limit}"]


def main() -> None:
    """Run the command."""
    options = parse_options(__doc__, "mitdb", "qtdb", hours=24, days=[1])
    ds1 = [options.mitdb / name for name in DS1]
    counted = []
    for stem in [*ds1, *(one.with_suffix("") for one in sorted(options.qtdb.glob(NORMAL)))]:
        print(stem.name, file=sys.stderr, flush=True)
        counted.append(of_record(stem))
    each = np.array([counts for counts, _ in counted[: len(ds1)]])
    all_of = Counts(*each.sum(axis=0).tolist())
    mean, most = each.mean(axis=0), each.max(axis=0)
    at = Counts._fields.index("clusters")
    rows = [
        ["R peaks; left out as noise or artefacts", f"{all_of.peaks:,}; {all_of.left_out:,}"],
        ["marked beats that are missed", f"{all_of.missed:,}"],
        ["pauses of 2 s or more; with a marked beat in them",
         f"{all_of.pauses}; {all_of.false_pauses}"],
        ["unclear gaps", str(all_of.unclear)],
        ["clusters per record: mean, most", f"{mean[at]:.1f}, {most[at]}"],
        ["V found by reading clusters: Se, +P",
         f"{_percent(all_of.tp, all_of.fn)}, {_percent(all_of.tp, all_of.fp)}"],
        *rows_of_normal(counted),
        *rows_of_day(options.hours, options.days),
    ]  # fmt: skip
    columns = ["on DS1, on normal recordings, and on a simulated day", "result"]
    write_tables(PAGE, {"holter-measured": [
        f"{machine('scipy', 'scikit-learn')}; one thread.", "", *table_lines(columns, rows)
    ]})  # fmt: skip


def _percent(found: int, other: int) -> str:
    return f"{100 * found / (found + other):.1f} %" if found + other else "-"


if __name__ == "__main__":
    run(main)
