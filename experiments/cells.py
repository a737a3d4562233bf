"""Cells: single trainings of a grid, on this machine or on a cluster.

A cell's folder is RUNS/STUDY/CELL: `cell.json` and `recipe.json` define it, `model` is the model
folder of `train_model.py`, and `fold-…-leads` are the outputs of `run_model.py`.  Any process can
resume a cell, because these are the Challenge's own commands.
"""

import json
import sys
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from ecg import LeadwiseError
from ecg.files import atomic_write
from ecg.leads import LEAD_SETS
from ecg.parallel import map_unordered
from experiments.grid import Grid
from experiments.runs import FOLDS, answered, fold_folder, reduced, trained
from models.folder import read_model
from models.recipe import Recipe, recipe_to_json

HELD_OUT = "10"  # PTB-XL's test fold: never a training fold


@dataclass(frozen=True)
class Cell:
    """One training of a grid.

    Attributes
    ----------
    leads : tuple of int
        Sizes of the lead sets that are trained together.
    validation, test : str
        Folds; validation "": a quarter of the training records validates.
    seed, epochs : int
        `epochs` is the maximum.
    records : int or None
        Number of training records, the first ones; None: all.
    by : str
        Key of `experiments.runs.FOLDS`.
    """

    grid: str
    variant: str
    leads: tuple[int, ...]
    validation: str
    test: str
    seed: int
    epochs: int
    records: int | None = None
    by: str = "table"

    @property
    def name(self) -> str:
        """Name of the cell's folder."""
        sizes = "+".join(map(str, self.leads))
        return f"{self.variant}-{sizes}-leads-fold-{self.test}-seed-{self.seed}"

    def path(self, runs: Path) -> Path:
        """Path of the cell's folder."""
        return runs / self.grid / self.name

    def outputs(self, runs: Path, fold: str, size: int) -> Path:
        """Path of a lead set's outputs on a fold."""
        return self.path(runs) / f"fold-{fold}-{size}-leads"

    def done(self, runs: Path) -> bool:
        """Whether the cell is trained and has outputs on the test fold."""
        return all(self.outputs(runs, self.test, size).exists() for size in self.leads)


def cells_of(grid: Grid, data: Path | None = None) -> list[Cell]:
    """List all cells of a grid; a grid without folds takes those of DATA."""
    folds = grid.folds
    if data and not folds:
        folds = tuple(("", fold) for fold in sorted(known_folds(data, grid.by)))
    cells = []
    for seed in grid.seeds:
        for validation, test in folds:
            for variant, recipe in grid.recipes.items():
                own_sizes = tuple(map(len, recipe.lead_sets))
                cells += [
                    Cell(grid.name, variant, sizes, validation, test, seed, recipe.epochs,
                         grid.records, grid.by)
                    for sizes in ([(size,) for size in grid.leads] if grid.leads else [own_sizes])
                ]  # fmt: skip
    return cells


def run_cells(
    grid: Grid, data: Path, runs: Path, *, jobs: int = 1, cluster: str | None = None,
    init_from: Path | None = None,
) -> None:  # fmt: skip
    """Train all cells that are not done, and run them on their folds.

    Parameters
    ----------
    jobs : int
        Number of cells that this machine runs in parallel.
    cluster : str, optional
        Address of a Dask scheduler; DATA and RUNS have the same paths on its workers.
    init_from : Path, optional
        Folder with a model folder per variant that initialises its weights.

    Raises
    ------
    LeadwiseError
        A model folder of `init_from` is missing, or cells failed; the message names them.  All
        other cells were run.
    """
    _check_pretrained(grid, init_from)
    cells, known = cells_of(grid, data), known_folds(data, grid.by)
    for cell in cells:  # before any work
        training_folds(cell, known)
        _declare(cell, grid.recipes[cell.variant], runs)
    pending = [cell for cell in cells if not cell.done(runs)]
    print(f"{grid.name}: {len(pending)} of {len(cells)} cells to run", file=sys.stderr)
    failed = []
    work = partial(_try_cell, data=data, runs=runs, init_from=init_from)
    for cell, error in map_unordered(work, pending, jobs=jobs, cluster=cluster):
        print(f"{cell.name}: {error or 'done'}", file=sys.stderr, flush=True)
        failed += [cell.name] * bool(error)
    if failed:
        raise LeadwiseError(
            f"{len(failed)} of {len(pending)} cells failed ({', '.join(failed)}); their messages "
            "are above; the same command runs them again"
        )


