"""DualNet's grids in 2017's measures, and its worst errors in pictures.

    python -m experiments.dualnet2017 report GRID RUNS
    python -m experiments.dualnet2017 errors RECORDS OUTPUTS FOLDER

`report` writes a table of docs/results.md from the cells of `python -m experiments run` that are
done; `errors` draws, for the answers that `run_model.py` left in OUTPUTS, the commonest kinds of
error on the labelled RECORDS.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from docs.generate import write_tables
from ecg import LeadwiseError
from ecg.files import aside, make_folder
from ecg.labels import AF_LETTERS, label_matrix
from ecg.plots import plot_record
from ecg.records import read_record
from ecg.reference import FILE, read_reference
from experiments.cells import Cell, cells_done
from experiments.grids import Grid, find_grid
from experiments.outputs import RESAMPLES
from experiments.runs import ROOT, place
from experiments.tables import parameters
from models.folder import read_model
from scoring.af import AfScores, score
from scoring.bootstrap import intervals
from scoring.outputs import read_outputs

CLASSES = [(letter,) for letter in AF_LETTERS]
HEAD = (
    "| network | seed | best epoch | chosen by | accuracy (95 %) | F1 over N, A, O, ~ (95 %) | "
    "F1 over N, A, O | published accuracy | parameters | minutes |"
)
KINDS, EXAMPLES, ROWS, ROW_S = 3, 2, 3, 10


@dataclass(frozen=True, eq=False)
class Answered:
    """Labels and probabilities of records, (records, 4) in the order of `AF_LETTERS`."""

    names: tuple[str, ...]
    labels: np.ndarray
    probabilities: np.ndarray

    @property
    def answers(self) -> np.ndarray:
        """Give each record its most probable class, (records, 4) of bool."""
        return np.eye(len(AF_LETTERS), dtype=bool)[self.probabilities.argmax(1)]

    @property
    def scores(self) -> AfScores:
        """Score the answers."""
        return score(self.labels, self.answers)


class Kind(NamedTuple):
    """A kind of error: how many records of a label get an answer, and the surest of them."""

    label: str
    answer: str
    records: int
    surest: list[int]  # places of records


def read_answered(records: Path, outputs: Path) -> Answered:
    """Read a folder's REFERENCE.csv and the outputs on its records.

    Raises
    ------
    LeadwiseError
        One of them cannot be read, or a record has no output file.
    """
    letters, _ = read_reference(records / FILE)
    files = [outputs / f"{name}.csv" for name in letters]
    if missing := [file.name for file in files if not file.is_file()]:
        raise LeadwiseError(f"{outputs}: lacks {len(missing)} files, the first {missing[0]}")
    said = read_outputs([str(file) for file in files], CLASSES)
    labels = label_matrix([[letter] for letter in letters.values()], AF_LETTERS)
    return Answered(tuple(letters), labels, said.probabilities)


def ends(answered: Answered) -> np.ndarray:
    """Compute 95 % intervals of accuracy and four-class F1 by bootstrap, shape (2, 2)."""
    four = len(AF_LETTERS)
    kind = answered.labels.argmax(1) * four + answered.answers.argmax(1)
    kinds = np.eye(four * four)[kind]

    def scores(times: np.ndarray) -> np.ndarray:
        confusion = (times @ kinds).reshape(-1, four, four)
        right = np.diagonal(confusion, axis1=1, axis2=2)
        named = confusion.sum(1) + confusion.sum(2)
        f1 = np.where(named > 0, 2 * right / np.maximum(named, 1), np.nan)
        return np.stack([right.sum(1) / times.sum(1), np.nanmean(f1, 1)], 1)

    return intervals(scores, len(kinds), RESAMPLES, np.random.default_rng(0))


def rows(grid: Grid, runs: Path) -> Iterator[str]:
    """Write a grid's table: a row a cell, and one for the mean answer of all cells of a fold.

    Raises
    ------
    LeadwiseError
        No cell is done, or one cannot be read.
    """
    done = [cell for cell in cells_done(runs, grid.name) if cell.variant in grid.recipes]
    if not done:
        raise LeadwiseError(f"{runs / grid.name}: no cell of this grid is done; run it first")
    order = list(grid.recipes)
    done.sort(key=lambda cell: (order.index(cell.variant), cell.report, cell.seed))
    yield HEAD
    yield "| " + " | ".join(["---"] * (HEAD.count("|") - 1)) + " |"
    by_fold: dict[str, list[Answered]] = {}
    for cell in done:
        answered = read_answered(place(runs, (cell.report,)), cell.outputs(runs))
        by_fold.setdefault(cell.report, []).append(answered)
        yield _row(grid, cell, runs, answered)
    for fold, some in by_fold.items():
        if len(some) > 1:
            mean = np.mean([each.probabilities for each in some], 0)
            together = Answered(some[0].names, some[0].labels, mean)
            yield f"| mean of these {len(some)}, fold {fold} | | | | {_said(together)} | – | | |"


def _row(grid: Grid, cell: Cell, runs: Path, answered: Answered) -> str:
    model = read_model(cell.place(runs) / "model")
    (entry,) = model.lead_sets
    select = model.recipe.select
    published = grid.published.get((cell.variant, cell.leads))
    size = parameters(model.recipe, entry.leads, len(model.classes))
    return (
        f"| {cell.variant} | {cell.seed} | {entry.epoch} of {cell.epochs} | "
        f"{select.removeprefix('af_')} {entry.scores[select]:.3f} | {_said(answered)} | "
        f"{'–' if published is None else f'{published:.3f}'} | {size:,} | "
        f"{model.training['minutes']:.0f} |"
    )


def _said(answered: Answered) -> str:
    scores, (low, high) = answered.scores, ends(answered)
    return (
        f"{scores.accuracy:.3f} ({low[0]:.3f} to {high[0]:.3f}) | "
        f"{scores.f1_four:.3f} ({low[1]:.3f} to {high[1]:.3f}) | {scores.f1_three:.3f}"
    )


def kinds_of_error(answered: Answered) -> list[Kind]:
    """Find the commonest kinds of error, and of each the records of which the model was surest."""
    wrong = answered.scores.confusion.copy()
    np.fill_diagonal(wrong, 0)
    label, answer = answered.labels.argmax(1), answered.answers.argmax(1)
    found = []
    for flat in np.argsort(-wrong, axis=None, kind="stable")[:KINDS]:
        row, column = divmod(int(flat), len(AF_LETTERS))
        places = np.flatnonzero((label == row) & (answer == column) & (row != column))
        surest = places[np.argsort(-answered.probabilities[places, column], kind="stable")]
        if len(places):
            found.append(
                Kind(
                    AF_LETTERS[row], AF_LETTERS[column], len(places), surest[:EXAMPLES].tolist()
                )
            )  # fmt: skip
    return found


def draw_errors(records: Path, outputs: Path, out: Path) -> list[str]:
    """Draw the commonest kinds of error, thirty seconds a record, and list them in `errors.md`.

    Raises
    ------
    LeadwiseError
        Records and outputs do not fit each other, or the folder cannot be written.
    """
    answered = read_answered(records, outputs)
    make_folder(out)
    lines = ["| label | answer | records | picture of | probability of the answer |",
             "| --- | --- | --- | --- | --- |"]  # fmt: skip
    for kind in kinds_of_error(answered):
        for at in kind.surest:
            name, sure = answered.names[at], float(answered.probabilities[at].max())
            record = read_record(records / f"{name}.hea")
            length = int(ROW_S * record.fs)
            shown = record.signal[0, : ROWS * length]
            shown = np.pad(shown, (0, -len(shown) % length), constant_values=np.nan)
            strips = shown.reshape(-1, length)
            picture = f"{name}.png"
            plot_record(
                out / picture, strips, [f"{ROW_S * row} s" for row in range(len(strips))],
                record.fs, title=f"{name}: labelled {kind.label}, answered {kind.answer}",
                note=f"probability {sure:.2f}; {record.signal.shape[1] / record.fs:.0f} s",
            )  # fmt: skip
            lines.append(
                f"| {kind.label} | {kind.answer} | {kind.records} | [{name}]({picture}) | "
                f"{sure:.2f} |"
            )
    with aside(out / "errors.md") as draft:
        draft.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return lines


def main(words: Sequence[str] | None = None) -> None:
    """Run the command."""
    options = _parser().parse_args(words)
    try:
        if options.what == "errors":
            lines = draw_errors(options.records, options.outputs, options.folder)
        else:
            lines = list(rows(find_grid(options.grid), options.runs.resolve()))
            write_tables(ROOT / "docs" / "results.md", {options.grid: iter(lines)})
    except (LeadwiseError, OSError) as error:
        sys.exit(f"Error: {error}")
    print("\n".join(lines))


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m experiments.dualnet2017", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    commands = made.add_subparsers(required=True, dest="what", metavar="COMMAND")
    report = commands.add_parser("report", help="a grid's table in docs/results.md")
    report.add_argument("grid", metavar="GRID")
    report.add_argument("runs", metavar="RUNS", type=Path, help="where the grid has run")
    errors = commands.add_parser("errors", help="pictures of the commonest kinds of error")
    errors.add_argument("records", metavar="RECORDS", type=Path, help="labelled records")
    errors.add_argument("outputs", metavar="OUTPUTS", type=Path, help="what the model answered")
    errors.add_argument("folder", metavar="FOLDER", type=Path, help="folder to write to")
    return made


if __name__ == "__main__":
    main()
