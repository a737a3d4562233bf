"""Grids are data: what they change, and the published figures."""

from dataclasses import fields, replace

import pytest

from ecg import LeadwiseError
from experiments.cells import Cell, cells_of, training_folds
from experiments.grid import Grid, narrowed
from experiments.grids import GRIDS, find_grid
from experiments.outputs import MEASURES
from experiments.sections import SECTIONS
from experiments.wave_sections import OFF
from models import find
from models.recipe import Recipe, recipe_from_json, recipe_to_json
from training.checks import check_recipe


def differing(recipe: Recipe, other: Recipe) -> set[str]:
    """The fields in which recipes differ, but for what they are called."""
    return {
        field.name for one, two in ((recipe, other), (recipe.head, other.head))
        for field in fields(one) if getattr(one, field.name) != getattr(two, field.name)
    } - {"name", "summary", "heads"}  # fmt: skip


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_each_recipe_can_be_trained_and_kept(grid: Grid) -> None:
    for recipe in grid.recipes.values():
        check_recipe(recipe)
        assert recipe_from_json(recipe_to_json(recipe)) == recipe
    names = [recipe.name for recipe in grid.recipes.values()]
    assert len(set(names)) == len(names)
    assert set(grid.measures) <= MEASURES.keys()
    assert set(grid.sections) <= SECTIONS.keys()
    assert {name for name, _ in grid.published} <= grid.recipes.keys()


@pytest.mark.parametrize("rate", ["", "-100hz"])
def test_ablation_0_changes_one_component_at_a_time(rate: str) -> None:
    grid = find_grid(f"ablation-0{rate}")
    base = grid.recipes["base"]
    assert base == find(f"revenger-nc-se{rate}")
    changed = {name: differing(recipe, base) for name, recipe in grid.recipes.items()}
    assert changed["constant-rate"] == {"schedule", "optimiser"}
    two = {"no-z-score-no-mixup", "no-z-score-label-smoothing", "constant-rate"}
    assert {name for name, fields_ in changed.items() if len(fields_) != 1} == {"base", *two}
    assert set().union(*changed.values()) == {
        "loss", "transforms", "post_transforms", "augment", "schedule", "optimiser", "batch",
    }  # fmt: skip
    assert all(part.name != "record_z_score" for part in grid.recipes["no-z-score"].post_transforms)
    assert len(base.post_transforms) == 2


def test_the_papers_studies_are_all_there() -> None:
    """Table 5 has 22 rows; the studies share some, and add five runs of study 0."""
    networks = {
        recipe.network
        for name in ("ablation-i", "ablation-ii", "ablation-iii", "eight-way")
        for variant, recipe in GRIDS[name].recipes.items()
        if variant != "gc-backbone-1"
    }
    assert len(networks) == 22
    assert GRIDS["lead-sets"].leads == (12, 6, 4, 3, 2)
    drop = GRIDS["lead-sets"].published["base", 12] - GRIDS["lead-sets"].published["base", 2]
    assert drop == pytest.approx(0.036, abs=0.0005)  # the paper's section 6.1
    gain = [GRIDS["losses"].published[name, 12] for name in ("asymmetric", "weighted-bce")]
    assert gain[0] - gain[1] == pytest.approx(0.052)


def test_the_study_of_dualnet_holds_the_papers_nine_networks() -> None:
    """Its report, table 1: bold accuracies (fact sheet, section 11)."""
    published = {
        "s": 0.8527, "m": 0.8560, "l": 0.8514, "xl": 0.8612, "pp-s": 0.8174, "pp-m": 0.8259,
        "pp-l": 0.8449, "pp-xl": 0.8593, "pp-130m": 0.8534,
    }  # fmt: skip
    grid = GRIDS["dualnet"]
    assert grid.published == {(f"{name}-as-published", 1): one for name, one in published.items()}
    for name in published:
        assert grid.recipes[name] == find(f"dualnet-{name}")
        assert grid.recipes[f"{name}-as-published"] == find(f"dualnet-{name}-as-published")


