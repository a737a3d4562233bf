"""Bits that a refactoring must not change: trained weights, and what models answer.

Each small training of `tests/data/guard/NAME.json` (recipes as model folder format 2 has them) and
each shipped model run through the commands, in processes of their own, with fixed instruction
sets.  `python -m tests.test_guard` prints the digests of this machine.
"""

import hashlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "tests" / "data"
GOLDEN = DATA / "guard" / "golden" / "digests.json"
RECIPES = sorted(path.stem for path in (DATA / "guard").glob("*.json"))
# A model that was shipped later has no digest until one of the known processors computes it;
# tests/test_weights.py compares its answers within 1e-4.
SHIPPED = sorted(json.loads(GOLDEN.read_text())["shipped"])
# One thread and instruction sets that all current x86 processors have, so that they agree.
FIXED = {
    "OMP_NUM_THREADS": "1",
    "MKL_CBWR": "COMPATIBLE",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
}


def run(*words: object, **settings: str) -> None:
    """Run one of our commands; fail with what it printed."""
    environment = {**os.environ, **FIXED, **settings}
    ended = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr


def data_of(name: str, folder: Path) -> Path:
    """60 simulated records: 4 s of twelve leads, or 9 s of one lead for the recipes of 2017."""
    from tests.conftest import write_2017, write_simulated

    folder.mkdir(parents=True)
    if name.startswith("dualnet"):
        write_2017(folder, 60)
    else:
        write_simulated(folder, 60, seed=3, duration_s=4.0, fs=250.0)
    return folder


def digest_of_files(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def digest_of_weights(model: Path) -> tuple[str, float]:
    """Give a digest of all trained tensors, by name, and the mean of their sizes."""
    digest, sizes = hashlib.sha256(), []
    for entry in json.loads((model / "model.json").read_text())["lead_sets"]:
        weights = load_file(model / entry["file"])
        for name in sorted(weights):
            digest.update(name.encode() + weights[name].tobytes())
            sizes.append(float(np.abs(weights[name].astype(float)).mean()))
    return digest.hexdigest(), float(np.mean(sizes))


def trained(name: str, folder: Path) -> dict[str, object]:
    """Train a recipe on 60 records, answer them, and sum up what came out."""
    data, model, outputs = data_of(name, folder / "data"), folder / "model", folder / "outputs"
    recipe = DATA / "guard" / f"{name}.json"
    run("train_model.py", data, model, LEADWISE_RECIPE=str(recipe), LEADWISE_WORKERS="1")
    run("run_model.py", model, data, outputs)
    weights, size = digest_of_weights(model)
    return {"weights": weights, "size": size, "answers": digest_of_files(sorted(outputs.iterdir()))}


def answered(name: str, folder: Path, data: Path = DATA / "challenge-samples") -> dict[str, object]:
    """Let a shipped model answer the genuine samples."""
    run("run_model.py", ROOT / "weights" / name, data, folder)
    return {"answers": digest_of_files(sorted(folder.iterdir()))}


def processor() -> str:
    """Name the processor, as far as the operating system knows it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    told = dict(line.split(":", 1) for line in lines if ":" in line)
    told = {key.strip(): value.strip() for key, value in told.items()}
    return " ".join(told.get(key, "") for key in ("vendor_id", "cpu family", "model", "model name"))


def compare(kind: str, name: str, found: dict[str, object]) -> None:
    """Equal bits on a processor that is known; on another one at least a similar size."""
    golden = json.loads(GOLDEN.read_text())
    expected = golden[kind][name]
    if processor() in golden["processors"]:
        assert found == expected
    if "size" in expected:
        assert found["size"] == pytest.approx(expected["size"], rel=1e-3)


@pytest.mark.parametrize("name", RECIPES)
def test_a_training_ends_with_the_same_weights_and_answers(name: str, tmp_path: Path) -> None:
    compare("trained", name, trained(name, tmp_path))


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_model_answers_the_same(name: str, tmp_path: Path) -> None:
    compare("shipped", name, answered(name, tmp_path))


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as made:
        content = {
            "processors": [processor()],
            "trained": {name: trained(name, Path(made, name)) for name in RECIPES},
            "shipped": {name: answered(name, Path(made, f"shipped-{name}")) for name in SHIPPED},
        }
    print(json.dumps(content, indent=1))
