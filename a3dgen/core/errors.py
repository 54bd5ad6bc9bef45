"""Every error a user can cause. The message says what, where and how to fix it; no traceback is shown."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

SYSTEM_PACKAGES = {
    "libGL.so": "libgl1 libglib2.0-0",  # OpenCV needs both, and names the first that it misses
    "libgthread": "libgl1 libglib2.0-0",
    "libglib": "libgl1 libglib2.0-0",
    "libEGL.so": "libegl1",
    "libOSMesa.so": "libosmesa6",
    "libgomp.so": "libgomp1",
    "libSM.so": "libsm6",
    "libXext.so": "libxext6",
}
"""Beginnings of a library's name -> Debian's packages that hold it."""


class A3dgenError(Exception):
    """Base of all errors that are reported to the user as one line."""

    exit_code = 2


class ConfigError(A3dgenError):
    """A configuration key, value, path or command-line option is wrong."""


class DataError(A3dgenError):
    """An input or intermediate file cannot be used as it is."""


class NobodyThere(ConfigError):
    """The sources name no person at all, not even one who was refused."""


class MissingDependency(ConfigError):
    """An optional package is needed for what was asked; the message names the install command."""

    def __init__(self, package: str, needed_for: str, install: str | None = None) -> None:
        super().__init__(
            f"{needed_for} needs the package '{package}', which is not installed: {install or f'pip install {package}'}"
        )


class Rejected(Exception):
    """One person or sample cannot be used, for a reason that lies in the data. Recorded in Outcome, never fatal."""


def missing_library(error: ImportError) -> str:
    """Say which Debian package to install if a compiled module lacks a library of the system; else nothing."""
    library, _, rest = str(error).partition(": ")
    if "cannot open shared object file" not in rest:
        return ""
    package = next((p for start, p in SYSTEM_PACKAGES.items() if library.startswith(start)), "")
    how = f"apt-get install {package}" if package else "install it with the system's package manager"
    return f"the system library {library} is missing, which a package needs: {how}"


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return a hint such as ``; did you mean 'x'?`` or a list of the valid names, for use in messages.

    Names are compared without dashes in front, which would make any two options alike.
    """
    names = sorted(valid)
    bare = {n.lstrip("-"): n for n in names}
    match = difflib.get_close_matches(name.lstrip("-"), bare, n=1, cutoff=0.5)
    if match:
        return f"; did you mean '{bare[match[0]]}'?"
    return f"; valid: {', '.join(names)}" if names else ""
