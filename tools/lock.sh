#!/usr/bin/env bash
# Renews locks/ from pyproject.toml: exact versions with hashes for every platform, and no address of any registry.
# The three are installed together, so each later one is held to the versions of those before it.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() {
    local output=$1
    shift
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --system-certs --generate-hashes \
        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --output-file "$output" "$@" >/dev/null
}
compile locks/build.lock --group build "$@"
compile locks/run.lock --constraints locks/build.lock pyproject.toml --extra admin --extra devices --extra hsm "$@"
compile locks/dev.lock --constraints locks/build.lock --constraints locks/run.lock --group dev --group data --group load --group browser "$@"
