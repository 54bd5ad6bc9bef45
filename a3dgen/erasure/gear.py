"""Thin straight things beside the limb: what its own end holds leaves with it, everything else stays."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.erasure.subject import Subject
from a3dgen.lighting.srgb import to_linear
from a3dgen.removal.mask_ops import dilate

# Shares of the person's height, set on the sample frames; Lab units of colour.
SHORTEST, WIDEST = 0.06, 0.028
STANDS_OUT = 18.0
"""A bar differs at least this much from both its sides, which are alike."""
GOES_ON = 12.0
"""A bar that passes in front of the limb differs this much from it."""
SHADE, EVEN = (0.1, 0.85), 1.8
"""Shade leaves this share of the linear light, in all channels alike within this factor; least in red, for it is lit by
the sky."""
BRIGHT = 0.6
"""Before snow and white walls (linear light) dark gear looks like shade, too: there it is gear."""
PLUMB = 3.0
"""What lies this near to level or upright, degrees, is built and not held."""
BOTH_SIDES = 0.05
"""An upright bar that reaches this far above and below wrist or ankle is not held, share of the height."""
_THIN_AT_END = 0.13
HELD_WITHIN = 0.1
"""A bar that meets the limb this near to its end is held by it."""


@dataclass(frozen=True)
class Gear:
    """``leaves``: bars held by the limb's end. ``thin``: thin things that begin there. ``stays``: all other bars.
    ``passes``: some bar passes in front."""

    leaves: Bool[ndarray, "h w"]
    thin: Bool[ndarray, "h w"]
    stays: Bool[ndarray, "h w"]
    passes: bool


def find_bars(subject: Subject, shaded: bool = True) -> list[Float[ndarray, "4"]]:
    """Return straight thin bars outside the person (x0, y0, x1, y1), px; found once a person.

    Args:
        shaded: with those that may be the shadow of a leg: of their surroundings' hue, and darker.
    """
    if "bars" not in subject.notes:
        subject.notes["bars"] = _detect(subject)
    return [line for line, shade in subject.notes["bars"] if shaded or not shade]


def _detect(subject: Subject) -> list[tuple[Float[ndarray, "4"], bool]]:
    grey = cv2.cvtColor(subject.rgb, cv2.COLOR_RGB2GRAY)
    found = cv2.createLineSegmentDetector().detect(grey)[0]
    out: list[tuple[Float[ndarray, "4"], bool]] = []
    if found is None:
        return out
    lab = cv2.GaussianBlur(cv2.cvtColor(subject.rgb, cv2.COLOR_RGB2LAB), (0, 0), 0.6).astype(np.float32)
    subject.notes["lab"] = lab
    body = subject.mine.astype(np.uint8)
    h, w = body.shape
    near = dilate(subject.mine, 0.35 * subject.height)
    for line in found[:, 0].astype(np.float64):
        x, y = int(np.clip((line[0] + line[2]) / 2, 0, w - 1)), int(np.clip((line[1] + line[3]) / 2, 0, h - 1))
        if np.hypot(*(line[2:] - line[:2])) < SHORTEST * subject.height or not near[y, x]:
            continue
        strength, inside, colours = _bar_strength(lab, body, line, subject.height)
        if inside < 0.4 and strength > STANDS_OUT:
            out.append((line, _is_shade(*colours)))
    return out


def _is_shade(bar: Float[ndarray, "3"], side: Float[ndarray, "3"]) -> bool:
    """Return whether a bar's colour (Lab, 8-bit scale) may be its surroundings' in the shade: all channels of linear
    light fall by about the same factor."""
    pair = np.clip(np.rint(np.stack([bar, side])), 0, 255).astype(np.uint8)[None]
    dark, lit = to_linear(cv2.cvtColor(pair, cv2.COLOR_LAB2RGB))[0] + 1e-3
    ratio = dark / lit
    even = ratio.max() < EVEN * ratio.min() and 0.93 * ratio[0] < ratio[1] and 0.93 * ratio[1] < ratio[2]
    return bool(SHADE[0] < ratio.min() and ratio.max() < SHADE[1] and even and lit.max() < BRIGHT)


def _bar_strength(
    lab: ndarray, body: ndarray, line: Float[ndarray, "4"], height: float
) -> tuple[float, float, tuple[Float[ndarray, "3"], Float[ndarray, "3"]]]:
    """Return how much a strip along a line differs from both its sides, its share on the person, and the colours of
    strip and sides."""
    length = max(float(np.hypot(*(line[2:] - line[:2]))), 1e-3)
    ux, uy = (line[2:] - line[:2]) / length
    widest = max(2.5, WIDEST * height)
    along = np.linspace(0.05, 0.95, 15)[:, None] * length
    across = np.arange(-np.ceil(2 * widest), np.ceil(2 * widest) + 1, 0.5)
    x = (line[0] + along * ux - across * uy).astype(np.float32)
    y = (line[1] + along * uy + across * ux).astype(np.float32)
    profile = np.median(cv2.remap(lab, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), axis=0)
    inside = float(cv2.remap(body, x, y, cv2.INTER_NEAREST)[:, len(across) // 2].mean())

    def at(value: ndarray) -> ndarray:
        return profile[np.clip(np.rint((value - across[0]) / 0.5).astype(int), 0, len(across) - 1)]

    widths = np.arange(1.5, widest + 0.1, 1.0)
    best, colours = 0.0, (profile[0], profile[0])
    for sign in (1, -1):
        middle, low, high = (at(sign * v) for v in (widths / 2, np.full(len(widths), -1.5), widths + 1.5))
        sides = np.abs(low - high).sum(-1)
        out = np.minimum(np.abs(middle - low).sum(-1), np.abs(middle - high).sum(-1)) - 1.2 * sides
        k = int(out.argmax())
        if float(out[k]) > best:
            best, colours = float(out[k]), (middle[k], (low[k] + high[k]) / 2)
    return best, inside, colours


def sort_bars(subject: Subject, limb: Bool[ndarray, "h w"], end: Float[ndarray, "2"], leg: bool = False) -> Gear:
    """Tell which bars leave with the limb, which stay, and whether one passes in front of it. What may be shade is no
    bar of a leg.

    Args:
        limb: its pixels. end: wrist or ankle in the window, px.
    """
    bars, near = find_bars(subject), dilate(limb, 1.5)
    things = find_bars(subject, shaded=False) if leg else bars
    held, passes = [], False
    for line in things:
        hit, way = _meets(line, near, max(8.0, 0.04 * subject.height))
        if hit is None:
            continue
        if np.linalg.norm(hit - end) < HELD_WITHIN * subject.height:
            held += [] if _is_built_bar(line, bars, end, subject.height, leg) else [line]
        else:
            passes = passes or _passes_in_front(subject, limb, hit, way)
    held = _continued(held, things, 0.03 * subject.height)
    leaves, stays = np.zeros(limb.shape, np.uint8), np.zeros(limb.shape, np.uint8)
    chosen = {id(line) for line in held}
    for line in bars:
        ends = tuple(line[:2].astype(int).tolist()), tuple(line[2:].astype(int).tolist())
        own = id(line) in chosen
        cv2.line(
            leaves if own else stays,
            *ends,
            1,
            max(2, int(0.03 * subject.height)) if own else max(3, int(0.012 * subject.height)),
        )
    thin = held_thin(subject, limb, end, bars, leg)
    return Gear(leaves > 0, thin, (stays > 0) & ~(leaves > 0), passes)


def is_built(line: Float[ndarray, "4"], rows: tuple[float, float], end: ndarray, height: float, leg: bool) -> bool:
    """Return whether a bar is level or upright to within ``PLUMB``, as boards of benches and frames of windows are.

    An upright one also goes on above and below the wrist or ankle ``end``, which a pole in the hand hardly does. Feet
    stand on level things.

    Args:
        line: x0, y0, x1, y1. rows: from which to which row it reaches, px.
    """
    across, up = np.abs(line[2:] - line[:2])
    if min(across, up) > np.tan(np.deg2rad(PLUMB)) * max(across, up):
        return False
    if across > up:
        return not leg
    return bool(rows[0] < end[1] - BOTH_SIDES * height and rows[1] > end[1] + BOTH_SIDES * height)


def _is_built_bar(line: Float[ndarray, "4"], bars: list, end: ndarray, height: float, leg: bool) -> bool:
    """Return ``is_built`` of a bar and of those in line with it: the limb hides a piece."""
    middle = (line[0] + line[2]) / 2
    rows = np.concatenate([b[[1, 3]] for b in bars if abs((b[0] + b[2]) / 2 - middle) < 0.02 * height])
    return is_built(line, (float(rows.min()), float(rows.max())), end, height, leg)


def held_thin(
    subject: Subject, limb: Bool[ndarray, "h w"], end: Float[ndarray, "2"], bars: list, leg: bool
) -> Bool[ndarray, "h w"]:
    """Return the thin things that begin at the limb's own end, without bars that cross them farther away."""
    if not subject.thin.any():
        return subject.thin
    others = np.zeros(limb.shape, np.uint8)
    for line in bars:
        if _away(line, end) > HELD_WITHIN * subject.height:
            ends = tuple(line[:2].astype(int).tolist()), tuple(line[2:].astype(int).tolist())
            cv2.line(others, *ends, 1, max(3, int(0.012 * subject.height)))
    things = subject.thin & ~(others > 0)
    _, labels = cv2.connectedComponents(things.astype(np.uint8))
    y, x = np.nonzero(things & dilate(limb, 4.0))
    near = np.hypot(x - end[0], y - end[1]) < _THIN_AT_END * subject.height
    found = np.zeros_like(things)
    for label in np.unique(labels[y[near], x[near]]):
        thing = labels == label
        i, j = np.nonzero(thing)
        axis = np.linalg.eigh(np.cov(np.stack([j, i])))[1][:, 1] if len(i) > 2 else np.array([1.0, 1.0])
        if not is_built(np.array([0.0, 0.0, *axis]), (float(i.min()), float(i.max())), end, subject.height, leg):
            found |= thing
    return found


