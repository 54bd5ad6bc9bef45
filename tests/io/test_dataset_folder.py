"""A dataset that takes the place of an earlier one: what that one listed goes, what somebody else put there stays."""

from __future__ import annotations

import hashlib
import os

from a3dgen.core.files import remove_listed
from a3dgen.io.dataset_folder import MANIFEST, first_damage, manifest_line, publish
from a3dgen.io.file_list import read_list


def fresh(folder, **files):
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_text(content)
    lines = [manifest_line(hashlib.sha256(text.encode()).hexdigest(), name) for name, text in files.items()]
    (folder / MANIFEST).write_text("".join(lines))
    return folder


def test_the_list_of_a_finished_dataset_names_its_files(tmp_path):
    publish(fresh(tmp_path / "new", a="1", b="2"), tmp_path / "set", tmp_path / "dataset.files")
    assert set(read_list(tmp_path / "dataset.files")) == {"a", "b", MANIFEST}
    assert first_damage(tmp_path / "set", tmp_path / "dataset.files") == ("", "")
    remove_listed(tmp_path / "set", read_list(tmp_path / "dataset.files"))
    assert not (tmp_path / "set").exists() or not os.listdir(tmp_path / "set")


def test_pictures_of_samples_that_are_no_more_go_and_a_strangers_file_stays(tmp_path, caplog):
    target, listed = tmp_path / "set", tmp_path / "dataset.files"
    publish(fresh(tmp_path / "new", a="1", b="2"), target, listed)
    (target / "notes.txt").write_text("mine")
    publish(fresh(tmp_path / "newer", a="3"), target, listed)
    assert sorted(os.listdir(target)) == sorted([MANIFEST, "a", "notes.txt"])
    assert (target / "a").read_text() == "3"
    assert "b" not in caplog.text.replace("by", "").replace("build", "")
