"""Facts of a record: age, sex and amplitude."""

import numpy as np
import pytest

from ecg.headers import parse_header
from models import find
from models.facts import facts_of, reads_facts

SIGNAL = np.concatenate([np.full(95, 0.5), np.full(5, -4.0), [np.nan, np.inf]])[None]
HEADER = "one 1 500 102\none.mat 16 1000/mV 16 0 0 0 0 I\n"


@pytest.mark.parametrize(
    ("comments", "age", "sex"),
    [
        ("# Age: 60\n# Sex: Female\n", (0.6, 0), (1, 0)),
        ("# Age: NaN\n# Sex: M\n", (0, 1), (-1, 0)),
        ("", (0, 1), (0, 1)),
    ],
)
def test_what_is_missing_is_0_and_marked(
    comments: str, age: tuple[float, float], sex: tuple[float, float]
) -> None:
    facts = facts_of(parse_header(HEADER + comments, "one"), SIGNAL)
    assert facts.dtype == np.float32
    assert facts == pytest.approx([*age, *sex, np.quantile(np.abs(SIGNAL[0, :100]), 0.95)])


def test_a_signal_without_values_has_no_amplitude() -> None:
    assert facts_of(parse_header(HEADER, "one"), np.full((2, 9), np.nan))[4] == 0


def test_only_a_network_that_takes_facts_reads_them() -> None:
    assert not any(reads_facts(find(name)) for name in ("isibrno-basic", "dualnet-s", "house-pair"))
    assert reads_facts(find("heartly-leadwise"))
