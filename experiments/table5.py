"""Table 5 of Kang & Wen 2022, all 22 rows: parameters, speeds, and scores of finished cells.

Speeds are measured by `benchmarks.networks` on random records of 12 × 5000; the published ones are
an RTX 3080's.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from benchmarks.common import machine
from benchmarks.networks import records_per_s
from docs.generate import table as markdown_table
from ecg.files import atomic_write
from ecg.labels import CODES
from ecg.leads import LEAD_SETS
from experiments.cells import cells_done
from experiments.grids import GRIDS, network
from experiments.outputs import measured, spread
from experiments.results import results_of
from models import find
from models.network import build
from models.recipe import Part

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
# The studies of these rows; the first one that has a row gives its score.
STUDIES = tuple(
    GRIDS[f"{name}{rate}"]
    for rate in ("", "-100hz")
    for name in ("eight-way", "ablation-i", "ablation-ii", "ablation-iii")
)
HEAD = (
    "backbone | layers | parameters | published | training, records/s | published | "
    "prediction, records/s | published | score | published"
)


def table(runs: Path | None, *, batch: int, rounds: int) -> Iterator[str]:
    """Make the table row by row, and write it to RUNS/table5.md if RUNS is given.

    Parameters
    ----------
    batch, rounds : int
        Batch size; number of training steps to measure, 0: none.  Predictions: three times as many.
    """
    lines = []
    for line in _lines(runs, batch, rounds):
        yield line
        lines.append(line)
    if runs:
        with atomic_write(runs / "table5.md") as draft:
            draft.write_text("\n".join([*lines, ""]), encoding="utf-8")


def _lines(runs: Path | None, batch: int, rounds: int) -> Iterator[str]:
    load = os.getloadavg()[0]
    yield (
        f"{machine()}, load {load:.1f}; batch {batch}, best of {rounds} steps; published: RTX 3080"
    )
    yield ""
    yield from markdown_table(HEAD, [])
    for row in PUBLISHED:
        recipe = replace(find("revenger-nc-se"), network=network(row.backbone, row.layers))
        net = build(recipe, LEAD_SETS[12], {"diagnosis": CODES})
        parameters = sum(weights.numel() for weights in net.parameters())
        speeds = ["–", "–"]
        if rounds:
            pair = records_per_s(net, 12, SAMPLES, len(CODES), batch=batch, rounds=rounds)
            speeds = [f"{speed:.3g}" for speed in pair]
        yield (
            f"| {row.backbone} | {row.layers} | {parameters:,} | {row.millions:.3g} M | "
            f"{speeds[0]} | {row.training} | {speeds[1]} | {row.inference} | "
            f"{score(recipe.network, runs)} | {row.score:.3f} |"
        )


def score(part: Part, runs: Path | None) -> str:
    """Return the score of a network's cells, or the command that trains one."""
    studies = [(grid, name) for grid in STUDIES for name, recipe in grid.recipes.items()
               if recipe.network == part]  # fmt: skip
    for grid, name in studies:
        done = [cell for cell in (cells_done(runs, grid.name) if runs else [])
                if cell.variant == name and cell.leads == (12,)]  # fmt: skip
        if runs and done:
            values = [measured(result.test) for cell in done for result in results_of(cell, runs)]
            text = spread([value.value for value in values]) if len(done) > 1 else str(values[0])
            return f"{text}, {grid.name}, {done[0].epochs} epochs at most"
    grid, name = studies[0]
    return f"open: `python -m experiments run {grid.name} DATA RUNS --only {name}`"


if __name__ == "__main__":
    from experiments.__main__ import main

    main("table5")
