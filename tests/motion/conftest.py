"""A made-up AMASS tree, its body models and regressor, and one conversion of it with everything on."""

from __future__ import annotations

from pathlib import Path

import amass_toy
import pytest

from a3dgen import mocap


@pytest.fixture(scope="session")
def toys(tmp_path_factory) -> Path:
    """``amass/``, ``models/`` and ``h36m.npy``; not to be written into."""
    folder = tmp_path_factory.mktemp("mocap")
    amass_toy.tree(folder / "amass")
    amass_toy.models(folder / "models")
    amass_toy.regressor(folder)
    return folder


@pytest.fixture(scope="session")
def configured(toys):
    """Return the configuration of a conversion of the made-up tree into a folder."""

    def made(out: Path, **changes) -> mocap.MocapConfig:
        given = {"amass_dir": toys / "amass", "smplh": toys / "models", "regressor": toys / "h36m.npy"}
        return mocap.MocapConfig(**{**given, "out": out, "rotations": True, "amputees": 2, "workers": 0, **changes})

    return made


@pytest.fixture(scope="session")
def made(tmp_path_factory, configured) -> Path:
    """The results of an undisturbed conversion; not to be written into."""
    out = tmp_path_factory.mktemp("made") / "joints"
    assert mocap.convert(configured(out)).exit_code == 0
    return out
