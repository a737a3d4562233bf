"""HeartlyAI's network: shapes of the paper, worked values of the fact sheet, padding."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from models.heartly2021 import intervals
from models.heartly2021.network import Network
from models.heartly2021.perceiver import Perceiver
from models.heartly2021.unet import UNet

CLASSES = {"waves": 4, "beats": 3, "diagnosis": 27}
SMALL = {"encoder": (8,) * 7, "decoder": (8,) * 6, "latents": 4, "width": 16, "rounds": 2}


def test_features_have_the_shapes_of_figure_1() -> None:
    unet = UNet(12)
    with torch.no_grad():
        encoded = unet.encode(torch.zeros(1, 12, 4096))
        decoded = unet.decode(encoded)
    shapes = [(one.shape[1], one.shape[3]) for one in encoded]
    assert shapes == [(32, 4096), (64, 2048), (112, 1024), (192, 512), (256, 256), (320, 128),
                      (512, 64)]  # fmt: skip
    shapes = [(one.shape[1], one.shape[3]) for one in decoded]
    assert shapes == [(32, 4096), (24, 2048), (48, 1024), (64, 512), (96, 256), (128, 128)]
    firsts = [block.first.weight.shape[1] for block in unet.decoder]
    assert firsts == [width + 8 for width in (32, 24, 48, 64, 96, 128)]


def test_the_networks_size_is_checked_without_pytorchs_compiler() -> None:
    """Which PyTorch imports to draw numbers on the meta device: 70 MB, some seconds."""
    code = """
import sys
from models import find
from models.network import skeleton
classes = {"waves": "0PQT", "beats": "NSV", "diagnosis": range(26)}
skeleton(find("heartly-leadwise"), ("I", "II"), classes)
print(sorted({"sympy", "torch._dynamo"} & sys.modules.keys()))
"""
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (completed.returncode, completed.stdout) == (0, "[]\n"), completed.stderr


def test_prediction_computes_no_masks_of_lower_levels() -> None:
    network = Network(2, CLASSES, **SMALL)
    calls = []
    for level, head in enumerate(network.waves):
        head.register_forward_hook(lambda *_, level=level: calls.append(level))
    signal, length = torch.randn(2, 2, 640), torch.tensor([640, 640])
    assert len(network.train()(signal, length)["waves"]) == 7
    assert calls == list(range(7))
    calls.clear()
    with torch.no_grad():
        assert network.eval()(signal, length)["waves"].shape == (2, 4, 640)
    assert calls == [0]


def perfect(frames: int, *waves: tuple[int, int, int]) -> torch.Tensor:
    """Return probabilities of 0 and 1 for waves (class, onset, offset)."""
    mask = torch.zeros(frames, dtype=torch.int64)
    for kind, onset, offset in waves:
        mask[onset:offset] = kind
    return torch.nn.functional.one_hot(mask, 4).T.double()


def measured(probabilities: torch.Tensor, fs: float = 500.0) -> tuple[list, list]:
    beats = intervals.find_beats(probabilities.argmax(0).numpy())
    values, missing = intervals.intervals(probabilities, beats, fs)
    return values.tolist(), missing.tolist()


def test_the_worked_beat_of_the_fact_sheet() -> None:
    waves = [(1, 100, 150), (2, 180, 225), (3, 300, 380), (2, 580, 620)]
    values, missing = measured(perfect(700, *waves))
    assert values[0] == pytest.approx([0.160, 0.090, 0.400, 0.430887, 0.800], abs=1e-6)
    assert missing == [[False] * 5, [True, False, True, True, False]]
    assert values[1] == pytest.approx([0, 0.080, 0, 0, 0.800])


@pytest.mark.parametrize(("rr", "qt", "corrected"), [
    (1.0, 400, 400.0), (0.64, 400, 464.159), (0.8, 360, 387.798), (1.2, 440, 414.056),
])  # fmt: skip
def test_qtc_is_fridericias(rr: float, qt: int, corrected: float) -> None:
    second = 100 + round(rr * 500)
    waves = [(2, 100, 140), (3, 200, 100 + qt // 2), (2, second, second + 40)]
    values, _ = measured(perfect(second + 100, *waves))
    assert values[0][3] == pytest.approx(corrected / 1000, abs=1e-5)


def test_the_distance_of_a_later_beat_is_that_to_the_beat_before() -> None:
    waves = [(2, 100, 140), (2, 500, 540), (2, 800, 840)]
    values, _ = measured(perfect(1000, *waves))
    assert [row[4] for row in values] == pytest.approx([0.8, 0.8, 0.6])


def test_a_single_beat_and_a_wave_that_is_cut_off_are_missing_in_part() -> None:
    values, missing = measured(perfect(300, (2, 100, 140), (3, 200, 300)))
    assert missing == [[True, False, True, True, True]]
    assert values == [[0, 0.08, 0, 0, 0]]


def test_soft_limits_have_gradients() -> None:
    logits = (8 * perfect(700, (2, 180, 225), (3, 300, 380), (2, 580, 620)) - 4).requires_grad_()
    probabilities = logits.softmax(0)
    beats = intervals.find_beats(probabilities.argmax(0).detach().numpy())
    values, _ = intervals.intervals(probabilities, beats, 500.0)
    assert values[0, 2].item() == pytest.approx(0.4, abs=1e-3)
    values[0, 2].backward()
    assert logits.grad[3, 379].abs() > 0


def test_tokens_carry_the_numbers_of_their_beat() -> None:
    network = Network(2, CLASSES, **SMALL).eval()
    waves = [(1, 100, 150), (2, 180, 225), (3, 300, 380), (1, 500, 550), (2, 580, 620)]
    beats = torch.zeros(3, 704)
    beats[0, :440], beats[2, 440:] = 1, 1
    numbers = network._of_beats(perfect(704, *waves).float(), beats, 11)
    assert numbers.shape == (11, 13)
    assert numbers[:, 1].tolist() == pytest.approx([0.09] * 7 + [0.08] * 4)  # from 440 on
    assert numbers[:, 10].tolist() == [1] * 7 + [0] * 4  # N
    assert numbers[:, 12].tolist() == [0] * 7 + [1] * 4  # V
    none = network._of_beats(perfect(704).float(), beats, 11)
    assert none[:, :5].abs().sum() == 0
    assert (none[:, 5:10] == 1).all()


def test_any_length_is_read_and_padding_changes_nothing() -> None:
    torch.manual_seed(0)
    network = Network(2, CLASSES, **SMALL).eval()
    signal = torch.randn(3, 2, 700)
    length = torch.tensor([700, 333, 700])
    signal[1, :, 333:] = 7.0  # not read
    with torch.no_grad():
        together = network(signal, length)
        alone = network(signal[1:2, :, :333], length[1:2])
    assert together["waves"].shape == (3, 4, 700)
    torch.testing.assert_close(together["diagnosis"][1:2], alone["diagnosis"])
    torch.testing.assert_close(together["waves"][1:2, :, :333], alone["waves"])
    network.train()
    outputs = network(signal, length)
    assert [one.shape[2] for one in outputs["waves"]] == [700, 352, 176, 88, 44, 22, 11]


def test_the_attention_is_linear_in_the_number_of_tokens() -> None:
    perceiver = Perceiver(10, latents=5, width=16)
    shapes = []
    perceiver.first.cross.attention.register_forward_hook(
        lambda _, inputs, __: shapes.append([one.shape[1] for one in inputs])
    )
    assert perceiver(torch.randn(2, 14063, 10)).shape == (2, 16)
    assert shapes == [[5, 14063, 14063]]


PEAK = """
import sys
import torch
from ecg.labels import CODES, POLICIES
from ecg.leads import STANDARD
from models import find
from models.network import build

