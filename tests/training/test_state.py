"""A state is read back bit for bit, or not at all."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from training.state import (
    TrainingState,
    generator_of,
    load_state,
    number_of,
    optimiser_tensors,
    restore_optimiser,
    save_state,
)

KEY = {"data": "0123456789abcdef" * 4, "threads": "2", "version of torch": "2.13.0"}


def a_state() -> TrainingState:
    weights = {"a.weight": torch.randn(3, 4), "b": torch.arange(3)}
    best = {name: tensor.clone() for name, tensor in weights.items()}
    moments = {"0/step": torch.tensor(4.0)}
    ema = {"a.weight": torch.randn(3, 4)}
    history = [{"epoch": 1, "score": 0.5}]
    return TrainingState(KEY, 1, 2.5, False, history, 1, weights, best, moments, ema)


def test_a_state_is_equal_after_a_round_trip(tmp_path: Path) -> None:
    state = a_state()
    save_state(tmp_path / "s", state)
    back = load_state(tmp_path / "s", KEY)
    for name, value in vars(state).items():
        if name in ("network", "best", "optimiser", "ema"):
            assert getattr(back, name).keys() == value.keys()
            assert all(torch.equal(getattr(back, name)[key], value[key]) for key in value)
        else:
            assert getattr(back, name) == value


@pytest.mark.parametrize("damage", ["cut", "empty", "other content", "a folder"])
def test_a_damaged_state_is_not_used_with_a_warning(
    tmp_path: Path, damage: str, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "s"
    save_state(path, a_state())
    whole = path.read_bytes()
    if damage == "a folder":
        path.unlink()
        path.mkdir()
    elif damage == "other content":
        save_file({"a": torch.zeros(2)}, path, metadata={"state": "[1]"})
    else:
        path.write_bytes(whole[: len(whole) // 2 if damage == "cut" else 0])
    assert load_state(path, KEY) == TrainingState(KEY)
    assert capsys.readouterr().err == (
        f"{path}: the state of an earlier training is damaged; this lead set is trained again.\n"
    )


def test_without_a_state_file_the_state_is_new(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert load_state(tmp_path / "s", KEY) == TrainingState(KEY)
    assert capsys.readouterr().err == ""


def test_the_log_names_what_differs_in_the_state_of_another_training(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    save_state(tmp_path / "s", a_state())
    other = {"data": "f" * 64, "threads": "1", "version of torch": "2.13.0", "split": "8"}
    assert load_state(tmp_path / "s", other) == TrainingState(other)
    assert capsys.readouterr().err == (
        f"{tmp_path / 's'}: the state of an earlier training differs in data, split (None, now 8), "
        "threads (2, now 1); this lead set is trained again.\n"
    )


def test_a_restored_optimiser_continues_exactly() -> None:
    def train(steps: int, network: torch.nn.Module, optimiser: torch.optim.Optimizer) -> None:
        for step in range(steps):
            optimiser.zero_grad()
            network(torch.full((2, 3), float(step))).square().sum().backward()
            optimiser.step()

    def fresh() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
        network = torch.nn.Linear(3, 2)
        with torch.no_grad():
            network.weight.fill_(0.5)
            network.bias.zero_()
        return network, torch.optim.Adam(network.parameters(), lr=0.1)

    network, optimiser = fresh()
    train(3, network, optimiser)
    resumed, other = fresh()
    resumed.load_state_dict(network.state_dict())
    restore_optimiser(other, optimiser_tensors(optimiser))
    train(3, network, optimiser)
    train(3, resumed, other)
    assert torch.equal(network.weight, resumed.weight)


def test_equal_counters_give_equal_generators() -> None:
    assert number_of(0, "12-leads", 3, 5) == number_of(0, "12-leads", 3, 5)
    assert number_of(0, "12-leads", 3, 5) != number_of(0, "12-leads", 35)
    draws = {generator_of(0, epoch).random() for epoch in range(50)}
    assert len(draws) == 50
