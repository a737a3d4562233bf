"""Reports: what the cells of a grid that are done say, as one table and one set of pictures.

Scores are the Challenge metric of the fold that nobody chose on, with what the model itself
decided and an interval of 95 % by bootstrap of its records; beside it stand the validation part's,
on which the epoch was chosen, and the published one.  Gains are paired: both sides see the same
resamples.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import mean

from ecg import LeadwiseError
from ecg.files import atomic_write
from experiments.cells import Cell, cells_done
from experiments.charts import Point, plot_lines, plot_points
from experiments.grids import Grid
from experiments.outputs import (
    Decided,
    Scored,
    paired_gain,
    read_scored,
    scores_of,
    signed,
    spread,
    with_interval,
)
from experiments.runs import place
from models.classifier import build
from models.folder import read_model
from models.recipe import Recipe

HEAD = (
    "| variant | leads | fold | seed | best epoch | validation | score (95 %) | gain | published | "
    "parameters | minutes |"
)
NO = "–"
TOLD_APART = 1.05  # networks whose numbers of parameters differ less are no picture


@dataclass(frozen=True, eq=False)
class Result:
    """A cell that is done."""

    cell: Cell
    epoch: int  # the best
    validation: float
    scored: Scored
    scores: Decided
    parameters: int
    minutes: float
    curve: list[tuple[float, float]]  # epoch, validation score


def read_results(grid: Grid, runs: Path) -> list[Result]:
    """Read the cells of a grid that are done, in the order of its recipes.

    Raises
    ------
    LeadwiseError
        None is, one cannot be read, or the Challenge metric is not for them.
    """
    if grid.leads == (1,):
        raise LeadwiseError(
            f"{grid.name} is scored as in 2017: python -m experiments.dualnet2017 report "
            f"{grid.name} {runs}"
        )
    cells = [cell for cell in cells_done(runs, grid.name) if cell.variant in grid.recipes]
    if not cells:
        raise LeadwiseError(f"{runs / grid.name}: no cell of this grid is done; run it first")
    order = list(grid.recipes)
    cells.sort(key=lambda cell: (order.index(cell.variant), -cell.leads, cell.report, cell.seed))
    return [read_result(cell, runs) for cell in cells]


def read_result(cell: Cell, runs: Path) -> Result:
    """Read and score a cell that is done.

    Raises
    ------
    LeadwiseError
        It cannot be read.
    """
    model = read_model(cell.place(runs) / "model")
    (entry,) = model.lead_sets
    scored = read_scored(place(runs, (cell.report,)), cell.outputs(runs))
    with open(model.path / "history.tsv", newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    return Result(
        cell, entry.epoch, entry.scores[model.recipe.select], scored,
        scores_of(scored.labels, scored.outputs, scored.probabilities),
        parameters(model.recipe, entry.leads, len(model.classes)), model.training["minutes"],
        [(float(row["epoch"]), float(row["score"])) for row in rows],
    )  # fmt: skip


@cache
def parameters(recipe: Recipe, leads: tuple[str, ...], classes: int) -> int:
    """Count what a recipe's network learns for a lead set."""
    return sum(weights.numel() for weights in build(recipe, leads, classes).parameters())


def rows(grid: Grid, results: Sequence[Result]) -> Iterator[str]:
    """Write the table: a row a cell, and one for the seeds of cells that are else alike."""
    yield HEAD
    yield "| " + " | ".join(["---"] * (HEAD.count("|") - 1)) + " |"
    by_cell = {_key(result.cell): result for result in results}
    alike: dict[tuple[str, int, str], list[Result]] = {}
    for result in results:
        cell = result.cell
        alike.setdefault((cell.variant, cell.leads, cell.report), []).append(result)
    for (variant, leads, fold), some in alike.items():
        published = grid.published.get((variant, leads))
        said = NO if published is None else f"{published:.3f}"
        gains = []
        for result in some:
            base = by_cell.get(_key(_reference(grid, result.cell)))
            gained = NO
            if base and base is not result:
                found = paired_gain(
                    result.scored.labels, base.scored.outputs, result.scored.outputs
                )
                gains.append(found.gain)
                gained = str(found)
            yield (
                f"| {variant} | {leads} | {fold} | {result.cell.seed} | {result.epoch} | "
                f"{result.validation:.3f} | {with_interval(result.scores)} | {gained} | {said} | "
                f"{result.parameters:,} | {result.minutes:.0f} |"
            )
        if len(some) > 1:
            validation = spread([result.validation for result in some])
            score = spread([result.scores.metric for result in some])
            gained = _range(gains) if len(gains) == len(some) else NO
            yield (
                f"| {variant} | {leads} | {fold} | **mean and range of {len(some)}** | | "
                f"{validation} | {score} | {gained} | {said} | | |"
            )


