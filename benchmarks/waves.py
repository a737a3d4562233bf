"""Delineators on LUDB's development records and on QTDB: folders of marks, and four peers.

    python -m venv ../peers && ../peers/bin/pip install -r requirements-peers.txt
    ../peers/bin/pip install --no-deps openecg==0.11.0 opendsp==0.1.0
    python -m benchmarks.waves DATA --outputs MARKS --peers neurokit2 prominence ecgdeli openecg

DATA holds the folders ludb and qtdb.  MARKS has WFDB annotation files NAME.LEAD, as `delineate.py`
writes them for both folders, and perhaps NAME.all with the marks of all leads together; else these
are the median over leads, as in the reference.  Peers run as programs of their own, one lead at a
time, and write such folders in `--work`; later runs may name these folders as outputs.  The command
writes the tables of docs/results/waves.md.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.common import ROOT, machine, run, run_process, table_lines
from datasets.ludb import DEVELOPMENT, read_ludb
from datasets.qtdb import read_qtdb
from docs.generate import write_tables
from ecg import LeadwiseError
from ecg.annotation_files import WAVES_EXTENSION, Mark, waves_of_marks, write_annotations
from ecg.annotations import ABSENT, Annotations, Waves
from ecg.files import make_folder
from ecg.progress import log
from ecg.records import Record
from scoring.beats import match
from scoring.waves import (
    LIMITS,
    SIDES,
    TOLERANCES_MS,
    WAVES,
    Comparison,
    compare,
    fused_reference,
    pooled,
    row,
)
from scoring.waves.__main__ import read_waves

RESULTS = ROOT / "docs" / "results.md"
PROGRAM = ROOT / "benchmarks" / "peers" / "delineators.py"
PEERS = ("neurokit2", "prominence", "ecgdeli", "openecg")
# The given records that OpenECG 0.11 did not train on: data/splits/ludb_v1.json of its repository.
UNSEEN = (
    "11", "14", "21", "22", "28", "33", "34", "39", "47", "48", "53", "56", "66", "67", "72", "73",
    "74", "78", "91", "92", "93", "101", "119", "133", "154", "174", "178", "179", "189", "191",
    "194", "196",
)  # fmt: skip
SECONDS = "cpu-seconds.txt"  # of a folder of marks: CPU seconds per lead of 10 s
GOAL_LIMITS = tuple(limit for limit in LIMITS if limit != ("t", "onset"))
INTERVALS = ("PR", "QRS", "QT")


class Scores(NamedTuple):
    """Figures of one delineator on LUDB."""

    leads: Comparison  # one by one
    fused: Comparison
    errors_ms: np.ndarray  # of the median PR, QRS and QT, (records, 3); NaN where one has none


class Side(NamedTuple):
    """A delineator: its name and its folder of marks."""

    name: str
    folder: Path

    @property
    def seconds(self) -> str:
        """CPU seconds per lead of 10 s, if they are stored."""
        path = self.folder / SECONDS
        return path.read_text(encoding="utf-8").strip() if path.is_file() else "–"


def run_peer(name: str, records: Sequence[Record], out: Path, python: Path) -> list[str]:
    """Delineate all leads by a peer, and write its marks; describe its failures.

    Raises
    ------
    LeadwiseError
        The program cannot be run.
    """
    make_folder(out)
    failures: list[str] = []
    seconds, leads_of_10_s = 0.0, 0.0
    for fs in sorted({record.fs for record in records}):
        group = [record for record in records if record.fs == fs]
        with tempfile.TemporaryDirectory() as folder:
            signals, answers = Path(folder, "signals.npz"), Path(folder, "marks.json")
            signals_of = {
                f"{record.name}.{lead}": signal
                for record in group
                for lead, signal in zip(record.leads, record.signal, strict=True)
            }
            np.savez(signals, fs=int(fs), **signals_of)
            one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
            run_process([python, PROGRAM, name, signals, answers], environment=one_thread)
            found = json.loads(answers.read_text(encoding="utf-8"))
        for key, answer in found.items():
            record, _, lead = key.partition(".")
            if "error" in answer:
                failures.append(f"{name} on lead {lead} of {record}: {answer['error']}")
                continue
            waves = waves_of_marks([Mark(*mark) for mark in answer["marks"]], lead)
            write_annotations(Annotations(fs, waves=waves), out / record)
        seconds += sum(answer["seconds"] for answer in found.values())
        leads_of_10_s += sum(signal.size for signal in signals_of.values()) / fs / 10
    (out / SECONDS).write_text(f"{seconds / leads_of_10_s:.3f}\n", encoding="utf-8")
    return failures


def score_ludb(records: Iterable[Record], folder: Path) -> Scores:
    """Score the marks of a folder on records of LUDB, per lead and fused over leads."""
    leads, fused, errors = [], [], []
    for record in records:
        reference = record.annotations()
        assert reference is not None, "each record of LUDB has marks"
        found = [read_waves(record, folder, lead.casefold()) for lead in record.leads]
        for lead, marks in zip(record.leads, found, strict=True):
            if (reference.waves.leads == lead).any():
                leads.append(compare(reference, marks, record.samples, lead))
        together = read_waves(record, folder, WAVES_EXTENSION)
        if not len(together.waves):
            waves = Waves(*map(np.concatenate, zip(*(one.waves for one in found), strict=True)))
            together = fused_reference(Annotations(record.fs, waves=waves))
        median = fused_reference(reference)
        fused.append(compare(median, together, record.samples))
        errors.append(intervals_ms(together, median) - intervals_ms(median, median))
    return Scores(pooled(leads), pooled(fused), np.array(errors))


def intervals_ms(marks: Annotations, reference: Annotations) -> np.ndarray:
    """Give the medians of PR, QRS and QT of the beats in the marked part, in ms; NaN without one.

    A beat's P is the last one that starts between the QRS complex before and its own, its T the
    first one after it that ends before the next QRS complex.

    Returns
    -------
    np.ndarray of shape (3,)
    """
    waves, spans = marks.waves, reference.annotated
    p, qrs, t = (waves.take(waves.kinds == kind) for kind in WAVES)
    qrs = qrs.take((qrs.onsets != ABSENT) & (qrs.offsets != ABSENT))
    starts = np.sort(p.onsets[p.onsets != ABSENT])
    ends = np.sort(t.offsets[t.offsets != ABSENT])
    before = np.append(ABSENT, qrs.offsets)[: len(qrs)].tolist()
    after = np.append(qrs.onsets[1:], np.iinfo(np.int64).max)[: len(qrs)].tolist()
    rows = []
    for begin, end, last, following in zip(qrs.onsets, qrs.offsets, before, after, strict=True):
        if ((spans.onsets - 1 <= begin) & (end <= spans.offsets + 1)).any():
            own_p = starts[(starts >= last) & (starts < begin)]
            own_t = ends[(ends > end) & (ends <= following)]
            pr = begin - own_p[-1] if len(own_p) else np.nan
            rows.append((pr, end - begin, own_t[0] - begin if len(own_t) else np.nan))
    table = np.array(rows, float).reshape(-1, 3)
    medians = [np.median(own[~np.isnan(own)]) if (own == own).any() else np.nan for own in table.T]
    return np.array(medians) * 1000 / marks.fs


def nearer_errors(marked: np.ndarray, leads: Iterable[np.ndarray], tolerance: float) -> np.ndarray:
    """Give the error of each mark in the lead that is nearer to it; NaN if no lead has the mark.

    Examples
    --------
    >>> leads = np.array([103, 290]), np.array([95, 299])
    >>> nearer_errors(np.array([100, 300, 500]), leads, 20.0)
    array([ 3., -1., nan])
    """
    best = np.full(len(marked), np.nan)
    for found in leads:
        pairs = match(marked, found, tolerance)
        errors = np.full(len(marked), np.nan)
        errors[pairs[:, 0]] = found[pairs[:, 1]] - marked[pairs[:, 0]]
        best = np.where(np.isnan(best) | (np.abs(errors) < np.abs(best)), errors, best)
    return best


def score_qtdb(
    records: Iterable[Record], folder: Path
) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
    """Give the errors of each limit in ms over all records: in the nearer lead, and in signal 0."""
    errors: dict[tuple[str, str], list[tuple[np.ndarray, np.ndarray]]] = {}
    for record in records:
        reference = record.annotations()
        assert reference is not None, "read_qtdb reads them"
        found = [read_waves(record, folder, lead.casefold()).waves for lead in record.leads]
        tolerance, to_ms = TOLERANCES_MS[0] * record.fs / 1000, 1000 / record.fs
        for kind, side in LIMITS:
            marked = limits_of(reference.waves, kind, side)
            leads = [limits_of(waves, kind, side) for waves in found]
            both, first = (
                to_ms * nearer_errors(marked, own, tolerance) for own in (leads, leads[:1])
            )
            errors.setdefault((kind, side), []).append((both, first))
    return {
        limit: (np.concatenate([one for one, _ in rows]), np.concatenate([one for _, one in rows]))
        for limit, rows in errors.items()
    }


def limits_of(waves: Waves, kind: str, side: str) -> np.ndarray:
    """Give the onsets or offsets of one kind of wave in ascending order."""
    own = waves.take(waves.kinds == kind)
    samples = own.onsets if side == SIDES[0] else own.offsets
    return np.sort(samples[samples != ABSENT])


def wave_cells(leads: Comparison) -> list[str]:
    """Format Dice and F1 of the worse side of P, QRS and T."""
    f1 = {limit: row(leads.limits[limit]).f1 for limit in LIMITS}
    lower = (100 * min(f1[kind, side] for side in SIDES) for kind in WAVES)
    return [
        " / ".join(f"{share:.3f}" for share in leads.dice.values()),
        " / ".join(f"{share:.1f}" for share in lower),
    ]


def goal_cells(scores: Scores) -> list[str]:
    """Format Dice, F1 of the worse side, SD of fused limits, and mean absolute interval errors."""
    sd = (row(scores.fused.limits[limit]).sd_ms for limit in GOAL_LIMITS)
    return [
        *wave_cells(scores.leads),
        " / ".join(f"{one:.1f}" for one in sd),
        " / ".join(f"{one:.1f}" for one in np.nanmean(np.abs(scores.errors_ms), axis=0)),
    ]


GOAL_COLUMNS = (
    "Dice P / QRS / T", "F1 P / QRS / T", "fused SD P on / off, QRS on / off, T off",
    "error of PR / QRS / QT",
)  # fmt: skip


def limit_rows(name: str, scores: Scores) -> Iterator[list[str]]:
    """Format the figures of each limit: one lead at a time, then fused."""
    for limit in LIMITS:
        own, fused = scores.leads.limits[limit], scores.fused.limits[limit]
        shares = []
        for tolerance, rule in ((0, "B"), (1, "B"), (0, "A")):
            one = row(own, tolerance, rule)
            cells = (one.f1, one.sensitivity, one.positive_predictivity)
            shares.append(" / ".join(f"{100 * cell:.1f}" for cell in cells))
        single, joint = row(own), row(fused)
        yield [
            name, f"{WAVES[limit[0]]} {limit[1]}", *shares, mean_sd(own.errors_ms),
            f"{100 * joint.f1:.1f}", mean_sd(fused.errors_ms), str(single.marks),
        ]  # fmt: skip


LIMIT_COLUMNS = (
    "delineator", "limit", "F1 / Se / +P, 150 ms", "40 ms", "150 ms, rule A", "mean ± SD, ms",
    "fused F1", "fused mean ± SD, ms", "marks",
)  # fmt: skip


def mean_sd(errors: np.ndarray) -> str:
    """Format mean and standard deviation of the known errors; `–` without one."""
    known = errors[~np.isnan(errors)]
    return f"{known.mean():.1f} ± {known.std():.1f}" if len(known) else "–"


def tables_of(
    sides: Sequence[Side], ludb: Sequence[Record], qtdb: Sequence[Record]
) -> dict[str, list[str]]:
    """Score all sides; the tables by name, as lines of Markdown."""
    development = [record for record in ludb if record.name in DEVELOPMENT]
    unseen = [record for record in ludb if record.name in UNSEEN]
    neither = [record for record in unseen if record.name in DEVELOPMENT]
    goals: list[list[str]] = []
    limits: list[list[str]] = []
    of_qtdb: list[list[str]] = []
    blind: list[list[str]] = []
    for side in sides:
        log(f"Scoring {side.name}.")
        scores, errors = score_ludb(development, side.folder), score_qtdb(qtdb, side.folder)
        sd = " / ".join(f"{np.nanstd(errors[limit][0]):.1f}" for limit in GOAL_LIMITS)
        goals.append([side.name, *goal_cells(scores), sd, side.seconds])
        limits += limit_rows(side.name, scores)
        for (kind, end), pair in errors.items():
            cells = [f"{100 * np.mean(~np.isnan(one)):.1f}; {mean_sd(one)}" for one in pair]
            marks = str(len(pair[0]))
            of_qtdb.append([side.name, f"{WAVES[kind]} {end}", *cells, marks])
        for records in (neither, unseen) if side.name in PEERS else (neither,):
            cells = goal_cells(score_ludb(records, side.folder))
            blind.append([str(len(records)), side.name, *cells])
    blind.sort(key=lambda cells: int(cells[0]))
    nearer = "QTDB, nearer lead, SD P on / off, QRS on / off, T off"
    signals = ("nearer lead: Se; mean ± SD", "signal 0: Se; mean ± SD")
    tables: Mapping[str, tuple[Sequence[str], Iterable[Sequence[str]]]] = {
        "waves-goals": (("delineator", *GOAL_COLUMNS, nearer, "CPU s per 10 s lead"), goals),
        "waves-limits": (LIMIT_COLUMNS, limits),
        "waves-qtdb": (("delineator", "limit", *signals, "marks"), of_qtdb),
        "waves-unseen": (("records", "delineator", *GOAL_COLUMNS), blind),
    }
    return {name: list(table_lines(*content)) for name, content in tables.items()}


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder with ludb and qtdb")
    parser.add_argument("--outputs", type=Path, nargs="+", default=[], help="folders of marks")
    parser.add_argument("--peers", nargs="+", default=[], choices=PEERS, help="peers to run")
    parser.add_argument("--work", type=Path, default=Path("peers"), help="for the peers' folders")
    parser.add_argument("--python", type=Path, default=ROOT.parent / "peers" / "bin" / "python",
                        help="Python of the peers (default: %(default)s)")  # fmt: skip
    options = parser.parse_args()
    if not (options.outputs or options.peers):
        parser.error("name a folder of --outputs or one of --peers")
    ludb = [
        record for record in read_ludb(options.data / "ludb")[0]
        if record.name in {*DEVELOPMENT, *UNSEEN}
    ]  # fmt: skip
    qtdb, _ = read_qtdb(options.data / "qtdb", rename={})
    failures: list[str] = []
    sides = [Side(folder.name, folder) for folder in options.outputs]
    for name in options.peers:
        log(f"Running {name}.")
        failures += run_peer(name, [*ludb, *qtdb], options.work / name, options.python)
        sides.append(Side(name, options.work / name))
    missing = [str(side.folder) for side in sides if not side.folder.is_dir()]
    if missing:
        raise LeadwiseError(f"{missing[0]}: no such folder")
    tables = tables_of(sides, ludb, qtdb)
    for text in failures:
        print(f"Failed, counted as missed: {text}", file=sys.stderr)
    tables["waves-machine"] = [f"{machine('scipy', 'wfdb')}; one thread per delineator."]
    write_tables(RESULTS, tables)


if __name__ == "__main__":
    run(main)
