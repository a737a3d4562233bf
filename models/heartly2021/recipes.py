"""Recipes of HeartlyAI 2021."""

from ecg.leads import LEAD_SETS
from models.recipe import Head, Recipe, part

PAPER = "Sodmann, Vollmer & Kaderali, CinC 2021"

HALF = {  # the published widths, halved
    "encoder": (16, 32, 56, 96, 128, 160, 256),
    "decoder": (16, 16, 24, 32, 48, 64),
}

LEADWISE = Recipe(
    name="heartly-leadwise",
    system="heartly2021",
    source=f"ours, after {PAPER}",
    summary="waves, beats and diagnosis at half width, 250 Hz, for a processor",
    fs=250.0,
    max_s=60.0,  # whole records, as published; longer ones in windows
    crop_s=8.192,  # 2,048 frames
    transforms=(
        part("fill"),
        part("spikes"),
        part("resample"),
        part("trimmed_mean"),
    ),
    post_transforms=(part("amplify"),),  # of the leads that the network sees
    network=part(
        "heartly",
        fs=250.0,
        activation="silu",
        latents=16,
        width=128,
        **HALF,
    ),  # fmt: skip
    optimiser=part("adamw", lr=2e-3, weight_decay=0.01),
    schedule=part("one_cycle"),
    epochs=40,
    batch=32,
    sampling=part("inverse_frequency", annotated=8, others=4000, power=0.5),
    heads=(
        Head("diagnosis", loss=part("bce"), targets="heartly", decision="expected_metric"),
        Head("waves", "samples", classes="waves", loss=part("segmentation"), metric="dice"),
        Head("beats", "beats", classes="beats", loss=part("cross_entropy"), metric="beat_f1"),
    ),
    augment=(
        part("single_lead", probability=0.6),
        part("lead_dropout", probability=0.5),
        part("stretch", probability=0.5, least=0.8, most=1.25),
        part("scale", spread=0.3),
        part("baseline_wander", probability=0.3, amplitude=0.3, low_hz=0.05, high_hz=0.5),
        part("noise", mv=0.01),
    ),
    ema=0.998,
    lead_sets=(LEAD_SETS[12],),
)

RECIPES = {recipe.name: recipe for recipe in (LEADWISE,)}
