"""Further tables of a study's report, from validation and test outputs of its cells.

`section(grid, results, folder) -> lines`; a grid names its sections by their keys in `SECTIONS`.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from docs.generate import table
from ecg.labels import CODES
from experiments.charts import plot_reliability
from experiments.grid import Grid
from experiments.outputs import (
    MEASURES,
    NO,
    Gain,
    Scored,
    measured,
    paired_gain,
    pooled,
    rule_answers,
    signed,
)
from experiments.results import Result, by_seed
from experiments.wave_sections import beats_out_of_fold, marks
from models.decision import logit, sigmoid
from models.recipe import Part, part
from models.rules import MODES, PUBLISHED, REPLACE, combine, detector_of
from scoring.calibration import calibration_error, class_calibration_error, reliability
from training.decisions import FITS, choose_modes, temperature
from training.splits import read_folds

DECISIONS = ("global", "per class", "expected_metric")
RULE_DECISIONS = ("expected_metric", "global")
PARTS = 5
FORCED = tuple(mode for mode in MODES if mode != "off")


@cache
def fit(name: str, result: Result) -> Part:
    """Fit a decision, a key of `FITS`, on a cell's validation fold."""
    scored = result.validation
    return FITS[name](scored.probabilities, scored.labels, CODES, result.cell.seed)


def label(result: Result) -> str:
    """Name a result by variant, leads and seed."""
    return f"{result.cell.variant} | {result.size} | {result.cell.seed}"


def decisions(_: Grid, results: Sequence[Result], __: Path) -> list[str]:
    """Compare decisions on the same probabilities, each fitted on the validation fold.

    `own` is the model's decision with its rules.  The last row replaces five classes by our rules;
    Kang & Wen's are the same five, by their detectors.
    """
    rows = []
    for result in results:
        validation, test = result.validation, result.test
        pairs = {}
        for name in DECISIONS:
            decision = fit(name, result)
            title = f"{name}{_numbers(decision)}"
            pairs[title] = (validation.decided(decision), test.decided(decision))
        sides = sides_of(result, "global")
        pairs["own"] = (validation, test)
        pairs["global, five classes replaced by our rules"] = (
            sides[0].joined(REPLACE), sides[1].joined(REPLACE)
        )  # fmt: skip
        for name, (before, after) in pairs.items():
            scores = [measured(before), measured(after), measured(after, "f_measure"),
                      paired_gain(sides[1].scored, after)]  # fmt: skip
            rows.append(f"{label(result)} | {name} | {' | '.join(map(str, scores))}")
    return table(
        "variant | leads | seed | decision | metric, validation | metric, test | macro F1, test | "
        "gain over one threshold, test", rows,
    )  # fmt: skip


def _numbers(decision: Part) -> str:
    """Format a decision's numbers, if they are few."""
    numbers = decision.options
    if "slope" in numbers:
        return f" (slope {numbers['slope']:.2f}, offset {numbers['offset']:+.2f})"
    values = set(numbers["values"])
    return f" ({values.pop():.2f})" if len(values) == 1 else ""


def calibration(grid: Grid, results: Sequence[Result], here: Path) -> list[str]:
    """Measure calibration on the test fold before and after scaling by a fitted slope."""
    rows, lines = [], {}
    for result in results:
        validation, test = result.validation, result.test
        slope = temperature(validation.probabilities, validation.labels)
        scaled = sigmoid(slope * logit(test.probabilities))
        for name, values in (("none", test.probabilities), (f"slope {slope:.3f}", scaled)):
            errors = (calibration_error(test.labels, values),
                      class_calibration_error(test.labels, values))  # fmt: skip
            rows.append(f"{label(result)} | {name} | {errors[0]:.4f} | {errors[1]:.4f}")
            lines[f"{result.size} leads, {name}"] = reliability(test.labels, values)
    plot_reliability(here / "reliability.png", lines, title=f"{grid.name}: test fold")
    return table(
        "variant | leads | seed | scaling | error of all pairs | mean error of the classes", rows
    )


