"""Losses; worked numbers are the fact sheet's (revenger2021, section d), computed by both sources.

They are given to nine decimals, so 5e-10 is the tolerance in double precision.
"""

import numpy as np
import pytest
import torch
from torch import nn

from ecg import LeadwiseError
from ecg.labels import CODES, class_name
from models.losses import (
    LOSSES,
    asymmetric,
    asymmetric_alibaba,
    asymmetric_deep_psp,
    constant_weights,
)

ELEMENTS = {
    "asymmetric": asymmetric,
    "asymmetric_deep_psp": asymmetric_deep_psp,
    "asymmetric_alibaba": asymmetric_alibaba,
}
PAPER, PSP, ALIBABA = ELEMENTS
RECORD_LOSSES = [name for name in LOSSES if name != "cross_entropy"]  # that is one per sample
LOGITS = torch.tensor([[2.0, -1, 0, -4]], dtype=torch.double)
LABELS = torch.tensor([[1.0, 0, 1, 0]], dtype=torch.double)
EXACT = 5e-10

# γ₊, γ₋, names, elements 1 and 2 and 3 (the fourth is exactly 0), mean, sum.
HARD = [
    (0, 0.2, (PAPER, ALIBABA), (0.126928011, 0.182367458, 0.693147181), 0.250610662, 1.002442649),
    (0, 0.2, (PSP,), (0.126928011, 0.190026118, 0.693147181), 0.252525327, 1.010101309),
    (1, 0.2, (PAPER,), (0.015130190, 0.182367458, 0.346573590), 0.136017809, 0.544071238),
    (1, 0.2, (PSP,), (0.015130190, 0.190026118, 0.346573590), 0.137932474, 0.551729898),
    (1, 4, (PAPER, ALIBABA), (0.015130190, 0.000567798, 0.346573590), 0.090567894, 0.362271578),
    (1, 4, (PSP,), (0.015130190, 0.001292744, 0.346573590), 0.090749131, 0.362996524),
]
# γ₊, γ₋, then by name the two elements of logits (2, −1), labels (0.7, 0.3).
SOFT = [
    (0, 0.2, {PAPER: (0.602448089, 0.521635727), PSP: (0.608486423, 0.526996789),
              ALIBABA: (0.582109840, 0.493760723)}),
    (1, 4, {PAPER: (0.264515618, 0.288418825), PSP: (0.331386583, 0.288926288),
            ALIBABA: (0.076831067, 0.026565288)}),
]  # fmt: skip
# The authors' weights, by abbreviation.
WEIGHTS = """AF 2.7578 AFL 1.7252 BBB 28.8333 Brady 50.8644 CLBBB 9.6690 CRBBB 2.9920 IAVB 4.0876
IRBBB 7.7789 LAD 1.8930 LAnFB 6.6082 LPR 36.8508 LQRSV 9.0341 LQT 7.5750 NSIVCB 8.1752 NSR 0.5000
PAC 4.4339 PR 9.7539 PRWP 22.6418 PVC 7.4538 QAb 6.9583 RAD 11.2855 SA 3.8135 SB 0.7636
STach 1.4977 TAb 1.2330 TInv 3.6222""".split()


@pytest.mark.parametrize(("positive", "negative", "names", "elements", "mean", "summed"), HARD)
def test_hard_labels(positive, negative, names, elements, mean, summed) -> None:
    for name in names:
        numbers = {"gamma_positive": positive, "gamma_negative": negative}
        losses = ELEMENTS[name](LOGITS, LABELS, **numbers)[0]
        assert losses[:3].tolist() == pytest.approx(elements, abs=EXACT)
        assert losses[3] == 0  # σ(−4) is below the margin
        assert float(losses.mean()) == pytest.approx(mean, abs=EXACT)
        assert float(losses.sum()) == pytest.approx(summed, abs=EXACT)
        loss = LOSSES[name](LOGITS.float(), LABELS.float(), **numbers)
        assert float(loss) == pytest.approx(summed if name == ALIBABA else mean, rel=1e-6)


@pytest.mark.parametrize(("positive", "negative", "expected"), SOFT)
def test_soft_labels(positive, negative, expected) -> None:
    logits, labels = LOGITS[:, :2], torch.tensor([[0.7, 0.3]], dtype=torch.double)
    for name, elements in expected.items():
        losses = ELEMENTS[name](logits, labels, gamma_positive=positive, gamma_negative=negative)
        assert losses[0].tolist() == pytest.approx(elements, abs=EXACT)


def test_defaults_of_alibaba_are_those_of_its_code() -> None:
    assert float(asymmetric_alibaba(LOGITS, LABELS).sum()) == pytest.approx(0.362271578, abs=EXACT)


