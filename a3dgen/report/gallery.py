"""One row of the report's contact sheet: photo with labels, fit, plate, samples."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from a3dgen.core.errors import A3dgenError
from a3dgen.core.records import OK, UNLABELLED, Outcome
from a3dgen.devices.device import devices_from_json, in_words
from a3dgen.erasure.config import ERASE
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.camera import project, undistort_image
from a3dgen.geometry.regions import REGIONS
from a3dgen.io.images import read_rgb
from a3dgen.io.partial_pictures import read_photo
from a3dgen.report.clouds import draw_cloud, draw_side
from a3dgen.report.panels import Window, data_uri, draw_body, draw_keypoints

log = logging.getLogger("a3dgen")


@dataclass(frozen=True)
class Entry:
    """A person chosen for the contact sheet: rows of its records, keypoints (44, 2) px without lens distortion.

    Attributes:
        lost: what was not made of the person, and why (``not_made``).
    """

    key: str
    person: dict[str, Any]
    pixels: np.ndarray
    body: dict[str, Any]
    plate: dict[str, Any] | None
    samples: list[tuple[dict[str, Any], dict[str, Any]]]
    lost: tuple[str, ...] = ()


@dataclass(frozen=True)
class Panel:
    """One picture with its caption."""

    caption: str
    uri: str


@dataclass(frozen=True)
class Card:
    """One person's row of the sheet.

    Attributes:
        lost: as in ``Entry``.
        model: the body to turn (``turntable.turnable``), or empty.
    """

    key: str
    note: str
    panels: list[Panel]
    lost: tuple[str, ...] = ()
    model: str = ""


def panels_of(entry: Entry, body: BodyData, out: Path) -> Card:
    """Draw one row of the contact sheet; a picture that is missing or unreadable is named in the card's note."""
    note = f"{entry.person['subset']}, fit {entry.body['reproj_px']:.1f} px"
    try:
        photo = undistort_image(read_photo(entry.person["image"]), entry.person["K"], entry.person["dist"])
    except A3dgenError as error:
        return Card(entry.key, f"{note}; {error}", [])
    height, width = photo.shape[:2]
    states = entry.person["state"]
    window = Window.around(entry.pixels[states != UNLABELLED], width, height)
    source = window.cut(photo)
    panels = [
        Panel("photo and labels", data_uri(draw_keypoints(source, entry.pixels, states, window))),
        Panel("fit", data_uri(draw_body(source, body, entry.body, window))),
    ]
    if entry.body["cloud_points"]:
        note += f", point cloud {entry.body['cloud_mm']:.0f} mm from the skin ({entry.body['cloud_points']} points)"
        panels += [
            Panel("point cloud (red: 10 cm off)", data_uri(draw_cloud(source, entry.person, entry.body, body, window))),
            Panel("from the side", data_uri(draw_side(entry.person, entry.body, body))),
        ]
    try:
        if entry.plate:
            panels.append(Panel("plate", data_uri(window.cut(read_rgb(out / entry.plate["image"])))))
        for plan, render in entry.samples:
            panels.append(_sample(plan, render, entry.body["K"], window, out))
    except A3dgenError as error:
        note = f"{note}; {error}"
    return Card(entry.key, note, panels, entry.lost)


def not_made(outcomes: Mapping[str, Outcome], key: str) -> tuple[str, ...]:
    """Say why samples of the person ``key`` are missing, a line for each reason; of who was refused whole, only that.

    Args:
        outcomes: stage -> what became of people (``key``) and of their samples (``key/...``).
    """
    counts: Counter[str] = Counter()
    for stage in ("amputate", "background", "render"):
        if stage in outcomes:
            outcome = outcomes[stage]
            for name, status, why in zip(outcome.key, outcome.status, outcome.reason, strict=True):
                if status != OK and name == key:
                    return (f"no samples: {why}",)
                if status != OK and str(name).startswith(f"{key}/"):
                    counts[str(why)] += 1
    return tuple(f"{n} sample{'s' if n > 1 else ''} not made: {why}" for why, n in counts.items())


def _sample(plan: dict[str, Any], render: dict[str, Any], K: np.ndarray, window: Window, out: Path) -> Panel:
    removed = [r.clinical(float(plan["residual"][r.index])) for r in REGIONS if plan["removed"][r.index]]
    devices = [in_words(d) for d in devices_from_json(plan["devices"])]
    kept = "the photo's person" if render["mode"] == ERASE else ""
    caption = "; ".join(filter(None, (", ".join(removed) or "intact twin", ", ".join(devices), kept)))
    panel = window.cut(read_rgb(out / render["image"]))
    pixels = np.nan_to_num(project(render["keypoints"], K), nan=1e9)
    return Panel(
        caption, data_uri(draw_keypoints(panel, pixels, np.where(render["state"] == 3, 0, render["state"]), window))
    )
