"""What a shipped model should answer: probabilities on two simulated records, kept beside it.

A model that was copied badly, or a changed step, layer or library, answers otherwise; a test and
whoever doubts compares (`differences`).
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ecg import LeadwiseError
from ecg.files import atomic_write
from models.classifier import Classifier, probabilities_of
from models.folder import read_model
from models.inputs import prepare
from simulate import simulate

FILE = "expected.json"
RECORDS: tuple[dict[str, Any], ...] = (
    {"diagnoses": ["AF", "LAD"], "seed": 1},
    {"diagnoses": ["SB", "IAVB"], "seed": 2},
)


def write_expected(folder: Path) -> None:
    """Write what the model of a folder answers to the simulated records."""
    answers = [
        {**record, "leads": len(entry.leads), "probabilities": _answer(folder, entry.leads, record)}
        for entry in read_model(folder).lead_sets
        for record in RECORDS
    ]
    about = "probabilities on records of simulate, to see that the model works as it did"
    lines = ",\n".join(f"  {json.dumps(answer)}" for answer in answers)
    with atomic_write(folder / FILE) as draft:
        text = f'{{\n "about": {json.dumps(about)},\n "answers": [\n{lines}\n ]\n}}\n'
        draft.write_text(text, encoding="utf-8")


def differences(folder: Path) -> list[float]:
    """Compare what a model answers with what it should: the largest difference of each answer.

    Raises
    ------
    LeadwiseError
        The folder says nothing of what to expect.
    """
    try:
        answers = json.loads((folder / FILE).read_text(encoding="utf-8"))["answers"]
    except (OSError, ValueError, KeyError) as error:
        raise LeadwiseError(f"{folder / FILE}: cannot be read ({error})") from error
    leads_of = {len(entry.leads): entry.leads for entry in read_model(folder).lead_sets}
    pairs = [
        (_answer(folder, leads_of[one["leads"]], one), one["probabilities"]) for one in answers
    ]
    return [float(np.abs(np.subtract(*pair)).max()) for pair in pairs]


def _answer(folder: Path, leads: tuple[str, ...], record: dict[str, Any]) -> list[float]:
    classifier = Classifier.load(folder, leads)
    made = simulate(record["diagnoses"], seed=record["seed"])  # of 12 leads, for one lead its I
    inputs = prepare(classifier.recipe, made.signal, made.leads, leads, made.fs)
    found = probabilities_of(
        classifier.recipe, classifier.network, inputs.signal, classifier.device
    )
    return [round(value, 7) for value in found.tolist()]
