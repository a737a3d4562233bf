"""Read the authors' state dicts: their outputs, by names and shapes; what is no state dict."""

import io
import json
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ecg import LeadwiseError
from ecg.records import find_records
from experiments.export import export
from experiments.import_dualnet import main
from models.dualnet2017.published import import_state
from models.folder import load_network, read_model
from models.model import Model
from tests.reference.fill import fill, signals

AUTHORS = json.loads((Path(__file__).parents[1] / "data/oracle/dualnet2017.json").read_text())
OUTPUTS = {case["recipe"]: case["outputs"] for case in AUTHORS["cases"]}
OUR_ORDER = [0, 2, 1, 3]  # N, A, O, ~ of the authors' N, O, A, ~

# Fact sheet, section 3: latent size, layers, channels of the blocks.
WIDTHS = {
    "s": (16, 32, 64, 128, 256),
    "m": (32, 64, 128, 256, 256),
    "xl": (128, 256, 512, 512, 256),
}
LSTMS = {"s": (128, 2), "m": (256, 2), "xl": (512, 3)}
TRANSFORMERS = {"s": (128, 2), "m": (256, 2), "xl": (512, 3)}  # feed-forward units, layers
SPANS = ((140, 8), (70, 4), (35, 2))

Shapes = Iterator[tuple[str, tuple[int, ...]]]


def batch_norm(name: str, width: int) -> Shapes:
    for each in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.{each}", (width,)
    yield f"{name}.num_batches_tracked", ()


def pade(name: str) -> Shapes:
    yield f"{name}.weight_numerator", (6,)
    yield f"{name}.weight_denominator", (4,)


def conditional(name: str, width: int, latent: int) -> Shapes:
    yield from batch_norm(f"{name}.batch_normalization", width)
    yield f"{name}.linear_mapping.weight", (2 * width, latent)


def residual(name: str, into: int, width: int, latent: int) -> Shapes:
    yield f"{name}.main_mapping_conv_1.weight", (width, into, 3, 3)
    yield from conditional(f"{name}.main_mapping_norm_1", width, latent)
    yield from pade(f"{name}.main_mapping_act_1")
    yield f"{name}.main_mapping_conv_2.weight", (width, width, 3, 3)
    yield from conditional(f"{name}.main_mapping_norm_2", width, latent)
    if into != width:
        yield f"{name}.residual_mapping.weight", (width, into, 1, 1)
    yield from pade(f"{name}.final_activation")


def attention(name: str, width: int, span: int) -> Shapes:
    each = width // 16
    yield f"{name}.relative_embeddings", (2 * each, 2 * span - 1)
    yield f"{name}.relative_indexes", (span * span,)
    yield f"{name}.query_key_value_mapping.0.weight", (2 * width, width, 1)
    yield from batch_norm(f"{name}.query_key_value_mapping.1", 2 * width)
    yield from batch_norm(f"{name}.similarity_normalization", 48)
    yield from batch_norm(f"{name}.output_normalization", 2 * width)


def axial(name: str, into: int, width: int, latent: int, spans: tuple[int, int]) -> Shapes:
    yield f"{name}.input_mapping_conv.weight", (width, into, 1, 1)
    yield from conditional(f"{name}.input_mapping_norm", width, latent)
    yield from pade(f"{name}.input_mapping_act")
    for index, span in enumerate(spans):
        yield from attention(f"{name}.axial_attention_mapping.{index}", width, span)
    yield f"{name}.output_mapping_conv.weight", (width, width, 1, 1)
    yield from conditional(f"{name}.output_mapping_norm", width, latent)
    if into != width:
        yield f"{name}.residual_mapping.weight", (width, into, 1, 1)
    yield from pade(f"{name}.final_activation")


def lstm(size: str) -> Shapes:
    hidden, layers = LSTMS[size]
    for layer in range(layers):
        yield f"ecg_encoder.weight_ih_l{layer}", (4 * hidden, hidden if layer else 256)
        yield f"ecg_encoder.weight_hh_l{layer}", (4 * hidden, hidden)
        yield f"ecg_encoder.bias_ih_l{layer}", (4 * hidden,)
        yield f"ecg_encoder.bias_hh_l{layer}", (4 * hidden,)


