"""Which records of the training folder a recipe leaves out.

`reason(record, **numbers) -> str`: why the record is left out, "" if it stays.
"""

from collections.abc import Callable, Sequence
from typing import Annotated

from datasets.sources import source_of
from ecg import LeadwiseError
from ecg.headers import Message
from ecg.labels import label_matrix
from ecg.records import Record, summarise
from models.recipe import Recipe
from models.typed import Filled, Range

Reason = Callable[..., str]


def shorter(record: Record, *, seconds: Annotated[float, Range(0, 86_400, above=True)]) -> str:
    """Leave out records shorter than `seconds`; of an unknown length none."""
    samples = record.header.samples
    if not samples or samples >= seconds * record.fs:
        return ""
    return f"has {samples / record.fs:.3g} s; the recipe trains on records of {seconds:g} s or more"


def sources(
    record: Record, *, names: Annotated[Sequence[Annotated[str, Filled()]], Filled()]
) -> str:
    """Leave out the records of these sources (`datasets.sources`)."""
    source = source_of(record.name)
    return f"is of {source}, which the recipe leaves out" if source in names else ""


def unscored(record: Record) -> str:
    """Leave out records without a label of the Challenge's 26 classes."""
    return "" if label_matrix([record.header.codes]).any() else "has no scored label"


SELECTIONS: dict[str, Reason] = {"shorter": shorter, "sources": sources, "unscored": unscored}


def selected(records: Sequence[Record], recipe: Recipe) -> tuple[list[Record], list[Message]]:
    """Leave out records as the recipe says.

    Returns
    -------
    records : list of Record
    left_out : list of Message
        Records that are left out, and why.

    Raises
    ------
    LeadwiseError
        No record is left.
    """
    kept, left_out = [], []
    for record in records:
        reasons = (SELECTIONS[one.name](record, **one.options) for one in recipe.leave_out)
        if reason := next(filter(None, reasons), ""):
            left_out.append(Message(record.name, "not of the recipe's data", reason))
        else:
            kept.append(record)
    if not kept:
        raise LeadwiseError(
            f"{recipe.name}: leaves out all records ({'; '.join(summarise(left_out, names=1))}); "
            "set leave_out to [] in a recipe file"
        )
    return kept, left_out
