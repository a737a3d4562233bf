"""Grids: a paper's studies as data, each a base recipe and named changes of it.

A grid is recipes × lead sets × folds × seeds.  All but `losses` are Kang & Wen's own studies
(Physiol. Meas. 2022, section 7), at 500 Hz as published and, named `…-100hz`, at 100 Hz: records of
PTB-XL at that rate hold no more, and an epoch takes a fifth of the time.  The published figures are
one run each, without a seed, on a fifth of the Challenge's public records: they stand beside ours,
which are from other data, and say what differed there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ecg import LeadwiseError
from ecg.labels import CODES
from models import find
from models.losses import constant_weights
from models.recipe import Part, Recipe, part

LOGS = "Kang & Wen 2022 and the logs of November 2021, best score on their validation part"
BACKBONES = {
    "nc-se": "nc-se", "nc-bs": "nc-bs", "n": "tresnet-n", "p": "tresnet-p", "f": "tresnet-f",
    "branched": "branched", "lw": "branched-lw",
}  # fmt: skip
BATCHES = (16, 32, 128)  # beside the base's 64; ours: the paper names none
LOW_ORDERS_S = (0.02, 0.1, 0.2)  # of the band-pass; the base has 0.3 s, later entries 0.1 and 0.2
CONSTANT = {
    "schedule": part("constant"),
    "optimiser": part("adamw", lr=1e-3, weight_decay=0.01, amsgrad=True),
}


@dataclass(frozen=True)
class Grid:
    """Named recipes and what each is trained for.

    Attributes
    ----------
    name, summary : str
    recipes : dict of str to Recipe
        By the variant's name, in the order of the table; gains are measured against the first.
    leads : tuple of int
        Sizes of lead sets; 1: the recipes' own lead.
    folds : tuple of pairs of str
        The fold to choose the epoch on and the one to report; all others are learned from.  Where
        the first is "", a quarter of what is learned from is set aside instead.
    by : str
        What says which fold a record is in: DATA's `table`, its `source`, its `class`, for ten
        folds that are alike, or the `submission` split of DualNet's authors.
    seeds : tuple of int
    published : dict of (str, int) to float
        The published score of a variant and lead set, where there is one.
    source : str
        Of the published scores.
    """

    name: str
    summary: str
    recipes: Mapping[str, Recipe]
    leads: tuple[int, ...] = (12,)
    folds: tuple[tuple[str, str], ...] = (("8", "9"),)
    by: str = "table"
    seeds: tuple[int, ...] = (0,)
    published: Mapping[tuple[str, int], float] = field(default_factory=dict)
    source: str = ""


def variants(base: Recipe, changes: Mapping[str, Mapping[str, Any]]) -> dict[str, Recipe]:
    """Make a recipe of each set of changes; one that changes nothing is the base itself."""
    made = {}
    for name, fields in changes.items():
        recipe = replace(base, **fields)
        if recipe != base:
            summary = f"`{base.name}`, {name}"
            recipe = replace(recipe, name=f"{base.name}-{name}", summary=summary)
        made[name] = recipe
    return made


def network(backbone: str, layers: str) -> Part:
    """Make a network of a backbone and what follows it: `lstm-se-2`, `se-1`, `2`, …."""
    *modules, linear = layers.split("-")
    attention = "se" if "se" in modules else "none"
    return part(
        "crnn", backbone=backbone, lstm="lstm" in modules, attention=attention, linear=int(linear)
    )


def _without(parts: tuple[Part, ...], name: str) -> tuple[Part, ...]:
    return tuple(one for one in parts if one.name != name)


def ablation_0(rate: str) -> Grid:
    """Change one component of the base at a time: section 7.1, figure 7."""
    base = find(f"revenger-nc-se{rate}")
    plain = {"finish": _without(base.finish, "record_z_score")}
    unfiltered = _without(base.steps, "fir_band_pass")
    edges = {"low_hz": 0.5, "high_hz": 60}
    filters = {
        "no-band-pass": unfiltered,
        **{f"fir-{order_s:g}s": (*unfiltered, part("fir_band_pass", order_s=order_s, **edges))
           for order_s in (*LOW_ORDERS_S, 0.3)},
        "butterworth": (*unfiltered, part("butterworth_band_pass", order=5, **edges)),
    }  # fmt: skip
    code = part("asymmetric_deep_psp", gamma_positive=1, gamma_negative=0.2)
    changes: dict[str, dict[str, Any]] = {
        "base": {},
        "loss-as-in-code": {"loss": code},
        "weighted-bce": {"loss": part("weighted_bce", weights=constant_weights(CODES))},
        "bce": {"loss": part("bce")},
        "constant-rate": CONSTANT,
        "no-z-score": plain,
        "no-z-score-no-mixup": {**plain, "augment": ()},
        "no-z-score-label-smoothing": {**plain, "augment": (part("label_smoothing"),)},
        "no-mixup": {"augment": ()},
        "label-smoothing": {"augment": (part("label_smoothing"),)},
        "random-masking": {"augment": (*base.augment, part("random_masking"))},
        **{name: {"steps": steps} for name, steps in filters.items() if steps != base.steps},
        **{f"batch-{size}": {"batch": size} for size in BATCHES},
    }
    published = {
        "base": 0.6870, "weighted-bce": 0.6350, "constant-rate": 0.6808, "no-z-score": 0.6943,
        "no-z-score-no-mixup": 0.6907, "no-z-score-label-smoothing": 0.6807,
    }  # fmt: skip
    return Grid(
        f"ablation-0{rate}", "loss, filter, normalisation, augmentation, schedule, batch size",
        variants(base, changes), published=_of_12(published), source=LOGS,
    )  # fmt: skip


def ablation_i(rate: str) -> Grid:
    """Take away what follows ResNet-NC-SE: section 7.2, figure 8."""
    published = {"lstm-se-2": 0.6870, "se-2": 0.6743, "2": 0.6726, "1": 0.6831}
    changes = {name: {"network": network("nc-se", name)} for name in published}
    return Grid(
        f"ablation-i{rate}", "what follows ResNet-NC-SE: LSTM, SE, one or two layers",
        variants(find(f"revenger-nc-se{rate}"), changes),
        published=_of_12(published), source=LOGS,
    )  # fmt: skip


def ablation_ii(rate: str) -> Grid:
    """Change the backbone before LSTM, SE and two layers: section 7.2, figure 9."""
    published = {
        "nc-se": 0.6870, "nc-bs": 0.7012, "n": 0.7028, "p": 0.6999, "f": 0.6795,
        "branched": 0.6980, "lw": 0.6988,
    }  # fmt: skip
    recipes = {name: find(f"revenger-{BACKBONES[name]}{rate}") for name in published}
    return Grid(
        f"ablation-ii{rate}", "the backbone before LSTM, SE and two layers", recipes,
        published=_of_12(published), source=LOGS,
    )  # fmt: skip


def ablation_iii(rate: str) -> Grid:
    """Change the backbone before a single layer: section 7.2, figure 10."""
    published = {
        "nc-se": 0.6831, "nc-bs": 0.7050, "n": 0.6740, "p": 0.6581, "f": 0.6435,
        "branched": 0.6471, "lw": 0.6544,
    }  # fmt: skip
    changes = {name: {"network": network(BACKBONES[name], "1")} for name in published}
    return Grid(
        f"ablation-iii{rate}", "the backbone before a single layer",
        variants(find(f"revenger-nc-se{rate}"), changes),
        published=_of_12(published), source=LOGS,
    )  # fmt: skip


def eight_way(rate: str) -> Grid:
    """Take ResNet-NC-BS with and without LSTM, SE and a second layer: section 7.2, figure 11."""
    published = {
        "1": 0.7156, "2": 0.7002, "se-1": 0.7122, "se-2": 0.7019, "lstm-1": 0.7102,
        "lstm-2": 0.7128, "lstm-se-1": 0.7080, "lstm-se-2": 0.7079, "gc-backbone-1": 0.7144,
    }  # fmt: skip
    changes = {name: {"network": network("nc-bs", name)} for name in published if name[0] != "g"}
    changes["gc-backbone-1"] = {"network": network("nc-bg", "1")}
    return Grid(
        f"eight-way{rate}", "ResNet-NC-BS with and without LSTM, SE, a second layer; and NC-BG",
        variants(find(f"revenger-nc-bs{rate}"), changes),
        published=_of_12(published), source=LOGS,
    )  # fmt: skip


def lead_sets(rate: str) -> Grid:
    """Train the base for each lead set: section 6, figure 5."""
    published = {12: 0.6870, 6: 0.6670, 4: 0.6569, 3: 0.6638, 2: 0.6512}
    return Grid(
        f"lead-sets{rate}", "the base for each of the five lead sets",
        {"base": find(f"revenger-nc-se{rate}")}, leads=tuple(published),
        published={("base", size): score for size, score in published.items()}, source=LOGS,
    )  # fmt: skip


def losses() -> Grid:
    """See whether the asymmetric loss helps a small, fast network: the paper's first finding."""
    changes = {
        "asymmetric": {},
        "bce": {"loss": part("bce")},
        "weighted-bce": {"loss": part("weighted_bce", weights=constant_weights(CODES))},
    }
    return Grid(
        "losses", "asymmetric, plain and weighted cross-entropy on TResNet-F at 100 Hz",
        variants(find("revenger-tresnet-f-100hz"), changes), seeds=(0, 1, 2),
        published=_of_12({"asymmetric": 0.6870, "weighted-bce": 0.6350}),
        source=f"{LOGS}; of ResNet-NC-SE at 500 Hz",
    )  # fmt: skip


