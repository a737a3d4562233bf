"""Each published recipe against a table that was typed from its paper.

Sections are those of the papers (Nejedly et al., CinC 2020; Kang & Wen 2022; Reich & Kruk 2021).
Letters and "fact sheet" refer to our notes on their code and logs.  Fields that a paper does not
mention are off: no EMA, no early stopping, no rules.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from ecg.labels import POLICIES, class_name
from ecg.leads import LEAD_SETS
from models import find, recipes_by_name
from models.network import skeleton
from models.recipe import for_leads, part, recipe_to_json
from models.rules import PUBLISHED
from training.decisions import FITS, USES
from training.optim import optimiser_of

Table = dict[str, Any]


def one(name: str, **numbers: Any) -> Table:
    return {"name": name, **numbers}


def settings(name: str) -> Table:
    """Return a recipe's fields and those of its only head, without its names and texts."""
    fields = recipe_to_json(find(name))
    head = fields.pop("heads")[0] if len(fields["heads"]) == 1 else {}
    texts = ("name", "system", "source", "summary", "minutes", "lead_sets")
    return {key: value for key, value in {**head, **fields}.items() if key not in texts}


NOTHING = {
    "kind": "record", "mask": "off", "weight": 1.0, "exclusive": False, "rules": "off",
    "post_transforms": [], "stride_s": 0.0, "augment": [], "ema": 0.0, "stop": one("never"),
    "transfer": one("none"), "seed": 0, "sampling": one("all"), "targets": "labels",
    "crop_s": 0.0, "accumulation": one("none"), "batch_of": [], "leave_out": [],
    "split": one("stratified"),
    "pretraining": one("none"),
}  # fmt: skip

# --- ISIBrno 2020 ---------------------------------------------------------------------------------
MV = [
    one("fill"),
    one("resample", tolerance=0.03),  # "close to 250 Hz, e.g. 257 Hz"; fact sheet, section 1
    one("remove_mean"),  # "normalized to zero mean (subtracting DC offset)"
    one("envelopes", low_hz=8, mid_hz=24),  # "low (0-8 Hz …) and mid-frequency bands (0-24 Hz …)"
]
Z_SCORES = [*MV[:2], one("z_score")]  # section 4: before entry 4
BASIC = {"widths": [32, 32, 64, 64, 128], "units": 64}  # fact sheet, section 2
INCREASED = {"widths": [64, 64, 128, 128, 256], "units": 128}
DROPOUT = {"dropout": 0.2, "context_dropout": 0.5}
ISIBRNO: Table = {
    **NOTHING,
    "fs": 250.0,  # section 2: "sampling frequency 250 Hz"
    "max_s": 120.0,  # "zero-padded into the length of 2 minutes"
    "transforms": MV,
    "network": one("cnn_gru_attention", **INCREASED, **DROPOUT),
    "optimiser": one("adam", lr=1e-3, weight_decay=1e-6),  # "L2 regularization parameter 1e-6"
    "schedule": one("plateau", factor=0.5, patience=7),  # "did not improve for seven epochs"
    "epochs": 75,
    "batch": 64,
    "loss": one("bce"),
    "classes": "scored",
    "decision": "global",  # "optimize the global probability threshold by a grid-search"
    "metric": "challenge",
}
LEADWISE = {  # ours, docs/recipes.md
    "schedule": one("warmup_cosine", warmup=0.02, decay=0.5),
    "decision": "expected_metric",
}
ISIBRNO_CHANGES: dict[str, Table] = {
    "isibrno-published": {},
    "isibrno-2020": {"classes": "scored2020"},  # section 2: 2020's 24 classes and metric
    "isibrno-entry1": {  # table 1: "Basic model with residual channels"
        "transforms": Z_SCORES,
        "network": one("cnn_gru_attention", **BASIC, **DROPOUT),
    },
    "isibrno-entry2": {"transforms": Z_SCORES},  # "increased residual channels"
    "isibrno-entry3": {  # "without regularization and dropout"
        "transforms": Z_SCORES,
        "network": one("cnn_gru_attention", **INCREASED, dropout=0, context_dropout=0),
        "optimiser": one("adam", lr=1e-3, weight_decay=0),
    },
    "isibrno-entry7": {  # "Self-normalizing network"; Klambauer et al. 2017: alpha dropout 0.05
        "network": one("selu_cnn_gru_attention", **INCREASED, dropout=0.05, context_dropout=0.5,
                       initial_logit=-3),
    },
    "isibrno-class-thresholds": {"decision": "per class"},  # "individual threshold for each"
    "isibrno-leadwise": LEADWISE,
    "isibrno-rules": {**LEADWISE, "rules": "learned"},
    "isibrno-basic": {
        **LEADWISE, "network": one("cnn_gru_attention", **BASIC, **DROPOUT), "batch": 16,
    },
}  # fmt: skip

