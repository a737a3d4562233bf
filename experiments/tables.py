"""The report of a study: one table of the cells that are done, further tables, and pictures."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from statistics import mean

from docs.generate import write_tables
from ecg import LeadwiseError
from ecg.files import atomic_write
from ecg.labels import CODES
from experiments.cells import Cell, cells_done
from experiments.charts import plot_lines
from experiments.grids import Grid
from experiments.outputs import (
    MEASURES,
    NO,
    Scored,
    measured,
    paired_gain,
    read_scored,
    signed,
    spread,
    table,
)
from experiments.runs import fold_path
from models.classifier import build
from models.folder import ModelFolder, TrainedSet, read_model
from models.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Result:
    """A lead set of a cell that is done."""

    cell: Cell
    model: ModelFolder
    entry: TrainedSet
    runs: Path

    @property
    def size(self) -> int:
        """Number of leads."""
        return len(self.entry.leads)

    @cached_property
    def test(self) -> Scored:
        """The test fold."""
        return self.scored(self.cell.test)

    @cached_property
    def validation(self) -> Scored:
        """The validation fold.

        Raises
        ------
        LeadwiseError
            The cell has none: it validated on a quarter of its training records.
        """
        if not self.cell.validation:
            raise LeadwiseError(f"{self.cell.name}: has no validation fold, and so no such table")
        return self.scored(self.cell.validation)

    def scored(self, fold: str) -> Scored:
        """Read labels and outputs of a fold."""
        classes = self.model.classes
        # Recipes may have classes of their own; the Challenge scores its 26.
        own = classes if not all(name.isdigit() for name in classes) else CODES
        outputs = self.cell.outputs(self.runs, fold, self.size)
        return read_scored(self.records(fold), outputs, own)

    def records(self, fold: str) -> Path:
        """Give a fold's data folder."""
        return fold_path(self.runs, (fold,))

    @property
    def parameters(self) -> int:
        """Number of the network's parameters."""
        return parameters(self.model.recipe, self.entry.leads, len(self.model.classes))

    @property
    def validation_score(self) -> tuple[str, float]:
        """Name and value of the metric that chose the epoch."""
        metric = self.model.recipe.select
        return metric, self.entry.scores[metric]

    @property
    def curve(self) -> list[tuple[float, float]]:
        """Validation score per epoch."""
        with open(self.model.path / "history.tsv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        own = [row for row in rows if row["lead_set"] == f"{self.size} leads"]
        return [(float(row["epoch"]), float(row["score"])) for row in own]

    @property
    def key(self) -> tuple[str, int, str, int]:
        """Variant, leads, test fold and seed."""
        return self.cell.variant, self.size, self.cell.test, self.cell.seed


@cache
def parameters(recipe: Recipe, leads: tuple[str, ...], classes: int) -> int:
    """Count the parameters of a recipe's network for a lead set."""
    return sum(weights.numel() for weights in build(recipe, leads, classes).parameters())


def read_results(grid: Grid, runs: Path) -> list[Result]:
    """Read the cells of a grid that are done, in the order of its recipes.

    Raises
    ------
    LeadwiseError
        No cell is done, or one cannot be read.
    """
    cells = [cell for cell in cells_done(runs, grid.name) if cell.variant in grid.recipes]
    if not cells:
        raise LeadwiseError(f"{runs / grid.name}: no cell of this study is done; run it first")
    results = [result for cell in cells for result in results_of(cell, runs)]
    order = list(grid.recipes)
    return sorted(
        results, key=lambda r: (order.index(r.cell.variant), -r.size, r.cell.test, r.cell.seed)
    )


def results_of(cell: Cell, runs: Path) -> list[Result]:
    """Read the lead sets of a cell."""
    model = read_model(cell.path(runs) / "model")
    return [Result(cell, model, entry, runs) for entry in model.lead_sets]


def by_seed(results: Sequence[Result]) -> dict[tuple[str, int, str], list[Result]]:
    """Group results that differ by seed only."""
    groups: dict[tuple[str, int, str], list[Result]] = {}
    for result in results:
        groups.setdefault(result.key[:3], []).append(result)
    return groups


def main_table(grid: Grid, results: Sequence[Result], on: str = "test") -> list[str]:
    """Make the table: one row per cell and lead set, and one per group of seeds.

    Gains are over the first variant with the same leads, fold and seed; those of the first variant
    are over its most leads.

    Parameters
    ----------
    on : str
        `test` or `validation`: the fold that is scored.
    """
    titles = [f"{MEASURES[name].title} (95 %)" for name in grid.measures]
    head = ["variant", "leads", "fold", "seed", "best epoch", "validation", *titles, "gain",
            "published", "parameters", "minutes"]  # fmt: skip
    rows = [row for group in by_seed(results).values() for row in _rows(grid, results, group, on)]
    return table(" | ".join(head), [" | ".join(row) for row in rows])


def _rows(
    grid: Grid, results: Sequence[Result], group: Sequence[Result], on: str
) -> Iterator[list[str]]:
    """Make the rows of results that differ by seed."""
    cell, size = group[0].cell, group[0].size
    published = grid.published.get((cell.variant, size))
    known = NO if published is None else f"{published:.3f}"
    fixed = [cell.variant, str(size), getattr(cell, on)]
    gains, values = [], []
    for result in group:
        scored, base = getattr(result, on), _reference(grid, results, result)
        gain = base and paired_gain(getattr(base, on), scored, grid.measures[0])
        gains += [gain.gain] if gain else []
        values.append([measured(scored, name) for name in grid.measures])
        metric, score = result.validation_score
        yield [
            *fixed, str(result.cell.seed), f"{result.entry.epoch} of {result.cell.epochs}",
            f"{metric} {score:.3f}", *map(str, values[-1]), str(gain or NO), known,
            f"{result.parameters:,}", f"{result.model.training['minutes']:.0f}",
        ]  # fmt: skip
    if len(group) > 1:
        gained = f"{signed(mean(gains))} ({signed(min(gains))} to {signed(max(gains))})" \
            if len(gains) == len(group) else NO  # fmt: skip
        scores = [spread([value.value for value in of]) for of in zip(*values, strict=True)]
        validation = spread([result.validation_score[1] for result in group])
        yield [*fixed, f"**mean and range of {len(group)}**", "", validation, *scores, gained,
               known, "", ""]  # fmt: skip


def _reference(grid: Grid, results: Sequence[Result], result: Result) -> Result | None:
    """Find the result that a gain is measured against."""
    first = next(iter(grid.recipes))
    variant, size, *rest = result.key
    key = (first, 12 if variant == first else size, *rest)
    return next((each for each in results if each.key == key and each is not result), None)


def write_report(grid: Grid, runs: Path, *, on: str = "test", page: Path | None = None) -> str:
    """Write RUNS/STUDY/report.md and its pictures, and return the text.

    Parameters
    ----------
    on : str
        `validation`: score the validation fold only, without the study's further tables.
    page : Path, optional
        A Markdown page: each of the tables is also written between its marks there.

    Raises
    ------
    LeadwiseError
        No cell of the grid is done, or the page has no mark of these tables.
    """
    from experiments.sections import SECTIONS

    results, here = read_results(grid, runs), runs / grid.name
    tables = {grid.name: main_table(grid, results, on)}
    pictures = draw(grid, results, here) if on == "test" else []
    for name in grid.sections if on == "test" else ():
        tables[f"{grid.name}-{name}"] = SECTIONS[name](grid, results, here)
    if page:
        text = page.read_text(encoding="utf-8")
        marked = {name: rows for name, rows in tables.items() if f"<!-- {name} -->" in text}
        if not marked:
            raise LeadwiseError(f"{page}: has no mark <!-- {grid.name} --> for the table")
        write_tables(page, marked)
    limits = {result.cell.records for result in results}
    records = ", ".join("all" if each is None else f"the first {each}" for each in limits)
    lines = [
        f"# {grid.name}: {grid.summary}", "",
        f"Scored fold: {on}.  Training records: {records}.  Minutes are for all lead sets of a "
        "cell.  Gains are over the first variant with the same leads, fold and seed, and for that "
        "variant over its 12 leads, ± their standard error.", "",
        *tables.pop(grid.name), "",
        *([f"Published: {grid.source}.", ""] if grid.source else []),
        *(line for name, rows in tables.items() for line in (f"## {name}", "", *rows, "")),
        *(f"![{name}]({name})" for name in pictures),
    ]  # fmt: skip
    text = "\n".join(lines) + "\n"
    with atomic_write(here / "report.md") as draft:
        draft.write_text(text, encoding="utf-8")
    return text


def draw(grid: Grid, results: Sequence[Result], here: Path) -> list[str]:
    """Draw learning curves and scores by lead set, and return the files' names."""
    groups: dict[tuple[str, int], list[Result]] = {}
    for result in results:
        groups.setdefault(result.key[:2], []).append(result)
    several = len({size for _, size in groups}) > 1
    names = {key: f"{key[0]}, {key[1]} leads" if several else key[0] for key in groups}
    plot_lines(
        here / "epochs.png",
        {names[key]: [result.curve for result in group] for key, group in groups.items()},
        title=f"{grid.name}: validation", x_name="epoch", y_name=results[0].validation_score[0],
    )  # fmt: skip
    if several:
        _draw_lead_sets(grid, groups, here / "leads.png")
    return ["epochs.png", *["leads.png"] * several]


def _draw_lead_sets(grid: Grid, groups: dict[tuple[str, int], list[Result]], path: Path) -> None:
    """Draw each variant's change from the most leads, ours and published."""
    measure = MEASURES[grid.measures[0]]
    means = {
        key: mean(float(measure.of(result.test, None)) for result in group)
        for key, group in groups.items()
    }
    sizes = sorted({size for _, size in means}, reverse=True)
    positions = {size: float(index) for index, size in enumerate(sizes)}

    def changes(scores: dict[tuple[str, int], float]) -> dict[str, list[tuple[float, float]]]:
        return {
            name: [(positions[size], scores[name, size] - scores[name, sizes[0]])
                   for size in sizes if (name, size) in scores]
            for name in grid.recipes if (name, sizes[0]) in scores
        }  # fmt: skip

    plot_lines(
        path, {name: [line] for name, line in changes(means).items()},
        title=f"{grid.name}: change from {sizes[0]} leads", x_name="leads",
        y_name=f"change of the {measure.title}",
        ticks={position: str(size) for size, position in positions.items()},
        dashed=changes({key: grid.published[key] for key in means if key in grid.published}),
    )  # fmt: skip
