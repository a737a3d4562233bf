"""Recipes of DualNet: the published systems, corrected and as published, and ours.

`dualnet-…` with the name of a network (`pp` for ++) is the paper's training, with the errors of its
public code corrected (see the package's docstring); `…-as-published` has those that affect signals
or weights.  `dualnet-two-classes` is AF against all others, the 0.9800 of the report;
`dualnet-a-or-n` is AF against normal, on the records of these two classes alone, the 0.9933 of the
slides.  The ablations come in size S, for a CPU, and in the paper's size L.  `dualnet-icentia` and
`dualnet-pp-icentia` are the paper's pre-training; other trainings are initialised from them with
`--init-from`.
"""

from collections.abc import Iterator
from typing import Any

from models.recipe import Head, Part, Recipe, part, vary

PAPER = "Reich & Kruk, ECG-DualNet, TU Darmstadt 2021"
CODE = "github.com/ChristophReich1996/ECG_Classification, 3694a7e"
FS = 300

# By size: latent size, LSTM layers, channels of the blocks.
PLAIN = {
    "s": (128, 2, (16, 32, 64, 128, 256)),
    "m": (256, 2, (32, 64, 128, 256, 256)),
    "l": (256, 3, (64, 128, 256, 256, 256)),
    "xl": (512, 3, (128, 256, 512, 512, 256)),
}
# By size: heads, feed-forward units and layers of the Transformer; channels of the blocks.
PLUS_PLUS = {
    "s": (8, 128, 2, (16, 32, 64, 128, 256)),
    "m": (8, 256, 2, (32, 64, 128, 256, 256)),
    "l": (8, 256, 3, (64, 128, 256, 256, 256)),
    "xl": (8, 512, 3, (128, 256, 512, 512, 256)),
    "xxl": (8, 512, 5, (128, 512, 1024, 1024, 512)),
    "130m": (32, 2048, 12, (512, 2048, 2048, 2048, 512)),
}
WEIGHTS = (0.4, 0.9, 0.7, 0.9)  # of N, A, O, ~; section 7 lists O before A


def augmentation(probability: float) -> tuple[Part, ...]:
    """Give the eight augmentations, in the published order; amplitudes in standard deviations."""
    return (
        part("cutout", probability=probability, share=0.05),
        part("sample_dropout", probability=probability, share=0.03),
        part("warp", probability=probability, most=0.075, points=12),
        part("stretch", probability=probability, least=0.8, most=1.2, longest_s=61.0),
        part("amplify", probability=probability, spread=0.15),
        part("delay", probability=probability, most_s=4000 / FS, longest_s=61.0),
        part("baseline_wander", probability=probability, amplitude=0.3, low_hz=0.2, high_hz=1.0),
        part("band_pass", probability=probability, low_hz=0.2, high_hz=45.0, order=10),
    )


BASE = Recipe(
    name="dualnet-s",
    system="dualnet2017",
    source=f"{PAPER}; {CODE}",
    summary="LSTM over windows, residual blocks over the log-spectrogram, size S",
    fs=float(FS),
    max_s=61.0,
    transforms=(part("fill"), part("resample"), part("z_score")),
    network=part("dual", encoder=part("lstm", layers=2), latent=128, widths=PLAIN["s"][2]),
    optimiser=part("radam", lr=1e-3),
    schedule=part("steps", at=(0.25, 0.5, 0.75), factor=0.1),
    augment=augmentation(0.2),
    epochs=100,
    batch=24,
    heads=(
        Head(
            classes="af",
            exclusive=True,
            loss=part("weighted_cross_entropy", weights=WEIGHTS),
            decision="highest",
            metric="af_accuracy",
        ),
    ),
    lead_sets=(("ECG",),),
)