class Side(NamedTuple):
    """A fold's outputs of a network and answers of the rules, int8 (records, rules)."""

    scored: Scored
    answers: np.ndarray

    def joined(self, rules: Sequence[Part]) -> Scored:
        """Combine the outputs with rules."""
        outputs = combine(self.scored.outputs, self.answers, rules, CODES)
        return replace(self.scored, outputs=outputs)

    def gain(self, rules: Sequence[Part]) -> Gain:
        """Measure the gain by rules."""
        return paired_gain(self.scored, self.joined(rules))

    def choose(self) -> tuple[Part, ...]:
        """Choose the rules' modes."""
        return choose_modes(self.scored.outputs, self.answers, self.scored.labels, CODES)

    def subset(self, chosen: np.ndarray) -> "Side":
        """Select records by a mask."""
        scored = self.scored
        labels, outputs = scored.labels[chosen], scored.outputs[chosen]
        probabilities = scored.probabilities[chosen]
        return Side(Scored(labels, probabilities, outputs), self.answers[chosen])


def _answers(result: Result, on: str, detector: str) -> np.ndarray:
    records = result.records(getattr(result.cell, on))
    return rule_answers(records, getattr(result, on).names, result.entry.leads, detector)


def sides_of(result: Result, decision: str, detector: str = "house") -> tuple[Side, Side]:
    """Return validation and test side with a decision fitted on the validation fold."""
    fitted = fit(decision, result)
    return (Side(result.validation.decided(fitted), _answers(result, "validation", detector)),
            Side(result.test.decided(fitted), _answers(result, "test", detector)))  # fmt: skip


def rules(_: Grid, results: Sequence[Result], __: Path) -> list[str]:
    """Measure each rule in the mode fitted on the validation fold, and all of them together."""
    rows = [
        f"{label(result)} | {decision} | {row}"
        for result in results
        for decision in RULE_DECISIONS
        for row in [
            *rule_rows(*sides_of(result, decision)),
            replaced_row(
                "**five, by the published detectors**",
                PUBLISHED,
                *sides_of(result, decision, detector_of(PUBLISHED)),
            ),
        ]
    ]
    return table(
        "variant | leads | seed | decision | rule | mode | gain, validation | added | removed | "
        f"gain, test | {' | '.join(FORCED)}", rows,
    )  # fmt: skip


def rule_rows(validation: Side, test: Side) -> Iterator[str]:
    """Yield a row per rule and for all together; the last columns are gains in fixed modes."""
    chosen = validation.choose()
    for rule in chosen:
        gains = [signed(test.gain([part(rule.name, mode=mode)]).gain) for mode in FORCED]
        row = _rule_cells(rule.name, rule.options["mode"], validation, test, [rule])
        yield " | ".join([row, *gains])
    together = test.gain(chosen)
    goal = "met" if together.gain >= -together.error else "missed"
    row = _rule_cells("**all, as learned**", f"goal {goal}", validation, test, chosen)
    yield " | ".join([row, *(NO for _ in FORCED)])
    yield replaced_row("**five, by our rules**", REPLACE, validation, test)


def replaced_row(name: str, parts: Sequence[Part], validation: Side, test: Side) -> str:
    """Make the row of five classes that rules replace, as in Kang & Wen's mode with rules."""
    row = _rule_cells(name, "replace", validation, test, parts)
    return " | ".join([row, *(NO for _ in FORCED)])


def _rule_cells(name: str, mode: str, validation: Side, test: Side, parts: Sequence[Part]) -> str:
    if mode == "off":
        return " | ".join([name, mode, *(NO for _ in range(4))])
    before, after = test.scored.outputs, test.joined(parts).outputs
    added, removed = int((after & ~before).sum()), int((before & ~after).sum())
    gain = signed(validation.gain(parts).gain)
    return f"{name} | {mode} | {gain} | {added} | {removed} | {test.gain(parts)}"


def rules_cross_fitted(_: Grid, results: Sequence[Result], __: Path) -> list[str]:
    """Choose modes inside the validation fold, cross-fitted over patients."""
    rows = []
    for result in results:
        folds = read_folds(result.records(result.cell.validation))
        patients = [folds[name][1] for name in result.validation.names]
        for decision in RULE_DECISIONS:
            gain, modes = cross_fitted(sides_of(result, decision)[0], patients)
            counts = ", ".join(f"{mode} {count}" for mode, count in modes.most_common()) or "none"
            rows.append(f"{label(result)} | {decision} | {counts} | {gain}")
    return table("variant | leads | seed | decision | modes, in how many of the five | gain", rows)


