"""Keeps what tests transfer to made-up models out of the real cache."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def own_home(once_a_run: Callable[[str], AbstractContextManager[Path]]) -> Path:
    """A cache folder of its own; transfers are shared by all tests of a run."""
    with once_a_run("home") as home:
        (home / "bodies").mkdir(exist_ok=True)
    return home


@pytest.fixture
def transfers_of_made_up_models(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("A3DGEN_HOME", str(own_home))
    return own_home
