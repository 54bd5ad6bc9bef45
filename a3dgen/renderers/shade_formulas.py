"""Formulas of shading, eight samples at a time (see ``lanes``): where a sample lies, its relief, its light.

``given`` and ``work`` are (rows, 8) arrays, a row for each of the numbers below.
"""

from __future__ import annotations

from a3dgen.renderers.lanes import Lanes, Sheet, formula

# Rows of what is given: the sample, the three corners of its face, the four texels around it.
AT, SCREEN, NEARNESS, POINT, NORMAL, UV, SCAR, TEXEL, HEIGHT = 0, 2, 8, 11, 20, 29, 35, 38, 50
GIVEN = 54
# Rows of what is worked out: place, normal, texture coordinates, texels a pixel, scar, weights of the second column and
# row of texels, size of their level, open sky, light of the key; place on the shadow map, cosine to the key, colours.
PLACE, FACING, TEXTURE, DENSITY, MARK, SHARE, SIZE, SKY, SEEN, ON_MAP, TOWARDS, BASE, COLOR = (
    0, 3, 6, 8, 9, 10, 12, 14, 15, 16, 19, 20, 23,
)  # fmt: skip
WORK = 26
# Constants: material, direction and colour of the key, camera to shadow map, harmonics, texture size, samples a pixel.
MATERIAL, KEY_DIR, KEY_COLOR, TO_MAP, HARMONICS, WHOLE, STEP = 0, 9, 12, 15, 27, 54, 56
CONSTANTS = 57


def _corners(s: Sheet, row: int, parts: int) -> list[list[Lanes]]:
    """Return the numbers of the three corners."""
    return [[s.given(row + parts * corner + k) for k in range(parts)] for corner in range(3)]


def _dot(a: list[Lanes], b: list[Lanes]) -> Lanes:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _edges(s: Sheet) -> tuple[list[Lanes], list[Lanes]]:
    """Return two edges of the triangle, m."""
    p0, p1, p2 = _corners(s, POINT, 3)
    return [b - a for a, b in zip(p0, p1, strict=True)], [b - a for a, b in zip(p0, p2, strict=True)]


def _texture_edges(s: Sheet) -> tuple[Lanes, Lanes, Lanes, Lanes]:
    """Return the same edges in texture coordinates: du1, dv1, du2, dv2."""
    (u0, v0), (u1, v1), (u2, v2) = _corners(s, UV, 2)
    return u1 - u0, v1 - v0, u2 - u0, v2 - v0


def _weights(s: Sheet) -> tuple[list[Lanes], Lanes]:
    """Return perspective-correct weights of a face's corners at a sample, and 1 / its signed area on the screen."""
    (x0, y0), (x1, y1), (x2, y2) = ([n.wide() for n in corner] for corner in _corners(s, SCREEN, 2))
    px, py = s.given(AT), s.given(AT + 1)
    ax, ay, bx, by = x1 - x0, y1 - y0, x2 - x0, y2 - y0
    area = ax * by - bx * ay
    inverse = (1.0 / area).where(area.is_("!=", 0.0), 0.0)
    w1 = (((px - x0) * by - bx * (py - y0)) * inverse).most(0.0).least(1.0)
    w2 = ((ax * (py - y0) - (px - x0) * ay) * inverse).most(0.0).least(1.0 - w1)
    near = [s.given(NEARNESS + k) for k in range(3)]
    w = [(1.0 - w1 - w2) * near[0], w1 * near[1], w2 * near[2]]
    norm = 1.0 / (w[0] + w[1] + w[2])
    return [one * norm for one in w], inverse


def _density(s: Sheet, inverse: Lanes) -> Lanes:
    """Return texels a squared sample, see ``shade.level_density``."""
    (x0, y0), (x1, y1), (x2, y2) = _corners(s, SCREEN, 2)
    ax, ay, bx, by = x1 - x0, y1 - y0, x2 - x0, y2 - y0
    du1, dv1, du2, dv2 = _texture_edges(s)
    width, height = s.constant(WHOLE), s.constant(WHOLE + 1)
    ux, uy = (du1 * by - du2 * ay) * inverse * width, (du2 * ax - du1 * bx) * inverse * width
    vx, vy = (dv1 * by - dv2 * ay) * inverse * height, (dv2 * ax - dv1 * bx) * inverse * height
    return (ux * vy - uy * vx).size().most((ux * ux + vx * vx).most(uy * uy + vy * vy) * 0.5)


