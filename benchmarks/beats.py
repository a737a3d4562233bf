"""R peaks on MIT-BIH DS1, under noise stress and on LUDB: ours and four peers, in one run.

    python -m benchmarks.beats DATA

DATA holds the folders mitdb, nstdb and ludb, in WFDB's formats.  Beats are scored by EC57's
convention, 150 ms, gross, over whole records; ventricular flutter of 207 is left out.  Peers take
one lead, as published; ours takes one or all.  CPU seconds are of one thread.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

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
OURS = "ours"


class Marked(NamedTuple):
    """A record and its beats; signal in mV (leads, samples), MLII first."""

    name: str
    signal: np.ndarray
    fs: float
    marks: np.ndarray
    left_out: np.ndarray  # (stretches, 2) samples


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
    "wfdb GQRS": _gqrs,
    "wfdb XQRS": _xqrs,
    "neurokit2": _neurokit2,
    "sleepecg": _sleepecg,
}
DETECTORS = {OURS: lambda lead, fs: beats.detect(lead[None], fs), **PEERS}


def read_mitdb(folder: Path, names: str = DS1) -> list[Marked]:
    """Read records of the MIT-BIH Arrhythmia Database, whichever way round their leads are."""
    import wfdb

    records = []
    for name in names.split():
        record, marks = wfdb.rdrecord(str(folder / name)), wfdb.rdann(str(folder / name), "atr")
        order = sorted(range(2), key=lambda row: record.sig_name[row] != "MLII")  # noqa: B023
        symbols = np.array(marks.symbol)
        flutter = np.stack([marks.sample[symbols == side] for side in "[]"], axis=1)
        of_beats = marks.sample[np.isin(symbols, SYMBOLS)]
        signal = np.ascontiguousarray(record.p_signal.T[order])
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


def find(
    name: str, record: Marked, lead: int | None, failed: list[str]
) -> tuple[np.ndarray, float]:
    """Find beats in one lead, or in all (ours); samples, and CPU seconds."""
    begun = time.process_time()
    try:
        if lead is None:
            found = beats.detect(record.signal, record.fs)
        else:
            found = DETECTORS[name](record.signal[lead], record.fs)
    except (ValueError, IndexError, ZeroDivisionError) as error:
        failed.append(f"{name} on {record.name}: {error}")
        found = np.zeros(0, int)
    return np.sort(np.asarray(found, int)), time.process_time() - begun


def percent(counts: BeatCounts) -> str:
    """Write sensitivity and positive predictivity in per cent."""
    return f"{100 * sensitivity(counts):6.2f} {100 * positive_predictivity(counts):6.2f}"


def table(records: list[Marked], sides: list[tuple[str, int | None]]) -> None:
    """Print what each side finds in these records: all, from 5:00 on, averages, curve, worst."""
    print("                          gross Se, +P   from 5:00      average        CPU s a record")
    curves, worst = [], []
    failed: list[str] = []
    for name, lead in sides:
        results = [find(name, record, lead, failed) for record in records]
        found, seconds = zip(*results, strict=True)
        pairs = list(zip(records, found, strict=True))
        every = stack([counted(record, some) for record, some in pairs])
        later = gross(stack([counted(record, some, since_s=LEARNING_S) for record, some in pairs]))
        means = (average(sensitivity(every)), average(positive_predictivity(every)))
        title = f"{name}, {'all leads' if lead is None else f'lead {lead + 1}'}"
        print(f"{title:<26}{percent(gross(every))}  {percent(later)}  {100 * means[0]:6.2f} "
              f"{100 * means[1]:6.2f}  {np.mean(seconds):8.3f}", flush=True)  # fmt: skip
        curve = [gross(stack([counted(record, some, tolerance_ms=width) for record, some in pairs]))
                 for width in TOLERANCES_MS]  # fmt: skip
        curves.append(f"{title:<26}" + "   ".join(percent(counts) for counts in curve))
        errors = np.add(every.fn, every.fp)
        lost = [
            f"{record.name} {missed}+{made_up}"
            for record, missed, made_up in zip(records, *map(np.atleast_1d, every[1:]), strict=True)
        ]
        most = np.argsort(-errors, kind="stable")[:6]
        worst.append(f"{title:<26}" + ", ".join(lost[place] for place in most))
    print("\nwithin  " + "".join(f"{f'{width:g} ms':>16}" for width in TOLERANCES_MS))
    print("\n".join(curves) + "\n\nmost errors (missed + made up)\n" + "\n".join(worst))
    print("".join(f"failed: {what}\n" for what in failed))


def counted(
    record: Marked, found: np.ndarray, *, since_s: float = 0.0, tolerance_ms: float = 150.0
) -> BeatCounts:
    """Count a record's beats."""
    return count(
        record.marks,
        found,
        record.fs,
        tolerance_ms=tolerance_ms,
        since_s=since_s,
        left_out=record.left_out,
    )


