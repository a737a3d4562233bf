"""The rules of `ecg.rules` measured: on PTB-XL against published answers, and on other records.

Tables go into docs/rules.md.  PTBXL is PTB-XL as the Challenge publishes it, with its folds.tsv.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from tqdm import tqdm

from docs.generate import table, write_tables
from ecg import LeadwiseError
from ecg.files import atomic_write
from ecg.labels import class_name
from ecg.leads import LEAD_SETS, STANDARD, choose
from ecg.plots import plot_record
from ecg.records import Record, find_records
from ecg.rules import FITTED, RULES, UNITS, Rule, judge, measure
from experiments.outputs import NO, RESAMPLES
from experiments.runs import ROOT
from scoring.bootstrap import intervals
from scoring.measures import count, f_measure
from simulate import simulate

PAGE = ROOT / "docs" / "rules.md"
BATCH = 500  # records per job
# Grids of constants; finer steps would fit the noise of the F1 curve.
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
# Constants for clear cases only: "no" with the first set, "yes" with the second.
CLEAR: dict[str, tuple[dict[str, float], dict[str, float]]] = {
    "tachycardia": ({"rate": 90, "irregularity": 100}, {"rate": 110, "irregularity": 3}),
    "bradycardia": ({"rate": 60}, {"rate": 45}),
    "LAD": ({"limit": 15}, {"limit": -30}),
    "RAD": ({"limit": 75, "far": 300}, {"limit": 105, "far": 180}),
    "LQRSV": ({"voltage": 0.75}, {"voltage": 0.45}),
}
# Records with pacing according to their headers; MIT-BIH's according to its directory.
PACED = {"mitdb": ("102", "104", "107", "217"), "ludb": ("8", "34", "74", "93", "104", "111")}
PACEMAKER = "10370003"
SIMULATED = 50  # records per diagnosis
PACING_TEST = ("PR", "NSR", "LBBB", "RBBB", "PVC")  # the first is paced
SIMULATED_AS = {"bradycardia": "SB"}  # diagnosis, if not that of the rule's first code
DRAWN = {
    "LAD": ("I", "II", "aVF"), "RAD": ("I", "II", "aVF"), "PRWP": ("V1", "V2", "V3", "V4"),
    "LQRSV": STANDARD[:6],
}  # fmt: skip


class Table(NamedTuple):
    """Measures of all records with one lead set."""

    names: list[str]
    codes: list[tuple[str, ...]]
    columns: dict[str, np.ndarray]  # measures, (records,)


def measure_all(ptbxl: Path, out: Path) -> None:
    """Measure all records with each lead set, into one file each; skip existing files."""
    out.mkdir(parents=True, exist_ok=True)
    records = _records(ptbxl)
    batches = [records[first : first + BATCH] for first in range(0, len(records), BATCH)]
    for size, leads in LEAD_SETS.items():
        path = out / f"measures-{size}.npz"
        if path.exists():
            continue
        results = Parallel(n_jobs=-1, return_as="generator")(
            delayed(_measure_batch)(batch, leads) for batch in batches
        )
        rows = np.concatenate(list(tqdm(results, total=len(batches), desc=f"{size} leads")))
        with atomic_write(path) as draft, draft.open("wb") as file:
            np.savez(file, **dict(zip(UNITS, rows.T, strict=True)))


def _records(data: Path) -> list[Record]:
    return sorted(find_records(data)[0], key=lambda record: record.name)


def _measure_batch(records: Sequence[Record], leads: Sequence[str]) -> np.ndarray:
    """Measure records with these leads: (records, measures)."""
    rows = []
    for record in records:
        signal = record.signal[[record.leads.index(lead) for lead in leads]]
        rows.append(list(measure(signal, leads, record.fs).values.values()))
    return np.array(rows)


def read_table(ptbxl: Path, out: Path, size: int) -> Table:
    """Read the measures of `measure_all`."""
    path = out / f"measures-{size}.npz"
    if not path.exists():
        raise LeadwiseError(f"{path}: does not exist; run `rules-measure` first")
    records = _records(ptbxl)
    with np.load(path, allow_pickle=False) as columns:
        measured = {name: columns[name] for name in UNITS}
    if len(measured["rate"]) != len(records):
        raise LeadwiseError(f"{path}: was measured on other records; remove it and measure again")
    return Table([r.name for r in records], [r.header.codes for r in records], measured)


def labels_of(table: Table, rule: Rule) -> np.ndarray:
    """Mark the records with one of a rule's codes: bool of shape (records,)."""
    return np.array([not set(rule.codes).isdisjoint(codes) for codes in table.codes])


