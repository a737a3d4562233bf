"""The data of a training: usable records, their labels, which labels are known, and the split."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from datasets.reference import labelled
from datasets.sources import labelled_classes, source_of
from ecg import LeadwiseError
from ecg.headers import Message
from ecg.labels import AF_LETTERS, CODES, POLICIES, class_name, code_of, is_snomed, label_matrix
from ecg.leads import LEAD_SETS, Rename, refusal, serving_set
from ecg.progress import log
from ecg.records import Record, find_records, summarise
from models import find, lookup
from models.inputs import unfit
from models.recipe import Head, Recipe, part
from models.recipe_file import read_recipe
from models.sample import NO_P
from training.cache import Cache
from training.dataset import Dataset, dataset_of
from training.settings import Settings
from training.soft import soft_targets
from training.splits import SPLITS, read_folds, split_by_fold


@dataclass(frozen=True)
class Data:
    """Usable records in the cache's order; `validation` marks the validation records.

    `labels` and `known` (records, classes) are those of each record head, by name.  All labels of a
    head without an entry in `known` are known.  `taught` (records, columns) are the labels of
    training of heads with label engineering or soft targets.  `classes` are those of all heads.
    """

    cache: Cache
    classes: dict[str, tuple[str, ...]]
    labels: dict[str, np.ndarray]
    validation: np.ndarray
    known: dict[str, np.ndarray]
    taught: dict[str, np.ndarray]

    def dataset(self, leads: Sequence[str], recipe: Recipe) -> Dataset:
        """Make the dataset of a lead set."""
        cache = self.cache
        return dataset_of(
            cache.signals, self.labels, leads, recipe, self.known, cache.targets, self.taught,
            cache.facts,
        )  # fmt: skip


def chosen_recipe(settings: Settings) -> Recipe:
    """Find the recipe, by name or file, and change it by the settings.

    Raises
    ------
    LeadwiseError
        The recipe does not exist, lead sets are set although the recipe has its own, or the first
        lead set, whose backbone the others reuse, is not the first of them.
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
        The recipe does not exist, or the file is invalid.
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


def labelled_records(
    folder: str, heads: Sequence[Head], rename: Rename = ()
) -> tuple[list[Record], list[Message]]:
    """Read the headers of a training folder, and its REFERENCE.csv; see `datasets.reference`.

    A record without a code is left out, unless the recipe has a dense head, which reads annotations
    instead.  If classes are exclusive, a record must have exactly one of them.

    Parameters
    ----------
    heads : sequence of Head
        At least one class of each record head must occur.
    rename : tuple of (str, str)
        New names of leads (`ecg.leads.read_rename`).

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
    headers, left_out = find_records(folder, rename)
    records, problems, notes = labelled(folder, headers)
    left_out += problems
    for line in summarise(notes):
        log(f"Note: {line}")
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
    records, unread = _with_readable_codes(records, heads)
    left_out += unread
    if not records:
        raise LeadwiseError(f"{folder}: no record can be used for training; {_reasons(left_out)}")
    return records, left_out


def _with_classes(
    folder: str, records: list[Record], head: Head
) -> tuple[list[Record], list[Message]]:
    """Check that a head's classes occur; of exclusive ones, use records with exactly one."""
    codes = [record.header.codes for record in records]
    names = POLICIES[head.classes](codes)
    counts = label_matrix(codes, names).sum(1)
    if records and not counts.any():
        scored = f"{len(names)} scored labels"
        known = scored if set(names) <= set(CODES) else f"labels {', '.join(names)}"
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


def _with_readable_codes(
    records: list[Record], heads: Sequence[Head]
) -> tuple[list[Record], list[Message]]:
    """Leave out records whose labels are all words that no class has, and log the other words."""
    codes = [record.header.codes for record in records]
    known: set[str] = set()
    for head in (head for head in heads if not head.dense):
        known |= {code for joined in POLICIES[head.classes](codes) for code in joined.split("|")}
    readable, lost, partly = [], [], []
    for record, own in zip(records, codes, strict=True):
        words = [word for word in own if not is_snomed(code_of(word)) and word not in known]
        text = f"'{', '.join(words)}' of its labels is no code and no name of a class"
        message = Message(record.name, "unreadable label", text)
        if words and len(words) == len(own):
            lost.append(message)
        else:
            readable.append(record)
            if set(words) - set(AF_LETTERS):  # letters are those of REFERENCE.csv
                partly.append(message)
    for line in summarise(partly):
        log(f"Note: {line}")
    return readable, lost


