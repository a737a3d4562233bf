#!/bin/bash
# setup.sh: run once, before the first record.  It downloads nothing: missing packages are installed
# from wheels/, which prepare-entry.sh packs on request.
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/paths.sh"
needed='import numpy, safetensors, scipy, torch'
if ! "$python" -c "$needed" 2>/dev/null; then
    if [ ! -d "$here/wheels" ]; then
        echo "Error: $python: numpy, safetensors, scipy or torch is missing, and so is the folder" \
            "wheels/; set PYTHON to a Python that has them, or pack the wheels" \
            "(prepare-entry.sh)." >&2
        exit 1
    fi
    "$python" -m venv "$here/venv"
    "$here/venv/bin/python" -m pip install --quiet --no-index --find-links "$here/wheels" \
        numpy safetensors scipy torch
    . "$here/paths.sh"
    "$python" -c "$needed"
fi
if [ ! -f "$weights/model.json" ]; then
    echo "Error: $weights: the weights are missing; put a model folder there, or set the" \
        "environment variable ENTRY_WEIGHTS to another one." >&2
    exit 1
fi
# So that the first record needs no compilation; a folder that cannot be written works, too.
"$python" -m compileall -q "$tree/ecg" "$tree/models" >/dev/null 2>&1 ||
    echo "Note: $tree cannot be written, so each record compiles the code again." >&2