def transformer(size: str) -> Shapes:
    hidden, layers = TRANSFORMERS[size]
    yield "positional_embedding", (80, 1, 256)
    for layer in range(layers):
        name = f"ecg_encoder.layers.{layer}"
        yield f"{name}.self_attn.in_proj_weight", (768, 256)
        yield f"{name}.self_attn.in_proj_bias", (768,)
        yield f"{name}.self_attn.out_proj.weight", (256, 256)
        yield f"{name}.self_attn.out_proj.bias", (256,)
        yield f"{name}.linear1.weight", (hidden, 256)
        yield f"{name}.linear1.bias", (hidden,)
        yield f"{name}.linear2.weight", (256, hidden)
        yield f"{name}.linear2.bias", (256,)
        for norm in ("norm1", "norm2"):
            yield f"{name}.{norm}.weight", (256,)
            yield f"{name}.{norm}.bias", (256,)
    yield "ecg_encoder.norm.weight", (256,)
    yield "ecg_encoder.norm.bias", (256,)


def layout(size: str, *, plus: bool, classes: int = 4) -> Shapes:
    """Yield names and shapes of the authors' tensors, in the order of their numbers."""
    yield from transformer(size) if plus else lstm(size)
    widths, latent = WIDTHS[size], 256 if plus else LSTMS[size][0]
    for index, (into, width) in enumerate(zip((1, *widths), widths, strict=False)):
        name = f"spectrogram_encoder.{index}"
        if plus and index >= 2:
            yield from axial(name, into, width, latent, SPANS[index - 2])
        else:
            yield from residual(name, into, width, latent)
    yield "linear_layer_1.0.weight", (latent, widths[-1])
    yield "linear_layer_1.0.bias", (latent,)
    yield from pade("linear_layer_1.1")
    yield "linear_layer_2.weight", (classes, latent)
    yield "linear_layer_2.bias", (classes,)


# Fact sheet, section 4.4: initial coefficients, which `fill` changes by 10 %.
START = {
    "weight_numerator": (
        0.0335583603,
        0.505000375,
        1.65343934,
        2.01001052,
        0.931901999,
        0.152424124,
    ),
    "weight_denominator": (3.30847488e-6, 3.98021568, 5.12471206e-7, 0.301830109),
}


def authors_state(size: str, *, plus: bool = False, classes: int = 4) -> dict[str, torch.Tensor]:
    """Give a state dict with the numbers of `tests/data/oracle`."""
    state = OrderedDict(
        (name, torch.tensor(START[end]) if (end := name.split(".")[-1]) in START
         else torch.zeros(shape, dtype=torch.int64 if not shape or end == "relative_indexes"
                          else torch.float32))
        for name, shape in layout(size, plus=plus, classes=classes)
    )  # fmt: skip
    fill((name, one) for name, one in state.items() if one.is_floating_point())
    return state


@pytest.mark.parametrize("plus", [False, True], ids=["S", "++S"])
def test_an_imported_network_repeats_the_authors_outputs(plus: bool, tmp_path: Path) -> None:
    file, name = tmp_path / "best_model.pt", f"dualnet-{'pp-' * plus}s-as-published"
    torch.save(authors_state("s", plus=plus), file)
    model = import_state(file, tmp_path / "model")
    assert (model.recipe.name, model.classes) == (name, {"diagnosis": ("N", "A", "O", "~")})
    read = read_model(tmp_path / "model")
    network = load_network(read, read.lead_sets[0]).eval()
    for samples, expected in OUTPUTS[name].items():
        with torch.inference_mode():
            logits = network(signals(1, int(samples)), torch.tensor([int(samples)]))[0]
        ours = torch.tensor(expected)[OUR_ORDER]
        torch.testing.assert_close(logits, ours, atol=5e-5, rtol=5e-5)


@pytest.mark.parametrize(("size", "plus"), [("m", False), ("m", True), ("xl", False), ("xl", True)])
def test_the_size_is_found_by_names_and_shapes(size: str, plus: bool, tmp_path: Path) -> None:
    shapes = layout(size, plus=plus)
    state = {f"module.{name}": torch.zeros(shape) for name, shape in shapes}
    torch.save(state, tmp_path / "weights.pt")  # of a network in DataParallel
    model = import_state(tmp_path / "weights.pt", tmp_path / "model")
    assert model.recipe.name == f"dualnet-{'pp-' * plus}{size}-as-published"


