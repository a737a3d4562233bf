"""Table 5 of Kang & Wen 2022, all 22 rows: parameters, speed, and scores where a run has one.

Parameters are counted, speeds measured (`benchmarks.networks`: random records of 12 × 5000, so many
at once), the published figures beside them; theirs are an RTX 3080's.  A score is that of the cells
of the paper's grids that are done in RUNS; an open one names the command that fills it.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from benchmarks.common import machine
from benchmarks.networks import records_per_s
from ecg.labels import CODES
from ecg.leads import LEAD_SETS
from experiments.cells import cells_done
from experiments.grids import GRIDS, Grid, network
from experiments.outputs import spread, with_interval
from experiments.tables import read_result
from models import find
from models.classifier import build
from models.recipe import Part

SAMPLES = 5000  # 10 s at 500 Hz


class Row(NamedTuple):
    """A published row: what follows the backbone, and its figures."""

    backbone: str
    layers: str  # as `experiments.grids.network` takes it
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
# The studies that the rows are from; a row that is in two takes its score from the first.
STUDIES = tuple(
    GRIDS[f"{name}{rate}"]
    for rate in ("", "-100hz")
    for name in ("eight-way", "ablation-i", "ablation-ii", "ablation-iii")
)
HEAD = (
    "| backbone | then | parameters | published | training, records/s | published | "
    "answering, records/s | published | score | published |"
)


def table(runs: Path | None, *, batch: int, rounds: int) -> Iterator[str]:
    """Write the table, row by row.

    Parameters
    ----------
    runs : Path, optional
        Where grids have run.
    batch, rounds : int
        Records at once; training steps measured, and three times as many answers.  0 rounds leave
        the speeds out.
    """
    yield HEAD
    yield "| " + " | ".join(["---"] * (HEAD.count("|") - 1)) + " |"
    for row in PUBLISHED:
        recipe = replace(find("revenger-nc-se"), network=network(row.backbone, row.layers))
        built = build(recipe, LEAD_SETS[12], len(CODES))
        counted = sum(weights.numel() for weights in built.parameters())
        speeds = ["–", "–"]
        if rounds:
            measured = records_per_s(built, 12, SAMPLES, len(CODES), batch=batch, rounds=rounds)
            speeds = [f"{speed:.3g}" for speed in measured]
        yield (
            f"| {row.backbone} | {row.layers} | {counted:,} | {row.millions:.3g} M | {speeds[0]} | "
            f"{row.training} | {speeds[1]} | {row.inference} | {score(recipe.network, runs)} | "
            f"{row.score:.3f} |"
        )


def score(part: Part, runs: Path | None) -> str:
    """Give the score of a network's cells, or the command that fills this one."""
    studies = [(grid, name) for grid in STUDIES if (name := variant_of(grid, part))]
    for grid, name in studies:
        found = cells_done(runs, grid.name) if runs else []
        done = [cell for cell in found if cell.variant == name and cell.leads == 12]
        if runs and done:
            results = [read_result(cell, runs) for cell in done]
            metrics = [result.scores.metric for result in results]
            said = spread(metrics) if len(done) > 1 else with_interval(results[0].scores)
            return f"{said}, {grid.name}, {done[0].epochs} epochs at most"
    grid, name = studies[0]
    return f"open: `python -m experiments run {grid.name} DATA RUNS --only {name}`"


def variant_of(grid: Grid, part: Part) -> str | None:
    """Name the variant of a grid that has this network."""
    return next((name for name, recipe in grid.recipes.items() if recipe.network == part), None)


def heading(batch: int, rounds: int) -> str:
    """Say where and how it was measured."""
    return f"{machine('torch')}; batch {batch}, best of {rounds} steps; published: RTX 3080"
