"""A whole build of arithmetic instead of bodies: the engine's tests run in seconds and can make any stage fail."""

from __future__ import annotations

from a3dgen.stages.table import NEEDS, PRODUCES, STAGE_TABLE, StageSpec

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
