"""Optimisers, schedules, early stopping and the moving average of the weights.

The oracle of the plateau rule and of one cycle is PyTorch's own scheduler.
"""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from models import find
from models.layers import MaskedBatchNorm
from models.network import build
from models.recipe import part, vary
from models.sample import Batch
from tests.conftest import small
from training.optim import (
    NORM_BATCHES,
    OPTIMISERS,
    STOPS,
    batches_per_step,
    cyclic,
    ema_decay,
    ema_network,
    one_cycle,
    one_cycle_momentum,
    patience,
    plateau,
    set_rate,
    steps,
    update_ema,
    warmup_cosine,
)


@pytest.mark.parametrize("seed", range(5))
def test_plateau_equals_torchs(seed: int) -> None:
    scores = np.random.default_rng(seed).integers(0, 6, 60).cumsum() % 17 / 17
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    torchs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, mode="max", factor=0.5, patience=6, threshold=0
    )
    for epoch, score in enumerate(scores.tolist()):
        torchs.step(score)
        known = scores[: epoch + 1].tolist()
        assert plateau(0.0, known, factor=0.5, patience=7) == optimiser.param_groups[0]["lr"]


def test_a_constant_score_halves_the_rate_as_the_fact_sheet_says() -> None:
    """Epochs 1–8 at 1e-3, 9–15 at 5e-4, 16–22 at 2.5e-4 …; ten halvings in 75, the last at 72."""
    rates = [1e-3 * plateau(0.0, [0.4] * done, factor=0.5, patience=7) for done in range(75)]
    assert [rates[epoch - 1] for epoch in (1, 8, 9, 15, 16, 22, 23)] == [
        1e-3, 1e-3, 5e-4, 5e-4, 2.5e-4, 2.5e-4, 1.25e-4,
    ]  # fmt: skip
    halvings = [epoch for epoch in range(2, 76) if rates[epoch - 1] < rates[epoch - 2]]
    assert len(halvings) == 10
    assert halvings[-1] == 72
    assert rates[-1] == pytest.approx(9.77e-7, rel=1e-3)


def test_warmup_cosine_rises_stays_and_decays_to_zero() -> None:
    rates = [
        warmup_cosine(progress, [], warmup=0.1, decay=0.5) for progress in np.linspace(0, 1, 101)
    ]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10:51] == [1.0] * 41
    # Half a cosine: (1 + cos 45°) / 2, a half, (1 − cos 45°) / 2; by lines during the warm-up.
    assert rates[5] == pytest.approx(0.55)
    decaying = [warmup_cosine(share, [], warmup=0, decay=0.5) for share in (0.625, 0.75, 0.875)]
    assert decaying == pytest.approx([0.853553, 0.5, 0.146447], abs=1e-6)
    assert all(later <= earlier for earlier, later in zip(rates[50:], rates[51:], strict=False))
    assert rates[-1] == pytest.approx(0, abs=1e-12)


def test_steps_divide_the_rate_at_shares_of_the_training() -> None:
    """A hundred epochs: x 0.1 at 25, 50 and 75 %; Reich & Kruk."""
    rates = [steps(epoch / 100, [], at=(0.25, 0.5, 0.75), factor=0.1) for epoch in range(101)]
    assert [rates[epoch] for epoch in (0, 24, 25, 49, 50, 74, 75, 100)] == pytest.approx(
        [1, 1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001]
    )


def test_the_cyclic_rate_is_a_triangle_from_a_tenth() -> None:
    """180 epochs in nine cycles of 20."""
    rates = [cyclic(epoch / 180, [], cycles=9) for epoch in range(181)]
    assert [rates[epoch] for epoch in (0, 5, 10, 15, 20, 30, 40, 170, 180)] == pytest.approx(
        [0.1, 0.55, 1, 0.55, 0.1, 1, 0.1, 1, 0.1]
    )
    assert (min(rates), max(rates)) == (pytest.approx(0.1), pytest.approx(1))
    assert cyclic(0.5, [], cycles=1) == 1
    assert cyclic(0.0, [], cycles=1, least=0.25) == 0.25


