"""Shape-checks the whole package while it is tested, and gives every test the open body and the real frames."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook

os.environ.setdefault("OMP_NUM_THREADS", "1")
_HOOK = install_import_hook("a3dgen", "beartype.beartype")
settings.register_profile("any_speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any_speed")  # a busy machine draws examples slowly; that says nothing of the code
SAMPLES = Path(__file__).resolve().parents[2] / "shared" / "samples"


COMPILES_LONGEST = "tests/fit/test_fitter.py::test_fits_keypoints_and_is_repeatable"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put first what compiles for a minute on a fresh machine: by the time others need it, it is in the cache."""
    items.sort(key=lambda item: item.nodeid != COMPILES_LONGEST)


@pytest.fixture(scope="session")
def body():
    """The open body with its default options (baked on first use)."""
    from a3dgen.bodies import load_body
    from a3dgen.core.body_config import BodyConfig

    return load_body(BodyConfig())


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of real frames beside the checkout."""
    if not SAMPLES.is_dir():
        pytest.skip(f"no real sample frames at {SAMPLES}")
    return SAMPLES


@pytest.fixture(scope="session")
def once_a_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], AbstractContextManager[Path]]:
    """``with once_a_run(name) as folder``: a folder that all processes of the run share, for one of them at a time."""
    base = tmp_path_factory.getbasetemp()

    @contextmanager
    def folder(name: str) -> Iterator[Path]:
        shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
        shared.mkdir(exist_ok=True)
        with open(shared.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield shared

    return folder


@pytest.fixture(scope="session")
def first_people(once_a_run: Callable[[str], AbstractContextManager[Path]]) -> Path:
    """``raw`` and ``truth`` of the demo's first three people, a photo each (COCO train and val, MPII); to be copied."""
    from a3dgen import demo
    from a3dgen.core.body_config import BodyConfig

    with once_a_run("first_people") as folder:
        demo.build(demo.Config(people=3), folder / "raw", folder / "truth", 0, BodyConfig())
    return folder