def _away(line: Float[ndarray, "4"], point: ndarray) -> float:
    """Return a point's distance from a segment, px."""
    way = line[2:] - line[:2]
    share = np.clip((point - line[:2]) @ way / max(float(way @ way), 1e-6), 0, 1)
    return float(np.linalg.norm(point - line[:2] - share * way))


def _meets(line: Float[ndarray, "4"], near: Bool[ndarray, "h w"], reach: float) -> tuple[ndarray | None, ndarray]:
    """Return where a bar, made a little longer, meets the limb, and in which direction."""
    h, w = near.shape
    forward = (line[2:] - line[:2]) / max(float(np.hypot(*(line[2:] - line[:2]))), 1e-3)
    found: tuple[ndarray | None, ndarray] = (None, forward)
    for start, way in ((line[:2], -forward), (line[2:], forward)):
        at = np.rint(start + np.arange(-4, reach)[:, None] * way).astype(int)
        at = at[(at >= 0).all(1) & (at[:, 0] < w) & (at[:, 1] < h)]
        on = near[at[:, 1], at[:, 0]]
        if on.any():
            found = at[on][0].astype(float), way
    return found


def _passes_in_front(subject: Subject, limb: Bool[ndarray, "h w"], hit: ndarray, way: ndarray) -> bool:
    h, w = limb.shape
    at = np.rint(hit + np.arange(2, 0.25 * subject.height)[:, None] * way).astype(int)
    at = at[(at >= 0).all(1) & (at[:, 0] < w) & (at[:, 1] < h)]
    on = int(limb[at[:, 1], at[:, 0]].sum())
    if on <= 5:
        return False
    line = np.concatenate([hit + 2 * way, hit + (2 + on) * way])
    return _bar_strength(subject.notes["lab"], limb.astype(np.uint8), line, subject.height)[0] > GOES_ON


def _continued(held: list, bars: list, width: float) -> list:
    """Add collinear continuations of what is held."""
    held = list(held)
    for line in [b for _ in range(3) for b in bars]:
        if any(line is b for b in held):
            continue
        for a in held:
            u = (a[2:] - a[:2]) / max(float(np.hypot(*(a[2:] - a[:2]))), 1e-3)
            p, q = line[:2] - a[:2], line[2:] - a[:2]
            if max(abs(u[0] * p[1] - u[1] * p[0]), abs(u[0] * q[1] - u[1] * q[0])) < width:
                held.append(line)
                break
    return held
