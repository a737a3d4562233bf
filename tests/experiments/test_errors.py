"""Matrix, contradictions and 2017's errors, on made-up outputs and on simulated records."""

from pathlib import Path

import numpy as np
import pytest

from ecg.labels import CODES, codes_by_name, label_matrix
from ecg.records import find_records
from experiments import __main__ as command
from experiments import errors
from experiments.errors import contradictions, mean_probabilities
from experiments.outputs import Scored
from scoring.outputs import save_outputs

AF, NSR = (CODES.index(codes_by_name()[name]) for name in ("AF", "NSR"))


def scored(labels: np.ndarray, probabilities: np.ndarray) -> Scored:
    names = tuple(f"HR{number:05d}" for number in range(len(labels)))
    return Scored(labels, probabilities, probabilities > 0.5, names)


def test_the_matrix_is_the_mean_over_the_records_of_each_label() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random((50, 26)) < 0.1
    labels[:, AF] = False
    probabilities = rng.random((50, 26))
    matrix = mean_probabilities(scored(labels, probabilities))
    assert np.isnan(matrix[AF]).all()
    for column in np.flatnonzero(labels.any(0)):
        np.testing.assert_allclose(matrix[column], probabilities[labels[:, column]].mean(0))


def test_the_strongest_contradictions_of_both_kinds_come_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels = np.zeros((6, 26), bool)
    labels[:3, NSR] = True
    probabilities = np.full((6, 26), 0.1)
    probabilities[:3, NSR] = 0.02, 0.9, 0.3  # denied, fine, denied less
    probabilities[3:, AF] = 0.97, 0.4, 0.99  # sure, not sure, surer
    strongest = contradictions(scored(labels, probabilities), 4)
    assert [(one.record, one.column, one.labelled) for one in strongest] == [
        (0, NSR, True), (2, NSR, True), (5, AF, False), (3, AF, False),
    ]  # fmt: skip
    assert strongest[0].text == "NSR labelled, probability 0.02"
    assert strongest[2].text == "AF not labelled, probability 0.99"
    monkeypatch.setattr(errors, "PER_CLASS", 1)
    assert [one.record for one in contradictions(scored(labels, probabilities), 4)] == [0, 5]


def test_a_record_is_shown_once_and_what_agrees_never() -> None:
    labels = np.zeros((1, 26), bool)
    labels[0, AF] = True
    probabilities = np.full((1, 26), 0.9)
    probabilities[0, AF] = 0.0
    assert len(contradictions(scored(labels, probabilities), 10)) == 1
    assert contradictions(scored(labels, labels.astype(float)), 10) == []


def test_the_commands_draw(
    simulated_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    outputs, out = tmp_path / "outputs", tmp_path / "contradictions"
    outputs.mkdir()
    records = find_records(simulated_folder)[0]
    labels = label_matrix([record.header.codes for record in records])
    wrong = labels.astype(float)
    wrong[0] = 1 - wrong[0]
    for record, row in zip(records, wrong, strict=True):
        save_outputs(str(outputs / f"{record.name}.csv"), record.name, CODES, [0] * 26, row)
    for words in (["matrix", str(tmp_path / "a.png")], ["contradictions", str(out)]):
        given = [words[0], str(simulated_folder), str(outputs), *words[1:]]
        monkeypatch.setattr("sys.argv", ["experiments", *given])
        command.main()
    assert (tmp_path / "a.png").stat().st_size > 30_000
    rows = (out / "contradictions.md").read_text().splitlines()
    assert len(rows) == 3
    assert rows[2].startswith(f"| {records[0].name} | simulated | ")
    assert [path.name for path in sorted(out.glob("*.png"))] == [f"{records[0].name}.png"]
    assert capsys.readouterr().out.splitlines() == rows
