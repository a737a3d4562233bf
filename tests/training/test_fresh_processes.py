"""Training is bit-equal between processes for the default recipe, in a small size."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from models import find
from models.folder import read_model
from models.recipe import recipe_to_json, vary
from simulate import write_records
from tests.conftest import small
from training.settings import DEFAULT_RECIPE

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_default_recipe_gives_equal_weights_in_fresh_processes(tmp_path: Path) -> None:
    """Two at a time: what a process measures, such as speed, differs between them."""
    recipe = small(find(DEFAULT_RECIPE))
    recipe = replace(vary(recipe, epochs=2, batch=16), lead_sets=(("I", "II"),))
    (tmp_path / "recipe.json").write_text(json.dumps(recipe_to_json(recipe)))
    write_records(tmp_path / "data", 40, seed=3, duration_s=4.0, fs=500.0)
    processes = [
        subprocess.Popen(
            [sys.executable, "train_model.py", str(tmp_path / "data"), str(tmp_path / name),
             "--recipe", str(tmp_path / "recipe.json"), "--workers", "1"],
            cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        for name in ("one", "two")
    ]  # fmt: skip
    for process in processes:
        _, log = process.communicate(timeout=300)
        assert process.returncode == 0, log.decode()
    one, two = (read_model(tmp_path / name) for name in ("one", "two"))
    assert one.lead_sets == two.lead_sets
    assert (tmp_path / "one" / one.lead_sets[0].file).read_bytes() == (
        tmp_path / "two" / two.lead_sets[0].file
    ).read_bytes()
    histories = [(tmp_path / name / "history.tsv").read_text() for name in ("one", "two")]
    assert histories[0] == histories[1]
