"""DualNet's grids in 2017's measures, and its worst errors in pictures.

    python -m experiments.dualnet2017 report GRID RUNS
    python -m experiments.dualnet2017 errors RECORDS OUTPUTS FOLDER

`report` writes a table of docs/results.md from the cells of `python -m experiments run` that are
done; `errors` draws, for the answers that `run_model.py` left in OUTPUTS, the commonest kinds of
error on the labelled RECORDS, and measures their rhythm beside that of right answers.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datasets.reference import FILE, read_reference
from docs.generate import write_tables
from ecg import LeadwiseError
from ecg.beats import detect, heart_rate, rr
from ecg.files import atomic_write, make_folder
from ecg.labels import AF_LETTERS, label_matrix
from ecg.plots import plot_record
from ecg.records import Record, read_record
from experiments.cells import Cell, cells_done
from experiments.grids import Grid, find_grid
from experiments.outputs import RESAMPLES, spread
from experiments.runs import ROOT, place
from experiments.tables import parameters
from models.folder import ModelFolder, read_model
from scoring.bootstrap import intervals
from scoring.measures import macro, ratio
from scoring.outputs import read_outputs

HEAD = (
    "| network | seed | best epoch | chosen by | accuracy (95 %) | F1 over all classes (95 %) | "
    "F1 over N, A, O | published accuracy | parameters | minutes |"
)
KINDS, EXAMPLES, ROWS, ROW_S = 3, 2, 3, 10
EARLY = 0.85  # of the median RR interval; what is shorter is early


@dataclass(frozen=True, eq=False)
class Answered:
    """Labels (bool) and probabilities of records, (records, classes), and the model's answers.

    Answers are places of classes, (records,): its decision need not take the likeliest.
    """

    classes: tuple[str, ...]
    names: tuple[str, ...]
    labels: np.ndarray
    probabilities: np.ndarray
    answers: np.ndarray

    @property
    def pairs(self) -> np.ndarray:
        """Tell which kind each record is, label and answer: (records, classes²)."""
        kind = self.labels.argmax(1) * len(self.classes) + self.answers
        return np.eye(len(self.classes) ** 2)[kind]

    @property
    def confusion(self) -> np.ndarray:
        """Count the records, (classes, classes): a row a label, a column an answer."""
        return self._square(self.pairs.sum(0))

    def scores(self, times: np.ndarray | None = None) -> np.ndarray:
        """Compute accuracy, macro F1 and F1 over N, A, O: (resamples, 3), NaN without these.

        Parameters
        ----------
        times : np.ndarray, shape (resamples, records), optional
            How often each record counts; by default once.
        """
        counted = np.ones((1, len(self.names))) if times is None else times
        confusion = self._square(counted @ self.pairs)
        right, named = np.diagonal(confusion, 0, 1, 2), confusion.sum(1) + confusion.sum(2)
        f1 = ratio(2 * right, named)
        three = f1[:, :3] if self.classes == AF_LETTERS else f1[:, :0]
        return np.stack([right.sum(1) / counted.sum(1), macro(f1), macro(three)], 1)

    def _square(self, kinds: np.ndarray) -> np.ndarray:
        return kinds.reshape(*kinds.shape[:-1], len(self.classes), len(self.classes))


class Kind(NamedTuple):
    """A kind of error: how many records of a label get an answer, and the surest of them."""

    label: str
    answer: str
    records: int
    surest: list[int]  # places of records


def read_answered(records: Path, outputs: Path, classes: tuple[str, ...] = AF_LETTERS) -> Answered:
    """Read a folder's REFERENCE.csv and the outputs on its records; no answer counts as noise.

    Raises
    ------
    LeadwiseError
        One of them cannot be read, or a record has no output file.
    """
    letters, _ = read_reference(records / FILE)
    files = [outputs / f"{name}.csv" for name in letters]
    if missing := [file.name for file in files if not file.is_file()]:
        raise LeadwiseError(f"{outputs}: lacks {len(missing)} files, the first {missing[0]}")
    said = read_outputs([str(file) for file in files], [tuple(each.split("|")) for each in classes])
    labels = label_matrix([[letter] for letter in letters.values()], classes)
    noise = ["~" in each for each in classes].index(True)
    answers = np.where(said.outputs.any(1), said.outputs.argmax(1), noise)
    return Answered(classes, tuple(letters), labels, said.probabilities, answers)


def rows(grid: Grid, runs: Path) -> Iterator[str]:
    """Write a grid's table: a row a cell, and of cells that differ by their seed two more.

    These are mean and range of their scores, and the scores of their mean answer, an ensemble.

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
    for (variant, report), alike in groupby(done, lambda cell: (cell.variant, cell.report)):
        some: list[Answered] = []
        for cell in alike:
            model = read_model(cell.place(runs) / "model")
            records = place(runs, (report,))
            some.append(read_answered(records, cell.outputs(runs), tuple(model.classes)))
            yield _row(grid, cell, model, some[-1])
        if len(some) > 1:
            yield from _together(variant, some)