def _check_pretrained(grid: Grid, init_from: Path | None) -> None:
    if grid.pretrained and init_from is None:
        raise LeadwiseError(
            f"{grid.name} needs --init-from FOLDER, with the pretrained model folders "
            f"{', '.join(grid.recipes)}"
        )
    if init_from:
        for name in grid.recipes:
            read_model(init_from / name)


def _declare(cell: Cell, recipe: Recipe, runs: Path) -> None:
    """Write what defines a cell; refuse a folder that holds another one."""
    folder = cell.path(runs)
    folder.mkdir(parents=True, exist_ok=True)
    lead_sets = LEAD_SETS | {len(leads): leads for leads in recipe.lead_sets}
    cell_recipe = replace(
        recipe, seed=cell.seed, lead_sets=tuple(lead_sets[size] for size in cell.leads)
    )
    for name, content in (("recipe", recipe_to_json(cell_recipe)), ("cell", asdict(cell))):
        path, text = folder / f"{name}.json", json.dumps(content, indent=1, ensure_ascii=False)
        content = json.loads(text)  # tuples become lists
        if path.exists() and (before := json.loads(path.read_text("utf-8"))) != content:
            differ = [key for key in content if before.get(key) != content[key]]
            raise LeadwiseError(
                f"{folder}: holds a cell with other {', '.join(differ)}; choose another RUNS, or "
                "remove this folder"
            )
        if not path.exists():
            with atomic_write(path) as draft:
                draft.write_text(text + "\n", encoding="utf-8")


def _try_cell(cell: Cell, data: Path, runs: Path, init_from: Path | None) -> tuple[Cell, str]:
    """Run a cell; return its error, or ""."""
    try:
        run_cell(cell, data, runs, init_from)
    except (LeadwiseError, OSError) as error:
        return cell, str(error)
    return cell, ""


def run_cell(cell: Cell, data: Path, runs: Path, init_from: Path | None = None) -> None:
    """Train a cell's model and run it on validation and test fold, unless that is done.

    Raises
    ------
    LeadwiseError
        A command failed.
    """
    model, validation = cell.path(runs) / "model", (cell.validation,) * bool(cell.validation)
    folds = (*training_folds(cell, known_folds(data, cell.by)), *validation)
    trained(
        model, fold_folder(data, runs, folds, cell.records, whole=cell.validation, by=cell.by),
        LEADWISE_RECIPE=cell.path(runs) / "recipe.json", LEADWISE_CACHE=runs / "cache",
        **({"LEADWISE_VALIDATION": cell.validation} if cell.validation else {}),
        **({"LEADWISE_INIT_FROM": init_from / cell.variant} if init_from else {}),
    )  # fmt: skip
    for fold in dict.fromkeys((*validation, cell.test)):
        records = fold_folder(data, runs, (fold,), by=cell.by)
        for size in cell.leads:
            answered(cell.outputs(runs, fold, size), model, reduced(records, size))


def known_folds(data: Path, by: str) -> set[str]:
    """Return the names of a data folder's folds."""
    return {fold for fold, _ in FOLDS[by](data).values()}


def training_folds(cell: Cell, known: set[str]) -> tuple[str, ...]:
    """Return the training folds of a cell: all but validation, test and the held-out fold.

    Raises
    ------
    LeadwiseError
        The validation or test fold does not exist, or no fold is left.
    """
    for fold in (cell.validation, cell.test):
        if fold and fold not in known:
            raise LeadwiseError(
                f"no record is in fold {fold}; known are {', '.join(sorted(known))}"
            )
    rest = tuple(sorted(known - {cell.validation, cell.test, HELD_OUT}))
    if not rest:
        raise LeadwiseError(
            f"no fold is left to train on: all records are in {', '.join(sorted(known))}"
        )
    return rest


def cells_done(runs: Path, grid: str) -> list[Cell]:
    """Read the cells of a grid that are done.

    Raises
    ------
    LeadwiseError
        A `cell.json` cannot be read.
    """
    done = []
    for path in sorted((runs / grid).glob("*/cell.json")):
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            cell = Cell(**{**fields, "leads": tuple(fields["leads"])})
        except (ValueError, TypeError, KeyError) as error:
            raise LeadwiseError(f"{path}: cannot be read ({error})") from error
        if cell.done(runs):
            done.append(cell)
    return done
