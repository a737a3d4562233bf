"""R peaks on MIT-BIH DS1, under noise stress and on LUDB: ours and four peers, in one run.

    python -m venv ../peers && ../peers/bin/pip install -r requirements-peers.txt
    ../peers/bin/python -m benchmarks.beats DATA

DATA holds the folders mitdb, nstdb and ludb, in WFDB's formats.  After some ten minutes it writes
the tables of docs/results.md, "R peaks".  Beats are scored by EC57's convention, 150 ms, gross,
over whole records; ventricular flutter of 207 is left out.  Peers take one lead, as published; ours
takes one or all.  CPU seconds are of one thread.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.scoring import ROOT, machine
from docs.generate import write_tables
from ecg import LeadwiseError, beats
from scoring.beats import (
    LEARNING_S,
    TOLERANCES_MS,
    BeatCounts,
    average,
    count,
    gross,
    positive_predictivity,
    sensitivity,
    stack,
)

DS1 = "101 106 108 109 112 114 115 116 118 119 122 124 201 203 205 207 208 209 215 220 223 230"
SYMBOLS = list("NLRejAaJSVEF/fQ")  # of beats; all other marks are of something else
STRESSED, STRESS_DB = ("118", "119"), (12, 6, 0)
LUDB_MS = 75.0
OURS = "Leadwise"
WORST = 6  # records named a side


class Marked(NamedTuple):
    """A record and its beats; signal in mV (leads, samples), in MIT-BIH with MLII first."""

    name: str
    signal: np.ndarray
    fs: float
    marks: np.ndarray
    left_out: np.ndarray  # (stretches, 2) samples


class Found(NamedTuple):
    """What one side finds in one record."""

    r_peaks: np.ndarray
    seconds: float  # of CPU


Side = tuple[str, int | None]  # a detector's name and its lead's row; None is all leads (ours)


def _gqrs(lead: np.ndarray, fs: float) -> np.ndarray:
    from wfdb.processing import gqrs_detect

    return gqrs_detect(lead, fs)


def _xqrs(lead: np.ndarray, fs: float) -> np.ndarray:
    from wfdb.processing import xqrs_detect

    return xqrs_detect(lead, fs, verbose=False)


def _neurokit2(lead: np.ndarray, fs: float) -> np.ndarray:
    import neurokit2

    cleaned = neurokit2.ecg_clean(lead, sampling_rate=int(fs))
    return neurokit2.ecg_peaks(cleaned, sampling_rate=int(fs))[1]["ECG_R_Peaks"]


def _sleepecg(lead: np.ndarray, fs: float) -> np.ndarray:
    import sleepecg

    return sleepecg.detect_heartbeats(lead, fs)


PEERS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "WFDB GQRS": _gqrs,
    "WFDB XQRS": _xqrs,
    "NeuroKit2": _neurokit2,
    "SleepECG": _sleepecg,
}
DETECTORS = {OURS: lambda lead, fs: beats.detect(lead[None], fs), **PEERS}


def read_mitdb(folder: Path, names: str = DS1) -> list[Marked]:
    """Read records of the MIT-BIH Arrhythmia Database, whichever way round their leads are."""
    import wfdb

    records = []
    for name in names.split():
        record, marks = wfdb.rdrecord(str(folder / name)), wfdb.rdann(str(folder / name), "atr")
        first = record.sig_name.index("MLII")
        symbols = np.array(marks.symbol)
        flutter = np.stack([marks.sample[symbols == side] for side in "[]"], axis=1)
        of_beats = marks.sample[np.isin(symbols, SYMBOLS)]
        signal = np.ascontiguousarray(record.p_signal.T[[first, 1 - first]])
        records.append(Marked(name, signal, record.fs, of_beats, flutter))
    return records


def read_ludb(folder: Path) -> Iterator[Marked]:
    """Read LUDB with lead II's marks; what lies beyond the outer ones is left out."""
    import wfdb

    for path in sorted(folder.glob("*.hea"), key=lambda path: int(path.stem)):
        stem = str(path.with_suffix(""))
        record, marks = wfdb.rdrecord(stem), wfdb.rdann(stem, "ii")
        qrs = marks.sample[np.array(marks.symbol) == "N"]
        reach = LUDB_MS / 1000 * record.fs
        outer = np.array([[-np.inf, qrs[0] - reach - 0.5], [qrs[-1] + reach + 0.5, np.inf]])
        yield Marked(path.stem, record.p_signal.T.copy(), record.fs, qrs, outer)


