"""The cut, closed rest mesh of an amputee, independent of pose and shape."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float, Integer
from numpy import ndarray

from a3dgen.amputation.stump import StumpPlan
from a3dgen.geometry.clip import Origin
from a3dgen.geometry.mesh import SkinnedMesh


@dataclass(frozen=True)
class Stump:
    """One end of the cut mesh.

    Attributes:
        region: AJAHR index. plan: how it was cut.
        ring: (L,) vertices of the cut, in order. tip: vertex at the distal end.
    """

    region: int
    plan: StumpPlan | None
    ring: Integer[ndarray, " l"]
    tip: int


@dataclass(frozen=True)
class Topology:
    """A cut mesh, independent of pose and shape.

    Attributes:
        mesh: cut and closed rest mesh; absent joints have no weight (geometry ``residual``).
        origin: carries maps of the skin over; a cap's vertices take the value of the ring vertex they hang on.
        scar: (V,) f4 0..1, how red a stump's skin is. cap_faces: (F,) bool. cap_vertices: (V,) bool.
        stumps: one a removed region, in AJAHR order.
        stump_uv: (T, 2) texture coordinates for textures with a painted scar: as the mesh's (whose caps show plain
            skin of their limb) but for the caps, which lie in the patch of ``geometry.scar``.
    """

    mesh: SkinnedMesh
    origin: Origin
    scar: Float[ndarray, " v"]
    cap_faces: Bool[ndarray, " f"]
    cap_vertices: Bool[ndarray, " v"]
    stumps: tuple[Stump, ...]
    stump_uv: Float[ndarray, "t 2"]
