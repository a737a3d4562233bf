"""Schedules; the plateau rule's oracle is PyTorch's own scheduler."""

import numpy as np
import pytest
import torch

from training.schedules import falling, plateau


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
