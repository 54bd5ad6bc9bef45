"""A whole build of arithmetic instead of bodies: the engine's tests run in seconds and can make any stage fail."""

from __future__ import annotations

from a3dgen.stage_table import STAGE_TABLE, StageSpec
from a3dgen.stages import NEEDS, PRODUCES

TABLE = {
    spec.name: StageSpec(
        spec.name,
        f"toystages.{spec.name}",
        spec.kind,
        NEEDS[spec.name],
        PRODUCES.get(spec.name),
        {"annotate": "A3D_Dataset", "report": "report.html"}.get(spec.name, ""),
    )
    for spec in STAGE_TABLE.values()
}
