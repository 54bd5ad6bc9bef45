"""Keeps what tests transfer to made-up models out of the real cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from a3dgen.bodies import anny24


@pytest.fixture(scope="session")
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder that holds the baked bodies of the real one; transfers are shared by the tests of a process."""
    home = tmp_path_factory.mktemp("home")
    (home / "bodies").mkdir()
    for baked in (anny24.home() / "bodies").glob("anny24-*.npz"):
        (home / "bodies" / baked.name).symlink_to(baked)
    return home


@pytest.fixture
def transfers_of_made_up_models(own_home: Path, body: object, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("A3DGEN_HOME", str(own_home))
    return own_home
