"""HeartlyAI's label engineering: the fact sheet's examples, and the way back."""

import numpy as np
import pytest
import torch

from ecg.labels import CODES, class_name, codes_by_name
from models.heartly2021.labels import CLASSES, challenge_logits, engineered, engineered_matrix

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
    labels = torch.from_numpy(engineered_matrix([codes]))
    back = challenge_logits(torch.where(labels, 30.0, -30.0))[0]
    assert [code for code, logit in zip(CODES, back.tolist(), strict=True) if logit > 20] == [
        code for code in CODES if code in codes
    ]
    assert (back.abs() > 20).all()


def test_probabilities_are_products() -> None:
    row = np.full((1, 27), 0.5)
    row[0, CLASSES.index("sinus rhythm")] = 0.8
    row[0, CLASSES.index("healthy")] = 0.25
    back_row = challenge_logits(torch.from_numpy(row).logit()).sigmoid()[0].tolist()
    back = dict(zip(map(class_name, CODES), back_row, strict=True))
    assert back["NSR"] == pytest.approx(0.2)
    assert back["SB"] == pytest.approx(0.4)
    assert back["Brady"] == pytest.approx(0.1)
    assert back["AF"] == pytest.approx(0.5)
