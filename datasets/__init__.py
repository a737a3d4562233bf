"""Public data sets: their records with codes, folds and annotations, as types of `ecg`."""
