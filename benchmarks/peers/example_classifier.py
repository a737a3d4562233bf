"""The organisers' example classifier of 2021 as a `team_code`: the peer of `benchmarks.running`.

Re-typed from its behaviour (python-classifier-2021, BSD-2-Clause; no code is copied): age, sex and
the root mean square of each lead; missing values are replaced by the mean; a forest of three trees
with up to 100 leaves.  Labels are `int`, since the original's `np.int` no longer exists.
"""

import math
import os
from collections.abc import Sequence
from typing import Any

import joblib
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer

from helper_code import find_challenge_files, get_leads, load_header, load_recording

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
LEAD_SETS = (LEADS, LEADS[:6], (*LEADS[:3], "V2"), ("I", "II", "V2"), LEADS[:2])
SEXES = {"female": 0.0, "f": 0.0, "male": 1.0, "m": 1.0}


def training_code(data_directory: str, model_directory: str) -> None:
    """Train a forest for each lead set."""
    os.makedirs(model_directory, exist_ok=True)
    files = find_challenge_files(data_directory)
    texts = [load_header(path) for path in files[0]]
    codes = [_fact(text, "Dx").split(",") for text in texts]
    classes = sorted({code for of_record in codes for code in of_record})
    labels = np.array([[code in of_record for code in classes] for of_record in codes])
    for leads in LEAD_SETS:
        features = np.array([
            _features(text, load_recording(path), leads)
            for text, path in zip(texts, files[1], strict=True)
        ])  # fmt: skip
        imputer = SimpleImputer().fit(features)
        forest = RandomForestClassifier(n_estimators=3, max_leaf_nodes=100, random_state=0)
        forest.fit(imputer.transform(features), labels)
        joblib.dump((classes, leads, imputer, forest), _file(model_directory, leads))


def load_model(model_directory: str, leads: Sequence[str]) -> Any:
    """Load the forest of these leads."""
    return joblib.load(_file(model_directory, leads))


def run_model(model: Any, header: str, recording: np.ndarray) -> Any:
    """Predict a record: classes, labels, probabilities."""
    classes, leads, imputer, forest = model
    features = imputer.transform([_features(header, recording, leads)])
    labels = forest.predict(features)[0].astype(int)
    probabilities = np.array(forest.predict_proba(features), np.float32)[:, 0, 1]
    return classes, labels, probabilities


def _file(model_directory: str, leads: Sequence[str]) -> str:
    return os.path.join(model_directory, f"model_{'-'.join(leads)}.sav")


def _features(header: str, recording: np.ndarray, leads: Sequence[str]) -> np.ndarray:
    """Compute the root mean square of each lead in mV, then age and sex."""
    names, lines = get_leads(header), header.split("\n")
    squares = []
    for lead in leads:
        row = names.index(lead)
        words = lines[1 + row].split(" ")
        signal = (recording[row] - float(words[4])) / float(words[2].split("/")[0])
        squares.append(np.sqrt(np.sum(signal**2) / signal.size))
    try:
        age = float(_fact(header, "Age"))
    except ValueError:
        age = math.nan
    sex = SEXES.get(_fact(header, "Sex").lower(), math.nan)
    return np.array([*squares, age, sex], np.float32)


def _fact(header: str, key: str) -> str:
    """Read the value of the last comment with this key, `#Age: 74`."""
    start = f"#{key}: "
    values = [line[len(start) :] for line in header.split("\n") if line.startswith(start)]
    return values[-1].strip() if values else ""
