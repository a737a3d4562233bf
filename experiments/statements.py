"""PTB-XL's 71 statements as classes: the field's own figure, macro AUC, with the house's network.

DATA is PTB-XL laid out as the Challenge does, with its folds.tsv; TABLE names each record's
statements: `records.tsv` (columns `record` and `scp`), or PTB-XL's own `ptbxl_database.csv`.  RUNS
gets a data folder whose headers name the statements, and the model, made by the Challenge's own
commands: folds 1 to 8 to train, 9 to choose on and to report.
"""

import ast
import csv
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from docs.generate import write_tables
from ecg import LeadwiseError
from ecg.headers import parse_header
from experiments.outputs import read_scored
from experiments.runs import ROOT, answered, folder, place, trained
from models.folder import read_model
from scoring.bootstrap import intervals
from scoring.measures import areas, macro

RECIPE = "house-statements"
FOLDS = tuple("123456789")  # the last one to choose on
REPORT = "9"
RESAMPLES = 200
# Macro AUC on fold 10, folds 1 to 8 to train.
PUBLISHED = {
    "xresnet1d101 (Strodthoff et al. 2021)": 0.925,
    "S4 (Mehari & Strodthoff 2023)": 0.941,
}


def read_statements(table: Path) -> dict[str, tuple[str, ...]]:
    """Read the statements of each record, by its name in the Challenge.

    Raises
    ------
    LeadwiseError
        The table has other columns.
    """
    delimiter = "," if table.suffix == ".csv" else "\t"
    with open(table, newline="", encoding="utf-8") as rows:
        reader = csv.DictReader(rows, delimiter=delimiter)
        columns = set(reader.fieldnames or ())
        if {"record", "scp"} <= columns:
            return {row["record"]: tuple(filter(None, row["scp"].split(","))) for row in reader}
        if {"ecg_id", "scp_codes"} <= columns:
            return {
                f"HR{int(row['ecg_id']):05d}": tuple(ast.literal_eval(row["scp_codes"]))
                for row in reader
            }
    raise LeadwiseError(
        f"{table}: neither the columns record and scp nor ecg_id and scp_codes; is it PTB-XL's?"
    )


def restate(data: Path, statements: dict[str, tuple[str, ...]], made: Path) -> Path:
    """Make a data folder whose headers name the statements behind the Challenge's codes.

    The codes group the statements that they were made of, so that rare ones learn from their kin.
    Signals are links.
    """
    if made.exists():
        return made
    draft = made.with_suffix(".part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for header in sorted(data.glob("*.hea")):
        text = header.read_text()
        said = ",".join([*parse_header(text, header.stem).codes, *statements.get(header.stem, ())])
        text = re.sub(r"^# ?Dx:.*$", f"# Dx: {said}", text, flags=re.MULTILINE)
        (draft / header.name).write_text(text)
        signal = header.with_suffix(".mat")
        (draft / signal.name).symlink_to(signal.resolve())
    shutil.copy(data / "folds.tsv", draft)
    draft.rename(made)
    return made


def train(data: Path, table: Path, runs: Path, epochs: int | None = None) -> None:
    """Train on folds 1 to 8, and answer fold 9."""
    restated = restate(data, read_statements(table), runs / "statements")
    settings = {"LEADWISE_EPOCHS": epochs} if epochs else {}
    trained(
        runs / "model", folder(restated, runs, FOLDS), LEADWISE_RECIPE=RECIPE, LEADWISE_LEADS=12,
        LEADWISE_VALIDATION=REPORT, LEADWISE_CACHE=runs / "cache", **settings,
    )  # fmt: skip
    answered(runs / f"fold-{REPORT}", runs / "model", folder(restated, runs, (REPORT,)))


def rows(runs: Path) -> Iterator[str]:
    """Measure the mean of the statements' AUC on fold 9, beside the published ones on fold 10."""
    model = read_model(runs / "model")
    (entry,) = model.lead_sets
    classes = [(name,) for name in model.classes if not name.isdigit()]  # the statements
    scored = read_scored(place(runs, (REPORT,)), runs / f"fold-{REPORT}", classes)
    found = areas(scored.labels, scored.probabilities).auroc
    low, high = intervals(
        lambda times: macro(areas(scored.labels, scored.probabilities, times).auroc)[:, None],
        len(scored.labels), RESAMPLES, np.random.default_rng(0),
    )[:, 0]  # fmt: skip
    yield "| network | trained on | measured on | statements | macro AUC |"
    yield "| --- | --- | --- | --- | --- |"
    yield (
        f"| `{model.recipe.name}`, {entry.epoch} epochs | folds 1 to 8 | fold 9, which chose the "
        f"epoch | {np.isfinite(found).sum()} of {len(found)} | {macro(found):.3f} "
        f"({low:.3f} to {high:.3f}) |"
    )
    for name, area in PUBLISHED.items():
        yield f"| {name} | folds 1 to 8 | fold 10 | 71 | {area:.3f} |"


def report(data: Path, table: Path, runs: Path, epochs: int | None = None) -> None:
    """Train and answer what is not done yet, and write the table of docs/results.md."""
    train(data, table, runs, epochs)
    write_tables(ROOT / "docs" / "results.md", {"statements": rows(runs)})
