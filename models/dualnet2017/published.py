"""Weights of the public code: a state dict becomes a model folder with a recipe as published.

Only weights are read (`torch.load(weights_only=True)`): no code in the file is executed, and
compressed files are refused.  Names and shapes of the file's tensors are facts of
github.com/ChristophReich1996/ECG_Classification, 3694a7e, on which tests repeat the authors'
outputs.  The public order of classes, N, O, A, ~, becomes N, A, O, ~.
"""

import hashlib
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ecg import FAILURES, LeadwiseError
from ecg.files import file_size, make_folder
from ecg.labels import POLICIES
from ecg.leads import SINGLE
from models.dualnet2017.recipes import FAMILY, as_published, pre_training, two_classes
from models.folder import FittedHead, ModelFolder, TrainedSet, write_model, write_weights
from models.network import skeleton
from models.recipe import Recipe, part, vary
from models.typed import shown

MOST_BYTES = 1 << 30  # ++130M has 512 MB
SHOWN = 3  # faults in a message
CLASSES = ("af", "af2", "af_n", "icentia")
ORDERS = {"af": (0, 2, 1, 3)}  # rows of the last layer, in our order of classes
# Parts of the authors' names and of ours.
NAMES = {
    "ecg_encoder.weight_": "encoder.lstm.weight_",
    "ecg_encoder.bias_": "encoder.lstm.bias_",
    "ecg_encoder.layers.": "encoder.layers.layers.",
    "ecg_encoder.norm.": "encoder.layers.norm.",
    "positional_embedding": "encoder.position",
    "spectrogram_encoder.": "blocks.",
    "main_mapping_conv_1.": "first.",
    "main_mapping_norm_1.": "first_norm.",
    "main_mapping_act_1.": "activation.",
    "main_mapping_conv_2.": "second.",
    "main_mapping_norm_2.": "second_norm.",
    "input_mapping_conv.": "first.",
    "input_mapping_norm.": "first_norm.",
    "input_mapping_act.": "activation.",
    "axial_attention_mapping.0.": "over_time.",
    "axial_attention_mapping.1.": "over_bins.",
    "output_mapping_conv.": "second.",
    "output_mapping_norm.": "second_norm.",
    "residual_mapping.": "shortcut.",
    "final_activation.": "last_activation.",
    "batch_normalization.": "norm.",
    "linear_mapping.": "condition.",
    "query_key_value_mapping.0.": "project.",
    "query_key_value_mapping.1.": "norm.",
    "relative_embeddings": "relative",
    "similarity_normalization.": "map_norm.",
    "output_normalization.": "out_norm.",
    "weight_numerator": "numerator",
    "weight_denominator": "denominator",
    "linear_layer_1.": "joint.",
    "linear_layer_2.": "head.",
}
_PARTS = re.compile("|".join(map(re.escape, sorted(NAMES, key=len, reverse=True))))
CONSTANT = ".relative_indexes"  # of distances: computed here


def read_state(file: Path) -> dict[str, torch.Tensor]:
    """Read the tensors of a state dict; nothing in the file is executed.

    Raises
    ------
    LeadwiseError
        The file cannot be read, is no state dict, or is compressed.
    """
    try:
        if file_size(file) > MOST_BYTES:
            raise LeadwiseError(f"{file}: is larger than 1 GB, which no ECG-DualNet is")
        _check_stored(file)
        with warnings.catch_warnings(action="ignore"):  # of other pickle protocols
            content = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise LeadwiseError(f"{file}: cannot be read: {error.strerror or error}") from error
    except LeadwiseError:
        raise
    except (pickle.UnpicklingError, *FAILURES, EOFError, TypeError, AttributeError) as error:
        raise LeadwiseError(
            f"{file}: holds more than weights, or is damaged; give the file that "
            "torch.save(network.state_dict()) wrote"
        ) from error
    if not isinstance(content, Mapping) or not all(
        isinstance(name, str) and isinstance(one, torch.Tensor) for name, one in content.items()
    ):
        raise LeadwiseError(f"{file}: is no state dict; give the file network.state_dict() made")
    return dict(content)


