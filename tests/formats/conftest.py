from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from made_up_dataset import build

from a3dgen.stages import annotate


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up dataset, written once; tests that change it take a copy."""
    root = tmp_path_factory.mktemp("made_up")
    context, shards = build(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(annotate, "load_body", lambda config: SimpleNamespace(name="anny24-adults", smpl_betas=False))
        annotate.run(annotate.Config(), context, shards)
    return root / annotate.DATASET_FOLDER


@pytest.fixture
def dataset(written: Path, tmp_path: Path) -> Path:
    """A copy of the made-up dataset that a test may damage."""
    return Path(shutil.copytree(written, tmp_path / "A3D_Dataset"))
