"""What a wheel carries: every package of the tree, and the folders of data beside it."""

from __future__ import annotations

import configparser
from pathlib import Path

from a3dgen.core.package_files import data_folder

ROOT = Path(__file__).resolve().parents[1]


def options() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def test_the_list_of_packages_is_the_tree():
    """``find:`` misses packages that ``package_dir`` maps, so that they are listed by hand."""
    listed = set(options()["options"]["packages"].split())
    tree = {".".join(p.parent.relative_to(ROOT).parts) for p in (ROOT / "a3dgen").rglob("__init__.py")}
    assert listed == tree | {"a3dgen.configs", "a3dgen.textures"}


def test_every_data_file_is_package_data():
    """A file that is no module is named by a pattern of its package, or a wheel lacks it."""
    patterns = {name: value.replace("\n", ",").split(",") for name, value in options()["options.package_data"].items()}
    patterns = {name: [p.strip() for p in value if p.strip()] for name, value in patterns.items()}
    tops = {ROOT / "a3dgen": "a3dgen", ROOT / "configs": "a3dgen.configs", ROOT / "textures": "a3dgen.textures"}
    missing = []
    for top, package in tops.items():
        for path in top.rglob("*"):
            if not path.is_file() or path.suffix in (".py", ".pyc") or "__pycache__" in path.parts:
                continue
            folders = path.relative_to(top).parts[:-1]
            named = False
            for depth in range(len(folders) + 1):
                owner = ".".join([package, *folders[:depth]])
                inner = Path(*folders[depth:], path.name)
                named |= any(inner.match(p) and len(Path(p).parts) == len(inner.parts) for p in patterns.get(owner, []))
            if not named:
                missing.append(path.relative_to(ROOT).as_posix())
    assert not missing


def test_data_folders_are_found_in_a_clone():
    assert (data_folder("configs") / "demo.yaml").is_file()
    assert (data_folder("textures") / "garments.yaml").is_file()


def locked(name: str) -> list[tuple[str, str]]:
    """Return (name, version) of every line of a lock; a package may have one for each range of Pythons."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    pins = [line.partition(";")[0].strip().partition("==") for line in lines if line and not line.startswith("#")]
    return [(pin[0].replace("_", "-").lower(), pin[2]) for pin in pins]


def test_locks_pin_what_is_required_and_nothing_heavy_for_a_build():
    base, everything = locked("requirements.lock"), locked("requirements-test.lock")
    assert set(base) <= set(everything)
    assert all(version for _, version in everything)
    sections = options()
    tests = sections["options.extras_require"]["test"].replace("a3dgen[", "").split()
    for requirements, lock in ((sections["options"]["install_requires"].split(), base), (tests[1:], everything)):
        for requirement in requirements:
            name, _, bounds = requirement.partition(">=")
            low, _, high = bounds.partition(",<")
            versions = [v for n, v in lock if n == name.lower()]
            assert versions, name
            for version in versions:
                assert not low or numbers(version) >= numbers(low), name
                assert not high or numbers(version) < numbers(high), name
    heavy = {"torch", "anny", "mediapipe", "jax", "pyrender", "triton"}
    assert not heavy & {name for name, _ in base}
    assert not [name for name, _ in everything if name.startswith(("nvidia", "cuda", "triton"))]


def numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")[:3] if part.isdigit()]
