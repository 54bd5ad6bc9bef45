"""Install the wheel as users do, with the lowest and the newest allowed versions, and build a demo with each.

For every Python: install the wheel into a clean environment, take all write permissions from it, and as a user without
a name, a HOME or a cache folder build a demo of four people, validate it, get the default detector's networks and find
a person with it. Run as root (else the builds run as the caller, still without HOME). Needs a network.

    python tools/test_install.py                                    # 3.11, 3.12, 3.13, lowest and newest
    python tools/test_install.py --python 3.13 --versions newest
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12", "3.13")
VERSIONS = ("lowest", "newest")
NOBODY = 4242
"""A user number that no list of users knows, as in ``docker run -u``."""
NOSE = (0.524, 0.372)
"""Where mediapipe 0.10.21 itself sees the nose on ``fetch_portrait``; shares of the picture."""
DETECT = """
import json, sys, time
from pathlib import Path
started = time.perf_counter()
import a3dgen
imported = time.perf_counter() - started
import numpy, cv2, numba
from a3dgen.detectors import DetectorConfig, blazepose, get_detector
from a3dgen.io.images import read_rgb
rgb = numpy.ascontiguousarray(read_rgb(Path(sys.argv[1])))
get_detector(DetectorConfig()).detect(rgb)
pose = blazepose.find_pose(rgb)
nose = None if pose is None else [round(float(v), 3) for v in pose.landmarks[0, :2]]
heavy = sorted({"torch", "mediapipe", "anny", "matplotlib"} & set(sys.modules))
print(json.dumps({"file": a3dgen.__file__, "import_s": round(imported, 3), "nose": nose, "heavy": heavy,
                  "numpy": numpy.__version__, "opencv": cv2.__version__, "numba": numba.__version__}))
"""


class Failure(Exception):
    """A step failed; the message is what it printed."""


@dataclass
class Row:
    """What one environment gave."""

    python: str
    versions: str
    said: str
    ok: bool


def run(command: Sequence[str | Path], **options: object) -> str:
    """Run a command and return what it printed; ``Failure`` if it fails."""
    done = subprocess.run([str(c) for c in command], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, **options)  # type: ignore[call-overload]  # fmt: skip
    if done.returncode:
        raise Failure(f"{' '.join(str(c) for c in command)}\nexit code {done.returncode}\n{done.stdout[-3000:]}")
    return done.stdout


def build_wheel(work: Path, python: str) -> Path:
    """Build the wheel from the committed files alone; returns it."""
    source = work / "source"
    source.mkdir()
    archive = subprocess.run(["git", "-C", str(ROOT), "archive", "HEAD"], stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(["tar", "-x", "-C", str(source)], input=archive, check=True)
    run([python, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", work / "wheel", source])
    (wheel,) = (work / "wheel").glob("a3dgen-*.whl")
    return wheel


def fetch_portrait(work: Path, python: str) -> Path:
    """Return the portrait that comes with matplotlib, which itself is not among the requirements."""
    run([python, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", work / "portrait",
         "matplotlib"])  # fmt: skip
    (wheel,) = (work / "portrait").glob("matplotlib-*.whl")
    portrait = work / "portrait.jpg"
    with zipfile.ZipFile(wheel) as archive:
        portrait.write_bytes(archive.read("matplotlib/mpl-data/sample_data/grace_hopper.jpg"))
    return portrait


def find_python(version: str, uv: Path, work: Path) -> Path | None:
    """Return an interpreter that every user may run, or None: on PATH, pyenv's, uv's (downloaded if it can be)."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [shutil.which(f"python{version}"), *sorted(pyenv.glob(f"{version}.*/bin/python{version}"))]
    if not any(candidates):
        subprocess.run([uv, "python", "install", "-q", version], capture_output=True, check=False)
        found = subprocess.run([uv, "python", "find", version], capture_output=True, text=True, check=False)
        candidates = [found.stdout.strip() if not found.returncode else None]
    facts = "import sys, venv, ensurepip; print(sys.base_prefix, '%d.%d' % sys.version_info[:2])"
    for candidate in candidates:
        if not candidate:
            continue
        said = subprocess.run([candidate, "-c", facts], capture_output=True, text=True, check=False).stdout.split()
        if len(said) == 2 and said[1] == version:
            return _for_everybody(Path(said[0]), version, work)
    return None


def _for_everybody(prefix: Path, version: str, work: Path) -> Path:
    """Return the interpreter below ``prefix``, copied if another user cannot reach it (it lies in somebody's home)."""
    closed = [p for p in (prefix, *prefix.parents) if not p.stat().st_mode & 0o001]
    if not closed:
        return prefix / "bin" / f"python{version}"
    copy = work / f"python{version}"
    ignore = shutil.ignore_patterns("site-packages", "test", "__pycache__")
    shutil.copytree(prefix, copy, symlinks=True, ignore=ignore)
    return copy / "bin" / f"python{version}"


