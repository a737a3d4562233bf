"""Experiments as named grids.

    python -m experiments list
    python -m experiments run GRID DATA RUNS [--epochs 4 --records 2000 --seeds 0,1,2 …]
    python -m experiments report GRID RUNS

DATA is a folder of labelled records with its folds.tsv.  Interrupted and called again, `run` goes
on where it was; `report` writes RUNS/GRID/report.md and its pictures, and prints the table.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from ecg import LeadwiseError
from ecg.leads import LEAD_SETS
from experiments.cells import cells_of, run_cells
from experiments.grids import GRIDS, Grid, find_grid, narrowed
from experiments.tables import write_report


def main() -> None:
    """Run the command."""
    options = parser().parse_args()
    commands: dict[str, Callable[[argparse.Namespace], None]] = {
        "list": list_grids, "run": run, "report": report,
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
    one = commands.add_parser("report", help="one table and one set of pictures of a grid")
    one.add_argument("grid", metavar="GRID")
    one.add_argument("runs", metavar="RUNS", type=Path)
    return made


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
