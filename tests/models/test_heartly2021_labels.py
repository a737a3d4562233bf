"""HeartlyAI's label engineering: the fact sheet's examples, and the way back."""

import numpy as np
import pytest

from ecg.labels import CODES, class_name, codes_by_name
from models.heartly2021.labels import CLASSES, challenge_probabilities, engineered

EXAMPLES = {
    ("NSR",): {"sinus rhythm", "healthy"},
    ("SB",): {"sinus rhythm", "Brady", "pathological"},
    ("IRBBB",): {"IRBBB", "sinus rhythm", "pathological"},  # no rhythm diagnosis
    ("AF",): {"AF", "pathological"},
    ("Brady",): {"Brady", "pathological"},
    ("NSR", "IRBBB"): {"sinus rhythm", "healthy", "IRBBB"},
    ("STach", "TAb"): {"STach", "TAb", "pathological"},
    ("TInv", "SVT"): {"TInv", "pathological"},  # an unscored rhythm
    ("TInv", "STD"): {"TInv", "sinus rhythm", "pathological"},
    (): {"sinus rhythm", "pathological"},
}


def test_there_are_27_classes() -> None:
    assert len(CLASSES) == len(set(CLASSES)) == 27


@pytest.mark.parametrize(("names", "classes"), EXAMPLES.items(), ids=map("+".join, EXAMPLES))
def test_codes_become_classes_and_return(names: tuple[str, ...], classes: set[str]) -> None:
    codes = [codes_by_name()[name] for name in names]
    own = engineered(codes)
    assert {class_name(one) for one in own} == classes
    labels = np.array([[name in own for name in CLASSES]], float)
    back = challenge_probabilities(labels)[0]
    assert [code for code, label in zip(CODES, back, strict=True) if label] == [
        code for code in CODES if code in codes
    ]


def test_probabilities_are_products() -> None:
    row = np.full((1, 27), 0.5)
    row[0, CLASSES.index("sinus rhythm")] = 0.8
    row[0, CLASSES.index("healthy")] = 0.25
    back = dict(zip(map(class_name, CODES), challenge_probabilities(row)[0], strict=True))
    assert back["NSR"] == pytest.approx(0.2)
    assert back["SB"] == pytest.approx(0.4)
    assert back["Brady"] == pytest.approx(0.1)
    assert back["AF"] == 0.5
