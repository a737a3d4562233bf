#!/bin/bash
# next.sh RECORD: append `RECORD,X` to answers.txt of the working directory, which has RECORD.hea and
# RECORD.mat.  ENTRY_WEIGHTS=FOLDER selects another model than weights/dualnet2017;
# ENTRY_PROBABILITIES=FILE appends `RECORD,P` to FILE, with the probability of atrial fibrillation.
set -eu
[ $# -eq 1 ] || { echo "usage: next.sh RECORD" >&2; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/paths.sh"
# One thread: a second one costs more CPU than it saves on one record.
export OMP_NUM_THREADS=1 PYTHONPATH="$tree"
exec "$python" "$here/answer.py" ${ENTRY_PROBABILITIES:+--probabilities "$ENTRY_PROBABILITIES"} \
    -- "$weights" "$1"
