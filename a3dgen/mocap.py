"""Motion capture in: AMASS sequences to joints, rotations and amputee copies, from Python.

    >>> import a3dgen
    >>> a3dgen.mocap.resample(numpy.arange(5.0), 100, 50)
    array([0., 2.])

``convert(MocapConfig(...))`` is ``a3dgen mocap``; ``read(path)`` returns the tree of a file without executing its
pickle; ``sequences(path)`` yields its sequences one at a time, for files larger than memory.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "MocapConfig": ("a3dgen.engine.mocap_config", "MocapConfig"),
    "Report": ("a3dgen.engine.mocap", "Report"),
    "convert": ("a3dgen.engine.mocap", "convert"),
    "MocapSequence": ("a3dgen.sources.mocap_files", "MocapSequence"),
    "read": ("a3dgen.sources.mocap_files", "read_tree"),
    "sequences": ("a3dgen.sources.mocap_files", "read_sequences"),
    "resample": ("a3dgen.motion.rates", "resample"),
    "rational": ("a3dgen.motion.rates", "rational"),
    "frame_count": ("a3dgen.motion.rates", "frame_count"),
}
"""Name -> module and name there, imported when it is first used."""

__all__ = tuple(_PUBLIC)

if TYPE_CHECKING:
    from a3dgen.engine.mocap import Report as Report
    from a3dgen.engine.mocap import convert as convert
    from a3dgen.engine.mocap_config import MocapConfig as MocapConfig
    from a3dgen.motion.rates import frame_count as frame_count
    from a3dgen.motion.rates import rational as rational
    from a3dgen.motion.rates import resample as resample
    from a3dgen.sources.mocap_files import MocapSequence as MocapSequence


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'a3dgen.mocap' has no attribute '{name}'")
    module, inner = _PUBLIC[name]
    value = globals()[name] = getattr(import_module(module), inner)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
