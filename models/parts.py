"""Check the numbers of a part against the signature of its function, before it is called."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from inspect import Parameter, signature
from typing import Any, get_type_hints

from ecg import FAILURES, LeadwiseError
from models.typed import Part, Range, one_line, shown, suggestion, typed

# Ranges of numbers by their name or its end: no network, filter or augmentation needs others, and
# they would take hours or more memory than there is.
LIMITS = {
    "layers": Range(0, 200),
    "order": Range(1, 50),
    "order_s": Range(0, 10),
    "points": Range(2, 10_000),
    "probability": Range(0, 1),
    "dropout": Range(0, 1),
    "_dropout": Range(0, 1),
    "seconds": Range(0, 86_400, above=True),
    "_hz": Range(0, 10_000),
    "_s": Range(0, 86_400),
}
INTEGERS = Range(-1e6, 1e6)


def check_numbers(
    where: str, part: Part, function: Callable[..., object], arguments: int,
    stated: Sequence[str] = (),
) -> None:  # fmt: skip
    """Check names, types and ranges of a part's numbers.

    Parameters
    ----------
    where : str
        For errors: the recipe's name or the path of the field.
    arguments : int
        Number of positional arguments that the function gets.
    stated : sequence of str
        Parameters that have the recipe's value if the part leaves them out.

    Raises
    ------
    LeadwiseError
        A number is unknown, missing, of the wrong type or outside its range.
    """
    expected = _parameters(function)
    named = list(expected)[arguments:]
    known = [name for name in named if expected[name].kind != Parameter.VAR_KEYWORD]
    unknown = sorted(part.options.keys() - set(known))
    if unknown and known == named:
        raise LeadwiseError(
            f"{where}: '{part.name}' has no number {shown(unknown[0])}; "
            f"{suggestion(unknown[0], known)}"
        )
    missing = [
        name
        for name in known
        if expected[name].default is Parameter.empty and name not in {*part.options, *stated}
    ]
    if missing:
        raise LeadwiseError(f"{where}: '{part.name}' lacks the number {', '.join(missing)}")
    hints = _hints(function)
    for name, value in part.options.items():
        path = f"{where}: {part.name}.{name}"
        if name in hints:
            typed(hints[name], value, path)
        _check_limits(name, value, path)


def _parameters(function: Callable[..., object]) -> dict[str, Parameter]:
    """Return a function's parameters; a wrapper that passes numbers on has also the inner ones."""
    own = dict(signature(function, follow_wrapped=False).parameters)
    inner = getattr(function, "__wrapped__", None)
    passes_on = [name for name, one in own.items() if one.kind == Parameter.VAR_KEYWORD]
    if inner is None or not passes_on:
        return own
    del own[passes_on[0]]
    return {**own, **signature(inner).parameters}


def _hints(function: Callable[..., object]) -> dict[str, Any]:
    target = function.__init__ if isinstance(function, type) else function  # type: ignore[misc]
    try:
        return get_type_hints(target, include_extras=True)
    except (AttributeError, NameError, TypeError):  # a callable object, or names not imported
        return {}


def _check_limits(name: str, value: Any, where: str) -> None:
    """Check the ranges of a number, also inside lists and parts."""
    if isinstance(value, Part):
        for key, item in value.numbers:
            _check_limits(key, item, f"{where}.{key}")
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            _check_limits(name, item, f"{where}[{index}]")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        limit = next((LIMITS[end] for end in LIMITS if _ends(name, end)), None)
        if limit or isinstance(value, int):
            (limit or INTEGERS).check(value, where)


def _ends(name: str, end: str) -> bool:
    """Tell whether a limit applies to a number; those with a leading `_` do by the name's end."""
    return name == end or (end[0] == "_" and name.endswith(end))


@contextmanager
def reported(what: str) -> Iterator[None]:
    """Turn an error that wrong numbers cause into a LeadwiseError that names what failed."""
    try:
        yield
    except LeadwiseError as error:
        if str(error).startswith(what.partition(":")[0]):  # names the recipe already
            raise
        raise LeadwiseError(f"{what}: {error}") from error
    except (*FAILURES, AssertionError, AttributeError, TypeError) as error:
        raise LeadwiseError(f"{what}: {type(error).__name__}: {one_line(error)}") from error
