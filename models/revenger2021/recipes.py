"""Recipes of Revenger 2021: the published runs, variants at 100 Hz, and three for few leads.

Sources are Kang & Wen 2022 and the authors' training logs.  `revenger-…` with the name of a
backbone is the run of the paper's second ablation study: LSTM, SE and a head of two layers, 500 Hz,
band-pass, z-score of the whole record, mixup, asymmetric loss, AdamW with AMSGrad, one-cycle
schedule.

- The loss is the paper's formula with its γ (0 and 0.2).  `revenger-as-published` has the loss of
  the published code, γ₊ = 1 as in its runs of November 2021.
- Records below 8 s, those of INCART and those without a scored label are left out of training; a
  fifth of each source is used for validation.
- In training a record of up to 14 s is cut or padded to 10 s; of a longer one an epoch reads a
  window at random, where the published runs have one training item per window, 4 s apart.
- In prediction a record is read whole, up to 30 minutes, as by the authors' `run_model`.  So are
  validation records, of which the published runs read the windows.
- The epoch is chosen by the decision that predicts: 0.5, else near ties, else sinus rhythm.
- `…-100hz` reads signals at 100 Hz.  The band-pass to 60 Hz is left out, since it exceeds the
  Nyquist frequency.  PTB-XL is also distributed at 100 Hz, and an epoch takes a fifth of the time.
- `…-rules` is the paper's other mode: the network learns 21 classes, and the published detectors
  answer Brady, LAD, RAD, LQRSV and PR (`ecg/rules/published.py`, faults included).  The detectors
  read the record at 500 Hz, so they also serve `…-100hz-rules`, but spikes need that rate.
- `revenger-official` is the submission of 27 August 2021, with 26 classes, no normalisation and no
  rules.  `revenger-official-rules` is the official phase's mode with rules: 21 classes and a
  z-score after the window is cut.
- `revenger-branched-lw-reuse`, `…-zero-filled` and `…-lead-dropout` are three ways to use a 12-lead
  network for fewer leads, which the paper suggests for future work.  Their z-score is per lead, and
  each lead has 16, 32 and 64 channels in all lead sets.  So the features of a lead depend on the
  signal of that lead alone.
"""

from collections.abc import Iterator

from ecg.labels import CODES, SPECIAL
from ecg.leads import LEAD_SETS
from models.losses import constant_weights
from models.recipe import Head, Recipe, part, vary
from models.revenger2021.backbones import BACKBONES

PAPER = "Kang & Wen, Physiol. Meas. 2022, doi 10.1088/1361-6579/ac6aa3"

BAND_PASS = part("fir_band_pass", low_hz=0.5, high_hz=60, order_s=0.3)
CUT = part("fit_training_length", tolerance=0.4)
RULES = {"classes": "network21+rules5", "rules": "published"}
NETWORK = {"lstm": True, "attention": "se", "linear": 2}

BASE = Recipe(
    name="revenger-nc-se",
    system="revenger2021",
    source=f"{PAPER}, section 2 and table 5",
    summary="ResNet-NC-SE, LSTM, SE and a head of two layers; base of the ablation studies",
    fs=500.0,
    max_s=1800.0,  # records are read whole; the Challenge's longest has 30 minutes
    crop_s=10.0,
    transforms=(part("hold", limit_mv=20), part("resample"), BAND_PASS),
    post_transforms=(part("record_z_score"), CUT),
    network=part("crnn", backbone="nc-se", **NETWORK),
    optimiser=part("adamw", lr=2e-3, weight_decay=0.01, amsgrad=True),
    schedule=part("one_cycle"),
    augment=(part("mixup", alpha=0.3, share=0.6),),
    stop=part("patience", epochs=10, tolerance=0.001),
    leave_out=(part("shorter", seconds=8.0), part("sources", names=("incart",)), part("unscored")),
    split=part("within_sources", share=0.2),
    epochs=50,
    batch=64,
    heads=(
        Head(loss=part("asymmetric", gamma_positive=0, gamma_negative=0.2), decision="near ties"),
    ),
)

AS_PUBLISHED = vary(
    BASE,
    name="revenger-as-published",
    source=f"{PAPER}, and the logs of November 2021",
    summary="`revenger-nc-se` with the loss of the published code",
    loss=part("asymmetric_deep_psp", gamma_positive=1, gamma_negative=0.2),
)

