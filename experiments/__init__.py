"""Experiments: one command each, `python -m experiments.NAME --help`."""
