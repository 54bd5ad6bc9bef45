"""Folders called anything: the source's root and the build's, through the command line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from raw_trees import coco_file, coco_person, photo

from a3dgen import cli
from a3dgen.core.user_paths import user_path
from a3dgen.io.shards import read_shard

NAMES = [b"-a b \"it's\"", "Ärzte 你好 100% a%20b".encode(), b"a#b?c&d=e,f: {g} [h] $HOME `x`;*", b"two\nlines\t\\",
         b"caf\xe9", b"~nobody-of-this-name", b"!tag", b"null"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_odd_characters_in_root_and_out(tmp_path, monkeypatch, name):
    name = os.fsdecode(name)
    monkeypatch.chdir(tmp_path)
    photo(tmp_path / name / "val2017" / f"{7:012d}.jpg")
    coco_file(tmp_path / name / "annotations" / "person_keypoints_val2017.json", [7], [coco_person(1, 7)])
    wanted = ["--config", "coco", "--set", f"sources.coco.root={name}", f"--out={name} out", "--workers", "0"]
    assert cli.main(["ingest", "--only", *wanted]) == 0
    (shard,) = (tmp_path / f"{name} out" / "ingest").glob("*.h5")
    assert len(read_shard(shard)["Persons"]) == 1
    assert sorted(os.listdir(tmp_path)) == sorted([name, f"{name} out"])


def test_a_tilde_is_a_home_or_a_character(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert user_path("~/photos") == Path("/home/me/photos")
    assert user_path("~nobody-of-this-name/photos") == Path("~nobody-of-this-name/photos")
