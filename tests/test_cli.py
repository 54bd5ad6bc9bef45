from __future__ import annotations

import dataclasses
import os
import re
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

from a3dgen import cli
from a3dgen.commands import status
from a3dgen.commands.config_help import command_help, keys_help
from a3dgen.core import interrupts
from a3dgen.core.errors import DataError
from a3dgen.core.package_files import data_folder
from a3dgen.core.threads import ONE_THREAD
from a3dgen.stages.table import STAGES

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = ("build", *STAGES, "retry", "status", "validate", "export", "demo", "custom", "body", "bench")


def run(capsys, *arguments):
    code = cli.main(arguments)
    return code, capsys.readouterr()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(capsys, command):
    with pytest.raises(SystemExit) as stop:
        cli.main([command, "--help"])
    assert stop.value.code == 0
    assert len(capsys.readouterr().out.splitlines()) > 4


@pytest.mark.parametrize("stage", STAGES)
def test_stage_help_documents_every_key_with_its_default(stage):
    config = import_module(f"a3dgen.stages.{stage}").Config()
    shown = re.sub(r"\n {6}", " ", keys_help(type(config), stage)).splitlines()
    assert not [line for line in shown if not re.search(r"\): \S", line)]
    assert [line.split(" (")[0].strip() for line in shown] == list(keys_of(config, stage))
    for line, value in zip(shown, keys_of(config, stage).values(), strict=True):
        text = ", ".join(value) if isinstance(value, tuple) and value and isinstance(value[0], str) else repr(value)
        assert f" ({text}): " in line


def keys_of(config, prefix):
    """Dotted key -> value, groups opened."""
    shown = [f for f in dataclasses.fields(config) if not f.metadata.get("derived")]  # others follow from other keys
    found = {f"{prefix}.{f.name}": getattr(config, f.name) for f in shown}
    groups = [keys_of(v, k) if dataclasses.is_dataclass(v) else {k: v} for k, v in found.items()]
    return {k: v for group in groups for k, v in group.items()}


def test_help_shows_the_keys_of_sources_photos_and_privacy():
    assert "sources.coco.licenses (())" in command_help("ingest", STAGES)
    custom = command_help("custom", STAGES)
    assert "sources.photos.video_fps (1.0)" in custom
    assert "privacy.blur_bystanders (True here)" in custom
    assert "privacy:" in (data_folder("configs") / "custom.yaml").read_text()


def test_stages_are_the_same_everywhere():
    assert cli.STAGES == STAGES
    assert set(cli.ABOUT) == set(STAGES)


def test_start_is_fast_and_loads_nothing_heavy():
    code = (
        "import sys\nfrom a3dgen.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'torch', 'dask', 'distributed', 'h5py', 'yaml', 'rich'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arguments", [[], ["fitt"], ["build", "--workers", "x"], ["body"], ["validate"]])
def test_wrong_usage_is_exit_code_2(capsys, arguments):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2


def test_errors_are_one_line_without_traceback(capsys, tmp_path):
    code, shown = run(capsys, "build", "--config", str(tmp_path / "no.yaml"))
    assert code == 2
    assert shown.err.startswith("a3dgen: no configuration")
    assert len(shown.err.splitlines()) == 1
    code, shown = run(capsys, "validate", str(tmp_path / "nowhere"))
    assert (code, shown.out) == (2, "")
    assert "no such folder" in shown.err


