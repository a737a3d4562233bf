# Where an entry's parts are; read by the other scripts, with `here` set.
# In a packed entry the tree stands beside the scripts, in the repository two floors above.
tree="$here/leadwise"
[ -d "$tree" ] || tree=$(cd "$here/../.." && pwd)
weights="${ENTRY_WEIGHTS:-$tree/weights/dualnet2017}"
# What setup.sh installed, else what is named by PYTHON, else the system's.
python="$here/venv/bin/python"
[ -x "$python" ] || python="${PYTHON:-python3}"
