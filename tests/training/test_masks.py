"""Masks: what a source never labels is unknown there; what is labelled is known."""

from dataclasses import replace

import numpy as np
import pytest

from ecg import LeadwiseError
from ecg.labels import CODES, codes_by_name
from models import find
from training.loop import check_names
from training.masks import MASKS

AF, LAD, NSR = (CODES.index(codes_by_name()[name]) for name in ("AF", "LAD", "NSR"))


def test_a_class_that_a_source_never_labels_is_unknown_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = [f"A{n:04d}" for n in range(30)] + [f"E{n:05d}" for n in range(40)]
    labels = np.zeros((70, len(CODES)), bool)
    labels[:25, AF] = labels[30:, NSR] = labels[30:55, LAD] = True
    labels[3, LAD] = True  # CPSC has too few for the others to be a no; this one is a yes
    known = MASKS["sources"](names, labels, CODES)
    assert known.shape == labels.shape
    assert known[:30, AF].all()
    assert known[:30, LAD].tolist() == [number == 3 for number in range(30)]
    assert not known[:30, NSR].any()
    assert known[30:, [NSR, LAD]].all()
    assert not known[30:, AF].any()
    said = capsys.readouterr().err
    assert "Not known of cpsc2018 (30 records): AFL, BBB," in said
    assert "Not known of georgia (40 records): AF, AFL," in said


def test_off_leaves_all_as_it_is() -> None:
    assert MASKS["off"](["A0001"], np.zeros((1, 26), bool), CODES) is None
    assert find("revenger-nc-se").mask == "off"


def test_an_unknown_mask_is_answered_with_the_known_ones() -> None:
    with pytest.raises(LeadwiseError, match="no mask 'all'; known are off, sources"):
        check_names(replace(find("revenger-nc-se"), mask="all"))
