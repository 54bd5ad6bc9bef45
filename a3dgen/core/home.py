"""The cache folder: networks, bodies, compiled kernels, video frames; everything that a3dgen makes once.

``$A3DGEN_HOME``, else ``$XDG_CACHE_HOME/a3dgen``, else ``~/.cache/a3dgen``. Where that cannot be written (a container
with an unknown user, a batch node without a home, a full quota) a private temporary folder takes its place, said in
one line; what a folder that can only be read holds is used from there.
"""

from __future__ import annotations

import functools
import logging
import os
import stat
import tempfile
from pathlib import Path

from a3dgen.core.errors import ConfigError
from a3dgen.core.files import remove

VARIABLE = "A3DGEN_HOME"
SHARED = ("anny", "bodies", "made", "networks", "numba")
"""Folders whose files are used from a cache folder that can only be read."""
_PROBE_BYTES = 1 << 16
log = logging.getLogger("a3dgen")


def home() -> Path:
    """Return the cache folder, which exists and can be written.

    Raises:
        ConfigError: if neither it nor any temporary folder can be written.
    """
    return _home(*(os.environ.get(name, "") for name in (VARIABLE, "XDG_CACHE_HOME", "HOME")))


@functools.cache
def _home(named: str, xdg: str, _user: str) -> Path:
    wanted = _wanted(named, xdg)
    if wanted is not None and _writable(wanted):
        return wanted
    folder = private_folder()
    why = "there is no home folder" if wanted is None else f"{wanted} cannot be written"
    log.warning("%s: %s is used for what is made once; set %s to a folder that lasts", why, folder, VARIABLE)
    if wanted is not None:
        _borrow(wanted, folder)
    os.environ[VARIABLE] = str(folder)  # of the processes that this one starts
    os.environ.setdefault("MPLCONFIGDIR", str(folder / "matplotlib"))  # which would say its own line
    return folder


def _wanted(named: str, xdg: str) -> Path | None:
    """Return the folder by the rules, None if the user has no home."""
    try:
        if named:
            return Path(named).expanduser().absolute()
        if os.path.isabs(xdg):
            return Path(xdg) / "a3dgen"
        return Path.home().absolute() / ".cache" / "a3dgen"
    except RuntimeError:  # no HOME, and the user is in no list of users
        return None


def _writable(folder: Path) -> bool:
    """Whether a file can be made in a folder, which is made if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_PROBE_BYTES))  # a full disk or quota allows empty files
    except OSError:
        return False
    return True


def private_folder() -> Path:
    """Return a temporary folder that only this user can enter, the same in every process of the user.

    Compiled kernels are code: a folder of somebody else's, or open to others, is not used.

    Raises:
        ConfigError: if no temporary folder can be written.
    """
    try:
        folder = Path(tempfile.gettempdir()) / f"a3dgen-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        facts = folder.lstat()
        mine = stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid() and not facts.st_mode & 0o077
        if mine and _writable(folder):
            return folder
    except OSError:
        pass  # a file of that name, a folder of another user's, or no temporary folder at all: see below
    try:
        return Path(tempfile.mkdtemp(prefix="a3dgen-"))
    except OSError as error:
        raise ConfigError(f"no folder can be written ({error}); set {VARIABLE} to one that can") from None


def give_home() -> None:
    """Give a process whose user has no home folder a temporary one: many packages write to ``~`` whatever it is."""
    try:
        Path.home()
    except RuntimeError:
        home()  # says the line, and keeps what is made once out of the made-up home
        os.environ["HOME"] = str(private_folder())


def _borrow(source: Path, folder: Path) -> None:
    """Link the files of a cache folder that can only be read into another one."""
    for name in SHARED:
        for root, _, files in os.walk(source / name):
            for file in files:
                link = folder / Path(root).relative_to(source) / file
                if not link.exists() and os.access(Path(root) / file, os.R_OK):
                    link.parent.mkdir(parents=True, exist_ok=True)
                    remove(link)  # one that leads nowhere any more
                    link.symlink_to(Path(root).absolute() / file)
