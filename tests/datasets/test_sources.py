"""Sources by name, and which classes each of them labels."""

import numpy as np
import pytest

from datasets.sources import labelled_classes, source_of


@pytest.mark.parametrize(
    ("name", "source"),
    [("A0001", "cpsc2018"), ("Q0398", "cpsc-extra"), ("I0002", "incart"), ("S0549", "ptb"),
     ("HR21837", "ptb-xl"), ("E10344", "georgia"), ("JS00001", "chapman-shaoxing"),
     ("JS10646", "chapman-shaoxing"), ("JS10647", "ningbo"), ("JS45551", "ningbo"),
     ("SIM00007", "simulated"), ("ludb7", "ludb"), ("mitdb101", "mit-bih"), ("sel36", "qtdb"),
     ("sele0104", "qtdb"), ("X1", "unknown"), ("a0001", "unknown"), ("100", "unknown")],
)  # fmt: skip
def test_a_name_gives_the_source(name: str, source: str) -> None:
    assert source_of(name) == source


def test_a_class_counts_from_20_records_on() -> None:
    labels = np.zeros((60, 3), bool)
    labels[:19, 0] = labels[:20, 1] = labels[40:, 2] = True
    by_source = labelled_classes(["a"] * 40 + ["b"] * 20, labels)
    assert {source: classes.tolist() for source, classes in by_source.items()} == {
        "a": [False, True, False], "b": [False, False, True],
    }  # fmt: skip
