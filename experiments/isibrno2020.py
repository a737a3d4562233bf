"""ISIBrno 2020 on PTB-XL: trained on folds 1 to 7, chosen on 8, reported on 9.

    python -m experiments.isibrno2020 train DATA RUNS [RUN …]
    python -m experiments.isibrno2020 report DATA RUNS
    python -m experiments.isibrno2020 ship DATA RUNS WEIGHTS

DATA is PTB-XL laid out as the Challenge does, with its folds.tsv.  RUNS gets a folder a run: the
model and its outputs on folds 8 and 9, made by the Challenge's own commands.  Interrupted and
called again, `train` goes on where it was; two of them with different runs may work side by side.
`report` writes the tables of docs/results.md and a picture, `ship` joins the final models, and the
rules as fold 8 would have them.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from docs.generate import write_tables
from ecg import LeadwiseError
from ecg.labels import CODES
from ecg.leads import LEAD_SETS
from experiments.charts import plot_reliability
from experiments.outputs import Scored, read_scored, ruled, spread, with_interval
from experiments.runs import ROOT, answered, folder, reduced, trained
from models.decision import decide, logit, sigmoid
from models.expected import write_expected
from models.folder import (
    ModelFolder,
    halved,
    read_model,
    read_weights,
    write_model,
    write_weights,
)
from models.recipe import Part
from scoring.calibration import calibration_error, class_calibration_error, reliability
from training.decisions import FITS, temperature
from training.rules import fit_rules

LEARN, CHOOSE, REPORT = tuple("1234567"), "8", "9"
DECISIONS = ("global", "per class", "expected")  # the paper's two, and ours


class Run(NamedTuple):
    """A model to train; `records` are the first so many of folds 1 to 7, all if None."""

    name: str
    recipe: str
    leads: int
    epochs: int
    seed: int = 0
    records: int | None = None


FINAL = (Run("final-12", "isibrno-leadwise", 12, 18), Run("final-2", "isibrno-leadwise", 2, 18))
SMALL = {"leads": 12, "epochs": 8, "records": 3000}
ABLATION = (
    Run("entry1", "isibrno-entry1", **SMALL),
    Run("entry2", "isibrno-entry2", **SMALL),
    Run("entry3", "isibrno-entry3", **SMALL),
    Run("entry5", "isibrno-published", **SMALL),
    Run("entry7", "isibrno-entry7", **SMALL),
    *(Run(f"leadwise-{seed}", "isibrno-leadwise", seed=seed, **SMALL) for seed in range(3)),
    # Long enough for the plateau rule, which waits for 7 flat epochs, to act.
    Run("plateau-24", "isibrno-published", 12, 24, records=3000),
    Run("falling-24", "isibrno-leadwise", 12, 24, records=3000),
)
PUBLISHED = {"entry1": 0.569, "entry2": 0.624, "entry3": 0.608, "entry5": 0.659, "entry7": 0.652}
RUNS = {run.name: run for run in (*FINAL, *ABLATION)}


def train(data: Path, runs: Path, names: list[str]) -> None:
    """Train runs that are not trained yet, and let each answer folds 8 and 9."""
    for name in names or RUNS:
        run = RUNS[name]
        model = runs / name / "model"
        trained(
            model, folder(data, runs, (*LEARN, CHOOSE), run.records, whole=(CHOOSE,)),
            LEADWISE_RECIPE=run.recipe, LEADWISE_LEADS=run.leads, LEADWISE_EPOCHS=run.epochs,
            LEADWISE_SEED=run.seed, LEADWISE_VALIDATION=CHOOSE, LEADWISE_CACHE=runs / "cache",
        )  # fmt: skip
        for fold in (CHOOSE, REPORT):
            some = reduced(folder(data, runs, (fold,)), run.leads)
            answered(runs / name / f"fold-{fold}", model, some)


def scored(data: Path, runs: Path, run: Run, fold: str) -> Scored:
    """Read labels and a run's outputs of a fold."""
    return read_scored(folder(data, runs, (fold,)), runs / run.name / f"fold-{fold}")


def answers_of_fold(
    data: Path, runs: Path, fold: str, some: Sequence[Run]
) -> dict[tuple[str, ...], np.ndarray]:
    """Let the rules judge the records of a fold as each run's lead set sees them."""
    lead_sets = tuple(LEAD_SETS[run.leads] for run in some)
    names = scored(data, runs, some[0], fold).names if some else ()  # the same in each run
    return ruled(folder(data, runs, (fold,)), names, lead_sets)


def report(data: Path, runs: Path) -> None:
    """Write the tables of docs/results.md and the picture from the runs that are there."""
    tables = {
        "isibrno2020-final": final_rows(data, runs),
        "isibrno2020-calibration": calibration_rows(data, runs),
        "isibrno2020-ablation": ablation_rows(data, runs),
    }
    write_tables(ROOT / "docs" / "results.md", tables)


def there(runs: Path, some: tuple[Run, ...]) -> list[Run]:
    """Name the runs that have answered both folds."""
    return [run for run in some if (runs / run.name / f"fold-{REPORT}").exists()]


