"""Data: which records of a folder are learned from, their labels, and how they are divided."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datasets.reference import labelled
from ecg import LeadwiseError
from ecg.headers import Message
from ecg.labels import CODES, POLICIES, class_name, label_matrix
from ecg.leads import LEAD_SETS
from ecg.progress import log
from ecg.records import Record, find_records, summarise
from models import find
from models.inputs import unfit
from models.recipe import Recipe, part, read_recipe
from training.cache import Cache
from training.mapped import Signals
from training.masks import MASKS
from training.settings import Settings
from training.splits import read_folds, split_by_fold, stratified_split


class Data(NamedTuple):
    """Usable records in the cache's order; `validation` marks those to choose on.

    `known` tells which labels (records, classes) the recipe's mask leaves; None: all.
    """

    signals: Signals
    classes: tuple[str, ...]
    labels: np.ndarray
    validation: np.ndarray
    known: np.ndarray | None = None


def chosen_recipe(settings: Settings) -> Recipe:
    """Find the recipe, by name or in a file of its own, and put in what the settings say.

    Raises
    ------
    LeadwiseError
        There is no such recipe, it reads other leads than the Challenge's five sets, or the sets do
        not begin with the one whose backbone the others keep.
    """
    recipe = named_recipe(settings.recipe)
    if settings.leads:
        recipe = _narrowed(recipe, settings.leads)
    return replace(
        recipe,
        epochs=min(settings.epochs or recipe.epochs, recipe.epochs),
        minutes=settings.minutes or recipe.minutes,
        seed=recipe.seed if settings.seed is None else settings.seed,
    )


def named_recipe(name: str) -> Recipe:
    """Find a recipe by its name, or read it from a file NAME.json.

    Raises
    ------
    LeadwiseError
        There is no such recipe.
    """
    return read_recipe(Path(name)) if name.endswith(".json") else find(name)


def _narrowed(recipe: Recipe, sizes: Sequence[int]) -> Recipe:
    """Let a recipe train the Challenge's lead sets of these sizes.

    Whom the first lead set would have taught labels learns alone where it is left out.
    """
    if not set(recipe.lead_sets) <= set(LEAD_SETS.values()):
        own = "; ".join(", ".join(lead_set) for lead_set in recipe.lead_sets)
        raise LeadwiseError(
            f"{recipe.name}: reads its own leads ({own}); LEADWISE_LEADS is not for it, unset it"
        )
    first, teach = len(recipe.lead_sets[0]), recipe.teach
    if teach.name != "nothing" and sizes[0] != first:
        way = f"let LEADWISE_LEADS begin with it: {first},{sizes[0]}"
        if teach.name != "labels":
            raise LeadwiseError(
                f"{recipe.name}: the network of {first} leads teaches the others; {way}"
            )
        log(f"{recipe.name}: nobody teaches, as {first} leads would; to be taught, {way}")
        teach = part("nothing")
    return replace(recipe, lead_sets=tuple(LEAD_SETS[size] for size in sizes), teach=teach)


def labelled_records(
    folder: str, classes: str = "scored", *, exclusive: bool = False
) -> tuple[list[Record], list[Message]]:
    """Read the headers of a training folder, and its REFERENCE.csv; see `datasets.reference`.

    Parameters
    ----------
    folder : str
    classes, exclusive
        A recipe's: one of the classes, at least, must occur.

    Returns
    -------
    records : list of Record
        With all their labels as codes; without any a record is left out, and so it is where
        classes are exclusive and it has not exactly one of them.
    left_out : list of Message
        What cannot be used, and why.

    Raises
    ------
    LeadwiseError
        Nothing usable is left.
    """
    found, left_out = find_records(folder)
    records, odd = labelled(folder, found)
    said = {remark.record for remark in odd}
    text = "the header has no Dx code, and no REFERENCE.csv names it; nothing to learn from it"
    left_out += odd
    left_out += [
        Message(record.name, "no label", text)
        for record in records
        if not record.header.codes and record.name not in said
    ]
    records = [record for record in records if record.header.codes]
    names = POLICIES[classes]([record.header.codes for record in records])
    counts = label_matrix([record.header.codes for record in records], names).sum(1)
    if records and not counts.any():
        known = "26 scored labels" if names == CODES else f"labels {', '.join(names)}"
        raise LeadwiseError(
            f"{folder}: none of the {len(records)} records has one of the {known}; "
            "is it the Challenge's data?"
        )
    if exclusive:
        text = f"of the classes {', '.join(names)}, of which each record has one"
        left_out += [
            Message(records[at].name, "not one class", f"has {counts[at]} {text}")
            for at in np.flatnonzero(counts != 1)
        ]
        records = [records[at] for at in np.flatnonzero(counts == 1)]
    if not records:
        raise LeadwiseError(f"{folder}: none of the records can be trained on; {_why(left_out)}")
    return records, left_out


def _why(left_out: Sequence[Message]) -> str:
    return "; ".join(summarise(left_out, names=1)) or "there is none"


def divide(
    records: Sequence[Record], cache: Cache, folder: str, recipe: Recipe, settings: Settings
) -> Data:
    """Put signals, labels and the split together.

    Raises
    ------
    LeadwiseError
        No record is usable, or too few for a split.
    """
    usable = [records[place] for place in cache.usable]
    if not usable:
        raise LeadwiseError(f"{folder}: no record has a usable signal; {_why(cache.left_out)}")
    codes = [record.header.codes for record in usable]
    classes = POLICIES[recipe.classes](codes)
    labels = label_matrix(codes, classes)
    names, folds = [record.name for record in usable], read_folds(Path(folder))
    if settings.validation is not None:
        validation = split_by_fold(names, folds, settings.validation)
    else:
        patients = [folds.get(name, ("", name))[1] for name in names]
        validation = stratified_split(labels, seed=recipe.seed, groups=patients)
    _say_parts(classes, labels, validation)
    known = MASKS[recipe.mask](names, labels, classes)
    return Data(cache.signals(), classes, labels, validation, known)


def _say_parts(classes: Sequence[str], labels: np.ndarray, validation: np.ndarray) -> None:
    log(f"{(~validation).sum()} records to learn from, {validation.sum()} to choose on.")
    unseen = np.flatnonzero(labels[~validation].sum(0) == 0).tolist()
    if unseen:
        names = ", ".join(class_name(classes[place]) for place in unseen)
        log(f"No positive to learn from: {names}. Their answers mean nothing.")


def report(left_out: Sequence[Message], warnings: Sequence[Message], names: int = 20) -> None:
    """Name the records that are left out, and say what is odd about others.

    Many of a kind are counted; `problems.tsv` in the model folder names them all.
    """
    for line in summarise(left_out, names):
        log(f"Left out: {line}")
    for line in summarise(warnings):
        log(f"Note: {line}")


def say_rates(records: Sequence[Record], recipe: Recipe) -> None:
    """Say once which of the recipe's filters reach beyond what records of some rate hold."""
    for fs in sorted({record.fs for record in records}):
        for text in unfit(recipe, fs):
            log(f"Note: {text} ({sum(record.fs == fs for record in records)} records of {fs:g} Hz)")
