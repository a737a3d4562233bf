"""The shipped models are complete and small, and give the expected answers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import run_model
from ecg.leads import LEAD_SETS
from ecg.records import write_record
from models import recipes_by_name
from models.expected import differences
from models.folder import read_model

WEIGHTS = Path(__file__).resolve().parent.parent / "weights"
FOLDERS = sorted(path.parent for path in WEIGHTS.glob("*/model.json"))


SHIPPED = {
    "dualnet2017": {("ECG",)},
    "heartly2021": {LEAD_SETS[12]},
    "house2026": {LEAD_SETS[12], LEAD_SETS[2]},
    "isibrno2020": {LEAD_SETS[12], LEAD_SETS[2]},
}


def test_shipped_lead_sets() -> None:
    assert {
        folder.name: {entry.leads for entry in read_model(folder).lead_sets} for folder in FOLDERS
    } == SHIPPED


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_model_was_trained_with_the_recipe_of_its_name(folder: Path) -> None:
    """Apart from its texts, and epochs, minutes and lead sets, which its training was given."""
    trained = read_model(folder).recipe
    given = ("source", "summary", "epochs", "minutes", "lead_sets")
    known = replace(
        recipes_by_name()[trained.name], **{name: getattr(trained, name) for name in given}
    )
    assert known == trained


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_model_gives_its_expected_answers(folder: Path) -> None:
    """Within 1e-4: other processors and versions add in another order."""
    largest = differences(folder)
    assert len(largest) == 2 * len(read_model(folder).lead_sets)
    assert max(largest) < 1e-4


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_folder_is_small_and_names_no_machine(folder: Path) -> None:
    assert sum(path.stat().st_size for path in folder.iterdir()) < 25e6
    assert "/" not in str(read_model(folder).training)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
@pytest.mark.parametrize("leads", [("I", "II"), ("V5", "II", "I"), ("V1",), LEAD_SETS[12]])
def test_a_model_answers_records_of_any_leads(
    leads: tuple[str, ...], folder: Path, tmp_path: Path
) -> None:
    signal = np.random.default_rng(0).normal(scale=0.3, size=(len(leads), 3600))
    (tmp_path / "data").mkdir()
    write_record(tmp_path / "data", "A", signal, leads, 360.0)
    words = [folder, tmp_path / "data", tmp_path / "outputs"]
    assert run_model.main([str(word) for word in words]) == 0
    cells = (tmp_path / "outputs" / "A.csv").read_text().splitlines()[3].split(",")
    assert len(cells) == len(read_model(folder).classes["diagnosis"])
    assert all(0 <= float(cell) <= 1 for cell in cells)
