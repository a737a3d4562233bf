"""Draw the networks and the pipeline: `make docs` writes docs/networks/ and docs/pipeline.png."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import nn

from ecg.files import atomic_write
from models import find, lookup
from models.inputs import channels_per_lead
from models.recipe import Recipe

DOCS = Path(__file__).resolve().parent
# The recipes whose networks are drawn, with the number of classes: each system's main one, and Kang
# & Wen's other families.
DRAWN = {
    "isibrno-leadwise": 26,
    "house-resnet": 26,
    "revenger-nc-se-100hz": 26,
    "revenger-tresnet-f-100hz": 26,
    "revenger-branched-lw-100hz": 26,
    "dualnet-s": 4,
    "dualnet-house": 4,
}
MOST_BOXES = 14
DPI = 100
INK, QUIET = "#1a1a1a", "#5f5f5f"
BLUE, ORANGE, GREEN, GREY = "#d6e8f5", "#fbe3d0", "#d5efe6", "#f0f0f0"


@dataclass
class Box:
    """A module of a network, with the shape of its output and its number of parameters."""

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int


def boxes_of(network: nn.Module, signal: torch.Tensor, length: torch.Tensor) -> list[Box]:
    """List the modules of a network in the order of its forward pass.

    Containers are replaced by their modules, and so is the largest module as long as the list has
    at most `MOST_BOXES`.
    """
    shown = _opened(list(network.named_children()))
    while True:
        largest = max(range(len(shown)), key=lambda index: _size(shown[index][1]))
        inner = _opened([(f"{shown[largest][0]}.{name}", module)
                         for name, module in shown[largest][1].named_children()])  # fmt: skip
        too_many = len(shown) + len(inner) - 1 > MOST_BOXES
        if len(inner) < 2 or too_many or _size(shown[largest][1]) < _size(network) / 2:
            break
        shown[largest : largest + 1] = inner
    boxes: list[Box] = []

    def note(name: str) -> Callable[[nn.Module, object, object], None]:
        def hook(module: nn.Module, _: object, output: object) -> None:
            while isinstance(output, tuple | list):
                output = output[0]
            if isinstance(output, torch.Tensor) and name not in [box.name for box in boxes]:
                kind = type(module).__name__
                boxes.append(Box(name, kind, tuple(output.shape[1:]), _size(module)))

        return hook

    handles = [module.register_forward_hook(note(name)) for name, module in shown]
    with torch.inference_mode():
        logits = network.eval()(signal, length)
    for handle in handles:
        handle.remove()
    rest = _size(network) - sum(box.parameters for box in boxes)
    if rest or boxes[-1].shape != tuple(logits.shape[1:]):
        boxes.append(Box("output", "logits", tuple(logits.shape[1:]), rest))
    return boxes


def _opened(modules: Sequence[tuple[str, nn.Module]]) -> list[tuple[str, nn.Module]]:
    """Replace containers by their modules; omit dropouts and identities."""
    opened: list[tuple[str, nn.Module]] = []
    for name, module in modules:
        if isinstance(module, nn.ModuleList | nn.Sequential | nn.ModuleDict) and len(module) > 0:
            opened += _opened(
                [(f"{name}.{inner}", part) for inner, part in module.named_children()]
            )
        elif "Dropout" not in type(module).__name__ and not isinstance(module, nn.Identity):
            opened.append((name, module))
    return opened


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def draw_network(path: Path, recipe: Recipe, classes: int) -> None:
    """Draw one box per module: name, class, output shape and parameters."""
    leads = recipe.lead_sets[0]
    channels = len(leads) * channels_per_lead(recipe)
    build = lookup(recipe, "NETWORKS", recipe.network.name)
    network = build(channels, classes, **recipe.network.options)
    samples = round(min(recipe.max_s, 10.0) * recipe.fs)
    boxes = boxes_of(network, torch.zeros(1, channels, samples), torch.tensor([samples]))
    source = f"{len(leads)} lead{'s' if len(leads) > 1 else ''}, {samples / recipe.fs:g} s"
    boxes = [Box("signal", f"{source} at {recipe.fs:g} Hz", (channels, samples), 0), *boxes]

    figure = Figure(figsize=(7.2, 0.62 + 0.46 * len(boxes)), dpi=DPI)
    axes = _canvas(figure, 100, len(boxes) + 0.9)
    for index, box in enumerate(boxes):
        y = len(boxes) - index - 0.5
        if index:
            _arrow(axes, (50, y + 0.68), (50, y + 0.32))
        _rounded(axes, (2, y - 0.32), (96, 0.64), _colour(box))
        axes.text(4, y, box.name, va="center", fontsize=9, color=INK, weight="bold")
        axes.text(36, y, box.kind, va="center", fontsize=9, color=INK)
        flat = box.shape[::2] if len(box.shape) == 3 and box.shape[1] == 1 else box.shape
        shape = " × ".join(map(str, flat))
        axes.text(76, y, shape, va="center", ha="right", fontsize=9, color=INK)
        if box.parameters:
            count = f"{box.parameters:,} parameters"
            axes.text(96, y, count, va="center", ha="right", fontsize=8, color=QUIET)
    title = f"{recipe.name}: {_size(network):,} parameters; output shape of each module"
    axes.text(2, len(boxes) + 0.45, title, va="center", fontsize=10, color=INK)
    _save(figure, path)


def _colour(box: Box) -> str:
    """Choose the colour: input, convolutional, recurrent or attention, head."""
    if not box.parameters:
        return GREY
    if box.kind in ("Linear", "logits"):
        return GREEN
    recurrent = ("GRU", "LSTM", "Recurrent", "Transformer", "Attention", "Excitation", "Axial")
    return ORANGE if any(word in box.kind for word in recurrent) else BLUE


SHARED = (
    ("WFDB record", ".hea with .mat or .dat", GREY),
    ("Record.read", "float32 mV,\nwarnings and errors", BLUE),
    ("leads", "chosen, derived,\nelse zero-filled", BLUE),
    ("transforms", "rate, filters;\ncached in training", BLUE),
    ("post-transforms", "what depends on\nthe lead set", BLUE),
)
TRAINING = (
    ("augmentation", "of records,\nthen of batches", ORANGE),
    ("network", "one per lead set", GREEN),
    ("losses", "weighted sum\nover the heads", ORANGE),
    ("validation", "chooses epoch,\ndecision and rules", ORANGE),
    ("model folder", "JSON and\nsafetensors", GREY),
)
PREDICTION = (
    ("windows", "of long records", BLUE),
    ("network", "that serves\nthe record's leads", GREEN),
    ("decision", "labels per head", BLUE),
    ("rules", "from the signal\nin mV", BLUE),
    ("Prediction", "CSV, JSON,\nannotations", GREY),
)
BOX = (16.6, 8.0)


def draw_pipeline(path: Path) -> None:
    """Draw the processing of a record in training and prediction, and what both share."""
    figure = Figure(figsize=(9.8, 4.2), dpi=DPI)
    axes = _canvas(figure, 98, 42)
    for words, y, boxes in (("every record", 31, SHARED), ("training", 16.5, TRAINING),
                            ("prediction", 2, PREDICTION)):  # fmt: skip
        axes.text(4, y + BOX[1] + 0.6, words, fontsize=9, color=QUIET, va="bottom")
        for column, (name, text, colour) in enumerate(boxes):
            x = 4 + 19 * column
            _rounded(axes, (x, y), BOX, colour)
            middle = x + BOX[0] / 2
            axes.text(middle, y + 6.2, name, ha="center", va="center", fontsize=9, color=INK,
                      weight="bold")  # fmt: skip
            axes.text(middle, y + 2.8, text, ha="center", va="center", fontsize=8, color=INK)
            if column:
                _arrow(axes, (x - 2.4, y + 4), (x, y + 4))
    branch = 29.4  # from the shared row to the first box of the other two
    axes.plot([88.3, 88.3, 1.5, 1.5], [31, branch, branch, 6], color=QUIET, lw=0.9)
    for y in (20.5, 6):
        _arrow(axes, (1.5, y), (4, y))
    _save(figure, path)


def _canvas(figure: Figure, width: float, height: float) -> Axes:
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    return axes


def _rounded(
    axes: Axes, corner: tuple[float, float], size: tuple[float, float], colour: str
) -> None:
    style = "round,pad=0,rounding_size=0.15"
    box = FancyBboxPatch(corner, *size, boxstyle=style, facecolor=colour, edgecolor=QUIET)
    box.set_linewidth(0.7)
    axes.add_patch(box)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": QUIET, "lw": 0.9})


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as draft:
        figure.savefig(draft, format="png", metadata={"Software": None})


def draw_all(docs: Path = DOCS) -> None:
    """Write all drawings."""
    draw_pipeline(docs / "pipeline.png")
    for name, classes in DRAWN.items():
        draw_network(docs / "networks" / f"{name}.png", find(name), classes)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    draw_all()