def dualnet() -> Grid:
    """Train ECG-DualNet's networks as their paper does, as its code did, and ours beside them."""
    names = ("house", "s", "as-published", "l", "xl", "pp-s", "pp-as-published", "pp-l", "pp-xl")
    accuracies = {"as-published": 0.8527, "l": 0.8514, "xl": 0.8612, "pp-as-published": 0.8174,
                  "pp-l": 0.8449, "pp-xl": 0.8593}  # fmt: skip
    return Grid(
        "dualnet", "one lead, four classes: ours, and the paper's networks right and as published",
        {name: find(f"dualnet-{name}") for name in names}, leads=(1,), by="class",
        seeds=(0, 1, 2), published={(name, 1): value for name, value in accuracies.items()},
        source="Reich & Kruk 2021: accuracy, the best of three runs, on what chose the epoch",
    )  # fmt: skip


def dualnet_submission() -> Grid:
    """Train on the paper's second split: 411 of its 500 records are public."""
    names = {"xl": 0.8840, "pp-xl": 0.8800, "two-classes": 0.9800, "house": None}
    return Grid(
        "dualnet-submission", "the paper's second split, four classes and two",
        {name: find(f"dualnet-{name}") for name in names}, leads=(1,), folds=(("", "held"),),
        by="submission",
        published={(name, 1): value for name, value in names.items() if value},
        source="Reich & Kruk 2021: accuracy after pre-training, the best of three runs, on the 500 "
        "records that chose the epoch",
    )  # fmt: skip


