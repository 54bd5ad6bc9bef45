"""The devices and the posture of all samples of one person, decided before anything is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from a3dgen.amputation import measurements
from a3dgen.appearance.look import Look
from a3dgen.core.errors import Rejected
from a3dgen.core.records import OCCLUDED, UNLABELLED
from a3dgen.core.rng import generator_for
from a3dgen.devices.device import LEGS, Device, devices_to_json, is_worn
from a3dgen.devices.dressing import over_prostheses
from a3dgen.devices.lying import lay_down
from a3dgen.devices.person import Person, body_rows
from a3dgen.devices.posture import pose_with_aids
from a3dgen.devices.sampling import DevicesConfig, Drawn, draw_devices
from a3dgen.devices.sitting import sit
from a3dgen.devices.trunk import Trunk
from a3dgen.geometry.body import BodyData, forward_kinematics, rest_joints
from a3dgen.geometry.camera import inside_image, project
from a3dgen.geometry.rotations import rotvec_to_matrix
from a3dgen.geometry.skeleton import JOINT, ROW

DRAWN = "overlay"
"""Mode of the samples whose person is drawn."""


def equip(
    config: DevicesConfig,
    seed: int,
    body: BodyData,
    fit: Mapping[str, Any],
    rows: list[dict[str, Any]],
    on_view: bool = True,
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the Plans rows of one person with devices and posture, and why some of them are left out.

    Args:
        fit: the person's row of Bodies. rows: amputees, and intact twins that name them. on_view: the photo shows what
            the person stands on; where it does not, nobody has an aid.

    A twin carries the same aids in the same posture. Where several amputees share one twin, all of the person's
    samples have the aid that was drawn first.

    Raises:
        Rejected: if the posture of no sample can be made.
    """
    segment = measurements.segment_lengths(body, np.asarray(fit["betas"], np.float64))
    groups = _groups(rows)
    out, skipped = [], []
    for number, group in enumerate(groups):
        if any(row.get("mode", DRAWN) != DRAWN for row in group):  # the photo's own person has what the photo shows
            out += group
            continue
        rng = generator_for(seed, "devices", f"{group[0]['parent']}#{number}")
        drawn = [_draw(rng, config, row, segment) for row in group]
        first = next((d for row, d in zip(group, drawn, strict=True) if row["removed"].any()), drawn[0])
        aids: tuple[Device, ...] = ()
        posture: dict[str, Any] = {}
        if first.aid != "none" and on_view:
            try:
                posture, aids = posture_of(config, body, fit, first)
            except Rejected as error:
                skipped.append(str(error))
                continue
        for row, own in zip(group, drawn, strict=True):
            prostheses = _with_places(own.prostheses, body, fit, rng, aids if on_view else None)
            prostheses = clear_of_body(prostheses, body, {**fit, **posture})
            look = over_prostheses(Look.from_columns(row), prostheses)
            out.append({**row, **look.columns(), **posture, "devices": devices_to_json([*prostheses, *aids])})
    if rows and not out:
        raise Rejected(f"no posture with the drawn devices ({'; '.join(skipped)})")
    return out, skipped


def _with_places(
    prostheses: tuple[Device, ...],
    body: BodyData,
    fit: Mapping[str, Any],
    rng: np.random.Generator,
    aids: tuple[Device, ...] | None,
) -> list[Device]:
    """Return prostheses with a place for those that are doffed; none of these where the photo shows no ground (aids:
    None)."""
    worn = [d for d in prostheses if not d.doffed]
    off = [d for d in prostheses if d.doffed and aids is not None]
    person = Person.of(body, fit) if off else None
    return worn + [lay_down(person, d, rng, aids or ()) for d in off if person]


def clear_of_body(prostheses: list[Device], body: BodyData, stands: Mapping[str, Any]) -> list[Device]:
    """Return prostheses without those whose forearm or hand would lie in trunk, legs or the other arm, as of people
    who sit on their hands or fold their arms: flesh gives there, a hook does not.

    Args:
        stands: pose, betas and transl as drawn.
    """
    arms = [d for d in prostheses if is_worn(d) and d.type not in LEGS]
    if not arms:
        return prostheses
    try:
        person = Person.of(body, stands)
    except Rejected:  # they lie, and nothing tells on what
        return [d for d in prostheses if d not in arms]
    rows, deep = body_rows(body), []
    for device in arms:
        other = "right" if device.side == "left" else "left"
        rest = Trunk.of(person, np.concatenate([rows.trunk, rows.arms[other], rows.upper[other]]))
        if rest.arm_depth(person, device.side) > 0:
            deep.append(device)
    return [d for d in prostheses if d not in deep]


def feet_on_view(body: BodyData, person: Mapping[str, Any], fit: Mapping[str, Any]) -> bool:
    """Return whether the photo shows what the person stands on: not if both ankles are inside the image and something
    hides them. A wheelchair would stand before the table that the person sits at.

    Args:
        person: a row of Persons. fit: their row of Bodies.
    """
    rest = rest_joints(body, np.asarray(fit["betas"], np.float64))
    joints = forward_kinematics(rotvec_to_matrix(np.asarray(fit["pose"], np.float64)), rest)[1] + fit["transl"]
    sides = ("left", "right")
    pixels = project(joints[[JOINT[f"{s}_ankle"] for s in sides]], np.asarray(fit["K"], np.float64))
    inside = inside_image(pixels, *(int(v) for v in person["image_size"]))
    hidden = np.isin([person["state"][ROW[f"extra_{s}_ankle"]] for s in sides], (UNLABELLED, OCCLUDED))
    return not bool((inside & hidden).all())


def posture_of(
    config: DevicesConfig, body: BodyData, fit: Mapping[str, Any], drawn: Drawn
) -> tuple[dict[str, Any], tuple[Device, ...]]:
    """Return the columns of Plans that a posture has, and the aids with their places; nothing of both where the person
    gets no aid after all.

    Raises:
        Rejected: if the posture cannot be made.
    """
    take = sit if drawn.aid == "wheelchair" else pose_with_aids
    return take(config, body, fit, drawn)


def _groups(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Sort rows into sets of twins, in order."""
    place: dict[str, int] = {}
    groups: list[list[dict[str, Any]]] = []
    for row in rows:
        at = place.get(str(row["key"]), place.get(str(row.get("twin", "")), len(groups)))
        if at == len(groups):
            groups.append([])
        groups[at].append(row)
        place[str(row["key"])] = at
        if row.get("twin"):
            place[str(row["twin"])] = at
    return groups


def _draw(rng: np.random.Generator, config: DevicesConfig, row: Mapping[str, Any], segment: np.ndarray) -> Drawn:
    return draw_devices(rng, config, row["removed"], row["residual"], segment, int(row["skin"]))
