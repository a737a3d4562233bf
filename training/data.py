"""The data of a training: usable records, their labels, which labels are known, and the split."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from datasets.reference import labelled
from datasets.sources import labelled_classes, source_of
from ecg import LeadwiseError
from ecg.headers import Message
from ecg.labels import AF_LETTERS, CODES, POLICIES, class_name, label_matrix
from ecg.leads import LEAD_SETS
from ecg.progress import log
from ecg.records import Record, find_records, summarise
from models import find
from models.inputs import unfit
from models.recipe import Head, Recipe, part, read_recipe
from models.sample import UNKNOWN
from training.cache import Cache
from training.dataset import Dataset, dataset_of
from training.settings import Settings
from training.splits import read_folds, split_by_fold, stratified_split

Codes = Sequence[Sequence[str]]  # of each record


@dataclass(frozen=True)
class Data:
    """Usable records in the cache's order; `validation` marks the validation records.

    `classes`, `labels` (records, classes) and `known` are those of each record head; a head that is
    absent in `known` knows all labels.  `classes` also has the dense heads.
    """

    cache: Cache
    classes: dict[str, tuple[str, ...]]
    labels: dict[str, np.ndarray]
    validation: np.ndarray
    known: dict[str, np.ndarray]

    def dataset(self, leads: Sequence[str], recipe: Recipe) -> Dataset:
        """Make the dataset of a lead set."""
        cache = self.cache
        return dataset_of(cache.signals, self.labels, leads, recipe, self.known, cache.targets)


def chosen_recipe(settings: Settings) -> Recipe:
    """Find the recipe, by name or file, and apply the settings to it.

    Raises
    ------
    LeadwiseError
        There is no such recipe, it reads other leads than the Challenge's five sets, or the lead
        sets do not start with the one whose backbone the others reuse.
    """
    recipe = named_recipe(settings.recipe)
    if settings.leads:
        recipe = _with_lead_sets(recipe, settings.leads)
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


def _with_lead_sets(recipe: Recipe, sizes: Sequence[int]) -> Recipe:
    """Restrict a recipe to the Challenge's lead sets of these sizes.

    Without the first lead set there is no distillation.
    """
    if not set(recipe.lead_sets) <= set(LEAD_SETS.values()):
        own = "; ".join(", ".join(lead_set) for lead_set in recipe.lead_sets)
        raise LeadwiseError(
            f"{recipe.name}: has lead sets of its own ({own}), so LEADWISE_LEADS cannot be used; "
            "unset it"
        )
    first, transfer = len(recipe.lead_sets[0]), recipe.transfer
    if transfer.name != "none" and sizes[0] != first:
        advice = f"start LEADWISE_LEADS with it: {first},{sizes[0]}"
        if transfer.name != "distillation":
            raise LeadwiseError(
                f"{recipe.name}: the other lead sets reuse the network of {first} leads; {advice}"
            )
        log(f"{recipe.name}: no distillation without the network of {first} leads; {advice}")
        transfer = part("none")
    return replace(recipe, lead_sets=tuple(LEAD_SETS[size] for size in sizes), transfer=transfer)


def labelled_records(folder: str, heads: Sequence[Head]) -> tuple[list[Record], list[Message]]:
    """Read the headers of a training folder, and its REFERENCE.csv; see `datasets.reference`.

    A record without any code is left out, unless a dense head may use its annotations.  Where
    classes are exclusive, so is a record without exactly one of them.

    Parameters
    ----------
    folder : str
    heads : sequence of Head
        At least one class of each record head must occur.

    Returns
    -------
    records : list of Record
        With all their labels as codes.
    left_out : list of Message
        Records that cannot be used, and why.

    Raises
    ------
    LeadwiseError
        No usable record is left.
    """
    headers, left_out = find_records(folder)
    records, problems = labelled(folder, headers)
    left_out += problems
    if not any(head.dense for head in heads):
        reported = {message.record for message in problems}
        text = "the header has no Dx code and no REFERENCE.csv lists the record"
        left_out += [
            Message(record.name, "no label", text)
            for record in records
            if not record.header.codes and record.name not in reported
        ]
        records = [record for record in records if record.header.codes]
    for head in (head for head in heads if not head.dense):
        records, without_class = _with_classes(folder, records, head)
        left_out += without_class
    if not records:
        raise LeadwiseError(f"{folder}: no record can be used for training; {_reasons(left_out)}")
    return records, left_out


def _with_classes(
    folder: str, records: list[Record], head: Head
) -> tuple[list[Record], list[Message]]:
    """Check that classes of a head occur; leave records without exactly one exclusive class out."""
    codes = [record.header.codes for record in records]
    names = POLICIES[head.classes](codes)
    counts = label_matrix(codes, names).sum(1)
    if records and not counts.any():
        known = "26 scored labels" if names == CODES else f"labels {', '.join(names)}"
        of_2017 = any(code in AF_LETTERS for own in codes for code in own)
        hint = " For 2017's labels use a recipe such as dualnet-house." if of_2017 else ""
        raise LeadwiseError(
            f"{folder}: none of the {len(records)} records has one of the {known}; "
            f"is it the Challenge's data?{hint}"
        )
    if not head.exclusive:
        return records, []
    text = f"of the classes {', '.join(names)}; a record must have exactly one"
    left_out = [
        Message(records[index].name, "not one class", f"has {counts[index]} {text}")
        for index in np.flatnonzero(counts != 1)
    ]
    return [records[index] for index in np.flatnonzero(counts == 1)], left_out


def _reasons(left_out: Sequence[Message]) -> str:
    return "; ".join(summarise(left_out, names=1)) or "the folder has none"


def split_data(
    records: Sequence[Record], cache: Cache, folder: str, recipe: Recipe, settings: Settings
) -> Data:
    """Collect signals, labels and the split.

    Raises
    ------
    LeadwiseError
        No record is usable, or too few for a split.
    """
    usable = [records[index] for index in cache.usable]
    if not usable:
        raise LeadwiseError(f"{folder}: no record has a usable signal; {_reasons(cache.left_out)}")
    codes = [record.header.codes for record in usable]
    names, folds = [record.name for record in usable], read_folds(Path(folder))
    classes = {head.name: POLICIES[head.classes](codes) for head in recipe.heads}
    labels = {
        head.name: label_matrix(codes, classes[head.name])
        for head in recipe.heads
        if not head.dense
    }
    if settings.validation is not None:
        validation = split_by_fold(names, folds, settings.validation)
    else:
        patients = [folds.get(name, ("", name))[1] for name in names]
        strata = next(iter(labels.values()), np.zeros((len(names), 1), bool))
        validation = stratified_split(strata, seed=recipe.seed, groups=patients)
    log(f"{(~validation).sum()} training records, {validation.sum()} validation records.")
    _check_annotations(cache, validation)
    known = {}
    for head in (head for head in recipe.heads if not head.dense):
        _log_unseen(classes[head.name], labels[head.name], validation)
        mask = MASKS[head.mask](names, labels[head.name], classes[head.name])
        if any(other.dense for other in recipe.heads):  # records without codes have no labels
            has_codes = np.array([bool(own) for own in codes])[:, None]
            mask = has_codes & (np.ones_like(labels[head.name]) if mask is None else mask)
        if mask is not None:
            known[head.name] = mask
    return Data(cache, classes, labels, validation, known)


def _check_annotations(cache: Cache, validation: np.ndarray) -> None:
    """Log how many records have targets of a dense head, and refuse training without any."""
    for name, targets in cache.targets.items():
        annotated = np.array([target.min() < UNKNOWN for target in targets])
        log(f"{name}: {annotated.sum()} of {len(annotated)} records are annotated.")
        if not annotated[~validation].any():
            raise LeadwiseError(
                f"{name}: no training record has annotations for this head; they are read from "
                "NAME.atr (beats), NAME.all and NAME.LEAD (waves) next to the header"
            )


def _log_unseen(classes: Sequence[str], labels: np.ndarray, validation: np.ndarray) -> None:
    unseen = np.flatnonzero(labels[~validation].sum(0) == 0).tolist()
    if unseen:
        names = ", ".join(class_name(classes[index]) for index in unseen)
        log(f"No positive training record: {names}. Predictions of these classes mean nothing.")


def log_problems(left_out: Sequence[Message], warnings: Sequence[Message], names: int = 20) -> None:
    """Log which records are left out and what is unusual about others.

    Messages of a frequent kind are counted; `problems.tsv` in the model folder lists them all.
    """
    for line in summarise(left_out, names):
        log(f"Left out: {line}")
    for line in summarise(warnings):
        log(f"Note: {line}")


def log_rates(records: Sequence[Record], recipe: Recipe) -> None:
    """Log once which of the recipe's filters reach beyond half of the records' rates."""
    for fs in sorted({record.fs for record in records}):
        for text in unfit(recipe, fs):
            count = sum(record.fs == fs for record in records)
            log(f"Note: {text} ({count} records of {fs:g} Hz)")


def all_known(names: Sequence[str], labels: np.ndarray, classes: Sequence[str]) -> None:
    """Take every absent label for a negative, as published."""
    return None


def known_by_source(names: Sequence[str], labels: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Take an absent label for a negative only if the record's source labels this class.

    A source labels a class if it has at least 20 positive records.  Records of other sources may
    have the condition (Kang & Wen 2022, section 8 and appendix A; CPSC's have no axis, no voltage).
    A present label is always known.

    Parameters
    ----------
    names : sequence of str
        Of the records; they contain the source.
    labels : np.ndarray of bool, shape (records, classes)
    classes : sequence of str
        Their codes.

    Returns
    -------
    np.ndarray of bool, shape (records, classes)
    """
    sources = [source_of(name) for name in names]
    labelled_by = labelled_classes(sources, labels)
    for source, has_labels in labelled_by.items():
        missing = ", ".join(
            class_name(classes[index]) for index in np.flatnonzero(~has_labels).tolist()
        )
        log(f"Unknown in {source} ({sources.count(source)} records): {missing or 'nothing'}.")
    return np.array([labelled_by[source] for source in sources]) | labels


Mask = Callable[[Sequence[str], np.ndarray, Sequence[str]], np.ndarray | None]
MASKS: dict[str, Mask] = {"off": all_known, "sources": known_by_source}
