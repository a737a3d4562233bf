"""Beat labels compared as ANSI/AAMI EC57 demands and as WFDB's `bxb`, `rxr` and `sumstats` do.

`scoring.ec57.beats` compares beat by beat, `scoring.ec57.runs` run by run; `reports` prints.  In
Python, from arrays to figures:

>>> import numpy as np
>>> from scoring.ec57.beats import Annotator, compare_beats, pool, shares
>>> reference = Annotator(np.array([400, 800, 1200]), np.array(["N", "V", "N"]))
>>> test = Annotator(np.array([405, 790, 1500]), np.array(["N", "V", "N"]))
>>> result = compare_beats(reference, test, fs=360, start_s=0)
>>> shares(pool([result]).matrix)["QRS Se"]
Share(part=2, whole=3)

What is from where, and where we differ: docs/ec57.md.
"""
