"""``recovered.html``: photo, overlay and a turnable body of everybody recovered; one file, offline."""

from __future__ import annotations

import base64
import html
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from a3dgen.bodies import load_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.files import write_whole
from a3dgen.geometry.camera import project
from a3dgen.recovery.person import NAMES, Recovery
from a3dgen.report.turntable import PLACE, page, turnable

THUMB = 520
"""Longer side of a picture in the page, px."""
COLOURS = {"present": (60, 170, 80), "absent": (214, 40, 40), "unsure": (230, 160, 30)}
_STYLE = """body{font:16px system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#222}
section{border-top:1px solid #ccc;padding:1rem 0}img,iframe{max-width:100%;border:0}
.row{display:flex;flex-wrap:wrap;gap:1rem}.row>*{flex:1 1 18rem}iframe{height:26rem;background:#eee}
table{border-collapse:collapse}td,th{text-align:left;padding:.2rem .8rem .2rem 0}
.absent{color:#b01818;font-weight:600}.unsure{color:#8a5a00}button{padding:.6rem 1rem}"""
_SCRIPT = """async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
async function turn(button, id) {
  const [page, glb] = await Promise.all(["page", id].map(k => unpack(document.getElementById(k).textContent)));
  let text = "";
  for (const c of glb) text += String.fromCharCode(c);
  const frame = document.createElement("iframe");
  frame.title = "body";
  frame.srcdoc = new TextDecoder().decode(page).replace("PLACE", btoa(text));
  button.replaceWith(frame);
}""".replace("PLACE", PLACE)


def overlay(rgb: UInt8[ndarray, "h w 3"], recovery: Recovery) -> UInt8[ndarray, "h w 3"]:
    """Return the picture with the recovered body's outline, shaded, and the residual ends that were seen."""
    out = np.ascontiguousarray(rgb.copy())
    thick = max(2, round(max(out.shape[:2]) / 400))
    if recovery.amputee is not None and recovery.fitted is not None:
        faces = recovery.amputee.mesh.faces
        pixels = np.nan_to_num(project(recovery.amputee.vertices.astype(np.float64), recovery.fitted["K"]), nan=-1e4)
        mask = np.zeros(out.shape[:2], np.uint8)
        corners = np.clip(pixels, -1e4, 1e4)[faces]
        for triangle in np.rint(corners).astype(np.int32):
            cv2.fillConvexPoly(mask, triangle, 1)
        body = mask > 0
        out[body] = (0.55 * out[body] + 0.45 * np.array([70, 130, 220])).astype(np.uint8)
        edges, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(out, edges, -1, (20, 60, 160), thick)
    for limb, said in enumerate(recovery.presence.verdicts()):
        if said == "absent":
            place = tuple(int(v) for v in np.rint(recovery.presence.end[limb]))
            cv2.circle(out, place, 4 * thick, COLOURS[said], thick)
    return out


def recovered_page(found: list[tuple[str, UInt8[ndarray, "h w 3"], list[Recovery]]], body: BodyConfig) -> str:
    """Return the page.

    Args:
        found: name, picture and people of every photo. body: the body model.
    """
    parts: list[str] = []
    models: list[str] = []
    model = load_body(body)
    for name, rgb, people in found:
        if not people:
            parts.append(f"<section><h2>{html.escape(name)}</h2><p>Nobody was found.</p></section>")
        for person in people:
            number = len(models)
            cells = [_picture(_around(rgb, person)), _picture(_around(overlay(rgb, person), person))]
            if person.fitted is not None:
                models.append(f'<script type="text/plain" id="m{number}">{turnable(model, *_cut(person))}</script>')
                cells.append(f"<p><button onclick=\"turn(this,'m{number}')\">Turn the body</button></p>")
            parts.append(
                f"<section><h2>{html.escape(person.key)}</h2>{_table(person)}<div class=row>{''.join(cells)}</div>"
                f"{f'<p>No body: {html.escape(person.reason)}</p>' if person.reason else ''}</section>"
            )
    viewer = f'<script type="text/plain" id="page">{page()}</script>' if models else ""
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>a3dgen: recovered</title><style>{_STYLE}</style>"
        "<h1>Recovered bodies</h1><p>Not a medical device. What is said of a limb is a proposal to look at: see the "
        f"probabilities.</p>{''.join(parts)}{viewer}{''.join(models)}<script>{_SCRIPT}</script></html>"
    )


def write_page(path: Path, text: str) -> None:
    """Write the page, whole or not at all."""
    write_whole(path, text.encode())


def _cut(person: Recovery) -> tuple[dict[str, Any], dict[str, Any]]:
    amputee = person.amputee
    assert amputee is not None
    assert person.fitted is not None
    plan = {
        "removed": amputee.cut.removed, "residual": amputee.cut.residual, "geometry": amputee.cut.geometry,
        "stump": amputee.cut.stump, "devices": "[]", "reposed": np.zeros(24, bool), "hands": 0.0,
    }  # fmt: skip
    return person.fitted, plan


def _table(person: Recovery) -> str:
    lines = []
    for name, fact in zip(NAMES, person.plain()["limbs"], strict=True):
        said, chance = fact["said"], fact["probability"]
        more = ""
        if "clinical" in fact:
            more = html.escape(fact["clinical"])
            if "length_m" in fact:
                more += f", residual limb {100 * fact['length_m']:.0f} cm &plusmn; {100 * fact['length_sd_m']:.0f}"
        lines.append(
            f"<tr><td>{name}<td class={said}>{said}<td>present {chance['present']:.0%}, absent "
            f"{chance['absent']:.0%}, cannot tell {chance['unsure']:.0%}<td>{more}</tr>"
        )
    return f"<table>{''.join(lines)}</table>"


def _around(rgb: UInt8[ndarray, "h w 3"], person: Recovery) -> UInt8[ndarray, "h w 3"]:
    height, width = rgb.shape[:2]
    margin = 0.15 * float((person.box[2:] - person.box[:2]).max())
    x0, y0 = np.maximum(person.box[:2] - margin, 0).astype(int)
    x1, y1 = np.minimum(person.box[2:] + margin, (width, height)).astype(int)
    return rgb[y0:y1, x0:x1]


def _picture(rgb: UInt8[ndarray, "h w 3"]) -> str:
    scale = min(1.0, THUMB / max(rgb.shape[:2]))
    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else rgb
    _, data = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}">'
