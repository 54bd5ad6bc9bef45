"""Table of stages: order, modules, inputs and outputs."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType

from a3dgen.core.columns import Record
from a3dgen.core.records import Bodies, Persons, Plans, Plates, Renders
from a3dgen.formats.schema import DATASET_FOLDER

INGEST, SHARD, GATHER = "ingest", "shard", "gather"


STAGES = ("ingest", "fit", "amputate", "background", "render", "annotate", "report")
SHARD_STAGES = ("fit", "amputate", "background", "render")
PRODUCES: dict[str, type[Record]] = {
    "ingest": Persons,
    "fit": Bodies,
    "amputate": Plans,
    "background": Plates,
    "render": Renders,
}
NEEDS: dict[str, tuple[str, ...]] = {
    "ingest": (),
    "fit": ("ingest",),
    "amputate": ("ingest", "fit"),
    "background": ("ingest", "fit", "amputate"),
    "render": ("ingest", "fit", "amputate", "background"),
    "annotate": ("ingest", "fit", "amputate", "background", "render"),
    "report": ("ingest", "fit", "amputate", "background", "render", "annotate"),
}
"""Stages whose results a stage reads."""


@dataclass(frozen=True)
class StageSpec:
    """One stage of a build.

    Attributes:
        name: key of its configuration and name of its folder.
        module: where ``Config``, ``VERSION`` and ``run`` are; imported only when needed.
        kind: ``ingest`` (makes the shards), ``shard`` (one task a shard) or ``gather`` (streams over all shards).
        needs: stages whose results it reads, in order.
        produces: the record it writes, None for a gathering stage.
        output: file or folder below the build folder that a gathering stage leaves.
    """

    name: str
    module: str
    kind: str
    needs: tuple[str, ...] = ()
    produces: type[Record] | None = None
    output: str = ""

    def code(self) -> ModuleType:
        """Import and return the stage's module."""
        return importlib.import_module(self.module)


StageTable = Mapping[str, StageSpec]
REPORT_FILE = "report.html"
"""What a build leaves for its user, below the build folder (and ``DATASET_FOLDER``)."""
_OUTPUTS = {"annotate": DATASET_FOLDER, "report": REPORT_FILE}


def _kind(name: str) -> str:
    if name == INGEST:
        return INGEST
    return SHARD if name in SHARD_STAGES else GATHER


STAGE_TABLE: StageTable = {
    name: StageSpec(name, f"a3dgen.stages.{name}", _kind(name), NEEDS[name], PRODUCES.get(name), _OUTPUTS.get(name, ""))
    for name in STAGES
}
