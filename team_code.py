"""The Challenge's three functions: train a model per lead set, load a model, predict a record.

The organisers' drivers and ours call them.  For each lead set (12, 6, 4, 3, 2 leads) training makes
a stratified multilabel split, trains a network, fits one decision on the validation records (by
default one global threshold by grid search on the Challenge metric), and combines its labels with
clinical rules: `training.run` tells that story.  Research use, not a medical device.
"""

import sys
from collections.abc import Sequence

import numpy as np

from ecg import LeadwiseError
from ecg.headers import Message, parse_header
from ecg.records import Record
from models.device import device_of
from models.model import Model
from training.run import train_folder
from training.settings import read_settings

Answers = tuple[Sequence[str], Sequence[int], Sequence[float]]


def training_code(data_directory: str, model_directory: str) -> None:
    """Train a network for each lead set and write the model folder.

    Settings are the environment variables of `training.settings`.

    Raises
    ------
    LeadwiseError
        The data folder has no usable record, or the model folder cannot be written.
    """
    train_folder(data_directory, model_directory, read_settings())


def load_model(model_directory: str, leads: Sequence[str]) -> Model:
    """Load the network that serves records of these leads best; any leads are served.

    Raises
    ------
    LeadwiseError
        The folder holds no usable model.
    """
    return Model.load(model_directory, leads, device_of(read_settings().device))


def run_model(model: Model, header: str, recording: np.ndarray) -> Answers:
    """Predict a record.

    Parameters
    ----------
    model : Model
        From `load_model`.
    header : str
        Text of the .hea file.
    recording : np.ndarray of shape (leads, samples)
        Digital units, rows in the header's order.

    Returns
    -------
    classes, labels, probabilities
        SNOMED CT codes; 0 or 1; 0–1.  If the record cannot be predicted all are empty, which the
        drivers write as a failed record, and stderr names the reason: the organisers' driver would
        swallow an exception without a message.
    """
    name = header.split(maxsplit=1)[0] if header.strip() else "record without header"
    try:
        prediction = model.predict(Record(parse_header(header, name), recording=recording))
    except LeadwiseError as error:
        print(f"No answer: {error}", file=sys.stderr, flush=True)
        return (), (), ()
    for message in prediction.warnings:
        _print_once(message)
    return (
        prediction.classes,
        prediction.labels.astype(int).tolist(),
        prediction.probabilities.tolist(),
    )


_printed: set[str] = set()


def _print_once(message: Message) -> None:
    """Print a warning; one that all records share (missing leads, their rate) only once."""
    shared = message.kind in ("missing leads", "filter beyond rate")
    text = message.text if shared else str(message)
    if text not in _printed:
        _printed.add(text)
        print(f"Note: {text}", file=sys.stderr, flush=True)
