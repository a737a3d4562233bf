"""The studies of 12-lead systems, and all studies by name.

Kang & Wen's studies (Physiol. Meas. 2022, section 7) exist at 500 Hz, as published, and for PTB-XL
at 100 Hz as `…-100hz`, where an epoch takes a fifth of the time.  The published scores are those of
single runs without a seed, on a fifth of the Challenge's public records.  Only their differences
can be compared with ours.  `…-small` trains those at 100 Hz on few records, in batches of 16, so
that there are four times as many steps.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ecg import LeadwiseError
from ecg.labels import CODES
from ecg.leads import LEAD_SETS
from experiments import grids2017, grids_heartly
from experiments.grid import Grid, variants
from models import find
from models.losses import constant_weights
from models.recipe import Part, Recipe, part, vary
from training.settings import DEFAULT_RECIPE

LOGS = "Kang & Wen 2022 and the logs of November 2021, best score on their validation part"
BACKBONES = {
    "nc-se": "nc-se", "nc-bs": "nc-bs", "n": "tresnet-n", "p": "tresnet-p", "f": "tresnet-f",
    "branched": "branched", "lw": "branched-lw",
}  # fmt: skip
SMALL_RECORDS, SMALL_EPOCHS, SMALL_BATCH = 3000, 8, 16  # half an hour of one thread per network
BATCHES = (16, 32, 128)  # our choice, since the paper has none; the base has 64
LOW_ORDERS_S = (0.02, 0.1, 0.2)  # of the band-pass; the base has 0.3 s, later entries 0.1 and 0.2
CONSTANT = {
    "schedule": part("constant"),
    "optimiser": part("adamw", lr=1e-3, weight_decay=0.01, amsgrad=True),
}


def network(backbone: str, layers: str) -> Part:
    """Make a network from a backbone and the layers after it: `lstm-se-2`, `se-1`, `2`, …."""
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
    plain = {"post_transforms": _without(base.post_transforms, "record_z_score")}
    unfiltered = _without(base.transforms, "fir_band_pass")
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
        **{
            name: {"transforms": transforms}
            for name, transforms in filters.items()
            if transforms != base.transforms
        },
        **{f"batch-{size}": {"batch": size} for size in BATCHES},
    }
    published = {
        "base": 0.6870, "weighted-bce": 0.6350, "constant-rate": 0.6808, "no-z-score": 0.6943,
        "no-z-score-no-mixup": 0.6907, "no-z-score-label-smoothing": 0.6807,
    }  # fmt: skip
    summary = "loss, filter, normalisation, augmentation, schedule, batch size"
    return of_paper(f"ablation-0{rate}", summary, variants(base, changes), published)


def of_paper(
    name: str, summary: str, recipes: Mapping[str, Recipe], published: Mapping[str, float]
) -> Grid:
    """Make a study of Kang & Wen with 12 leads."""
    return Grid(name, summary, recipes, published=_of_12(published), source=LOGS)


def architectures(rate: str) -> Iterator[Grid]:
    """Change backbone and layers: section 7.2, figures 8 to 11; and lead sets: 6, figure 5."""
    nc_se, nc_bs = find(f"revenger-nc-se{rate}"), find(f"revenger-nc-bs{rate}")
    scores = {"lstm-se-2": 0.6870, "se-2": 0.6743, "2": 0.6726, "1": 0.6831}
    networks = {layers: {"network": network("nc-se", layers)} for layers in scores}
    summary = "layers after ResNet-NC-SE: LSTM, SE, one or two linear layers"
    yield of_paper(f"ablation-i{rate}", summary, variants(nc_se, networks), scores)

    scores = {
        "nc-se": 0.6870, "nc-bs": 0.7012, "n": 0.7028, "p": 0.6999, "f": 0.6795,
        "branched": 0.6980, "lw": 0.6988,
    }  # fmt: skip
    recipes = {name: find(f"revenger-{BACKBONES[name]}{rate}") for name in scores}
    summary = "the backbone before LSTM, SE and two layers"
    yield of_paper(f"ablation-ii{rate}", summary, recipes, scores)

    scores = {
        "nc-se": 0.6831, "nc-bs": 0.7050, "n": 0.6740, "p": 0.6581, "f": 0.6435,
        "branched": 0.6471, "lw": 0.6544,
    }  # fmt: skip
    networks = {name: {"network": network(BACKBONES[name], "1")} for name in scores}
    summary = "the backbone before a single layer"
    yield of_paper(f"ablation-iii{rate}", summary, variants(nc_se, networks), scores)

    scores = {
        "1": 0.7156, "2": 0.7002, "se-1": 0.7122, "se-2": 0.7019, "lstm-1": 0.7102,
        "lstm-2": 0.7128, "lstm-se-1": 0.7080, "lstm-se-2": 0.7079,
    }  # fmt: skip
    networks = {layers: {"network": network("nc-bs", layers)} for layers in scores}
    networks["gc-backbone-1"] = {"network": network("nc-bg", "1")}
    summary = "ResNet-NC-BS with and without LSTM, SE, a second layer; and NC-BG"
    scores["gc-backbone-1"] = 0.7144
    yield of_paper(f"eight-way{rate}", summary, variants(nc_bs, networks), scores)

    of_leads = {12: 0.6870, 6: 0.6670, 4: 0.6569, 3: 0.6638, 2: 0.6512}
    yield Grid(
        f"lead-sets{rate}", "the base for each of the five lead sets", {"base": nc_se},
        leads=tuple(of_leads), source=LOGS,
        published={("base", size): score for size, score in of_leads.items()},
    )  # fmt: skip


def losses() -> Grid:
    """Test on a small network whether the asymmetric loss helps: the paper's first finding."""
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


