"""Studies as grids of trainings, and single measurements.

    python -m experiments list
    python -m experiments run STUDY DATA RUNS [--epochs 4 --records 2000 --seeds 0,1,2 …]
    python -m experiments report STUDY RUNS [--page docs/results/NAME.md]
    python -m experiments compare DATA OUT_A OUT_B
    python -m experiments curves DATA OUTPUTS OUT
    python -m experiments export RUNS/STUDY/CELL/model FOLDER

STUDY is a name of the list, or a file NAME.json (experiments/grid_files.py).  DATA is a folder of
labelled records with its folds.tsv (2017: with its REFERENCE.csv).  `run` resumes an interrupted
study; `report` writes RUNS/STUDY/report.md with its pictures and prints the tables.  OUTPUTS is the
output folder of `run_model.py` for the labelled RECORDS.

On a cluster, start `dask scheduler` and, on each machine in this folder,
`PYTHONPATH=. dask worker ADDRESS --nthreads 1`; DATA and RUNS must have the same paths on all.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ecg import LeadwiseError
from ecg.progress import quiet_pipe
from experiments import compare, curves, errors, kills, rules, table4, table5, transfer, wave_rules
from experiments.cells import cells_of, run_cells
from experiments.export import export
from experiments.grid import narrowed
from experiments.grid_files import grid_of
from experiments.grids import GRIDS, leave_one_source_out
from experiments.join import join
from experiments.soft import soften
from experiments.statements import write_statements
from experiments.tables import write_report
from training.data import named_recipe
from training.settings import lead_set_sizes, positive_int


def main(*words: str) -> None:
    """Run a command and print its lines; `words` come before those of the command line."""
    options = vars(parser().parse_args([*words, *sys.argv[1:]]))
    command = options.pop("command")
    with quiet_pipe():
        try:
            for line in command(**options) or ():
                print(line, flush=True)
        except BrokenPipeError:
            raise  # to quiet_pipe
        except (LeadwiseError, OSError) as error:
            sys.exit(f"Error: {error}")


def list_studies() -> Iterator[str]:
    """Describe each study."""
    for grid in GRIDS.values():
        cells = f"{len(cells_of(grid))} cells" if grid.folds else "one cell per variant and fold"
        yield f"{grid.name}: {grid.summary} ({cells})"
        yield f"  {', '.join(grid.recipes)}"


def run(
    study: str, data: Path, runs: Path, *, jobs: int, cluster: str | None, base: str | None,
    init_from: Path | None, **changes: Any,
) -> None:  # fmt: skip
    """Run the cells of a study that are not done.

    Raises
    ------
    LeadwiseError
        The study is unknown, `base` is set for another study, or cells failed.
    """
    grid = grid_of(study)
    if base:
        grid = leave_one_source_out(named_recipe(base))
        if study != grid.name:
            raise LeadwiseError(f"--base is for {grid.name}; {study} has recipes of its own")
    run_cells(
        narrowed(grid, **changes), data, runs, jobs=jobs, cluster=cluster, init_from=init_from
    )


def report(study: str, runs: Path, *, validation: bool, page: Path | None) -> list[str]:
    """Write and return the report of a study."""
    on = "validation" if validation else "test"
    return write_report(grid_of(study), runs, on=on, page=page).splitlines()


def _path(text: str) -> Path:
    return Path(text).resolve()


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))


def _folds(text: str) -> tuple[tuple[str, str], ...]:
    pairs = tuple(tuple(word.split(":")) for word in text.split(","))
    if any(len(pair) != 2 or not pair[1] for pair in pairs):
        raise ValueError(text)
    return tuple((pair[0], pair[1]) for pair in pairs)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _option(kind: Any, help: str, default: Any = None, metavar: str | None = None) -> Any:
    shown = "" if default is None else " (default: %(default)s)"
    return {"type": kind, "help": help + shown, "default": default, "metavar": metavar}


RUN = {
    "epochs": _option(positive_int, "maximum number; default: the recipes'"),
    "records": _option(positive_int, "number of training records; default: the study's"),
    "leads": _option(lead_set_sizes, "default: the study's", metavar="12,2"),
    "seeds": _option(_numbers, "default: the study's", metavar="0,1,2"),
    "folds": _option(_folds, "validation:test; default: the study's", metavar="8:9"),
    "only": _option(_words, "names of variants", metavar="NAME,NAME"),
    "base": _option(str, "leave-one-source-out: a recipe's name, or a file NAME.json"),
    "init-from": _option(
        _path, "model folders that initialise the weights, one per variant", metavar="FOLDER"
    ),
    "jobs": _option(positive_int, "cells to run in parallel", 1),
    "cluster": _option(str, "of a Dask scheduler", metavar="ADDRESS"),
}
PAGE = _option(_path, "also write the tables between their marks in this page")
VALIDATION = {"action": "store_true", "help": "score the validation fold, for choosing a model"}
KILLS = {
    "records": _option(positive_int, "training records", 500),
    "epochs": _option(positive_int, "epochs per training", 3),
    "kills": _option(positive_int, "number of kills", 10),
    "seed": _option(int, "seed of the random times", 0),
    "leads": _option(str, "lead sets, as train_model.py takes them", "2"),
    "recipe": _option(str, "as train_model.py takes it", "isibrno-leadwise"),
}
# Name → function, help, its arguments (paths, but for the study's name), its options.
COMMANDS: dict[str, tuple[Any, str, str, dict[str, Any]]] = {
    "list": (list_studies, "name the studies", "", {}),
    "run": (run, "train the cells of a study and run them on their folds", "study data runs", RUN),
    "report": (report, "tables and pictures of a study", "study runs",
               {"validation": VALIDATION, "page": PAGE}),
    "soften": (soften, "soft targets for DATA, from a study's networks on their test folds",
               "study runs data",
               {"share": _option(float, "of the probabilities, the rest of the label", 1.0)}),
    "export": (export, "make a model folder ready to publish", "model folder", {}),
    "join": (join, "an ensemble of networks that were trained apart, ready to publish; MODELS: "
             "folders of one network, or FOLDER:0 for the first member of an ensemble",
             "folder models+",
             {"recipe": {"help": "recipe of the ensemble, such as dualnet-trio",
                         "required": True}}),
    "compare": (compare.compare, "paired gains of one model's outputs over another's, overall and "
                "per class; OUT_A, OUT_B: output folders, or folders of them, one per seed",
                "data out_a out_b", {}),
    "curves": (curves.draw_curves, "ROC, precision-recall and threshold curves of each class, as "
               "pictures and a table in OUT", "data outputs out", {}),
    "statements": (write_statements, "data folder with PTB-XL's statements; TABLE: records.tsv or "
                   "ptbxl_database.csv", "data table folder", {}),
    "table4": (table4.table4, "Kang & Wen's table 4: their rules and ours counted; OUT: of "
               "`rules-measure`; PUBLISHED: their answers", "ptbxl out published", {"page": PAGE}),
    "appendix-a": (table4.figures, "Kang & Wen's figures A1 to A3, of those records that RECORDS "
                   "holds", "records folder", {}),
    "table5": (table5.table5, "Kang & Wen's table 5: sizes, speeds, scores, rank correlation",
               "runs?",
               {"batch": _option(positive_int, "records per batch", 8),
                "rounds": _option(int, "steps to measure; 0: no speeds", 5), "page": PAGE}),
    "matrix": (errors.draw_matrix, "mean probabilities per label", "records outputs picture", {}),
    "contradictions": (errors.draw_contradictions, "pictures of the records that contradict a "
                       "model most", "records outputs folder",
                       {"count": _option(positive_int, "records", 12)}),
    "errors-2017": (errors.draw_errors, "pictures of the most frequent confusions on 2017's "
                    "records", "records outputs folder", {}),
    "rules-measure": (rules.measure_all, "measures that the rules compare, per record and lead set",
                      "ptbxl out", {}),
    "rules-report": (rules.report, "tables of docs/rules.md on PTB-XL; PUBLISHED: Revenger's own "
                     "answers", "ptbxl out published", {}),
    "rules-elsewhere": (rules.elsewhere, "tables of docs/rules.md on other records; WAVES: folders "
                        "mitdb and ludb; SAMPLES: of the Challenge, 500 Hz", "waves samples", {}),
    "rules-waves": (wave_rules.report, "long PR and QT by a network's marks; MARKS: folders that "
                    "delineate.py wrote", "ptbxl marks+", {"page": PAGE}),
    "rules-pictures": (rules.pictures, "one record per rule", "ptbxl out samples", {}),
    "transfer": (transfer.report, "models on other hospitals' records", "samples ludb models+",
                 {"ptbxl": _option(_path, "test records of PTB-XL, for comparison"),
                  "page": PAGE}),
    "kills": (kills.run_kills, "kill and resume trainings and compare their weights",
              "data out", KILLS),
}  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """Describe the command lines."""
    whole = argparse.ArgumentParser(
        prog="python -m experiments", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    for name, (function, text, arguments, options) in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=function)
        for word in arguments.split():
            bare = word.rstrip("?+")
            count: dict[str, Any] = {"nargs": word[-1]} if word != bare else {}
            kind = str if bare == "study" else _path
            sub.add_argument(bare, metavar=bare.upper(), type=kind, **count)
        for option, settings in options.items():
            sub.add_argument(f"--{option}", **settings)
    return whole


if __name__ == "__main__":
    main()
