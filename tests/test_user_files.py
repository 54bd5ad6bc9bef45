"""A user's file that changes under its old name makes what depends on it anew."""

from __future__ import annotations

import pytest

from a3dgen.config import load_config
from a3dgen.engine.freshness import Freshness
from a3dgen.stages.table import STAGE_TABLE


@pytest.mark.parametrize(
    ("stage", "key", "file"),
    [
        ("fit", "fit.prior", "prior.npz"),
        ("fit", "fit.init", "hmr.npz"),
        ("amputate", "amputate.looks.textures", "textures/ann.png"),
        ("background", "background.inpainter_path", "lama.pt"),
    ],
)
def test_a_changed_file_is_noticed(tmp_path, monkeypatch, stage, key, file):
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    named = path.parent if "textures" in key else path
    config = load_config("demo", [f"{key}={named}"], out=str(tmp_path / "out"))
    monkeypatch.setattr("a3dgen.engine.freshness.read_sidecar", lambda path: {"sha256": "of " + path.parent.name})

    def depends(name):
        return Freshness(config, STAGE_TABLE, lambda: "body").shard_depends(STAGE_TABLE[name], 0)

    before = {name: depends(name) for name in ("fit", "amputate", "background", "render")}
    path.write_bytes(b"one")
    first = depends(stage)
    path.write_bytes(b"other")
    assert len({str(before[stage]), str(first), str(depends(stage))}) == 3
    assert all(depends(name) == before[name] for name in before if name != stage)
