"""``a3dgen validate``: re-derive from the files alone every rule of the A3D format, one line per violation."""

from a3dgen.formats.validation.run import validate

__all__ = ["validate"]
