"""The two faults that HeartlyAI's authors report stay mended.

Sodmann et al. 2021, section 4: one lead set was augmented wrongly, and two classes, T-wave
abnormality and T-wave inversion, were never predicted.
"""

from collections import Counter
from dataclasses import replace

import numpy as np
import torch

from ecg.labels import CODES, class_name
from ecg.leads import LEAD_SETS, STANDARD, derivable_leads
from models import find, lookup
from models.heartly2021.labels import CLASSES, engineered_matrix
from models.network import build, outputs_of
from models.sample import Sample
from tests.conftest import small
from training.augment import augment_sample

RECIPE = find("heartly-leadwise")


def test_each_lead_set_is_drawn_as_often_and_hides_the_leads_it_lacks() -> None:
    (dropout,) = (one for one in RECIPE.augment if one.name == "lead_dropout")
    only = replace(RECIPE, augment=(dropout,))
    sample = Sample(np.ones((12, 3)), STANDARD, 250.0)
    generator, draws = np.random.default_rng(0), 5000
    counts: Counter[frozenset[str]] = Counter()
    for _ in range(draws):
        drawn = augment_sample(only, sample, generator).signal
        shown = {lead for lead, row in zip(STANDARD, drawn, strict=True) if row.all()}
        hidden = {lead for lead, row in zip(STANDARD, drawn, strict=True) if not row.any()}
        assert shown | hidden == set(STANDARD), "a lead is whole or absent"
        counts[frozenset(shown)] += 1
    probability = dropout.options["probability"]
    expected = Counter({frozenset(STANDARD): (1 - probability) * draws})
    for leads in LEAD_SETS.values():  # two leads determine the six limb leads
        expected[frozenset(derivable_leads(leads))] += probability / len(LEAD_SETS) * draws
    assert counts.keys() == expected.keys()
    for leads, count in counts.items():
        assert abs(count - expected[leads]) < 4 * np.sqrt(expected[leads]), sorted(leads)


def test_no_class_is_dead() -> None:
    """One record per class; a small network learns each of them, and reports it."""
    codes = [[code] for code in CODES]
    targets = torch.from_numpy(engineered_matrix(codes).astype(np.float32))
    assert (targets.sum(0) > 0).all(), [CLASSES[at] for at in (targets.sum(0) == 0).nonzero()]
    recipe = small(RECIPE)
    torch.manual_seed(0)
    classes = {"diagnosis": CODES, "waves": ("", "P", "N", "T"), "beats": ("N", "S", "V")}
    network = build(recipe, STANDARD, classes).train()
    signal = torch.randn(len(CODES), 12, 128)
    length = torch.full((len(CODES),), 128)
    optimiser = torch.optim.Adam(network.parameters(), lr=5e-3)
    (head,) = (head for head in recipe.heads if head.name == "diagnosis")
    loss_of = lookup(recipe, "LOSSES", head.loss.name)
    for step in range(150):
        logits = outputs_of(recipe, network, signal, length)["diagnosis"]
        loss = loss_of(logits, targets, **head.loss.options)
        optimiser.zero_grad()
        loss.backward()
        if step == 0:
            gradient = network.diagnosis.weight.grad.abs().sum(1)
            assert (gradient > 0).all(), "a class without a gradient"
        optimiser.step()
    # In training mode, since batch statistics of so few records are far from the running ones.
    logits = outputs_of(recipe, network, signal, length)["diagnosis"]
    missed = [
        class_name(code)
        for row, code in enumerate(CODES)
        if not (logits[row][targets[row] > 0] > 0).all()
    ]
    assert not missed