def _range(gains: Sequence[float]) -> str:
    return f"{signed(mean(gains))} ({signed(min(gains))} to {signed(max(gains))})"


def _key(cell: Cell) -> tuple[str, int, str, int]:
    return cell.variant, cell.leads, cell.report, cell.seed


def _reference(grid: Grid, cell: Cell) -> Cell:
    """Name the cell that a gain is measured against."""
    first = next(iter(grid.recipes))
    values = vars(cell) | ({"leads": 12} if cell.variant == first else {"variant": first})
    return Cell(**values)


def write_report(grid: Grid, runs: Path) -> str:
    """Write table and pictures into the grid's folder; give the table's page.

    Raises
    ------
    LeadwiseError
        No cell of the grid is done.
    """
    results = read_results(grid, runs)
    here = runs / grid.name
    pictures = draw(grid, results, here)
    epochs = sorted({result.cell.epochs for result in results})
    limits = {result.cell.records for result in results}
    records = ", ".join("all" if each is None else f"the first {each}" for each in limits)
    lines = [
        f"# {grid.name}: {grid.summary}", "",
        f"Cells done: {len(results)}.  Epochs at most: {', '.join(map(str, epochs))}.  Records to "
        f"learn from: {records}.  Gains are over the first variant of the same leads, fold "
        "and seed, and of that variant over its 12 leads, ± their standard error.", "",
        *rows(grid, results), "",
        *([f"Published: {grid.source}.", ""] if grid.source else []),
        *(f"![{name}]({name})" for name in pictures),
    ]  # fmt: skip
    page = "\n".join(lines) + "\n"
    with atomic_write(here / "report.md") as draft:
        draft.write_text(page, encoding="utf-8")
    return page


def draw(grid: Grid, results: Sequence[Result], here: Path) -> list[str]:
    """Draw what there is to draw, and name the pictures."""
    grouped: dict[tuple[str, int], list[Result]] = {}
    for result in results:
        grouped.setdefault((result.cell.variant, result.cell.leads), []).append(result)
    several = len({leads for _, leads in grouped}) > 1
    names = {key: f"{key[0]}, {key[1]} leads" if several else key[0] for key in grouped}
    made = ["epochs.png"]
    plot_lines(
        here / "epochs.png",
        {names[key]: [result.curve for result in some] for key, some in grouped.items()},
        title=f"{grid.name}: validation part", x_name="epoch", y_name="Challenge metric",
    )  # fmt: skip
    sizes = [result.parameters for result in results]
    if max(sizes) > TOLD_APART * min(sizes):
        made.append("parameters.png")
        points = {names[key]: _point(grid, key, some) for key, some in grouped.items()}
        plot_points(
            here / "parameters.png", points, title=f"{grid.name}: fold not chosen on",
            x_name="parameters, millions", y_name="Challenge metric",
        )  # fmt: skip
    if several:
        made.append("leads.png")
        draw_lead_sets(grid, grouped, here / "leads.png")
    return made


def _point(grid: Grid, key: tuple[str, int], some: Sequence[Result]) -> Point:
    """Place cells that differ by seed and fold; of one cell the range is its interval."""
    metrics = [result.scores.metric for result in some]
    low, high = (min(metrics), max(metrics)) if len(some) > 1 else some[0].scores.interval
    published = grid.published.get(key, float("nan"))
    return Point(some[0].parameters / 1e6, mean(metrics), low, high, published)


def draw_lead_sets(grid: Grid, grouped: dict[tuple[str, int], list[Result]], path: Path) -> None:
    """Draw what each variant's score loses from its largest lead set on, ours and published."""
    sizes = sorted({leads for _, leads in grouped}, reverse=True)
    at = {size: float(place) for place, size in enumerate(sizes)}
    ours: dict[str, dict[int, float]] = {}
    published: dict[str, dict[int, float]] = {}
    for (variant, size), some in grouped.items():
        ours.setdefault(variant, {})[size] = mean(result.scores.metric for result in some)
        if (variant, size) in grid.published:
            published.setdefault(variant, {})[size] = grid.published[variant, size]
    plot_lines(
        path, {name: [_drops(scores, at)] for name, scores in ours.items() if sizes[0] in scores},
        title=f"{grid.name}: change from {sizes[0]} leads", x_name="leads",
        y_name="change of the Challenge metric",
        ticks={place: str(size) for size, place in at.items()},
        dashed={n: _drops(scores, at) for n, scores in published.items() if sizes[0] in scores},
    )  # fmt: skip


def _drops(scores: dict[int, float], at: dict[int, float]) -> list[tuple[float, float]]:
    whole = scores[max(scores)]
    return [(at[size], scores[size] - whole) for size in sorted(scores, reverse=True)]
