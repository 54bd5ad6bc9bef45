"""Weights files of strangers: tensors come out, nothing runs, and what runs by its nature is said to."""

from __future__ import annotations

import logging
import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch

from a3dgen.core import trust
from a3dgen.core.errors import ConfigError
from a3dgen.detectors.weights import harmless_copy, plain_weights
from a3dgen.inpainters import lama


class Runs:
    """A pickle of this makes a file when it is loaded."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".pkl", ".PTH"])
@pytest.mark.parametrize("old", [False, True])
def test_weights_that_run_something_are_refused(tmp_path, suffix, old):
    mark, path = tmp_path / "mark", tmp_path / f"model{suffix}"
    content = {"state_dict": {"w": torch.ones(2)}, "note": Runs(mark)}
    if suffix == ".pkl":
        path.write_bytes(pickle.dumps({"model": {"w": np.ones(2)}, "note": Runs(mark)}))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=not old)
    with pytest.raises(ConfigError, match=r"^--weights: .*model\S+: "), harmless_copy("--weights", path):
        pass
    assert not mark.exists()


@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04", b"\x80\x02]."])
@pytest.mark.parametrize("suffix", [".pth", ".pkl"])
def test_what_is_no_weights_file_is_one_line(tmp_path, suffix, content):
    (tmp_path / f"x{suffix}").write_bytes(content)
    with pytest.raises(ConfigError, match="--weights") as caught:
        plain_weights("--weights", tmp_path / f"x{suffix}")
    assert "\n" not in str(caught.value)


def test_a_checkpoint_with_notes_keeps_its_tensors(tmp_path):
    """mmpose's checkpoints carry NumPy values and logs beside the tensors."""
    weights = OrderedDict({"backbone.w": torch.arange(6.0).reshape(2, 3), "head.b": torch.ones(1, dtype=torch.int64)})
    notes = {
        "dataset_meta": {"name": "coco", "sigmas": np.ones(17), "links": [(0, 1)]},
        "epoch": 210,
        "loss": np.float32(1),
    }
    torch.save({"state_dict": weights, "meta": notes}, tmp_path / "x.pth")
    with harmless_copy("--weights", tmp_path / "x.pth") as copy:
        found = torch.load(copy, weights_only=True)
    assert list(found["state_dict"]) == list(weights)
    assert all(torch.equal(found["state_dict"][k], v) for k, v in weights.items())
    assert found["meta"]["epoch"] == 210
    assert found["meta"]["dataset_meta"]["links"] == [(0, 1)]


def test_detectron2s_pickles_keep_their_arrays(tmp_path):
    model = {"conv1.weight": np.arange(4, dtype=np.float32)}
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"model": model, "__author__": "somebody"}, protocol=2))
    with harmless_copy("--weights", tmp_path / "x.pkl") as copy:
        found = pickle.loads(copy.read_bytes())
    assert found["__author__"] == "somebody"
    np.testing.assert_array_equal(found["model"]["conv1.weight"], model["conv1.weight"])


def test_torchscript_is_said_to_run_code(tmp_path, caplog):
    class Same(torch.nn.Module):
        def forward(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return image

    trust.warn_of_code.cache_clear()
    torch.jit.script(Same()).save(str(tmp_path / "lama.pt"))
    with caplog.at_level(logging.WARNING):
        lama.create(str(tmp_path / "lama.pt"))
        lama.create(str(tmp_path / "lama.pt"))
    assert len([r for r in caplog.records if "runs code of its maker" in r.getMessage()]) == 1


def test_a_pickle_in_place_of_torchscript_does_not_run(tmp_path):
    mark = tmp_path / "mark"
    for name, zipped in (("a.pt", True), ("b.pt", False)):
        torch.save(Runs(mark), tmp_path / name, _use_new_zipfile_serialization=zipped)
        with pytest.raises(ConfigError, match="not a TorchScript file"):
            lama.create(str(tmp_path / name))
    assert not mark.exists()
