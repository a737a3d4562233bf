"""Kinds of inputs for `benchmarks.fuzz`: originals, how the commands read them, what they state.

Whether a mutant states another value, which no reader can know to be wrong, is judged by others:
of headers by wfdb's reader, of signals by checksums, of JSON and tables by their structure.
"""

import contextlib
import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks import mutants
from ecg.labels import CODES
from ecg.leads import LEAD_SETS, canonical_name
from ecg.records import find_records, read_record, write_record
from evaluate_model import evaluate
from models import find
from models.folder import FittedHead, ModelFolder, TrainedSet, write_model, write_weights
from models.model import Model
from models.network import build
from models.recipe import Recipe, part, recipe_to_json, vary
from scoring.challenge import headline
from scoring.outputs import save_outputs
from simulate import simulate
from training.cache import Cache, prepare_record
from training.checks import check_recipe, try_batch
from training.data import labelled_records, named_recipe, split_data
from training.mapped import MappedArrays
from training.settings import read_settings
from training.splits import check_folds

RECORDS = ("mat4", "mat5", "dat16", "dat212")  # the names of the records say how they are stored
LETTERS = "NAO~NA"
NO_LABEL = ("", "nan", "none", "unknown")

Answer = tuple[Any, set[str]]  # what is compared, and the sentences beside it


class Kind(NamedTuple):
    """One kind of input: its files, how one is mutated, read and judged."""

    folder: str
    files: tuple[str, ...]
    mutate: Callable[[np.random.Generator, bytes], bytes]
    use: Callable[[Path, str], Answer]  # folder and mutated file
    states_another: Callable[[Path, Path, str], bool]  # original folder, folder, file


# Originals


def small_recipe() -> Recipe:
    """Return a published recipe with a small network of two lead sets."""
    recipe = find("isibrno-basic")
    sizes = {"widths": (8, 8, 8, 8, 16), "units": 8}
    network = part(recipe.network.name, **{**recipe.network.options, **sizes})
    return vary(recipe, network=network, batch=16, lead_sets=(LEAD_SETS[12], LEAD_SETS[2]))


def write_originals(folder: Path) -> None:
    """Write records, a model, a recipe, outputs and tables."""
    import wfdb
    from scipy.io import savemat

    data, af = folder / "data", folder / "af"
    for name in ("data", "two", "af", "model", "recipe", "outputs"):
        (folder / name).mkdir()
    for number, name in enumerate(RECORDS):
        made = simulate(("AF",), seed=number, duration_s=3.0, fs=250.0)
        codes = CODES[number : number + 2]
        write_record(data, name, made.signal, made.leads, 250.0, codes=codes)
        digital = read_record(data / f"{name}.hea").digital()
        if name == "mat5":
            savemat(data / f"{name}.mat", {"val": digital}, do_compression=True)
        elif name.startswith("dat"):
            (data / f"{name}.mat").unlink()
            wfdb.wrsamp(name, 250, ["mV"] * 12, list(made.leads), d_signal=digital.T.astype(int),
                        fmt=[name.removeprefix("dat")] * 12, adc_gain=[500] * 12,
                        baseline=[0] * 12, write_dir=str(data))  # fmt: skip
            with open(data / f"{name}.hea", "a") as header:
                header.write(f"# Dx: {','.join(codes)}\n")
    write_record(folder / "two", "two", made.signal[:2], made.leads[:2], 250.0)
    rows = [f"{name}\t{number % 2}\tP{number}\n" for number, name in enumerate(RECORDS)]
    (data / "folds.tsv").write_text("record\tfold\tpatient\n" + "".join(rows))
    for number in range(len(LETTERS)):
        made = simulate(("NSR",), seed=number, duration_s=3.0, fs=300.0, leads=["I"])
        write_record(af, f"A{number}", made.signal, ["ECG"], 300.0)
    rows = [f"A{number},{letter}\n" for number, letter in enumerate(LETTERS)]
    (af / "REFERENCE.csv").write_text("".join(rows))
    _write_model(folder / "model")
    text = json.dumps(recipe_to_json(small_recipe()), indent=1)
    (folder / "recipe" / "recipe.json").write_text(text)
    for record in find_records(data)[0]:
        answer = Model.load(folder / "model").predict(record)
        save_outputs(folder / "outputs" / f"{record.name}.csv", record.name, answer.classes,
                     answer.labels.astype(int).tolist(), answer.probabilities.tolist())  # fmt: skip


