"""Shape-checks the whole package while it is tested, and gives every test the open body and the real frames."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

os.environ.setdefault("OMP_NUM_THREADS", "1")
_HOOK = install_import_hook("a3dgen", "beartype.beartype")
SAMPLES = Path(__file__).resolve().parents[2] / "shared" / "samples"


@pytest.fixture(scope="session")
def body():
    """The open body with its default options (baked on first use)."""
    from a3dgen.bodies import load_body
    from a3dgen.bodies.config import BodyConfig

    return load_body(BodyConfig())


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of real frames beside the checkout."""
    if not SAMPLES.is_dir():
        pytest.skip(f"no real sample frames at {SAMPLES}")
    return SAMPLES