def isibrno() -> Grid:
    """Train ISIBrno 2020's network for 12 and 2 leads."""
    recipe = vary(find("isibrno-rules"), epochs=18, lead_sets=(LEAD_SETS[12], LEAD_SETS[2]))
    return Grid(
        "isibrno2020", "the final entry: decisions, calibration and rules", {"final": recipe},
        leads=(), measures=("challenge", "f_measure", "auroc", "auprc"),
        sections=("decisions", "calibration", "rules", "rules-cross-fitted"),
    )  # fmt: skip


def isibrno_entries() -> Grid:
    """Train ISIBrno 2020's entries on few records, each with one global threshold."""
    published = {"entry1": 0.569, "entry2": 0.624, "entry3": 0.608, "entry5": 0.659,
                 "entry7": 0.652}  # fmt: skip
    names = {name: name for name in published} | {"entry5": "published", "leadwise": "leadwise"}
    recipes = {name: _short(f"isibrno-{recipe}", 8) for name, recipe in names.items()}
    # The plateau schedule reduces the rate only after 7 epochs without a gain.
    recipes["plateau-24"] = _short("isibrno-published", 24)
    recipes["falling-24"] = _short("isibrno-leadwise", 24)
    # Initial logits of 0 and of −3: entry 7 does not begin to learn from 0.
    recipes["entry7-zero-bias"] = _from_logit(recipes["entry7"], 0.0)
    standardised = vary(_short("isibrno-entry7", 24), post_transforms=(part("z_score"),))
    recipes["entry7-zero-bias-z-24"] = _from_logit(standardised, 0.0)
    recipes["leadwise-rare"] = _from_logit(recipes["leadwise"], -3.0)
    return Grid(
        "isibrno2020-entries", "the entries on 3,000 records, one global threshold", recipes,
        records=3000, published=_of_12(published),
        source="the Challenge's hidden validation part of 2020",
    )  # fmt: skip


def _short(name: str, epochs: int) -> Recipe:
    own = f"{name}-{epochs}-epochs"
    return vary(find(name), name=own, epochs=epochs, decision="global")


def _from_logit(recipe: Recipe, logit: float) -> Recipe:
    network = part(recipe.network.name, **{**recipe.network.options, "initial_logit": logit})
    return vary(recipe, name=f"{recipe.name}-from-logit-{logit:g}", network=network)


def ptbxl() -> Grid:
    """Train the house's networks and two of Revenger 2021 at 100 Hz."""
    one, both = (LEAD_SETS[12],), (LEAD_SETS[12], LEAD_SETS[2])
    recipes = {
        "nc-se": vary(find("revenger-nc-se-100hz"), epochs=15, lead_sets=one),
        "tresnet-f": vary(find("revenger-tresnet-f-100hz"), epochs=10, lead_sets=one),
        "taught": vary(find("house-taught"), lead_sets=both),
        "pair": vary(find("house-pair"), lead_sets=both),
    }
    return Grid(
        "ptbxl", "Revenger 2021 and the house on PTB-XL at 100 Hz", recipes, leads=(),
        measures=("challenge", "f_measure", "auroc"), sections=("decisions",),
    )  # fmt: skip


