"""Recipes of ours against a table of what differs from the shipped ones (docs/recipes.md)."""

import pytest

from tests.models.test_published_recipes import one, settings

# What differs from the recipe whose shipped weights tests/test_weights.py compares with it.
PTBXL_AUGMENT = [
    one("amplify", probability=1.0, spread=0.3),
    one("baseline_wander", probability=0.3, amplitude=0.4, low_hz=0.15, high_hz=1.0),
    one("noise", mv=0.05),
    one("cutout", probability=0.3, share=0.06),
    one("invert", probability=0.1),
    one("mixup", alpha=0.3, share=1.0),
]
HOUSE_AUGMENT = [one("shift", share=0.1), one("scale", spread=0.15), one("noise", mv=0.01),
                 one("mixup", alpha=0.3, share=1.0)]  # fmt: skip
ALONE = {"network": one("resnet"), "loss": one("bce"), "transfer": one("none")}
OURS = {
    "house-taught": ("house-pair", {"network": one("resnet"), "loss": one("bce")}),
    "house-resnet": ("house-pair", {**ALONE, "augment": HOUSE_AUGMENT}),
    "house-lead-dropout": (
        "house-pair",
        {**ALONE, "augment": [one("lead_dropout", probability=0.5), *HOUSE_AUGMENT]},
    ),
    "house-statements": (
        "house-pair",
        {**ALONE, "augment": [HOUSE_AUGMENT[0], *HOUSE_AUGMENT[2:]], "classes": "all",
         "decision": "global", "rules": "off", "metric": "auroc"},
    ),
    "dualnet-house-rhythm": (
        "dualnet-house",
        {"network": {**settings("dualnet-house")["network"], "name": "dual_rhythm"}},
    ),
    "dualnet-trio": (
        "dualnet-house",
        {"network": {**settings("dualnet-house")["network"], "name": "duals", "members": 3}},
    ),
    "dualnet-house-ptbxl": (
        "dualnet-house",
        {"max_s": 10.0, "stride_s": 0.0, "loss": one("bce"), "augment": PTBXL_AUGMENT,
         "optimiser": one("adamw", lr=3e-3, weight_decay=0.02), "classes": "all",
         "exclusive": False, "decision": "global", "metric": "auroc", "epochs": 10, "batch": 64},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OURS)
def test_a_recipe_of_ours_differs_from_the_shipped_one_as_described(name: str) -> None:
    shipped, changes = OURS[name]
    assert settings(name) == settings(shipped) | changes