def final_rows(data: Path, runs: Path) -> Iterator[str]:
    """Compare decisions, each fitted on fold 8, on the final models' probabilities."""
    yield "| leads | decision | metric, fold 8 | metric, fold 9 | macro F, fold 9 | AUROC | AUPRC |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for run in there(runs, FINAL):
        chosen, reported = (scored(data, runs, run, fold) for fold in (CHOOSE, REPORT))
        for name in DECISIONS:
            decision = FITS[name](chosen.probabilities, chosen.labels, CODES, run.seed)
            before, after = (one.decided(decision) for one in (chosen, reported))
            yield (
                f"| {run.leads} | {name}{_numbers(decision)} | {with_interval(before)} | "
                f"{with_interval(after)} | {after.f_measure:.3f} | {after.auroc:.3f} | "
                f"{after.auprc:.3f} |"
            )


def _numbers(decision: Part) -> str:
    """Say the numbers of a decision where they are few."""
    numbers = decision.options
    if decision.name == "expected":
        return f" (slope {numbers['slope']:.2f}, offset {numbers['offset']:+.2f})"
    values = set(numbers["values"])
    return f" ({values.pop():.2f})" if len(values) == 1 else ""


def calibration_rows(data: Path, runs: Path) -> Iterator[str]:
    """Measure calibration on fold 9 before and after scaling by a slope fitted on fold 8."""
    yield "| leads | scaling | error of all pairs | mean error of the classes |"
    yield "| --- | --- | --- | --- |"
    lines = {}
    for run in there(runs, FINAL):
        chosen, reported = (scored(data, runs, run, fold) for fold in (CHOOSE, REPORT))
        slope = temperature(chosen.probabilities, chosen.labels)
        scaled = sigmoid(slope * logit(reported.probabilities))
        for name, some in (("none", reported.probabilities), (f"slope {slope:.3f}", scaled)):
            pairs = calibration_error(reported.labels, some)
            classes = class_calibration_error(reported.labels, some)
            yield f"| {run.leads} | {name} | {pairs:.4f} | {classes:.4f} |"
            lines[f"{run.leads} leads, {name}"] = reliability(reported.labels, some)
    if lines:
        picture = ROOT / "docs" / "isibrno2020-reliability.png"
        plot_reliability(picture, lines, title="ISIBrno 2020 on fold 9")


def ablation_rows(data: Path, runs: Path) -> Iterator[str]:
    """Compare the entries at the small budget, each with one global threshold."""
    yield "| run | recipe | best epoch | metric, fold 8 | metric, fold 9 | published | minutes |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    of_seeds: dict[tuple[str, int], list[float]] = {}
    for run in there(runs, ABLATION):
        model = read_model(runs / run.name / "model")
        chosen, reported = (scored(data, runs, run, fold) for fold in (CHOOSE, REPORT))
        decision = FITS["global"](chosen.probabilities, chosen.labels, CODES, run.seed)
        before, after = (one.decided(decision) for one in (chosen, reported))
        of_seeds.setdefault((run.recipe, run.epochs), []).append(after.metric)
        yield (
            f"| {run.name} | `{run.recipe}`, seed {run.seed} | {model.lead_sets[0].epoch} | "
            f"{before.metric:.3f} | {with_interval(after)} | {PUBLISHED.get(run.name, '–')} | "
            f"{model.training['minutes']:.0f} |"
        )
    for (recipe, _), metrics in of_seeds.items():
        if len(metrics) > 1:
            yield (
                f"| mean and range of {len(metrics)} seeds | `{recipe}` | | | {spread(metrics)} | "
                "| |"
            )


def ship(data: Path, runs: Path, weights: Path) -> None:
    """Join the final models in one folder, in half precision, with what they should answer."""
    models = [read_model(runs / run.name / "model") for run in FINAL]
    answers = answers_of_fold(data, runs, CHOOSE, FINAL)
    weights.mkdir(parents=True, exist_ok=True)
    trained = []
    for run, model in zip(FINAL, models, strict=True):
        (entry,) = model.lead_sets
        halves = halved(read_weights(model, entry))
        file, sha256 = write_weights(weights, f"{len(entry.leads)}-leads", halves)
        chosen = scored(data, runs, run, CHOOSE)
        outputs = decide(entry.decision, chosen.probabilities)
        rules = fit_rules("learned", outputs, answers[entry.leads], chosen.labels, CODES)
        trained.append(replace(entry, file=file, sha256=sha256, rules=rules))
    recipe = replace(
        models[0].recipe, name="isibrno-rules", rules="learned",
        lead_sets=tuple(entry.leads for entry in trained),
    )  # fmt: skip
    about = {**models[0].training, "command": "python -m experiments.isibrno2020 train DATA RUNS"}
    write_model(ModelFolder(weights, recipe, models[0].classes, tuple(trained), about))
    write_expected(weights)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, dest="what")
    for name in ("train", "report", "ship"):
        sub = commands.add_parser(name)
        sub.add_argument("data", metavar="DATA", type=Path)
        sub.add_argument("runs", metavar="RUNS", type=Path)
        if name == "train":
            sub.add_argument("names", metavar="RUN", nargs="*", help=", ".join(RUNS))
        if name == "ship":
            sub.add_argument("weights", metavar="WEIGHTS", type=Path)
    options = parser.parse_args()
    try:
        if options.what == "train":
            train(options.data.resolve(), options.runs.resolve(), options.names)
        elif options.what == "report":
            report(options.data.resolve(), options.runs.resolve())
        else:
            ship(options.data.resolve(), options.runs.resolve(), options.weights.resolve())
    except (LeadwiseError, OSError, KeyError) as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
