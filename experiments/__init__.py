"""Experiments: grids by `python -m experiments --help`, others by `python -m experiments.NAME`."""
