"""Body models. A backend is a function ``load(BodyConfig) -> BodyData`` in one module, named in ``BODIES``."""

from __future__ import annotations

import functools
import hashlib
from typing import Protocol

import numpy as np

from a3dgen.core.body_config import BodyConfig
from a3dgen.core.registry import resolve
from a3dgen.geometry.body import BodyData

BODIES = {
    "anny": "a3dgen.bodies.anny24:load",
    "smpl": "a3dgen.bodies.smpl:load",
}


class BodyLoader(Protocol):
    """What every entry of ``BODIES`` is."""

    def __call__(self, config: BodyConfig) -> BodyData: ...


@functools.lru_cache(maxsize=4)
def load_body(config: BodyConfig) -> BodyData:
    """Return a body model; made once, then cached on disk and in the process.

    Raises:
        ConfigError: for an unknown model or wrong options.
        DataError: if the model's file cannot be used.
    """
    loader: BodyLoader = resolve("body model", BODIES, config.model)
    return loader(config)


@functools.lru_cache(maxsize=4)
def body_digest(config: BodyConfig) -> str:
    """Return a hash of every array of the body, for shard digests."""
    from a3dgen.bodies.archive import body_arrays

    digest = hashlib.blake2b(digest_size=16)
    for name, array in sorted(body_arrays(load_body(config)).items()):
        digest.update(f"{name}{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
