"""Ablations of HeartlyAI 2021: its tasks, its pretraining and its sampling rate."""

from dataclasses import replace

from experiments.grid import Grid, variants
from models import find
from models.recipe import part, vary

EPOCHS = 8  # a small budget
OFF = 1e-9  # weight of a loss: its gradients are far below those of others and below Adam's ε


def ablation() -> Grid:
    """Train variants of `heartly-leadwise` on a folder of `python -m datasets.waves … --fold 8`.

    Fold 9 scores diagnoses.  A folder without QTDB shows what its marks add.
    """
    base = vary(find("heartly-leadwise"), epochs=EPOCHS)
    diagnosis, waves, beats = base.heads
    no_waves, no_beats = (replace(head, weight=OFF) for head in (waves, beats))
    fs, network = 2 * base.fs, base.network.options
    recipes = variants(base, {
        "whole": {},
        "diagnosis-alone": {"heads": (diagnosis, no_waves, no_beats)},
        "without-beats": {"heads": (diagnosis, waves, no_beats)},
        "without-no-p": {"heads": (diagnosis, replace(waves, mask="off"), beats)},
        "barlow": {"pretraining": part("barlow", share=0.2, weight=1 / network["width"])},
        "500-hz": {"fs": fs, "network": part(base.network.name, **{**network, "fs": fs})},
    })  # fmt: skip
    return Grid(
        "heartly-ablation", f"tasks, pretraining and rate of HeartlyAI, {EPOCHS} epochs each",
        recipes, leads=(), seeds=(0, 1, 2),
    )  # fmt: skip
