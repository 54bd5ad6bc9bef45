"""Draws the samples that stage ``render`` measures: body, devices and clothes of one plan into the person's scene."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from a3dgen.amputation.rebuild import Amputee, BodyFit, Cut, rebuild
from a3dgen.appearance.dressed_person import build_subject
from a3dgen.appearance.look import LINER, Look
from a3dgen.compositing.draw import Picture, draw, outline
from a3dgen.compositing.scene import Scene
from a3dgen.core.errors import Rejected
from a3dgen.core.pool import Pool
from a3dgen.core.rng import generator_for
from a3dgen.core.stage import Context
from a3dgen.devices.attach import Devices, attach, drawn_offsets
from a3dgen.devices.device import devices_from_json, devices_to_json, is_prosthesis
from a3dgen.geometry.body import BodyData, pose_body
from a3dgen.geometry.boxes import mask_box
from a3dgen.geometry.raster import silhouette
from a3dgen.removal.mask_ops import dilate
from a3dgen.renderers import Item

LIKELY = 0.7
"""Clothes, hair and cuts change how much doubt is seen around the fitted body: asked from this share of the bar on."""
WIDEST = 0.035
"""No look hides as much doubt as the fitted outline would, grown by this share of its size on all sides."""
_TWINS = 2
"""Intact pictures kept: a sample is compared with its twin, which is drawn for itself shortly before or after."""


@dataclass(frozen=True)
class Dressed:
    """What is drawn of a sample: the posed, cut mesh, its devices, and all items."""

    amputee: Amputee
    devices: Devices
    items: list[Item]


@dataclass(frozen=True)
class Drawn:
    """A drawn sample: the posed, cut mesh, its devices, the picture, and the visible part labels."""

    amputee: Amputee
    devices: Devices
    picture: Picture
    labels: UInt8[ndarray, "h w"]


@dataclass(frozen=True)
class Brush:
    """What all samples of a shard are drawn with; ``config``: of the stage. Remembered are the last intact people and
    their pictures, why the last of them are refused ("" = they are not), and which people may be."""

    config: Any
    body: BodyData
    context: Context
    drawn: Pool[Drawn] = field(default_factory=lambda: Pool(_TWINS))
    dressed: Pool[Dressed] = field(default_factory=lambda: Pool(1))
    refused: Pool[str] = field(default_factory=lambda: Pool(_TWINS))
    likely: Pool[bool | str] = field(default_factory=lambda: Pool(_TWINS))

    def draw(self, fitted: Mapping[str, Any], plan: Mapping[str, Any], scene: Scene, judge: bool = False) -> Drawn:
        """Draw one plan; intact people are remembered.

        Args:
            judge: refuse early, where ``check_plate`` would refuse what was drawn.

        Raises:
            Rejected: if it is refused.
        """
        asked = judge and self._may_be_refused(fitted, plan, scene)
        if plan["removed"].any():
            sample = self._dress(fitted, plan)
            if asked and (reason := self._why_not(sample, scene)):
                raise Rejected(reason)
            return self._draw(sample, plan, scene)
        return self.drawn.get(_key(plan), lambda: self._draw(self._intact(fitted, plan), plan, scene))

    def _intact(self, fitted: Mapping[str, Any], plan: Mapping[str, Any]) -> Dressed:
        return self.dressed.get(_key(plan), lambda: self._dress(fitted, plan))

    def _dress(self, fitted: Mapping[str, Any], plan: Mapping[str, Any]) -> Dressed:
        listed, look = devices_from_json(plan["devices"]), Look.from_columns(plan)
        offsets = drawn_offsets(self.body, listed, look)
        amputee = rebuild(self.body, BodyFit.of(fitted, plan), Cut.of(plan), offsets)
        devices = attach(self.body, amputee, look, listed)
        return Dressed(amputee, devices, devices.dressed(build_subject(self.body, amputee, look)))

    def _draw(self, sample: Dressed, plan: Mapping[str, Any], scene: Scene) -> Drawn:
        twins = f"{plan['parent']}/{plan['look_seed']}"  # they differ by what is removed, and by nothing else
        rng = generator_for(self.context.seed, "grain", twins)
        picture = draw(self.config, sample.items, scene, Look.from_columns(plan).light, rng)
        return Drawn(sample.amputee, sample.devices, picture, visible_labels(picture, scene))

    def _may_be_refused(self, fitted: Mapping[str, Any], plan: Mapping[str, Any], scene: Scene) -> bool:
        """Return whether a sample may be refused for what is seen of its plate, as the fitted body alone tells.

        Raises:
            Rejected: it is refused whatever it wears, or its intact twin is, who hides more.
        """
        if scene.doubt is None:
            return False
        likely = self.likely.get(str(plan["parent"]), lambda: self._likely(fitted, scene))
        if isinstance(likely, str) and not np.any(plan["reposed"]):
            raise Rejected(likely)
        if likely and not any(map(is_prosthesis, devices_from_json(plan["devices"]))):
            whole = intact(plan)
            reason = self.refused.get(_key(whole), lambda: self._why_not(self._intact(fitted, whole), scene))
            if reason:
                raise Rejected(reason)
        return bool(likely)

    def _likely(self, fitted: Mapping[str, Any], scene: Scene) -> bool | str:
        """Return whether somebody may be refused in some clothes; the reason, if in any."""
        outline = fitted_outline(self.body, fitted, scene)
        if outline.any():
            grown = dilate(outline, WIDEST * float(np.ptp(mask_box(outline).reshape(2, 2), axis=0).max()))
            if scene.hidden is not None:
                grown &= ~scene.hidden
            reason = why_in_doubt(self.config, scene, grown, "whatever they wear")
            if reason:
                return reason
        return share_of_doubt(scene, outline) > LIKELY * self.config.max_doubt

    def _why_not(self, sample: Dressed, scene: Scene) -> str:
        """Return, before anything is coloured, why somebody would be refused afterwards; "" if they would not be."""
        labels = outline(self.config, sample.items, scene)
        if labels is None:
            return ""
        if scene.hidden is not None:
            labels[scene.hidden] = 0
        return why_in_doubt(self.config, scene, labels > 0)


def _key(plan: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what an intact picture depends on: the person, their look, posture and aids."""
    return (plan["parent"], *Look.from_columns(plan).columns().values(), plan["devices"], plan["pose"].tobytes(),
            plan["transl"].tobytes(), plan["reposed"].tobytes())  # fmt: skip


