"""What the shipped models answer on genuine records: decisions, used rules, and labels.

`python -m tests.test_shipped_labels` prints the answers of the present code.
"""

import json
from pathlib import Path

import pytest

from ecg.labels import class_name
from ecg.records import Record, find_records
from models.decision import decide
from models.model import Model
from models.rules import answers_of

ROOT = Path(__file__).resolve().parent.parent
STORED = ROOT / "tests" / "data" / "shipped-labels.json"
SHIPPED = sorted(path.parent.name for path in (ROOT / "weights").glob("*/model.json"))
WORDS = {1: "yes", 0: "no", -1: "cannot say"}


def answered(model: Model, record: Record) -> dict[str, object]:
    """Answer a record: what the decision gives, the answers of the used rules, and the labels."""
    prediction = model.predict(record)
    trained, _ = model.network_for(prediction.leads)
    fitted = trained.heads[model.recipe.head.name]
    decided = decide(fitted.decision, prediction.probabilities[None], model.recipe)[0]
    names = [class_name(code) for code in prediction.classes]
    used = {rule.name for rule in fitted.rules if rule.options["mode"] != "off"}
    said = zip(prediction.findings, answers_of(prediction.findings).tolist(), strict=True)
    return {
        "decided": [name for name, label in zip(names, decided, strict=True) if label],
        "rules": {one.rule: WORDS[answer] for one, answer in said if one.rule in used},
        "labels": [name for name, label in zip(names, prediction.labels, strict=True) if label],
    }


def answers_of_model(name: str) -> dict[str, dict[str, object]]:
    """Answer all samples with each lead set of a shipped model."""
    records, problems = find_records(str(ROOT / "tests" / "data" / "challenge-samples"))
    assert len(records) == 8
    assert not problems
    folder = ROOT / "weights" / name
    lead_sets = [entry.leads for entry in Model.load(folder).folder.lead_sets]
    models = {len(leads): Model.load(folder, leads) for leads in lead_sets}
    return {
        f"{record.name}, {size} leads": answered(model, record)
        for record in records
        for size, model in models.items()
    }


@pytest.mark.parametrize("name", SHIPPED)
def test_decisions_rules_and_labels_of_a_shipped_model(name: str) -> None:
    assert answers_of_model(name) == json.loads(STORED.read_text())[name]


def test_the_stored_answers_are_of_all_kinds() -> None:
    """Labels vary between records, and rules add and remove some."""
    stored = json.loads(STORED.read_text())
    assert set(stored) == set(SHIPPED)
    of_house = stored["house2026"].values()
    assert len({tuple(one["labels"]) for one in of_house}) > 4
    assert any(one["labels"] != one["decided"] for one in of_house)


if __name__ == "__main__":
    lines = [
        f' "{name}": {{\n'
        + ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in found.items())
        + "\n }"
        for name, found in ((name, answers_of_model(name)) for name in SHIPPED)
    ]
    print("{\n" + ",\n".join(lines) + "\n}")
