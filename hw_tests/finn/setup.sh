#!/bin/sh
# Creates the environment of `make test-finn`: setup.sh [FOLDER] [PYTHON]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-.venv-finn}
python=${2:-python3}
"$python" -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
"$folder/bin/pip" install --quiet --disable-pip-version-check --no-deps finn-plus==1.6.1
touch "$folder/.installed"
