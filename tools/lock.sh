#!/bin/sh
# Write the lock files from pyproject.toml: versions and hashes, no index address.
# What builds packages is locked apart and installed first: nothing else is fetched to build with.
set -eu
cd "$(dirname "$0")/.."
command -v uv >/dev/null || { echo "tools/lock.sh needs uv: pip install uv" >&2; exit 1; }
lock() {
  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
    --no-annotate --no-emit-index-url --no-emit-find-links "$@"
}
lock "$@" tools/build.in --output-file requirements-build.lock
lock "$@" --constraint requirements-build.lock pyproject.toml --output-file requirements.lock
lock "$@" --constraint requirements-build.lock --constraint requirements.lock pyproject.toml --extra dev --output-file requirements-dev.lock
