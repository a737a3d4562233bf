"""Trained models on PTB-XL: how each answers folds 8 and 9, by three decisions, side by side.

    python -m experiments.ptbxl choose DATA RUNS MODEL [MODEL …]
    python -m experiments.ptbxl report DATA RUNS MODEL [MODEL …]
    python -m experiments.ptbxl ship MODEL WEIGHTS

DATA is PTB-XL laid out as the Challenge does, with its folds.tsv; each MODEL was trained by
`train_model.py` on folds 1 to 8 of it, with `LEADWISE_VALIDATION=8`.  RUNS gets the answers, which
are not made again.  `choose` prints fold 8 alone, so that who has models to choose among does not
see fold 9 before; `report` writes a table of docs/results.md with both; `ship` puts a model into a
folder for others, in half precision, with what it should answer.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from docs.generate import write_tables
from ecg import LeadwiseError
from ecg.labels import CODES
from experiments.outputs import Scored, paired_gain, read_scored, ruled, scores_of, with_interval
from experiments.runs import ROOT, answered, folder, reduced
from experiments.tables import parameters
from models.decision import decide
from models.expected import write_expected
from models.folder import (
    ModelFolder,
    TrainedSet,
    halved,
    read_model,
    read_weights,
    write_model,
    write_weights,
)
from models.rules import PUBLISHED, combine
from training.decisions import FITS

CHOOSE, REPORT = "8", "9"
HEAD = (
    "| recipe | leads | parameters | epochs | minutes | one threshold, fold 8 | fold 9 | "
    "expected metric, fold 9 | as it answers, fold 9 | macro F | AUROC | "
    "one threshold, five classes by the published rules, fold 9 |"
)


def choices(data: Path, runs: Path, models: Sequence[Path]) -> Iterator[str]:
    """Write a row a model and lead set of what they score on the fold to choose on, and no other.

    Epoch, decision and rules were fitted to it, in each model alike.
    """
    yield "| model | recipe | leads | one threshold, fold 8 | as it answers, fold 8 |"
    yield "| --- | --- | --- | --- | --- |"
    for path in models:
        model = read_model(path)
        for entry in model.lead_sets:
            chosen = scored(data, runs, model, entry, CHOOSE)
            fit = FITS["global"]
            one = fit(chosen.probabilities, chosen.labels, CODES, model.recipe.seed)
            own = scores_of(chosen.labels, chosen.outputs, chosen.probabilities)
            yield (
                f"| {path.name} | `{model.recipe.name}` | {len(entry.leads)} | "
                f"{with_interval(chosen.decided(one))} | {with_interval(own)} |"
            )


def report(data: Path, runs: Path, models: Sequence[Path]) -> None:
    """Let the models answer what they have not answered, and write the table."""
    write_tables(ROOT / "docs" / "results.md", {"ptbxl": rows(data, runs, models)})


def rows(data: Path, runs: Path, models: Sequence[Path]) -> Iterator[str]:
    """Write a row a model and lead set; intervals are bootstrapped, 95 %.

    One threshold and the expected metric's two numbers are chosen on fold 8; the model's own
    decision and rules were so when it was trained.  The last column is the change when rules
    answer five classes instead of the network, as Kang & Wen's entry does.
    """
    yield HEAD
    yield "| " + " | ".join(["---"] * (HEAD.count("|") - 1)) + " |"
    for path in models:
        model = read_model(path)
        spent = f"{model.training['minutes']:.0f}"  # for all lead sets
        for entry in model.lead_sets:
            chosen, reported = (scored(data, runs, model, entry, fold) for fold in (CHOOSE, REPORT))
            one, expected = (
                FITS[name](chosen.probabilities, chosen.labels, CODES, model.recipe.seed)
                for name in ("global", "expected")
            )
            own = scores_of(reported.labels, reported.outputs, reported.probabilities)
            alone = decide(one, reported.probabilities)
            answers = ruled(folder(data, runs, (REPORT,)), reported.names, (entry.leads,))
            joined = combine(alone, answers[entry.leads], PUBLISHED, CODES)
            count = parameters(model.recipe, entry.leads, len(model.classes))
            yield (
                f"| `{model.recipe.name}` | {len(entry.leads)} | {count:,} | {entry.epoch} of "
                f"{model.recipe.epochs} | {spent} | "
                f"{with_interval(chosen.decided(one))} | {with_interval(reported.decided(one))} | "
                f"{with_interval(reported.decided(expected))} | {with_interval(own)} | "
                f"{own.f_measure:.3f} | {own.auroc:.3f} | "
                f"{paired_gain(reported.labels, alone, joined)} |"
            )
            spent = "in these"


def scored(data: Path, runs: Path, model: ModelFolder, entry: TrainedSet, fold: str) -> Scored:
    """Let a model answer a fold with a lead set, and read what it said."""
    size, records = len(entry.leads), folder(data, runs, (fold,))
    outputs = runs / "answers" / f"{model.path.name}-{size}-leads-fold-{fold}"
    answered(outputs, model.path, reduced(records, size))
    return read_scored(records, outputs)


def ship(path: Path, weights: Path) -> None:
    """Put a model into a folder for others, in half precision, with what it should answer."""
    model = read_model(path)
    weights.mkdir(parents=True, exist_ok=True)
    trained = []
    for entry in model.lead_sets:
        halves = halved(read_weights(model, entry))
        file, sha256 = write_weights(weights, f"{len(entry.leads)}-leads", halves)
        trained.append(replace(entry, file=file, sha256=sha256))
    program, _, _, *options = str(model.training["command"]).split(" ")
    named = [Path(word).name for word in options]  # no folder of this machine
    about = {**model.training, "command": " ".join([program, "DATA", "MODEL", *named])}
    if "begin" in about:
        about["begin"] = {**about["begin"], "model": Path(about["begin"]["model"]).name}
    write_model(replace(model, path=weights, lead_sets=tuple(trained), training=about))
    write_expected(weights)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, dest="what")
    for name in ("choose", "report"):
        one = commands.add_parser(name)
        one.add_argument("data", metavar="DATA", type=Path)
        one.add_argument("runs", metavar="RUNS", type=Path)
        one.add_argument("models", metavar="MODEL", type=Path, nargs="+")
    other = commands.add_parser("ship")
    other.add_argument("model", metavar="MODEL", type=Path)
    other.add_argument("weights", metavar="WEIGHTS", type=Path)
    options = parser.parse_args()
    try:
        if options.what == "ship":
            ship(options.model.resolve(), options.weights.resolve())
            return
        data, runs = options.data.resolve(), options.runs.resolve()
        models = [model.resolve() for model in options.models]
        if options.what == "choose":
            print("\n".join(choices(data, runs, models)))
        else:
            report(data, runs, models)
    except (LeadwiseError, OSError) as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
