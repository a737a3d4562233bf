"""Experiments as named grids.

    python -m experiments list
    python -m experiments run GRID DATA RUNS [--epochs 4 --records 2000 --seeds 0,1,2 …]
    python -m experiments report GRID RUNS
    python -m experiments leave-one-source-out DATA RUNS [--recipe NAME …]
    python -m experiments ptbxl-statements DATA TABLE RUNS [--epochs 25]
    python -m experiments table5 [RUNS]
    python -m experiments matrix RECORDS OUTPUTS PICTURE
    python -m experiments contradictions RECORDS OUTPUTS FOLDER

DATA is a folder of labelled records with its folds.tsv.  Interrupted and called again, `run` goes
on where it was; `report` writes RUNS/GRID/report.md and its pictures, and prints the table.
OUTPUTS is what `run_model.py` left for the labelled RECORDS.

A cluster is `dask scheduler` somewhere and, on each machine, in this folder,
`PYTHONPATH=. dask worker ADDRESS --nthreads 1`; all see DATA and RUNS under the same paths.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from ecg import LeadwiseError
from ecg.files import atomic_write
from ecg.leads import LEAD_SETS
from experiments.cells import cells_of, run_cells
from experiments.faults import draw_contradictions, draw_matrix
from experiments.grids import GRIDS, Grid, find_grid, narrowed
from experiments.sources import leave_one_out
from experiments.tables import write_report
from training.data import named_recipe
from training.settings import DEFAULT_RECIPE


def main() -> None:
    """Run the command."""
    options = parser().parse_args()
    commands: dict[str, Callable[[argparse.Namespace], None]] = {
        "list": list_grids, "run": run, "report": report, "matrix": matrix,
        "contradictions": contradictions, "table5": table5, "ptbxl-statements": statements,
        "leave-one-source-out": leave_one_source_out,
    }  # fmt: skip
    try:
        commands[options.what](options)
    except (LeadwiseError, OSError) as error:
        sys.exit(f"Error: {error}")


def list_grids(options: argparse.Namespace) -> None:
    """Name the grids and what is in them."""
    for grid in GRIDS.values():
        print(f"{grid.name}: {grid.summary} ({len(cells_of(grid))} cells)")
        print(f"  {', '.join(grid.recipes)}")


def run(options: argparse.Namespace) -> None:
    """Run the cells of a grid that are not done."""
    run_grid(find_grid(options.grid), options)


def leave_one_source_out(options: argparse.Namespace) -> None:
    """Train with each source left out, and report."""
    grid = leave_one_out(options.data.resolve(), named_recipe(options.recipe))
    run_grid(grid, options)
    print(write_report(grid, options.runs.resolve()), end="")


def run_grid(grid: Grid, options: argparse.Namespace) -> None:
    """Run a grid as the options narrow it."""
    some = narrowed(
        grid, leads=options.leads, folds=options.folds, seeds=options.seeds, only=options.only,
        epochs=options.epochs,
    )  # fmt: skip
    run_cells(
        some, options.data.resolve(), options.runs.resolve(), records=options.records,
        jobs=options.jobs, cluster=options.cluster,
    )  # fmt: skip


def report(options: argparse.Namespace) -> None:
    """Write and print the report of a grid."""
    print(write_report(find_grid(options.grid), options.runs.resolve()), end="")


def table5(options: argparse.Namespace) -> None:
    """Print the paper's table 5 anew; with RUNS also write it there."""
    from experiments.table5 import heading, table

    runs = options.runs.resolve() if options.runs else None
    print(heading(options.batch, options.rounds), end="\n\n")
    lines = []
    for line in table(runs, batch=options.batch, rounds=options.rounds):
        print(line, flush=True)
        lines.append(line)
    if runs:
        page = "\n".join([heading(options.batch, options.rounds), "", *lines])
        with atomic_write(runs / "table5.md") as draft:
            draft.write_text(f"{page}\n", encoding="utf-8")


def statements(options: argparse.Namespace) -> None:
    """Train on PTB-XL's statements, and write the table of docs/results.md."""
    from experiments.statements import report

    report(options.data.resolve(), options.table, options.runs.resolve(), options.epochs)


def matrix(options: argparse.Namespace) -> None:
    """Draw the matrix of mean probabilities."""
    draw_matrix(options.records, options.outputs, options.picture)


