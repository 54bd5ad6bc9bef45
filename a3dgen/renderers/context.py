"""One OpenGL context without a window per process: EGL without a surface first, OSMesa second, both by ctypes.

``A3DGEN_GL=egl`` or ``A3DGEN_GL=osmesa`` forces one. Two live contexts in one process can crash Mesa, so the
current one is kept here and must be released before the next is made.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from typing import Any

from a3dgen.core.errors import ConfigError, nearest

INSTALL_HINT = "install the libraries: apt-get install -y libegl1 libgl1 (or libosmesa6 where it exists)"

_EGL_PLATFORM_SURFACELESS = 0x31DD
_EGL_PLATFORM_DEVICE = 0x313F
_EGL_OPENGL_API = 0x30A2
_EGL_NONE = 0x3038
_OSMESA_ATTRIBUTES = (0x22, 0x1908, 0x30, 24, 0x33, 0x34, 0x36, 3, 0x37, 3, 0)
"""OSMESA_FORMAT RGBA, DEPTH_BITS 24, PROFILE CORE, CONTEXT_MAJOR_VERSION 3, CONTEXT_MINOR_VERSION 3, end."""


class _Loader:
    """The object moderngl asks for GL's functions; ``destroy`` ends the context."""

    def __init__(self, name: str, address: Callable[[bytes], int | None], destroy: Callable[[], None]) -> None:
        self.name, self._address, self._destroy = name, address, destroy

    def load_opengl_function(self, name: str) -> int:
        return self._address(name.encode()) or 0

    load = load_opengl_function

    def __enter__(self) -> _Loader:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def release(self) -> None:
        """End the context."""
        self._destroy()


def single_threaded() -> None:
    """Make llvmpipe rasterise on the calling thread, so that the same input gives the same bytes at the same cost.

    Must run before the first context of the process; LP_NUM_THREADS=0 means no rasteriser threads.
    """
    os.environ["LP_NUM_THREADS"] = "0"
    os.environ.setdefault("MESA_SHADER_CACHE_DISABLE", "true")


def _function(library: ctypes.CDLL, name: str, result: Any, *arguments: Any) -> Any:
    f = getattr(library, name)
    f.restype, f.argtypes = result, list(arguments)
    return f


def _egl_display(egl: ctypes.CDLL, address: Callable[[bytes], int | None]) -> int:
    """Return an initialised display: Mesa's surfaceless platform, else the first device (NVIDIA has only those)."""
    pointer, integer = ctypes.c_void_p, ctypes.c_int
    initialize = _function(egl, "eglInitialize", ctypes.c_uint, pointer, pointer, pointer)
    entry = address(b"eglGetPlatformDisplayEXT")
    if not entry:
        raise OSError("EGL has no platform displays")
    get_display = ctypes.CFUNCTYPE(pointer, ctypes.c_uint, pointer, pointer)(entry)
    candidates: list[tuple[int, int | None]] = [(_EGL_PLATFORM_SURFACELESS, None)]
    query = address(b"eglQueryDevicesEXT")
    if query:
        devices, count = (pointer * 16)(), integer(0)
        ctypes.CFUNCTYPE(ctypes.c_uint, integer, pointer, pointer)(query)(16, devices, ctypes.byref(count))
        candidates += [(_EGL_PLATFORM_DEVICE, devices[i]) for i in range(count.value)]
    for platform, native in candidates:
        display = get_display(platform, native, None)
        if display and initialize(display, None, None):
            return display
    raise OSError("no EGL display can be opened")


def _open_egl() -> _Loader:
    egl = ctypes.CDLL("libEGL.so.1")
    pointer, integer = ctypes.c_void_p, ctypes.c_int
    address = _function(egl, "eglGetProcAddress", pointer, ctypes.c_char_p)
    display = _egl_display(egl, address)
    _function(egl, "eglBindAPI", ctypes.c_uint, ctypes.c_uint)(_EGL_OPENGL_API)
    wanted = (integer * 5)(0x3040, 0x0008, 0x3033, 0, _EGL_NONE)  # RENDERABLE_TYPE OPENGL_BIT, SURFACE_TYPE any
    config, count = pointer(), integer(0)
    choose = _function(egl, "eglChooseConfig", ctypes.c_uint, pointer, pointer, pointer, integer, pointer)
    choose(display, wanted, ctypes.byref(config), 1, ctypes.byref(count))
    if not count.value:
        raise OSError("EGL has no OpenGL configuration")
    attributes = (integer * 7)(0x3098, 3, 0x30FB, 3, 0x30FD, 1, _EGL_NONE)  # version 3.3, core profile
    create = _function(egl, "eglCreateContext", pointer, pointer, pointer, pointer, pointer)
    context = create(display, config, None, attributes)
    current = _function(egl, "eglMakeCurrent", ctypes.c_uint, pointer, pointer, pointer, pointer)
    if not context or not current(display, None, None, context):
        raise OSError("EGL cannot create an OpenGL 3.3 context")
    end = _function(egl, "eglDestroyContext", ctypes.c_uint, pointer, pointer)

    def destroy() -> None:
        current(display, None, None, None)
        end(display, context)

    return _Loader("egl", address, destroy)


def _open_osmesa() -> _Loader:
    mesa = _load_first("libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so")
    pointer, integer = ctypes.c_void_p, ctypes.c_int
    attributes = (integer * len(_OSMESA_ATTRIBUTES))(*_OSMESA_ATTRIBUTES)
    context = _function(mesa, "OSMesaCreateContextAttribs", pointer, pointer, pointer)(attributes, None)
    surface = ctypes.create_string_buffer(4 * 16 * 16)  # never drawn to: everything goes to framebuffer objects
    current = _function(mesa, "OSMesaMakeCurrent", ctypes.c_ubyte, pointer, pointer, ctypes.c_uint, integer, integer)
    if not context or not current(context, surface, 0x1401, 16, 16):
        raise OSError("OSMesa cannot create an OpenGL 3.3 context")
    end = _function(mesa, "OSMesaDestroyContext", None, pointer)
    address = _function(mesa, "OSMesaGetProcAddress", pointer, ctypes.c_char_p)
    loader = _Loader("osmesa", address, lambda: end(context))
    loader.surface = surface  # type: ignore[attr-defined]  # must outlive the context
    return loader


def _load_first(*names: str) -> ctypes.CDLL:
    for name in names[:-1]:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return ctypes.CDLL(names[-1])


_OPENERS: dict[str, Callable[[], _Loader]] = {"egl": _open_egl, "osmesa": _open_osmesa}


def open_context() -> Any:
    """Make an OpenGL 3.3 core context, current on this thread.

    Returns:
        A ``moderngl.Context``; its ``release()`` ends the context too. ``context.mglo`` aside, ``info`` tells the
        driver.

    Raises:
        ConfigError: if there is none, naming what each attempt said and the packages to install.
    """
    import moderngl

    wanted = os.environ.get("A3DGEN_GL", "")
    if wanted and wanted not in _OPENERS:
        raise ConfigError(f"A3DGEN_GL='{wanted}' is unknown{nearest(wanted, _OPENERS)}")
    single_threaded()
    said = []
    for name in [wanted] if wanted else list(_OPENERS):
        try:
            loader = _OPENERS[name]()
            context = moderngl.create_context(context=loader, require=330)  # type: ignore[arg-type]
        except (OSError, AttributeError, ValueError, moderngl.Error) as error:
            said.append(f"{name}: {error}")
            continue
        context.gc_mode = None  # type: ignore[assignment]
        return context
    raise ConfigError(f"no OpenGL context ({'; '.join(said)}): {INSTALL_HINT}")