def _together(variant: str, some: Sequence[Answered]) -> Iterator[str]:
    """Sum up cells that differ by their seed: their scores, and what they answer together."""
    scores = np.array([each.scores()[0] for each in some])
    accuracy, f1, three = (
        "–" if np.isnan(column).any() else spread(column.tolist()) for column in scores.T
    )
    name = f"| {variant}, {len(some)} seeds"
    yield f"{name}: mean and range | | | | {accuracy} | {f1} | {three} | – | | |"
    mean = np.mean([each.probabilities for each in some], 0)
    ensemble = replace(some[0], probabilities=mean, answers=mean.argmax(1))
    yield f"{name}: their mean answer | | | | {_said(ensemble)} | – | | |"


def _row(grid: Grid, cell: Cell, model: ModelFolder, answered: Answered) -> str:
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
    accuracy, f1, three = answered.scores()[0]
    generator = np.random.default_rng(0)
    ends = intervals(answered.scores, len(answered.names), RESAMPLES, generator)
    (low, low_f1), (high, high_f1) = ends[:, :2]
    return (
        f"{accuracy:.3f} ({low:.3f} to {high:.3f}) | {f1:.3f} ({low_f1:.3f} to {high_f1:.3f}) | "
        f"{'–' if np.isnan(three) else f'{three:.3f}'}"
    )


def kinds_of_error(answered: Answered) -> list[Kind]:
    """Find the commonest kinds of error, and of each the records of which the model was surest."""
    wrong = answered.confusion
    np.fill_diagonal(wrong, 0)
    label, answer = answered.labels.argmax(1), answered.answers
    found = []
    for flat in np.argsort(-wrong, axis=None, kind="stable")[:KINDS]:
        row, column = divmod(int(flat), len(answered.classes))
        places = np.flatnonzero((label == row) & (answer == column) & (row != column))
        surest = places[np.argsort(-answered.probabilities[places, column], kind="stable")]
        if len(places):
            names = answered.classes[row], answered.classes[column]
            found.append(Kind(*names, len(places), surest[:EXAMPLES].tolist()))
    return found


def rhythm(record: Record) -> tuple[float, float, float]:
    """Measure heart rate (1/min), early beats, and the median change of RR from beat to beat.

    The change is a share of the median interval; what cannot be measured is NaN.
    """
    r_peaks = detect(record.signal[:1], record.fs)
    intervals = rr(r_peaks, record.fs)
    if len(intervals) < 2:
        return (np.nan,) * 3
    usual = np.median(intervals)
    change = np.median(np.abs(np.diff(intervals))) / usual
    return heart_rate(r_peaks, record.fs), float((intervals < EARLY * usual).sum()), float(change)


def in_common(answered: Answered, rhythms: np.ndarray) -> Iterator[str]:
    """Write a table of the commonest kinds of error, and below them of what was answered right.

    Parameters
    ----------
    rhythms : np.ndarray, shape (records, 3)
        Of `rhythm`.
    """
    yield ("| label | answer | records | heart rate | early beats | RR, from beat to beat | "
           "probability of the answer |")  # fmt: skip
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    label = answered.labels.argmax(1)
    pairs = [(kind.label, kind.answer) for kind in kinds_of_error(answered)]
    for first, second in [*pairs, *((name, name) for name in answered.classes)]:
        row, column = answered.classes.index(first), answered.classes.index(second)
        of_it = (label == row) & (answered.answers == column)
        if not of_it.any():
            continue
        measured = rhythms[of_it & np.isfinite(rhythms).all(1)]
        rate, early, change = np.median(measured, 0) if len(measured) else np.full(3, np.nan)
        sure = np.median(answered.probabilities[of_it, column])
        yield (f"| {first} | {second} | {of_it.sum()} | {rate:.0f} | {early:.0f} | "
               f"± {100 * change:.1f} % | {sure:.2f} |")  # fmt: skip


def draw_errors(records: Path, outputs: Path, out: Path) -> list[str]:
    """Draw the commonest kinds of error, thirty seconds a record; `errors.md` has these in tables.

    Raises
    ------
    LeadwiseError
        Records and outputs do not fit each other, or the folder cannot be written.
    """
    answered = read_answered(records, outputs)
    make_folder(out)
    rhythms = np.array([rhythm(read_record(records / f"{name}.hea")) for name in answered.names])
    lines = [*in_common(answered, rhythms), "",
             "| label | answer | picture of | probability of the answer |",
             "| --- | --- | --- | --- |"]  # fmt: skip
    for kind in kinds_of_error(answered):
        for at in kind.surest:
            name = answered.names[at]
            sure = float(answered.probabilities[at, answered.answers[at]])
            title = f"{name}: labelled {kind.label}, answered {kind.answer}"
            _draw(read_record(records / f"{name}.hea"), out / f"{name}.png", title, sure)
            lines.append(f"| {kind.label} | {kind.answer} | [{name}]({name}.png) | {sure:.2f} |")
    with atomic_write(out / "errors.md") as draft:
        draft.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return lines


def _draw(record: Record, path: Path, title: str, sure: float) -> None:
    length = int(ROW_S * record.fs)
    shown = record.signal[0, : ROWS * length]
    shown = np.pad(shown, (0, -len(shown) % length), constant_values=np.nan)
    strips = shown.reshape(-1, length)
    plot_record(
        path, strips, [f"{ROW_S * row} s" for row in range(len(strips))], record.fs, title=title,
        note=f"probability {sure:.2f}; {record.signal.shape[1] / record.fs:.0f} s",
    )  # fmt: skip


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
