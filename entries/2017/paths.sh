# Paths of an entry's parts; sourced by the other scripts, with `here` set.
# A packed entry has the tree next to the scripts, the repository two folders above.
tree="$here/leadwise"
[ -d "$tree" ] || tree=$(cd "$here/../.." && pwd)
weights="${ENTRY_WEIGHTS:-$tree/weights/dualnet2017}"
# The environment of setup.sh, else $PYTHON, else the system's Python.
python="$here/venv/bin/python"
[ -x "$python" ] || python="${PYTHON:-python3}"
