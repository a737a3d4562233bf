"""Tables of HeartlyAI's studies, from results with invented scores."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ecg.labels import CODES
from ecg.leads import LEAD_SETS
from experiments import results, wave_sections
from experiments.cells import Cell
from experiments.grids import GRIDS
from experiments.sections import SECTIONS
from holter.validation import Agreement

GRID = GRIDS["heartly-ablation"]


def result(variant: str, test: str = "9") -> Any:
    recipe = GRID.recipes[variant]
    return SimpleNamespace(
        cell=SimpleNamespace(variant=variant, seed=0, test=test, validation="8"), test=None,
        model=SimpleNamespace(recipe=recipe, path=Path(variant)),
    )  # fmt: skip


def test_a_task_that_is_not_learned_has_no_score(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wave_sections, "measured", lambda scored, name: f"0.5 of {name}")
    monkeypatch.setattr(wave_sections, "segmenter", lambda one: one.model.path)
    monkeypatch.setattr(wave_sections, "records", lambda one, source: [source])
    monkeypatch.setattr(wave_sections, "score_waves", lambda *words: words)
    monkeypatch.setattr(wave_sections, "wave_cells", lambda words: [str(words[0]), *words[1]])
    variants = ("whole", "diagnosis-alone", "waves-alone")
    _, _, *rows = SECTIONS["marks"](GRID, [result(one) for one in variants], Path())
    assert [row.strip("| ").split(" | ") for row in rows] == [
        ["whole", "0", "0.5 of challenge", "whole", "ludb"],
        ["diagnosis-alone", "0", "0.5 of challenge", "–", "–"],
        ["waves-alone", "0", "–", "waves-alone", "ludb"],
    ]


def test_beats_of_all_folds_are_scored_together(monkeypatch: pytest.MonkeyPatch) -> None:
    def score(pairs: list[tuple[str, str]]) -> dict[str, Agreement]:
        assert pairs == [("1", "mit-bih 1"), ("2", "mit-bih 2")]
        return {
            name: Agreement(*np.array([[3], [1], [fn]])) for name, fn in {"V": 0, "S": 1}.items()
        }

    monkeypatch.setattr(wave_sections, "segmenter", lambda one: one.cell.test)
    monkeypatch.setattr(wave_sections, "records", lambda one, source, fold: [f"{source} {fold}"])
    monkeypatch.setattr(wave_sections, "score_beats", score)
    done = [result("whole", "1"), result("whole", "2")]
    _, _, row = SECTIONS["beats-out-of-fold"](GRIDS["heartly-beats"], done, Path())
    assert row == "| whole | 0 | 2 | 100.0 | 75.0 | 85.7 | 75.0 | 75.0 | 75.0 |"


def test_a_network_that_learns_waves_first_is_scored_by_its_diagnoses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`waves-alone`: its first head chooses the epoch, and has no classes of the Challenge."""
    recipe = GRID.recipes["waves-alone"]
    assert recipe.head.name == "waves"
    codes = ("164889003", "426783006")
    classes = {"waves": ("none", "P", "QRS", "T"), "diagnosis": codes, "beats": tuple("NSV")}
    model: Any = SimpleNamespace(recipe=recipe, classes=classes)
    cell = Cell(GRID.name, "waves-alone", (12,), "8", "9", 0, 1)
    entry: Any = SimpleNamespace(leads=LEAD_SETS[12])
    monkeypatch.setattr(results, "read_scored", lambda records, outputs, classes: classes)
    assert results.Result(cell, model, entry, Path()).scored("9") == CODES
    model.classes["diagnosis"] = ("A", "N")
    assert results.Result(cell, model, entry, Path()).scored("9") == ("A", "N")