def fitted_outline(body: BodyData, fitted: Mapping[str, Any], scene: Scene) -> Bool[ndarray, "h w"]:
    """Return the outline of the fitted intact body, bare, in the photo."""
    posed = pose_body(body, fitted["pose"], fitted["betas"], fitted["transl"])
    faces, (h, w) = body.mesh.faces[~body.mesh.hidden], scene.plate.shape[:2]
    return silhouette(posed.vertices(body.mesh, fitted["betas"]), faces, scene.K, w, h)


def share_of_doubt(scene: Scene, drawn: Bool[ndarray, "h w"]) -> float:
    """Return how much of the plate's filling is likely noticed, share of the drawn person's size squared.

    Args:
        drawn: what is seen of the person and their devices.
    """
    if scene.doubt is None or not drawn.any():
        return 0.0
    x0, y0, x1, y1 = mask_box(drawn)
    return float(scene.doubt[~drawn].sum(dtype=np.int64)) / 255 / float(max(x1 - x0, y1 - y0)) ** 2


def why_in_doubt(config: Any, scene: Scene, drawn: Bool[ndarray, "h w"], whom: str = "") -> str:
    """Return why too much of the plate's filling would be noticed, "" if it would not be; see ``share_of_doubt``."""
    share = share_of_doubt(scene, drawn)
    if share <= config.max_doubt:
        return ""
    return (
        f"what is behind the person cannot be told: filled again it looks different, or it breaks off, beside the "
        f"person{whom and ', '}{whom} (in {share:.3f} of their size squared, render.max_doubt is {config.max_doubt:g})"
    )


def check_plate(config: Any, scene: Scene, drawn: Bool[ndarray, "h w"]) -> None:
    """Raise Rejected if too much of the plate's filling would be noticed; see ``why_in_doubt``."""
    reason = why_in_doubt(config, scene, drawn)
    if reason:
        raise Rejected(reason)


def intact(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plan of the same person with nothing removed: that of the intact twin, but for its name."""
    look = Look.from_columns(plan)
    garments = tuple(replace(g, ending={}) for g in look.garments if g.kind != LINER)
    aids = plan["devices"] and devices_to_json([d for d in devices_from_json(plan["devices"]) if not is_prosthesis(d)])
    whole = {"devices": aids, "removed": np.zeros_like(plan["removed"]), "residual": np.ones_like(plan["residual"])}
    return {**plan, **replace(look, garments=garments).columns(), **whole}


def visible_labels(picture: Picture, scene: Scene) -> UInt8[ndarray, "h w"]:
    """Return the part labels of the whole image after occlusion, devices included, 0 where neither is seen."""
    out = np.zeros(scene.plate.shape[:2], np.uint8)
    x0, y0, x1, y1 = picture.window
    out[y0:y1, x0:x1] = picture.part
    if scene.hidden is not None:
        out[scene.hidden] = 0
    return out