def test_accumulation_grows_after_epochs_40_80_and_140_of_180() -> None:
    at = (40 / 180, 80 / 180, 140 / 180)
    recipe = vary(find("isibrno-basic"), accumulation=part("squares", at=at))
    batches = [batches_per_step(recipe, 7 * epoch / (7 * 180)) for epoch in range(180)]
    assert batches == [1] * 40 + [4] * 40 + [9] * 60 + [16] * 40
    assert batches_per_step(find("isibrno-basic"), 1.0) == 1


STEPS = 3000


def torchs_one_cycle() -> list[tuple[float, float]]:
    """Rates and β₁ of PyTorch's own scheduler, as shares of the highest rate."""
    optimiser = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=1.0, amsgrad=True)
    torchs = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=1.0, total_steps=STEPS)
    values = []
    for step in range(STEPS):
        group = optimiser.param_groups[0]
        values.append((group["lr"], group["betas"][0]))
        optimiser.step()
        if step < STEPS - 1:
            torchs.step()
    return values


def test_one_cycle_equals_torchs_on_its_own_grid() -> None:
    """Its cosines have 0.3 · steps − 1 and 0.7 · steps steps; the progress is chosen to match."""
    rise = 0.3 * STEPS - 1
    for step, (rate, momentum) in enumerate(torchs_one_cycle()):
        progress = 0.3 * step / rise if step <= rise else (step + 1) / STEPS
        assert one_cycle(progress, []) == pytest.approx(rate, abs=1e-12)
        assert one_cycle_momentum(progress, []) == pytest.approx(momentum, abs=1e-12)


def test_one_cycle_during_training_is_within_a_step_of_torchs() -> None:
    """A step changes a cosine of 0.3 of the steps by at most π/2 of its share of them."""
    theirs = torchs_one_cycle()
    ours = [one_cycle(step / STEPS, []) for step in range(STEPS)]
    np.testing.assert_allclose(ours, [rate for rate, _ in theirs], atol=np.pi / 2 / 0.3 / STEPS)
    assert ours[0] == pytest.approx(1 / 25)
    assert max(ours) == 1.0 == ours[900]
    assert one_cycle(1.0, []) == pytest.approx(1 / 25 / 1e4)


@pytest.mark.parametrize(("epochs", "best"), [(45, 34), (38, 27), (36, 25), (31, 20), (43, 32)])
def test_patience_stops_at_the_epochs_of_the_published_runs(epochs: int, best: int) -> None:
    """Epochs run and the best one, counted from 0, of runs with patience 10; the authors' logs."""
    scores = [*np.linspace(0.1, 0.7, best + 1), *np.full(60, 0.69)]
    done = next(n for n in range(1, 90) if patience(scores[:n], epochs=10, tolerance=0.001))
    assert done == epochs


def test_an_epoch_within_the_tolerance_of_the_best_counts_as_equally_good() -> None:
    assert not patience([0.5] * 9, epochs=1)
    assert not patience([0.5, 0.25, 0.25], epochs=1, tolerance=0.25)
    scores = [0.5, 0.4995, 0.4, 0.4]
    assert not patience(scores, epochs=3, tolerance=0.001)
    assert patience(scores, epochs=3)
    assert patience(scores, epochs=2, tolerance=0.001)
    assert not patience([*scores, 0.4995], epochs=2, tolerance=0.001)
    creeping = [0.5 - 0.0004 * epoch for epoch in range(20)]  # the best one counts
    assert patience(creeping, epochs=10, tolerance=0.001)
    assert not STOPS["never"]([0.0] * 100)


def test_the_schedule_sets_the_rate_and_one_cycle_momentum_too() -> None:
    optimiser = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    recipe = vary(find("isibrno-basic"), optimiser=part("adamw", lr=2e-3))
    for name, progress, lr, betas in (
        ("constant", 0.3, 2e-3, (0.9, 0.999)),
        ("one_cycle", 0.0, 8e-5, (0.95, 0.999)),
        ("one_cycle", 0.3, 2e-3, (0.85, 0.999)),
    ):
        set_rate(vary(recipe, schedule=part(name)), optimiser, progress, [])
        assert optimiser.param_groups[0]["lr"] == pytest.approx(lr)
        assert optimiser.param_groups[0]["betas"] == pytest.approx(betas)