def test_arguments_of_logarithms_are_at_least_1e_8() -> None:
    """Fact sheet (d): a sure error costs −log 1e-8; at a logit of −10 the clamp has no effect."""
    logits = torch.tensor([[-200.0, -10.0]], dtype=torch.double)
    losses = asymmetric_alibaba(logits, torch.ones_like(logits), gamma_positive=0)[0]
    assert losses.tolist() == pytest.approx([18.420680744, 10.000045399], abs=EXACT)


def test_without_focus_and_margin_the_loss_is_the_plain_cross_entropy() -> None:
    logits = torch.linspace(-9, 9, 40, dtype=torch.double).reshape(4, 10)
    labels = torch.rand(4, 10, dtype=torch.double, generator=torch.Generator().manual_seed(0))
    plain = nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    for elements in ELEMENTS.values():
        losses = elements(logits, labels, gamma_positive=0, gamma_negative=0, margin=0)
        torch.testing.assert_close(losses, plain)


@pytest.mark.parametrize("name", ELEMENTS)
@pytest.mark.parametrize("positive", [0, 0.5, 1])
def test_gradients_are_finite_for_every_logit(name: str, positive: float) -> None:
    """γ₋ = 0.2 has an infinite slope at 0, and p − m is exactly 0 at the margin."""
    at_the_margin = float(torch.logit(torch.tensor(0.05)))
    logits = torch.tensor([[-200.0, -30, -4, at_the_margin, 0, 4, 30, 200]])
    for labels in (torch.zeros(1, 8), torch.ones(1, 8), torch.full((1, 8), 0.3)):
        output = logits.clone().requires_grad_()
        loss = LOSSES[name](output, labels, gamma_positive=positive, gamma_negative=0.2)
        loss.backward()
        assert torch.isfinite(loss)
        assert torch.isfinite(output.grad).all()


def test_the_focusing_weight_may_have_no_gradient() -> None:
    slopes = []
    for through in (True, False):
        logits = LOGITS.clone().requires_grad_()
        asymmetric_alibaba(logits, LABELS, weight_gradient=through).sum().backward()
        slopes.append(logits.grad[0])
    p = float(torch.sigmoid(LOGITS[0, 0]))
    assert float(slopes[1][0]) == pytest.approx(-((1 - p) ** 2))  # weight 1 − p times d log p
    assert not torch.allclose(*slopes)


def test_class_weights_are_those_of_the_authors() -> None:
    names = ["CLBBB" if name == "LBBB" else name for name in map(class_name, CODES)]
    assert constant_weights(CODES) == tuple(map(float, WEIGHTS[1::2]))
    assert names == WEIGHTS[::2]


def test_weighted_bce() -> None:
    logits, labels = torch.tensor([[2.0, -1]]), torch.tensor([[1.0, 0]])
    weights = constant_weights(["426783006", "6374002"])
    loss = LOSSES["weighted_bce"](logits, labels, weights=weights)
    assert float(loss) == pytest.approx(4.547916110, rel=1e-6)  # single precision
    with pytest.raises(LeadwiseError, match="2 weights for 3 classes"):
        LOSSES["weighted_bce"](torch.zeros(1, 3), labels, weights=weights)


@pytest.mark.parametrize("name", RECORD_LOSSES)
def test_every_loss_of_soft_labels_is_lowest_at_the_labels(name: str) -> None:
    """Without focus and margin the loss is lowest where the probabilities are the labels."""
    labels = torch.tensor([[0.2, 0.7, 0.95]])
    exclusive = name.startswith("weighted_cross_entropy")
    if exclusive:
        labels = labels / labels.sum()
    numbers = {"weights": (1.0, 2.0, 3.0)} if name == "weighted_bce" else {}
    if name in ELEMENTS:
        numbers = {"gamma_positive": 0, "gamma_negative": 0, "margin": 0}
    if exclusive:  # with other weights the best probabilities are proportional to α y
        numbers = {"weights": (1.0, 1.0, 1.0)}
    output = (labels.log() if exclusive else torch.logit(labels)).requires_grad_()
    LOSSES[name](output, labels, **numbers).backward()
    np.testing.assert_allclose(output.grad, 0, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in LOSSES if "cross_entropy" not in name])
def test_unknown_labels_change_no_gradient_but_their_own(
    name: str,
) -> None:
    """The known elements' gradients are those without a mask; the others have none."""
    numbers = {
        "weighted_bce": {"weights": (1.0, 2.0, 3.0)},
        "asymmetric": {"gamma_positive": 1, "gamma_negative": 0.2},
        "asymmetric_deep_psp": {"gamma_positive": 1, "gamma_negative": 0.2},
    }.get(name, {})
    logits, labels = torch.tensor([[2.0, -1, 0.5], [-4, 0, 3]]), torch.eye(3)[:2]
    gradients = []
    for unknown in (False, True):
        output, target = logits.clone().requires_grad_(), labels.clone()
        target[0, 1] = torch.nan if unknown else target[0, 1]
        loss = LOSSES[name](output, target, **numbers)
        loss.backward()
        gradients.append(output.grad.clone())
    whole, masked = gradients
    assert torch.isfinite(loss)
    assert masked[0, 1] == 0 != whole[0, 1]
    masked[0, 1] = whole[0, 1]
    torch.testing.assert_close(masked, whole)