def _place(s: Sheet) -> None:
    w, inverse = _weights(s)
    e1, e2 = _edges(s)
    for k in range(3):
        s.put(PLACE + k, s.given(POINT + k) + w[1] * e1[k] + w[2] * e2[k])
    corners = _corners(s, NORMAL, 3)
    n = [w[0] * corners[0][k] + w[1] * corners[1][k] + w[2] * corners[2][k] for k in range(3)]
    length = 1.0 / (_dot(n, n) + 1e-20).root()
    length = (-length).where(inverse.is_(">", 0.0), length)  # a back face of a sheet
    for k in range(3):
        s.put(FACING + k, n[k] * length)
    du1, dv1, du2, dv2 = _texture_edges(s)
    s.put(TEXTURE, s.given(UV) + w[1] * du1 + w[2] * du2)
    s.put(TEXTURE + 1, s.given(UV + 1) + w[1] * dv1 + w[2] * dv2)
    s.put(DENSITY, _density(s, inverse) * s.constant(STEP) * s.constant(STEP))
    s.put(MARK, w[0] * s.given(SCAR) + w[1] * s.given(SCAR + 1) + w[2] * s.given(SCAR + 2))


def _cross(a: list[Lanes], b: list[Lanes]) -> list[Lanes]:
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]


def _bumped(s: Sheet, n: list[Lanes], hu: Lanes, hv: Lanes) -> list[Lanes]:
    """Tilt a normal by the slope (hu, hv) of a height (m) along the texture's axes (Mikkelsen 2010)."""
    e1, e2 = _edges(s)
    du1, dv1, du2, dv2 = _texture_edges(s)
    spread = (du1 * dv2 - du2 * dv1).wide()
    scale = 1.0 / spread
    u = [(a * dv2.wide() - b * dv1.wide()) * scale for a, b in zip(_wide(e1), _wide(e2), strict=True)]
    v = [(b * du1.wide() - a * du2.wide()) * scale for a, b in zip(_wide(e1), _wide(e2), strict=True)]
    r1, r2 = _cross(v, n), _cross(n, u)
    det = _dot(u, r1)
    inverse = 1.0 / det
    g = [(hu * a + hv * b) * inverse for a, b in zip(r1, r2, strict=True)]
    calm = 1.0 / (1.0 + 0.7 * _dot(g, g).root())  # steep slopes of coarse heights are calmed
    tilted = [a - b * calm for a, b in zip(n, g, strict=True)]
    length = 1.0 / (_dot(tilted, tilted) + 1e-20).root()
    sound = s.both(spread.size().is_(">=", 1e-14), det.size().is_(">=", 1e-14))
    sound = s.both(sound, (hu.size() + hv.size()).is_(">", 0.0))
    return [(t * length).where(sound, a) for t, a in zip(tilted, n, strict=True)]


def _wide(numbers: list[Lanes]) -> list[Lanes]:
    return [n.wide() for n in numbers]


def _relief(s: Sheet) -> None:
    fx, fy, mark = s.work(SHARE), s.work(SHARE + 1), s.work(MARK)
    red = mark.least(1.0) * 0.75
    for c, tint in enumerate((0.12, -0.26, -0.30)):  # a healed stump: reddish towards the tip
        a, b, d, e = (s.given(TEXEL + 3 * k + c) for k in range(4))
        top = a * (1.0 - fx) + b * fx
        base = top * (1.0 - fy) + (d * (1.0 - fx) + e * fx) * fy
        s.put(BASE + c, base * (1.0 + tint * red))
    ha, hb, hd, he = (s.given(HEIGHT + k).wide() for k in range(4))
    rise = s.constant(MATERIAL + 4) * (1.0 - (mark * 0.8).least(1.0)) / 255.0
    hu = ((hb - ha) * (1.0 - fy) + (he - hd) * fy) * s.work(SIZE) * rise
    hv = ((ha - hd) * (1.0 - fx) + (hb - he) * fx) * s.work(SIZE + 1) * rise
    n = _bumped(s, [s.work(FACING + k) for k in range(3)], hu, hv)
    at = []
    for k in range(3):
        s.put(FACING + k, n[k])
        at.append(s.work(PLACE + k) + n[k] * 0.013)
    for k in range(3):
        row = [s.constant(TO_MAP + 4 * k + j) for j in range(4)]
        s.put(ON_MAP + k, _dot(row[:3], at) + row[3])
    s.put(TOWARDS, _dot(n, [s.constant(KEY_DIR + k) for k in range(3)]))


