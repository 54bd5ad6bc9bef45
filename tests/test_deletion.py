"""Nothing of anybody else's is ever deleted: one module deletes, and only what records of ours list."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import a3dgen
from a3dgen.core import files
from a3dgen.core.errors import ConfigError, DataError
from a3dgen.core.ownership import (
    ADOPTED,
    BUILD,
    MARKER,
    NEW,
    OURS,
    check_owner,
    export_folder,
    read_marker,
    write_marker,
)

PACKAGE = Path(a3dgen.__file__).parent
OWNER = PACKAGE / "core" / "files.py"
DELETES = {"unlink", "rmtree", "rmdir", "removedirs", "rename", "renames", "move", "truncate"}
"""Functions and methods that delete, move or empty a file, whatever they are called on."""


def deletions(source: str) -> list[str]:
    """Return every call in Python source that deletes a file, renames it or puts another one in its place."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module in ("os", "shutil"):
            found += [a.name for a in node.names if a.name in DELETES | {"remove", "replace"}]
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        name, owner = node.func.attr, node.func.value
        of_os = isinstance(owner, ast.Name) and owner.id in ("os", "shutil")
        # text.replace(old, new) has two arguments, Path.replace(target) and only that one
        over_path = name == "replace" and len(node.args) == 1 and not node.keywords
        if (name in DELETES and name != "move") or (of_os and name in ("remove", "replace", "move")) or over_path:
            found.append(f"line {node.lineno}: {ast.unparse(node.func)}")
    return found


def test_one_module_owns_every_deletion() -> None:
    wrong = {
        path.relative_to(PACKAGE).as_posix(): found
        for path in sorted(PACKAGE.rglob("*.py"))
        if path != OWNER and (found := deletions(path.read_text(encoding="utf-8")))
    }
    assert wrong == {}


@pytest.mark.parametrize(
    "line",
    ["p.unlink()", "shutil.rmtree(x)", "os.remove(x)", "os.replace(a, b)", "a.rename(b)", "a.replace(b)", "p.rmdir()",
     "shutil.move(a, b)", "from os import unlink"],
)  # fmt: skip
def test_the_search_sees_every_kind(line: str) -> None:
    assert deletions(line)
    assert not deletions("text.replace('a', 'b'); names.remove(3); replace(x, y=1)")


