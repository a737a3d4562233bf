"""Fuzz the readers: mutants of records, models, recipes and tables must be right or refused.

    python -m benchmarks.fuzz [--mutants 10000] [--seed 0] [--only headers,signals]

Each mutant is read by the functions that the commands call, in a process with limits of 5 s and
1 GB.  A mutant is

    right      the answer is that of the original
    refused    with a sentence
    warned     another answer, and a sentence beside it
    other      another answer, for what the mutant states; no reader can know that it is wrong

or a fault: `silent` (another answer without a word), `traceback`, `slow`, `memory`.  Whether a
header states another value is judged by wfdb's reader, of JSON and tables by their structure.
"""

import contextlib
import hashlib
import io
import json
import os
import shutil
import sys
import tempfile
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks import mutants
from benchmarks.common import parse_options, print_table, run
from benchmarks.limits import FAULTS, Outcome, outcomes
from ecg import LeadwiseError
from ecg.labels import CODES
from ecg.leads import LEAD_SETS, canonical_name
from ecg.progress import quiet_pipe
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
from training.cache import Cache, MappedArrays, prepare_record
from training.data import labelled_records, named_recipe, split_data
from training.run import check_recipe, try_batch
from training.settings import read_settings
from training.splits import check_folds

EXAMPLES = 5
OUTCOMES = ("right", "refused", "warned", "other", *FAULTS)
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
    for each in (data, af, folder / "model", folder / "recipe", folder / "outputs"):
        each.mkdir()
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
    data = folder.parent / "data"
    answers, texts = [], set[str]()
    for name, leads in (("own", None), ("two", ("I", "II"))):
        answer, own = predicted(Model.load(folder, leads), data / "mat4.hea")
        answers.append(answer)
        texts |= {f"{name} leads: {text}" for text in own}
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
    cache = Cache(folder, MappedArrays(b"", np.float16, 12, 0 * indices), {}, indices, (), ())
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


def never(original: Path, folder: Path, file: str) -> bool:
    """Signals have checksums: each change can be seen."""
    return False


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
    "signals": Kind("data", SIGNALS, mutants.binary, use_record, never),
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


# One mutant


def _files(base: Path, name: str) -> list[str]:
    folder = base / KINDS[name].folder
    return sorted(path.name for pattern in KINDS[name].files for path in folder.glob(pattern))


def judge(base: Path, seed: int, name: str, number: int) -> Outcome:
    """Make a mutant of an input and see what its readers do."""
    kind, original = KINDS[name], base / KINDS[name].folder
    generator = np.random.default_rng([seed, list(KINDS).index(name), number])
    files = _files(base, name)
    file = files[generator.integers(len(files))]
    content = kind.mutate(generator, (original / file).read_bytes())
    folder = base / "mutants" / f"{os.getpid()}" / kind.folder
    shutil.rmtree(folder.parent, ignore_errors=True)
    shutil.copytree(base, folder.parent, ignore=shutil.ignore_patterns("mutants"))
    (folder / file).write_bytes(content)
    if name == "weights":  # the sha256 is right
        text = (folder / "model.json").read_text()
        old = hashlib.sha256((original / file).read_bytes()).hexdigest()
        new = hashlib.sha256(content).hexdigest()
        (folder / "model.json").write_text(text.replace(old, new))
    right, usual = _original(base, name, file)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            answer, texts = kind.use(folder, file)
    except LeadwiseError as error:
        return Outcome(name, number, "refused", str(error))
    except MemoryError:
        return Outcome(name, number, "memory", traceback.format_exc(limit=-2))
    except Exception:  # noqa: BLE001 - this is what is looked for
        return Outcome(name, number, "traceback", traceback.format_exc(limit=-2))
    texts |= _lines(said)
    if repr(answer) == repr(right):
        return Outcome(name, number, "right", "")
    if texts - usual:
        return Outcome(name, number, "warned", "; ".join(texts - usual))
    if kind.states_another(original, folder, file):
        return Outcome(name, number, "other", "")
    return Outcome(
        name, number, "silent", mutants.difference((original / file).read_bytes(), content)
    )


@cache
def _original(base: Path, name: str, file: str) -> Answer:
    kind, said = KINDS[name], io.StringIO()
    with contextlib.redirect_stderr(said):
        answer, texts = kind.use(base / kind.folder, file)
    return answer, texts | _lines(said)


def _lines(said: io.StringIO) -> set[str]:
    """Return what was logged, without the line that each split ends with."""
    return {line for line in said.getvalue().splitlines() if "validation records." not in line}


@quiet_pipe()
def main() -> None:
    """Run the command."""
    options = parse_options(__doc__, mutants=10_000, seed=0, only="", workers=2)
    names = options.only.split(",") if options.only else list(KINDS)
    if unknown := set(names) - set(KINDS):
        raise LeadwiseError(f"no kind {', '.join(unknown)}; known are {', '.join(KINDS)}")
    torch.set_num_threads(1)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    examples: dict[str, list[Outcome]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        write_originals(base)
        for name in names:  # once here, so that imports and originals are not timed
            for file in _files(base, name):
                _original(base, name, file)
        tasks = ((names[number % len(names)], number) for number in range(options.mutants))
        work = partial(judge, base, options.seed)
        for outcome in outcomes(work, tasks, options.workers):
            counts[outcome.kind][outcome.outcome] += 1
            if outcome.outcome in FAULTS and len(examples[outcome.kind]) < EXAMPLES:
                examples[outcome.kind].append(outcome)
    print_table(("kind", "mutants", *OUTCOMES), (
        (name, str(counts[name].total()), *(str(counts[name][each]) for each in OUTCOMES))
        for name in names
    ))  # fmt: skip
    for name in names:
        for outcome in examples[name]:
            print(f"\n{name} {outcome.number}, {outcome.outcome}: {outcome.detail.strip()}")
    faults = sum(counts[name][each] for name in names for each in FAULTS)
    if faults:
        sys.exit(f"{faults} faults of {options.mutants} mutants (seed {options.seed})")


if __name__ == "__main__":
    run(main)
