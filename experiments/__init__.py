"""Studies and single measurements: `python -m experiments --help`; also .demo and .icentia."""