def test_heartlys_ablation_changes_one_thing_at_a_time() -> None:
    whole, *others = GRIDS["heartly-ablation"].recipes.values()
    base = find("heartly-leadwise")
    names = ("epochs", "batch", "sampling", "leave_out")
    assert replace(whole, **{name: getattr(base, name) for name in names}) == base
    changed = [
        {field.name for field in fields(Recipe)
         if getattr(one, field.name) != getattr(whole, field.name)} - {"name", "summary"}
        for one in others
    ]  # fmt: skip
    assert changed == [{"heads"}] * 4 + [{"leave_out"}] * 2 + [{"pretraining"}, {"fs", "network"}]
    learned = [[head.name for head in one.heads if head.weight > OFF] for one in others[:4]]
    every = [head.name for head in base.heads]
    assert learned == [["diagnosis"], ["waves"], ["diagnosis", "waves"], every]
    assert all({head.name for head in one.heads} == set(every) for one in others)
    assert others[-1].crop_samples == 4096  # frames, as published


def test_heartlys_folds_of_beats_are_those_of_the_patients() -> None:
    grid = GRIDS["heartly-beats"]
    known = {"1", "2", "3", "4", "5", "6", "8"}
    cells = cells_of(grid)
    assert [cell.test for cell in cells] == ["1", "2", "3", "4", "5"]
    assert training_folds(cells[0], known) == ("2", "3", "4", "5", "6")


def test_a_grid_is_recipes_by_lead_sets_by_folds_by_seeds() -> None:
    grid = narrowed(
        GRIDS["losses"], leads=(12, 2), folds=(("7", "8"), ("8", "9")), seeds=(0, 1, 2),
        only=("bce", "asymmetric"), epochs=3, records=100,
    )  # fmt: skip
    cells = cells_of(grid)
    assert len(cells) == len({cell.name for cell in cells}) == 2 * 2 * 2 * 3
    assert {cell.epochs for cell in cells} == {3}
    assert list(grid.recipes) == ["asymmetric", "bce"]
    assert cells_of(narrowed(GRIDS["losses"], leads=None, only=None, epochs=None)) == cells_of(
        GRIDS["losses"]
    )
    longest = narrowed(GRIDS["losses"], epochs=1000).recipes["bce"]
    assert longest.epochs == 50


def test_own_lead_sets_train_together() -> None:
    cells = {cell.variant: cell for cell in cells_of(GRIDS["ptbxl"])}
    assert cells["nc-se"].leads == (12,)
    assert cells["taught"].leads == (12, 2)
    assert cells["taught"].name == "taught-12+2-leads-fold-9-seed-0"
    assert [cell.leads for cell in cells_of(GRIDS["lead-sets"])] == [(12,), (6,), (4,), (3,), (2,)]
    assert {cell.leads for cell in cells_of(GRIDS["dualnet"])} == {(1,)}
    assert {cell.records for cell in cells_of(GRIDS["isibrno2020-entries"])} == {3000}


def test_the_test_fold_of_ptbxl_never_trains() -> None:
    known = set(map(str, range(1, 11)))
    cell = Cell("a", "b", (12,), "8", "9", 0, 1)
    assert training_folds(cell, known) == tuple("1234567")
    with pytest.raises(LeadwiseError, match="no fold is left to train on: all records are in 8, 9"):
        training_folds(cell, {"8", "9"})


def test_unknown_names_are_answered_with_the_known_ones() -> None:
    with pytest.raises(LeadwiseError, match="no study 'ablation'; known are ablation-0, ablati"):
        find_grid("ablation")
    with pytest.raises(LeadwiseError, match="losses has no 'mse'; it has asymmetric, bce, weighte"):
        narrowed(GRIDS["losses"], only=("mse",))
