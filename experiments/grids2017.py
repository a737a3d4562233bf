"""The studies of ECG-DualNet on 2017's records: one lead, records of a REFERENCE.csv."""

from collections.abc import Iterator
from typing import Any

from experiments.grid import Grid, variants
from models import find
from models.recipe import part

OF_2017: dict[str, Any] = {
    "leads": (), "by": "class", "measures": ("accuracy", "f_measure", "af_f1"),
    "sections": ("ensemble",),
}  # fmt: skip
# Accuracy on the 1,528 records that also chose the epoch; the best of three runs.
PUBLISHED = {"s": 0.8527, "m": 0.8560, "l": 0.8514, "xl": 0.8612, "pp-s": 0.8174, "pp-m": 0.8259,
             "pp-l": 0.8449, "pp-xl": 0.8593, "pp-130m": 0.8534}  # fmt: skip
SOURCE = "Reich & Kruk 2021: accuracy, the best of three runs, on records that also chose the epoch"


def dualnet() -> Grid:
    """Train our network and the paper's nine, without and with the errors of the public code."""
    names = ("house", *PUBLISHED, *(f"{size}-as-published" for size in PUBLISHED))
    return Grid(
        "dualnet", "one lead, four classes: ours, and the paper's networks right and as published",
        {name: find(f"dualnet-{name}") for name in names}, **OF_2017, seeds=(0, 1, 2),
        published={(f"{size}-as-published", 1): value for size, value in PUBLISHED.items()},
        source=SOURCE,
    )  # fmt: skip


def dualnet_ten_folds() -> Grid:
    """Train ours ten times: one fold chooses the epoch, the next one is the test fold."""
    folds = tuple((str(fold), str((fold + 1) % 10)) for fold in range(10))
    return Grid(
        "dualnet-ten-folds", "ours on ten folds, each tested once: scores on all records",
        {"house": find("dualnet-house")},
        **{**OF_2017, "folds": folds, "sections": ("out-of-fold",)},
    )  # fmt: skip


def dualnet_levers() -> Grid:
    """Change one thing of ours at a time, to score higher than the authors."""
    house = find("dualnet-house")
    kept = tuple(each for each in house.augment if each.name != "invert")
    changes: dict[str, dict[str, Any]] = {
        "house": {},
        "polarity": {"augment": (*kept, part("invert", probability=0.5))},
        "upright": {"augment": kept},
        "rhythm": {"network": find("dualnet-house-rhythm").network},
        "macro-f1": {"decision": "macro_f1"},
        "long": {"epochs": 5 * house.epochs},
        "soft": {"targets": "soft"},
    }
    return Grid(
        "dualnet-levers", "ours with one change each", variants(house, changes), **OF_2017,
        seeds=(0, 1, 2),
    )  # fmt: skip


def dualnet_fine_tuning() -> Grid:
    """Fine-tune XL and ++XL, initialised from their pre-training on Icentia11k."""
    accuracies = {"xl-as-published": 0.8468, "pp-xl-as-published": 0.8481}
    names = ("xl", "pp-xl", *accuracies)
    return Grid(
        "dualnet-fine-tuning", "XL and ++XL from weights of Icentia11k, with --init-from",
        {name: find(f"dualnet-{name}") for name in names}, **OF_2017, seeds=(0, 1, 2),
        published={(name, 1): value for name, value in accuracies.items()},
        source=SOURCE, pretrained=True,
    )  # fmt: skip


def dualnet_submission() -> Grid:
    """Train on the paper's second split, of whose 500 test records 411 are public.

    Of these, 262 are normal or AF, the classes of `a-or-n`; the slides' figure of these two classes
    is on 300 records of another split, which is not published.
    """
    accuracies = {"xl": 0.8840, "pp-xl": 0.8800, "two-classes": 0.9800, "a-or-n": 0.9933}
    names = ("house", *accuracies, *(f"{name}-as-published" for name in accuracies))
    return Grid(
        "dualnet-submission", "the paper's second split, four classes and two",
        {name: find(f"dualnet-{name}") for name in names},
        **{**OF_2017, "folds": (("", "held"),), "by": "submission"},
        published={(f"{name}-as-published", 1): value for name, value in accuracies.items()},
        source="Reich & Kruk 2021: accuracy after pre-training, the best of three runs, on the 500 "
        "records (a-or-n: 300) that also chose the epoch",
    )  # fmt: skip


def dualnet_ablation(size: str) -> Grid:
    """Remove DualNet's augmentation or one of its encoders, as the paper does.

    Size S is trained on a CPU for few epochs, so it has a one-cycle schedule (the published rate
    decays after a quarter of 100 epochs).  It has a further variant with the public code's faults.
    """
    names = ("", "-no-augmentation", "-no-signal", "-no-spectrogram")
    recipes = {name[1:] or "whole": find(f"dualnet-{size}{name}") for name in names}
    if size == "s":
        recipes["as-published"] = find("dualnet-s-as-published")
        cycle = {"one-cycle": {"schedule": part("one_cycle", warmup=0.2)}}
        recipes = {name: variants(one, cycle)["one-cycle"] for name, one in recipes.items()}
    return Grid(
        f"dualnet-ablation-{size}", "without augmentation, signal or spectrogram encoder", recipes,
        **OF_2017,
    )  # fmt: skip


def all_grids() -> Iterator[Grid]:
    """Yield all studies of this file."""
    yield from (dualnet(), dualnet_ten_folds(), dualnet_levers())
    yield from (dualnet_fine_tuning(), dualnet_submission())
    yield from map(dualnet_ablation, ("s", "l"))
