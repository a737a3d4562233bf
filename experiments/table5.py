"""Table 5 of Kang & Wen 2022, all 22 rows: parameters, speeds, and scores of finished cells.

Speeds are measured by `benchmarks.networks` on random records of 12 × 5000; the published ones are
an RTX 3080's.  Published scores are the best on the authors' validation part, ours those of the
test fold, so their order is compared: Spearman's rank correlation.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.common import machine
from benchmarks.networks import records_per_s
from docs.generate import stored, table, write_tables
from ecg.labels import CODES
from ecg.leads import LEAD_SETS
from experiments.cells import cells_done
from experiments.grid import Grid
from experiments.grids import GRIDS, network
from experiments.outputs import NO, measured, spread
from experiments.results import Result, results_of
from models import find
from models.network import build
from models.recipe import Part, Recipe

SAMPLES = 5000  # 10 s at 500 Hz


class Row(NamedTuple):
    """A published row."""

    backbone: str
    layers: str  # after the backbone, as `experiments.grids.network` takes them
    millions: float  # of parameters
    score: float
    training: int  # records/s
    inference: int


# Backbone, layers, parameters in millions, best score, training and inference speed.
PUBLISHED = (
    Row("nc-se", "1", 6.79, 0.683, 399, 2917),
    Row("nc-se", "2", 7.14, 0.673, 391, 2889),
    Row("nc-se", "se-2", 7.17, 0.674, 386, 2954),
    Row("nc-se", "lstm-se-2", 8.92, 0.687, 352, 2870),
    Row("nc-bs", "1", 8.75, 0.716, 344, 2007),
    Row("nc-bs", "2", 10.1, 0.700, 338, 2026),
    Row("nc-bs", "se-1", 9.16, 0.712, 334, 2024),
    Row("nc-bs", "se-2", 10.5, 0.702, 326, 2010),
    Row("nc-bs", "lstm-1", 11.9, 0.710, 313, 1966),
    Row("nc-bs", "lstm-2", 12.3, 0.713, 310, 1940),
    Row("nc-bs", "lstm-se-1", 11.9, 0.708, 302, 1955),
    Row("nc-bs", "lstm-se-2", 12.3, 0.708, 302, 1949),
    Row("tresnet-n", "1", 14.0, 0.674, 244, 1395),
    Row("tresnet-n", "lstm-se-2", 18.4, 0.703, 182, 1139),
    Row("tresnet-p", "1", 8.10, 0.658, 378, 2046),
    Row("tresnet-p", "lstm-se-2", 12.5, 0.700, 252, 1553),
    Row("tresnet-f", "1", 1.23, 0.643, 373, 3325),
    Row("tresnet-f", "lstm-se-2", 4.42, 0.679, 262, 1785),
    Row("branched", "1", 6.77, 0.647, 408, 515),
    Row("branched", "lstm-se-2", 10.2, 0.698, 146, 362),
    Row("branched-lw", "1", 2.33, 0.654, 357, 536),
    Row("branched-lw", "lstm-se-2", 7.46, 0.699, 134, 360),
)
# The studies of these rows, by falling budget; the first one that has a row gives its score.
STUDIES = tuple(
    GRIDS[f"{name}{budget}"]
    for budget in ("", "-100hz", "-small")
    for name in ("eight-way", "ablation-i", "ablation-ii", "ablation-iii")
)
SIZES = (
    "backbone | layers | parameters | published | training, records/s | published | "
    "prediction, records/s | published"
)
SCORES = "backbone | layers | study | records × epochs | Challenge metric | AUROC | published"
LEAST = 4  # rows of a rank correlation
OPEN = "open:"  # before the command of a row without scores


def table5(runs: Path | None, *, batch: int, rounds: int, page: Path | None) -> Iterator[str]:
    """Make the tables of sizes and of scores, and the rank correlations.

    Parameters
    ----------
    runs : Path, optional
        Its finished cells give the scores; a row without one keeps the scores that the page has.
    batch, rounds : int
        Batch size; number of training steps to measure, 0: none.  Predictions: three times as many.
    page : Path, optional
        Its tables `table5-sizes` (if measured) and `table5` (if RUNS is given) are replaced.
    """
    load = os.getloadavg()[0]
    yield f"{machine()}, load {load:.1f}; batch {batch}, best of {rounds} steps"
    yield ""
    sizes = table(SIZES, [size_row(row, batch, rounds) for row in PUBLISHED])
    yield from sizes
    yield ""
    scores = score_lines(runs, page)
    yield from scores
    if page:
        write_tables(page, {"table5-sizes": sizes} if rounds else {})
        write_tables(page, {"table5": scores} if runs else {})


def recipe_of(row: Row) -> Recipe:
    """Make a recipe with a row's network."""
    return replace(find("revenger-nc-se"), network=network(row.backbone, row.layers))


