"""Machines as they are: no home, caches that cannot be written, shares of cores, missing system libraries."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from a3dgen.core.machine import cores, default_workers, memory_bytes

REPOSITORY = Path(__file__).resolve().parents[1]
KERNEL = "from a3dgen.core.compiled import kernel\n\n\n@kernel\ndef twice(x):\n    return 2 * x\n"
USE_CACHE = """
import sys
sys.path.insert(0, {folder!r})
from a3dgen.core.home import home
from user_kernel import twice
assert twice(2.5) == 5.0
print(home())
"""
NOBODY = 54321
"""A user id that no machine lists."""


def run_as_nobody(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python as a user without a name, a home or any folder to write to but the temporary one."""
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can become another user, with setpriv of util-linux")
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(folder), **environment}
    who = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    reads = [f"--{kind}-caps=+dac_read_search" for kind in ("inh", "ambient")]  # wherever Python is installed
    return subprocess.run(
        ["setpriv", *who, *reads, sys.executable, *arguments],
        cwd="/", env=env, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


@pytest.fixture
def open_folder():
    """A temporary folder that everybody may use (pytest's own is private)."""
    folder = Path(tempfile.mkdtemp(prefix="a3dgen-test-", dir="/tmp"))
    folder.chmod(0o777)
    (folder / "user_kernel.py").write_text(KERNEL)
    yield folder
    shutil.rmtree(folder)


def test_a_user_without_a_home_gets_a_private_cache(open_folder):
    code = USE_CACHE.format(folder=str(open_folder))
    done = run_as_nobody(open_folder, "-c", code)
    assert done.returncode == 0, done.stderr
    cache = open_folder / f"a3dgen-{NOBODY}"
    assert done.stdout.strip() == str(cache)
    assert done.stderr.count("\n") == 1
    assert "there is no home folder" in done.stderr
    assert cache.stat().st_mode & 0o777 == 0o700
    kept = {p.name: p.stat().st_mtime_ns for p in cache.rglob("*.nbc")}
    assert kept
    again = run_as_nobody(open_folder, "-c", code)  # compiled once, not every time
    assert again.returncode == 0, again.stderr
    assert {p.name: p.stat().st_mtime_ns for p in cache.rglob("*.nbc")} == kept


def test_what_a_read_only_cache_holds_is_used(open_folder):
    there = open_folder / "shared" / "bodies"
    there.mkdir(parents=True)
    (there / "body.npz").write_bytes(b"baked")
    code = "from a3dgen.core.home import home; print((home() / 'bodies' / 'body.npz').read_bytes())"
    done = run_as_nobody(open_folder, "-c", code, A3DGEN_HOME=str(open_folder / "shared"))
    assert done.returncode == 0, done.stderr
    assert "b'baked'" in done.stdout
    assert f"{open_folder}/shared cannot be written" in done.stderr


def test_somebody_elses_temporary_folder_is_not_trusted(open_folder):
    (open_folder / f"a3dgen-{NOBODY}").mkdir(mode=0o777)  # root's, and open to all: kernels in it are code
    (open_folder / f"a3dgen-{NOBODY}").chmod(0o777)
    done = run_as_nobody(open_folder, "-c", "from a3dgen.core.home import home; print(home())")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() != str(open_folder / f"a3dgen-{NOBODY}")
    assert Path(done.stdout.strip()).parent == open_folder


def test_no_folder_at_all_is_one_line(open_folder):
    open_folder.chmod(0o755)
    code = "import tempfile; tempfile._candidate_tempdir_list = lambda: ['/proc/none']\n" + (
        "import sys; from a3dgen.cli import main; sys.exit(main(['status', '--config', 'demo', '--out', '/proc/none']))"
    )
    done = run_as_nobody(open_folder, "-c", code)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "A3DGEN_HOME" in done.stderr


def test_a_cache_of_numbas_own_that_cannot_be_written_is_said(open_folder):
    (open_folder / "code").mkdir()
    (open_folder / "user_kernel.py").rename(open_folder / "code" / "user_kernel.py")  # where nobody may write
    code = USE_CACHE.format(folder=str(open_folder / "code"))
    done = run_as_nobody(open_folder, "-c", code, NUMBA_CACHE_DIR="/proc/none")
    assert done.returncode == 0, done.stderr
    assert "NUMBA_CACHE_DIR /proc/none cannot be written" in done.stderr


def test_xdg_cache_home_is_heeded(tmp_path, monkeypatch):
    from a3dgen.core.home import home

    monkeypatch.delenv("A3DGEN_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert home() == tmp_path / "a3dgen"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored, says the standard
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert home() == tmp_path / "me" / ".cache" / "a3dgen"
    monkeypatch.setenv("A3DGEN_HOME", str(tmp_path / "mine"))
    assert home() == tmp_path / "mine"


GROUPS = {
    "docker, version 2": ("0::/", {"cpu.max": "200000 100000", "memory.max": "4294967296"}, 2, 4 << 30),
    "no limit": ("0::/", {"cpu.max": "max 100000", "memory.max": "max"}, None, None),
    "half a core": ("0::/", {"cpu.max": "50000 100000"}, 1, None),
    "a parent's limit": ("0::/a/b", {"a/cpu.max": "300000 100000", "a/b/cpu.max": "max 100000"}, 3, None),
    "the host's path": ("0::/docker/0a1b", {"cpu.max": "200000 100000"}, 2, None),
    "version 1": (
        "4:memory:/x\n3:cpu,cpuacct:/x",
        {
            "cpu,cpuacct/x/cpu.cfs_quota_us": "250000",
            "cpu,cpuacct/x/cpu.cfs_period_us": "100000",
            "memory/x/memory.limit_in_bytes": "2147483648",
        },
        2,
        2 << 30,
    ),
    "version 1, no limit": (
        "4:memory:/\n3:cpu:/",
        {"cpu/cpu.cfs_quota_us": "-1",
         "cpu/cpu.cfs_period_us": "100000", "memory/memory.limit_in_bytes": f"{2**63}"},
        None,
        None,
    ),
    "none at all": ("", {}, None, None),
    "nonsense": ("0::/../..\nx", {"cpu.max": "many of them", "memory.max": "nan"}, None, None),
}  # fmt: skip


@pytest.mark.parametrize("name", GROUPS)
def test_a_containers_share_of_cores_and_memory(tmp_path, monkeypatch, name):
    groups, files, share, limit = GROUPS[name]
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(64))
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "self" / "cgroup").write_text(groups)
    for path, text in files.items():
        (tmp_path / "sys" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "sys" / path).write_text(text + "\n")
    place = tmp_path / "proc", tmp_path / "sys"
    assert cores(*place) == (share or 64)
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert memory_bytes(*place) == min(machine, limit or machine)
    assert 1 <= default_workers(*place) <= cores(*place)


