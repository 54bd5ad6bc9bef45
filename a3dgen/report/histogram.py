"""A histogram as a small SVG picture."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

import numpy as np

WIDTH, HEIGHT = 330, 200
_LEFT, _TOP, _BOTTOM = 38.0, 24.0, 20.0
_BAR = "#3b7dd8"


def histogram_uri(name: str, values: Sequence[float]) -> str:
    """Return a data URI of the histogram of finite ``values``; up to 30 bars, fewer of few values."""
    counts, edges = np.histogram(np.asarray(values, np.float64), bins=min(30, max(5, len(values) // 2)))
    width, height = (WIDTH - _LEFT - 8) / len(counts), HEIGHT - _TOP - _BOTTOM
    scale, floor = height / max(int(counts.max()), 1), HEIGHT - _BOTTOM
    bars = "".join(
        f'<rect x="{_LEFT + i * width:.1f}" y="{floor - n * scale:.1f}" width="{width - 0.5:.1f}" '
        f'height="{n * scale:.1f}" fill="{_BAR}"/>'
        for i, n in enumerate(counts.tolist())
    )
    middle = (edges[0] + edges[-1]) / 2
    labels = [
        _text(WIDTH / 2, 15.0, name, "middle", 13),
        *(_text(_LEFT + share * (WIDTH - _LEFT - 8), HEIGHT - 5.0, f"{value:.3g}", anchor, 10)
          for share, value, anchor in ((0, edges[0], "start"), (0.5, middle, "middle"), (1, edges[-1], "end"))),
        _text(_LEFT - 4, floor, "0", "end", 10),
        _text(_LEFT - 4, _TOP + 8, str(int(counts.max())), "end", 10),
    ]  # fmt: skip
    axes = f'<path d="M{_LEFT:.0f} {_TOP:.0f}V{floor:.0f}H{WIDTH - 8}" fill="none" stroke="#444"/>'
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif">'
        f"{bars}{axes}{''.join(labels)}</svg>"
    )
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _text(x: float, y: float, text: str, anchor: str, size: int) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-size="{size}" fill="#222">{escape(text)}</text>'