def stress_table(records: list[Marked], noise: np.ndarray) -> None:
    """Print how the sides stand electrode motion."""
    print(f"{'':26}" + "".join(f"{f'{decibels} dB':>16}" for decibels in STRESS_DB))
    stressed = [
        [stress(record, noise, decibels) for record in records if record.name in STRESSED]
        for decibels in STRESS_DB
    ]
    failed: list[str] = []
    for name, lead in [*((name, 0) for name in DETECTORS), (OURS, None)]:
        cells = [
            percent(gross(stack([counted(r, find(name, r, lead, failed)[0]) for r in some])))
            for some in stressed
        ]
        title = f"{name}, {'both leads' if lead is None else 'MLII'}"
        print(f"{title:<26}" + "   ".join(cells), flush=True)
    print("".join(f"failed: {what}\n" for what in failed))


def ludb_table(records: list[Marked]) -> None:
    """Print what is found in LUDB within 75 ms; lead 2 is II."""
    failed: list[str] = []
    for name, lead in [(OURS, None), *((name, 1) for name in DETECTORS)]:
        results = [find(name, record, lead, failed) for record in records]
        every = [
            counted(record, found, tolerance_ms=LUDB_MS)
            for record, (found, _) in zip(records, results, strict=True)
        ]
        wrong = [
            f"{record.name} {counts.fn}+{counts.fp}"
            for record, counts in zip(records, every, strict=True)
            if counts.fn or counts.fp
        ]
        title = f"{name}, {'12 leads' if lead is None else 'II'}"
        seconds = np.mean([took for _, took in results])
        print(f"{title:<26}{percent(gross(stack(every)))}  {seconds:6.4f} s a record; "
              f"{len(wrong)} with errors: {', '.join(wrong[:5])}", flush=True)  # fmt: skip
    print("".join(f"failed: {what}\n" for what in failed))


def main() -> int:
    """Run the command; the answer is its exit status."""
    parser = argparse.ArgumentParser(description="Measure R peak detectors.")
    parser.add_argument("data", metavar="DATA", type=Path, help="holds mitdb, nstdb and ludb")
    options = parser.parse_args()
    try:
        missing = [
            name for name in ("mitdb", "nstdb", "ludb") if not (options.data / name).is_dir()
        ]
        if missing:
            raise LeadwiseError(f"{options.data}: has no folder {missing[0]}; unpack it there.")
    except LeadwiseError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    names = ("numpy", "scipy", "wfdb", "neurokit2", "sleepecg")
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors, load "
          f"{os.getloadavg()[0]:.1f}, one thread; Python {platform.python_version()}, "
          f"{', '.join(f'{name} {version(name)}' for name in names)}\n")  # fmt: skip
    import wfdb

    records = read_mitdb(options.data / "mitdb")
    for name in DETECTORS:  # imports and caches, before any time is taken
        find(name, records[0]._replace(signal=records[0].signal[:, :20000]), 0, [])
    with threadpool_limits(1):
        print("MIT-BIH DS1, 22 records; lead 1 is MLII, lead 2 the other")
        singles = [(name, lead) for lead in (0, 1) for name in DETECTORS]
        table(records, [(OURS, None), *singles])
        print("DS1, 118 and 119 with electrode motion (em of nstdb) throughout")
        noise = wfdb.rdrecord(str(options.data / "nstdb" / "em")).p_signal.T
        stress_table(records, noise)
        print("LUDB, 160 records, marks of lead II, within 75 ms")
        ludb_table(list(read_ludb(options.data / "ludb")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