def _check_stored(file: Path) -> None:
    """Refuse compressed files, which could unpack to any size; torch does not compress."""
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as packed:
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in packed.infolist()):
                raise LeadwiseError(f"{file}: is compressed; torch.save writes it uncompressed")


def renamed(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Give the authors' tensors our names and shapes."""
    weights = {}
    for name, tensor in state.items():
        own = _PARTS.sub(lambda found: NAMES[found[0]], name.removeprefix("module."))
        if own.endswith(CONSTANT):
            continue
        if own == "encoder.position" and tensor.ndim == 3:
            tensor = tensor[:, 0]  # (windows, 1, 256)
        if own.endswith("project.weight") and tensor.ndim == 3:
            tensor = tensor[..., None]  # a 1 × 1 convolution in one dimension
        weights[own] = tensor.float() if tensor.is_floating_point() else tensor
    return weights


def candidates(classes: str) -> dict[str, Recipe]:
    """Give the recipes as published of all sizes, for these classes of `POLICIES`."""
    recipes = {}
    for name, base in FAMILY.items():
        if classes in ("af2", "af_n"):
            base = two_classes(base, classes, 0.2)
        elif classes == "icentia":
            base = pre_training(base, name)
        recipe = as_published(base)
        recipes[name] = vary(recipe, name=f"{name}-as-published" if classes == "af" else
                             f"{name}-{classes}-as-published")  # fmt: skip
    return recipes


def matching(
    file: Path, weights: Mapping[str, torch.Tensor], classes: str
) -> tuple[Recipe, tuple[str, ...]]:
    """Find the recipe whose network has tensors of these names and shapes, and its classes.

    Raises
    ------
    LeadwiseError
        No network has them; the message names what differs from the most similar one.
    """
    names = POLICIES[classes]([])
    faults = {}
    for size, recipe in candidates(classes).items():
        expected = skeleton(recipe, (SINGLE,), {"diagnosis": names}).state_dict()
        faults[size] = _faults(weights, expected)
        if not faults[size]:
            return recipe, names
    size, nearest = min(faults.items(), key=lambda item: len(item[1]))
    more = f"; {len(nearest) - SHOWN} more" if len(nearest) > SHOWN else ""
    raise LeadwiseError(
        f"{file}: fits no ECG-DualNet with {len(names)} classes; of {size} differ: "
        f"{'; '.join(nearest[:SHOWN])}{more}"
    )


def _faults(weights: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> list[str]:
    return [
        *(f"missing {name}" for name in expected if name not in weights),
        *(f"unknown {shown(name)}" for name in weights if name not in expected),
        *(
            f"{name} has shape {tuple(weights[name].shape)}, not {tuple(one.shape)}"
            for name, one in expected.items()
            if name in weights and weights[name].shape != one.shape
        ),
    ]


def import_state(file: Path, out: Path, classes: str | None = None) -> ModelFolder:
    """Write a model folder with the weights of the authors' state dict.

    Parameters
    ----------
    classes : str, optional
        Key of `POLICIES`; by default `af` for four classes and `af2` for two.

    Raises
    ------
    LeadwiseError
        The file cannot be used, or OUT exists.
    """
    if out.exists():
        raise LeadwiseError(f"{out}: exists already; choose a new folder")
    weights = renamed(read_state(file))
    count = len(weights["head.bias"]) if "head.bias" in weights else 4
    classes = classes or ("af2" if count == 2 else "af")
    recipe, names = matching(file, weights, classes)
    for name, tensor in weights.items():
        if not torch.isfinite(tensor).all():
            raise LeadwiseError(f"{file}: {shown(name)} holds NaN or infinity")
    order = list(ORDERS.get(classes, range(len(names))))
    weights |= {name: weights[name][order] for name in ("head.weight", "head.bias")}
    training: dict[str, Any] = {
        "command": f"import_dualnet {file.name} OUT",
        "imported": {"file": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()},
    }
    make_folder(out)
    stored, sha256 = write_weights(out, "1-leads", weights)
    heads = {"diagnosis": FittedHead(part("highest"), {})}
    trained = TrainedSet((SINGLE,), stored, sha256, 0, heads)
    model = ModelFolder(out, recipe, {"diagnosis": names}, (trained,), training)
    write_model(model)
    return model
