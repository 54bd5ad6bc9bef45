"""Random generators by (seed, purpose, key): results never depend on order, shards or workers."""

from __future__ import annotations

import hashlib

import numpy as np


def seed_for(seed: int, purpose: str, key: str = "") -> int:
    """Return a 128-bit integer that depends on all three arguments and nothing else."""
    message = f"{seed}\x1f{purpose}\x1f{key}".encode()
    return int.from_bytes(hashlib.blake2b(message, digest_size=16).digest(), "little")


def generator_for(seed: int, purpose: str, key: str = "") -> np.random.Generator:
    """Return an independent generator for one purpose and one key.

    Args:
        seed: the build's seed.
        purpose: what is drawn, e.g. ``"residual"``; a new purpose never disturbs the draws of another.
        key: the person's or sample's key.
    """
    return np.random.Generator(np.random.PCG64(seed_for(seed, purpose, key)))
