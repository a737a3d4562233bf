"""Annotation files have the bytes that wfdb writes."""

from pathlib import Path

import numpy as np
import pytest
import wfdb

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
    wfdb.wrann(
        "marks", "atr", samples, symbol=symbols, num=numbers.copy(), aux_note=notes.tolist(), fs=fs,
        write_dir=str(tmp_path),
    )  # fmt: skip
    assert encode(samples, symbols, numbers, notes, fs) == (tmp_path / "marks.atr").read_bytes()


def test_all_codes_are_those_of_wfdb() -> None:
    codes = {label.symbol: label.label_store for label in wfdb.io.annotation.ann_labels}
    assert CODES.items() <= codes.items()


def test_a_note_is_cut_at_its_longest(tmp_path: Path) -> None:
    one = np.ones(1, int)
    content = encode(one, np.array(['"']), 0 * one, np.array(["x" * 300]), 250.0)
    (tmp_path / "marks.atr").write_bytes(content)
    assert wfdb.rdann(str(tmp_path / "marks"), "atr").aux_note == ["x" * 255]
