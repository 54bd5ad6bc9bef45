#!/usr/bin/env bash
# Write requirements.lock (what a build needs) and requirements-test.lock (what `make test` needs besides): exact
# versions for Python 3.11 and later, from the bounds in setup.cfg and the versions that tools/tested.txt prefers.
# Needs uv (pip install uv). torch's CUDA wheels, gigabytes, are left out: see tools/install.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
made=$(mktemp)
trap 'rm -f "$made"' EXIT

compile() {
    uv pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header "$@" setup.cfg -o "$made"
    grep -vE '^(nvidia-|cuda-|triton)' "$made"
}

{
    echo "# Exact versions of what a build needs, for Python 3.11 and later. Written by tools/lock.sh."
    compile --constraint tools/tested.txt
} >requirements.lock
{
    echo "# Exact versions of what the tests need, requirements.lock included. Written by tools/lock.sh."
    echo "# torch goes first and alone, since TORCH_INDEX may name another wheel index for it."
    compile --constraint tools/tested.txt --extra test
} >requirements-test.lock
