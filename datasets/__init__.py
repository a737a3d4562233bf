"""Public data sets: their records with codes and annotations, as types of `ecg`."""
