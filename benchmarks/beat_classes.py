"""Classes of beats on MIT-BIH DS1 by cross-validation: what each part of malt-leadwise brings.

    python -m benchmarks.beat_classes MITDB

MITDB is the folder of the WFDB records.  The command writes the tables of docs/results/holter.md.
Folds are by patient, except in the row that splits by beat.  The whole classifier is trained with
three seeds, variants of it with the first one.  Classes count at the detected R peaks; fusion and
unclassifiable beats and ventricular flutter count neither way.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.common import ROOT, parse_options, table_lines
from docs.generate import write_tables
from ecg.progress import log, quiet_pipe
from ecg.records import read_record
from holter.cases import Case
from holter.classifier import CLASSES, BeatClassifier
from holter.growing import Beats, Patient, grow
from holter.numbers import GROUPS, NAMES, Description, describe
from holter.table import read_table
from holter.training import read_cases
from holter.validation import (
    FOLDS,
    adapted,
    agreement,
    calibration,
    cross_validate,
    without_least_sure,
)  # fmt: skip
from scoring.calibration import reliability

RESULTS = ROOT / "docs" / "results.md"
SEEDS = 3
AGREEMENT = ("V: Se", "+P", "F1", "S: Se", "+P", "F1", "median F1")
LEFT_OUT = (0.0, 0.01, 0.05, 0.1)  # shares of the beats
NONE = Beats(np.zeros((0, len(NAMES)), np.float32), np.zeros(0, int))
Probabilities = list[np.ndarray]
Row = list[str]


def figures(cases: Sequence[Case], labels: Sequence[np.ndarray], since_review: bool) -> list[float]:
    """Give the figures of `AGREEMENT` in per cent."""
    v, s = (agreement(cases, labels, name, since_review) for name in "VS")
    values = (v.sensitivity, v.predictivity, v.f1, s.sensitivity, s.predictivity, s.f1, s.median_f1)
    return [100 * value for value in values]


def of(cases: Sequence[Case], seeds: Sequence[Probabilities], since_review: bool = False) -> Row:
    """Average the figures over the seeds."""
    each = [figures(cases, [p.argmax(axis=1) for p in seed], since_review) for seed in seeds]
    return [f"{value:.1f}" for value in np.mean(each, axis=0)]


def predict(cases: Sequence[Case], models: Sequence[BeatClassifier]) -> Probabilities:
    """Predict each case with its own model."""
    pairs = zip(models, cases, strict=True)
    return [model.probabilities(case.beats) for model, case in pairs]


def unlike(beats: Description) -> Description:
    """Describe the same beats as if no two looked alike."""
    return beats._replace(sizes=np.arange(len(beats.sizes), dtype=np.float32))


def changed(cases: Sequence[Case], change: Callable[[Patient], Patient]) -> list[Case]:
    """Change what the training has of each patient."""
    return [case._replace(patient=change(case.patient)) for case in cases]


def by_beat(cases: Sequence[Case]) -> Probabilities:
    """Cross-validate with folds of beats: each patient is in training and in validation."""
    result = [np.zeros((len(case.classes), len(CLASSES))) for case in cases]
    generator = np.random.default_rng(0)
    folds = [generator.integers(FOLDS, size=len(case.classes)) for case in cases]
    for fold in range(FOLDS):
        patients = []
        for case, own in zip(cases, folds, strict=True):
            classes = np.where(own == fold, -1, case.classes)
            patients.append(case.patient._replace(genuine=Beats(case.beats.numbers, classes)))
        model = grow(patients, 0)
        for case, own, found in zip(cases, folds, result, strict=True):
            found[own == fold] = model.probabilities(case.beats)[own == fold]
    return result


def single_lead(folder: Path, case: Case, main: bool) -> Case:
    """Describe the beats of a case by MLII alone, or by the other lead; R peaks are of both."""
    table = read_table(read_record(folder / f"{case.name}.hea"))
    lead = [index for index, name in enumerate(table.leads) if (name == "MLII") == main]
    beats = describe(table.peaks, table.fs, table.windows[:, lead], table.usable[:, lead])
    return case._replace(beats=beats)


def parts(folder: Path, cases: list[Case], whole: list[list[BeatClassifier]]) -> Iterator[Row]:
    """Give the rows of the table of parts."""
    whole_seeds = [predict(cases, models) for models in whole]
    yield ["malt-leadwise, three seeds", *of(cases, whole_seeds)]
    yield ["the same, first seed", *of(cases, whole_seeds[:1])]
    alone = [case._replace(beats=unlike(case.beats)) for case in cases]
    yield ["without averaging over beats alike", *of(cases, [predict(alone, whole[0])])]
    for title, main in (("MLII alone", True), ("the other lead alone", False)):
        one = [single_lead(folder, case, main) for case in cases]
        yield [title, *of(cases, [predict(one, whole[0])])]
    names = list(GROUPS)
    trained: dict[str, Callable[[], Probabilities]] = {}
    for count in range(1, len(names)):
        columns = np.array([NAMES.index(name) for group in names[:count] for name in GROUPS[group]])
        title = f"numbers: {', '.join(names[:count])}"
        trained[title] = partial(_validated, cases, partial(grow, columns=columns))
    changes: dict[str, Callable[[Patient], Patient]] = {
        "without simulated rhythms": lambda patient: patient._replace(simulated=NONE),
        "without turned leads": lambda patient: patient._replace(turned=NONE),
    }
    for title, change in changes.items():
        trained[title] = partial(_validated, changed(cases, change), grow)
    trained["folds by beat instead of by patient"] = partial(by_beat, cases)
    for title, call in trained.items():
        log(title)
        yield [title, *of(cases, [call()])]


def _validated(
    cases: list[Case], train: Callable[[list[Patient], int], BeatClassifier]
) -> Probabilities:
    return predict(cases, cross_validate(cases, 0, train))


def review_rows(cases: list[Case], whole: list[list[BeatClassifier]]) -> Iterator[Row]:
    """Give the rows without and with five reviewed minutes; both are scored from 5:00 on."""
    yield ["without", *of(cases, [predict(cases, models) for models in whole], since_review=True)]
    after = [
        predict(cases, [adapted(case, model) for case, model in zip(cases, models, strict=True)])
        for models in whole
    ]
    yield ["five minutes reviewed", *of(cases, after, since_review=True)]


def coverage_rows(cases: list[Case], seeds: list[Probabilities]) -> Iterator[Row]:
    """Give F1 without the least sure beats."""
    for share in LEFT_OUT:
        each = [figures(cases, without_least_sure(seed, share), False) for seed in seeds]
        yield [f"{share:.0%}", *(f"{value:.1f}" for value in np.mean(each, axis=0))]


def calibration_rows(cases: list[Case], seeds: list[Probabilities]) -> Iterator[Row]:
    """Give the expected calibration error and the reliability of V and S, all seeds together."""
    errors = [calibration(cases, seed) for seed in seeds]
    classes = np.concatenate([case.classes for case in cases] * len(seeds))
    together = np.concatenate([each for seed in seeds for each in seed])
    counted = classes >= 0
    for index, name in enumerate(CLASSES):
        bins = reliability(classes[counted] == index, together[counted, index], bins=5)
        shown = [
            f"{100 * predicted:.0f} → {100 * observed:.0f}"
            for predicted, observed in zip(bins.predicted, bins.observed, strict=True)
        ]
        yield [name, f"{100 * np.mean([error[name] for error in errors]):.2f}", *shown]


def record_rows(cases: list[Case], labels: Sequence[np.ndarray]) -> Iterator[Row]:
    """Give the counts of each record with V or S beats or false ones, first seed."""
    v, s = (agreement(cases, labels, name) for name in "VS")
    for case, *counts in zip(cases, *v, *s, strict=True):
        yield [case.name, *(f"{count}" for count in counts)]


@quiet_pipe()
def main() -> None:
    """Run the command."""
    options = parse_options(__doc__, "mitdb")
    cases = read_cases(options.mitdb)
    whole = []
    for seed in range(SEEDS):
        log(f"malt-leadwise, seed {seed}")
        whole.append(cross_validate(cases, seed))
    seeds = [predict(cases, models) for models in whole]
    reliabilities = ("class", "ECE", *(f"{low}–{low + 20} %" for low in range(0, 100, 20)))
    counts = ("V: correct", "false", "missed", "S: correct", "false", "missed")
    labels = [each.argmax(axis=1) for each in seeds[0]]
    tables = {
        "holter-classes": table_lines(
            ("classifier", *AGREEMENT), parts(options.mitdb, cases, whole)
        ),
        "holter-reviewed": table_lines(("from 5:00", *AGREEMENT), review_rows(cases, whole)),
        "holter-coverage": table_lines(("left out", *AGREEMENT), coverage_rows(cases, seeds)),
        "holter-calibration": table_lines(reliabilities, calibration_rows(cases, seeds)),
        "holter-records": table_lines(("record", *counts), record_rows(cases, labels)),
    }
    write_tables(RESULTS, tables)


if __name__ == "__main__":
    sys.exit(main())