# --- Revenger 2021 --------------------------------------------------------------------------------
HELD = [one("hold", limit_mv=20), one("resample")]  # (a): beyond ±20 mV, the previous sample
FILTERED = [*HELD, one("fir_band_pass", low_hz=0.5, high_hz=60, order_s=0.3)]  # (a): int(0.3 fs)
WHOLE = {"lstm": True, "attention": "se", "linear": 2}  # table 5
PLAIN = {"lstm": False, "attention": "none", "linear": 1}
FIT = one("fit_training_length", tolerance=0.4)  # (a): up to 7000 of 5000 samples are cropped
REVENGER: Table = {
    **NOTHING,
    "fs": 500.0,
    "max_s": 1800.0,  # (a): "the network takes it whole"
    "crop_s": 10.0,  # (a): windows of 5000
    "transforms": FILTERED,
    "post_transforms": [one("record_z_score"), FIT],
    "network": one("crnn", backbone="nc-se", **WHOLE),
    "optimiser": one("adamw", lr=2e-3, weight_decay=0.01, amsgrad=True),  # (e)
    "schedule": one("one_cycle"),
    "augment": [one("mixup", alpha=0.3, share=0.6)],  # (a): Beta(0.3, 0.3); 0.6 of the batch
    "stop": one("patience", epochs=10, tolerance=0.001),
    "leave_out": [  # (a): "shorter than 4000 samples", "without INCART", "without a scored label"
        one("shorter", seconds=8.0),
        one("sources", names=["incart"]),
        one("unscored"),
    ],
    "split": one("within_sources", share=0.2),  # (a): 80/20 inside each source
    "epochs": 50,
    "batch": 64,
    "loss": one("asymmetric", gamma_positive=0, gamma_negative=0.2),  # equations 4 and 5
    "classes": "scored",
    "decision": "near ties",  # (h)
    "metric": "challenge",
}
AT_100_HZ = {"fs": 100.0, "transforms": HELD}
LEAD_WISE = {
    "network": one("crnn", backbone="branched-lw", lead_width=16, **WHOLE),
    "post_transforms": [one("z_score"), FIT],
}
BACKBONES = ["nc-se", "nc-bs", "nc-bg", "tresnet-n", "tresnet-p", "tresnet-f", "branched",
             "branched-lw"]  # fmt: skip
