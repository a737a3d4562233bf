"""A training from start to end: recipes are checked before work starts; what it leaves on disk."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecg import LeadwiseError
from ecg.headers import Message
from ecg.labels import POLICIES
from models import find, recipes_by_name
from models.recipe import Head, part, vary
from scoring import METRICS
from training.run import check_recipe, write_history, write_problems

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
    with pytest.raises(LeadwiseError, match=f"no {field} 'best'; known are"):
        check_recipe(vary(PUBLISHED, **{field: "best"}))


@pytest.mark.parametrize(
    ("field", "message"),
    [("optimiser", "no optimiser 'best'; known are adam"),
     ("schedule", "no schedule 'best'; known are constant"),
     ("stop", "no stop 'best'; known are never"),
     ("transfer", "no transfer 'best'; known are none"),
     ("loss", "no 'best' among LOSSES; known are asymmetric"),
     ("network", "no 'best' among NETWORKS; known are"),
     ("augment", "no 'best' among AUGMENTATIONS; known are amplify"),
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
      "wrong numbers of 'fit_length': missing a required .*'tolerance'"),
     ({"transforms": (part("resample", hertz=100),)}, "'resample' has no number hertz; known"),
     ({"schedule": part("warmup_cosine", warmup=0.1)}, "wrong numbers of 'warmup_cosine'"),
     ({"loss": part("bce", gamma=1)}, "'bce' has no number gamma; known are none"),
     ({"optimiser": part("adam", rate=1)}, "'adam' has no number rate; known are lr, betas"),
     ({"augment": (part("shift"),)}, "wrong numbers of 'shift': .*'share'"),
     ({"network": part("cnn_gru_attention", depth=2)}, "has no number depth; known")],
)  # fmt: skip
def test_wrong_numbers_of_a_part_are_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(LeadwiseError, match=message):
        check_recipe(vary(PUBLISHED, **changes))


def test_the_names_of_every_head_are_checked() -> None:
    for head, message in (
        (Head("two", kind="leads"), "no kind of head 'leads'; known are record, samples, beats"),
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


ROW = {"epoch": 1, "loss": 0.5, "score": 0.25, "threshold": math.nan, "lr": 1e-3}


def test_history_has_one_row_per_epoch_and_columns_for_further_heads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.run.plot_training", lambda *_: None)  # no picture
    write_history(tmp_path, {"12 leads": [ROW, {**ROW, "epoch": 2}], "2 leads": [ROW]})
    assert (tmp_path / "history.tsv").read_text().splitlines() == [
        "lead_set\tepoch\tloss\tscore\tthreshold\tlr",
        "12 leads\t1\t0.5\t0.25\tnan\t0.001",
        "12 leads\t2\t0.5\t0.25\tnan\t0.001",
        "2 leads\t1\t0.5\t0.25\tnan\t0.001",
    ]
    two_heads = {**ROW, "loss diagnosis": 0.25, "loss waves": 0.125, "score waves": 0.75}
    write_history(tmp_path, {"2 leads": [two_heads]})
    assert (tmp_path / "history.tsv").read_text().splitlines() == [
        "lead_set\tepoch\tloss\tscore\tthreshold\tlr\tloss diagnosis\tloss waves\tscore waves",
        "2 leads\t1\t0.5\t0.25\tnan\t0.001\t0.25\t0.125\t0.75",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["history.tsv"]


def test_problems_list_records_that_are_left_out_and_warnings(tmp_path: Path) -> None:
    write_problems(tmp_path, [Message("A", "no label", "x")], [Message("B", "flat", "y")])
    assert (tmp_path / "problems.tsv").read_text() == (
        "record\tused\tkind\twhat\nA\tno\tno label\tx\nB\tyes\tflat\ty\n"
    )
