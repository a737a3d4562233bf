"""Rules measured: on PTB-XL beside the published answers, and pacing where spikes can be seen.

    python -m experiments.rules measure PTBXL OUT
    python -m experiments.rules report PTBXL OUT --published ANSWERS
    python -m experiments.rules elsewhere WAVES SAMPLES
    python -m experiments.rules pictures PTBXL OUT SAMPLES

PTBXL is PTB-XL laid out as the Challenge does, with its folds.tsv.  `measure` leaves what rules
compare in OUT, a file a lead set, and goes on where it was; `report` fits constants for each fold
on the others and writes the tables of docs/rules.md.  ANSWERS are Revenger's own answers (a
table: record, six answers with 12 leads, six digits with 6, 4, 3 and 2 leads).  WAVES holds the
folders mitdb and ludb, SAMPLES genuine records of the Challenge at 500 Hz.  `pictures` draws a
record where each rule says yes.
"""

import argparse
import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from tqdm import tqdm

from docs.generate import write_tables
from ecg import LeadwiseError
from ecg.files import atomic_write
from ecg.labels import class_name
from ecg.leads import LEAD_SETS, STANDARD, choose
from ecg.plots import plot_record
from ecg.records import Record, find_records
from ecg.rules import FITTED, RULES, UNITS, Rule, judge, measure
from scoring.bootstrap import intervals
from scoring.measures import count, f_measure
from simulate import simulate

PAGE = Path(__file__).resolve().parent.parent / "docs" / "rules.md"
RESAMPLES = 1000
AT_ONCE = 500  # records a piece of work
# Where constants are looked for: steps as coarse as the F1 curve's noise.
GRIDS: dict[str, dict[str, Any]] = {
    "tachycardia": {"rate": np.arange(97, 106, 0.25), "irregularity": [3, 4, 5, 6, 8, 10]},
    "bradycardia": {"rate": np.arange(46, 60, 0.25)},
    "sinus bradycardia": {"rate": np.arange(46, 60, 0.25), "P": [0.25, 0.5, 0.75, 1, 1.5, 2]},
    "sinus arrhythmia": {"variation": np.arange(10, 50, 1), "P": [1, 1.5, 2, 2.5, 3, 4]},
    "LAD": {"limit": np.arange(-30, 31, 1)},
    "RAD": {"limit": np.arange(80, 121, 1), "far": np.arange(180, 271, 10)},
    "LQRSV": {"voltage": np.arange(0.3, 1.0, 0.01)},
    "long PR": {"pq": np.arange(180, 261, 2), "P": [0.5, 1, 1.5, 2, 3]},
}
PUBLISHED = {"LAD": 0, "RAD": 1, "bradycardia": 2, "tachycardia": 3, "LQRSV": 4}  # columns
# What contradicts a label beyond doubt: a no by the first numbers, a yes by the second.
CLEAR: dict[str, tuple[dict[str, float], dict[str, float]]] = {
    "tachycardia": ({"rate": 90, "irregularity": 100}, {"rate": 110, "irregularity": 3}),
    "bradycardia": ({"rate": 60}, {"rate": 45}),
    "LAD": ({"limit": 15}, {"limit": -30}),
    "RAD": ({"limit": 75, "far": 300}, {"limit": 105, "far": 180}),
    "LQRSV": ({"voltage": 0.75}, {"voltage": 0.45}),
}
# Paced by the text of their headers; MIT-BIH's by its directory.
PACED = {
    "mitdb": ("102", "104", "107", "217"),
    "ludb": ("8", "34", "74", "93", "104", "111"),
}
PACEMAKER = "10370003"
SIMULATED = 50  # records of a diagnosis
OWN_RHYTHM = ("PR", "NSR", "LBBB", "RBBB", "PVC")  # the first is paced
SHOWN_BY = {"bradycardia": "SB"}  # diagnoses of the simulator, where not the rule's first code
DRAWN = {
    "LAD": ("I", "II", "aVF"), "RAD": ("I", "II", "aVF"), "PRWP": ("V1", "V2", "V3", "V4"),
    "LQRSV": STANDARD[:6],
}  # fmt: skip


class Table(NamedTuple):
    """What was measured of the records with one lead set."""

    names: list[str]
    codes: list[tuple[str, ...]]
    columns: dict[str, np.ndarray]  # measures, (records,)