def _family() -> Iterator[Recipe]:
    """Yield one recipe per network."""
    for size, (latent, layers, widths) in PLAIN.items():
        network = part("dual", encoder=part("lstm", layers=layers), latent=latent, widths=widths)
        summary = (
            f"LSTM over windows, residual blocks over the log-spectrogram, size {size.upper()}"
        )
        yield vary(BASE, name=f"dualnet-{size}", summary=summary, network=network)
    for size, (heads, hidden, layers, widths) in PLUS_PLUS.items():
        encoder = part("transformer", heads=heads, hidden=hidden, layers=layers)
        yield vary(
            BASE,
            name=f"dualnet-pp-{size}",
            summary=f"Transformer over windows, axial attention over the log-spectrogram, "
            f"size ++{size.upper()}",
            network=part("dual", encoder=encoder, latent=256, widths=widths, axial=3),
        )


def as_published(recipe: Recipe) -> Recipe:
    """Give a variant with the errors of the public code, numbered in the package's docstring.

    Augmentation precedes standardisation, so its amplitudes are in mV (0.3 µV are 0.0003 mV).
    Warp, band-pass, layers, padding, loss and the limit of 60 s are those of the code.
    """
    options = recipe.network.options
    parts = ("norm", "attention") if options.get("axial") else ("norm",)
    return vary(
        recipe,
        name=f"{recipe.name}-as-published",
        summary=f"`{recipe.name}` with the errors of the public code",
        transforms=(part("fill"), part("resample"), part("first", seconds=60)),
        post_transforms=(part("z_score"),),
        network=part("dual", **options, padded=60 * FS, as_published=parts),
        loss=part("weighted_cross_entropy_as_coded", **recipe.head.loss.options),
        augment=tuple(map(_augmentation_as_published, recipe.augment)),
    )


def _augmentation_as_published(each: Part) -> Part:
    options = each.options
    if each.name in ("warp", "band_pass"):
        return part(f"{each.name}_as_published", **options)
    if each.name == "baseline_wander":
        return part(each.name, **{**options, "amplitude": 0.0003})
    if each.name in ("stretch", "delay"):
        return part(each.name, **{**options, "longest_s": 60.0})
    return each


def without(recipe: Recipe, what: str) -> Recipe:
    """Give an ablation: without one encoder, or without augmentation and dropout."""
    changes: dict[str, dict[str, Any]] = {
        "signal": {"branches": "spectrogram"},
        "spectrogram": {"branches": "signal"},
        "augmentation": {"dropout": 0.0},
    }
    removed = "augmentation and dropout" if what == "augmentation" else f"{what} encoder"
    return vary(
        recipe,
        name=f"{recipe.name}-no-{what}",
        summary=f"`{recipe.name}` without {removed}",
        network=part("dual", **recipe.network.options, **changes[what]),
        augment=() if what == "augmentation" else recipe.augment,
    )


FAMILY = {recipe.name: recipe for recipe in _family()}
SMALL, LARGE, LARGEST = (FAMILY[f"dualnet-{size}"] for size in ("s", "l", "xl"))


def two_classes(recipe: Recipe, classes: str, probability: float = 0.4) -> Recipe:
    """Give a variant for `af2` (AF or not) or `af_n` (AF or normal), with dropout 0.3.

    The authors meant augmentation with probability 0.4; their code applies 0.2 (error 14).
    """
    name, summary = {
        "af2": ("two-classes", "AF or not"),
        "af_n": ("a-or-n", "AF or normal, without the other records"),
    }[classes]
    return vary(
        recipe,
        name=f"dualnet-{name}",
        summary=f"{summary}: `{recipe.name}` with dropout 0.3",
        network=part("dual", **{**recipe.network.options, "dropout": 0.3}),
        loss=part("weighted_cross_entropy", weights=(1.0, 1.0)),
        augment=augmentation(probability),
        classes=classes,
        metric="accuracy",
    )


