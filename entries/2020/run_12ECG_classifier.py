"""The 2020 Challenge's functions for running a model, implemented by `team_code`.

Where the contracts differ: the header is a list of lines, the recording float64 in digital units,
records always have twelve leads, and the result is (labels, scores, classes).
"""

from collections.abc import Sequence

import numpy as np

from ecg.leads import STANDARD
from models.model import Model
from team_code import load_model, run_model


def load_12ECG_model(directory: str) -> Model:
    """Load the network of a model folder for twelve leads.

    Raises
    ------
    LeadwiseError
        The folder has no usable model.
    """
    return load_model(directory, STANDARD)


def run_12ECG_classifier(
    data: np.ndarray, header_data: Sequence[str], model: Model
) -> tuple[Sequence[int], Sequence[float], Sequence[str]]:
    """Run the model on a record.

    Parameters
    ----------
    data : np.ndarray of shape (leads, samples)
        Digital units, float64 as passed by the 2020 driver.
    header_data : sequence of str
        Lines of the .hea file, with or without line ends.
    model : Model
        From `load_12ECG_model`.

    Returns
    -------
    labels, scores, classes
        0 or 1; 0–1; SNOMED CT codes.  All are empty, with a message on stderr, if the record cannot
        be read: the 2020 scorer counts it as all negative.
    """
    header = "".join(f"{line.rstrip()}\n" for line in header_data)
    classes, labels, scores = run_model(model, header, _as_stored(np.asarray(data)))
    return labels, scores, classes


def _as_stored(data: np.ndarray) -> np.ndarray:
    """Convert whole numbers to int16, for checksums and the value that marks missing samples."""
    stored = np.clip(np.nan_to_num(data), -32768, 32767).astype(np.int16)
    return stored if np.array_equal(stored, data) else data
