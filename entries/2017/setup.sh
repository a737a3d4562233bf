#!/bin/bash
# setup.sh: run once, before the first record.  Nothing is fetched: where the packages are not
# installed they come from wheels/, which prepare-entry.sh packs on request.
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/paths.sh"
needed='import numpy, safetensors, scipy, torch'
if ! "$python" -c "$needed" 2>/dev/null; then
    if [ ! -d "$here/wheels" ]; then
        echo "Error: $python has not all of numpy, safetensors, scipy and torch, and there is no" \
            "folder wheels/ to install them from; name a Python that has them by PYTHON, or pack" \
            "the wheels (prepare-entry.sh)." >&2
        exit 1
    fi
    "$python" -m venv "$here/venv"
    "$here/venv/bin/python" -m pip install --quiet --no-index --find-links "$here/wheels" \
        numpy safetensors scipy torch
    . "$here/paths.sh"
    "$python" -c "$needed"
fi
if [ ! -f "$weights/model.json" ]; then
    echo "Error: $weights: the weights are missing; put a model folder there, or name another one by" \
        "the environment variable ENTRY_WEIGHTS." >&2
    exit 1
fi
"$python" -m compileall -q "$tree/ecg" "$tree/models" # else the first record would compile
