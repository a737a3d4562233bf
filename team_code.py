"""The story on one page: train a network for each lead set, load the right one, answer records.

The organisers' drivers call `training_code`, `load_model` and `run_model`; ours do the same.
Research use, not a medical device.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from ecg import LeadwiseError
from ecg.files import make_folder, remove_drafts, sync_folder
from ecg.headers import Message, parse_header
from ecg.lock import locked, remove_all_but
from ecg.progress import duration, log
from ecg.records import Record
from models.classifier import Classifier
from models.folder import ModelFolder, TrainedSet, write_model, write_weights
from models.recipe import Recipe
from training.beginning import Beginning, LeadSet, beginnings, begun
from training.cache import fingerprint, open_cache
from training.data import chosen_recipe, divide, labelled_records, report, say_rates
from training.items import items_of
from training.loop import Task, check_names, fit_decision, train, training_key
from training.results import write_history, write_problems
from training.rules import read_answers
from training.settings import Settings, device_of, precision_of, read_settings, workers_of
from training.teaching import First, check_teaching, taught

Answers = tuple[Sequence[str], Sequence[int], Sequence[float]]


def training_code(data_directory: str, model_directory: str) -> None:
    """Train a network for each lead set and leave them in the model folder.

    Interrupted and called again on the same data it goes on where it was; settings are the
    environment variables of `training.settings`.

    Raises
    ------
    LeadwiseError
        Nothing can be learned from this folder, or the model folder cannot be written.
    """
    started = time.monotonic()
    settings = read_settings()
    recipe, device = chosen_recipe(settings), device_of(settings)
    check_names(recipe)
    check_teaching(recipe)
    begins = beginnings(settings.begin, recipe)
    folder, state = Path(model_directory), Path(model_directory, "state")
    lock = state / "lock"
    with locked(lock, "trains here; let it end, stop it, or choose another model folder"):
        make_folder(folder)
        remove_drafts(folder)
        remove_drafts(state)
        _say_what_is_there(folder, state)
        _train_lead_sets(data_directory, folder, settings, recipe, device, begins, started)
        sync_folder(folder)
        remove_all_but(state, lock)
    with suppress(OSError):  # another process may train here already
        state.rmdir()
    sets = len(recipe.lead_sets)
    log(f"Trained {sets} lead sets in {duration(time.monotonic() - started)}: {folder}")


def _say_what_is_there(folder: Path, state: Path) -> None:
    """Say that a finished model is about to be replaced: whoever did not mean to can still stop."""
    if (folder / "model.json").exists() and not any(state.glob("*.safetensors")):
        log(
            f"{folder}: holds a finished model; it is trained anew, and the old one stays until "
            "the first lead set has ended. To keep it, choose another model folder."
        )


def _train_lead_sets(
    data_directory: str, folder: Path, settings: Settings, recipe: Recipe, device: torch.device,
    begins: Mapping[LeadSet, Beginning], started: float,
) -> None:  # fmt: skip
    """Prepare the records, train each lead set, and write what can be used after each."""
    state = folder / "state"
    records, left_out = labelled_records(data_directory, recipe.classes, exclusive=recipe.exclusive)
    data_key = fingerprint(records)  # before they are read: a later change is one of the data
    cache_folder, keep = (Path(settings.cache), True) if settings.cache else (state, False)
    cache = open_cache(records, recipe, cache_folder, workers_of(settings), keep=keep)
    report([*left_out, *cache.left_out], cache.warnings)
    say_rates(records, recipe)
    write_problems(folder, [*left_out, *cache.left_out], cache.warnings)
    data = divide(records, cache, data_directory, recipe, settings)
    learn, choose = np.flatnonzero(~data.validation), np.flatnonzero(data.validation)
    judged = [records[at] for at in cache.usable[choose]] if recipe.rules != "off" else []
    answers = read_answers(judged, recipe.lead_sets, workers_of(settings))
    del records, judged  # 3 kB each

    log(f"{recipe.name}: {len(recipe.lead_sets)} lead sets, at most {recipe.epochs} epochs each, "
        f"budget {duration(60 * recipe.minutes)} for all.")  # fmt: skip
    precision = precision_of(settings, device)
    key = training_key(recipe, device, precision, data_key, data.labels, data.validation)
    about = {"data": data_key, "learned": len(learn), "chosen": len(choose),
             "device": str(device), "precision": precision,
             "command": " ".join(sys.argv)}  # fmt: skip
    if begins:
        sources = {f"{len(leads)}-leads": one.sha256 for leads, one in begins.items()}
        about["begin"] = {"model": settings.begin, **sources}
    spent = time.monotonic() - started
    trained: list[TrainedSet] = []
    first: First | None = None
    history = {}
    for place, leads in enumerate(recipe.lead_sets):
        name, sets_left = f"{len(leads)}-leads", len(recipe.lead_sets) - place
        items = items_of(data.signals, data.labels, leads, recipe, data.known)
        asked = time.monotonic()
        task = begun(Task(name, key, recipe, leads, data.classes, device, precision), begins)
        task, to_learn = taught(task, items.part(learn), first)
        spent += time.monotonic() - asked
        seconds = (60 * recipe.minutes - spent) / sets_left
        ended = train(
            task, to_learn, items.part(choose), seconds, state / f"{name}.safetensors", sets_left,
        )  # fmt: skip
        spent += ended.used_s  # also what an interrupted training had used
        best = ended.history[ended.best_epoch - 1]
        decision, rules = fit_decision(task, ended, items.part(choose), answers[leads])
        file, sha256 = write_weights(folder, name, ended.best)
        first = first or First(task, to_learn, ended.best, sha256)
        scores = {recipe.select: best["score"]}
        trained.append(TrainedSet(leads, file, sha256, decision, ended.best_epoch, scores, rules))
        history[f"{len(leads)} leads"] = ended.history
        took = {"minutes": round(spent / 60, 1)}
        write_model(ModelFolder(folder, recipe, data.classes, tuple(trained), {**about, **took}))
        write_history(folder, history)


def load_model(model_directory: str, leads: tuple[str, ...]) -> Classifier:
    """Load the network that serves records of these leads best; any leads will do.

    Raises
    ------
    LeadwiseError
        The folder holds no usable model.
    """
    return Classifier.load(model_directory, leads, device_of(read_settings()))


def run_model(model: Classifier, header: str, recording: np.ndarray) -> Answers:
    """Answer a record.

    Parameters
    ----------
    model : Classifier
        From `load_model`.
    header : str
        Text of the .hea file.
    recording : np.ndarray of shape (leads, samples)
        Digital units, rows in the header's order.

    Returns
    -------
    classes, labels, probabilities
        SNOMED CT codes; 0 or 1; 0–1.  All empty, which the drivers write as a failed record, if
        the record cannot be answered: the organisers' driver would swallow an exception unsaid.
    """
    name = header.split(maxsplit=1)[0] if header.strip() else "record without header"
    try:
        answer = model.answer(Record(parse_header(header, name), recording=recording))
    except LeadwiseError as error:
        _note(f"No answer: {error}")
        return (), (), ()
    for remark in answer.warnings:
        _note_once(remark)
    return model.classes, answer.labels.astype(int).tolist(), answer.probabilities.tolist()


_said: set[str] = set()


def _note_once(remark: Message) -> None:
    """Say what is odd about a record; what all records share (missing leads, their rate) once."""
    shared = remark.kind in ("missing leads", "filter beyond rate")
    text = remark.text if shared else str(remark)
    if text not in _said:
        _said.add(text)
        _note(f"Note: {text}")


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
