#!/usr/bin/env bash
# Train a flow on a machine that has a GPU and torch, but no network and little time: a rented or a queued one.
#
#   flows/in_pieces.sh pack FOLDER
#       here, with a network: put into FOLDER what such a machine lacks, as wheels for Python 3.12 on x86-64 Linux.
#   flows/in_pieces.sh train FLOW.toml SECONDS OUT [FOLDER]
#       there: go on with the flow's training for so many seconds, in runs/NAME. Say it again until it ends with 0;
#       3 says that it is not done yet. OUT then holds what to take home: a few small files.
#
# Training is saved while it goes on and when the time is up, so pieces may be as short as one likes. The hardware's
# side of the flow needs no GPU: give the finished run's folder to `etb-hw run FLOW.toml --out FOLDER` at home.
set -euo pipefail
cd "$(dirname "$0")/.."
# what etb-hw[train] needs beyond torch, numba, onnx, scikit-learn and matplotlib, which such machines have
packages=(brevitas dependencies unfoldNd qonnx importlib_metadata zipp lazy-importer clize sigtools od docutils bitstring
  tibs toposort onnxoptimizer ortools immutabledict pydantic pydantic_core annotated-types typing-inspection)

pack() {
  local names=()
  for name in "${packages[@]}"; do
    names+=("$(grep -i "^$name==" constraints.txt)")
  done
  "${PYTHON:-.venv/bin/python}" -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.12 \
    --implementation cp $(printf -- '--platform manylinux_2_%s_x86_64 ' 17 24 27 28) --platform manylinux2014_x86_64 \
    -d "$1" "${names[@]}"
  du -sh "$1"
}

train() {
  local flow=$1 seconds=$2 out=$3 wheels=${4:-} run code=0
  run=runs/$(basename "$flow" .toml)
  if [ -n "$wheels" ]; then
    python3 -m pip install --quiet --no-index --no-deps --no-compile --upgrade --target /tmp/etb_site "$wheels"/*.whl
    export PYTHONPATH=/tmp/etb_site:$PWD
  fi
  timeout --signal=INT --kill-after=30 "$seconds" python3 -m etb_hw train "$flow" --out "$run" || code=$?
  mkdir -p "$out"
  for file in checkpoint.safetensors metrics.jsonl pruning.json flow.json summary.json; do
    [ ! -f "$run/$file" ] || cp "$run/$file" "$out/"
  done
  tail -n 1 "$run/metrics.jsonl" 2>/dev/null || true
  case $code in
    0) echo "in_pieces: done" ;;
    124 | 130 | 137) echo "in_pieces: not done yet, go on with the same command" && exit 3 ;;
    *) exit "$code" ;;
  esac
}

case ${1:-} in
  pack) [ $# = 2 ] && pack "$2" ;;
  train) [ $# -ge 4 ] && train "${@:2}" ;;
  *) sed -n '2,12s/^# \{0,1\}//p' "$0" && exit 2 ;;
esac
