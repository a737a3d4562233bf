"""Names that a recipe may bear in the loop are checked before work begins."""

from dataclasses import replace

import pytest

from ecg import LeadwiseError
from models import find, recipes_by_name
from training.loop import check_names


@pytest.mark.parametrize("name", recipes_by_name())
def test_every_recipe_names_what_there_is(name: str) -> None:
    check_names(find(name))


@pytest.mark.parametrize("field", ["decision", "rules", "select"])
def test_unknown_names_are_answered_with_the_known_ones(field: str) -> None:
    with pytest.raises(LeadwiseError, match=f"no {field} 'best'; known are"):
        check_names(replace(find("isibrno-published"), **{field: "best"}))
