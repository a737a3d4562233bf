"""What an ECG is: records, leads, labels, signals. Needs NumPy alone at import, never torch."""

__version__ = "0.1.0"


class LeadwiseError(ValueError):
    """Say what is wrong with which record or file, and what to do; commands print it and exit 1."""


# What a record can do to a model: odd numbers, short signals, too little memory (torch's is a
# RuntimeError).  TypeError, AttributeError and the like are faults of the code: they end the run.
FAILURES = (ArithmeticError, LookupError, MemoryError, OSError, RuntimeError, ValueError)