AT_500_HZ: dict[str, Table] = {
    **{f"revenger-{each}": {"network": one("crnn", backbone=each, **WHOLE)} for each in BACKBONES},
    "revenger-branched-lw-reuse": {**LEAD_WISE, "transfer": one("frozen_backbone")},  # ours
    "revenger-branched-lw-zero-filled": LEAD_WISE,
    "revenger-branched-lw-lead-dropout": {
        **LEAD_WISE, "augment": [one("lead_dropout", probability=5 / 6), *REVENGER["augment"]],
    },
}  # fmt: skip
# (d): by abbreviation, 0.5 · largest count / count
COUNTS = """AF 5238 AFL 8373 BBB 501 Brady 284 LBBB 1494 CRBBB 4828 IAVB 3534 IRBBB 1857 LAD 7631
LAnFB 2186 LPR 392 LQRSV 1599 LQT 1907 NSIVCB 1767 NSR 28891 PAC 3258 PR 1481 PRWP 638 PVC 1938
QAb 2076 RAD 1280 SA 3788 SB 18918 STach 9645 TAb 11716 TInv 3988""".split()
WEIGHTS = [round(28891 / 2 / int(count), 4) for count in COUNTS[1::2]]
RULED = {"classes": "network21+rules5", "rules": "published"}  # (g): 21-class mode
OFFICIAL: Table = {  # (e): official phase; the submission of 27 August 2021
    "transforms": [*HELD, one("butterworth_band_pass", low_hz=0.5, high_hz=60, order=5)],
    "post_transforms": [FIT],  # no normalisation
    "network": one("crnn", backbone="branched", lstm=False, attention="se", linear=2),
    "loss": one("weighted_bce", weights=WEIGHTS),
    "optimiser": one("adamw", lr=1e-3, weight_decay=0.01, amsgrad=True),
    "schedule": one("constant"),
    "augment": [one("label_smoothing", epsilon=0.1, share=1.0)],  # all records
    "stop": one("patience", epochs=8, tolerance=0.001),
    "epochs": 27,
    "batch": 24,
    "batch_of": [[3, 32], [2, 32]],
}
SPECIAL = ("Brady", "LAD", "LQRSV", "PR", "RAD")
REVENGER_CHANGES: dict[str, Table] = {
    **AT_500_HZ,
    **{f"{name}-100hz": {**table, **AT_100_HZ} for name, table in AT_500_HZ.items()},
    "revenger-nc-se-rules": RULED,
    "revenger-nc-se-100hz-rules": {**AT_100_HZ, **RULED},
    "revenger-as-published": {  # (d): γ₊ was not set, the default is 1; (h)
        "loss": one("asymmetric_deep_psp", gamma_positive=1, gamma_negative=0.2),
    },
    "revenger-post-challenge": {  # (e): the last entry
        "transforms": HELD,
        "network": one("crnn", backbone="nc-bs", **PLAIN),
        "loss": one("asymmetric_deep_psp", gamma_positive=0, gamma_negative=0.2),
        "optimiser": one("adamw", lr=1.5e-3, weight_decay=0.01, amsgrad=True),
        "stop": one("patience", epochs=12, tolerance=0.001),
        "epochs": 60,
        "batch": 20,  # (i): 9 and 10 December
        "batch_of": [[6, 24], [4, 28], [3, 32], [2, 40]],
    },
    "revenger-official": OFFICIAL,
    "revenger-official-rules": {  # with rules: 21 classes, and the z-score after cropping
        **OFFICIAL,
        **RULED,
        "post_transforms": [FIT, one("record_z_score")],
        "loss": one(
            "weighted_bce",
            weights=[
                weight
                for name, weight in zip(COUNTS[::2], WEIGHTS, strict=True)
                if name not in SPECIAL
            ],
        ),
    },
}

# --- DualNet 2017 ---------------------------------------------------------------------------------
ALPHA = {"N": 0.4, "O": 0.7, "A": 0.9, "~": 0.9}  # section 2.3 of the paper, in this order


def eight(probability: float, **changes: Table) -> list[Table]:
    """List section 6's augmentations in their order; amplitudes in standard deviations."""
    numbers = {
        "cutout": one("cutout", share=0.05),
        "drop": one("sample_dropout", share=0.03),
        "random resample": one("warp", most=0.075, points=12),
        "resample": one("stretch", least=0.8, most=1.2, longest_s=61.0),
        "scale": one("amplify", spread=0.15),
        "shift": one("delay", most_s=4000 / 300, longest_s=61.0),
        "sine": one("baseline_wander", amplitude=0.3, low_hz=0.2, high_hz=1.0),
        "band pass": one("band_pass", low_hz=0.2, high_hz=45.0, order=10),
        **changes,
    }
    return [{**table, "probability": probability} for table in numbers.values()]


def lstm(latent: int, layers: int, *widths: int, **more: Any) -> Table:
    encoder = one("lstm", layers=layers)
    return {"network": one("dual", encoder=encoder, latent=latent, widths=list(widths), **more)}


def plus_plus(heads: int, hidden: int, layers: int, *widths: int, **more: Any) -> Table:
    encoder = one("transformer", heads=heads, hidden=hidden, layers=layers)
    return {
        "network": one("dual", encoder=encoder, latent=256, widths=list(widths), axial=3, **more)
    }


S, M, L, XL = (16, 32, 64, 128, 256), (32, 64, 128, 256, 256), (64, 128, 256, 256, 256), (
    128, 256, 512, 512, 256)  # fmt: skip
