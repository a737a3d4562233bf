"""What an ECG is: records, leads, labels, signals. Needs NumPy alone at import, never torch."""

import time

# Changes with each change of what is computed: signals, weights or predictions.  Caches, states and
# model folders record it, so numbers of different versions are never mixed.
__version__ = "0.2.0"

IMPORTED = time.monotonic()  # the start of a command: time budgets count from here


def printable(text: str) -> str:
    r"""Escape what could control a terminal or break a line.

    Examples
    --------
    >>> printable("A\n1")
    'A\\n1'
    """
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text
    )


class LeadwiseError(ValueError):
    """An error that names the record or file, what is wrong and what to do.

    Commands print it and exit with status 1.
    """

    def __str__(self) -> str:
        """Return the sentence, printable: headers and file names may hold any character."""
        return printable(super().__str__())


# Errors that a single record can cause: unusual numbers, short signals, too little memory (torch's
# is a RuntimeError).  TypeError, AttributeError and the like are bugs and end the run.
FAILURES = (ArithmeticError, LookupError, MemoryError, OSError, RuntimeError, ValueError)


def failure_text(name: str, error: Exception) -> str:
    """Describe why a record failed, with the class of errors that are not `LeadwiseError`.

    Examples
    --------
    >>> failure_text("A", LeadwiseError("A: the signal has no samples"))
    'A failed: the signal has no samples'
    >>> failure_text("A", MemoryError("too long"))
    'A failed: MemoryError: too long'
    """
    kind = "" if isinstance(error, LeadwiseError) else f"{type(error).__name__}: "
    return f"{name} failed: {kind}{str(error).removeprefix(f'{printable(name)}: ')}"
