"""The typed reader: types, ranges, names, and errors that name the field by its path."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest

from ecg import LeadwiseError
from models.parts import check_numbers
from models.typed import Filled, OneOf, Part, Range, Unlimited, part, plain, shown, typed


@dataclass(frozen=True)
class Inner:
    share: Annotated[float, Range(0, 1)]
    name: Annotated[str, OneOf(("a", "b"))] = "a"


@dataclass(frozen=True)
class Outer:
    inner: tuple[Inner, ...]
    scores: dict[str, Annotated[float, Unlimited()]]
    count: int = 1
    on: bool = False
    step: Part = Part("none")
    words: Annotated[tuple[str, ...], Filled()] = ("x",)
    kept: tuple[int, ...] = field(default=(), metadata={"stored": True})


GOOD: dict[str, Any] = {"inner": [{"share": 1}], "scores": {"x": float("nan")}, "kept": [1]}


def test_a_dataclass_is_unchanged_by_json() -> None:
    value = typed(Outer, {**GOOD, "step": {"name": "s", "at": [1, {"name": "t"}]}}, "x")
    assert value.inner == (Inner(1),)
    assert value.step == part("s", at=(1, part("t")))
    assert typed(Outer, plain(value), "x").step == value.step


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inner": None}, "x.inner: must be a list, not None"),
        ({"inner": [{}]}, r"x.inner\[0\]: missing field share"),
        ({"inner": [{"share": True}]}, r"x.inner\[0\].share: must be a number, not True"),
        ({"inner": [{"share": "1"}]}, r"x.inner\[0\].share: must be a number, not '1'"),
        ({"inner": [{"share": 1.5}]}, r"x.inner\[0\].share: must be from 0 to 1, not 1.5"),
        ({"inner": [{"share": float("nan")}]}, "must be from 0 to 1, not nan"),
        ({"inner": [{"share": 10**400}]}, "must be from 0 to 1, not 1000"),
        ({"inner": [{"share": 0, "name": "c"}]}, "name: no 'c'; known are a, b"),
        ({"inner": [{"share": 0, "nam": "a"}]}, r"unknown field 'nam' .known are share, name.$"),
        ({"scores": {"\n": 1}}, r"x.scores: must be a text of .* not '\\n'"),
        ({"scores": [1]}, r"x.scores: must be an object of fields, not \[1\]"),
        ({"count": 1.0}, "x.count: must be a whole number, not 1.0"),
        ({"count": 2**40}, "x.count: must be from -2.14748e.09 to 2.14748e.09"),
        ({"on": 1}, "x.on: must be true or false, not 1"),
        ({"step": "s"}, "x.step: must be an object of fields, not 's'"),
        ({"step": {"at": 1}}, "x.step: missing field name"),
        ({"step": {"name": "s", "at": float("inf")}}, "x.step.at: must be from"),
        ({"step": {"name": "\ud800"}}, "x.step.name: must be a text"),
        ({"words": []}, "x.words: must not be empty"),
        ({"words": ["x" * 3000]}, r"x.words\[0\]: must be a text of at most 2000 printable"),
    ],
)
def test_wrong_content_is_named_by_its_path(change: dict[str, Any], message: str) -> None:
    with pytest.raises(LeadwiseError, match=f"^{message}" if message[0] == "x" else message):
        typed(Outer, {**GOOD, **change}, "x")


def test_a_stored_field_is_required_though_it_has_a_default() -> None:
    with pytest.raises(LeadwiseError, match="x: missing fields inner, scores, kept"):
        typed(Outer, {}, "x")


def test_a_deep_part_is_refused() -> None:
    content: Any = 1
    for _ in range(200):
        content = [content]
    with pytest.raises(LeadwiseError, match="too deep"):
        typed(Part, {"name": "s", "at": content}, "x")


def test_a_shown_value_is_short_and_printable() -> None:
    for value in ("\x1b[31m" * 1000, [[["\u202e"]]] * 50, {"a": {"b": {}}}, 10**1000):
        assert shown(value).isprintable()
        assert len(shown(value)) < 500


def test_at_most_60_characters_of_a_value_are_shown() -> None:
    class Odd:
        def __repr__(self) -> str:
            return "y" * 300

    for value in ("x" * 200, 10**100, Odd()):
        assert len(shown(value)) == 60
    assert shown("x" * 58) == "'" + "x" * 58 + "'"


def filter_of(
    signal: object, fs: float, *, low_hz: float, order: int = 2, gains: Sequence[float] = (),
    kind: str | None = None, own: "Unknown" = None,  # type: ignore[name-defined]  # noqa: F821
) -> None:  # fmt: skip
    pass


def smooth(signal: object, fs: float, *, width: int, at: tuple[float, float] = (0, 1)) -> None:
    pass


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"width": 3}, None),
        ({"width": 3, "at": (0, 1)}, None),
        ({"width": 3.0}, "r: s.width: must be a whole number, not 3.0"),
        ({"width": True}, "r: s.width: must be a whole number, not True"),
        ({"width": 10**7}, "r: s.width: must be from -1e[+]06 to 1e[+]06"),
        ({"width": 3, "at": (0,)}, "r: s.at: must be a list of 2, not of 1"),
        ({}, "r: 's' lacks the number width"),
        ({"width": 3, "widht": 3}, "r: 's' has no number 'widht'; known are width, at"),
    ],
)
def test_numbers_of_a_part_are_checked_by_its_function(
    numbers: dict[str, Any], message: str | None
) -> None:
    if message is None:
        check_numbers("r", part("s", **numbers), smooth, 2)
        return
    with pytest.raises(LeadwiseError, match=f"^{message}"):
        check_numbers("r", part("s", **numbers), smooth, 2)


def test_ranges_apply_by_the_names_end_also_without_readable_hints() -> None:
    check_numbers("r", part("f", low_hz=1, own=3), filter_of, 2)
    for name, value in (("low_hz", -1), ("low_hz", 1e5), ("order", 1000)):
        with pytest.raises(LeadwiseError, match=f"r: f.{name}: must be from"):
            check_numbers("r", part("f", **{"low_hz": 1, name: value}), filter_of, 2)