def test_an_unknown_key_names_the_nearest(capsys, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("fit: {max_iteration: 3}\nsources: {coco: {root: nowhere}}\n")
    code, shown = run(capsys, "status", "--config", str(config))
    assert code == 2
    assert "unknown key 'fit.max_iteration'" in shown.err
    code, shown = run(capsys, "build", "--config", "coco", "sources.coco.rot=1", "--out", str(tmp_path / "o"))
    assert code == 2
    assert "--set sources.coco.rot=1: unknown key 'sources.coco.rot'; did you mean 'root'?" in shown.err


def test_a_wrong_root_is_one_line(capsys, tmp_path):
    options = ["--config", "coco", "--set", f"sources.coco.root={tmp_path / 'none'}", "--out", str(tmp_path / "o")]
    code, shown = run(capsys, "build", *options, "--workers", "0", "--quiet")
    assert code == 2
    assert len(shown.err.splitlines()) == 1
    assert "sources.coco" in shown.err


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [(DataError("bad file"), 2, "a3dgen: bad file"), (KeyboardInterrupt(), 130, "resumes")],
)
def test_exit_codes(capsys, monkeypatch, error, code, words):
    def fail(args):
        raise error

    monkeypatch.setattr(cli, "_command", lambda name: fail)
    found, shown = run(capsys, "status")
    assert found == code
    assert words in shown.err


def test_threads_are_limited_before_numpy(monkeypatch):
    monkeypatch.setattr(cli, "_command", lambda name: lambda args: 0)
    for name in ONE_THREAD:
        monkeypatch.setenv(name, "8")
    assert cli.main(["status"]) == 0
    assert {os.environ[name] for name in ONE_THREAD} == {"1"}


def test_status_knows_that_the_demo_must_be_made(capsys, tmp_path):
    code, shown = run(capsys, "status", "--out", str(tmp_path))
    assert code == 0
    assert re.search(r"demo +1 raw data to be made\n +ingest +1 follows demo\n +fit +1 follows ingest\n", shown.out)


def test_status_names_the_keys_that_changed(tmp_path):
    path = tmp_path / "config.json"
    path.write_text('{"seed": 0, "fit": {"max_iterations": 40, "prior": ""}}')
    settings = {"seed": 0, "fit": {"max_iterations": 9, "prior": ""}, "render": {"shadow": True}}
    assert status.changed_keys(path, settings) == ["fit.max_iterations: 40 -> 9", "render.shadow: unset -> True"]
    assert status.changed_keys(tmp_path / "none.json", settings) == []


DEAF = """
import os, signal, sys, time
sys.path.insert(0, sys.argv.pop(1))
from toystages import command, fit
from a3dgen import cli
real, calls = fit.run, []
class Deaf:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
def run(*args):
    calls.append(1)
    if len(calls) == 2:
        deaf = Deaf()
        del deaf  # what is raised in there, Python ignores
        open("swallowed", "w").close()
        os.kill(os.getpid(), signal.SIGTERM)  # impatient
    return real(*args)
fit.run = run
cli._command = command.toy_command
sys.exit(cli.main(sys.argv[1:]))
"""


def test_a_swallowed_interrupt_is_not_lost(tmp_path):
    (tmp_path / "deaf.py").write_text(DEAF)
    (tmp_path / "toy.yaml").write_text("shard_size: 2\n")
    done = subprocess.run(
        [sys.executable, "deaf.py", ROOT / "tests", "build", "--config", "toy.yaml", "--workers", "0", "--out", "out"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (tmp_path / "swallowed").exists()
    assert "Traceback" not in done.stderr
    assert done.stderr.endswith("a3dgen: interrupted; what is finished is kept, the same command resumes\n")
    assert done.returncode == 130
    assert (tmp_path / "out" / "fit" / "000000.json").exists()
    assert not (tmp_path / "out" / "amputate" / "000001.json").exists()


def test_an_interrupt_that_an_import_turned_into_an_error_is_one():
    def broken_by_it():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        except KeyboardInterrupt:
            raise ImportError("no datetime") from None

    with pytest.raises(KeyboardInterrupt), interrupts.handled():
        broken_by_it()
    with pytest.raises(ImportError), interrupts.handled():
        raise ImportError


@pytest.mark.parametrize("name", ["build", *STAGES])
def test_pipelines_call_the_command_line(name):
    path = ROOT / "pipelines" / f"{name}.py"
    done = subprocess.run([sys.executable, path, "--help"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0
    assert f"a3dgen {name}" in done.stdout
