"""Records that a recipe leaves out of the training, and why."""

import numpy as np
import pytest

from ecg import LeadwiseError
from ecg.leads import STANDARD
from ecg.records import Record, find_records, write_record
from models import find
from models.recipe import part, vary
from training.checks import check_recipe
from training.selection import selected

AF, UNSCORED = "164889003", "251238007"


@pytest.fixture
def records(tmp_path) -> list[Record]:
    """Kang & Wen leave out records below 4000 samples at 500 Hz, INCART, and unscored ones."""
    noise = np.random.default_rng(0).normal(size=(12, 5000)).astype(np.float32)
    for name, samples, fs, code in (
        ("A0001", 3999, 500.0, AF), ("A0002", 4000, 500.0, AF), ("A0003", 2000, 250.0, AF),
        ("I0001", 5000, 257.0, AF), ("E00001", 5000, 500.0, UNSCORED),
    ):  # fmt: skip
        write_record(tmp_path, name, noise[:, :samples], STANDARD, fs, codes=[code])
    return sorted(find_records(tmp_path)[0], key=lambda record: record.name)


def test_revenger_takes_records_of_8_s_with_a_scored_label_without_incart(
    records: list[Record],
) -> None:
    kept, left_out = selected(records, find("revenger-nc-se"))
    assert [record.name for record in kept] == ["A0002", "A0003"]
    reasons = {message.record: message.text for message in left_out}
    assert reasons == {
        "A0001": "has 8 s; the recipe trains on records of 8 s or more",
        "I0001": "is of incart, which the recipe leaves out",
        "E00001": "has no scored label",
    }
    assert selected(records, find("isibrno-published")) == (records, [])


def test_a_recipe_that_leaves_out_all_records_is_refused(records: list[Record]) -> None:
    recipe = vary(find("isibrno-published"), leave_out=(part("shorter", seconds=60.0),))
    check_recipe(recipe)
    with pytest.raises(LeadwiseError, match="leaves out all records .5 records .*A0001.*set leave"):
        selected(records, recipe)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"leave_out": (part("longer"),)}, "no leave_out 'longer'; known are shorter, sources"),
        ({"leave_out": (part("shorter"),)}, "'shorter' lacks the number seconds"),
        ({"leave_out": (part("sources", names=()),)}, "sources.names: must not be empty"),
        ({"split": part("random")}, "no split 'random'; known are stratified, within_sources"),
        ({"split": part("within_sources")}, "'within_sources' lacks the number share"),
    ],
)
def test_unknown_selections_and_splits_are_refused(changes, message: str) -> None:
    with pytest.raises(LeadwiseError, match=message):
        check_recipe(vary(find("isibrno-basic"), **changes))
