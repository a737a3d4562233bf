"""One training from start to end: read, split, train each lead set, fit decisions, save."""

import math
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from ecg import LeadwiseError
from ecg.files import atomic_write, make_folder, remove_drafts, sync_folder
from ecg.headers import Message
from ecg.lock import locked, remove_all_but
from ecg.plots import COLOURS, new_figure, plain, save
from ecg.progress import duration, log
from models.device import device_of, precision_of
from models.folder import ModelFolder, TrainedSet, write_model, write_weights
from models.recipe import Recipe, for_leads
from training.budget import TooShort, TotalBudget, process_age, reserve_of
from training.cache import fingerprint, open_cache
from training.checks import check_recipe, try_batch
from training.data import (
    chosen_recipe,
    labelled_records,
    log_problems,
    log_rates,
    split_data,
    with_known_leads,
)
from training.decisions import read_answers
from training.evaluate import LeadSetRun, fit_heads, scored_records
from training.loop import train, training_key
from training.selection import selected
from training.settings import Settings, workers_of
from training.splits import check_folds
from training.summary import Result, summary_lines
from training.transfer import (
    FirstRun,
    LeadSet,
    Pretrained,
    initialised,
    read_pretrained,
    transferred,
)

COLUMNS = ("epoch", "loss", "score", "threshold", "lr")
DRAWN = 500  # points of the loss by step in the picture

History = Mapping[str, Sequence[Mapping[str, float]]]  # of each lead set, one row per epoch
Steps = Mapping[str, Sequence[float]]  # of each lead set, the loss of each step


def train_folder(data_folder: str, model_folder: str, settings: Settings) -> None:
    """Train a network for each lead set and write the model folder.

    An interrupted training that is started again on the same data continues after its last epoch.

    Raises
    ------
    LeadwiseError
        The data folder has no usable record, or the model folder cannot be written.
    """
    recipe, device = chosen_recipe(settings), device_of(settings.device)
    seconds = 60 * recipe.minutes
    budget = TotalBudget(
        seconds, len(recipe.lead_sets), age_s=process_age(), reserve_s=reserve_of(seconds)
    )
    if settings.epochs and settings.epochs > recipe.epochs:
        log(f"{recipe.name}: has {recipe.epochs} epochs, so --epochs {settings.epochs} has no "
            "effect; a recipe file may have more.")  # fmt: skip
    check_recipe(recipe)
    try_batch(recipe)
    pretrained = read_pretrained(settings.init_from, recipe)
    folder, state = Path(model_folder), Path(model_folder, "state")
    lock = state / "lock"
    with locked(lock, "trains here; wait for it, stop it, or choose another model folder"):
        make_folder(folder)
        remove_drafts(folder)
        remove_drafts(state)
        _warn_of_finished_model(folder, state)
        results = _train_lead_sets(
            data_folder, folder, settings, recipe, device, pretrained, budget
        )
        sync_folder(folder)
        remove_all_but(state, lock)
    with suppress(OSError):  # another process may already train here
        state.rmdir()
    log(f"Lead sets trained: {len(results)} of {len(recipe.lead_sets)}, in "
        f"{duration(budget.spent_s)}: {folder}")  # fmt: skip
    for line in summary_lines(recipe, results):
        log(line)


def _warn_of_finished_model(folder: Path, state: Path) -> None:
    """Log that this training will replace a finished model, so that the user can stop it."""
    if (folder / "model.json").exists() and not any(state.glob("*.safetensors")):
        log(
            f"{folder}: holds a finished model, which is replaced when the first lead set is "
            "trained. To keep it, choose another model folder."
        )


