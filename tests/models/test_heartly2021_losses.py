"""HeartlyAI's losses: worked values of the fact sheet and of a calculation by hand."""

import math

import pytest
import torch

from models.heartly2021.losses import LOSSES, dice, no_p, reduced_target, segmentation
from models.losses import LOSSES as SHARED

SURE = 30.0  # a logit with a probability of 1 in float32


def sure(target: torch.Tensor) -> torch.Tensor:
    """Return logits that are sure of the target; of unknown frames, of a T wave."""
    known = torch.where(target < 0, 3, target)
    return SURE * torch.nn.functional.one_hot(known, 4).transpose(1, 2).float()


# Fact sheet, section 6: z, y, loss with the margin 0.05.
@pytest.mark.parametrize(("logit", "label", "loss"), [
    (0, 1, 0.346574), (0, 0, 0.121062), (2, 1, 0.015130), (2, 0, 1.226291), (-2, 1, 1.873392),
    (-2, 0, 0.000343), (-4, 0, 0.0),
])  # fmt: skip
def test_the_asymmetric_loss_of_the_fact_sheet(logit: float, label: float, loss: float) -> None:
    asymmetric, unknown = SHARED["asymmetric"], math.nan
    output, target = torch.tensor([[logit, 7.0]]), torch.tensor([[label, unknown]])
    value = asymmetric(output, target, gamma_positive=1, gamma_negative=2)
    assert 2 * value.item() == pytest.approx(loss, abs=1e-6)  # the mean over two classes


def test_dice_by_hand() -> None:
    """Each class has the probability 1/4; P, QRS and T have 3, 1 and 0 of 4 known frames."""
    target = torch.tensor([[1, 1, 2, 1, -1, -1]])
    coefficients = [(1.5 + 1) / (1 + 3 + 1), (0.5 + 1) / (1 + 1 + 1), (0 + 1) / (1 + 1)]
    expected = 1 - sum(coefficients) / 3
    assert dice(torch.zeros(1, 4, 6), target).item() == pytest.approx(expected, abs=1e-6)
    batch = dice(torch.zeros(2, 4, 3), target.reshape(2, 3))
    assert batch.item() == pytest.approx(expected, abs=1e-6)  # over the batch, not per record


def test_the_loss_is_cross_entropy_and_dice_of_each_level() -> None:
    torch.manual_seed(0)
    target = torch.randint(-1, 4, (2, 12))
    levels = [torch.randn(2, 4, steps) for steps in (12, 8, 4)]  # as of 16 frames
    expected = 0.0
    for weight, factor, middle, logits in zip(
        (1, 1 / 2, 1 / 4), (1, 2, 4), (0, 1, 2), levels, strict=True
    ):
        reduced = torch.full(logits.shape[::2], -1)
        for step in range(logits.shape[2]):
            frame = step * factor + middle
            if frame < 12:
                reduced[:, step] = target[:, frame]
        known = reduced >= 0
        entropy = -logits.log_softmax(1).transpose(1, 2)[known]
        mean = entropy.gather(1, reduced[known][:, None]).mean()
        expected += weight * (mean + dice(logits, reduced)).item()
    assert segmentation(tuple(levels), target).item() == pytest.approx(expected, rel=1e-6)
    first = segmentation(levels[0], target).item()
    assert first == segmentation((levels[0],), target).item()


def test_a_perfect_segmentation_has_no_loss_at_any_level() -> None:
    target = torch.randint(-1, 4, (2, 100), generator=torch.Generator().manual_seed(1))
    levels = [sure(reduced_target(target, 2**k, -(-128 // 2**k))) for k in range(1, 7)]
    assert segmentation((sure(target), *levels), target).item() == pytest.approx(0, abs=1e-5)
    wrong = sure((target + 1).clamp(max=3))
    assert segmentation((wrong, *levels), target).item() > 1
    assert segmentation((sure(target), sure(levels[0].argmax(1) * 0)), target).item() > 0.1


def test_the_target_of_a_step_is_that_of_its_middle_frame() -> None:
    frames = torch.arange(200)[None]
    assert reduced_target(frames, 1, 200).equal(frames)
    assert reduced_target(frames, 64, 4).tolist() == [[32, 96, 160, -1]]
    assert reduced_target(frames, 2, 100)[0, :3].tolist() == [1, 3, 5]


def test_unknown_frames_have_no_gradient() -> None:
    target = torch.tensor([[0, 1, 2, 3, -1, -1, -1, -1]])
    logits = torch.randn(1, 4, 8, requires_grad=True)
    segmentation(logits, target).backward()
    assert logits.grad[..., :4].abs().min() > 0
    assert not logits.grad[..., 4:].any()


@pytest.mark.parametrize("name", ["segmentation", "cross_entropy", "asymmetric"])
def test_a_batch_without_known_targets_has_a_loss_and_a_gradient_of_0(name: str) -> None:
    loss = {**SHARED, **LOSSES}[name]
    if name == "asymmetric":
        logits = torch.randn(3, 27, requires_grad=True)
        value = loss(logits, torch.full((3, 27), math.nan), gamma_positive=1, gamma_negative=2)
    else:
        logits = torch.randn(3, 4, 64, requires_grad=True)
        output = (logits, logits[..., ::2]) if name == "segmentation" else logits
        value = loss(output, torch.full((3, 64), -1))
    value.backward()
    assert value.item() == 0
    assert not logits.grad.any()


def test_where_no_p_wave_can_be_its_probability_is_the_loss() -> None:
    logits = torch.tensor([[[2.0, 0.0], [1.0, 3.0], [0.5, 0.0], [0.0, 1.0]]], requires_grad=True)
    probability = logits.detach().softmax(1)[0, 1]
    for target, known in (([-2, -2], [0, 1]), ([-2, -1], [0]), ([-1, 0], [])):
        loss = no_p(logits, torch.tensor([target]))
        want = -torch.log(1 - probability[known]).mean() if known else torch.tensor(0.0)
        assert float(loss.detach()) == pytest.approx(float(want), abs=1e-6)
    whole = segmentation(logits, torch.tensor([[-2, -2]]))
    want = float(-torch.log(1 - probability).mean())
    assert float(whole.detach()) == pytest.approx(want, abs=1e-6)
    (gradient,) = torch.autograd.grad(whole, logits)
    assert (gradient[0, 1] > 0).all()
