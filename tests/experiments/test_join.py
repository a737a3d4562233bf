"""Networks that were trained apart, joined into an ensemble."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ecg import LeadwiseError
from ecg.labels import POLICIES
from ecg.records import read_record
from experiments import __main__ as command
from experiments.join import join
from models import find
from models.expected import differences
from models.folder import read_model, write_model
from models.model import Model
from models.network import build
from models.recipe import Recipe, vary
from tests.conftest import save_untrained

HOUSE, TRIO = find("dualnet-house"), find("dualnet-trio")
COMMAND = "train_model.py /data/2017 /models/own --epochs 1"


def untrained(recipe: Recipe, seed: int, folder: Path) -> Model:
    """Save a network with random weights."""
    torch.manual_seed(seed)
    folder.mkdir()
    classes = {"diagnosis": POLICIES[recipe.heads[0].classes]([])}
    save_untrained(recipe, build(recipe, ("ECG",), classes), folder)
    write_model(replace(read_model(folder), training={"command": COMMAND}))
    return Model.load(folder)


def test_the_members_answer_by_their_mean_logit(
    folder_2017: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    single = untrained(HOUSE, 0, tmp_path / "one")
    trio = untrained(TRIO, 1, tmp_path / "trio")
    models = ["one", "trio:2", "trio:0"]
    words = ["join", str(tmp_path / "joint"), *(str(tmp_path / name) for name in models)]
    monkeypatch.setattr("sys.argv", ["experiments", *words, "--recipe", "dualnet-trio"])
    command.main()
    joint = Model.load(tmp_path / "joint")
    (_, network), (_, own), (_, of_trio) = (
        model.network_for(("ECG",)) for model in (joint, single, trio)
    )
    signal = torch.randn(2, 1, 900, generator=torch.Generator().manual_seed(0))
    length = torch.tensor([900, 900])
    parts = [own, of_trio.members[2], of_trio.members[0]]
    with torch.no_grad():
        mean = torch.stack([member(signal, length) for member in parts]).mean(0)
        # The weights of the folder are in half precision.
        torch.testing.assert_close(network(signal, length), mean, atol=5e-3, rtol=5e-3)
    record = read_record(folder_2017 / "A00001.hea")
    assert np.isclose(joint.predict(record).probabilities.sum(), 1)
    assert max(differences(tmp_path / "joint")) < 1e-5

    about = read_model(tmp_path / "joint").training
    assert about["command"] == f"experiments join MODEL {' '.join(models)} --recipe dualnet-trio"
    assert [member["model"] for member in about["members"]] == models
    assert about["members"][1]["command"] == "train_model.py DATA MODEL --epochs 1"
    assert "/models" not in (tmp_path / "joint" / "model.json").read_text()


def test_models_that_cannot_be_joined_are_refused(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    untrained(HOUSE, 0, one)
    untrained(find("dualnet-two-classes"), 0, two)
    letters = tmp_path / "letters"
    untrained(vary(HOUSE, classes="af_n"), 0, letters)
    for models, recipe, message in (
        ([one] * 3, "house-pair", "house-pair: its classes are not exclusive"),
        ([one, one, two], "dualnet-trio", f"{two}: its recipe dualnet-two-classes reads signals"),
        ([one, one, letters], "dualnet-trio", f"{letters}: has other classes or leads than {one}"),
        ([one] * 2, "dualnet-trio", "does not fit its recipe: missing members.2"),
        ([one, Path(f"{one}:1")], "dualnet-trio", f"{one}: has no member 1; the first one is 0"),
    ):
        with pytest.raises(LeadwiseError, match=re.escape(message)):
            join(tmp_path / "joint", models, recipe=recipe)
        assert not (tmp_path / "joint").exists()
    with pytest.raises(LeadwiseError, match="one: exists already"):
        join(one, [one] * 3, recipe="dualnet-trio")