def _train_lead_sets(
    data_folder: str, folder: Path, settings: Settings, recipe: Recipe, device: torch.device,
    pretrained: dict[LeadSet, Pretrained], budget: TotalBudget,
) -> list[Result]:  # fmt: skip
    """Prepare the records, train each lead set, and write a usable model after each."""
    state, workers = folder / "state", workers_of(settings)
    precision = precision_of(settings.precision, device)
    records, left_out = labelled_records(data_folder, recipe.heads, settings.rename or ())
    records, unknown = with_known_leads(records, recipe)
    records, unselected = selected(records, recipe)
    left_out += [*unknown, *unselected]
    check_folds(data_folder, records, settings.validation)
    data_key = fingerprint(records, recipe)  # before reading, to detect later changes
    cache_folder, keep = (Path(settings.cache), True) if settings.cache else (state, False)
    cache = open_cache(records, recipe, cache_folder, workers, keep=keep, budget=budget)
    left_out = [*left_out, *cache.left_out]
    log_problems(left_out, cache.warnings)
    log_rates(records, recipe)
    write_problems(folder, left_out, cache.warnings)
    data = split_data(records, cache, data_folder, recipe, settings)
    train_indices, validation_indices = (
        np.flatnonzero(part) for part in (~data.validation, data.validation)
    )
    with_rules = any(head.rules != "off" for head in recipe.heads)
    judged = [records[index] for index in cache.usable[validation_indices]] if with_rules else []
    detector = "published" if any(head.rules == "published" for head in recipe.heads) else "house"
    answers = read_answers(judged, recipe.lead_sets, workers, budget, detector)
    del records, judged  # 3 kB of memory per record

    log(f"{recipe.name}: lead sets: {len(recipe.lead_sets)}, epochs: at most {recipe.epochs} each, "
        f"budget: {duration(budget.seconds)} for all, {duration(budget.spent_s)} of it used to "
        "prepare.")  # fmt: skip
    labels = {**data.labels, **{f"taught {name}": one for name, one in data.taught.items()}}
    key = training_key(recipe, device, precision, data_key, labels, data.validation)
    about = {"data": data_key, "train_records": len(train_indices),
             "validation_records": len(validation_indices), "device": str(device),
             "precision": precision, "command": " ".join(sys.argv)}  # fmt: skip
    if pretrained:
        sources = {f"{len(leads)}-leads": one.sha256 for leads, one in pretrained.items()}
        about["init_from"] = {"model": settings.init_from, **sources}
    trained: list[TrainedSet] = []
    results: list[Result] = []
    first: FirstRun | None = None
    history, step_losses = {}, {}
    for leads in recipe.lead_sets:
        name = f"{len(leads)}-leads"
        state_file = state / f"{name}.safetensors"
        if not state_file.exists():
            if not trained and budget.left_s <= 0:
                raise LeadwiseError(_used_up(budget))
            if trained and budget.too_short:
                log(f"{name}: not trained; {_used_up(budget)}")
                continue
        budget.started()
        of_leads = for_leads(recipe, leads)
        dataset = data.dataset(leads, of_leads)
        key_of_set = {**key, "leads": ", ".join(leads)}
        run = LeadSetRun(name, key_of_set, of_leads, leads, data.classes, device, precision)
        run, train_part = transferred(
            initialised(run, pretrained), dataset.subset(train_indices), first
        )
        validation_part = dataset.subset(validation_indices)
        scored = train_indices[scored_records(len(train_indices), len(validation_indices))]
        try:
            ended = train(
                run, train_part, validation_part, dataset.subset(scored), budget, state_file
            )
        except TooShort as error:
            if not trained:
                raise
            log(f"{name}: not trained; {error}")
            continue
        ended_s = budget.spent_s
        heads, scores = fit_heads(run, ended, validation_part, answers[leads])
        file, sha256 = write_weights(folder, name, ended.best)
        first = first or FirstRun(run, train_part, ended.best, sha256)
        trained.append(TrainedSet(leads, file, sha256, ended.best_epoch, heads))
        results.append(Result(name, ended.scores, ended.best_epoch, scores))
        history[f"{len(leads)} leads"] = ended.history
        step_losses[f"{len(leads)} leads"] = ended.step_losses
        took = {"minutes": round(budget.spent_s / 60, 1)}
        write_model(ModelFolder(folder, recipe, data.classes, tuple(trained), {**about, **took}))
        write_history(folder, history, step_losses)
        budget.finished(budget.spent_s - ended_s)
    return results


def _used_up(budget: TotalBudget) -> str:
    return (
        f"the budget of {duration(budget.seconds)} is used up after {duration(budget.spent_s)}; "
        "set more minutes (LEADWISE_MINUTES), or fewer lead sets"
    )