def stress(record: Marked, noise: np.ndarray, decibels: float) -> Marked:
    """Add noise to all of a record, lead by lead.

    Signal power is a²/8, where a is the mean over the beats of the range within 50 ms of the mark:
    that of a sine as large as the QRS complexes.  Noise power is the variance about the means of
    seconds.  Both are those of WFDB's `nst`, without its trimming.
    """
    second, reach = round(record.fs), round(0.05 * record.fs)
    samples = record.signal.shape[1]
    repeated = np.tile(noise, (1, -(-samples // noise.shape[1])))[:, :samples]
    inner = record.marks[(record.marks >= reach) & (record.marks < samples - reach)]
    around = record.signal[:, inner[:, None] + np.arange(-reach, reach + 1)]
    power = np.ptp(around, axis=2).mean(axis=1) ** 2 / 8
    seconds = noise[:, : noise.shape[1] // second * second].reshape(len(noise), -1, second)
    gain = np.sqrt(power / seconds.var(axis=2).mean(axis=1) / 10 ** (decibels / 10))
    return record._replace(signal=record.signal + gain[:, None] * repeated)


def find(side: Side, record: Marked, failed: list[str]) -> Found:
    """Find a record's beats; a detector that raises has found none, and is noted in `failed`."""
    name, lead = side
    begun = time.process_time()
    try:
        if lead is None:
            r_peaks = beats.detect(record.signal, record.fs)
        else:
            r_peaks = DETECTORS[name](record.signal[lead], record.fs)
    except (ValueError, IndexError, ZeroDivisionError) as error:
        failed.append(f"{name} on {record.name}: {error}")
        r_peaks = np.zeros(0, int)
    return Found(np.sort(np.asarray(r_peaks, int)), time.process_time() - begun)


def find_all(
    sides: Iterable[Side], records: list[Marked], failed: list[str]
) -> dict[Side, list[Found]]:
    """Let each side find the beats of all records; they take turns, so that load hits all alike."""
    found: dict[Side, list[Found]] = {side: [] for side in sides}
    for record in records:
        print(f"record {record.name}", file=sys.stderr, flush=True)
        for side, some in found.items():
            some.append(find(side, record, failed))
    return found


def counted(
    records: list[Marked], found: list[Found], *, since_s: float = 0.0, tolerance_ms: float = 150.0
) -> BeatCounts:
    """Count each record's beats, arrays of shape (records,)."""
    return stack(
        [
            count(
                record.marks,
                some.r_peaks,
                record.fs,
                tolerance_ms=tolerance_ms,
                since_s=since_s,
                left_out=record.left_out,
            )
            for record, some in zip(records, found, strict=True)
        ]
    )


def percent(counts: BeatCounts) -> str:
    """Write the gross sensitivity and positive predictivity in per cent."""
    total = gross(counts)
    return f"{100 * sensitivity(total):.2f} / {100 * positive_predictivity(total):.2f}"


def most_errors(records: list[Marked], counts: BeatCounts) -> str:
    """Name the records with most errors, beats missed + made up."""
    errors = np.stack([counts.fn, counts.fp], axis=1)
    order = np.argsort(-errors.sum(axis=1), kind="stable")[:WORST]
    return ", ".join(
        f"{records[place].name} {errors[place, 0]}+{errors[place, 1]}"
        for place in order
        if errors[place].any()
    )


def markdown(columns: Iterable[str], rows: Iterable[Iterable[str]], failed: Iterable[str]) -> str:
    """Make a table, and a list of the failures below it."""
    columns = list(columns)
    lines = [columns, ["---"] * len(columns), *rows]
    text = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return text + "".join(f"\n\nFailed, counted as no beats: {what}." for what in failed)


def ds1_tables(records: list[Marked]) -> dict[str, str]:
    """Measure DS1: gross, from 5:00 on, averages, CPU; by tolerance; where most errors are."""
    names = {0: "MLII", 1: "second", None: "both"}
    goals = {0: "99.80 / 99.80", 1: "97.80 / 98.90", None: "99.85 / 99.85"}
    sides = [(OURS, None), *((name, lead) for lead in (0, 1) for name in DETECTORS)]
    failed: list[str] = []
    every = find_all(sides, records, failed)
    took = {side: np.mean([some.seconds for some in found]) for side, found in every.items()}
    rows, curves, worst = [], [], []
    for side, found in every.items():
        title = [names[side[1]], side[0]]
        counts = counted(records, found)
        means = (average(sensitivity(counts)), average(positive_predictivity(counts)))
        rows.append(
            [
                *title,
                percent(counts),
                goals[side[1]] if side[0] == OURS else "",
                percent(counted(records, found, since_s=LEARNING_S)),
                f"{100 * means[0]:.2f} / {100 * means[1]:.2f}",
                f"{took[side]:.3f}",
                f"{took[side] / took[OURS, side[1]]:.2f}",
            ]
        )
        within = [counted(records, found, tolerance_ms=width) for width in TOLERANCES_MS]
        curves.append([*title, *map(percent, within)])
        worst.append([*title, most_errors(records, counts)])
    columns = ("whole record", "goal", "from 5:00", "mean of records", "CPU s a record", "× ours")
    widths = [f"{width:g} ms" for width in TOLERANCES_MS]
    return {
        "beats-ds1": markdown(["lead", "detector", *columns], rows, failed),
        "beats-tolerance": markdown(["lead", "detector", *widths], curves, []),
        "beats-worst": markdown(["lead", "detector", "missed + made up"], worst, []),
    }


def stress_table(records: list[Marked], noise: np.ndarray) -> str:
    """Measure how the sides stand electrode motion."""
    sides: list[Side] = [(OURS, None), *((name, 0) for name in DETECTORS)]
    failed: list[str] = []
    cells: dict[Side, list[str]] = {side: [] for side in sides}
    for decibels in STRESS_DB:
        noisy = [stress(record, noise, decibels) for record in records if record.name in STRESSED]
        for side, found in find_all(sides, noisy, failed).items():
            cells[side].append(percent(counted(noisy, found)))
    rows = [["MLII" if lead == 0 else "both", name, *cells[name, lead]] for name, lead in sides]
    return markdown(["lead", "detector", *(f"{level} dB" for level in STRESS_DB)], rows, failed)


def ludb_table(records: list[Marked]) -> str:
    """Measure what is found in LUDB; lead II is the second."""
    failed: list[str] = []
    sides: list[Side] = [(OURS, None), *((name, 1) for name in DETECTORS)]
    rows = []
    for (name, lead), found in find_all(sides, records, failed).items():
        counts = counted(records, found, tolerance_ms=LUDB_MS)
        rows.append(
            [
                "II" if lead == 1 else "all 12",
                name,
                percent(counts),
                f"{1000 * np.mean([some.seconds for some in found]):.1f}",
                str(int((np.add(counts.fn, counts.fp) > 0).sum())),
                most_errors(records, counts),
            ]
        )
    columns = ["Se / +P", "CPU ms a record", "records with errors", "most: missed + made up"]
    return markdown(["lead", "detector", *columns], rows, failed)


def write_results(tables: dict[str, str]) -> None:
    """Put tables between their marks in docs/results.md."""
    page = ROOT / "docs" / "results.md"
    write_tables(page, {name: [table] for name, table in tables.items()})


def measured(*packages: str) -> str:
    """Say when, on what machine under what load, and with what versions."""
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return (
        f"Measured {date.today()}: {machine()}, {versions}; one thread, load average "
        f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores."
    )


def run(data: Path) -> None:
    """Measure all, then write."""
    missing = [name for name in ("mitdb", "nstdb", "ludb") if not (data / name).is_dir()]
    if missing:
        raise LeadwiseError(f"{data}: has no folder {missing[0]}; unpack it there.")
    import wfdb
    from threadpoolctl import threadpool_limits

    tables = {"beats-machine": measured("scipy", "wfdb", "pandas", "neurokit2", "sleepecg")}
    records = read_mitdb(data / "mitdb")
    noise = wfdb.rdrecord(str(data / "nstdb" / "em")).p_signal.T
    with threadpool_limits(1):
        for name in DETECTORS:  # imports and caches, before any time is taken
            find((name, 0), records[0]._replace(signal=records[0].signal[:, :20_000]), [])
        tables |= ds1_tables(records)
        tables["beats-stress"] = stress_table(records, noise)
        tables["beats-ludb"] = ludb_table(list(read_ludb(data / "ludb")))
    write_results(tables)


def main() -> int:
    """Run the command; the answer is its exit status."""
    parser = argparse.ArgumentParser(description="Measure R peak detectors.")
    parser.add_argument("data", metavar="DATA", type=Path, help="holds mitdb, nstdb and ludb")
    options = parser.parse_args()
    try:
        run(options.data)
    except (LeadwiseError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
