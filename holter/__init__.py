"""Holter: recordings of minutes to days, every beat named, grouped and ready for review.

After M. Sahin and D. Kilinc, "Artificial Intelligence Based ECG Analysis Framework", slides,
STAFF-MALT 2021.
"""
