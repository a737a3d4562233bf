#!/bin/bash
# next.sh RECORD: append `RECORD,X` to answers.txt of the working folder, where RECORD.hea and
# RECORD.mat lie.  Another model than weights/dualnet2017: ENTRY_WEIGHTS=FOLDER.
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/paths.sh"
# One thread: a second one costs more CPU than it saves on one record.
export OMP_NUM_THREADS=1 PYTHONPATH="$tree"
exec "$python" "$here/answer.py" "$weights" "$1"
