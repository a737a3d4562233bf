"""A trained model made ready to publish."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from experiments import __main__ as command
from models.expected import differences
from models.folder import read_model, read_weights, write_model


@pytest.fixture(scope="module")
def two(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model with two of its lead sets."""
    copy = tmp_path_factory.mktemp("models") / "two"
    shutil.copytree(model_folder, copy)
    model = read_model(copy)
    write_model(replace(model, lead_sets=(model.lead_sets[0], model.lead_sets[-1])))
    return copy


def test_an_exported_model_has_half_precision_and_expected_answers(
    two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = read_model(two)
    about = {
        **model.training,
        "command": "train_model.py /data/folds /models/two --leads 12,2 --init-from /models/one",
        "init_from": {"model": "/models/one", "12-leads": "0a1b"},
    }
    write_model(replace(model, training=about))
    monkeypatch.setattr("sys.argv", ["experiments", "export", str(two), str(tmp_path / "weights")])
    command.main()
    before, after = read_model(two), read_model(tmp_path / "weights")
    assert after.recipe == before.recipe
    assert after.training["command"] == "train_model.py DATA MODEL --leads 12,2 --init-from one"
    assert after.training["init_from"] == {"model": "one", "12-leads": "0a1b"}
    for one, other in zip(before.lead_sets, after.lead_sets, strict=True):
        assert (one.leads, one.heads) == (other.leads, other.heads)
        for name, weight in read_weights(before, one).items():
            if weight.is_floating_point():
                halves = read_weights(after, other)[name]
                assert halves.dtype == torch.float16
                torch.testing.assert_close(halves.float(), weight, atol=1e-3, rtol=1e-3)
    assert max(differences(tmp_path / "weights")) < 1e-5
    assert str(two.parent) not in (tmp_path / "weights" / "model.json").read_text()
    path = tmp_path / "weights" / "expected.json"
    expected = json.loads(path.read_text())
    expected["answers"][0]["probabilities"][0] += 0.01
    path.write_text(json.dumps(expected))
    assert max(differences(tmp_path / "weights")) > 0.005