DUALNET: Table = {
    **NOTHING,
    "fs": 300.0,
    "max_s": 61.0,  # section 1: records of 9 to 61 s
    "transforms": [one("fill"), one("resample"), one("z_score")],
    "optimiser": one("radam", lr=1e-3),  # section 7: no weight decay
    "schedule": one("steps", at=[0.25, 0.5, 0.75], factor=0.1),
    "augment": eight(0.2),
    "epochs": 100,
    "batch": 24,
    "classes": "af",
    "exclusive": True,
    "loss": one("weighted_cross_entropy", weights=[ALPHA[letter] for letter in "NAO~"]),
    "decision": "highest",
    "metric": "af_accuracy",
}
AS_PUBLISHED: Table = {  # section 12: faults 1, 2, 8, 12, 17, 18
    "transforms": [one("fill"), one("resample"), one("first", seconds=60)],
    "post_transforms": [one("z_score")],
    "loss": one("weighted_cross_entropy_as_coded", weights=[0.4, 0.9, 0.7, 0.9]),
    "augment": eight(
        0.2,
        **{
            "random resample": one("warp_as_published", most=0.075, points=12),
            "resample": one("stretch", least=0.8, most=1.2, longest_s=60.0),
            "shift": one("delay", most_s=4000 / 300, longest_s=60.0),
            "sine": one("baseline_wander", amplitude=0.0003, low_hz=0.2, high_hz=1.0),  # 0.3 µV
            "band pass": one("band_pass_as_published", low_hz=0.2, high_hz=45.0, order=10),
        },
    ),
}
ICENTIA: Table = {  # section 9
    "loss": one("weighted_cross_entropy", weights=[0.1, 0.1, 1.0, 4.0]),
    "augment": [],
    "classes": "icentia",
    "metric": "accuracy",
    "epochs": 20,
    "batch": 100,
}
SIZES: dict[str, tuple[Any, tuple[Any, ...]]] = {  # section 3
    "s": (lstm, (128, 2, *S)),
    "m": (lstm, (256, 2, *M)),
    "l": (lstm, (256, 3, *L)),
    "xl": (lstm, (512, 3, *XL)),
    "pp-s": (plus_plus, (8, 128, 2, *S)),
    "pp-m": (plus_plus, (8, 256, 2, *M)),
    "pp-l": (plus_plus, (8, 256, 3, *L)),
    "pp-xl": (plus_plus, (8, 512, 3, *XL)),
    "pp-xxl": (plus_plus, (8, 512, 5, 128, 512, 1024, 1024, 512)),
    "pp-130m": (plus_plus, (32, 2048, 12, 512, 2048, 2048, 2048, 512)),
}
FAULTS = {lstm: ["norm"], plus_plus: ["norm", "attention"]}
TWO_CLASSES: Table = {  # section 10
    **lstm(512, 3, *XL, dropout=0.3),
    "loss": one("weighted_cross_entropy", weights=[1.0, 1.0]),
    "augment": eight(0.4),
    "metric": "accuracy",
}
TWO_AS_PUBLISHED: Table = {  # section 10: the 0.2 set is used all the same
    **AS_PUBLISHED,
    **lstm(512, 3, *XL, dropout=0.3, padded=18_000, as_published=["norm"]),
    "loss": one("weighted_cross_entropy_as_coded", weights=[1.0, 1.0]),
    "metric": "accuracy",
}
DUALNET_CHANGES: dict[str, Table] = {
    **{f"dualnet-{size}": kind(*numbers) for size, (kind, numbers) in SIZES.items()},
    **{
        f"dualnet-{size}-as-published": {
            **AS_PUBLISHED, **kind(*numbers, padded=18_000, as_published=FAULTS[kind]),
        }
        for size, (kind, numbers) in SIZES.items()
    },
    "dualnet-two-classes": {**TWO_CLASSES, "classes": "af2"},  # A against all others
    "dualnet-a-or-n": {**TWO_CLASSES, "classes": "af_n"},  # only N and A records
    "dualnet-two-classes-as-published": {**TWO_AS_PUBLISHED, "classes": "af2"},
    "dualnet-a-or-n-as-published": {**TWO_AS_PUBLISHED, "classes": "af_n"},
    "dualnet-icentia": {**ICENTIA, **lstm(512, 3, *XL)},
    "dualnet-pp-icentia": {**ICENTIA, **plus_plus(8, 512, 3, *XL)},
    **{
        f"dualnet-{size}-no-{what}": {**lstm(*numbers, **change), **more}
        for size, numbers in (("s", (128, 2, *S)), ("l", (256, 3, *L)))
        for what, change, more in (
            ("signal", {"branches": "spectrogram"}, {}),
            ("spectrogram", {"branches": "signal"}, {}),
            ("augmentation", {"dropout": 0.0}, {"augment": []}),  # section 3: and dropout
        )
    },
}  # fmt: skip

