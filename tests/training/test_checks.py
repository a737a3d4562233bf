"""Recipes are checked before work starts."""

from dataclasses import replace

import numpy as np
import pytest

from ecg import LeadwiseError
from ecg.labels import POLICIES
from models import find, recipes_by_name
from models.recipe import Head, part, vary
from scoring import METRICS
from training.checks import check_recipe

PUBLISHED = find("isibrno-published")


@pytest.mark.parametrize("name", recipes_by_name())
def test_every_recipe_passes_the_check_but_not_with_an_unknown_part(name: str) -> None:
    check_recipe(find(name))
    with pytest.raises(LeadwiseError, match="no optimiser 'best'"):
        check_recipe(vary(find(name), optimiser=part("best")))


@pytest.mark.parametrize("name", recipes_by_name())
def test_the_metric_of_every_recipe_fits_its_classes(name: str) -> None:
    head = find(name).head
    classes = POLICIES[head.classes]([["NORM"], ["SR"]])
    labels = np.eye(len(classes), dtype=bool)
    score = METRICS[head.metric](labels, labels, labels.astype(float), classes)
    assert score == pytest.approx(1)


@pytest.mark.parametrize("field", ["decision", "rules", "metric", "mask", "classes"])
def test_the_error_for_an_unknown_name_lists_the_known_ones(field: str) -> None:
    with pytest.raises(LeadwiseError, match=f"{field}:? (no )?'best'; (known|similar) are"):
        check_recipe(vary(PUBLISHED, **{field: "best"}))


@pytest.mark.parametrize(
    ("field", "message"),
    [("optimiser", "no optimiser 'best'; known are adam"),
     ("schedule", "no schedule 'best'; known are constant"),
     ("stop", "no stop 'best'; known are never"),
     ("transfer", "no transfer 'best'; known are none"),
     ("loss", "no 'best' among LOSSES; known are bce"),
     ("network", "no 'best' among NETWORKS; known are"),
     ("augment", "no 'best' among AUGMENTATIONS; similar are shift"),
     ("transforms", "no 'best' among TRANSFORMS"),
     ("post_transforms", "no 'best' among TRANSFORMS")],
)  # fmt: skip
def test_the_error_for_an_unknown_part_lists_the_known_ones(field: str, message: str) -> None:
    best = part("best")
    value = (best,) if field in ("augment", "transforms", "post_transforms") else best
    with pytest.raises(LeadwiseError, match=message):
        check_recipe(vary(PUBLISHED, **{field: value}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"post_transforms": (part("fit_length"),)},
      "'fit_length' lacks the number tolerance"),
     ({"transforms": (part("resample", hertz=100),)}, "'resample' has no number 'hertz'; known"),
     ({"schedule": part("warmup_cosine", warmup=0.1)}, "'warmup_cosine' lacks the number decay"),
     ({"loss": part("bce", gamma=1)}, "'bce' has no number 'gamma'; known are none"),
     ({"optimiser": part("adam", rate=1)}, "'adam' has no number 'rate'; similar are"),
     ({"augment": (part("shift"),)}, "'shift' lacks the number share"),
     ({"network": part("cnn_gru_attention", depth=2)}, "has no number 'depth'; known")],
)  # fmt: skip
def test_wrong_numbers_of_a_part_are_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(LeadwiseError, match=message):
        check_recipe(vary(PUBLISHED, **changes))


def test_the_names_of_every_head_are_checked() -> None:
    for head, message in (
        (
            Head("two", kind="leads"),
            r"heads\[1\].kind: no 'leads'; known are record, samp",
        ),
        (Head("two", kind="samples"), "no metric 'challenge'; known are dice, beat_f1"),
        (Head("two", metric="dice"), "no metric 'dice'; known are challenge"),
        (Head("two", loss=part("best")), "no 'best' among LOSSES"),
    ):
        with pytest.raises(LeadwiseError, match=message):
            check_recipe(replace(PUBLISHED, heads=(Head(), head)))


def test_two_heads_of_one_dense_kind_are_refused() -> None:
    heads = [Head(name, "samples", classes="waves", metric="dice") for name in ("one", "two")]
    with pytest.raises(LeadwiseError, match="has two heads of kind samples; one is supported"):
        check_recipe(replace(PUBLISHED, heads=tuple(heads)))


@pytest.mark.parametrize(
    ("transforms", "message"),
    [
        ((part("fill"),), "give 1000 Hz for a record of 1000 Hz, but fs is 500 Hz; add part"),
        ((part("resample", to_hz=250),), "give 250 Hz for a record of 1000 Hz, but fs is 500 Hz"),
        ((part("resample", tolerance=1.0),), "give 1000 Hz for a record of 1000 Hz"),
    ],
)
def test_transforms_must_end_at_the_recipes_rate(
    transforms: tuple[object, ...], message: str
) -> None:
    with pytest.raises(LeadwiseError, match=f"isibrno-published: its transforms {message}"):
        check_recipe(vary(PUBLISHED, transforms=transforms, fs=500.0))
    check_recipe(vary(PUBLISHED, transforms=(part("resample", to_hz=500),), fs=500.0))
    check_recipe(vary(PUBLISHED, transforms=(part("resample"),), fs=500.0))


def test_only_cropping_post_transforms_may_change_the_length() -> None:
    check_recipe(vary(PUBLISHED, post_transforms=(part("fit_length", tolerance=0.5),)))
    for seconds in (10, 60):  # of 61: of shorter and of longer records
        first = part("first", seconds=seconds)
        with pytest.raises(LeadwiseError, match="the post-transform 'first' changes the length"):
            check_recipe(vary(find("dualnet-s"), post_transforms=(first,)))