def _ambient(s: Sheet, c: int, n: list[Lanes]) -> Lanes:
    """Return irradiance / pi of one channel from the harmonics (order as in ``lighting.light``)."""
    sh = [s.constant(HARMONICS + 3 * k + c) for k in range(9)]
    x, y, z = n
    return (
        0.282095 * sh[0] + 0.488603 * (sh[1] * y + sh[2] * z + sh[3] * x)
        + 1.092548 * (sh[4] * x * y + sh[5] * y * z + sh[7] * x * z)
        + 0.315392 * sh[6] * (3.0 * z * z - 1.0) + 0.546274 * sh[8] * (x * x - y * y)
    ).most(0.0)  # fmt: skip


def _reflected(s: Sheet, n: list[Lanes], nl: Lanes) -> tuple[Lanes, Lanes]:
    """Return the key's highlight (Cook and Torrance with GGX; times the key's colour) and the share of the surroundings
    mirrored at grazing angles (Schlick's Fresnel)."""
    a2, f0, specular, sheen = (s.constant(MATERIAL + k) for k in range(4))
    place, key = [s.work(PLACE + k) for k in range(3)], [s.constant(KEY_DIR + k) for k in range(3)]
    back = -1.0 / _dot(place, place).root()
    eye = [p * back for p in place]
    nv = _dot(n, eye).most(0.15)
    half = [e + k for e, k in zip(eye, key, strict=True)]
    scale = 1.0 / (_dot(half, half) + 1e-20).root()
    nh = (_dot(n, half) * scale).most(0.0)
    d = nh * nh * (a2 - 1.0) + 1.0
    k = 1.0 - (_dot(eye, half) * scale).most(0.0)
    fresnel = f0 + (1.0 - f0) * k * k * k * k * k
    visible = (nv + nl - nv * nl).most(0.25)
    highlight = (a2 * fresnel * 0.25 / (d * d * visible)).least(4.0) * nl * specular
    k = 1.0 - nv
    return highlight, (f0 + (1.0 - f0) * k * k * k * k * k) * sheen


def _developed(value: Lanes) -> Lanes:
    """Return a value after a camera's tone curve: a toe, middle grey kept, a shoulder."""
    value = value * ((value + 0.09) / (0.62 * value + 0.1584))
    return (value / (1.0 + 0.75 * (value - 0.8).most(0.0))).least(1.0)


def _light(s: Sheet) -> None:
    n, nl, seen, sky = [s.work(FACING + k) for k in range(3)], s.work(TOWARDS), s.work(SEEN), s.work(SKY)
    near = 0.5 + 0.5 * sky  # part of a lamp or of the sun's aureole hides behind what shades a hollow, too
    highlight, grazing = _reflected(s, n, nl.most(0.0))
    skin = s.constant(MATERIAL + 8).is_(">", 0.0)
    for c in range(3):
        light, key = sky * _ambient(s, c, n), s.constant(KEY_COLOR + c)
        wrap = s.constant(MATERIAL + 5 + c)
        diffuse = ((nl + wrap) / ((1.0 + wrap) * (1.0 + wrap))).most(0.0).least(1.0)
        # red light creeps into skin's shadows
        shadowed = (seen + 0.12).least(1.0).where(skin, seen) if c == 0 else seen
        value = s.work(BASE + c) * (light + key * diffuse * shadowed * near) + key * highlight * seen
        s.put(COLOR + c, _developed(value + light * grazing))


place, relief, light = formula(_place), formula(_relief), formula(_light)