recipe = find("heartly-leadwise")
classes = {head.name: POLICIES[head.classes](list(CODES)) for head in recipe.heads}
length = round(float(sys.argv[1]) * recipe.fs)
with torch.inference_mode():
    network = build(recipe, STANDARD, classes).eval()
    network(torch.randn(1, 12, length), torch.tensor([length]), torch.zeros(1, 5))
status = open("/proc/self/status").read()
print(int(status.partition("VmHWM:")[2].split()[0]) / 1024)
"""


def test_memory_is_linear_in_the_length() -> None:
    """10 s, 15 min and 30 min of 12 leads at 250 Hz: 270, 500 and 730 MB."""
    # Freed memory is returned at once; otherwise glibc keeps an amount that differs by run.
    # VmHWM is the program's own peak; `ru_maxrss` is at least that of the process that starts it.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}

    def peak(seconds: int) -> float:
        words = [sys.executable, "-c", PEAK, str(seconds)]
        done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
        return float(done.stdout)

    start, middle, end = map(peak, (10, 900, 1800))
    assert end < 1200
    assert (end - start) / 1790 == pytest.approx((middle - start) / 890, rel=0.25)


def test_every_part_of_the_network_has_a_gradient() -> None:
    torch.manual_seed(0)
    network = Network(2, CLASSES, **SMALL)
    signal = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 2, 640)).astype(np.float32))
    outputs = network(signal, torch.tensor([640, 640]))
    total = sum(one.square().mean() for one in outputs["waves"])
    (total + outputs["beats"].square().mean() + outputs["diagnosis"].square().mean()).backward()
    without = [name for name, one in network.named_parameters() if one.grad is None]
    assert not without
