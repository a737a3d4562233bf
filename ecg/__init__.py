"""What an ECG is: records, leads, labels, signals. Needs NumPy alone at import, never torch."""

import time

# Changes with each change of what is computed: signals, weights or predictions.  Caches, states and
# model folders record it, so numbers of different versions are never mixed.
__version__ = "0.2.0"

IMPORTED = time.monotonic()  # the start of a command: time budgets count from here


class LeadwiseError(ValueError):
    """An error that names the record or file, what is wrong and what to do.

    Commands print it and exit with status 1.
    """


# Errors that a single record can cause: unusual numbers, short signals, too little memory (torch's
# is a RuntimeError).  TypeError, AttributeError and the like are bugs and end the run.
FAILURES = (ArithmeticError, LookupError, MemoryError, OSError, RuntimeError, ValueError)
