"""A build on a running Dask scheduler, with workers and a coordinator that die; and what it refuses to run on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import LocalCluster
from toystages.processes import build_undisturbed, check_same, finished, start, start_build

from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import ConfigError
from a3dgen.core.run_config import RunConfig
from a3dgen.core.stage import Context
from a3dgen.engine.dask_cluster import Cluster
from a3dgen.engine.tasks import Task
from a3dgen.stages.table import STAGE_TABLE

TOY = "shard_size: 2\ningest: {people: 24}\nfit: {pause: 0.05}\nrender: {pause: 0.02}\n"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """``dask scheduler`` and two ``dask worker``, as a user starts them: (address, the workers)."""
    file = tmp_path / "scheduler.json"
    command = ("-m", "dask", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    scheduler = start(tmp_path, *command, "--scheduler-file", str(file))
    options = ("--scheduler-file", str(file), "--nthreads", "1", "--no-nanny", "--no-dashboard")
    workers = [start(tmp_path, "-m", "dask", "worker", *options) for _ in range(2)]
    try:
        until = time.monotonic() + 60
        while not file.exists() and time.monotonic() < until:
            time.sleep(0.05)
        yield json.loads(file.read_text())["address"], workers
    finally:
        for process in (*workers, scheduler):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)


def wait_for(out: Path, results: int, process: subprocess.Popen[bytes]) -> None:
    while finished(out) < results and process.poll() is None:
        time.sleep(0.01)
    assert process.poll() is None


def test_a_worker_and_the_coordinator_die_midway(tmp_path: Path, cluster) -> None:
    address, workers = cluster
    (tmp_path / "toy.yaml").write_text(TOY)
    out = tmp_path / "out"
    build = start_build(tmp_path, "out", "--scheduler", address)
    wait_for(out, 12 + 4, build)  # the first shards of fit are there
    workers[0].kill()
    wait_for(out, 12 + 10, build)
    build.kill()
    build.wait()
    assert start_build(tmp_path, "out", "--scheduler", address).wait(90) == 0
    shown = (tmp_path / "terminal.txt").read_text()
    assert f"1 workers ({address})" in shown
    check_same(out, build_undisturbed(tmp_path, "reference"))


def test_workers_with_several_threads_are_refused() -> None:
    options = {"n_workers": 1, "threads_per_worker": 2, "processes": False, "dashboard_address": ":0"}
    line = r"has 2 threads: start it with 'dask worker --nthreads 1 --nworkers 2"
    with LocalCluster(**options) as local, pytest.raises(ConfigError, match=line):
        Cluster(RunConfig(scheduler=local.scheduler_address))


def test_no_scheduler_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("a3dgen.engine.dask_cluster.CONNECT_SECONDS", 0.2)
    with pytest.raises(ConfigError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9: start one with"):
        Cluster(RunConfig(scheduler="tcp://127.0.0.1:9"))


def give_up(cluster: Cluster) -> None:
    """End all local workers for good, as Dask does with one that dies while it starts."""
    for nanny in list(cluster._own.workers.values()):
        cluster._own.sync(nanny.close)


def test_workers_that_are_gone_for_good_are_started_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("a3dgen.engine.dask_cluster.WORKERLESS_SECONDS", 0.5)
    cluster = Cluster(RunConfig(workers=1), tmp_path)
    try:
        give_up(cluster)
        assert list(cluster.map(abs, [-1, -2])) == [1, 2]
        give_up(cluster)
        task = Task(STAGE_TABLE["fit"], 0, None, Context(0, BodyConfig(), tmp_path, tmp_path), {})
        cluster.submit(task)
        done = None
        while done is None:
            done = cluster.next(0.2)
        assert done.died
        assert done.task is task
        assert len(cluster._workers()) == 1
    finally:
        cluster.close()