def with_known_leads(
    records: Sequence[Record], recipe: Recipe
) -> tuple[list[Record], list[Message]]:
    """Leave out records that no network of the recipe's lead sets reads (`ecg.leads.refusal`).

    Raises
    ------
    LeadwiseError
        No record is left.
    """
    known, left_out = [], []
    for record in records:
        lead_set = serving_set(record.leads, recipe.lead_sets)
        if reason := refusal(record.leads, lead_set):
            left_out.append(Message(record.name, "unknown leads", reason))
        else:
            known.append(record)
    if not known:
        raise LeadwiseError(f"no record can be used for training; {_reasons(left_out)}")
    return known, left_out


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
        split = SPLITS[recipe.split.name]
        validation = split(strata, names, patients, recipe.seed, **recipe.split.options)
    log(f"{(~validation).sum()} training records, {validation.sum()} validation records.")
    _check_annotations(cache, validation, recipe.head.name)
    known = {}
    for head in (head for head in recipe.heads if not head.dense):
        _log_unseen(classes[head.name], labels[head.name], validation)
        mask = MASKS[head.mask](names, labels[head.name], classes[head.name])
        if any(other.dense for other in recipe.heads):  # records without codes have no labels
            has_codes = np.array([bool(own) for own in codes])[:, None]
            mask = has_codes & (np.ones_like(labels[head.name]) if mask is None else mask)
        if mask is not None:
            known[head.name] = mask
    taught = taught_labels(recipe, codes)
    for head in (head for head in recipe.heads if head.targets == "soft"):
        name = head.name
        taught[name] = soft_targets(
            Path(folder), names, classes[name], labels[name], exclusive=head.exclusive
        )
    return Data(cache, classes, labels, validation, known, taught)


def taught_labels(recipe: Recipe, codes: Sequence[Sequence[str]]) -> dict[str, np.ndarray]:
    """Make the labels of training that are not those of the classes: bool (records, columns).

    They are those of heads with label engineering, and of heads whose network learns a part of the
    classes.
    """
    engineered = {
        head.name: lookup(recipe, "TARGETS", head.targets, {})(codes)
        for head in recipe.heads
        if head.engineered
    }
    partial = {}
    for head in (head for head in recipe.heads if head.ruled):
        classes = POLICIES[head.classes](codes)
        partial[head.name] = label_matrix(codes, classes)[:, head.learned(classes)]
    return {**engineered, **partial}


def _check_annotations(cache: Cache, validation: np.ndarray, chooses: str) -> None:
    """Log how many records have targets of a dense head, and refuse training without any.

    Without any in the validation records, the first head could not choose the epoch.
    """
    for name, targets in cache.targets.items():
        annotated = np.array([target.min() < NO_P for target in targets])
        log(f"{name}: {annotated.sum()} of {len(annotated)} records are annotated.")
        needed = {"training": ~validation} | ({"validation": validation} if name == chooses else {})
        for part_name, members in needed.items():
            if annotated[members].any():
                continue
            raise LeadwiseError(
                f"{name}: no {part_name} record has annotations for this head; they are read from "
                "NAME.atr (beats), NAME.all and NAME.LEAD (waves) next to the header"
            )


def _log_unseen(classes: Sequence[str], labels: np.ndarray, validation: np.ndarray) -> None:
    unseen = np.flatnonzero(labels[~validation].sum(0) == 0).tolist()
    if unseen:
        names = ", ".join(class_name(classes[index]) for index in unseen)
        log(f"No positive training record: {names}. Ignore the predictions of these classes.")


def log_problems(left_out: Sequence[Message], warnings: Sequence[Message], names: int = 20) -> None:
    """Log why records are left out, and warnings; frequent kinds of messages are counted.

    `problems.tsv` in the model folder lists all messages.
    """
    for line in summarise(left_out, names):
        log(f"Left out: {line}")
    for line in summarise(warnings):
        log(f"Note: {line}")


def log_rates(records: Sequence[Record], recipe: Recipe) -> None:
    """Log which of the recipe's filters reach beyond half of the records' sampling rates."""
    for fs in sorted({record.fs for record in records}):
        for text in unfit(recipe, fs):
            count = sum(record.fs == fs for record in records)
            log(f"Note: {text} ({count} records of {fs:g} Hz)")


def known_by_source(names: Sequence[str], labels: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Mark labels as known: the present ones, and the absent ones that the source would name.

    A source labels a class if at least 20 of its records are positive.  In records of a source that
    does not label a class, the condition may be present without a label (Kang & Wen 2022, section 8
    and appendix A: CPSC labels neither axis nor voltage).

    Parameters
    ----------
    names : sequence of str
        Names of the records; `datasets.sources` derives the source from them.
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
    return np.asarray(np.array([labelled_by[source] for source in sources]) | labels)


Mask = Callable[[Sequence[str], np.ndarray, Sequence[str]], np.ndarray | None]
MASKS: dict[str, Mask] = {
    "off": lambda names, labels, classes: None,  # every absent label is a negative, as published
    "sources": known_by_source,
}
