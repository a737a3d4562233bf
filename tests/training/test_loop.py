"""The loop: a training may end early, and continues after an interruption as if there was none."""

from pathlib import Path

import pytest

import team_code
from models import find
from models.folder import read_model
from models.recipe import Recipe, part, vary
from tests.conftest import small


def stopping() -> Recipe:
    """Return a recipe by which each epoch but the first is worse, so it stops after the third."""
    return vary(
        small(find("isibrno-basic")),
        fs=100.0,
        transforms=(part("hold"), part("resample"),
                    part("fir_band_pass", low_hz=0.5, high_hz=60)),
        post_transforms=(part("record_z_score"),),
        augment=(part("mixup"), part("random_masking")),
        loss=part("asymmetric", gamma_positive=0, gamma_negative=0.2),
        optimiser=part("adamw", lr=2e-3, weight_decay=0.01, amsgrad=True),
        schedule=part("one_cycle"),
        ema=0.99,
        stop=part("patience", epochs=2, tolerance=-1),
        epochs=8,
        decision="near ties",
    )  # fmt: skip


def test_a_training_that_stops_early_also_does_so_after_an_interruption(
    simulated_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setattr("training.data.find", lambda _: stopping())
    monkeypatch.setenv("LEADWISE_LEADS", "2")
    team_code.training_code(str(simulated_folder), str(tmp_path / "whole"))
    log = capsys.readouterr().err
    assert "a record of 100 Hz holds nothing above 50 Hz; the upper edge of fir_band_pass" in log
    assert log.count("has no effect (48 records of 250 Hz)") == 1
    assert "2-leads: stopped early; the best score was in epoch " in log
    history = (tmp_path / "whole" / "history.tsv").read_text()
    assert len(history.splitlines()) == 1 + 3

    def stop(text: str) -> None:
        if "epoch 2 of" in text:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("training.loop.log", stop)
        with pytest.raises(KeyboardInterrupt):
            team_code.training_code(str(simulated_folder), str(tmp_path / "cut"))
    team_code.training_code(str(simulated_folder), str(tmp_path / "cut"))
    assert "2-leads: continues after epoch 2." in capsys.readouterr().err
    assert (tmp_path / "cut" / "history.tsv").read_text() == history
    (whole,), (cut,) = (read_model(tmp_path / name).lead_sets for name in ("whole", "cut"))
    assert cut == whole
    assert whole.heads["diagnosis"].decision.name == "near ties"
