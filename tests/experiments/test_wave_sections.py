"""Tables of HeartlyAI's studies, from results with invented scores."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from experiments import wave_sections
from experiments.grids import GRIDS
from experiments.sections import SECTIONS
from holter.validation import Agreement

GRID = GRIDS["heartly-ablation"]


def result(variant: str, test: str = "9") -> Any:
    recipe = GRID.recipes[variant]
    return SimpleNamespace(
        cell=SimpleNamespace(variant=variant, seed=0, test=test, validation="8"), test=None,
        model=SimpleNamespace(recipe=recipe, training={"minutes": 4.6}, path=Path(variant)),
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
        ["whole", "0", "0.5 of challenge", "whole", "ludb", "5"],
        ["diagnosis-alone", "0", "0.5 of challenge", "–", "–", "5"],
        ["waves-alone", "0", "–", "waves-alone", "ludb", "5"],
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
    results = [result("whole", "1"), result("whole", "2")]
    _, _, row = SECTIONS["beats-out-of-fold"](GRIDS["heartly-beats"], results, Path())
    assert row == "| whole | 0 | 2 | 100.0 | 75.0 | 85.7 | 75.0 | 75.0 | 75.0 |"