def best_numbers(
    rule: Rule, table: Table, labels: np.ndarray, subset: np.ndarray
) -> dict[str, float]:
    """Find the constants with the best F1 on a subset of the records (mask), by grid search."""
    columns = {name: column[subset] for name, column in table.columns.items()}
    names = list(GRIDS[rule.name])
    best = max(
        itertools.product(*GRIDS[rule.name].values()),
        key=lambda numbers: f1_of(
            labels[subset], rule.answers(columns, dict(zip(names, numbers, strict=True))) == 1
        ),
    )
    return {**rule.numbers(), **{n: float(v) for n, v in zip(names, best, strict=True)}}


def cross_fitted(rule: Rule, table: Table, labels: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Apply a rule to each fold with constants of the other folds: int8 of shape (records,)."""
    answers = np.zeros(len(labels), np.int8)
    for fold in np.unique(folds):
        mask = folds == fold
        numbers = best_numbers(rule, table, labels, ~mask) if rule.name in GRIDS else rule.numbers()
        columns = {name: column[mask] for name, column in table.columns.items()}
        answers[mask] = rule.answers(columns, numbers)
    return answers


def f1_of(labels: np.ndarray, outputs: np.ndarray) -> float:
    """Compute F1; 0 without a label and an output."""
    total = int(labels.sum() + outputs.sum())
    return 2 * int((labels & outputs).sum()) / total if total else 0.0


def difference(labels: np.ndarray, ours: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Compute the 95 % interval of the difference in F1 by paired bootstrap."""

    def differences(times: np.ndarray) -> np.ndarray:
        f1 = [f_measure(count(labels[:, None], x[:, None], times)) for x in (ours, other)]
        return np.asarray(f1[0] - f1[1])

    low, high = intervals(differences, len(labels), RESAMPLES, np.random.default_rng(0))[:, 0]
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


HEADS = {
    "compared": "rule | leads | F1 ours | F1 published | difference (95 %) | TP, FP, FN ours | "
    "TP, FP, FN published | fold 9: F1 ours | published",
    "alone": "rule | leads | labelled | F1 | TP, FP, FN | cannot say",
    "fitted": "rule | constants on all folds | in the code",
    "noise": "rule | labelled, though clearly not | not labelled, though clearly so | F1 | "
    "F1 without these",
}


def report(ptbxl: Path, out: Path, published: Path) -> None:
    """Write docs/rules.md's tables on PTB-XL; each fold has constants of the other folds."""
    answers = read_published(published)
    lines = (ptbxl / "folds.tsv").read_text(encoding="utf-8").splitlines()[1:]
    fold_of = {line.split("\t")[0]: int(line.split("\t")[1]) for line in lines}
    if fold_of.keys().isdisjoint(answers):
        raise LeadwiseError(f"{published}: has no answer for a record of {ptbxl}")
    rows: dict[str, list[str]] = {name: [] for name in HEADS}
    for size in LEAD_SETS:
        measures = read_table(ptbxl, out, size)
        folds = np.array([fold_of[name] for name in measures.names])
        known = np.array([name in answers for name in measures.names])
        theirs = np.array([answers[n][size] if n in answers else (False,) * 6
                           for n in measures.names])  # fmt: skip
        for rule in RULES.values():
            labels = labels_of(measures, rule)
            ours = cross_fitted(rule, measures, labels, folds)
            title = f"{rule.name} | {size}"
            if rule.name in PUBLISHED:
                other = theirs[:, PUBLISHED[rule.name]]
                row = _compared(labels[known], ours[known] == 1, other[known], folds[known])
                rows["compared"].append(f"{title} | {row}")
            elif size in (12, 2):
                rows["alone"].append(f"{title} | {_alone(labels, ours)}")
            if size == 12:
                rows["fitted"] += _fitted_rows(rule, measures, labels)
                rows["noise"] += _noise_rows(rule, measures, labels, ours)
    write_tables(PAGE, {f"rules-{name}": table(HEADS[name], rows[name]) for name in HEADS})


def _compared(labels: np.ndarray, ours: np.ndarray, other: np.ndarray, folds: np.ndarray) -> str:
    low, high = difference(labels, ours, other)
    first, second, nine = f1_of(labels, ours), f1_of(labels, other), folds == 9
    return (
        f"{first:.3f} | {second:.3f} | {first - second:+.3f} ({low:+.3f} to {high:+.3f}) | "
        f"{cases(labels, ours)} | {cases(labels, other)} | "
        f"{f1_of(labels[nine], ours[nine]):.3f} | {f1_of(labels[nine], other[nine]):.3f}"
    )


def cases(labels: np.ndarray, outputs: np.ndarray) -> str:
    """Format the numbers of true positives, false positives and false negatives."""
    return f"{(labels & outputs).sum()} {(~labels & outputs).sum()} {(labels & ~outputs).sum()}"


def _alone(labels: np.ndarray, ours: np.ndarray) -> str:
    unknown = int((ours == -1).sum())
    f1 = f"{f1_of(labels, ours == 1):.3f}" if labels.any() and unknown < len(ours) else NO
    return f"{labels.sum()} | {f1} | {cases(labels, ours == 1)} | {unknown}"


def _fitted_rows(rule: Rule, table: Table, labels: np.ndarray) -> Iterator[str]:
    if any(constant.source == FITTED for constant in rule.constants.values()):
        best = best_numbers(rule, table, labels, np.ones(len(labels), bool))
        yield f"{rule.name} | {_numbers(best)} | {_numbers(rule.numbers())}"


def _numbers(numbers: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in numbers.items())


def _noise_rows(rule: Rule, table: Table, labels: np.ndarray, ours: np.ndarray) -> Iterator[str]:
    if rule.name in CLEAR:
        wide, narrow = (rule.answers(table.columns, numbers) for numbers in CLEAR[rule.name])
        denied, affirmed = labels & (wide == 0), ~labels & (narrow == 1)
        clear = ~denied & ~affirmed
        yield (
            f"{rule.name} | {denied.sum()} of {labels.sum()} | {affirmed.sum()} | "
            f"{f1_of(labels, ours == 1):.3f} | {f1_of(labels[clear], ours[clear] == 1):.3f}"
        )


def elsewhere(waves: Path, samples: Path) -> None:
    """Write docs/rules.md's tables on MIT-BIH, LUDB, genuine samples and simulated records."""
    genuine = {r.name: (r, judge(r.signal, r.leads, r.fs)) for r in _records(samples)}
    rows = []
    for folder, paced in PACED.items():
        answers = {path.stem: _is_paced(path) for path in sorted((waves / folder).glob("*.hea"))}
        if absent := set(paced) - answers.keys():
            raise LeadwiseError(f"{waves / folder}: lacks {', '.join(sorted(absent))}; unpack it")
        rows.append(_pacing_row(folder, answers, set(paced)))
    fast = {name: answer["pacing"].answer for name, (r, answer) in genuine.items() if r.fs >= 250}
    labelled = {name for name, (r, _) in genuine.items() if PACEMAKER in r.header.codes}
    rows.append(_pacing_row("genuine samples, 250 Hz and more", fast, labelled))
    names = [f"{diagnosis} {seed}" for diagnosis in PACING_TEST for seed in range(SIMULATED)]
    for fs in (250.0, 500.0, 1000.0):
        answers = {name: _simulated(name, "pacing", fs) for name in names}
        paced_names = {name for name in names if name.startswith("PR ")}
        rows.append(_pacing_row(f"simulated, {fs:g} Hz", answers, paced_names))
    write_tables(PAGE, {
        "rules-pacing": table("records | paced, detected | others, detected as paced", rows),
        "rules-elsewhere": table(
            "rule | simulated: positive | of NSR | samples: positive of labelled | of others",
            [_elsewhere_row(rule, genuine) for rule in RULES.values()],
        ),
    })  # fmt: skip


def _elsewhere_row(rule: Rule, genuine: Mapping[str, tuple[Record, Mapping[str, Any]]]) -> str:
    """Count positive answers on simulated and genuine records, with and without the label."""
    diagnosis = SIMULATED_AS.get(rule.name, class_name(rule.codes[0]))
    simulated = [
        sum(_simulated(f"{name} {seed}", rule.name, 500.0) is True for seed in range(SIMULATED))
        for name in (diagnosis, "NSR")
    ]
    counts = {True: [0, 0], False: [0, 0]}
    for record, findings in genuine.values():
        pair = counts[not set(rule.codes).isdisjoint(record.header.codes)]
        pair[0] += findings[rule.name].answer is True
        pair[1] += 1
    cells = [f"{positive} of {SIMULATED}" for positive in simulated]
    cells += [f"{positive} of {total}" for positive, total in (counts[True], counts[False])]
    return f"{rule.name} | {' | '.join(cells)}"


def _is_paced(path: Path) -> bool | None:
    import wfdb

    record = wfdb.rdrecord(str(path.with_suffix("")))
    return judge(record.p_signal.T, record.sig_name, record.fs)["pacing"].answer


def _simulated(name: str, rule: str, fs: float) -> bool | None:
    """Apply a rule to a simulated record, named by diagnosis and seed."""
    diagnosis, seed = name.split()
    record = simulate([diagnosis], seed=int(seed), fs=fs)
    return judge(record.signal, record.leads, fs)[rule].answer


def _pacing_row(title: str, answers: Mapping[str, bool | None], paced: set[str]) -> str:
    missed = [name for name in answers if name in paced and not answers[name]]
    wrong = [name for name in answers if name not in paced and answers[name]]
    left = f" (not {', '.join(missed[:4])})" if missed else ""
    right = f" ({', '.join(wrong[:4])})" if wrong else ""
    total = sum(name in paced for name in answers)
    others = f"{len(wrong)} of {len(answers) - total}{right}"
    return f"{title} | {total - len(missed)} of {total}{left} | {others}"


def pictures(ptbxl: Path, out: Path, samples: Path) -> None:
    """Draw for each rule the first record of PTB-XL with the label and a positive answer.

    For labels that PTB-XL lacks, and for pacing, which needs a higher rate, it is one of SAMPLES.
    """
    records = {record.name: record for record in _records(ptbxl)}
    measured = read_table(ptbxl, out, 12)
    folder = PAGE.with_suffix("")
    folder.mkdir(exist_ok=True)
    for rule in RULES.values():
        positive = rule.answers(measured.columns, rule.numbers()) == 1
        indices = np.flatnonzero(positive & labels_of(measured, rule))
        candidates = [records[measured.names[indices[0]]]] if len(indices) else _records(samples)
        record, finding = next(
            (record, finding)
            for record in candidates
            if not set(rule.codes).isdisjoint(record.header.codes)
            if (finding := judge(record.signal, record.leads, record.fs)[rule.name]).answer
            or len(indices)
        )
        leads = DRAWN.get(rule.name, ("II", "V1"))
        plot_record(
            folder / f"{rule.name.replace(' ', '-')}.png",
            choose(record.signal, record.leads, leads).signal, leads, record.fs,
            title=str(finding), note=record.name,
        )  # fmt: skip
