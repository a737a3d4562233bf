"""Annotation files have the bytes that wfdb writes."""

from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecg import annotation_bytes
from ecg.annotation_bytes import CODES, encode


@pytest.mark.parametrize("fs", [250.0, 128.5, 977.0])
@pytest.mark.parametrize("seed", range(4))  # the last without notes
def test_the_bytes_are_those_of_wfdb(tmp_path: Path, seed: int, fs: float) -> None:
    """Steps of 0, 1,023, 1,024 and millions of samples, numbers that change, odd and even notes."""
    draws = np.random.default_rng(seed)
    steps = draws.choice([0, 1, 100, 1023, 1024, 70_000, 3_000_000], 200)
    samples = np.cumsum(steps) + 1
    symbols = draws.choice(list(CODES), 200)
    numbers = draws.choice([0, 0, 1, 2, 5], 200)
    notes = draws.choice(["", "", "", "odd", "even"] if seed < 3 else [""], 200)
    subtypes = draws.choice([0, 0, 1, 100], 200)
    wfdb.wrann(
        "marks", "atr", samples, symbol=symbols, subtype=subtypes, num=numbers.copy(),
        aux_note=notes.tolist(), fs=fs, write_dir=str(tmp_path),
    )  # fmt: skip
    content = encode(samples, symbols, numbers, notes, fs, subtypes)
    assert content == (tmp_path / "marks.atr").read_bytes()


def test_a_negative_subtype_is_read_back(tmp_path: Path) -> None:
    """Not readable in any lead: the mark "~" of subtype -1, which wfdb cannot write."""
    two, nothing = np.array([5, 9]), np.zeros(2, int)
    content = encode(
        two, np.array(["~", "N"]), nothing, np.array(["", ""]), 250.0, nothing - [1, 0]
    )
    (tmp_path / "marks.atr").write_bytes(content)
    read = wfdb.rdann(str(tmp_path / "marks"), "atr")
    assert (read.subtype.tolist(), read.symbol) == ([-1, 0], ["~", "N"])


def test_the_bytes_do_not_depend_on_how_many_marks_are_encoded_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draws = np.random.default_rng(0)
    samples = np.cumsum(draws.choice([0, 100, 1024, 70_000], 50))
    symbols, numbers = draws.choice(["(", "p", ")"], 50), draws.choice([0, 1, 2], 50)
    notes = draws.choice(["", "odd"], 50)
    content = encode(samples, symbols, numbers, notes, 250.0)
    for size in (1, 7, 50):
        monkeypatch.setattr(annotation_bytes, "AT_ONCE", size)
        assert encode(samples, symbols, numbers, notes, 250.0) == content


def test_all_codes_are_those_of_wfdb() -> None:
    codes = {label.symbol: label.label_store for label in wfdb.io.annotation.ann_labels}
    assert CODES.items() <= codes.items()


def test_a_note_is_cut_at_its_longest(tmp_path: Path) -> None:
    one = np.ones(1, int)
    content = encode(one, np.array(['"']), 0 * one, np.array(["x" * 300]), 250.0)
    (tmp_path / "marks.atr").write_bytes(content)
    assert wfdb.rdann(str(tmp_path / "marks"), "atr").aux_note == ["x" * 255]
