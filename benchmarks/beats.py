"""R peaks on MIT-BIH DS1, under noise stress and on LUDB: Leadwise and four peers.

    python -m venv ../peers && ../peers/bin/pip install -r requirements-peers.txt
    ../peers/bin/python -m benchmarks.beats DATA

DATA holds the folders mitdb, nstdb and ludb in WFDB's formats.  The command takes about ten minutes
and writes the tables of docs/results.md, "R peaks".  Beats are scored by EC57's convention: 150 ms,
gross, over whole records; ventricular flutter of 207 is excluded.  Peers read one lead, as
published; ours reads one or all.  CPU seconds are those of one thread.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.common import ROOT, machine, parse_options, run, table_lines, timed
from benchmarks.peers.detectors import DETECTORS as PEERS
from docs.generate import write_tables
from ecg import LeadwiseError, beats
from ecg.noise import noise_gain
from scoring import beats as scorer
from scoring.beats import TOLERANCES_MS, BeatCounts, positive_predictivity, sensitivity

RESULTS = ROOT / "docs" / "results.md"
DS1 = "101 106 108 109 112 114 115 116 118 119 122 124 201 203 205 207 208 209 215 220 223 230"
SYMBOLS = list("NLRejAaJSVEF/fQ")  # of beats
STRESSED, STRESS_DB = ("118", "119"), (12, 6, 0)
LUDB_MS = 75.0
OURS = "Leadwise"
WORST = 6  # records named per side


class Marked(NamedTuple):
    """A record and its beats; signal in mV (leads, samples), in MIT-BIH with MLII first."""

    name: str
    signal: np.ndarray
    fs: float
    marks: np.ndarray
    left_out: np.ndarray  # (stretches, 2) samples


class Detection(NamedTuple):
    """R peaks of one side in one record."""

    r_peaks: np.ndarray
    seconds: float  # of CPU


Side = tuple[str, int | None]  # a detector and the index of its lead; None is all leads (ours)
DETECTORS = {OURS: lambda lead, fs: beats.detect(lead[None], fs), **PEERS}


def read_mitdb(folder: Path, names: str = DS1) -> list[Marked]:
    """Read records of the MIT-BIH Arrhythmia Database; MLII becomes the first lead."""
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
    """Read LUDB with lead II's marks; beats beyond the outer marks are left out."""
    import wfdb

    for path in sorted(folder.glob("*.hea"), key=lambda path: int(path.stem)):
        stem = str(path.with_suffix(""))
        record, marks = wfdb.rdrecord(stem), wfdb.rdann(stem, "ii")
        qrs = marks.sample[np.array(marks.symbol) == "N"]
        reach = LUDB_MS / 1000 * record.fs
        outer = np.array([[-np.inf, qrs[0] - reach - 0.5], [qrs[-1] + reach + 0.5, np.inf]])
        yield Marked(path.stem, record.p_signal.T.copy(), record.fs, qrs, outer)


