"""Settings of a build that no stage owns: how it is run, on which cluster, and privacy in photo folders."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from a3dgen.core.errors import ConfigError, nearest

CLUSTERS = ("", "slurm")


@dataclass(frozen=True)
class SlurmConfig:
    """The jobs of ``--cluster slurm``; what is left empty is left to the site, or to dask-jobqueue's own settings.

    Attributes:
        queue: partition.
        account: whom to charge.
        walltime: of one job, as sbatch writes it.
        processes: workers, and cores, in one job.
        memory: of one job.
        directives: further lines for sbatch, e.g. "--constraint=ib".
        prologue: shell lines before the workers start, e.g. "module load gcc".
        interface: network interface that reaches the nodes, e.g. ib0.
        local_directory: scratch folder on the node.
        python: interpreter on the nodes; the one that runs the build if empty.
    """

    queue: str = ""
    account: str = ""
    walltime: str = "08:00:00"
    processes: int = 8
    memory: str = "16GB"
    directives: tuple[str, ...] = ()
    prologue: tuple[str, ...] = ()
    interface: str = ""
    local_directory: str = ""
    python: str = ""

    def __post_init__(self) -> None:
        if self.processes < 1:
            raise ConfigError("slurm.processes must be at least 1")


@dataclass(frozen=True)
class RunConfig:
    """How a build is run; none of it changes what is built.

    Attributes:
        out: build folder; ``build/<config name>`` if empty.
        workers: processes; 0 = in this process, -1 = one a core.
        scheduler: address of a running Dask scheduler (``tcp://host:8786``); empty = a local cluster.
        cluster: ``slurm`` = workers are jobs of that batch system; empty = local processes.
        slurm: what the jobs are like.
        shard_size: people in one shard (one task).
        check_space: stop before work starts if the disk has less room than the build is estimated to need.
        max_shard_retries: how often a shard is retried after its worker died, before the cause is searched.
    """

    out: str = ""
    workers: int = -1
    scheduler: str = ""
    cluster: str = ""
    slurm: SlurmConfig = field(default_factory=SlurmConfig)
    shard_size: int = 64
    check_space: bool = True
    max_shard_retries: int = 2

    def __post_init__(self) -> None:
        if self.shard_size < 1:
            raise ConfigError("shard_size must be at least 1")
        if self.workers < -1:
            raise ConfigError("workers must be 0 (inline), a number of processes, or -1 for one a core")
        if self.max_shard_retries < 0:
            raise ConfigError("max_shard_retries must not be negative")
        if self.cluster not in CLUSTERS:
            raise ConfigError(f"unknown cluster '{self.cluster}'{nearest(self.cluster, CLUSTERS[1:])}")
        if self.cluster and self.scheduler:
            raise ConfigError("cluster and scheduler exclude each other: a running scheduler has its workers already")
        if self.cluster and self.workers < 1:
            raise ConfigError(f"--cluster {self.cluster} needs the number of workers: --workers 64")


@dataclass(frozen=True)
class PrivacyConfig:
    """Privacy of the people in photo folders (sources of kind ``photos``).

    Attributes:
        hash_names: samples are named by a digest of their photo, not by its file name.
        blur_bystanders: the faces of everybody but the person are made unrecognisable.
        blur_faces: ``self``: the person's own head is blurred in samples that keep them (any source).
        consent: the people in the photos have agreed to be shown with an impairment they do not have; recorded in
            dataset.json, and needed where ``render.mode`` keeps them.
    """

    hash_names: bool = False
    blur_bystanders: bool = False
    blur_faces: Literal["", "self"] = ""
    consent: bool = False
