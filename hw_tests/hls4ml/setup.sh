#!/bin/sh
# Creates the environment of `make test-hls4ml`: setup.sh [FOLDER] [PYTHON]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-.venv-hls4ml}
python=${2:-python3}
"$python" -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
touch "$folder/.installed"
