"""Compare two models by their outputs on the same labelled records: paired gains with errors.

OUT_A and OUT_B are output folders of `run_model.py`, or folders of such folders, one per seed; then
scores are means over the seeds.  The gain is B's score minus A's.  Its error is the standard error
of the paired bootstrap: both models are scored on the same 1,000 resamples of the records.  With
several seeds the last column of the first table has the standard error over seeds.
"""

from collections.abc import Iterator, Sequence
from math import sqrt
from pathlib import Path

import numpy as np

from docs.generate import table
from ecg import LeadwiseError
from ecg.labels import AF_LETTERS, class_name
from ecg.progress import progress_bar
from experiments.outputs import MEASURES, NO, RESAMPLES, Gain, Scored, classes_of, read_scored
from scoring.bootstrap import CELLS
from scoring.measures import areas, count, f_measure, macro

HEADLINE = ("challenge", "auroc", "auprc", "accuracy", "f_measure")


def compare(data: Path, out_a: Path, out_b: Path) -> Iterator[str]:
    """Make the tables: headline scores, then F-measure and AUROC of each class.

    Raises
    ------
    LeadwiseError
        Records and outputs do not fit each other, no record has a label, or they are 2017's.
    """
    sides = [read_side(data, out) for out in (out_a, out_b)]
    labels = sides[0][0].labels
    if not labels.any():
        raise LeadwiseError(
            f"{data}: no record has a label of the Challenge's classes; for the records of 2017 "
            "use `python -m scoring.af`"
        )
    values = [np.array([score(scored) for scored in side]) for side in sides]  # (seeds, scores)
    before, after = (value.mean(0) for value in values)
    known = (gains[~np.isnan(gains)] for gains in resampled_gains(*sides).T)
    errors = [np.std(gains, ddof=1) if len(gains) > 1 else np.nan for gains in known]
    of_seeds = [_seed_error(*(value[:, index] for value in values)) for index in range(len(before))]

    def cells(index: int) -> str:
        if np.isnan(after[index] - before[index]):
            return f"{_f(before[index])} | {_f(after[index])} | {NO}"
        gain = Gain(float(after[index] - before[index]), float(errors[index]))
        return f"{_f(before[index])} | {_f(after[index])} | {gain}"

    seeds = " and ".join(str(len(side)) for side in sides)
    yield f"{len(labels)} records, {RESAMPLES} resamples; seeds of A and B: {seeds}; gain: B - A."
    yield ""
    yield from table(
        "score | A | B | gain ± error over records | error over seeds",
        [f"{MEASURES[name].title} | {cells(index)} | {of_seeds[index]}"
         for index, name in enumerate(HEADLINE)],
    )  # fmt: skip
    yield ""
    classes, first = sides[0][0].classes, len(HEADLINE)
    yield from table(
        "class | code | positives | F1 of A | F1 of B | gain | AUROC of A | AUROC of B | gain",
        [f"{class_name(code)} | {code} | {labels[:, index].sum()} | {cells(first + index)} | "
         f"{cells(first + len(classes) + index)}" for index, code in enumerate(classes)],
    )  # fmt: skip


def read_side(data: Path, out: Path) -> list[Scored]:
    """Read the outputs of a model, one entry per seed.

    Raises
    ------
    LeadwiseError
        There are none, they do not fit the records, or they are of 2017's classes.
    """
    folders = [out]
    if not any(out.glob("*.csv")):
        folders = sorted(path for path in out.glob("*/") if any(path.glob("*.csv")))
    if not folders:
        raise LeadwiseError(
            f"{out}: holds no output file (.csv); give the output folder of run_model.py, or a "
            "folder of such folders, one per seed"
        )
    for folder in folders:
        if set("|".join(classes_of(folder)).split("|")) <= set(AF_LETTERS):
            raise LeadwiseError(
                f"{folder}: its classes are those of 2017, of which a record has one; score each "
                f"model with `python -m scoring.af REFERENCE.csv {folder}`"
            )
    return [read_scored(data, folder) for folder in folders]


def score(scored: Scored, times: np.ndarray | None = None) -> np.ndarray:
    """Compute the headline scores, then F1 and AUROC of each class: (…, scores)."""
    of_classes = areas(scored.labels, scored.probabilities, times)
    f1 = f_measure(count(scored.labels, scored.outputs, times))
    headline = {
        "auroc": macro(of_classes.auroc), "auprc": macro(of_classes.auprc), "f_measure": macro(f1),
        **{name: MEASURES[name].of(scored, times) for name in ("challenge", "accuracy")},
    }  # fmt: skip
    first = np.stack([headline[name] for name in HEADLINE], axis=-1)
    return np.concatenate([first, f1, of_classes.auroc], axis=-1)


def resampled_gains(before: Sequence[Scored], after: Sequence[Scored]) -> np.ndarray:
    """Compute the gains on resamples of the records: (resamples, scores)."""
    records, generator = len(before[0].labels), np.random.default_rng(0)
    share, chunk = np.full(records, 1 / records), max(1, CELLS // records)
    gains = []
    with progress_bar("resampling", RESAMPLES, "resample") as progress:
        for done in range(0, RESAMPLES, chunk):
            times = generator.multinomial(records, share, min(chunk, RESAMPLES - done))
            means = [np.mean([score(one, times) for one in side], 0) for side in (before, after)]
            gains.append(means[1] - means[0])
            progress.update(len(times))
    return np.concatenate(gains)


def _seed_error(before: np.ndarray, after: np.ndarray) -> str:
    """Compute the standard error of the difference of two means over seeds."""
    if min(len(before), len(after)) < 2:
        return NO
    return f"{sqrt(before.var(ddof=1) / len(before) + after.var(ddof=1) / len(after)):.4f}"


def _f(value: float) -> str:
    return NO if np.isnan(value) else f"{value:.3f}"


if __name__ == "__main__":
    from experiments.__main__ import main

    main("compare")
