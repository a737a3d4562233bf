"""The model folder: read strictly, damaged ones named, nothing run that they say."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from models.classifier import Classifier
from safetensors.torch import load_file, save_file

from ecg import LeadwiseError
from ecg.labels import CODES
from ecg.leads import LEAD_SETS
from models.folder import read_model


@pytest.fixture
def copy(model_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model_folder, tmp_path / "copy"))


def edit(folder: Path, change: Callable[[dict], object]) -> None:
    content = json.loads((folder / "model.json").read_text())
    change(content)
    (folder / "model.json").write_text(json.dumps(content))


def test_a_trained_folder_says_all_about_itself(model_folder: Path) -> None:
    model = read_model(model_folder)
    assert model.classes == CODES
    assert [trained.leads for trained in model.lead_sets] == list(LEAD_SETS.values())
    content = json.loads((model_folder / "model.json").read_text())
    assert set(content["versions"]) == {"leadwise", "python", "numpy", "torch"}
    assert content["about"].endswith("not a medical device.")
    assert content["training"]["learned"] + content["training"]["chosen"] == 48
    names = {path.name for path in model_folder.iterdir()}
    files = {trained.file for trained in model.lead_sets}
    assert names == files | {"model.json", "history.tsv", "problems.tsv", "training.png"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content.update(format=3), "has format 3, this Leadwise reads 2"),
        (lambda content: content.pop("classes"), "a field is missing or odd"),
        (lambda content: content["recipe"].pop("fs"), "check the fields fs"),
        (lambda content: content["recipe"].update(fs="fast"), "fs is 'fast'"),
        (lambda content: content.update(lead_sets=[]), "names no trained lead set"),
        (lambda content: content["lead_sets"][0].update(file="../x.safetensors"), "a field is"),
        (
            lambda content: content["lead_sets"][0]["decision"].update(rewards=[[1.0]]),
            "rewards of shape .1, 1. for 26 classes",
        ),
        (lambda content: content["lead_sets"][0].update(decision="0.5"), "a field is"),
        (lambda content: content["lead_sets"][0].update(rules=["LAD"]), "a field is"),
        (
            lambda content: content["lead_sets"][0].update(rules=[{"name": "eval", "mode": "or"}]),
            "no rule 'eval'; known are tachycardia",
        ),
        (
            lambda content: content["lead_sets"][0].update(rules=[{"name": "tachycardia"}]),
            "no mode of a rule 'None'; known are off, or, veto, replace",
        ),
        (
            lambda content: content["lead_sets"][0]["decision"].update(name="eval"),
            "no decision 'eval'; known are thresholds, near ties",
        ),
        (lambda content: content["lead_sets"][0]["decision"].update(up=1), "has odd numbers"),
        (lambda content: content["recipe"].update(system="os"), "no system 'os'"),
        (lambda content: content["recipe"]["network"].update(name="eval"), "no 'eval' among NETW"),
        (lambda content: content["recipe"]["steps"][0].update(name="exec"), "no 'exec' among STE"),
    ],
)
def test_a_tampered_description_is_refused(copy: Path, change, said: str) -> None:
    edit(copy, change)
    with pytest.raises(LeadwiseError, match=said):
        Classifier.load(copy, ("I", "II"))


def test_a_folder_older_than_the_rules_has_none(copy: Path) -> None:
    def make_older(content: dict) -> None:
        assert content["recipe"].pop("rules") == "off"
        assert [entry.pop("rules") for entry in content["lead_sets"]] == [[]] * 5

    before = read_model(copy)
    edit(copy, make_older)
    assert read_model(copy) == before
    assert all(trained.rules == () for trained in before.lead_sets)


def test_half_a_description_is_refused(copy: Path) -> None:
    path = copy / "model.json"
    path.write_text(path.read_text()[:200])
    with pytest.raises(LeadwiseError, match="model.json: cannot be read"):
        read_model(copy)


def test_an_empty_or_unfinished_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(LeadwiseError, match="holds no model.json; train a model first"):
        read_model(tmp_path)
    (tmp_path / "state").mkdir()
    with pytest.raises(LeadwiseError, match="training has not finished"):
        read_model(tmp_path)


def test_damaged_weights_are_passed_over_while_others_serve(copy: Path) -> None:
    model = read_model(copy)
    (copy / model.lead_sets[0].file).write_bytes(b"half")
    assert Classifier.load(copy, LEAD_SETS[12]).leads == LEAD_SETS[6]
    for trained in model.lead_sets:
        (copy / trained.file).write_bytes(b"half")
    with pytest.raises(LeadwiseError, match="is not the file that model.json describes"):
        Classifier.load(copy, LEAD_SETS[12])


def test_weights_of_another_recipe_are_refused(copy: Path) -> None:
    """With the sha256 put right the strict loading still sees it."""
    import hashlib

    trained = read_model(copy).lead_sets[-1]
    weights = load_file(copy / trained.file)
    weights["queries"] = weights["queries"][:, :2].contiguous()
    save_file(weights, copy / trained.file)
    sha256 = hashlib.sha256((copy / trained.file).read_bytes()).hexdigest()
    edit(
        copy,
        lambda content: content.update(lead_sets=[{**content["lead_sets"][-1], "sha256": sha256}]),
    )
    with pytest.raises(LeadwiseError, match="does not fit its recipe: size mismatch for queries"):
        Classifier.load(copy, ("I", "II"))


@pytest.mark.parametrize(
    ("leads", "served"),
    [(("I", "II"), 2), (("II", "I", "V2"), 3), (("I", "III"), 6), (("V1", "V2"), 12),
     (("aVR", "aVF", "V2"), 6), (("V2",), 3), (LEAD_SETS[12], 12), (("X",), 2), ((), 2)],
)  # fmt: skip
def test_any_leads_are_served(model_folder: Path, leads: tuple[str, ...], served: int) -> None:
    classifier = Classifier.load(model_folder, leads)
    assert classifier.leads == LEAD_SETS[served]
    assert classifier.decision.name == "expected"
