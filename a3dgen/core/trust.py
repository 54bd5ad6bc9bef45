"""Files that are programs: what is said before one is run that the user named."""

from __future__ import annotations

import functools
import logging

log = logging.getLogger("a3dgen")


@functools.cache
def warn_of_code(option: str, path: str, what: str) -> None:
    """Say once a process that a file runs code of its maker.

    Args:
        option: by which the user named it. path: of the file. what: the kind of file, e.g. ``a TorchScript file``.
    """
    log.warning("%s: %s is %s, which runs code of its maker; use it only if you trust where it is from",
                option, path, what)  # fmt: skip
