#!/bin/sh
# Make the virtual environment named by $1, or say the one command that lets it be made.
set -eu
target=$1
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "Python 3.11 or newer is needed; $("$python" --version 2>&1) was found. Name another: make PYTHON=python3.12" >&2
  exit 1
}
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing python3-venv ..."
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
  else
    echo "Python's venv module is not complete here. Run this once as root, then again what you ran:" >&2
    echo "  $(command -v sudo >/dev/null && echo "sudo ")apt install python3-venv" >&2
    exit 1
  fi
fi
"$python" -m venv --clear "$target"
