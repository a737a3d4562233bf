"""Train the classifier of beats on MIT-BIH's DS1: `python -m holter.training MITDB OUT`.

Validation is by patient: five folds, once per seed.  The final model is an ensemble of one member
per seed, trained on all patients.  DS2 is the test set and is not read.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ecg import FAILURES, LeadwiseError
from ecg.files import atomic_write
from ecg.progress import log, progress_bar, quiet_pipe
from holter.cases import DS1, Case, read_case
from holter.classifier import CLASSES, write_model
from holter.growing import ensemble, grow, versions
from holter.validation import FOLDS, agreement, calibration, cross_validate

SEEDS = 3
DATA = "MIT-BIH Arrhythmia Database 1.0.0, DS1 (de Chazal et al. 2004)"


def read_cases(folder: Path, names: Sequence[str] = DS1) -> list[Case]:
    """Read records, with a progress bar.

    Raises
    ------
    LeadwiseError
        A record is missing or cannot be read.
    """
    missing = [name for name in names if not (folder / f"{name}.atr").is_file()]
    if missing:
        raise LeadwiseError(
            f"{folder}: {len(missing)} of {len(names)} records have no .atr there: "
            f"{', '.join(missing[:3])}. Give the folder of the MIT-BIH Arrhythmia Database"
        )
    cases = []
    with progress_bar("records", len(names), "record") as progress:
        for name in names:
            cases.append(read_case(folder / name))
            progress.update()
    return cases


def validate(cases: list[Case], seed: int) -> list[dict[str, object]]:
    """Validate with one seed: a row per class."""
    with progress_bar(f"validation, seed {seed}", FOLDS, "fold") as progress:
        models = cross_validate(cases, seed, advance=progress.update)
    pairs = zip(models, cases, strict=True)
    probabilities = [model.probabilities(case.beats) for model, case in pairs]
    labels = [each.argmax(axis=1) for each in probabilities]
    errors = calibration(cases, probabilities)
    rows = []
    for name in CLASSES[1:]:
        counts = agreement(cases, labels, name)
        row = {"seed": seed, "class": name, "tp": counts.tp.sum(), "fp": counts.fp.sum()}
        row |= {"fn": counts.fn.sum(), "sensitivity": f"{counts.sensitivity:.4f}"}
        row |= {"predictivity": f"{counts.predictivity:.4f}", "f1": f"{counts.f1:.4f}"}
        rows.append(row | {"median_f1": f"{counts.median_f1:.4f}", "ece": f"{errors[name]:.4f}"})
        log(
            f"seed {seed}, {name}: Se {counts.sensitivity:.1%}, +P {counts.predictivity:.1%}, "
            f"F1 {counts.f1:.1%}, median over patients {counts.median_f1:.1%}"
        )
    return rows


@quiet_pipe()
def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m holter.training", description=__doc__.partition("\n\n")[0]
    )
    parser.add_argument("mitdb", type=Path, metavar="MITDB", help="folder of the WFDB records")
    parser.add_argument("out", type=Path, metavar="OUT", help="model folder to write")
    parser.add_argument(
        "--seeds", type=int, default=SEEDS, help="members and validations (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    if options.seeds < 1:
        parser.error("--seeds must be at least 1")
    try:
        _run(options.mitdb, options.out, options.seeds)
    except FAILURES as error:
        sys.exit(f"Error: {error}")


def _run(folder: Path, out: Path, seeds: int, names: Sequence[str] = DS1) -> None:
    cases = read_cases(folder, names)
    rows = [row for seed in range(seeds) for row in validate(cases, seed)]
    patients = [case.patient for case in cases]
    with progress_bar("members", seeds, "member") as progress:
        members = []
        for seed in range(seeds):
            members.append(grow(patients, seed))
            progress.update()
    origin = {
        "data": DATA, "records": [case.name for case in cases], "seeds": list(range(seeds)),
        "validation_f1": {name: _mean_f1(rows, name) for name in CLASSES[1:]},
        "versions": versions(),
    }  # fmt: skip
    write_model(replace(ensemble(members), origin=origin), out)
    with atomic_write(out / "validation.tsv") as path:
        lines = ["\t".join(rows[0]), *("\t".join(map(str, row.values())) for row in rows)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    log(f"{out}: model of {seeds} members on {len(cases)} records")


def _mean_f1(rows: list[dict[str, object]], name: str) -> float:
    """Average the F1 of a class over the seeds."""
    own = [float(str(row["f1"])) for row in rows if row["class"] == name]
    return round(sum(own) / len(own), 4)


if __name__ == "__main__":
    main()