def test_radam_equals_the_package_that_dualnet_used() -> None:
    """Σ p² from (1, -2, 3); dualnet2017's fact sheet, section 13."""
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
    radam = OPTIMISERS["radam"]([weight], **find("dualnet-s").optimiser.options)
    expected = {
        1: (0.998, -1.996, 2.994), 5: (0.990022, -1.980044, 2.970065),
        6: (0.989996, -1.980018, 2.970039), 8: (0.989925, -1.979946, 2.969968),
    }  # fmt: skip
    for step in range(1, 9):
        radam.zero_grad()
        weight.square().sum().backward()
        radam.step()
        if step in expected:
            assert weight.detach().tolist() == pytest.approx(expected[step], abs=2e-6)


def descent(name: str, steps: int, weight: torch.nn.Parameter, **numbers: float) -> list[float]:
    """Minimise Σ p²; return it before each step and at the end."""
    optimiser, losses = OPTIMISERS[name]([weight], **numbers), []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = weight.square().sum()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return [*losses, weight.square().sum().item()]


def test_ranger_by_hand() -> None:
    """Five steps of SGD with momentum, then RAdam's; each sixth one returns half of the way."""
    start = torch.tensor([1.0, -2.0, 3.0])  # one row: gradients of vectors are not centred
    weight, lr, beta, beta2 = start.clone(), 0.01, 0.95, 0.999
    mean, square, limit = torch.zeros(3), torch.zeros(3), 2 / (1 - 0.999) - 1
    expected = [14.0]
    for step in range(1, 13):
        gradient = 2 * weight
        mean = beta * mean + (1 - beta) * gradient
        square = beta2 * square + (1 - beta2) * gradient**2
        length = limit - 2 * step * beta2**step / (1 - beta2**step)
        update = mean / (1 - beta**step)
        if length >= 5:
            factor = (length - 4) * (length - 2) * limit / (limit - 4) / (limit - 2) / length
            update = update * ((1 - beta2**step) * factor) ** 0.5 / (square.sqrt() + 1e-5)
        weight = weight - lr * update
        if step % 6 == 0:
            weight = start = (start + weight) / 2
        expected.append(weight.square().sum().item())
    losses = descent("ranger", 12, torch.nn.Parameter(torch.tensor([1.0, -2.0, 3.0])), lr=lr)
    assert losses == pytest.approx(expected, rel=1e-5)
    assert losses[:6] == sorted(losses[:6], reverse=True)  # downhill from the first step on


def test_ranger_centres_gradients() -> None:
    weight = torch.nn.Parameter(torch.tensor([[1.0, 1.0], [3.0, 5.0]]))
    descent("ranger", 1, weight, lr=0.1)
    assert weight.detach().tolist() == [
        pytest.approx([1.0, 1.0]), pytest.approx([3.0 + 0.2, 5.0 - 0.2]),
    ]  # fmt: skip


def test_madgrad_by_hand() -> None:
    """Equations 5 to 9 of the paper, with ε added to the rate as in its code."""
    start = torch.tensor([1.0, -2.0, 3.0])
    weight, total, squares = start.clone(), torch.zeros(3), torch.zeros(3)
    expected = [14.0]
    for step in range(6):
        share = (0.01 + 1e-6) * (step + 1) ** 0.5
        total = total + share * 2 * weight
        squares = squares + share * (2 * weight) ** 2
        weight = 0.9 * weight + 0.1 * (start - total / (squares ** (1 / 3) + 1e-6))
        expected.append(weight.square().sum().item())
    losses = descent("madgrad", 6, torch.nn.Parameter(start), lr=0.01)
    assert losses == pytest.approx(expected, rel=1e-5)


CLASSES = {"diagnosis": ("",) * 26}


def batches_of(count: int, seed: int = 0) -> Iterator[Batch]:
    rng = torch.Generator().manual_seed(seed)
    for _ in range(count):
        length = torch.tensor([60, 100, 80, 100])
        signal = 3 + torch.randn(4, 36, 100, generator=rng)
        signal[torch.arange(100)[None, None] >= length[:, None, None].expand(4, 36, 1)] = 0
        yield Batch(signal, length, {"diagnosis": torch.zeros(4, 26)})


