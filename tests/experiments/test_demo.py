"""The demo trains a fixed number of epochs, and names scores that are chance."""

import os
import re
from pathlib import Path

import numpy as np
import pytest

from ecg.leads import LEAD_SETS
from experiments import demo


@pytest.mark.parametrize(
    ("epochs", "warning"), [(1, "1 epoch only"), (2, "2 epochs only"), (3, ""), (demo.EPOCHS, "")]
)
def test_scores_of_few_epochs_are_called_chance(
    epochs: int, warning: str, capsys: pytest.CaptureFixture
) -> None:
    demo.print_scores([(12, ["0.500", "0.100", "0.010", "0.200", "0.300"])], epochs)
    printed = capsys.readouterr().out
    assert "   12  0.500  0.100     0.010      0.200             0.300" in printed
    assert ("these scores are chance" in printed) == bool(warning)
    assert warning in printed


def test_the_training_is_of_epochs_and_not_of_minutes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pytest.TempPathFactory
) -> None:
    """So its numbers do not depend on the speed or the load of the machine."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    calls = []

    def run(*words: str, **settings: str) -> None:
        calls.append((words, settings))
        if words[0] == "train_model.py":
            raise InterruptedError

    monkeypatch.setattr(demo, "run", run)
    monkeypatch.setattr("sys.argv", ["demo", str(tmp_path), "--epochs", "4"])
    with pytest.raises(InterruptedError):
        demo.main()
    assert calls[-1][1] == {
        "LEADWISE_RECIPE": "isibrno-basic", "LEADWISE_EPOCHS": "4",
    }  # fmt: skip
    assert os.environ["OMP_NUM_THREADS"] == "1", "sums do not depend on the number of processors"


def test_the_readme_shows_the_scores_that_the_demo_prints(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Trained anew for 12 leads, as the demo does.

    Other processors round otherwise, which moved these scores by up to 0.041.  An untrained model
    has an AUROC of 0.5.
    """
    printed = re.search(r"^ +12((?: +\d\.\d{3}){5})$", (demo.ROOT / "README.md").read_text(), re.M)
    assert printed
    monkeypatch.setenv("OMP_NUM_THREADS", str(demo.THREADS))
    demo.make_records(tmp_path, demo.RECORDS)
    demo.train(tmp_path, demo.EPOCHS, LEADWISE_LEADS="12")
    scores = demo.score(tmp_path, 12, LEAD_SETS[12])[1]
    assert np.array(scores, float) == pytest.approx(np.array(printed[1].split(), float), abs=0.08)
