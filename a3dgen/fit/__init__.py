"""Fitting: a Levenberg-Marquardt search for SMPL pose, shape and translation. ``a3dgen.fit(...)`` calls it."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import a3dgen


class _CallablePackage(ModuleType):
    """Lets the public function ``a3dgen.fit`` share its name with this package."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return a3dgen.public("fit")(*args, **kwargs)


sys.modules[__name__].__class__ = _CallablePackage
