"""Schedules; the plateau rule's oracle is PyTorch's own scheduler."""

import numpy as np
import pytest
import torch

from training.schedules import (
    falling,
    never,
    one_cycle,
    one_cycle_momentum,
    patience,
    plateau,
    steps,
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


def test_falling_rises_stays_and_falls_to_zero() -> None:
    rates = [falling(progress, [], warm=0.1, fall=0.5) for progress in np.linspace(0, 1, 101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10:51] == [1.0] * 41
    assert all(later <= earlier for earlier, later in zip(rates[50:], rates[51:], strict=False))
    assert rates[-1] == pytest.approx(0, abs=1e-12)


def test_steps_divide_the_rate_at_shares_of_the_training() -> None:
    """A hundred epochs: x 0.1 at 25, 50 and 75 %; Reich & Kruk."""
    rates = [steps(epoch / 100, [], at=(0.25, 0.5, 0.75), factor=0.1) for epoch in range(101)]
    assert [rates[epoch] for epoch in (0, 24, 25, 49, 50, 74, 75, 100)] == pytest.approx(
        [1, 1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001]
    )


TRANSFORMS = 3000


def torchs_one_cycle() -> list[tuple[float, float]]:
    """Rates and β₁ of PyTorch's own scheduler, as shares of the highest rate."""
    optimiser = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=1.0, amsgrad=True)
    torchs = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=1.0, total_steps=TRANSFORMS)
    found = []
    for step in range(TRANSFORMS):
        group = optimiser.param_groups[0]
        found.append((group["lr"], group["betas"][0]))
        optimiser.step()
        if step < TRANSFORMS - 1:
            torchs.step()
    return found


def test_one_cycle_equals_torchs_on_its_own_grid() -> None:
    """Its cosines have 0.3 · steps − 1 and 0.7 · steps steps: place them in the progress so."""
    rise = 0.3 * TRANSFORMS - 1
    for step, (rate, momentum) in enumerate(torchs_one_cycle()):
        progress = 0.3 * step / rise if step <= rise else (step + 1) / TRANSFORMS
        assert one_cycle(progress, []) == pytest.approx(rate, abs=1e-12)
        assert one_cycle_momentum(progress, []) == pytest.approx(momentum, abs=1e-12)


def test_one_cycle_along_the_training_is_a_step_from_torchs() -> None:
    """A step moves a cosine by at most π/2 of its length's part: 0.3 of the steps."""
    found = torchs_one_cycle()
    ours = [one_cycle(step / TRANSFORMS, []) for step in range(TRANSFORMS)]
    np.testing.assert_allclose(ours, [rate for rate, _ in found], atol=np.pi / 2 / 0.3 / TRANSFORMS)
    assert ours[0] == pytest.approx(1 / 25)
    assert max(ours) == 1.0 == ours[900]
    assert one_cycle(1.0, []) == pytest.approx(1 / 25 / 1e4)


@pytest.mark.parametrize(("epochs", "best"), [(45, 34), (38, 27), (36, 25), (31, 20), (43, 32)])
def test_patience_stops_where_the_published_runs_did(epochs: int, best: int) -> None:
    """Epochs run and the best one, counted from 0, of runs with patience 10; the authors' logs."""
    scores = [*np.linspace(0.1, 0.7, best + 1), *np.full(60, 0.69)]
    done = next(n for n in range(1, 90) if patience(scores[:n], epochs=10, tolerance=0.001))
    assert done == epochs


def test_an_epoch_within_the_tolerance_of_the_best_is_no_worse() -> None:
    scores = [0.5, 0.4995, 0.4, 0.4]
    assert not patience(scores, epochs=3, tolerance=0.001)
    assert patience(scores, epochs=3)
    assert patience(scores, epochs=2, tolerance=0.001)
    assert not patience([*scores, 0.4995], epochs=2, tolerance=0.001)
    creeping = [0.5 - 0.0004 * epoch for epoch in range(20)]  # the best counts, not the one before
    assert patience(creeping, epochs=10, tolerance=0.001)
    assert not never([0.0] * 100)
