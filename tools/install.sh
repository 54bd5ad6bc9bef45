#!/usr/bin/env bash
# tools/install.sh VENV [test]: make the virtual environment with the exact versions of requirements.lock, or of
# requirements-test.lock, and see to the few system libraries they need. As root, what is missing is installed with
# apt; otherwise the one command to type is printed.
set -euo pipefail
venv=$1
what=${2:-build}
python=${PYTHON:-python3}

has_library() {
    { ldconfig -p 2>/dev/null || /sbin/ldconfig -p; } | grep -q "$1"
}

missing=()
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
if [ "$what" = test ]; then   # a build needs no system library; the tests draw through OpenGL too
    has_library libEGL.so.1 || missing+=(libegl1)
    has_library libGL.so.1 || missing+=(libgl1)
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    if [ "$what" = test ] && ! has_library libOSMesa.so; then missing+=(libosmesa6); fi   # dropped by newer releases
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
if [ "$what" = test ]; then
    lock=requirements-test.lock
    torch=$(grep -m 1 '^torch==' "$lock")
    echo "a3dgen: installing what the tests need into $venv (about a minute with a CPU wheel of torch, once)"
    "${pip[@]}" install --no-compile "$torch" ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"}
else
    lock=requirements.lock
    echo "a3dgen: installing into $venv (about a minute, once)"
fi
# The lock is complete, so that pip need not look for what else packages ask for (torch: CUDA's libraries).
"${pip[@]}" install --no-compile --no-deps -r "$lock"
"${pip[@]}" install --no-compile --no-deps -e .
"$venv/bin/python" -m pip --disable-pip-version-check check
"$venv/bin/a3dgen" networks --quiet ||
    echo "a3dgen: the demo needs none of them; 'a3dgen networks' gets them later" >&2
touch "$venv/.ready" "$venv/.ready-$what"
