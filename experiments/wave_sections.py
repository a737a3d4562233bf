"""Further tables of HeartlyAI's studies: scores of the marks that their networks make."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.marks import score_beats, score_waves
from benchmarks.waves import wave_cells
from datasets.sources import source_of
from docs.generate import table
from ecg.records import Record, find_records
from experiments.grid import Grid
from experiments.outputs import NO, measured
from experiments.results import Result
from models.model import Model
from models.segmenter import Segmenter
from training.settings import read_settings

OFF = 1e-9  # weight of a loss: its gradients are far below those of others and below Adam's ε


def marks(_: Grid, results: Sequence[Result], __: Path) -> list[str]:
    """Score diagnoses on the test fold, and waves on LUDB's records of the validation fold.

    A task that a network has not learned has no score.
    """
    rows = []
    for result in results:
        learned = {head.name for head in result.model.recipe.heads if head.weight > OFF}
        diagnosis, waves = NO, [NO, NO]
        if "diagnosis" in learned:
            diagnosis = str(measured(result.test, "challenge"))
        if "waves" in learned:
            waves = wave_cells(score_waves(segmenter(result), records(result, "ludb")))
        cells = [result.cell.variant, str(result.cell.seed), diagnosis, *waves]
        rows.append(" | ".join(cells))
    return table(
        "variant | seed | Challenge metric (95 %) | Dice P / QRS / T | F1 P / QRS / T",
        rows,
    )  # fmt: skip


def beats_out_of_fold(_: Grid, results: Sequence[Result], __: Path) -> list[str]:
    """Score the beats of MIT-BIH's records, each by the network that has not learned from it."""
    groups: dict[tuple[str, int], list[tuple[Segmenter, Record]]] = {}
    for result in results:
        network = segmenter(result)
        groups.setdefault((result.cell.variant, result.cell.seed), []).extend(
            (network, record) for record in records(result, "mit-bih", result.cell.test)
        )
    rows = []
    for (variant, seed), pairs in groups.items():
        scores = score_beats(pairs)
        figures = [
            f"{100 * figure:.1f}"
            for one in (scores["V"], scores["S"])
            for figure in (one.sensitivity, one.predictivity, one.f1)
        ]
        rows.append(" | ".join([variant, str(seed), str(len(pairs)), *figures]))
    return table("variant | seed | records | V: Se | +P | F1 | S: Se | +P | F1", rows)


def segmenter(result: Result) -> Segmenter:
    """Load a result's network to mark records."""
    return Segmenter(Model.load(result.model.path))


def records(result: Result, source: str, fold: str = "") -> list[Record]:
    """Find the records of a source in a fold, by default the validation fold."""
    folder = result.records(fold or result.cell.validation)
    found, _ = find_records(folder, read_settings().rename or ())
    return [record for record in found if source_of(record.name) == source]