def test_a_record_without_known_labels_adds_nothing_to_the_weighted_cross_entropy() -> None:
    output = torch.tensor([[2.0, -1, 0.5], [-4, 0, 3]], requires_grad=True)
    target = torch.eye(3)[:2]
    target[1] = torch.nan
    loss = LOSSES["weighted_cross_entropy"](output, target, weights=(1.0, 2.0, 3.0))
    alone = LOSSES["weighted_cross_entropy"](output[:1], target[:1], weights=(1.0, 2.0, 3.0))
    torch.testing.assert_close(loss, alone / 2)
    loss.backward()
    assert (output.grad[1] == 0).all()
    assert (output.grad[0] != 0).any()


# Fact sheet dualnet2017, section 13; its classes are N, O, A, ~.
EXCLUSIVE = torch.tensor([[2.0, 0, 0, 0], [0, 1, 0, -1], [0, 0, 0, 0]])
ONE_HOT = torch.eye(4)[[0, 2, 3]]
SHARES = (0.4, 0.7, 0.9, 0.9)


@pytest.mark.parametrize(
    ("logits", "labels", "printed", "coded"),
    [
        (EXCLUSIVE, ONE_HOT, 0.949279, 0.237320),
        (EXCLUSIVE[:1], ONE_HOT[:1], 0.136301, 0.136301 / 4),
        (EXCLUSIVE[1:2], ONE_HOT[1:2], 1.463871, 1.463871 / 4),
        (EXCLUSIVE[2:], ONE_HOT[2:], 1.247665, 1.247665 / 4),
        (torch.zeros(1, 4), ONE_HOT[:1], 0.554518, 0.138629),
    ],
)
def test_weighted_cross_entropy_of_exclusive_classes(logits, labels, printed, coded) -> None:
    for name, value in (("", printed), ("_as_coded", coded)):
        loss = LOSSES[f"weighted_cross_entropy{name}"](logits, labels, weights=SHARES)
        assert float(loss) == pytest.approx(value, abs=1e-6)


def test_weighted_cross_entropy_is_linear_in_the_labels_and_plain_for_weights_of_1() -> None:
    """Without weights, it equals PyTorch's."""
    function = LOSSES["weighted_cross_entropy"]
    plain = function(EXCLUSIVE, ONE_HOT, weights=(1.0,) * 4)
    torchs = nn.functional.cross_entropy(EXCLUSIVE, torch.tensor([0, 2, 3]))
    torch.testing.assert_close(plain, torchs)
    assert float(torchs) == pytest.approx(1.117857, abs=1e-6)
    other = ONE_HOT.roll(1, 0)
    mixed, one, two = (
        float(function(EXCLUSIVE, labels, weights=SHARES))
        for labels in (0.3 * ONE_HOT + 0.7 * other, ONE_HOT, other)
    )
    assert mixed == pytest.approx(0.3 * one + 0.7 * two, rel=1e-6)


def test_the_weighted_cross_entropy_of_an_ensemble_is_the_mean_over_its_members() -> None:
    function = LOSSES["weighted_cross_entropy"]
    both = torch.stack([EXCLUSIVE, EXCLUSIVE.flip(0) - 1])
    each = [function(output, ONE_HOT, weights=SHARES) for output in both]
    torch.testing.assert_close(function(both, ONE_HOT, weights=SHARES), torch.stack(each).mean())
    assert each[0] != each[1]


def test_weighted_cross_entropy_needs_one_weight_per_class() -> None:
    with pytest.raises(LeadwiseError, match="3 weights for 4 classes"):
        LOSSES["weighted_cross_entropy"](EXCLUSIVE, ONE_HOT, weights=(1, 1, 1))


def test_cross_entropy_is_the_mean_over_known_samples() -> None:
    """Against a loop; unknown samples have no gradient, and without known samples the loss is 0."""
    output = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    target = torch.tensor([[0, 1, -1, 2, -1], [-1, -1, 1, 0, 2]])
    loss = LOSSES["cross_entropy"](output, target)
    logs = output.detach().log_softmax(1)
    known = [(record, sample) for record, sample in np.ndindex(2, 5) if target[record, sample] >= 0]
    expected = np.mean([-logs[record, target[record, sample], sample] for record, sample in known])
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-6)
    loss.backward()
    has_gradient = output.grad.abs().sum(1) > 0
    assert torch.equal(has_gradient, target >= 0)
    assert float(LOSSES["cross_entropy"](output, torch.full((2, 5), -1)).detach()) == 0
