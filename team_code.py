"""The Challenge's three functions: train a model per lead set, load a model, predict a record.

The organisers' drivers and ours call them.  Training (`training.run`) splits the records by
multilabel stratification.  For each lead set (12, 6, 4, 3, 2 leads) it trains a network, fits a
decision on the validation records, and combines its labels with clinical rules.  Research use, not
a medical device.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ecg import LeadwiseError
from ecg.header_text import split_header
from ecg.headers import Message, parse_header
from ecg.records import Record
from models.device import device_of
from models.folder import read_model
from models.model import Model
from training.settings import read_settings

Answers = tuple[Sequence[str], Sequence[int], Sequence[float]]


def training_code(data_directory: str, model_directory: str, recipe: str | None = None) -> None:
    """Train a network for each lead set and write the model folder.

    Settings are the environment variables of `training.settings`.

    Parameters
    ----------
    recipe : str, optional
        Recipe to train, unless LEADWISE_RECIPE names one; by default that of the settings.

    Raises
    ------
    LeadwiseError
        The data folder has no usable record, or the model folder cannot be written.
    """
    from training.run import train_folder  # prediction does not need it

    settings = read_settings()
    if recipe and not os.environ.get("LEADWISE_RECIPE", "").strip():
        settings = replace(settings, recipe=recipe)
    train_folder(data_directory, model_directory, settings)


def load_model(model_directory: str, leads: Sequence[str]) -> Model:
    """Load the best network for records with these leads, whatever they are.

    Raises
    ------
    LeadwiseError
        The folder holds no usable model.
    """
    model = Model(read_model(Path(model_directory)), device_of(read_settings().device))
    # These leads load their network, so that damage ends the run.  The header of a record chooses
    # its network: the organisers' helper misreads the leads of unusual headers.
    model.network_for(leads)
    return model


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
        SNOMED CT codes; 0 or 1; 0–1.  All are empty if the record cannot be predicted.  The drivers
        then write a failed record.  The reason is printed to stderr, because the organisers' driver
        suppresses the messages of exceptions.
    """
    words = " ".join(split_header(header).rows[:1]).split()
    name = words[0] if words else "record without header"
    try:
        parsed = parse_header(header, name, read_settings().rename or ())
        prediction = model.predict(Record(parsed, recording=recording))
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


# Kinds of warnings whose text is the same for many records.
SHARED = ("fewer leads", "missing leads", "filter beyond rate", "no rate", "other single lead")
_printed: set[str] = set()


def _print_once(message: Message) -> None:
    """Print a warning; those that many records share (`SHARED`) only once."""
    text = message.text if message.kind in SHARED else str(message)
    if text not in _printed:
        _printed.add(text)
        print(f"Note: {text}", file=sys.stderr, flush=True)
