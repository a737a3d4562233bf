"""What an ECG is: records, leads, labels, signals. Needs NumPy alone at import, never torch."""

__version__ = "0.1.0"


class LeadwiseError(ValueError):
    """Say what is wrong with which record or file, and what to do; commands print it and exit 1."""
