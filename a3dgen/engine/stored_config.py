"""The configuration that a build folder was last built with."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from a3dgen.config import BuildConfig, build_config, stored_tree
from a3dgen.core.errors import ConfigError
from a3dgen.core.typed import override
from a3dgen.engine.freshness import read_done

FILE = "config.json"


def stored_config(out: Path, overrides: Iterable[str] = (), **run: Any) -> BuildConfig:
    """Return the configuration a build was made with.

    Args:
        out: the build folder. overrides: ``a.b.c=value`` assignments, applied in order.
        run: fields of RunConfig given by command-line options; None is ignored.

    Raises:
        ConfigError: if there is no such build, or an assignment is wrong.
    """
    try:
        tree = stored_tree(json.loads((out / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        raise ConfigError(f"{out}: no build there; give the folder that holds A3D_Dataset") from None
    done = read_done(out, "ingest")
    if done is not None:
        tree["shard_size"] = int(done.get("shard_size", 64))
    for assignment in overrides:
        override(tree, assignment)
    given = {k: v for k, v in run.items() if v is not None} | {"out": str(out)}
    return build_config(tree, out.name, str(out / FILE), run=given)
