"""The model folder: strict reading, damaged folders, and the network for a record's leads."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from ecg import LeadwiseError
from ecg.labels import CODES
from ecg.leads import LEAD_SETS
from ecg.records import read_record, write_record
from models.folder import read_model
from models.model import Model
from simulate import simulate


@pytest.fixture
def copy(model_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model_folder, tmp_path / "copy"))


def edit(folder: Path, change: Callable[[dict], object]) -> None:
    content = json.loads((folder / "model.json").read_text())
    change(content)
    (folder / "model.json").write_text(json.dumps(content))


def head_of(content: dict) -> dict:
    """Return what was fitted for the head of the first lead set."""
    return content["lead_sets"][0]["heads"]["diagnosis"]


def test_a_trained_folder_describes_itself(model_folder: Path) -> None:
    model = read_model(model_folder)
    assert model.classes == {"diagnosis": CODES}
    assert [trained.leads for trained in model.lead_sets] == list(LEAD_SETS.values())
    content = json.loads((model_folder / "model.json").read_text())
    assert content["format"] == 3
    assert set(content["versions"]) == {"leadwise", "python", "numpy", "torch"}
    assert content["about"].endswith("not a medical device.")
    assert content["training"]["train_records"] == 36
    assert content["training"]["validation_records"] == 12
    names = {path.name for path in model_folder.iterdir()}
    files = {trained.file for trained in model.lead_sets}
    written = {"model.json", "history.tsv", "steps.tsv", "problems.tsv", "training.png"}
    assert names == files | written


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.update(format=4), "has format 4, this Leadwise reads 2 and 3"),
        (lambda content: content.update(format=True), "has format True"),
        (lambda content: content.pop("classes"), "model: missing field classes; copy the folder"),
        (lambda content: content["recipe"].pop("fs"), "model.recipe: missing field fs"),
        (
            lambda content: content["recipe"].update(fs="fast"),
            "recipe.fs: must be a number",
        ),
        (lambda content: content.update(lead_sets=[]), "model.lead_sets: must not be empty"),
        (
            lambda content: content["lead_sets"][0].update(file="../x.safetensors"),
            "no weights file",
        ),
        (
            lambda content: head_of(content)["decision"].update(rewards=[[1.0]]),
            "rewards of shape .1, 1. for 26 classes",
        ),
        (lambda content: head_of(content).update(decision="0.5"), "decision: must be an object"),
        (lambda content: head_of(content).update(rules=["LAD"]), r"rules\[0\]: must be an"),
        (
            lambda content: head_of(content).update(rules=[{"name": "eval", "mode": "or"}]),
            "heads.diagnosis: no rule 'eval'; similar are pacing",
        ),
        (
            lambda content: head_of(content).update(rules=[{"name": "tachycardia"}]),
            "no mode of a rule None; known are off, or, veto, replace",
        ),
        (
            lambda content: head_of(content)["decision"].update(name="eval"),
            "no decision 'eval'; known are thresholds, near ties",
        ),
        (lambda content: head_of(content)["decision"].update(up=1), "has no number 'up'"),
        (lambda content: head_of(content).pop("rules"), "missing field rules"),
        (lambda content: content["lead_sets"][0]["heads"].clear(), "heads: must be diagnosis"),
        (lambda content: content.update(classes=[*CODES]), "classes: must be an object"),
        (lambda content: content.update(classes={"other": [*CODES]}), "classes: are those of oth"),
        (lambda content: content["recipe"].update(heads=[1]), r"heads\[0\]: must be an object"),
        (lambda content: content["recipe"].update(system="os"), "no system 'os'"),
        (lambda content: content["recipe"]["network"].update(name="eval"), "no 'eval' among NETW"),
        (lambda content: content["recipe"]["transforms"][0].update(name="exec"), "no 'exec' amo"),
    ],
)
def test_a_tampered_description_is_refused(copy: Path, change, message: str) -> None:
    edit(copy, change)
    with pytest.raises(LeadwiseError, match=message):
        Model.load(copy, ("I", "II"))


def test_a_truncated_description_is_refused(copy: Path) -> None:
    path = copy / "model.json"
    path.write_text(path.read_text()[:200])
    with pytest.raises(LeadwiseError, match="model.json: cannot be read"):
        read_model(copy)


def test_an_empty_or_unfinished_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LeadwiseError, match="holds no model.json; train a model first"):
        read_model(tmp_path)
    (tmp_path / "state").mkdir()
    with pytest.raises(LeadwiseError, match="training has not finished"):
        read_model(tmp_path)


def test_damaged_weights_are_refused_and_no_other_network_answers(copy: Path) -> None:
    model = read_model(copy)
    (copy / model.lead_sets[0].file).write_bytes(b"half")
    with pytest.raises(LeadwiseError, match=f"{model.lead_sets[0].file}: is not the file that mod"):
        Model.load(copy, LEAD_SETS[12])
    of_two = Model.load(copy, LEAD_SETS[2])
    assert of_two.network_for(LEAD_SETS[2])[0].leads == LEAD_SETS[2]
    with pytest.raises(LeadwiseError, match="copy the folder again or train again"):
        of_two.network_for(LEAD_SETS[12])


def test_weights_of_another_recipe_are_refused(copy: Path) -> None:
    """Even if their sha256 is that of model.json."""
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
    with pytest.raises(
        LeadwiseError,
        match=r"fit its recipe: queries is float32 \(26, 2\), not fl",
    ):
        Model.load(copy, ("I", "II"))


@pytest.mark.parametrize(
    ("leads", "served"),
    [(("I", "II"), 2), (("II", "I", "V2"), 3), (("I", "III"), 6), (("V1", "V2"), 12),
     (("aVR", "aVF", "V2"), 6), (("V2",), 3), (LEAD_SETS[12], 12), (("X",), 2), ((), 2)],
)  # fmt: skip
def test_each_lead_set_has_a_network(
    model_folder: Path, leads: tuple[str, ...], served: int
) -> None:
    for model in (Model.load(model_folder), Model.load(model_folder, leads)):
        trained, _ = model.network_for(leads)
        assert trained.leads == LEAD_SETS[served]
        assert trained.heads["diagnosis"].decision.name == "expected_metric"


def test_the_network_is_that_of_the_record_or_of_the_given_leads(
    model_folder: Path, tmp_path: Path
) -> None:
    record = simulate(("AF",), seed=0, duration_s=3.0, fs=250.0)
    for name, leads in (("A", LEAD_SETS[2]), ("B", LEAD_SETS[12])):
        signal = record.signal[[record.leads.index(lead) for lead in leads]]
        write_record(tmp_path, name, signal, leads, record.fs)
    two, twelve = (read_record(tmp_path / f"{name}.hea") for name in ("A", "B"))
    model = Model.load(model_folder)
    assert model.predict(two).leads == LEAD_SETS[2]
    assert model.predict(twelve).leads == LEAD_SETS[12]
    for leads in (LEAD_SETS[12], LEAD_SETS[3]):
        model = Model.load(model_folder, leads)
        assert model.predict(two).leads == model.predict(twelve).leads == leads


def test_two_networks_for_the_same_leads_are_an_error(copy: Path) -> None:
    edit(copy, lambda content: content["lead_sets"].append(content["lead_sets"][0]))
    with pytest.raises(LeadwiseError, match="model.lead_sets: two have the same leads"):
        read_model(copy)