@pytest.mark.parametrize(
    ("given", "classes"), [(None, ("N|O|~", "A")), ("af2", ("N|O|~", "A")), ("af_n", ("N", "A"))]
)
def test_two_classes(given: str | None, classes: tuple[str, ...], tmp_path: Path) -> None:
    torch.save(authors_state("s", classes=2), tmp_path / "two.pt")
    model = import_state(tmp_path / "two.pt", tmp_path / "model", given)
    assert model.classes["diagnosis"] == classes
    assert model.recipe.network.options["dropout"] == 0.3


def test_an_imported_model_predicts_and_can_be_published(
    folder_2017: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(authors_state("s"), tmp_path / "weights.pt")
    main([str(tmp_path / "weights.pt"), str(tmp_path / "model")])
    assert "dualnet-s-as-published, classes N, A, O, ~" in capsys.readouterr().out
    record = find_records(folder_2017)[0][0]
    export(tmp_path / "model", tmp_path / "published")
    named = [Model.load(tmp_path / each).predict(record).named() for each in ("model", "published")]
    assert sum(named[0].values()) == pytest.approx(1)
    assert named[0] == pytest.approx(named[1], abs=0.01)


class Runs:
    """An object that a pickle would build by running a function."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def faulty(kind: str, folder: Path) -> bytes:
    """Make a file that is no state dict of ECG-DualNet."""
    state, content = authors_state("s"), io.BytesIO()
    if kind == "text":
        return b"N,A,O\n"
    if kind == "executable":
        torch.save({"linear_layer_2.bias": torch.zeros(4), "x": Runs(folder / "run")}, content)
    elif kind == "old executable":
        return pickle.dumps(Runs(folder / "run"))
    elif kind == "network":
        torch.save(torch.nn.Linear(2, 2), content)
    elif kind == "numbers":
        torch.save({"epoch": 3, "state": state}, content)
    elif kind == "other":
        torch.save(torch.nn.Linear(2, 2).state_dict(), content)
    elif kind == "missing":
        del state["linear_layer_1.0.bias"]
        torch.save(state, content)
    elif kind == "shape":
        state["spectrogram_encoder.1.main_mapping_conv_1.weight"] = torch.zeros(32, 16, 5, 5)
        torch.save(state, content)
    elif kind == "nan":
        state["linear_layer_2.bias"][1] = torch.nan
        torch.save(state, content)
    elif kind == "torn":
        torch.save(state, content)
        return content.getvalue()[:-5000]
    elif kind == "compressed":
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("a/data.pkl", bytes(10_000_000))
    return content.getvalue()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("text", "holds more than weights, or is damaged"),
        ("executable", "holds more than weights, or is damaged"),
        ("old executable", "holds more than weights, or is damaged"),
        ("network", "holds more than weights, or is damaged"),
        ("numbers", "is no state dict"),
        ("other", "fits no ECG-DualNet with 4 classes; of dualnet-[a-z]* differ: missing .* more"),
        ("missing", "fits .*; of dualnet-s differ: missing joint.0.bias$"),
        ("shape", r"fits .*: blocks.1.first.weight has shape \(32, 16, 5, 5\), not"),
        ("nan", "'head.bias' holds NaN or infinity"),
        ("torn", "holds more than weights, or is damaged"),
        ("compressed", "is compressed; torch.save writes it uncompressed"),
    ],
)
def test_other_files_are_refused_and_execute_nothing(
    kind: str, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "weights.pt"
    file.write_bytes(faulty(kind, tmp_path))
    with pytest.raises(LeadwiseError, match=rf"weights.pt: {message}"):
        import_state(file, tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["weights.pt"]


def test_no_file_and_an_existing_folder(tmp_path: Path) -> None:
    with pytest.raises(LeadwiseError, match=r"none.pt: cannot be read: No such file"):
        import_state(tmp_path / "none.pt", tmp_path / "model")
    with pytest.raises(LeadwiseError, match="exists already; choose a new folder"):
        import_state(tmp_path / "none.pt", tmp_path)