def _write_model(folder: Path) -> None:
    recipe, classes, entries = small_recipe(), {"diagnosis": CODES}, []
    torch.manual_seed(0)
    heads = {"diagnosis": FittedHead(part("thresholds", values=(0.5,) * len(CODES)), {})}
    for leads in recipe.lead_sets:
        network = build(recipe, leads, classes)
        file, sha256 = write_weights(folder, f"{len(leads)}-leads", network.state_dict())
        entries.append(TrainedSet(leads, file, sha256, 1, heads))
    write_model(ModelFolder(folder, recipe, classes, tuple(entries)))


# How the commands read them


@cache
def _model(folder: Path) -> Model:
    return Model.load(folder)


def predicted(model: Model, path: Path) -> Answer:
    """Predict a record, as run_model.py does."""
    prediction = model.predict(read_record(path))
    values = np.round(prediction.probabilities, 4).tolist()
    texts = {message.text for message in prediction.warnings}
    return (prediction.leads, prediction.labels.tolist(), values), texts


def use_record(folder: Path, file: str) -> Answer:
    """Predict a record, read its labels, and prepare it for training."""
    path, recipe = folder / f"{Path(file).stem}.hea", small_recipe()
    answer, texts = predicted(_model(folder.parent / "model"), path)
    records, left_out = labelled_records(str(folder), recipe.heads)
    codes = [record.header.codes for record in records if record.name == path.stem]
    prepared = prepare_record(read_record(path), recipe)
    texts |= {message.text for message in (*left_out, *prepared.messages)}
    if prepared.channels is None:
        return (answer, codes, None), texts
    digest = hashlib.sha256(np.round(prepared.channels, 3).tobytes()).hexdigest()
    return (answer, codes, digest), texts


def use_model(folder: Path, file: str) -> Answer:
    """Load a model, and predict a record of twelve and one of two leads."""
    model, answers, texts = Model.load(folder), [], set[str]()
    for record in ("data/mat4.hea", "two/two.hea"):
        answer, own = predicted(model, folder.parent / record)
        answers.append(answer)
        texts |= {f"{record}: {text}" for text in own}
    return answers, texts


def use_recipe(folder: Path, file: str) -> Answer:
    """Read a recipe, check it and prepare a record, as a training does."""
    recipe = named_recipe(str(folder / file))
    check_recipe(recipe)
    try_batch(recipe)
    prepared = prepare_record(read_record(folder.parent / "data" / "mat4.hea"), recipe)
    return recipe_to_json(recipe), {message.text for message in prepared.messages}