# --- HeartlyAI 2021 -------------------------------------------------------------------------------
# Sodmann et al., section 2; numbers in brackets are sections of the fact sheet, whose section 11
# corrects the others.
HEAD: Table = {
    "kind": "record", "classes": "scored", "exclusive": False, "mask": "off", "weight": 1.0,
    "decision": "global", "rules": "off", "targets": "labels", "metric": "challenge",
}  # fmt: skip
HEARTLY: Table = {
    **{key: value for key, value in NOTHING.items() if key not in HEAD},
    "fs": 500.0,  # (11)
    "max_s": 1800.0,  # "The entire length of the ECG was used at once"
    "crop_s": 8.192,  # "segments with a length of 4096 frames"
    "transforms": [  # (2): "strong signal peaks", "Butterworth filter", "Locally weighted …"
        one("fill"), one("spikes"), one("resample"), one("low_pass"), one("lowess"),
        one("trimmed_mean"),
    ],
    "post_transforms": [one("amplify")],
    "network": one("heartly", activation="mish"),  # "Originally, Mish"
    "optimiser": one("ranger", lr=2e-5),
    "schedule": one("cyclic", cycles=9),  # (11): 20 epochs a cycle
    "epochs": 180,
    "batch": 16,  # (11)
    "sampling": one("inverse_frequency", annotated=1, others=12_000),
    "pretraining": one(  # (7); (11): "batch >= 64"
        "barlow", share=0.2, redundancy=0.005, weight=0.00390625, records=64
    ),
    "accumulation": one("squares", at=[40 / 180, 80 / 180, 140 / 180]),
    "heads": [
        {**HEAD, "name": "diagnosis", "targets": "heartly",
         "loss": one("asymmetric", gamma_positive=1, gamma_negative=2)},
        {**HEAD, "name": "waves", "kind": "samples", "classes": "waves", "metric": "dice",
         "loss": one("segmentation")},
        {**HEAD, "name": "beats", "kind": "beats", "classes": "beats", "metric": "beat_f1",
         "loss": one("cross_entropy")},
    ],
    "augment": [  # (8): "cut-out, adding different types of noise, as well as dropout of …"
        one("noise", mv=0.01),
        one("baseline_wander", probability=0.5, amplitude=0.1, low_hz=0.05, high_hz=0.5),
        one("hum", probability=0.3, mv=0.05),
        one("cutout", probability=0.5, share=0.05),
        one("lead_dropout", probability=1.0),
        one("one_lead_dropout", probability=0.2),
    ],
}  # fmt: skip
HEARTLY_CHANGES: dict[str, Table] = {
    "heartly-published": {},
    "heartly-silu": {"network": one("heartly", activation="silu")},
    "heartly-madgrad": {"optimiser": one("madgrad", lr=2e-5)},
}

TABLES = {
    name: {**base, **change}
    for base, changes in (
        (ISIBRNO, ISIBRNO_CHANGES),
        (REVENGER, REVENGER_CHANGES),
        (DUALNET, DUALNET_CHANGES),
        (HEARTLY, HEARTLY_CHANGES),
    )
    for name, change in changes.items()
}


@pytest.mark.parametrize("name", TABLES)
def test_the_recipe_is_the_papers(name: str) -> None:
    assert settings(name) == TABLES[name]


def test_every_recipe_of_the_published_systems_has_a_table() -> None:
    systems = ("isibrno2020", "revenger2021", "dualnet2017", "heartly2021")
    names = {name for name, recipe in recipes_by_name().items() if recipe.system in systems}
    ours = {"dualnet-house", "dualnet-house-ptbxl", "dualnet-house-rhythm", "dualnet-trio",
            "heartly-leadwise"}  # fmt: skip
    assert names - set(TABLES) == ours


@pytest.mark.parametrize("name", ["isibrno-published", "revenger-as-published"])
def test_the_published_recipes_have_the_five_lead_sets(name: str) -> None:
    sets = ["I II III aVR aVL aVF V1 V2 V3 V4 V5 V6", "I II III aVR aVL aVF", "I II III V2",
            "I II V2", "I II"]  # fmt: skip
    assert [" ".join(lead_set) for lead_set in find(name).lead_sets] == sets


def test_classes_have_the_order_of_their_weights() -> None:
    names = [class_name(code) for code in POLICIES["scored"]([])]
    assert names == COUNTS[::2]  # by abbreviation
    assert POLICIES["af"]([]) == tuple("NAO~")
    assert POLICIES["af2"]([]) == ("N|O|~", "A")
    assert POLICIES["af_n"]([]) == ("N", "A")
    none, normal, fibrillation, flutter = "~", "426783006", "164889003", "164890007"  # section 9
    assert POLICIES["icentia"]([]) == (none, normal, fibrillation, flutter)