def house_levers() -> Grid:
    """Change one thing of the house's recipe at a time, at a third of its epochs.

    The epoch is chosen on fold 8, and so are the changes: `report --validation`.
    """
    base = vary(find("house-resnet"), epochs=8, lead_sets=(LEAD_SETS[12],))
    changes: dict[str, dict[str, Any]] = {
        "house": {},
        "crops": {"crop_s": 2.5},
        "crops-windows": {"max_s": 2.5, "stride_s": 1.25},
        "territories": {"augment": (part("territory_dropout", probability=0.3), *base.augment)},
        "stochastic-depth": {"network": part("resnet", skip=0.2)},
        "random-encoder": {"network": part("resnet", frozen=True)},
    }
    return Grid(
        "house-levers", "the house's recipe with one change each, 8 epochs",
        variants(base, changes), measures=("challenge", "auroc"),
    )  # fmt: skip


def few_leads() -> Grid:
    """Compare three methods to predict from few leads with Branched-LW."""
    names = ("reuse", "zero-filled", "lead-dropout")
    return Grid(
        "few-leads", "three ways to predict from few leads with Branched-LW at 100 Hz",
        {name: find(f"revenger-branched-lw-{name}-100hz") for name in names}, leads=(),
        sections=("decisions",),
    )  # fmt: skip


def statements() -> Grid:
    """Train on PTB-XL's 71 statements, in a folder of `python -m experiments statements`."""
    return Grid(
        "statements", "macro AUC of PTB-XL's 71 statements; fold 9 also chose the epoch",
        {"house": find("house-statements")}, folds=(("9", "9"),), measures=("statements",),
        source="on fold 10, trained on folds 1 to 8: xresnet1d101 0.925 (Strodthoff et al. 2021), "
        "S4 0.941 (Mehari & Strodthoff 2023)",
    )  # fmt: skip


def statements_levers() -> Grid:
    """Train on likelihoods of statements in place of labels, at 8 of 20 epochs.

    `report --validation` scores fold 8, which chooses the epoch.
    """
    base = vary(find("house-statements"), epochs=8)
    return Grid(
        "statements-levers", "PTB-XL's statements with likelihoods as targets, 8 epochs",
        variants(base, {"house": {}, "likelihoods": {"targets": "soft"}}), measures=("statements",),
    )  # fmt: skip


def leave_one_source_out(base: Recipe) -> Grid:
    """Leave out each source in turn: train and validate on all others, test on it.

    The Challenge scored entries on hospitals that were not in the training data (ISIBrno 2020:
    0.847 on the source with the most training records, −0.006 on an unseen one).  In `masked`,
    targets of classes that a source never labels are unknown; in `plain` they are negative.
    """
    recipes = variants(vary(base, mask="off"), {"plain": {}, "masked": {"mask": "sources"}})
    return Grid(
        "leave-one-source-out", "train and validate on all sources but one, test on that one",
        recipes, folds=(), by="source",
    )  # fmt: skip


def _of_12(published: Mapping[str, float]) -> dict[tuple[str, int], float]:
    return {(name, 12): score for name, score in published.items()}


def small(grid: Grid) -> Grid:
    """Make a study of few records and epochs; variants of the batch size are left out."""
    first = next(iter(grid.recipes.values()))
    recipes = {
        name: vary(recipe, epochs=SMALL_EPOCHS, batch=SMALL_BATCH)
        for name, recipe in grid.recipes.items()
        if recipe.batch == first.batch
    }
    return replace(
        grid, name=f"{grid.name.removesuffix('-100hz')}-small", recipes=recipes, seeds=(0,),
        summary=f"{grid.summary}; {SMALL_RECORDS:,} records, {SMALL_EPOCHS} epochs",
        records=SMALL_RECORDS, measures=("challenge", "auroc"),
    )  # fmt: skip


def _all() -> Iterator[Grid]:
    for rate in ("", "-100hz"):
        yield ablation_0(rate)
        yield from architectures(rate)
    for grid in (ablation_0("-100hz"), *architectures("-100hz"), losses()):
        yield small(grid)
    for study in (
        losses,
        isibrno,
        isibrno_entries,
        ptbxl,
        house_levers,
        few_leads,
        statements,
        statements_levers,
    ):
        yield study()
    yield leave_one_source_out(find(DEFAULT_RECIPE))
    yield from grids2017.all_grids()
    yield grids_heartly.ablation()
    yield grids_heartly.beats()


GRIDS = {grid.name: grid for grid in _all()}


def find_grid(name: str) -> Grid:
    """Find a study's grid by name.

    Raises
    ------
    LeadwiseError
        Unknown name; the message lists the known ones.
    """
    if name not in GRIDS:
        raise LeadwiseError(f"no study '{name}'; known are {', '.join(GRIDS)}")
    return GRIDS[name]
