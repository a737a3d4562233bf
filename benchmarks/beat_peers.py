"""Classes of beats on MIT-BIH's DS1: malt-leadwise and classifiers by others, at the same R peaks.

    python -m benchmarks.beat_peers MITDB [--work peers] [--python PYTHON] [--records 106 119]

Each peer runs in the Python of the peers (requirements-peers.txt; see docs/results/holter.md) on
MLII at the R peaks of `ecg.beats`.  Its answers are kept in the folder of --work, and records that
it has answered are not done again.  malt-leadwise is validated by patient, first seed.  The scorer
is that of benchmarks.beat_classes; all have the records that each peer has answered.  The table is
written into docs/results/holter.md.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.beat_classes import AGREEMENT, figures, predict
from benchmarks.common import ROOT, machine, parse_options, run, run_process, table_lines
from docs.generate import write_tables
from ecg.records import read_record
from holter.cases import DS1, Case
from holter.classifier import CLASSES
from holter.table import read_table
from holter.training import read_cases
from holter.validation import cross_validate

RESULTS = ROOT / "docs" / "results.md"
PROGRAM = ROOT / "benchmarks" / "peers" / "beat_classifiers.py"
PEERS = {"openecg": "OpenECG 0.11, N and V", "openvital": "openvital 0.2"}
PYTHON = ROOT.parent / "peers" / "bin" / "python"


def write_signals(folder: Path, names: Sequence[str], path: Path) -> None:
    """Write MLII and the R peaks of records for the peers."""
    arrays = {}
    for name in names:
        record = read_record(folder / f"{name}.hea")
        arrays["fs"] = np.array(record.fs)
        arrays[f"{name}.lead"] = record.signal[record.leads.index("MLII")]
        arrays[f"{name}.peaks"] = read_table(record).peaks
    np.savez(path, allow_pickle=False, **arrays)


def rows(
    cases: Sequence[Case], ours: Sequence[np.ndarray], answers: dict[str, dict[str, list[str]]]
) -> Iterator[list[str]]:
    """Compare labels (beats,) of ours, and the answers of each peer by record."""
    shared = [all(case.name in own for own in answers.values()) for case in cases]
    common = [case for case, chosen in zip(cases, shared, strict=True) if chosen]
    known = [labels for labels, chosen in zip(ours, shared, strict=True) if chosen]
    sides = {"malt-leadwise, five folds": known}
    for name, own in answers.items():
        sides[PEERS[name]] = [
            np.array([CLASSES.index(label) for label in own[case.name]]) for case in common
        ]
    for title, labels in sides.items():
        cells = [f"{value:.1f}" for value in figures(common, labels, since_review=False)]
        answered = {CLASSES[index] for each in labels for index in np.unique(each)}
        yield [title, *cells[:3], *(cells[3:] if "S" in answered else ["–"] * 4)]


def main() -> None:
    """Run the command."""
    options = parse_options(__doc__, "mitdb", work="peers", python=str(PYTHON), records=list(DS1))
    work = Path(options.work)
    work.mkdir(parents=True, exist_ok=True)
    write_signals(options.mitdb, options.records, work / "beats.npz")
    answers = {}
    for name in PEERS:
        path = work / f"{name}.json"
        run_process([options.python, PROGRAM, name, work / "beats.npz", path])
        told = json.loads(path.read_text(encoding="utf-8"))
        answers[name] = {record: one["labels"] for record, one in told.items()}
    cases = read_cases(options.mitdb)
    ours = [each.argmax(axis=1) for each in predict(cases, cross_validate(cases, 0))]
    lines = table_lines(("classifier", *AGREEMENT), rows(cases, ours, answers))
    write_tables(RESULTS, {"holter-peers": [f"{machine('scikit-learn')}.", "", *lines]})


if __name__ == "__main__":
    run(main)