def tree(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def test_a_new_folder_takes_the_place_of_the_old_and_keeps_what_is_not_listed(tmp_path: Path) -> None:
    fill(tmp_path / "d", "a/1", "a/2", "notes.txt", "mine/x", "b/3")
    fill(tmp_path / "f", "a/1", "b/3", "b/4")
    kept = files.put_folder(tmp_path / "f", tmp_path / "d", ["a/1", "a/2"])
    assert kept == ["b/3", "mine/x", "notes.txt"]
    found = tree(tmp_path)
    assert found == {
        "d/a/1": "a/1", "d/b/3": "b/3", "d/b/4": "b/4", "d/mine/x": "mine/x", "d/notes.txt": "notes.txt",
        "d.kept/b/3": "b/3",
    }  # fmt: skip
    assert not (tmp_path / ".d.old").exists()


@pytest.mark.parametrize("step", [1, 2, 3])
def test_killed_between_two_steps_it_is_finished_by_the_next_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    fill(tmp_path / "d", "a/1", "a/2", "notes.txt")
    fill(tmp_path / "f", "a/1", "b/4")
    real, calls = files.os.rename, []

    def rename(source: Path, target: Path) -> None:
        calls.append(source)
        if len(calls) == step:
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(files.os, "rename", rename)
    with pytest.raises(KeyboardInterrupt):
        files.put_folder(tmp_path / "f", tmp_path / "d", ["a/1", "a/2"])
    monkeypatch.setattr(files.os, "rename", real)
    fill(tmp_path / "f", "a/1", "b/4")  # made again, as a build does
    files.put_folder(tmp_path / "f", tmp_path / "d", ["a/1", "a/2", "b/4"])
    assert sorted(tree(tmp_path)) == ["d/a/1", "d/b/4", "d/notes.txt"]


def test_a_list_that_leads_out_of_its_folder_deletes_nothing(tmp_path: Path) -> None:
    fill(tmp_path, "precious", "d/1")
    for name in ("../precious", str(tmp_path / "precious"), "d/../../precious", ""):
        with pytest.raises(DataError, match="leads out"):
            files.remove_listed(tmp_path / "d", [name])
    (tmp_path / "d" / "link").symlink_to(tmp_path)
    assert files.remove_listed(tmp_path / "d", ["link/precious", "1", "nothing"]) == 1
    assert (tmp_path / "precious").exists()


def test_only_temporaries_of_ours_are_swept(tmp_path: Path) -> None:
    fill(tmp_path, "a.tmp", ".x.tmp", "deep/photo.a3dgen.tmp", f"deep/.x.1{files.TEMPORARY}", f".f{files.TEMPORARY}/y")
    assert files.sweep(tmp_path, deep=False) == 1
    assert files.sweep(tmp_path) == 1
    assert sorted(tree(tmp_path)) == [".x.tmp", "a.tmp", "deep/photo.a3dgen.tmp"]
    with pytest.raises(ValueError, match="no temporary"):
        files.remove_temporary(tmp_path / "deep")


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    files.write_whole(tmp_path / "a", b"one")

    def fill_the_disk() -> None:
        with files.whole_file(tmp_path / "a") as file:
            file.write(b"tw")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        fill_the_disk()
    assert tree(tmp_path) == {"a": "one"}


def test_what_is_written_is_noted_before_it_appears(tmp_path: Path) -> None:
    with files.recording(tmp_path / "b", tmp_path / "b" / "names") as recorder:
        files.write_whole(tmp_path / "b" / "x" / "1", b"abc")
        files.write_whole(tmp_path / "elsewhere", b"abc")
    assert recorder.made == {"x/1": ("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", 3)}
    assert (tmp_path / "b" / "names").read_text() == '[null, "x/1"]\n'


def test_a_folder_of_somebody_elses_is_refused(tmp_path: Path) -> None:
    assert check_owner(tmp_path / "new", BUILD) == NEW
    (tmp_path / ".lock").write_text("")
    assert check_owner(tmp_path, BUILD) == NEW
    fill(tmp_path, "A3D_Dataset/x", "thesis.tex")
    with pytest.raises(ConfigError, match=r"holds A3D_Dataset, thesis.tex, and a3dgen has not made it.*--force"):
        check_owner(tmp_path, BUILD)
    assert check_owner(tmp_path, BUILD, ["fit"], force=True) == NEW
    with pytest.raises(ConfigError, match="A3D_Dataset is somebody else's"):
        check_owner(tmp_path, BUILD, ["A3D_Dataset"], force=True)
    assert check_owner(tmp_path, BUILD, proof=lambda _: True) == ADOPTED
    write_marker(tmp_path, BUILD)
    assert check_owner(tmp_path, BUILD) == OURS
    with pytest.raises(ConfigError, match="holds another thing of a3dgen's"):
        check_owner(tmp_path, "export coco")
    (tmp_path / MARKER).write_text("")
    with pytest.raises(DataError, match="damaged"):
        check_owner(tmp_path, BUILD, force=True)
    with pytest.raises(ConfigError, match="a file"):
        check_owner(tmp_path / "thesis.tex", BUILD)


def test_an_export_replaces_its_own_files_only(tmp_path: Path) -> None:
    def export(*names: str, force: bool = False) -> None:
        with export_folder(tmp_path / "e", "export toy", force) as folder:
            for name in names:
                files.write_whole(folder.take(name), name.encode())

    export("1", "2", "3")
    fill(tmp_path / "e", "readme")
    export("1", "4")
    assert sorted(set(tree(tmp_path / "e")) - {MARKER}) == ["1", "4", "readme"]
    with pytest.raises(ConfigError, match="somebody else's file"):
        export("1", "readme")
    assert (tmp_path / "e" / "readme").read_text() == "readme"
    assert read_marker(tmp_path / "e") == ("export toy", ["1", "4"])
    fill(tmp_path / "f", "x")
    with pytest.raises(ConfigError, match="not made it"), export_folder(tmp_path / "f", "export toy"):
        pass
    assert sorted(tree(tmp_path / "f")) == ["x"]