def measure_all(data: Path, out: Path) -> None:
    """Measure all records with each lead set; what is there is kept."""
    out.mkdir(parents=True, exist_ok=True)
    records = _records(data)
    for size, leads in LEAD_SETS.items():
        path = out / f"measures-{size}.npz"
        if path.exists():
            continue
        pieces = [records[first : first + AT_ONCE] for first in range(0, len(records), AT_ONCE)]
        work = Parallel(n_jobs=-1, return_as="generator")(
            delayed(_measure_some)(piece, leads) for piece in pieces
        )
        rows = np.concatenate(list(tqdm(work, total=len(pieces), desc=f"{size} leads")))
        with atomic_write(path) as draft, draft.open("wb") as file:
            np.savez(file, **dict(zip(UNITS, rows.T, strict=True)))


def _records(data: Path) -> list[Record]:
    return sorted(find_records(data)[0], key=lambda record: record.name)


def _measure_some(records: Sequence[Record], leads: Sequence[str]) -> np.ndarray:
    """Measure records, (records, measures), with some of their leads."""
    rows = []
    for record in records:
        signal = record.signal[[record.leads.index(lead) for lead in leads]]
        rows.append(list(measure(signal, leads, record.fs).values.values()))
    return np.array(rows)


def read_table(data: Path, out: Path, size: int) -> Table:
    """Read what `measure` left."""
    path = out / f"measures-{size}.npz"
    if not path.exists():
        raise LeadwiseError(f"{path}: is not there; run `measure` first")
    records = _records(data)
    with np.load(path, allow_pickle=False) as columns:
        measured = {name: columns[name] for name in UNITS}
    if len(measured["rate"]) != len(records):
        raise LeadwiseError(f"{path}: was measured on other records; remove it, measure again")
    return Table([r.name for r in records], [r.header.codes for r in records], measured)


def labels_of(table: Table, rule: Rule) -> np.ndarray:
    """Tell which records bear one of a rule's codes, bool of shape (records,)."""
    return np.array([not set(rule.codes).isdisjoint(codes) for codes in table.codes])


def best_numbers(
    rule: Rule, table: Table, labels: np.ndarray, some: np.ndarray
) -> dict[str, float]:
    """Find the constants with the best F1 on some records (bool mask), by grid search."""
    columns = {name: column[some] for name, column in table.columns.items()}
    names = list(GRIDS[rule.name])
    best = max(
        itertools.product(*GRIDS[rule.name].values()),
        key=lambda numbers: _f1(
            labels[some], rule.answers(columns, dict(zip(names, numbers, strict=True))) == 1
        ),
    )
    return {**rule.numbers(), **{n: float(v) for n, v in zip(names, best, strict=True)}}