def size_row(row: Row, batch: int, rounds: int) -> str:
    """Count a network's parameters and measure its speeds."""
    net = build(recipe_of(row), LEAD_SETS[12], {"diagnosis": CODES})
    parameters = sum(weights.numel() for weights in net.parameters())
    speeds = [NO, NO]
    if rounds:
        pair = records_per_s(net, 12, SAMPLES, len(CODES), batch=batch, rounds=rounds)
        speeds = [f"{speed:.3g}" for speed in pair]
    return (
        f"{row.backbone} | {row.layers} | {parameters:,} | {row.millions:.3g} M | "
        f"{speeds[0]} | {row.training} | {speeds[1]} | {row.inference}"
    )


def score_lines(runs: Path | None, page: Path | None = None) -> list[str]:
    """Make the table of scores, and a line on the order of the rows of each budget."""
    rows, by_budget = [], dict[str, list[tuple[float, float, float]]]()
    former = former_scores(page)
    for row in PUBLISHED:
        name = (row.backbone, row.layers)
        scored = scores_of(finished(recipe_of(row).network, runs)) or former.get(name)
        if scored and NO not in scored:
            challenge, auroc = (float(text.split()[0]) for text in scored[2:])
            by_budget.setdefault(scored[1], []).append((row.score, challenge, auroc))
        if not scored:
            studies = studies_of(recipe_of(row).network)
            grid, variant = next(study for study in studies if study[0].records)  # the small one
            command = f"`python -m experiments run {grid.name} DATA RUNS --only {variant}`"
            scored = [f"{OPEN} {command}", NO, NO, NO]
        rows.append(" | ".join([*name, *scored, f"{row.score:.3f}"]))
    return [*table(SCORES, rows), *order_lines(by_budget)]


def scores_of(results: Sequence[Result]) -> list[str]:
    """Give study, budget, Challenge metric and AUROC of a row's results; none without a result."""
    if not results:
        return []
    cell = results[0].cell
    values = [[measured(one.test, name) for one in results] for name in ("challenge", "auroc")]
    texts = [spread([v.value for v in of]) if len(of) > 1 else str(of[0]) for of in values]
    return [cell.grid, f"{cell.records or 'all'} × {cell.epochs}", *texts]


def former_scores(page: Path | None) -> dict[tuple[str, str], list[str]]:
    """Read the rows of a page's table that have scores, by backbone and layers."""
    path = page and stored(page, "table5")
    if not (path and path.exists()):
        return {}
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    return {
        (row[0], row[1]): row[2:6]
        for row in rows
        if len(row) == len(SCORES.split(" | ")) and not row[2].startswith(OPEN)
    }


def order_lines(by_budget: dict[str, list[tuple[float, float, float]]]) -> Iterator[str]:
    """Compare the published order with those by Challenge metric and AUROC, for each budget."""
    for budget, scores in by_budget.items():
        if len(scores) >= LEAST:
            published, *ours = np.array(scores).T
            texts = [
                f"{name} {rank_correlation(published, own)}"
                for name, own in zip(("Challenge metric", "AUROC"), ours, strict=True)
            ]
            yield ""
            yield (
                f"Rank correlation with the published scores, {len(scores)} rows of {budget}: "
                f"{'; '.join(texts)}."
            )


def rank_correlation(first: np.ndarray, second: np.ndarray) -> str:
    """Describe Spearman's rank correlation, its 95 % interval and its p value.

    The interval is Fisher's, with the variance of Fieller, Hartley & Pearson 1957; p is that of
    SciPy.

    Examples
    --------
    >>> rank_correlation(np.arange(8.0), np.array([1.0, 0, 2, 4, 3, 5, 7, 6]))
    '0.93 (0.63 to 0.99), p = 0.00086'
    """
    from scipy.stats import spearmanr

    value, p = spearmanr(first, second)
    center = np.arctanh(np.clip(value, -0.9999, 0.9999))
    low, high = np.tanh(center + np.array([-1.96, 1.96]) * np.sqrt(1.06 / (len(first) - 3)))
    return f"{value:.2f} ({low:.2f} to {high:.2f}), p = {p:.2g}"


def studies_of(part: Part) -> list[tuple[Grid, str]]:
    """Find the studies and variants with a network."""
    return [(grid, name) for grid in STUDIES for name, recipe in grid.recipes.items()
            if recipe.network == part]  # fmt: skip


def finished(part: Part, runs: Path | None) -> list[Result]:
    """Read the results with 12 leads of the first study that has finished a network."""
    if not runs:
        return []
    for grid, name in studies_of(part):
        done = [cell for cell in cells_done(runs, grid.name)
                if cell.variant == name and cell.leads == (12,)]  # fmt: skip
        if done:
            return [result for cell in done for result in results_of(cell, runs)]
    return []


if __name__ == "__main__":
    from experiments.__main__ import main

    main("table5")
