"""Workers as Slurm jobs, with a stand-in for dask-jobqueue that keeps what it is told."""

from __future__ import annotations

import logging
import signal
import sys
from types import ModuleType, SimpleNamespace

import pytest

from a3dgen.config import build_config
from a3dgen.core import interrupts
from a3dgen.core.errors import ConfigError, MissingDependency
from a3dgen.core.run_config import RunConfig, SlurmConfig
from a3dgen.engine import slurm


class Queue:
    """Stands in for ``SLURMCluster``."""

    made: list[Queue] = []
    refusal = ""

    def __init__(self, **options):
        if options["memory"] == "much":
            raise ValueError("could not interpret 'much' as a number")
        self.options, self.wanted, self.closed = options, 0, False
        self.made.append(self)

    @property
    def scheduler_info(self):
        if not self.refusal:
            return {"workers": {"tcp://node:1": {}}}
        try:
            raise RuntimeError(f"Command exited with non-zero exit code.\nstderr:\n{self.refusal}\n\n")
        except RuntimeError:
            logging.getLogger("tornado.application").exception("Exception in callback")
        return {"workers": {}}

    def scale(self, workers):
        self.wanted = workers

    def close(self):
        self.closed = True
        raise AssertionError("its own clean-up breaks on refused jobs")


@pytest.fixture
def queue(monkeypatch):
    module = ModuleType("dask_jobqueue")
    module.SLURMCluster = Queue
    monkeypatch.setitem(sys.modules, "dask_jobqueue", module)
    monkeypatch.setattr(slurm, "shutil", SimpleNamespace(which=lambda name: f"/usr/bin/{name}"))
    monkeypatch.setattr(slurm, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(Queue, "made", [])
    monkeypatch.setattr(Queue, "refusal", "")
    return Queue


def test_options_reach_the_jobs(queue, tmp_path):
    tree = {"cluster": "slurm", "workers": 64, "slurm": {"queue": "long", "processes": 16, "memory": "40GB",
            "directives": ["--constraint=ib"], "prologue": ["module load gcc"]}}  # fmt: skip
    run = build_config(tree, "x", "x.yaml").run
    cluster = slurm.slurm_cluster(run.slurm, run.workers, tmp_path)
    assert cluster.wanted == 64
    told = cluster.options
    assert (told["queue"], told["account"], told["walltime"], told["memory"]) == ("long", None, "08:00:00", "40GB")
    assert told["cores"] == told["processes"] == 16  # one thread each
    assert told["job_extra_directives"] == ["--constraint=ib"]
    assert "export OMP_NUM_THREADS=1" in told["job_script_prologue"]
    assert told["job_script_prologue"][-1] == "module load gcc"
    assert told["log_directory"] == str(tmp_path / "slurm")
    assert not cluster.closed


def test_what_sbatch_refuses_is_one_line(queue, tmp_path, monkeypatch):
    monkeypatch.setattr(queue, "refusal", "sbatch: error: Invalid partition name specified")
    with pytest.raises(ConfigError) as caught:
        slurm.slurm_cluster(SlurmConfig(), 8, tmp_path)
    assert str(caught.value) == "--cluster slurm: sbatch: error: Invalid partition name specified"
    assert queue.made[0].closed


def test_wrong_options_and_missing_programs_are_one_line(queue, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="--cluster slurm: could not interpret 'much'"):
        slurm.slurm_cluster(SlurmConfig(memory="much"), 8, tmp_path)
    monkeypatch.setattr(slurm, "shutil", SimpleNamespace(which=lambda name: None))
    with pytest.raises(ConfigError, match="there is no 'sbatch' here"):
        slurm.slurm_cluster(SlurmConfig(), 8, tmp_path)
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    with pytest.raises(MissingDependency, match=r"pip install 'a3dgen\[slurm\]'"):
        slurm.slurm_cluster(SlurmConfig(), 8, tmp_path)


def test_importing_the_package_leaves_ctrl_c_alone(tmp_path, monkeypatch):
    (tmp_path / "dask_jobqueue.py").write_text(
        "import signal, sys\nsignal.signal(signal.SIGINT, lambda *_: sys.exit())\nSLURMCluster = None\n"
    )
    monkeypatch.delitem(sys.modules, "dask_jobqueue", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(slurm, "shutil", SimpleNamespace(which=lambda name: None))
    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(ConfigError, match="sbatch"):
            slurm.slurm_cluster(SlurmConfig(), 8, tmp_path)
        assert "dask_jobqueue" in sys.modules
        assert signal.getsignal(signal.SIGINT) is before
    finally:
        signal.signal(signal.SIGINT, before)
        sys.modules.pop("dask_jobqueue", None)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cluster": "slrm"}, "unknown cluster 'slrm'; did you mean 'slurm'"),
        ({"cluster": "slurm"}, "needs the number of workers: --workers 64"),
        ({"cluster": "slurm", "workers": 4, "scheduler": "tcp://x:1"}, "exclude each other"),
    ],
)
def test_combinations_that_make_no_sense(options, words):
    with pytest.raises(ConfigError, match=words):
        RunConfig(**options)


def test_the_real_job_script(tmp_path):
    """Where dask-jobqueue is installed: it takes the options, and each worker has one thread."""
    with interrupts.kept():
        dask_jobqueue = pytest.importorskip("dask_jobqueue", reason="optional: pip install 'a3dgen[slurm]'")
    options = slurm.job_options(SlurmConfig(queue="long", processes=4), tmp_path)
    with dask_jobqueue.SLURMCluster(**options) as cluster:
        script = cluster.job_script()
    assert "#SBATCH -p long" in script
    assert "--nthreads 1" in script
    assert "--nworkers 4" in script