def requirements(wheel: Path) -> list[str]:
    """Return what a wheel requires without any extra."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        lines = archive.read(name).decode().splitlines()
    required = [line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")]
    return [r for r in required if "extra ==" not in r]


def make_environment(python: Path, versions: str, wheel: Path, uv: Path, folder: Path) -> Path:
    """Install the wheel into a new environment that nobody can write to; returns its ``bin``."""
    run([uv, "venv", "-q", "--seed", "--python", python, folder])
    resolution = {"lowest": "lowest-direct", "newest": "highest"}[versions]
    asked = [r for r in requirements(wheel) if versions == "lowest"]  # direct ones, so that their lowest are taken
    run([uv, "pip", "install", "-q", "--python", folder / "bin" / "python", "--only-binary", ":all:",
         "--resolution", resolution, "--compile-bytecode", wheel, *asked], cwd=folder)  # fmt: skip
    print(run([uv, "pip", "check", "--python", folder / "bin" / "python"]).strip().splitlines()[-1], flush=True)
    run(["chmod", "-R", "a-w,a+rX", folder])  # root could write all the same; nobody cannot
    return folder / "bin"


def as_nobody(command: Sequence[str | Path], folder: Path, **variables: str) -> str:
    """Run a command in ``folder`` as a user without a name, without HOME."""
    keep = {k: v for k, v in os.environ.items() if k.startswith(("PIP_", "SSL_", "REQUESTS_"))}
    clean = [f"{k}={v}" for k, v in (keep | {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"} | variables).items()]
    who = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.getuid() == 0 else []
    return run([*who, "env", "-i", *clean, *command], cwd=folder)


def try_environment(bin_: Path, python: Path, folder: Path, people: int, portrait: Path) -> str:
    """Build, validate, detect; returns what is worth saying."""
    temporary = folder / "tmp"
    library = python.parent.parent / "lib"
    temporary.mkdir(parents=True)
    if os.getuid() == 0:
        for made in (folder, temporary):
            os.chown(made, NOBODY, NOBODY)
    where = {"TMPDIR": str(temporary), "LD_LIBRARY_PATH": str(library)}  # the copy's, not that of its home
    started = time.monotonic()
    out = folder / "demo"
    said = as_nobody([bin_ / "a3dgen", "build", "--config", "demo", "--set", f"demo.people={people}", "--out", out,
                      "--workers", "0"], folder, **where)  # fmt: skip
    seconds = time.monotonic() - started
    print(said.strip()[-1500:], flush=True)
    valid = as_nobody([bin_ / "a3dgen", "validate", out], folder, **where).strip().splitlines()[-1]
    if "0 findings" not in valid:
        raise Failure(valid)
    print(as_nobody([bin_ / "a3dgen", "networks"], folder, **where).strip(), flush=True)
    facts = json.loads(as_nobody([bin_ / "python", "-c", DETECT, portrait], folder, **where).strip().splitlines()[-1])
    if not Path(facts["file"]).is_relative_to(bin_.parent):
        raise Failure(f"a3dgen was imported from {facts['file']}, not from the environment")
    if facts["heavy"] or not facts["nose"] or any(abs(a - b) > 0.01 for a, b in zip(facts["nose"], NOSE, strict=True)):
        raise Failure(f"the default detector on a portrait: {facts}")
    size = sum(p.lstat().st_size for p in bin_.parent.rglob("*") if p.is_file() and not p.is_symlink()) / 1e6
    return (
        f"numpy {facts['numpy']}, opencv {facts['opencv']}, numba {facts['numba']}: built in {seconds:.0f} s, {valid}; "
        f"nose at {facts['nose']}; {size:.0f} MB, import {facts['import_s']:.2f} s"
    )


def try_one(version: str, versions: str, wheel: Path, uv: Path, work: Path, people: int) -> Row:
    """Try one Python with one set of versions; its folders are removed if it went well."""
    python = find_python(version, uv, work)
    if python is None:
        return Row(version, versions, "not tried: this Python is not installed and uv cannot fetch it", False)
    folder = work / f"{version}-{versions}"
    folder.mkdir()
    try:
        bin_ = make_environment(python, versions, wheel, uv, folder / "env")
        said = try_environment(bin_, python, folder / "run", people, work / "portrait.jpg")
    except Failure as failure:
        return Row(version, versions, f"FAILED in {folder}: {failure}", False)
    finally:
        shutil.rmtree(work / f"python{version}", ignore_errors=True)
    run(["chmod", "-R", "u+w", folder])
    shutil.rmtree(folder)
    return Row(version, versions, said, True)


def main() -> int:
    """Try all; exit code 1 if any failed or could not be had."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", nargs="+", default=PYTHONS, metavar="VERSION")
    parser.add_argument("--versions", nargs="+", default=VERSIONS, choices=VERSIONS)
    parser.add_argument("--people", type=int, default=4, metavar="N")
    args = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="a3dgen-install-"))
    work.chmod(0o755)
    run([sys.executable, "-m", "venv", work / "tools"])
    run([work / "tools/bin/python", "-m", "pip", "install", "-q", "uv"])
    uv = work / "tools/bin/uv"
    wheel = build_wheel(work, str(work / "tools/bin/python"))
    fetch_portrait(work, str(work / "tools/bin/python"))
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB", flush=True)
    rows = []
    for version in args.python:
        for versions in args.versions:
            print(f"\n--- Python {version}, {versions} versions", flush=True)
            rows.append(try_one(version, versions, wheel, uv, work, args.people))
            print(rows[-1].said, flush=True)
    print(
        "\n" + "\n".join(f"{'ok ' if r.ok else 'BAD'} {r.python} {r.versions}: {r.said.splitlines()[0]}" for r in rows)
    )
    bad = sum(not r.ok for r in rows)
    if not bad:
        shutil.rmtree(work)
    print(f"{len(rows) - bad} passed, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
