"""The gate of R peaks: trained on ten records of MIT-BIH's DS1 with noise, measured on the others.

    python -m benchmarks.gate MITDB NSTDB [--write MODEL]

Noise of the Noise Stress Test Database is added as by WFDB's `nst`: from 5:00 on, every other two
minutes, at a ratio of signal to noise.  Training has the first half of each noise, the measurement
the second.  118 and 119, the records of that database, are measured.  An artefact is an R peak
without a marked beat within 150 ms; ventricular flutter is left out.  --write writes the gate into
a model folder; without it the gate of weights/malt2021 is measured, and nothing is trained.  The
tables are written into docs/results/holter.md.
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.beats import Marked, read_mitdb, stress
from benchmarks.common import machine, parse_options, run, table_lines
from docs.generate import ROOT, write_tables
from ecg import LeadwiseError
from ecg.records import record_of
from holter.activity import noise
from holter.analysis import scan
from holter.classifier import describe_table
from holter.events import overlap
from holter.examples import read_noise
from holter.gate import Gate, load_gate, passed, write_gate
from holter.growing import Chosen, boosted, versions
from holter.table import read_table
from scoring import beats as scorer
from scoring.beats import LEARNING_S, TOLERANCE_MS, BeatCounts, match, outside

RESULTS = ROOT / "docs" / "results.md"
DATA = "MIT-BIH Arrhythmia Database 1.0.0, noise of the MIT-BIH Noise Stress Test Database 1.0.0"
NSTDB = ("118", "119")
TRAINED = ("101", "108", "112", "115", "122", "201", "205", "208", "215", "223")
LESSONS = (("", 0), ("em", 6), ("em", 0), ("em", -6), ("ma", 6), ("ma", 0), ("bw", 0))  # dB
CONDITIONS = (("", 0), ("em", 6), ("ma", 6), ("ma", 0))  # dB
GOALS = {("", 0): "45 %", ("em", 6): "60 %", ("ma", 0): "75 %"}
QRS_GOALS = {-6: "92 %", 0: "88 %"}  # of +P
MOST_LOST = 0.001  # share of the beats
FIRST_S, STRETCH_S = 300, 120  # as by nst
EVERY = 4  # of the beats that teach
ROUNDS = 100

Noises = dict[str, np.ndarray]


class Peaks(NamedTuple):
    """R peaks of a record; all but `samples` are bool or float of shape (peaks,)."""

    record: Marked
    samples: np.ndarray
    beat: np.ndarray
    artefact: np.ndarray
    numbers: np.ndarray
    log_odds: np.ndarray
    sharp: np.ndarray  # in muscle noise, as it was found without the gate
    kept: np.ndarray  # by the gate and outside noise


def noisy(record: Marked, noises: Noises, name: str, decibels: float) -> Marked:
    """Add noise as by `nst`: five minutes without, then two with and two without by turns."""
    if not name:
        return record
    seconds = np.arange(record.signal.shape[1]) / record.fs - FIRST_S
    added = (seconds >= 0) & (seconds % (2 * STRETCH_S) < STRETCH_S)
    whole = stress(record, noises[name], decibels).signal
    return record._replace(signal=np.where(added, whole, record.signal))


def find_peaks(one: Marked, gate: Gate | None) -> Peaks:
    """Find the R peaks, and what the gate says of them."""
    record = record_of(one.signal, [f"lead {row}" for row in range(len(one.signal))], one.fs)
    peaks, activity = scan(record)
    table = read_table(record, peaks=peaks)
    table = table.keep(np.asarray(table.usable.any(axis=1)))
    beats = describe_table(table)
    log_odds = gate.log_odds(beats) if gate else np.zeros(len(table))
    right = passed(log_odds, table.peaks / table.fs)
    sharp, stretches = (noise(activity, table.peaks, one.fs, of) for of in (None, right))
    beat = np.zeros(len(table), bool)
    beat[match(one.marks, table.peaks, TOLERANCE_MS * one.fs / 1000)[:, 1]] = True
    counted = np.isin(table.peaks, outside(table.peaks, one.left_out))
    ends = table.peaks, table.peaks + 1
    return Peaks(one, table.peaks, beat, ~beat & counted, beats.numbers, log_odds,
                 overlap(*ends, sharp), right & ~overlap(*ends, stretches))  # fmt: skip


def train(records: Iterable[Marked], noises: Noises) -> Gate:
    """Train a gate on records without noise and with each of `LESSONS`."""
    numbers, classes, weights = [], [], []
    for record in records:
        print(f"training: {record.name}", file=sys.stderr, flush=True)
        for lesson in LESSONS:
            found = find_peaks(noisy(record, noises, *lesson), None)
            beats = np.flatnonzero(found.beat)[::EVERY]
            chosen = np.concatenate([beats, np.flatnonzero(found.artefact)])
            numbers.append(found.numbers[chosen])
            classes.append(found.beat[chosen].astype(int))
            weights.append(np.where(found.beat[chosen], float(EVERY), 1.0))
    learned = Chosen(*map(np.concatenate, (numbers, classes, weights)))
    return Gate(boosted(learned, 0, rounds=ROUNDS))


def row(name: tuple[str, int], found: list[Peaks]) -> list[str]:
    """Give the artefacts removed and the beats lost under one condition."""
    beat, artefact, log_odds, sharp, kept = (
        np.concatenate([getattr(one, column) for one in found])
        for column in ("beat", "artefact", "log_odds", "sharp", "kept")
    )
    limit = np.quantile(log_odds[beat], MOST_LOST)
    cells = [_percent((log_odds < limit)[artefact].mean(), 0), GOALS.get(name, "")]
    for removed in (~kept, sharp):
        cells += [_percent(removed[artefact].mean(), 0), _percent(removed[beat].mean(), 2)]
    return [f"{name[0]} {name[1]} dB" if name[0] else "no noise", f"{beat.sum():,}",
            f"{artefact.sum():,}", *cells]  # fmt: skip


def qrs_rows(records: list[Marked], noises: Noises, gate: Gate) -> Iterator[list[str]]:
    """Give sensitivity and positive predictivity of QRS complexes on 118 and 119, from 5:00 on."""
    for decibels, goal in QRS_GOALS.items():
        found = [find_peaks(noisy(one, noises, "em", decibels), gate) for one in records]
        cells = []
        for choice in (None, "sharp", "kept"):
            total = scorer.gross(scorer.stack([_count(one, choice) for one in found]))
            shares = scorer.sensitivity(total), scorer.positive_predictivity(total)
            cells += [_percent(float(share), 1) for share in shares]
        yield [f"em {decibels} dB", *cells, goal]


def _count(one: Peaks, choice: str | None) -> BeatCounts:
    kept = {None: one.beat | True, "sharp": ~one.sharp, "kept": one.kept}[choice]
    marked = one.record
    return scorer.count(marked.marks, one.samples[kept], marked.fs, since_s=LEARNING_S,
                 left_out=marked.left_out)  # fmt: skip


def _percent(share: float, digits: int) -> str:
    return f"{100 * share:.{digits}f} %"


def main() -> None:
    """Run the command."""
    options = parse_options(__doc__, "mitdb", "nstdb", write="")
    records = read_mitdb(options.mitdb)
    gate = load_gate(ROOT / "weights" / "malt2021")
    if options.write:
        learners = [record for record in records if record.name in TRAINED]
        gate = train(learners, read_noise(options.nstdb, later=False))
        origin = {"data": DATA, "records": TRAINED, "noise": LESSONS, "versions": versions()}
        write_gate(gate, Path(options.write), origin)
    if gate is None:
        raise LeadwiseError("weights/malt2021 has no gate; train one with --write MODEL")
    noises = read_noise(options.nstdb, later=True)
    others = [record for record in records if record.name not in TRAINED]
    rows = []
    for name in CONDITIONS:
        print(f"{name[0]} {name[1]} dB", file=sys.stderr, flush=True)
        rows.append(row(name, [find_peaks(noisy(one, noises, *name), gate) for one in others]))
    gated = ("removed", "beats lost", "before: removed", "beats lost")
    columns = ("noise", "beats", "artefacts", "removed at 0.1 % of beats lost", "goal", *gated)
    stressed = [record for record in others if record.name in NSTDB]
    qrs = ("R peaks: Se", "+P", "before: Se", "+P", "with the gate: Se", "+P", "goal of +P")
    write_tables(RESULTS, {
        "holter-gate": [f"{machine('scipy', 'scikit-learn')}; one thread.", "",
                        *table_lines(columns, rows)],
        "holter-nstdb": table_lines(("118 and 119", *qrs), qrs_rows(stressed, noises, gate)),
    })  # fmt: skip


if __name__ == "__main__":
    run(main)
