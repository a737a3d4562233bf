"""The report of a study: one table of the cells that are done, further tables, and pictures."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean

import numpy as np

from docs.generate import table, write_tables
from ecg import LeadwiseError
from ecg.files import atomic_write
from experiments.charts import plot_class_scores, plot_lines
from experiments.grid import Grid
from experiments.outputs import MEASURES, NO, measured, paired_gain, signed, spread
from experiments.results import Result, by_seed, read_results
from experiments.sections import SECTIONS


def main_table(grid: Grid, results: Sequence[Result], on: str = "test") -> list[str]:
    """Make the table: one row per cell and lead set, and one per group of seeds.

    Gains are relative to the first variant with the same leads, fold and seed; those of the first
    variant itself, to its result with the most leads.

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
        gained = NO
        if len(gains) == len(group):
            gained = f"{signed(mean(gains))} ({signed(min(gains))} to {signed(max(gains))})"
        scores = [spread([value.value for value in of]) for of in zip(*values, strict=True)]
        validation = spread([result.validation_score[1] for result in group])
        yield [*fixed, f"**mean and range of {len(group)}**", "", validation, *scores, gained,
               known, "", ""]  # fmt: skip


def _reference(grid: Grid, results: Sequence[Result], result: Result) -> Result | None:
    """Find the result that a gain is relative to."""
    first = next(iter(grid.recipes))
    variant, size, *rest = result.key
    key = (first, 12 if variant == first else size, *rest)
    return next((other for other in results if other.key == key and other is not result), None)


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
    records = ", ".join("all" if limit is None else f"the first {limit}" for limit in limits)
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
    name = "report.md" if on == "test" else f"report-{on}.md"
    with atomic_write(here / name) as draft:
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
    if grid.by == "source":
        _draw_sources(grid, groups, names, here / "sources.png")
    return ["epochs.png", *["leads.png"] * several, *["sources.png"] * (grid.by == "source")]


def _draw_sources(
    grid: Grid, groups: dict[tuple[str, int], list[Result]], names: dict[tuple[str, int], str],
    path: Path,
) -> None:  # fmt: skip
    """Draw each variant's score on each source that was held out, as dots."""
    measure = MEASURES[grid.measures[0]]
    sources = sorted({result.cell.test for group in groups.values() for result in group})
    scores = {}
    for key, group in groups.items():
        of_source: dict[str, list[float]] = {source: [] for source in sources}
        for result in group:
            of_source[result.cell.test].append(float(measure.of(result.test, None)))
        scores[names[key]] = np.array([mean(one or [np.nan]) for one in of_source.values()])
    plot_class_scores(path, sources, scores, title=f"{grid.name}: held-out sources",
                      value_name=measure.title, absent="no result")  # fmt: skip


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
