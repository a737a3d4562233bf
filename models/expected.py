"""Expected probabilities of a shipped model for two simulated records, stored with it.

`differences` compares them with those of the present code, transforms and libraries.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ecg import LeadwiseError
from ecg.files import atomic_write
from models.folder import read_model
from models.inputs import prepare
from models.model import Model
from models.network import predict_signal
from simulate import simulate

FILE = "expected.json"
RECORDS: tuple[dict[str, Any], ...] = (
    {"diagnoses": ["AF", "LAD"], "seed": 1},
    {"diagnoses": ["SB", "IAVB"], "seed": 2},
)


def write_expected(folder: Path) -> None:
    """Write the probabilities of a folder's model for the simulated records."""
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
    """Return the largest difference from the expected probabilities per lead set and record.

    Raises
    ------
    LeadwiseError
        The folder has no expected probabilities.
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
    model = Model.load(folder, leads)
    _, network = model.network_for(leads)
    simulated = simulate(record["diagnoses"], seed=record["seed"])  # single-lead networks read I
    inputs = prepare(model.recipe, simulated.signal, simulated.leads, leads, simulated.fs)
    output = predict_signal(model.recipe, network, inputs.signal, model.device)
    return [round(value, 7) for value in output.probabilities[model.recipe.head.name].tolist()]