def cross_fitted(side: Side, patients: Sequence[str]) -> tuple[Gain, Counter[str]]:
    """Choose modes on four fifths of the patients, apply them to the other fifth; five times.

    Returns
    -------
    gain : Gain
        Over all fifths.
    modes : Counter
        Number of fifths per chosen `rule mode`, without those that are off.
    """
    names, index = np.unique(patients, return_inverse=True)
    parts = (np.random.default_rng(0).permutation(len(names)) % PARTS)[index]
    outputs, modes = side.scored.outputs.copy(), Counter[str]()
    for number in range(PARTS):
        chosen = side.subset(parts != number).choose()
        outputs[parts == number] = side.subset(parts == number).joined(chosen).outputs
        modes.update(
            f"{rule.name} {rule.options['mode']}"
            for rule in chosen if rule.options["mode"] != "off"
        )  # fmt: skip
    return paired_gain(side.scored, replace(side.scored, outputs=outputs)), modes


def averaged(parts: Sequence[Scored]) -> Scored:
    """Average the probabilities of several networks; the output is the most probable class."""
    mean = np.mean([each.probabilities for each in parts], 0)
    outputs = np.eye(mean.shape[1], dtype=bool)[mean.argmax(1)]
    return replace(parts[0], probabilities=mean, outputs=outputs)


def ensemble(grid: Grid, results: Sequence[Result], _: Path) -> list[str]:
    """Score the mean probabilities over seeds."""
    rows = []
    for (variant, size, fold), group in by_seed(results).items():
        if len(group) > 1:
            joint = averaged([result.test for result in group])
            row = f"{variant} | {size} | {fold} | mean of {len(group)}"
            rows.append(f"{row} | {_scores(grid, joint)}")
    return table(f"variant | leads | fold | seeds | {_titles(grid)}", rows)


def out_of_fold(grid: Grid, results: Sequence[Result], _: Path) -> list[str]:
    """Score the test folds of each variant, lead set and seed as one set of records.

    Where another network has a test fold as its validation fold, the mean of both is scored, too.
    That network was not trained on these records, but has chosen its epoch on them.  The gain is
    over the first network alone, by the study's first measure.
    """
    groups: dict[tuple[str, int, int], list[Result]] = {}
    for result in results:
        groups.setdefault((result.cell.variant, result.size, result.cell.seed), []).append(result)
    rows = []
    for (variant, size, seed), group in groups.items():
        alone = {result.cell.test: result.test for result in group}
        chosen = {result.cell.validation: result.validation for result in group
                  if result.cell.validation in alone}  # fmt: skip
        tables = [(f"{len(alone)}", pooled(list(alone.values())), NO)]
        if chosen:
            single = pooled([alone[fold] for fold in chosen])
            both = pooled([averaged([alone[fold], other]) for fold, other in chosen.items()])
            gain = paired_gain(single, both, grid.measures[0])
            if len(chosen) < len(alone):
                tables.append((f"{len(chosen)}", single, NO))
            tables.append((f"{len(chosen)}, mean of two networks", both, str(gain)))
        for title, joint, gained in tables:
            found = f"{len(joint.names)} | {_scores(grid, joint)} | {gained}"
            rows.append(f"{variant} | {size} | {seed} | {title} | {found}")
    head = f"variant | leads | seed | test folds | records | {_titles(grid)} | gain in "
    return table(head + MEASURES[grid.measures[0]].title, rows)


def _titles(grid: Grid) -> str:
    return " | ".join(f"{MEASURES[name].title} (95 %)" for name in grid.measures)


def _scores(grid: Grid, joint: Scored) -> str:
    return " | ".join(str(measured(joint, name)) for name in grid.measures)


SECTIONS: Mapping[str, Callable[[Grid, Sequence[Result], Path], list[str]]] = {
    "decisions": decisions, "calibration": calibration, "rules": rules,
    "rules-cross-fitted": rules_cross_fitted, "ensemble": ensemble,
    "out-of-fold": out_of_fold, "marks": marks, "beats-out-of-fold": beats_out_of_fold,
}  # fmt: skip
