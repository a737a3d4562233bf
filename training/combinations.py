"""Which parts of a recipe cannot work together; refused before the first record is read."""

from collections.abc import Iterator

from ecg import LeadwiseError
from ecg.labels import AF_LETTERS, CODES, POLICIES
from ecg.leads import STANDARD
from ecg.rules import RULES
from models import lookup
from models.losses import LOSSES
from models.recipe import Head, Recipe
from training.decisions import FITS

CLASSES_OF_KIND = {"samples": "waves", "beats": "beats"}
METRIC_OF_KIND = {"samples": "dice", "beats": "beat_f1"}
OF_EXCLUSIVE = ("weighted_cross_entropy", "weighted_cross_entropy_as_coded")  # losses
AF_METRICS = ("af_accuracy", "af_f1")
ONE_CLASS = ("highest", "macro_f1")  # decisions of exclusive classes


def check_combinations(recipe: Recipe) -> None:
    """Check that the names of a recipe fit each other.

    Raises
    ------
    LeadwiseError
        Two parts cannot work together; the message names both, and what to change.
    """
    for text in _of_recipe(recipe):
        raise LeadwiseError(f"{recipe.name}: {text}")
    for head in recipe.heads:
        for text in _of_dense(head) if head.dense else _of_record(recipe, head):
            raise LeadwiseError(f"{recipe.name}: head '{head.name}': {text}")


def _of_recipe(recipe: Recipe) -> Iterator[str]:
    dense = [head.kind for head in recipe.heads if head.dense]
    names = [part.name for part in recipe.augment]
    sizes = [len(leads) for leads in recipe.lead_sets]
    others = sorted({lead for leads in recipe.lead_sets for lead in leads} - set(STANDARD))
    if len(set(dense)) < len(dense):
        yield f"has two heads of kind {dense[-1]}; one is supported"
    if "mixup" in names and dense:
        yield "mixup cannot mix classes per sample; remove it or the dense head"
    if "mixup" in names and recipe.pretraining.name != "none":
        yield "mixup changes the records that pretraining compares; remove one of them"
    engineered = [head for head in recipe.heads if head.engineered or head.ruled]
    other_targets = engineered or any(head.targets == "soft" for head in recipe.heads)
    if other_targets and recipe.transfer.name == "distillation":
        yield (
            "distillation cannot mix probabilities with engineered labels or soft targets; remove "
            "one of them"
        )
    if any(head.mask != "off" or head.exclusive for head in engineered):
        yield "label engineering needs the mask 'off' and classes that are not exclusive"
    if any(head.targets != "labels" and head.ruled for head in recipe.heads):
        yield "label engineering cannot leave classes to rules; use the classes 'scored'"
    uses = {head.rules for head in recipe.heads} - {"off"}
    if "published" in uses and len(uses) > 1:
        yield f"rules of two heads are by other detectors ({', '.join(sorted(uses))}); use one"
    if "lead_dropout" in names and others:
        yield f"lead_dropout needs the twelve leads, and would set {others[0]} to 0; remove it"
    if len(set(sizes)) < len(sizes):
        yield "two lead sets have the same size, so their files have one name; train them apart"
    for part in recipe.augment:
        longest_s = part.options.get("longest_s", 0)
        if part.name in ("stretch", "delay") and longest_s > recipe.max_s:
            yield (
                f"'{part.name}' makes up to {longest_s:g} s (longest_s), but the network reads at "
                f"most {recipe.max_s:g} s (max_s)"
            )


def _of_dense(head: Head) -> Iterator[str]:
    """Yield conflicts of a head with one class per sample or beat."""
    classes, metric = CLASSES_OF_KIND[head.kind], METRIC_OF_KIND[head.kind]
    if head.classes != classes:
        yield f"kind {head.kind} needs the classes '{classes}', not '{head.classes}'"
    if head.metric != metric:
        yield f"kind {head.kind} needs the metric '{metric}', not '{head.metric}'"
    if head.decision not in ("global", "highest"):  # the former is the default
        yield f"kind {head.kind} takes the highest class, not the decision '{head.decision}'"
    if head.targets != "labels":
        yield f"kind {head.kind} has no label engineering; set targets to 'labels'"
    if head.rules != "off" or head.mask not in ("off", "no P"):
        yield f"mask and rules have no effect on kind {head.kind}; set both to 'off'"
    if head.mask == "no P" and head.kind != "samples":
        yield "the mask 'no P' is for kind samples; set it to 'off'"


def _of_record(recipe: Recipe, head: Head) -> Iterator[str]:
    """Yield conflicts of a head with one label vector per record."""
    classes = POLICIES[head.classes]([])  # empty if they depend on the records
    scored = bool(classes) and set(classes) <= set(CODES)
    among = f"with the classes '{head.classes}'"
    if head.classes in CLASSES_OF_KIND.values():
        yield f"the classes '{head.classes}' are those of samples or beats, not of kind record"
    if head.decision == "expected_metric" and not scored:
        yield f"the decision 'expected_metric' needs the classes 'scored'; {among} use 'global'"
    if head.metric == "challenge" and not scored:
        yield f"the metric 'challenge' needs the classes 'scored'; {among} use 'auroc'"
    if head.metric in AF_METRICS and not (head.exclusive and classes == AF_LETTERS):
        yield f"the metric '{head.metric}' needs the exclusive classes 'af'; {among} use 'accuracy'"
    if head.ruled and head.rules not in ("published", "replace"):
        yield f"nothing answers five of the classes '{head.classes}'; set rules to 'published'"
    if head.rules != "off" and not scored:
        yield f"the rules '{head.rules}' change scored classes alone; {among} set them to 'off'"
    elif head.rules != "off" and not {rule.codes[0] for rule in RULES.values()} & set(classes):
        yield f"no rule changes one of the classes '{head.classes}'; set rules to 'off'"
    if head.exclusive:
        if head.decision in FITS and head.decision not in ONE_CLASS:
            yield f"exclusive classes need the decision 'highest', not '{head.decision}'"
        if head.rules != "off":
            yield "rules could leave none or several of exclusive classes; set rules to 'off'"
        if head.mask != "off":
            yield f"all labels of exclusive classes are known; set the mask '{head.mask}' to 'off'"
        return
    if head.decision in ONE_CLASS:
        yield (
            f"the decision '{head.decision}' gives each record one class; set exclusive, or use "
            "'global'"
        )
    loss = lookup(recipe, "LOSSES", head.loss.name)
    if head.loss.name in OF_EXCLUSIVE and loss is LOSSES[head.loss.name]:
        yield f"the loss '{head.loss.name}' needs exclusive classes; set exclusive, or use 'bce'"
    if head.loss.name == "cross_entropy" and loss is LOSSES["cross_entropy"]:
        yield "the loss 'cross_entropy' is for samples and beats; use 'bce'"