# Section 2 of Nejedly et al.; (e) for Kang & Wen; section 7 for Reich & Kruk.
@pytest.mark.parametrize(
    ("name", "kind", "numbers"),
    [
        ("isibrno-published", "Adam", {"lr": 1e-3, "weight_decay": 1e-6, "amsgrad": False}),
        ("revenger-as-published", "AdamW", {"lr": 2e-3, "weight_decay": 0.01, "amsgrad": True}),
        ("dualnet-s", "RAdam", {"lr": 1e-3, "weight_decay": 0}),
    ],
)
def test_optimisers(name: str, kind: str, numbers: Table) -> None:
    optimiser = optimiser_of(find(name), torch.nn.Linear(2, 2))
    assert type(optimiser).__name__ == kind
    expected = {**numbers, "betas": (0.9, 0.999), "eps": 1e-8}
    (group,) = optimiser.param_groups
    assert {key: group[key] for key in expected} == expected


def test_heartlys_ranger_has_the_public_defaults() -> None:
    """Fact sheet, section 11."""
    (group,) = optimiser_of(find("heartly-published"), torch.nn.Linear(2, 2)).param_groups
    expected = {"lr": 2e-5, "k": 6, "alpha": 0.5, "betas": (0.95, 0.999), "eps": 1e-5,
                "weight_decay": 0.0}  # fmt: skip
    assert {key: group[key] for key in expected} == expected
    (group,) = optimiser_of(find("heartly-madgrad"), torch.nn.Linear(2, 2)).param_groups
    expected = {"lr": 2e-5, "momentum": 0.9, "eps": 1e-6, "weight_decay": 0.0}
    assert {key: group[key] for key in expected} == expected


def test_heartlys_network_has_the_sizes_of_table_1() -> None:
    recipe = find("heartly-published")
    sizes = {"waves": ("",) * 4, "beats": ("",) * 3, "diagnosis": ("",) * 26}
    network = skeleton(recipe, recipe.lead_sets[0], sizes)
    encoder = [block.second.weight.shape[0] for block in network.unet.encoder]
    assert encoder == [32, 64, 112, 192, 256, 320, 512]
    assert [block.second.weight.shape[0] for block in network.unet.decoder] == [
        32, 24, 48, 64, 96, 128,
    ]  # fmt: skip
    assert {tuple(block.first.weight.shape[2:]) for block in network.unet.encoder} == {(1, 5)}
    assert {skip.weight.shape[0] for skip in network.unet.skips} == {8}
    assert network.diagnosis.weight.shape == (27, 256)
    assert recipe.crop_samples == 4096
    assert recipe.max_samples == 900_000


def test_near_ties_have_the_published_numbers() -> None:
    """(h): 0.5; then within 0.03 of the highest, from 0.1 on; then sinus rhythm."""
    classes = POLICIES["scored"]([])
    outputs = np.zeros((4, 26))
    fitted = FITS["near ties"](outputs, outputs > 1, classes, 0)
    rhythm = COUNTS[::2].index("NSR")
    assert fitted.options == {"threshold": 0.5, "tie": 0.03, "least": 0.1, "fallback": (rhythm,)}


def test_five_classes_are_those_of_rules() -> None:
    """(g): Brady, LAD, RAD, PR and LQRSV, whose labels the rules replace."""
    rules = USES["published"](None, None, None, POLICIES["scored"]([]))
    assert rules == PUBLISHED
    assert {rule.name: rule.options for rule in rules} == dict.fromkeys(
        ("bradycardia", "LAD", "RAD", "LQRSV", "pacing"),
        {"mode": "replace", "detector": "published"},
    )


@pytest.mark.parametrize(
    ("backbone", "layers", "parameters"),
    [("nc-se", PLAIN, 6_790_917), ("nc-se", WHOLE, 8_914_549), ("branched-lw", PLAIN, 2_322_453)],
)
def test_the_network_of_21_classes_has_the_published_size(
    backbone: str, layers: Table, parameters: int
) -> None:
    """(c): "LSTM+SE+2" of 26 classes has 8,919,674, minus 5 times 1025."""
    recipe = find("revenger-nc-se-rules")
    names = [class_name(code) for code in recipe.head.ruled]
    assert sorted(names) == sorted(SPECIAL)
    recipe = replace(recipe, network=part("crnn", backbone=backbone, **layers))
    net = skeleton(recipe, recipe.lead_sets[0], {"diagnosis": POLICIES["network21+rules5"]([])})
    assert sum(weights.numel() for weights in net.parameters()) == parameters
    assert for_leads(find("revenger-official"), ("I", "II")).batch == 32
    assert for_leads(find("revenger-official"), LEAD_SETS[12]).batch == 24