def use_outputs(folder: Path, file: str) -> Answer:
    """Score outputs, as evaluate_model.py does."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        scores = evaluate(str(folder.parent / "data"), str(folder)).scores
    notes = {line for line in out.getvalue().splitlines() if line.startswith("- The output")}
    return {name: f"{value:.6f}" for name, value in headline(scores).items()}, notes


def use_reference(folder: Path, file: str) -> Answer:
    """Read the labels of 2017, as a training does."""
    records, left_out = labelled_records(str(folder), find("dualnet-house").heads)
    texts = {str(message) for message in left_out}
    return [(record.name, record.header.codes) for record in records], texts


def use_folds(folder: Path, file: str) -> Answer:
    """Split records by patients and by fold, as a training does."""
    recipe, (records, _) = small_recipe(), find_records(folder)
    indices = np.arange(len(records))
    cache = Cache(folder, MappedArrays(b"", np.float16, 12, 0 * indices), {}, None, indices, (), ())
    splits = []
    for fold in (None, "1"):
        check_folds(str(folder), records, fold)
        settings = replace(read_settings(), validation=fold)
        split = split_data(records, cache, str(folder), recipe, settings)
        splits.append(split.validation.tolist())
    return splits, set()


# Whether a mutant states another value, which no reader can know to be wrong


def header_states_another(original: Path, folder: Path, file: str) -> bool:
    """Check that wfdb reads in a header what we read, labels included."""
    import wfdb

    path = folder / file
    try:
        theirs = wfdb.rdheader(str(path.with_suffix("")))
        units = {"mv": 1.0, "uv": 1e-3, "v": 1e3, "nv": 1e-6}
        scales = [
            units.get(unit.casefold(), 1.0) / (gain or 200.0)
            for unit, gain in zip(theirs.units, theirs.adc_gain, strict=True)
        ]
        expected = (
            theirs.fs, theirs.sig_len or None, theirs.baseline, list(theirs.fmt),
            [canonical_name(name or "") for name in theirs.sig_name], _labels(theirs.comments),
        )  # fmt: skip
    except Exception:  # noqa: BLE001 - whatever wfdb refuses
        return False
    ours = read_record(path).header
    lines = ours.lines
    formats = [word.partition("x")[0].partition(":")[0].partition("+")[0] for word in lines.formats]
    actual = (
        ours.fs, ours.samples or None, list(lines.baselines), formats, list(ours.leads),
        set(ours.codes),
    )  # fmt: skip
    return expected == actual and np.allclose(scales, lines.mv_per_adu)


def _labels(comments: list[str]) -> set[str]:
    """Split the Dx lines of comments."""
    lists = [text for key, _, text in (each.partition(":") for each in comments)
             if key.strip().casefold() == "dx"]  # fmt: skip
    words = {word.strip() for text in lists for word in text.split(",")}
    return {word for word in words if word.casefold() not in NO_LABEL}


def signal_states_another(original: Path, folder: Path, file: str) -> bool:
    """Check that each lead's sum is its checksum, as if two flipped bits cancel each other."""
    import wfdb

    sums = read_record(folder / f"{Path(file).stem}.hea").digital().sum(axis=1, dtype=np.int64)
    stated = wfdb.rdheader(str((folder / file).with_suffix(""))).checksum
    return bool(np.all((sums - stated) % 2**16 == 0))


def json_states_another(original: Path, folder: Path, file: str) -> bool:
    """Compare the structure of two JSON files (or heads of safetensors files)."""
    one, other = (mutants.json_of((each / file).read_bytes()) for each in (original, folder))
    return mutants.alike(one, other)


def recipe_states_another(original: Path, folder: Path, file: str) -> bool:
    """Check that a recipe, written again, has all values of its file."""
    written, read = (folder / file).read_bytes(), recipe_to_json(named_recipe(str(folder / file)))
    return mutants.contains(json.loads(json.dumps(read)), json.loads(written))


def table_states_another(original: Path, folder: Path, file: str) -> bool:
    """Check that two tables differ only in numbers, letters of 2017 and names of patients."""
    one, other = ((each / file).read_bytes().split(b"\n") for each in (original, folder))
    return len(one) == len(other) and all(map(mutants.same_cells, one, other))


def folds_state_another(original: Path, folder: Path, file: str) -> bool:
    """Check that two tables of folds differ only in numbers of folds and names of patients."""
    one, other = (
        [line.split("\t") for line in (each / file).read_text().splitlines()]
        for each in (original, folder)
    )
    return len(one) == len(other) and all(
        len(row) == len(new) and row[0] == new[0] and (row[1] == new[1] or new[1].isdecimal())
        for row, new in zip(one, other, strict=True)
    )


HEADERS = tuple(f"{name}.hea" for name in RECORDS)
SIGNALS = ("mat4.mat", "mat5.mat", "dat16.dat", "dat212.dat")
KINDS = {
    "headers": Kind("data", HEADERS, mutants.header, use_record, header_states_another),
    "signals": Kind("data", SIGNALS, mutants.binary, use_record, signal_states_another),
    "model": Kind("model", ("model.json",), mutants.json_text, use_model, json_states_another),
    "weights": Kind("model", ("*.safetensors",), mutants.safetensors, use_model,
                    json_states_another),
    "recipe": Kind("recipe", ("recipe.json",), mutants.json_text, use_recipe,
                   recipe_states_another),
    "outputs": Kind("outputs", tuple(f"{name}.csv" for name in RECORDS), mutants.text, use_outputs,
                    table_states_another),
    "reference": Kind("af", ("REFERENCE.csv",), mutants.text, use_reference, table_states_another),
    "folds": Kind("data", ("folds.tsv",), mutants.text, use_folds, folds_state_another),
}  # fmt: skip
