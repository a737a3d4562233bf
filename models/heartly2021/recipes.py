"""Recipes of HeartlyAI 2021: as published, and ours.

Open in the paper and chosen here: the batch, the lower rate and the cycles of the cyclic rate, the
factors of the accumulation, amplitudes and probabilities of the augmentations, the losses of waves
and beats, the length of the pretraining and the weight of its sum over 256 columns.  `-published`
has Mish and Ranger; `-silu` is the entry, and `-madgrad` the optimiser that "converged faster".

The paper does not name its kinds of noise: here white noise, baseline wander and hum.  Recorded
noise of muscles and electrodes (NSTDB) is not among them, because recordings are not shipped.
Barlow Twins compares 64 records, so batches of the pretraining have 48 random records more.
"""

from ecg.leads import LEAD_SETS
from models.recipe import Head, Recipe, part, vary

PAPER = "Sodmann, Vollmer & Kaderali, CinC 2021"

EPOCHS = 180

PUBLISHED = Recipe(
    name="heartly-published",
    system="heartly2021",
    source=PAPER,
    summary="waves, beats and diagnosis by U-Net and Perceiver, one network for all lead sets",
    fs=500.0,
    max_s=1800.0,  # "the entire length of the ECG"; the longest record of the Challenge
    crop_s=4096 / 500,
    transforms=(
        part("fill"),
        part("spikes"),
        part("resample"),
        part("low_pass"),
        part("lowess"),
        part("trimmed_mean"),
    ),
    post_transforms=(part("amplify"),),  # of the leads that the network sees
    network=part("heartly", activation="mish"),
    optimiser=part("ranger", lr=2e-5),
    schedule=part("cyclic", cycles=9),
    epochs=EPOCHS,
    batch=16,
    sampling=part("inverse_frequency", annotated=1, others=12_000),
    pretraining=part("barlow", share=0.2, redundancy=0.005, weight=1 / 256, records=64),
    accumulation=part("squares", at=tuple(epoch / EPOCHS for epoch in (40, 80, 140))),
    heads=(
        Head(
            "diagnosis",
            loss=part("asymmetric", gamma_positive=1, gamma_negative=2),
            targets="heartly",
        ),
        Head("waves", "samples", classes="waves", loss=part("segmentation"), metric="dice"),
        Head("beats", "beats", classes="beats", loss=part("cross_entropy"), metric="beat_f1"),
    ),
    augment=(
        part("noise", mv=0.01),
        part("baseline_wander", probability=0.5, amplitude=0.1, low_hz=0.05, high_hz=0.5),
        part("hum", probability=0.3, mv=0.05),
        part("cutout", probability=0.5, share=0.05),
        # Last, so that absent leads are 0, as in prediction.
        part("lead_dropout", probability=1.0),
        part("one_lead_dropout", probability=0.2),
    ),
    lead_sets=(LEAD_SETS[12],),
)

SILU = vary(
    PUBLISHED,
    name="heartly-silu",
    summary="`heartly-published` with SiLU, as entered",
    network=part("heartly", activation="silu"),
)

MADGRAD = vary(
    PUBLISHED,
    name="heartly-madgrad",
    summary="`heartly-published` with MADGRAD",
    optimiser=part("madgrad", lr=2e-5),
)

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
    optimiser=part("adamw", lr=8e-4, weight_decay=0.01),  # from 1.2e-3 on the loss jumps
    schedule=part("one_cycle"),
    epochs=30,
    batch=32,
    sampling=part("inverse_frequency", annotated=8, others=4000, power=0.5),
    heads=(
        Head(
            "diagnosis",
            loss=part("bce"),
            weight=5.0,
            targets="heartly",
            decision="expected_metric",
        ),  # fmt: skip
        Head(
            "waves",
            "samples",
            classes="waves",
            loss=part("segmentation"),
            metric="dice",
            mask="no P",
        ),  # fmt: skip
        Head("beats", "beats", classes="beats", loss=part("cross_entropy"), metric="beat_f1"),
    ),
    augment=(
        part("stretch", probability=0.5, least=0.8, most=1.25),
        part("scale", spread=0.3),
        part("pacing", probability=0.1, mv=2.0),
        part("baseline_wander", probability=0.3, amplitude=0.3, low_hz=0.05, high_hz=0.5),
        part("noise", mv=0.01),
        # Last, so that absent leads are 0, as in prediction.
        part("lead_dropout", probability=0.5),
        part("single_lead", probability=0.6),
    ),
    ema=0.998,
    lead_sets=(LEAD_SETS[12],),
)

RECIPES = {recipe.name: recipe for recipe in (PUBLISHED, SILU, MADGRAD, LEADWISE)}