def write_history(folder: Path, history: History, step_losses: Steps) -> None:
    """Write `history.tsv`, one row per epoch, `steps.tsv`, one per step, and `training.png`.

    Parameters
    ----------
    history : mapping
        From the lead set's name (`12 leads`) to its rows.  Losses and scores of further heads, and
        the score of some training records, have columns of their own.
    step_losses : mapping
        From the lead set's name to the loss of each batch.
    """
    rows = [row for rows in history.values() for row in rows]
    further = sorted({name for row in rows for name in row} - set(COLUMNS))
    columns = (*COLUMNS, *further)
    lines = ["\t".join(("lead_set", *columns))]
    for name, epochs in history.items():
        lines += [
            "\t".join([name, *(f"{row.get(key, math.nan):.6g}" for key in columns)])
            for row in epochs
        ]
    with atomic_write(folder / "history.tsv") as draft:
        draft.write_text("\n".join(lines) + "\n", encoding="utf-8")
    lines = ["lead_set\tstep\tloss"]
    for name, losses in step_losses.items():
        lines += [f"{name}\t{step}\t{loss:.6g}" for step, loss in enumerate(losses, 1)]
    with atomic_write(folder / "steps.tsv") as draft:
        draft.write_text("\n".join(lines) + "\n", encoding="utf-8")
    plot_training(folder / "training.png", history, step_losses)


def plot_training(path: Path, history: History, step_losses: Steps) -> None:
    """Draw loss by step and epoch, and scores by epoch, one line per lead set.

    The best epoch is marked; the score of training records is dashed.

    Parameters
    ----------
    path : Path
        .png, .svg or .pdf.
    history, step_losses : mapping
        As for `write_history`.
    """
    from matplotlib.ticker import MaxNLocator

    all_epochs = [row["epoch"] for rows in history.values() for row in rows]
    figure = new_figure(10, 4.4)
    loss_axes, score_axes = figure.subplots(1, 2)
    for index, (name, rows) in enumerate(history.items()):
        colour = COLOURS[index % len(COLOURS)]
        epochs = np.array([row["epoch"] for row in rows], float)
        scores = np.array([row["score"] for row in rows], float)
        line = {"color": colour, "linewidth": 1.6, "marker": "." if len(rows) < 3 else None}
        loss_axes.plot(epochs, [row["loss"] for row in rows], **line)
        if losses := step_losses.get(name):
            blocks = np.array_split(losses, min(DRAWN, len(losses)))
            ends = np.cumsum([len(block) for block in blocks]) * epochs[-1] / len(losses)
            by_step = [float(block.mean()) for block in blocks]
            loss_axes.plot(ends, by_step, color=colour, linewidth=0.8, alpha=0.4)
        label = f"{name}: no score"
        if np.isfinite(scores).any():
            best = int(np.nanargmax(scores))
            label = f"{name}: {scores[best]:.3f}, epoch {epochs[best]:g}"
            score_axes.plot(epochs[best], scores[best], "o", color=colour, markersize=7)
        score_axes.plot(epochs, scores, label=label, **line)
        of_training = [row.get("training score", np.nan) for row in rows]
        score_axes.plot(epochs, of_training, **{**line, "linestyle": "--", "linewidth": 1.0})
    for axes, title in (
        (loss_axes, "training loss"),
        (score_axes, "score: validation, training dashed"),
    ):
        axes.set(xlabel="epoch", title=title)
        axes.set_xlim(min(all_epochs) - 0.5, max(all_epochs) + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        plain(axes)
    score_axes.legend(title="best", frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
    figure.tight_layout()
    save(figure, path)


def write_problems(folder: Path, left_out: Sequence[Message], warnings: Sequence[Message]) -> None:
    """Write `problems.tsv`: why records are left out, and warnings on the others."""
    lines = ["record\tused\tkind\twhat"]
    for used, messages in (("no", left_out), ("yes", warnings)):
        lines += [f"{one.record}\t{used}\t{one.kind}\t{one.text}" for one in messages]
    with atomic_write(folder / "problems.tsv") as draft:
        draft.write_text("\n".join(lines) + "\n", encoding="utf-8")
