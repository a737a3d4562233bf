"""Signal transforms of this system."""

import numpy as np


def first(signal: np.ndarray, fs: float, *, seconds: float) -> tuple[np.ndarray, float]:
    """Crop (leads, samples) to the first seconds, as the public code does."""
    return signal[:, : round(seconds * fs)], fs


TRANSFORMS = {"first": first}