POST_CHALLENGE = vary(
    BASE,
    name="revenger-post-challenge",
    source=f"{PAPER}; entry Revenger_32_PMEA",
    summary="the journal's entry: ResNet-NC-BS with one linear layer, no band-pass",
    transforms=(part("hold", limit_mv=20), part("resample")),
    network=part("crnn", backbone="nc-bs", lstm=False, attention="none", linear=1),
    loss=part("asymmetric_deep_psp", gamma_positive=0, gamma_negative=0.2),
    optimiser=part("adamw", lr=1.5e-3, weight_decay=0.01, amsgrad=True),
    stop=part("patience", epochs=12, tolerance=0.001),
    epochs=60,
    batch=20,
    batch_of=((6, 24), (4, 28), (3, 32), (2, 40)),
)

OFFICIAL = vary(
    BASE,
    name="revenger-official",
    source="Wen & Kang, CinC 2021; entry Revenger_449, submitted on 27 August 2021",
    summary="the official phase's: Branched, SE, a head of two layers, weighted cross-entropy",
    transforms=(
        part("hold", limit_mv=20),
        part("resample"),
        part("butterworth_band_pass", low_hz=0.5, high_hz=60, order=5),
    ),
    post_transforms=(CUT,),
    network=part("crnn", backbone="branched", lstm=False, attention="se", linear=2),
    loss=part("weighted_bce", weights=constant_weights(CODES)),
    optimiser=part("adamw", lr=1e-3, weight_decay=0.01, amsgrad=True),
    schedule=part("constant"),
    augment=(part("label_smoothing", epsilon=0.1, share=1.0),),
    stop=part("patience", epochs=8, tolerance=0.001),
    epochs=27,
    batch=24,
    batch_of=((3, 32), (2, 32)),
)

OFFICIAL_RULES = vary(
    OFFICIAL,
    name="revenger-official-rules",
    source="Wen & Kang, CinC 2021; their code before 27 August 2021",
    summary="`revenger-official` for 21 classes, the published rules for five, z-score",
    post_transforms=(CUT, part("record_z_score")),
    **RULES,
    loss=part("weighted_bce", weights=constant_weights([c for c in CODES if c not in SPECIAL])),
)


def _at_100_hz(recipe: Recipe) -> Recipe:
    """Give the variant of a recipe at 100 Hz."""
    return vary(
        recipe,
        name=f"{recipe.name}-100hz",
        summary=f"`{recipe.name}` at 100 Hz",
        fs=100.0,
        transforms=(part("hold", limit_mv=20), part("resample")),
    )


def _family() -> Iterator[Recipe]:
    """Yield one recipe per backbone."""
    for backbone in BACKBONES:
        name = f"revenger-{backbone}"
        summary = f"{backbone}, LSTM, SE and a head of two layers, as in the second ablation study"
        if name == BASE.name:
            yield BASE
        else:
            network = part("crnn", backbone=backbone, **NETWORK)
            yield vary(BASE, name=name, network=network, summary=summary)


def _for_few_leads() -> Iterator[Recipe]:
    """Yield the three recipes that use a 12-lead network for fewer leads."""
    reuse = vary(
        BASE,
        name="revenger-branched-lw-reuse",
        source=f"ours; suggested as future work by {PAPER}",
        summary="Branched-LW for 12 leads; its backbone is reduced and frozen for fewer leads",
        post_transforms=(part("z_score"), *BASE.post_transforms[1:]),
        network=part("crnn", backbone="branched-lw", lead_width=16, **NETWORK),
        transfer=part("frozen_backbone"),
    )
    zero_filled = vary(
        reuse,
        name="revenger-branched-lw-zero-filled",
        summary="Branched-LW for 12 leads and all lead sets; missing leads are zero",
        transfer=part("none"),
        lead_sets=(LEAD_SETS[12],),
    )
    yield reuse
    yield zero_filled
    # The five lead sets contain three kinds of information: all leads, the limb leads (two sets),
    # and limb leads with V2 (two sets).  Each kind is equally frequent in training.
    yield vary(
        zero_filled,
        name="revenger-branched-lw-lead-dropout",
        summary="`revenger-branched-lw-zero-filled`, trained with random lead sets",
        augment=(part("lead_dropout", probability=5 / 6), *BASE.augment),
    )


FAMILY = {
    recipe.name: recipe
    for at_500 in (*_family(), *_for_few_leads())
    for recipe in (at_500, _at_100_hz(at_500))
}

RECIPES = {
    **FAMILY,
    **{
        recipe.name: recipe
        for recipe in (
            AS_PUBLISHED,
            POST_CHALLENGE,
            OFFICIAL,
            OFFICIAL_RULES,
            *(
                vary(
                    FAMILY[name],
                    name=f"{name}-rules",
                    summary=f"`{name}` for 21 classes, the published rules for five",
                    **RULES,
                )
                for name in ("revenger-nc-se", "revenger-nc-se-100hz")
            ),
        )
    },
}
