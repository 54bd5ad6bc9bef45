#!/usr/bin/env bash
# Make the virtual environment $1 with the pinned packages, and see to the few system libraries they need.
# As root, what is missing is installed with apt; otherwise the one command to type is printed.
set -euo pipefail
venv=$1
python=${PYTHON:-python3}

has_library() {
    { ldconfig -p 2>/dev/null || /sbin/ldconfig -p; } | grep -q "$1"
}

missing=()
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
has_library libEGL.so.1 || missing+=(libegl1)
has_library libGL.so.1 || missing+=(libgl1)
has_library libglib-2.0.so.0 || missing+=(libglib2.0-0)
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    has_library libOSMesa.so || missing+=(libosmesa6)   # a second way to draw; newer distributions have dropped it
    if [ ${#missing[@]} -gt 0 ]; then
        apt-get update -qq || echo "a3dgen: apt-get update failed, trying with the lists that are there" >&2
        found=()
        for package in "${missing[@]}"; do
            if apt-cache show "$package" >/dev/null 2>&1; then found+=("$package"); fi
        done
        if [ ${#found[@]} -gt 0 ]; then
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${found[@]}" >/dev/null
        fi
    fi
elif [ ${#missing[@]} -gt 0 ]; then
    echo "a3dgen: missing on this system: ${missing[*]}. Type this once, then make again:" >&2
    echo "    sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
    exit 2
fi

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "a3dgen: $python is $("$python" -V 2>&1); Python 3.11 or later is needed: make PYTHON=python3.11" >&2
    exit 2
}
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
pip=("$venv/bin/python" -m pip --disable-pip-version-check -qq)
torch=$(grep -m 1 '^torch==' requirements.lock)
echo "a3dgen: installing into $venv (about a minute with CPU wheels, once)"
"${pip[@]}" install --no-compile "$torch" ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"}
if "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info >= (3, 13))'; then
    "${pip[@]}" install --no-compile -r requirements.lock ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"}
    "${pip[@]}" install --no-compile --no-deps -e .
else
    echo "a3dgen: the exact versions of requirements.lock are for Python 3.11 and 3.12; taking current ones" >&2
    "${pip[@]}" install --no-compile -e '.[test]' ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"}
fi
touch "$venv/.ready"
