"""Which library PyOpenGL draws through, chosen before it is imported, and what its release 3.1.0 lacks for OSMesa."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from typing import Any

from a3dgen.core.errors import ConfigError, nearest
from a3dgen.renderers.context import INSTALL_HINT, single_threaded

PLATFORMS = ("egl", "osmesa")
_OSMESA = {"PROFILE": 0x33, "CORE_PROFILE": 0x34, "CONTEXT_MAJOR_VERSION": 0x36, "CONTEXT_MINOR_VERSION": 0x37,
           "DEPTH_BITS": 0x30}  # fmt: skip
"""Attributes of a context that PyOpenGL 3.1.0 has no names for."""


def choose_platform() -> str:
    """Set ``PYOPENGL_PLATFORM``, unless it is set, from ``A3DGEN_GL`` or else by what is installed; return it.

    Raises:
        ConfigError: for an unknown name, or if neither EGL nor OSMesa is installed.
    """
    single_threaded()
    os.environ.setdefault("PYGLET_HEADLESS", "1")
    wanted = os.environ.get("PYOPENGL_PLATFORM") or os.environ.get("A3DGEN_GL") or _installed()
    if wanted not in PLATFORMS:
        raise ConfigError(f"pyrender cannot draw without a window through '{wanted}'{nearest(wanted, PLATFORMS)}")
    os.environ["PYOPENGL_PLATFORM"] = wanted
    return wanted


def _installed() -> str:
    for platform, library in (("egl", "libEGL.so.1"), ("osmesa", "libOSMesa.so.8"), ("osmesa", "libOSMesa.so")):
        try:
            ctypes.CDLL(library)
        except OSError:
            continue
        return platform
    raise ConfigError(f"pyrender needs EGL or OSMesa: {INSTALL_HINT}")


def complete_osmesa() -> None:
    """Give ``OpenGL.osmesa`` what pyrender takes from it and PyOpenGL 3.1.0 lacks, and contexts that can be compared.

    PyOpenGL keeps what belongs to a context in a dictionary by its pointer, which it cannot look up (3.1.0) or never
    finds again, so that it grows with every frame (3.1.10), unless equal pointers are equal.
    """
    from OpenGL import osmesa, platform

    osmesa.OSMesaContext.__hash__ = _address
    osmesa.OSMesaContext.__eq__ = lambda one, other: _address(one) == _address(other)
    if hasattr(osmesa, "OSMesaCreateContextAttribs"):
        return
    create = platform.PLATFORM.OSMesa.OSMesaCreateContextAttribs
    create.restype, create.argtypes = osmesa.OSMesaContext, [ctypes.POINTER(ctypes.c_int), osmesa.OSMesaContext]

    def create_context(attributes: Sequence[int], shared: Any) -> Any:
        return create((ctypes.c_int * len(attributes))(*attributes), shared)

    osmesa.OSMesaCreateContextAttribs = create_context
    for name, value in _OSMESA.items():
        setattr(osmesa, f"OSMESA_{name}", value)


def _address(pointer: Any) -> int:
    """Return where a pointer points; numbers stay what they are."""
    return pointer if isinstance(pointer, int) else ctypes.cast(pointer, ctypes.c_void_p).value or 0
