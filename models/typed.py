"""Read JSON into frozen dataclasses; types, ranges and names come from the fields' annotations.

`typed(hint, content, where)` checks content against a type hint.  An error names the field by its
path, as in `recipe.heads[0].weight: must be a number, not 'much'`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from difflib import get_close_matches
from reprlib import Repr
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from ecg import LeadwiseError

FEW = 8  # so many names are listed; of more, the three nearest
LONGEST = 2000  # characters of a string
DEEPEST = 8  # parts and lists in a part
_SHOWN = Repr()
_SHOWN.maxstring = _SHOWN.maxother = _SHOWN.maxlong = 60


@dataclass(frozen=True)
class Part:
    """A named part with its numbers as sorted pairs, which unlike a dict are frozen."""

    name: str
    numbers: tuple[tuple[str, Any], ...] = ()

    @property
    def options(self) -> dict[str, Any]:
        """Return the numbers as keyword arguments."""
        return dict(self.numbers)


def part(name: str, **numbers: Any) -> Part:
    """Make a part.

    Examples
    --------
    >>> part("resample", tolerance=0.03)
    Part(name='resample', numbers=(('tolerance', 0.03),))
    """
    return Part(name, tuple(sorted(numbers.items())))


@dataclass(frozen=True)
class Range:
    """Rule of a number: from `least` to `most`; `above`: `least` itself is excluded."""

    least: float
    most: float
    above: bool = False

    def check(self, value: float, where: str) -> None:
        """Raise LeadwiseError if the number is outside; NaN is."""
        if not self.least <= value <= self.most or (self.above and value == self.least):
            low = f"above {self.least:g} and at most" if self.above else f"from {self.least:g} to"
            raise LeadwiseError(f"{where}: must be {low} {self.most:g}, not {shown(value)}")


@dataclass(frozen=True)
class OneOf:
    """Rule of a name: a key of `known`."""

    known: Collection[str]

    def check(self, value: str, where: str) -> None:
        """Raise LeadwiseError if the name is unknown."""
        if value not in self.known:
            raise LeadwiseError(f"{where}: no {shown(value)}; {suggestion(value, self.known)}")


@dataclass(frozen=True)
class Filled:
    """Rule of a text or a list: not empty."""

    def check(self, value: Collection[Any], where: str) -> None:
        """Raise LeadwiseError if the value is empty."""
        if not value:
            raise LeadwiseError(f"{where}: must not be empty")


@dataclass(frozen=True)
class Unlimited:
    """Rule of a number that is only reported: NaN and infinity are accepted."""

    def check(self, value: float, where: str) -> None:
        """Accept the number."""


WORDS = {str: "a text", bool: "true or false", int: "a whole number", float: "a number"}
RANGES = {int: Range(-(2**31), 2**31), float: Range(-1.7e308, 1.7e308)}  # the latter: finite


def suggestion(name: object, known: Iterable[str]) -> str:
    """List the known names in an error; of many only the three nearest.

    Examples
    --------
    >>> suggestion("bec", ["bce", "asymmetric"])
    'known are bce, asymmetric'
    >>> suggestion("mask7", [f"mask{number}" for number in range(9)])
    'similar are mask7, mask8, mask6'
    """
    names = list(known)
    if len(names) <= FEW:
        return f"known are {', '.join(names) or 'none'}"
    return f"similar are {', '.join(get_close_matches(str(name), names, 3, cutoff=0))}"


def shown(value: object) -> str:
    """Return a short text of a value for an error, without control characters."""
    return _SHOWN.repr(value)


def one_line(error: Exception) -> str:
    """Return an error's text on one line, shortened and without control characters."""
    text = " ".join(str(error).split())[:300]
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def typed(hint: Any, content: Any, where: str) -> Any:
    """Check JSON content against a type hint, and return it with tuples, parts and dataclasses.

    Parameters
    ----------
    hint
        str, bool, int, float, Part, a dataclass, `Any`, tuples, sequences, dicts and unions of
        these; with `Annotated`, also rules such as `Range`.
    where : str
        Path of the field, for errors.

    Raises
    ------
    LeadwiseError
        The content is of another type, a field is unknown or missing, or a rule is broken.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        inner, *rules = arguments
        value = _scalar(inner, content, where) if inner in WORDS else typed(inner, content, where)
        for rule in rules:
            rule.check(value, where)
        return value
    if hint is Any:
        return content
    if hint is Part:
        return as_part(content, where)
    if origin in (Union, UnionType):
        return _union(arguments, content, where)
    if origin is dict:
        return {
            typed(str, key, where): typed(arguments[1], item, f"{where}.{key}")
            for key, item in _mapping(content, where).items()
        }
    if origin in (tuple, Sequence):
        return _sequence(arguments, content, where)
    if is_dataclass(hint):
        return _record(hint, content, where)
    value = _scalar(hint, content, where)
    if hint in RANGES:
        RANGES[hint].check(value, where)
    return value


def _scalar(hint: Any, content: Any, where: str) -> Any:
    """Check the type of a text, a number or a truth value."""
    accepted = (int, float) if hint is float else hint
    valid = hint in WORDS and isinstance(content, accepted)
    if not valid or isinstance(content, bool) != (hint is bool):
        word = WORDS.get(hint, "left out" if hint is not type(None) else "null")
        raise LeadwiseError(f"{where}: must be {word}, not {shown(content)}")
    if hint is str and not (content.isprintable() and len(content) <= LONGEST):
        raise LeadwiseError(
            f"{where}: must be a text of at most {LONGEST} printable characters, not "
            f"{shown(content)}"
        )
    return content


def _union(arguments: Sequence[Any], content: Any, where: str) -> Any:
    if content is None and type(None) in arguments:
        return None
    first: LeadwiseError | None = None
    for hint in arguments:
        try:
            return typed(hint, content, where)
        except LeadwiseError as error:
            first = first or error
    raise first or LeadwiseError(f"{where}: cannot be set")


def _sequence(arguments: Sequence[Any], content: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(content, list | tuple):
        raise LeadwiseError(f"{where}: must be a list, not {shown(content)}")
    hints = arguments
    if len(arguments) == 1 or arguments[-1] is Ellipsis:
        hints = [arguments[0]] * len(content)
    if len(hints) != len(content):
        raise LeadwiseError(f"{where}: must be a list of {len(hints)}, not of {len(content)}")
    return tuple(
        typed(hint, item, f"{where}[{index}]")
        for index, (hint, item) in enumerate(zip(hints, content, strict=True))
    )


def _mapping(content: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(content, Mapping):
        raise LeadwiseError(f"{where}: must be an object of fields, not {shown(content)}")
    return content


def _record(kind: Any, content: Any, where: str) -> Any:
    """Make a dataclass from an object; unknown and missing fields are named apart."""
    hints = get_type_hints(kind, include_extras=True)
    given = _mapping(content, where)
    required = [
        one.name for one in fields(kind)
        if (one.default is MISSING and one.default_factory is MISSING)
        or one.metadata.get("stored")  # has a default in Python alone
    ]  # fmt: skip
    faults = [
        f"unknown field {shown(name)} ({suggestion(name, hints)})"
        for name in given
        if name not in hints
    ]
    if missing := [name for name in required if name not in given]:
        faults.append(f"missing {'fields' if missing[1:] else 'field'} {', '.join(missing)}")
    if faults:
        raise LeadwiseError(f"{where}: {'; '.join(faults)}")
    return kind(**{
        name: typed(hints[name], value, f"{where}.{name}") for name, value in given.items()
    })  # fmt: skip


def as_part(content: Any, where: str, deep: int = 0) -> Part:
    """Convert an object with a name to a part; its numbers are checked later, by its function."""
    if isinstance(content, Part):
        return content
    numbers = dict(_mapping(content, where))
    if "name" not in numbers:
        raise LeadwiseError(f"{where}: missing field name, of {shown(content)}")
    name = typed(str, numbers.pop("name"), f"{where}.name")
    return part(name, **{
        typed(str, key, where): _number(item, f"{where}.{key}", deep + 1)
        for key, item in numbers.items()
    })  # fmt: skip


def _number(content: Any, where: str, deep: int) -> Any:
    """Convert a number of a part: a scalar, a list, or a part."""
    if deep > DEEPEST:
        raise LeadwiseError(f"{where}: too deep")
    if isinstance(content, list | tuple):
        return tuple(
            _number(item, f"{where}[{index}]", deep + 1) for index, item in enumerate(content)
        )
    if isinstance(content, Mapping | Part):
        return as_part(content, where, deep)
    return content if content is None else typed(type(content), content, where)


def plain(value: Any) -> Any:
    """Convert dataclasses, parts and tuples to dicts and lists."""
    if isinstance(value, Part):
        return {"name": value.name, **{key: plain(item) for key, item in value.numbers}}
    if is_dataclass(value):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    return [plain(item) for item in value] if isinstance(value, tuple) else value
