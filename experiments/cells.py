"""Cells: one training each of a grid, a folder each in RUNS, one after another or on a cluster.

A cell's folder is RUNS/GRID/CELL: `cell.json` and `recipe.json` say what it is, `model` is what
`train_model.py` made of it and `fold-…` what `run_model.py` answered.  These are the Challenge's
own commands, so a cell can be taken up where it was by whoever comes next.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from joblib import Parallel, delayed, parallel_config

from ecg import LeadwiseError
from ecg.files import atomic_write
from ecg.leads import LEAD_SETS
from experiments.grids import Grid
from experiments.runs import FOLDS, answered, folder, reduced, trained
from models.recipe import Recipe, recipe_to_json


@dataclass(frozen=True)
class Cell:
    """A training of a grid.

    Attributes
    ----------
    grid, variant : str
    leads : int
        Size of the lead set; 1: the recipe's own lead.
    choose, report : str
        Folds; without the first a quarter of what is learned from is set aside.
    seed, epochs : int
        Epochs at most.
    records : int or None
        The first so many are learned from; None: all.
    by : str
        Which of `experiments.runs.FOLDS` says what fold a record is in.
    """

    grid: str
    variant: str
    leads: int
    choose: str
    report: str
    seed: int
    epochs: int
    records: int | None = None
    by: str = "table"

    @property
    def name(self) -> str:
        """Name the cell's folder."""
        return f"{self.variant}-{self.leads}-leads-fold-{self.report}-seed-{self.seed}"

    def place(self, runs: Path) -> Path:
        """Give the cell's folder."""
        return runs / self.grid / self.name

    def outputs(self, runs: Path) -> Path:
        """Give the folder of its outputs; it is there when the cell is done."""
        return self.place(runs) / f"fold-{self.report}"


def cells_of(grid: Grid, records: int | None = None) -> list[Cell]:
    """Name all cells of a grid; those of the first seed come first."""
    return [
        Cell(grid.name, variant, leads, choose, report, seed, recipe.epochs, records, grid.by)
        for seed in grid.seeds
        for choose, report in grid.folds
        for leads in grid.leads
        for variant, recipe in grid.recipes.items()
    ]


def run_cells(
    grid: Grid, data: Path, runs: Path, *, records: int | None = None, jobs: int = 1,
    cluster: str | None = None,
) -> None:  # fmt: skip
    """Train and answer all cells that are not done; a cell that fails does not end the others.

    Parameters
    ----------
    records : int, optional
        The first so many are learned from.
    jobs : int
        Cells at once on this machine.
    cluster : str, optional
        Address of a Dask scheduler, whose workers see DATA and RUNS under the same paths.

    Raises
    ------
    LeadwiseError
        Some cells failed; they are named.
    """
    cells, known = cells_of(grid, records), known_folds(data, grid.by)
    for cell in cells:  # before any work
        learned_folds(cell, known)
        _declare(cell, grid.recipes[cell.variant], runs)
    open_cells = [cell for cell in cells if not cell.outputs(runs).exists()]
    print(f"{grid.name}: {len(open_cells)} of {len(cells)} cells to do", file=sys.stderr)
    failed = []
    with _somewhere(cluster):
        work = Parallel(
            n_jobs=-1 if cluster else jobs, batch_size=1, return_as="generator_unordered"
        )
        tasks = (delayed(_tried)(cell, data, runs) for cell in open_cells)
        for cell, reason in work(tasks):
            print(f"{cell.name}: {reason or 'done'}", file=sys.stderr, flush=True)
            failed += [cell.name] * bool(reason)
    if failed:
        raise LeadwiseError(
            f"{len(failed)} of {len(open_cells)} cells failed ({', '.join(failed)}); what they "
            "said stands above, and the same command tries them again"
        )


@contextmanager
def _somewhere(cluster: str | None) -> Iterator[None]:
    """Let joblib's work be done on a cluster, where there is one."""
    if not cluster:
        yield
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise LeadwiseError("a cluster needs distributed: pip install distributed") from error
    with Client(cluster), parallel_config("dask", wait_for_workers_timeout=60):
        yield


def _declare(cell: Cell, recipe: Recipe, runs: Path) -> None:
    """Write what a cell is; refuse a folder that holds another one."""
    place = cell.place(runs)
    place.mkdir(parents=True, exist_ok=True)
    lead_sets = recipe.lead_sets if cell.leads == 1 else (LEAD_SETS[cell.leads],)
    whole = replace(recipe, seed=cell.seed, lead_sets=lead_sets)
    for name, content in (("recipe", recipe_to_json(whole)), ("cell", asdict(cell))):
        path, text = place / f"{name}.json", json.dumps(content, indent=1, ensure_ascii=False)
        if path.exists() and (before := json.loads(path.read_text("utf-8"))) != content:
            differ = [key for key in content if before.get(key) != content[key]]
            raise LeadwiseError(
                f"{place}: holds a cell with other {', '.join(differ)}; choose another RUNS, or "
                "remove this folder"
            )
        if not path.exists():
            with atomic_write(path) as draft:
                draft.write_text(text + "\n", encoding="utf-8")


def _tried(cell: Cell, data: Path, runs: Path) -> tuple[Cell, str]:
    """Do a cell; say why it failed, if it did."""
    try:
        run_cell(cell, data, runs)
    except (LeadwiseError, OSError) as error:
        return cell, str(error)
    return cell, ""


def run_cell(cell: Cell, data: Path, runs: Path) -> None:
    """Train a cell's model and let it answer the fold to report, where that is not done yet.

    Raises
    ------
    LeadwiseError
        A command failed.
    """
    model, recipe = cell.place(runs) / "model", cell.place(runs) / "recipe.json"
    learn = learned_folds(cell, known_folds(data, cell.by))
    whole = (cell.choose,) if cell.choose else ()
    settings = {"LEADWISE_VALIDATION": cell.choose} if cell.choose else {}
    trained(
        model, folder(data, runs, (*learn, *whole), cell.records, whole=whole, by=cell.by),
        LEADWISE_RECIPE=recipe, LEADWISE_CACHE=runs / "cache", **settings,
    )  # fmt: skip
    report = folder(data, runs, (cell.report,), by=cell.by)
    answered(cell.outputs(runs), model, reduced(report, cell.leads))


def known_folds(data: Path, by: str) -> set[str]:
    """Name the folds of a data folder."""
    return {fold for fold, _ in FOLDS[by](data).values()}


def learned_folds(cell: Cell, known: set[str]) -> tuple[str, ...]:
    """Name the folds that a cell learns from: all others.

    Raises
    ------
    LeadwiseError
        The fold to choose on or to report is not there, or nothing is left.
    """
    for fold in (cell.choose, cell.report):
        if fold and fold not in known:
            raise LeadwiseError(
                f"no record is in fold {fold}; there are {', '.join(sorted(known))}"
            )
    rest = tuple(sorted(known - {cell.choose, cell.report}))
    if not rest:
        raise LeadwiseError("the folds leave nothing to learn from")
    return rest


def cells_done(runs: Path, grid: str) -> list[Cell]:
    """Read which cells of a grid are done.

    Raises
    ------
    LeadwiseError
        A cell cannot be read.
    """
    found = []
    for path in sorted((runs / grid).glob("*/cell.json")):
        try:
            cell = Cell(**json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise LeadwiseError(f"{path}: cannot be read ({error})") from error
        if cell.outputs(runs).exists():
            found.append(cell)
    return found