def pre_training(recipe: Recipe, name: str) -> Recipe:
    """Give the pre-training on Icentia11k; `experiments.icentia` makes its data."""
    return vary(
        recipe,
        name=name,
        summary=f"pre-training of `{recipe.name}` on the rhythms of Icentia11k",
        loss=part("weighted_cross_entropy", weights=(0.1, 0.1, 1.0, 4.0)),  # of ecg.labels.ICENTIA
        augment=(),
        classes="icentia",
        metric="accuracy",
        epochs=20,
        batch=100,
    )


HOUSE = vary(
    SMALL,
    name="dualnet-house",
    source=f"ours, after {PAPER}",
    summary="`house2026`'s residual blocks over the signal at 100 Hz, weak augmentation, one-cycle "
    "schedule, EMA of the weights; pretrain with `dualnet-house-ptbxl`",
    fs=100.0,
    max_s=30.0,  # a random window in training; the mean over windows in prediction
    stride_s=10.0,
    transforms=(part("fill"), part("resample"), part("z_score")),
    network=part(
        "dual",
        branches="signal",  # the spectrogram encoder would take most of the training time
        encoder=part(
            "residual",
            widths=(24, 32, 48, 64, 96),
            blocks=(1, 1, 1, 1, 1, 1),
            head_dropout=0.3,
        ),
        latent=256,
        widths=PLAIN["s"][2],
        dropout=0.1,
    ),
    loss=part("weighted_cross_entropy", weights=(0.6, 0.9, 0.8, 2.0)),  # ~ has 3 % of the records
    optimiser=part("adamw", lr=1.5e-3, weight_decay=0.02),
    schedule=part("one_cycle", warmup=0.2),
    augment=(
        # Not the paper's warp: it makes RR intervals irregular, as AF does.
        part("stretch", probability=0.5, least=0.85, most=1.15, longest_s=30.0),
        part("amplify", probability=1.0, spread=0.3),
        part("baseline_wander", probability=0.3, amplitude=0.4, low_hz=0.15, high_hz=1.0),
        part("noise", mv=0.05),  # in standard deviations of the record
        part("cutout", probability=0.3, share=0.06),
        part("invert", probability=0.1),
    ),
    ema=0.998,
    metric="auprc",  # F1 of ~ has few records and varies between epochs
    epochs=18,
    batch=32,
)

RHYTHM = vary(
    HOUSE,
    name="dualnet-house-rhythm",
    summary="`dualnet-house`, which also reads numbers of the RR intervals",
    network=part("dual_rhythm", **HOUSE.network.options),
)

PTBXL = vary(
    HOUSE,
    name="dualnet-house-ptbxl",
    summary="pre-training of `dualnet-house` on lead I and all codes of 12-lead records",
    max_s=10.0,
    stride_s=0.0,
    loss=part("bce"),
    optimiser=part("adamw", lr=3e-3, weight_decay=0.02),
    augment=(*HOUSE.augment[1:], part("mixup", alpha=0.3, share=1.0)),
    classes="all",
    exclusive=False,
    decision="global",
    metric="auroc",
    epochs=10,
    batch=64,
)

TRIO = vary(
    HOUSE,
    name="dualnet-trio",
    summary="ensemble of three networks of `dualnet-house`",
    network=part("duals", members=3, **HOUSE.network.options),
)

RECIPES = {
    **FAMILY,
    **{
        recipe.name: recipe
        for recipe in (
            *map(as_published, FAMILY.values()),
            *(
                without(recipe, what)
                for recipe in (SMALL, LARGE)
                for what in ("signal", "spectrogram", "augmentation")
            ),
            *(two_classes(LARGEST, classes) for classes in ("af2", "af_n")),
            *(as_published(two_classes(LARGEST, classes, 0.2)) for classes in ("af2", "af_n")),
            pre_training(LARGEST, "dualnet-icentia"),
            pre_training(FAMILY["dualnet-pp-xl"], "dualnet-pp-icentia"),
            HOUSE,
            RHYTHM,
            PTBXL,
            TRIO,
        )
    },
}
