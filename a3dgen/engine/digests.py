"""Hash of everything a result depends on: configuration, inputs, code version."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import a3dgen
from a3dgen.core.records import SCHEMA_VERSION
from a3dgen.core.typed import plain


def digest(facts: Any) -> str:
    """Return a hash of plain values; the order of mapping keys does not matter."""
    text = json.dumps(plain(facts), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def dependencies(
    version: int, config: Any, seed: int, body: str, inputs: Mapping[str, str], **more: Any
) -> dict[str, Any]:
    """Return what one stage's result on one shard depends on, part by part, so that a change can be named.

    Args:
        version: ``VERSION`` of the stage.
        config: the part of the configuration that the stage reads.
        seed, body: the build's seed, and the digest of the body model's arrays.
        inputs: stage -> SHA-256 of what it reads from it.
        more: anything else the result depends on.
    """
    return {
        "config": digest(config),
        "code": f"{a3dgen.__version__}, stage version {version}, schema {SCHEMA_VERSION}",
        "seed": seed,
        "body": body,
        "inputs": dict(inputs),
        **{name: digest(value) for name, value in more.items()},
    }


def changed(before: Any, now: Mapping[str, Any]) -> str:
    """Say which parts of ``dependencies`` differ, in words; empty if none does."""
    if not isinstance(before, Mapping):
        return "made by another version"
    words = [f"{name} changed" for name in now if name != "inputs" and before.get(name) != now[name]]
    old, new = before.get("inputs") or {}, now["inputs"]
    words += [f"result of {name} changed" for name in new if old.get(name) != new[name]]
    return ", ".join(words) or ("" if dict(before) == dict(now) else "made by another version")