def stress(record: Marked, noise: np.ndarray, decibels: float) -> Marked:
    """Add noise to a whole record, lead by lead, at the ratio of WFDB's `nst`."""
    samples = record.signal.shape[1]
    repeated = np.tile(noise, (1, -(-samples // noise.shape[1])))[:, :samples]
    gain = noise_gain(record.signal, record.marks, noise, record.fs, decibels)
    return record._replace(signal=record.signal + gain[:, None] * repeated)


def detect(side: Side, record: Marked, failures: list[str]) -> Detection:
    """Detect a record's beats; if the detector fails, none, with a note in `failures`."""
    name, lead = side
    if lead is None:
        call: Callable[[], np.ndarray] = partial(beats.detect, record.signal, record.fs)
    else:
        call = partial(DETECTORS[name], record.signal[lead], record.fs)

    def attempt() -> np.ndarray:
        try:
            return np.sort(np.asarray(call(), int))
        except (ValueError, IndexError, ZeroDivisionError) as error:
            failures.append(f"{name} on {record.name}: {error}")
            return np.zeros(0, int)

    r_peaks, duration = timed(attempt)
    return Detection(r_peaks, duration.cpu)


def detect_all(
    sides: Iterable[Side], records: list[Marked], failures: list[str]
) -> dict[Side, list[Detection]]:
    """Detect the beats of all records; sides alternate, so that other load affects all equally."""
    detections: dict[Side, list[Detection]] = {side: [] for side in sides}
    for record in records:
        print(f"record {record.name}", file=sys.stderr, flush=True)
        for side, detected in detections.items():
            detected.append(detect(side, record, failures))
    return detections


def counted(
    records: list[Marked],
    detections: list[Detection],
    *,
    since_s: float = 0.0,
    tolerance_ms: float = 150.0,
) -> BeatCounts:
    """Count each record's beats, arrays of shape (records,)."""
    options = {"tolerance_ms": tolerance_ms, "since_s": since_s}
    return scorer.stack([
        scorer.count(record.marks, detected.r_peaks, record.fs, left_out=record.left_out, **options)
        for record, detected in zip(records, detections, strict=True)
    ])  # fmt: skip


def percent(counts: BeatCounts) -> str:
    """Format the gross sensitivity and positive predictivity in per cent."""
    total = scorer.gross(counts)
    return f"{100 * sensitivity(total):.2f} / {100 * positive_predictivity(total):.2f}"


def most_errors(records: list[Marked], counts: BeatCounts) -> str:
    """Name the records with the most errors: missed + false beats."""
    errors = np.stack([counts.fn, counts.fp], axis=1)
    order = np.argsort(-errors.sum(axis=1), kind="stable")[:WORST]
    return ", ".join(
        f"{records[index].name} {errors[index, 0]}+{errors[index, 1]}"
        for index in order
        if errors[index].any()
    )


def markdown(
    columns: Iterable[str], rows: Iterable[Iterable[str]], failures: Iterable[str] = ()
) -> list[str]:
    """Format a table, followed by a list of failures."""
    notes = [line for text in failures for line in ("", f"Failed, counted as no beats: {text}.")]
    return [*table_lines(columns, rows), *notes]


def ds1_tables(records: list[Marked]) -> dict[str, list[str]]:
    """Measure DS1: gross, from 5:00 on, averages, CPU; by tolerance; records with most errors."""
    names = {0: "MLII", 1: "second", None: "both"}
    goals = {0: "99.80 / 99.80", 1: "97.80 / 98.90", None: "99.85 / 99.85"}
    sides = [(OURS, None), *((name, lead) for lead in (0, 1) for name in DETECTORS)]
    failures: list[str] = []
    detections = detect_all(sides, records, failures)
    cpu_s = {side: mean_cpu_s(detected) for side, detected in detections.items()}
    rows, curves, worst = [], [], []
    for side, detected in detections.items():
        name, lead = side
        title = [names[lead], name]
        counts = counted(records, detected)
        means = (scorer.average(sensitivity(counts)), scorer.average(positive_predictivity(counts)))
        rows.append([
            *title,
            percent(counts),
            goals[lead] if name == OURS else "",
            percent(counted(records, detected, since_s=scorer.LEARNING_S)),
            f"{100 * means[0]:.2f} / {100 * means[1]:.2f}",
            f"{cpu_s[side]:.3f}",
            f"{cpu_s[side] / cpu_s[OURS, lead]:.2f}",
        ])  # fmt: skip
        within = [counted(records, detected, tolerance_ms=width) for width in TOLERANCES_MS]
        curves.append([*title, *map(percent, within)])
        worst.append([*title, most_errors(records, counts)])
    columns = ("whole record", "goal", "from 5:00", "mean of records", "CPU s per record", "× ours")
    widths = [f"{width:g} ms" for width in TOLERANCES_MS]
    return {
        "beats-ds1": markdown(["lead", "detector", *columns], rows, failures),
        "beats-tolerance": markdown(["lead", "detector", *widths], curves),
        "beats-worst": markdown(["lead", "detector", "missed + false"], worst),
    }


def mean_cpu_s(detections: list[Detection]) -> float:
    """Average the CPU seconds per record."""
    return float(np.mean([detected.seconds for detected in detections]))


def stress_table(records: list[Marked], noise: np.ndarray) -> list[str]:
    """Measure the sides under electrode motion."""
    sides: list[Side] = [(OURS, None), *((name, 0) for name in DETECTORS)]
    failures: list[str] = []
    cells: dict[Side, list[str]] = {side: [] for side in sides}
    for decibels in STRESS_DB:
        noisy = [stress(record, noise, decibels) for record in records if record.name in STRESSED]
        for side, detected in detect_all(sides, noisy, failures).items():
            cells[side].append(percent(counted(noisy, detected)))
    rows = [["MLII" if lead == 0 else "both", name, *cells[name, lead]] for name, lead in sides]
    return markdown(["lead", "detector", *(f"{level} dB" for level in STRESS_DB)], rows, failures)


def ludb_table(records: list[Marked]) -> list[str]:
    """Measure the sides on LUDB; lead II has index 1."""
    failures: list[str] = []
    sides: list[Side] = [(OURS, None), *((name, 1) for name in DETECTORS)]
    rows = []
    for (name, lead), detected in detect_all(sides, records, failures).items():
        counts = counted(records, detected, tolerance_ms=LUDB_MS)
        rows.append([
            "II" if lead == 1 else "all 12",
            name,
            percent(counts),
            f"{1000 * mean_cpu_s(detected):.1f}",
            str(int((np.add(counts.fn, counts.fp) > 0).sum())),
            most_errors(records, counts),
        ])  # fmt: skip
    columns = ["Se / +P", "CPU ms per record", "records with errors", "most: missed + false"]
    return markdown(["lead", "detector", *columns], rows, failures)


def main() -> None:
    """Run the command."""
    data = parse_options(__doc__, "data").data
    for name in ("mitdb", "nstdb", "ludb"):
        if not (data / name).is_dir():
            raise LeadwiseError(f"{data}: folder {name} is missing; unpack the database there")
    import wfdb
    from threadpoolctl import threadpool_limits

    packages = ("scipy", "wfdb", "pandas", "neurokit2", "sleepecg")
    tables = {"beats-machine": [f"{machine(*packages)}; one thread."]}
    records = read_mitdb(data / "mitdb")
    noise = wfdb.rdrecord(str(data / "nstdb" / "em")).p_signal.T
    with threadpool_limits(1):
        for name in DETECTORS:  # imports and caches, before the measurement
            detect((name, 0), records[0]._replace(signal=records[0].signal[:, :20_000]), [])
        tables |= ds1_tables(records)
        tables["beats-stress"] = stress_table(records, noise)
        tables["beats-ludb"] = ludb_table(list(read_ludb(data / "ludb")))
    write_tables(RESULTS, tables)


if __name__ == "__main__":
    run(main)