def network_of(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    leads = [f"lead{n}" for n in range(12)]
    return build(small(find("isibrno-basic")), leads, CLASSES)


def weights_of(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in network.named_parameters()}


def test_the_average_is_the_weighted_sum_of_earlier_weights() -> None:
    network = nn.Linear(1, 1, bias=False)
    average = {"weight": torch.zeros(1, 1)}
    for value in (1.0, 2.0, 3.0):
        nn.init.constant_(network.weight, value)
        update_ema(average, network, 0.9)
    assert float(average["weight"]) == pytest.approx(0.1 * (3 + 0.9 * 2 + 0.81 * 1))


def test_the_decay_rises_to_its_limit() -> None:
    decays = [ema_decay(0.99, step) for step in range(2000)]
    assert decays == sorted(decays)
    assert decays[-1] == 0.99


def test_the_copy_has_the_averaged_weights_and_the_original_is_unchanged() -> None:
    network, other = network_of(0).train(), network_of(1)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    copied = ema_network(network, weights_of(other), batches_of(3))
    assert not copied.training
    assert network.training
    for name, weight in other.named_parameters():
        torch.testing.assert_close(copied.get_parameter(name), weight, atol=0, rtol=0)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
    again = ema_network(network, weights_of(other), batches_of(3))
    signal, length, *_ = next(batches_of(1, seed=5))
    assert torch.equal(copied(signal, length), again(signal, length)), "dropout is off"


def test_statistics_are_the_mean_over_the_batches_regardless_of_earlier_ones() -> None:
    network = network_of(0)
    for module in network.modules():
        if isinstance(module, MaskedBatchNorm):
            nn.init.constant_(module.running_mean, 1e6)
    copied = ema_network(network, weights_of(network), batches_of(3))
    norm = copied.blocks[0].shortcut_norm  # its input is linear in the signal
    assert norm.momentum == 0.1
    means = []
    for signal, length, *_ in batches_of(3):
        mapped = copied.blocks[0].shortcut(signal[:, :, None, ::2])[:, :, 0]
        valid = torch.arange(50) < ((length + 1) // 2)[:, None]
        means.append(mapped.transpose(1, 2)[valid].mean(0))
    torch.testing.assert_close(norm.running_mean, torch.stack(means).mean(0), atol=1e-5, rtol=1e-4)


def test_statistics_need_so_many_batches_and_none_without_batch_norm() -> None:
    many = batches_of(NORM_BATCHES + 5)
    ema_network(network_of(0), weights_of(network_of(0)), many)
    assert len(list(many)) == 5
    plain = nn.Linear(2, 2)
    ema_network(plain, weights_of(plain), batches_of(0))


@pytest.mark.parametrize("name", ["house-resnet", "revenger-nc-se-100hz"])
def test_norms_that_are_folded_in_eval_mode_are_estimated_too(name: str) -> None:
    torch.manual_seed(0)
    network = build(small(find(name)), ["I", "II"], CLASSES)
    weights = weights_of(network)
    generator = torch.Generator().manual_seed(0)
    signals = [3 + torch.randn(4, 2, 1000, generator=generator) for _ in range(2)]
    length = torch.tensor([700, 700, 900, 1000])  # only in eval mode is a batch split by length
    batches = [Batch(signal, length, {"diagnosis": torch.zeros(4, 26)}) for signal in signals]
    copied = ema_network(network, weights, batches)
    for name_of_norm, norm in copied.named_modules():
        if isinstance(norm, nn.BatchNorm2d):
            assert norm.running_mean.abs().max() > 0, name_of_norm
            assert int(norm.num_batches_tracked) == 2


def test_frozen_norms_keep_their_statistics() -> None:
    network = network_of(0).train()
    frozen = network.blocks[0].shortcut_norm
    nn.init.constant_(frozen.running_mean, 7)
    for weight in frozen.parameters():
        weight.requires_grad_(False)
    copied = ema_network(network, weights_of(network), batches_of(3))
    assert (copied.blocks[0].shortcut_norm.running_mean == 7).all()
    assert not (copied.blocks[1].shortcut_norm.running_mean == 0).all(), "the others are estimated"
