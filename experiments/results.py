"""Results: the cells of a study that are done, with their labels, outputs and models."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ecg import LeadwiseError
from ecg.labels import CODES
from experiments.cells import Cell, cells_done
from experiments.grid import Grid
from experiments.outputs import Scored, read_scored
from experiments.runs import fold_path
from models.folder import ModelFolder, TrainedSet, read_model
from models.network import build


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
        heads = self.model.recipe.heads
        head = next((one for one in heads if not one.dense), self.model.recipe.head)
        classes = self.model.classes[head.name]
        # The Challenge scores its 26 classes, whatever the recipe's SNOMED CT codes are.
        scored_classes = classes if not all(name.isdigit() for name in classes) else CODES
        outputs = self.cell.outputs(self.runs, fold, self.size)
        return read_scored(self.records(fold), outputs, scored_classes)

    def records(self, fold: str) -> Path:
        """Path of a fold's data folder."""
        return fold_path(self.runs, (fold,))

    @property
    def parameters(self) -> int:
        """Number of the network's parameters."""
        network = build(self.model.recipe, self.entry.leads, self.model.classes)
        return sum(weights.numel() for weights in network.parameters())

    @property
    def validation_score(self) -> tuple[str, float]:
        """Name and value of the metric that the epoch was chosen by."""
        head = self.model.recipe.head
        return head.metric, self.entry.heads[head.name].scores[head.metric]

    @property
    def curve(self) -> list[tuple[float, float]]:
        """Validation score per epoch."""
        with open(self.model.path / "history.tsv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        of_lead_set = [row for row in rows if row["lead_set"] == f"{self.size} leads"]
        return [(float(row["epoch"]), float(row["score"])) for row in of_lead_set]

    @property
    def key(self) -> tuple[str, int, str, int]:
        """Variant, leads, test fold and seed."""
        return self.cell.variant, self.size, self.cell.test, self.cell.seed


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