def dualnet_ablation(size: str) -> Grid:
    """Take away DualNet's augmentation or one of its encoders, as its paper does.

    Of size S, which a processor can train for some epochs, the rate rises and falls within them
    (the published one falls after a quarter of the epochs, here before much is learned), and the
    public code's faults are a variant more.
    """
    names = ("", "-no-augmentation", "-no-signal", "-no-spectrogram")
    recipes = {name[1:] or "whole": find(f"dualnet-{size}{name}") for name in names}
    if size == "s":
        recipes["as-published"] = find("dualnet-as-published")
        cycle = {"one-cycle": {"schedule": part("one_cycle", rising=0.2)}}
        recipes = {name: variants(one, cycle)["one-cycle"] for name, one in recipes.items()}
    return Grid(
        f"dualnet-ablation-{size}", "without augmentation, signal or spectrogram encoder", recipes,
        leads=(1,), by="class",
    )  # fmt: skip


def _of_12(published: Mapping[str, float]) -> dict[tuple[str, int], float]:
    return {(name, 12): score for name, score in published.items()}


def _all() -> Iterator[Grid]:
    for rate in ("", "-100hz"):
        for study in (ablation_0, ablation_i, ablation_ii, ablation_iii, eight_way, lead_sets):
            yield study(rate)
    yield losses()
    yield dualnet()
    yield dualnet_submission()
    for size in ("s", "l"):
        yield dualnet_ablation(size)


GRIDS = {grid.name: grid for grid in _all()}


def find_grid(name: str) -> Grid:
    """Find a grid by name.

    Raises
    ------
    LeadwiseError
        There is none; the known ones are listed.
    """
    if name not in GRIDS:
        raise LeadwiseError(f"no grid '{name}'; known are {', '.join(GRIDS)}")
    return GRIDS[name]


def narrowed(grid: Grid, **chosen: Any) -> Grid:
    """Choose other lead sets, folds or seeds, or some of the recipes; None leaves what there is.

    Parameters
    ----------
    leads, folds, seeds : tuple, optional
    only : sequence of str, optional
        Names of variants.
    epochs : int, optional
        At most so many.

    Raises
    ------
    LeadwiseError
        There is no such variant; the known ones are listed.
    """
    only, epochs = chosen.pop("only"), chosen.pop("epochs")
    for name in only or ():
        if name not in grid.recipes:
            raise LeadwiseError(f"{grid.name} has no '{name}'; it has {', '.join(grid.recipes)}")
    recipes = {
        name: replace(recipe, epochs=min(epochs or recipe.epochs, recipe.epochs))
        for name, recipe in grid.recipes.items()
        if not only or name in only
    }
    given = {name: value for name, value in chosen.items() if value is not None}
    return replace(grid, recipes=recipes, **given)