def test_workers_fit_into_memory(monkeypatch):
    monkeypatch.setattr("a3dgen.core.machine.cores", lambda *_: 64)
    for gigabytes, workers in ((1, 1), (2, 1), (4, 2), (16, 10), (512, 64)):
        monkeypatch.setattr("a3dgen.core.machine.memory_bytes", lambda *_, g=gigabytes: g << 30)
        assert default_workers() == workers


@pytest.mark.parametrize(
    ("library", "package"),
    [("libGL.so.1", "libgl1 libglib2.0-0"), ("libgthread-2.0.so.0", "libgl1 libglib2.0-0"), ("libodd.so.9", "libodd")],
)
@pytest.mark.parametrize("command", ["build", "ingest", "ingest --help"])
def test_a_missing_system_library_is_one_line(tmp_path, library, package, command):
    """What OpenCV says in a container without graphics libraries."""
    text = f"{library}: cannot open shared object file: No such file or directory"
    (tmp_path / "cv2.py").write_text(f"raise ImportError({text!r})\n")
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{REPOSITORY}"}
    done = subprocess.run(
        [sys.executable, "-m", "a3dgen", *command.split(), "--out", str(tmp_path / "out"), "--workers", "0"],
        env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert library in done.stderr
    assert package in done.stderr


def test_clones_keep_line_feeds(tmp_path):
    """A clone made with core.autocrlf (Git for Windows, used from its Linux) can still run the scripts."""
    if shutil.which("git") is None or not (REPOSITORY / ".git").exists():
        pytest.skip("not a git checkout")
    (tmp_path / "made").mkdir()
    shutil.copy(REPOSITORY / ".gitattributes", tmp_path / "made")
    for name in ("install.sh", "Makefile", "notes.md"):
        (tmp_path / "made" / name).write_bytes(b"one\ntwo\n")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(tmp_path / "made")]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *command], check=True)
    subprocess.run(
        ["git", "clone", "-q", "-c", "core.autocrlf=true", str(tmp_path / "made"), str(tmp_path / "clone")], check=True
    )
    for name in ("install.sh", "Makefile", "notes.md"):
        assert (tmp_path / "clone" / name).read_bytes() == b"one\ntwo\n"