def contradictions(options: argparse.Namespace) -> None:
    """Draw and list the records that contradict the model most."""
    print("\n".join(draw_contradictions(
        options.records, options.outputs, options.folder, options.count
    )))  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """Describe the command lines."""
    made = argparse.ArgumentParser(
        prog="python -m experiments", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    commands = made.add_subparsers(required=True, dest="what", metavar="COMMAND")
    commands.add_parser("list", help="name the grids")
    some = commands.add_parser("run", help="train and answer the cells of a grid")
    some.add_argument("grid", metavar="GRID")
    _add_run_options(some)
    left = commands.add_parser(
        "leave-one-source-out", help="train on all sources but one, test on it, each in turn"
    )
    left.add_argument(
        "--recipe",
        default=DEFAULT_RECIPE,
        help="a name, or a file NAME.json (default: %(default)s)",
    )
    _add_run_options(left)
    one = commands.add_parser("report", help="one table and one set of pictures of a grid")
    one.add_argument("grid", metavar="GRID")
    one.add_argument("runs", metavar="RUNS", type=Path)
    scp = commands.add_parser("ptbxl-statements", help="macro AUC of PTB-XL's 71 statements")
    scp.add_argument("data", metavar="DATA", type=Path, help="PTB-XL, with its folds.tsv")
    scp.add_argument("table", metavar="TABLE", type=Path, help="records.tsv, ptbxl_database.csv")
    scp.add_argument("runs", metavar="RUNS", type=Path, help="folder to write to")
    scp.add_argument("--epochs", type=_count, help="at most; default: the recipe's")
    rows = commands.add_parser("table5", help="Kang & Wen's table 5: sizes, speeds, scores")
    rows.add_argument("runs", metavar="RUNS", type=Path, nargs="?", help="where grids have run")
    rows.add_argument("--batch", type=_count, default=8, help="records at once (default: 8)")
    rows.add_argument(
        "--rounds", type=int, default=5, help="steps to measure, 0 for none (default: 5)"
    )
    chart = commands.add_parser("matrix", help="mean probabilities of each labelled class")
    _add_outputs(chart)
    chart.add_argument("picture", metavar="PICTURE", type=Path, help=".png, .svg or .pdf")
    odd = commands.add_parser("contradictions", help="pictures of the most doubtful records")
    _add_outputs(odd)
    odd.add_argument("folder", metavar="FOLDER", type=Path, help="folder to write to")
    odd.add_argument("--count", type=_count, default=12, help="records (default: 12)")
    return made


def _add_outputs(command: argparse.ArgumentParser) -> None:
    command.add_argument("records", metavar="RECORDS", type=Path, help="labelled records")
    command.add_argument("outputs", metavar="OUTPUTS", type=Path, help="what the model answered")


def _add_run_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("data", metavar="DATA", type=Path, help="folder of labelled records")
    command.add_argument("runs", metavar="RUNS", type=Path, help="folder to write to")
    command.add_argument("--epochs", type=_count, help="at most; default: the recipes'")
    command.add_argument(
        "--records", type=_count, help="learn from the first so many; default: all"
    )
    command.add_argument("--leads", type=_sizes, metavar="12,2", help="default: the grid's")
    command.add_argument("--seeds", type=_numbers, metavar="0,1,2", help="default: the grid's")
    command.add_argument(
        "--folds", type=_folds, metavar="8:9", help="to choose on : to report; default: the grid's"
    )
    command.add_argument("--only", type=_words, metavar="NAME,NAME", help="some of the variants")
    command.add_argument("--jobs", type=_count, default=1, help="cells at once (default: 1)")
    command.add_argument(
        "--cluster", metavar="ADDRESS",
        help="of a Dask scheduler; its workers run in this folder and see DATA and RUNS",
    )  # fmt: skip


def _count(text: str) -> int:
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


def _sizes(text: str) -> tuple[int, ...]:
    sizes = _numbers(text)
    if not set(sizes) <= LEAD_SETS.keys():
        raise ValueError(text)
    return sizes


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))


def _folds(text: str) -> tuple[tuple[str, str], ...]:
    pairs = tuple(tuple(word.split(":")) for word in text.split(","))
    if any(len(pair) != 2 or not pair[1] for pair in pairs):
        raise ValueError(text)
    return tuple((pair[0], pair[1]) for pair in pairs)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


if __name__ == "__main__":
    main()
