"""A state is read back bit for bit, or not at all."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from training.optim import OPTIMISERS
from training.state import (
    TrainingState,
    generator_of,
    kept_states,
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
    losses = [{"loss": 0.25}, {"loss": 0.125}]
    return TrainingState(
        KEY, epoch=1, step=2, used_s=2.5, losses=losses, history=history, step_losses=[0.5, 0.25],
        best_epoch=1, network=weights, best=best, optimiser=moments, ema=ema,
    )  # fmt: skip


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


@pytest.mark.parametrize(
    "damage", ["cut", "empty", "other content", "a folder", "a bit", "a bit of a weight", "zeros",
               "another epoch", "swapped tensors"]
)  # fmt: skip
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
    elif damage == "another epoch":
        assert whole.count(b'\\"epoch\\": 1, \\"step') == 1
        path.write_bytes(whole.replace(b'\\"epoch\\": 1, \\"step', b'\\"epoch\\": 2, \\"step'))
    elif damage == "swapped tensors":
        path.write_bytes(whole.replace(b"best/b", b"best/c"))
    elif damage in ("a bit", "a bit of a weight", "zeros"):
        content = bytearray(whole)
        if damage == "a bit":
            content[-1] ^= 1
        elif damage == "zeros":
            content[-16:] = bytes(16)
        else:
            content[-60] ^= 64
        assert content != whole
        path.write_bytes(content)
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


def test_the_state_of_another_training_is_set_aside_and_the_log_tells_how_to_continue_it(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path, aside = tmp_path / "state" / "2-leads.safetensors", tmp_path / "set-aside"
    path.parent.mkdir()
    save_state(path, a_state())
    whole = path.read_bytes()
    other = {"data": "f" * 64, "threads": "1", "version of torch": "2.13.0", "split": "8"}
    assert load_state(path, other) == TrainingState(other)
    assert capsys.readouterr().err == (
        f"{path}: the state of an earlier training differs in data, split (None, now 8), "
        "threads (2, now 1); this lead set is trained again. The earlier state is kept: to "
        f"continue with it, stop this training, move {aside / '2-leads.1.safetensors'} back to "
        f"{path}, and train with OMP_NUM_THREADS=2, the earlier data, split.\n"
    )
    assert not path.exists()
    assert (aside / "2-leads.1.safetensors").read_bytes() == whole


@pytest.mark.parametrize(
    ("part", "before", "now", "way"),
    [("version of torch", "2.12.1", "2.13.0", "PyTorch 2.12.1"),
     ("recipe: epochs", "75", "50", "--epochs 75"),
     ("recipe: name", '"house-pair"', '"house-resnet"', "--recipe house-pair"),
     ("device", "cuda", "cpu", "--device cuda"),
     ("precision", "bfloat16", "float32", "--precision bfloat16"),
     ("recipe: batch", "32", "64", "the earlier recipe: batch")],
)  # fmt: skip
def test_a_second_state_is_set_aside_beside_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture, part: str, before: str, now: str, way: str
) -> None:
    path = tmp_path / "state" / "s.safetensors"
    path.parent.mkdir()
    for value in (before, now):
        save_state(path, replace(a_state(), key={part: value}))
        assert not load_state(path, {part: "third"}).started
    log = capsys.readouterr().err
    assert f"differs in {part} ({before}, now third)" in log
    assert f"and train with {way}." in log
    kept = sorted((tmp_path / "set-aside").iterdir())
    assert [file.name for file in kept] == ["s.1.safetensors", "s.2.safetensors"]
    kept[0].rename(path)
    assert load_state(path, {part: before}).position == "after step 2 of epoch 2"


def test_what_an_interruption_keeps_is_described(tmp_path: Path) -> None:
    assert kept_states(tmp_path) == "Nothing is kept: the same command starts over."
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "signals-0123.json").touch()
    assert kept_states(tmp_path) == (
        "No epoch has finished: the same command starts the training over with the prepared "
        "signals."
    )
    for name, changes in (
        ("12-leads", {"finished": True}), ("6-leads", {"step": 0, "epoch": 7}), ("2-leads", {}),
    ):  # fmt: skip
        save_state(folder / f"{name}.safetensors", replace(a_state(), **changes))
    (folder / "3-leads.safetensors").write_bytes(b"cut")
    assert kept_states(tmp_path) == (
        "The same command goes on: 12-leads is trained; 2-leads continues after step 2 of epoch 2; "
        "6-leads continues after epoch 7."
    )


@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.parametrize("done", [3, 8])  # a cycle of Ranger's Lookahead has six steps
def test_a_restored_optimiser_continues_exactly(name: str, done: int, tmp_path: Path) -> None:
    def train(steps: int, network: torch.nn.Module, optimiser: torch.optim.Optimizer) -> None:
        for step in range(steps):
            optimiser.zero_grad()
            network(torch.full((2, 3), float(step))).square().sum().backward()
            optimiser.step()

    def fresh() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
        network = torch.nn.Linear(3, 2)
        with torch.no_grad():
            network.weight.copy_(torch.arange(6).reshape(2, 3))
            network.bias.zero_()
        return network, OPTIMISERS[name](network.parameters(), lr=0.1)

    network, optimiser = fresh()
    train(done, network, optimiser)
    save_state(tmp_path / "s", replace(a_state(), optimiser=optimiser_tensors(optimiser)))
    resumed, other = fresh()
    resumed.load_state_dict(network.state_dict())
    restore_optimiser(other, load_state(tmp_path / "s", KEY).optimiser)
    for _ in range(2):
        train(6, network, optimiser)
        train(6, resumed, other)
        assert torch.equal(network.weight, resumed.weight)
        assert torch.equal(network.bias, resumed.bias)


def test_equal_counters_give_equal_generators() -> None:
    """CRC-32 of the counters' text, as gzip computes it: equal in each process and version."""
    assert number_of(0, "12-leads", 3, 5) == 1_368_971_116
    assert number_of(1, "2-leads", "weights") == 3_915_886_153
    assert number_of(0, "12-leads", 3, 5) != number_of(0, "12-leads", 35)
    assert generator_of(2, 3).random() == generator_of(2, 3).random()
    draws = {generator_of(0, epoch).random() for epoch in range(50)}
    assert len(draws) == 50