def cross_fitted(rule: Rule, table: Table, labels: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Answer each fold with constants of the others, int8 of shape (records,)."""
    answers = np.zeros(len(labels), np.int8)
    for fold in np.unique(folds):
        here = folds == fold
        numbers = best_numbers(rule, table, labels, ~here) if rule.name in GRIDS else rule.numbers()
        some = {name: column[here] for name, column in table.columns.items()}
        answers[here] = rule.answers(some, numbers)
    return answers


def _f1(labels: np.ndarray, outputs: np.ndarray) -> float:
    both = int(np.count_nonzero(labels & outputs))
    total = int(np.count_nonzero(labels)) + int(np.count_nonzero(outputs))
    return 2 * both / total if total else 0.0


def difference(labels: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float]:
    """Give the paired bootstrap's 95 % interval of our F1 less theirs."""
    truth = labels[:, None]

    def less(times: np.ndarray) -> np.ndarray:
        values = [f_measure(count(truth, some[:, None], times)) for some in (ours, theirs)]
        return values[0] - values[1]

    low, high = intervals(less, len(labels), RESAMPLES, np.random.default_rng(0))[:, 0]
    return float(low), float(high)


def read_published(path: Path) -> dict[str, dict[int, tuple[bool, ...]]]:
    """Read the published answers: record → lead-set size → six answers."""
    answers = {}
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        name, *cells = line.split("\t")
        of_sizes = dict(zip((6, 4, 3, 2), cells[6:10], strict=True))
        answers[name] = {
            size: tuple(cell == "1" for cell in digits)
            for size, digits in ({12: "".join(cells[:6])} | of_sizes).items()
        }
    return answers


def report(data: Path, out: Path, published: Path) -> None:
    """Write the tables of docs/rules.md."""
    answers = read_published(published)
    lines = (data / "folds.tsv").read_text(encoding="utf-8").splitlines()[1:]
    fold_of = {line.split("\t")[0]: int(line.split("\t")[1]) for line in lines}
    tables: dict[str, list[str]] = {"compared": [], "alone": [], "fitted": [], "noise": []}
    for size in LEAD_SETS:
        table = read_table(data, out, size)
        folds = np.array([fold_of[name] for name in table.names])
        asked = np.array([name in answers for name in table.names])
        theirs = np.array([answers[n][size] if n in answers else (False,) * 6 for n in table.names])
        for rule in RULES.values():
            labels = labels_of(table, rule)
            ours = cross_fitted(rule, table, labels, folds)
            if rule.name in PUBLISHED:
                other = theirs[:, PUBLISHED[rule.name]]
                row = _compared(labels[asked], ours[asked] == 1, other[asked], folds[asked])
                tables["compared"].append(f"| {rule.name} | {size} | {row} |")
            elif size in (12, 2):
                row = _alone(labels, ours)
                tables["alone"].append(f"| {rule.name} | {size} | {row} |")
            if size == 12:
                tables["fitted"] += _fitted_rows(rule, table, labels)
                tables["noise"] += _noise_rows(rule, table, labels, ours)
    heads = {
        "compared": "| rule | leads | F1 ours | F1 published | difference (95 %) | TP, FP, FN "
        "ours | TP, FP, FN published | fold 9: F1 ours | published |",
        "alone": "| rule | leads | labelled | F1 | TP, FP, FN | cannot say |",
        "fitted": "| rule | constants on all folds | in the code |",
        "noise": "| rule | labelled, though clearly not | not labelled, though clearly so | F1 | "
        "F1 without these |",
    }
    rulers = {name: "| --- " * (head.count(" | ") + 1) + "|" for name, head in heads.items()}
    write_tables(
        PAGE, {f"rules-{name}": [heads[name], rulers[name], *tables[name]] for name in heads}
    )


def _compared(labels: np.ndarray, ours: np.ndarray, other: np.ndarray, folds: np.ndarray) -> str:
    low, high = difference(labels, ours, other)
    nine = folds == 9
    return " | ".join([
        f"{_f1(labels, ours):.3f}", f"{_f1(labels, other):.3f}",
        f"{_f1(labels, ours) - _f1(labels, other):+.3f} ({low:+.3f} to {high:+.3f})",
        _cases(labels, ours), _cases(labels, other),
        f"{_f1(labels[nine], ours[nine]):.3f}", f"{_f1(labels[nine], other[nine]):.3f}",
    ])  # fmt: skip


def _cases(labels: np.ndarray, outputs: np.ndarray) -> str:
    cases = (labels & outputs, ~labels & outputs, labels & ~outputs)
    return " ".join(str(np.count_nonzero(case)) for case in cases)


def _alone(labels: np.ndarray, ours: np.ndarray) -> str:
    unsaid = np.count_nonzero(ours == -1)
    f1 = f"{_f1(labels, ours == 1):.3f}" if labels.any() and unsaid < len(ours) else "–"
    return f"{np.count_nonzero(labels)} | {f1} | {_cases(labels, ours == 1)} | {unsaid}"


def _fitted_rows(rule: Rule, table: Table, labels: np.ndarray) -> Iterator[str]:
    if any(constant.source == FITTED for constant in rule.constants.values()):
        found = best_numbers(rule, table, labels, np.ones(len(labels), bool))
        yield f"| {rule.name} | {_numbers(found)} | {_numbers(rule.numbers())} |"


def _numbers(numbers: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in numbers.items())


def _noise_rows(rule: Rule, table: Table, labels: np.ndarray, ours: np.ndarray) -> Iterator[str]:
    if rule.name in CLEAR:
        wide, narrow = (rule.answers(table.columns, numbers) for numbers in CLEAR[rule.name])
        denied, affirmed = labels & (wide == 0), ~labels & (narrow == 1)
        clear = ~denied & ~affirmed
        yield (
            f"| {rule.name} | {np.count_nonzero(denied)} of {np.count_nonzero(labels)} | "
            f"{np.count_nonzero(affirmed)} | {_f1(labels, ours == 1):.3f} | "
            f"{_f1(labels[clear], ours[clear] == 1):.3f} |"
        )


def elsewhere(waves: Path, samples: Path) -> None:
    """Write the tables of pacing, and of all rules on genuine samples and simulated records."""
    genuine = {r.name: (r, judge(r.signal, r.leads, r.fs)) for r in _records(samples)}
    fast = {name: found["pacing"].answer for name, (r, found) in genuine.items() if r.fs >= 250}
    labelled = {name for name, (r, _) in genuine.items() if PACEMAKER in r.header.codes}
    rows = ["| records | paced, found | others, said to be paced |", "| --- | --- | --- |"]
    for folder, paced in PACED.items():
        said = {path.stem: _is_paced(path) for path in sorted((waves / folder).glob("*.hea"))}
        rows.append(_pacing_row(folder, said, set(paced)))
    rows.append(_pacing_row("genuine samples, 250 Hz and more", fast, labelled))
    hearts = [f"{diagnosis} {seed}" for diagnosis in OWN_RHYTHM for seed in range(SIMULATED)]
    for fs in (250.0, 500.0, 1000.0):
        said = {name: _simulated(name, "pacing", fs) for name in hearts}
        rows.append(_pacing_row(f"simulated, {fs:g} Hz", said, {n for n in said if n[:2] == "PR"}))
    more = ["| rule | simulated: said of | of NSR | samples: said of labelled | of others |",
            "| --- | --- | --- | --- | --- |"]  # fmt: skip
    for rule in RULES.values():
        ill, well = (
            sum(_simulated(f"{name} {seed}", rule.name, 500.0) is True for seed in range(SIMULATED))
            for name in (SHOWN_BY.get(rule.name, class_name(rule.codes[0])), "NSR")
        )
        told = {True: [0, 0], False: [0, 0]}
        for record, found in genuine.values():
            of = told[not set(rule.codes).isdisjoint(record.header.codes)]
            of[0] += found[rule.name].answer is True
            of[1] += 1
        more.append(
            f"| {rule.name} | {ill} of {SIMULATED} | {well} of {SIMULATED} | "
            f"{told[True][0]} of {told[True][1]} | {told[False][0]} of {told[False][1]} |"
        )
    write_tables(PAGE, {"rules-pacing": rows, "rules-elsewhere": more})


def _is_paced(path: Path) -> bool | None:
    import wfdb

    record = wfdb.rdrecord(str(path.with_suffix("")))
    return judge(record.p_signal.T, record.sig_name, record.fs)["pacing"].answer


def _simulated(name: str, rule: str, fs: float) -> bool | None:
    """Ask a rule about a simulated record, named by diagnosis and seed."""
    diagnosis, seed = name.split()
    record = simulate([diagnosis], seed=int(seed), fs=fs)
    return judge(record.signal, record.leads, fs)[rule].answer


def _pacing_row(title: str, said: Mapping[str, bool | None], paced: set[str]) -> str:
    found = [name for name in said if name in paced and said[name]]
    missed = [name for name in said if name in paced and not said[name]]
    wrong = [name for name in said if name not in paced and said[name]]
    left = f" (not {', '.join(missed[:4])})" if missed else ""
    right = f" ({', '.join(wrong[:4])})" if wrong else ""
    all_paced = len(found) + len(missed)
    others = f"{len(wrong)} of {len(said) - all_paced}{right}"
    return f"| {title} | {len(found)} of {all_paced}{left} | {others} |"


def pictures(data: Path, out: Path, samples: Path) -> None:
    """Draw for each rule the first record of PTB-XL that bears the label and of which it says yes.

    What PTB-XL cannot show, spikes and labels that it has not, comes from the samples.
    """
    records = {record.name: record for record in _records(data)}
    table = read_table(data, out, 12)
    folder = PAGE.with_suffix("")
    folder.mkdir(exist_ok=True)
    for rule in RULES.values():
        said = rule.answers(table.columns, rule.numbers()) == 1
        places = np.flatnonzero(said & labels_of(table, rule))
        if len(places):
            record = records[table.names[places[0]]]
        else:
            record = next(
                record
                for record in _records(samples)
                if not set(rule.codes).isdisjoint(record.header.codes)
                and judge(record.signal, record.leads, record.fs)[rule.name].answer
            )
        found = judge(record.signal, record.leads, record.fs)[rule.name]
        leads = DRAWN.get(rule.name, ("II", "V1"))
        plot_record(
            folder / f"{rule.name.replace(' ', '-')}.png",
            choose(record.signal, record.leads, leads).signal, leads, record.fs,
            title=str(found), note=record.name,
        )  # fmt: skip


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, dest="what")
    for name, arguments in (
        ("measure", ("data", "out")), ("report", ("data", "out")),
        ("elsewhere", ("waves", "samples")), ("pictures", ("data", "out", "samples")),
    ):  # fmt: skip
        sub = commands.add_parser(name)
        for argument in arguments:
            sub.add_argument(argument, metavar=argument.upper(), type=Path)
        if name == "report":
            sub.add_argument("--published", metavar="ANSWERS", type=Path, required=True)
    options = parser.parse_args()
    try:
        if options.what == "measure":
            measure_all(options.data, options.out)
        elif options.what == "report":
            report(options.data, options.out, options.published)
        elif options.what == "elsewhere":
            elsewhere(options.waves, options.samples)
        else:
            pictures(options.data, options.out, options.samples)
    except (LeadwiseError, OSError) as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
