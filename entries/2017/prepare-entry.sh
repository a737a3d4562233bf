#!/bin/bash
# prepare-entry.sh VALIDATION ENTRY.zip [--score] [--wheels FOLDER]
#
# Create the entry in the Challenge's layout, set it up, run it on the records of VALIDATION (in 2017
# 300 records of the training set), and pack it with the answers in answers.txt.  If VALIDATION has a
# REFERENCE.csv, the answers are scored.  ENTRY.zip is a dry run unless --score is given; the number
# of scored entries was limited.  --wheels packs the packages for a machine without network:
# pip download -d FOLDER numpy safetensors scipy torch.
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/paths.sh"
usage="usage: prepare-entry.sh VALIDATION ENTRY.zip [--score] [--wheels FOLDER]"
[ $# -ge 2 ] || { echo "$usage" >&2; exit 2; }
validation=$(realpath "$1") zip=$(realpath -m "$2")
shift 2
dryrun=yes wheels=
while [ $# -gt 0 ]; do
    case "$1" in
        --score) dryrun= ;;
        --wheels) wheels=$(realpath "${2:?$usage}"); shift ;;
        *) echo "$usage" >&2; exit 2 ;;
    esac
    shift
done
case "$python" in */*) python=$(realpath -s "$python") ;; esac # the working directory changes below
export PYTHON="$python"
[ -f "$weights/model.json" ] || { echo "Error: $weights holds no model.json" >&2; exit 1; }
ls "$validation"/*.hea >/dev/null

entry=$(mktemp -d)
trap 'rm -rf "$entry"' EXIT
cp -L "$here"/{setup.sh,next.sh,paths.sh,answer.py,dependencies.txt,AUTHORS.txt,LICENSE.txt} "$entry"
[ -z "$dryrun" ] || cp "$here/DRYRUN" "$entry"
[ -z "$wheels" ] || cp -r "$wheels" "$entry/wheels"
mkdir -p "$entry/leadwise/weights"
cp -r "$tree/ecg" "$tree/models" "$entry/leadwise"
cp -rL "$weights" "$entry/leadwise/weights/dualnet2017"
find "$entry/leadwise" -name __pycache__ -exec rm -r {} +

# A copy is set up and run, so that the zip has no records and no compiled files.
run=$(mktemp -d)
trap 'rm -rf "$entry" "$run"' EXIT
cp -r "$entry/." "$run"
cd "$run"
unset ENTRY_WEIGHTS
./setup.sh
for header in "$validation"/*.hea; do
    record=$(basename "$header" .hea)
    files=("$record.hea" "$record.mat") # by name: the entry has files answers.* and next.*
    ln -s -- "${files[@]/#/$validation/}" .
    ./next.sh "$record"
    rm -- "${files[@]}"
done
cp answers.txt "$entry"
if [ -f "$validation/REFERENCE.csv" ]; then
    PYTHONPATH="$tree" "$python" -m scoring.af "$validation/REFERENCE.csv" answers.txt
fi
cd "$entry"
rm -f "$zip"
"$python" -m zipfile -c "$zip" *
echo "$(wc -l < answers.txt) records answered; $zip holds $(du -h "$zip" | cut -f1)${dryrun:+, a dry run}"
