"""Datasets of strangers: what lies outside them is not read, what is no picture is not opened."""

from __future__ import annotations

import os
import stat

import numpy as np
import pytest
from PIL import Image

from a3dgen.analysis.stats import stats
from a3dgen.core.errors import DataError
from a3dgen.formats.dataset_rows import load_subset
from a3dgen.formats.exports import coco, webdataset
from a3dgen.formats.validation.run import validate

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 160 120\n%%Pages: 1\nshowpage\n%%EOF\n"


def first_image(dataset):
    return sorted((dataset / "COCO_train" / "Images").iterdir())[0]


def lines(dataset):
    return [f"{item.rule} {item.file} {item.message}" for item in validate(dataset).items]


def test_an_eps_called_jpg_does_not_reach_ghostscript(dataset, tmp_path, monkeypatch):
    script = tmp_path / "bin" / "gs"
    script.parent.mkdir()
    script.write_text(f"#!/bin/sh\ntouch {tmp_path}/mark\n")
    script.chmod(script.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")
    from PIL import EpsImagePlugin

    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    image = first_image(dataset)
    image.write_bytes(EPS)
    mask = sorted((dataset / "COCO_val" / "Masks").iterdir())[0]
    mask.write_bytes(EPS)
    found = lines(dataset)
    assert any("decode" in line and image.name in line for line in found), found
    assert any("decode" in line and mask.name in line for line in found), found
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("what", ["picture", "mask", "annotation", "folder", "subset"])
def test_links_out_of_the_dataset_are_refused_not_followed(dataset, tmp_path, what):
    outside = tmp_path / "outside"
    outside.mkdir()
    path = {
        "picture": first_image(dataset),
        "mask": sorted((dataset / "COCO_train" / "Masks").iterdir())[0],
        "annotation": dataset / "COCO_train" / "annotation" / "COCO_train.npz",
        "folder": dataset / "COCO_train" / "Images",
        "subset": dataset / "COCO_train",
    }[what]
    target = outside / path.name
    path.rename(target)
    path.symlink_to(target)
    found = lines(dataset)
    shown = path.relative_to(dataset).as_posix()
    assert any(line.startswith(f"links {shown} ") for line in found), found
    if what in ("picture", "folder"):
        with pytest.raises(DataError, match="leads out of"):
            webdataset.export(dataset, tmp_path / "tars")
        with pytest.raises(DataError, match="leads out of"):
            coco.export(dataset, tmp_path / "x.json")
        with pytest.raises(DataError, match="leads out of"):
            stats(dataset)
    if what == "annotation":
        with pytest.raises(DataError, match="leads out of"):
            load_subset(dataset, "COCO_train")


def test_links_inside_the_dataset_are_files_like_any_other(dataset):
    image = first_image(dataset)
    target = image.with_name(image.name)
    kept = dataset / "COCO_train" / "Images" / "kept.tmp"
    target.rename(kept)
    image.symlink_to("kept.tmp")
    assert not any(line.startswith("links ") for line in lines(dataset))


def test_pipes_and_devices_do_not_hang(dataset):
    image = first_image(dataset)
    image.unlink()
    os.mkfifo(image)
    mask = sorted((dataset / "COCO_val" / "Masks").iterdir())[0]
    mask.unlink()
    mask.symlink_to("/dev/zero")
    os.mkfifo(dataset / "MPII" / "annotation" / "more.npz")
    found = lines(dataset)
    assert any("links" in line and image.name in line for line in found), found
    assert any("links" in line and mask.name in line for line in found), found
    assert any("more.npz" in line for line in found), found


def test_a_picture_of_any_size_is_refused_by_its_header(dataset):
    image = first_image(dataset)
    Image.fromarray(np.zeros((9000, 9000), np.uint8)).convert("1").save(image, "PNG")
    assert any("above the limit" in line for line in lines(dataset))
