"""Draws one clip of ``a3dgen mocap`` as stick figures, intact and with limb loss: a strip, or an animated WebP.

    python examples/draw_motion.py joints/ --out motion.png
    python examples/draw_motion.py joints/ --sequence 01/walk_poses --copy 1 --out motion.webp

Without a folder it makes a clip of its own poses, converts it with the open body (no licensed file) and draws that.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from a3dgen import mocap
from a3dgen.core.rng import generator_for
from a3dgen.geometry.regions import REGIONS
from a3dgen.motion.clips import make_clip

PARENT = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15)
"""Human3.6M's 17 rows, left leg first: the row that each one hangs on."""
LEFT, RIGHT, MIDDLE, STUMP, INK = "#2b6cb0", "#c05621", "#4a5568", "#e11d48", "#1a202c"
COLOURS = [MIDDLE, *[LEFT] * 3, *[RIGHT] * 3, *[MIDDLE] * 4, *[LEFT] * 3, *[RIGHT] * 3]
SCALE, WIDE, HIGH, FINER = 110, 150, 250, 3
"""Pixels a metre, size of one figure's field, and how much finer it is drawn first."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("joints", nargs="?", type=Path, help="folder of 'a3dgen mocap --amputees N'")
    parser.add_argument("--sequence", help="<subject>/<sequence> (the first one)")
    parser.add_argument("--copy", type=int, default=0, help="which amputee copy of it (0)")
    parser.add_argument("--figures", type=int, default=8, help="figures of the strip (8)")
    parser.add_argument("--view", type=float, default=60.0, help="direction that the viewer looks in, degrees (60)")
    parser.add_argument("--out", type=Path, default=Path("motion.png"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        intact, copy = pick(given.joints or own_clip(Path(scratch)), given.sequence, given.copy)
    flat = [project(s.positions, intact.positions, given.view) for s in (intact, copy)]
    names = ["intact", ", ".join(REGIONS[r].clinical(float(copy.residual[r])) for r in np.flatnonzero(copy.removed))]
    if given.out.suffix == ".webp":
        step = max(1, round(intact.fps / 12.5))
        frames = [panel([[f[n]] for f in flat], names, copy.present) for n in range(0, len(intact.positions), step)]
        frames[0].save(given.out, save_all=True, append_images=frames[1:], duration=80, loop=0, quality=70)
    else:
        at = np.linspace(0, len(intact.positions) - 1, given.figures).astype(int)
        panel([[f[n] for n in at] for f in flat], names, copy.present).save(given.out)
    print(given.out)


def own_clip(folder: Path) -> Path:
    """Write a clip of the project's own poses in AMASS's layout, and convert it."""
    body, trans = make_clip(generator_for(9, "drawn clip", "0"), 420, 120.0)
    poses = np.zeros((len(body), 52, 3))
    poses[:, :22] = body[:, :22]
    (folder / "amass" / "Own" / "s1").mkdir(parents=True)
    np.savez(folder / "amass" / "Own" / "s1" / "clip_poses.npz", poses=poses.reshape(-1, 156), trans=trans,
             betas=np.zeros(16), gender="neutral", mocap_framerate=120.0)  # fmt: skip
    mocap.convert(mocap.MocapConfig(folder / "amass", folder / "joints", body="anny", amputees=1, workers=0,
                                    regions=("left_transtibial",), residual="0.5", interp="slerp"))  # fmt: skip
    return folder / "joints"


def pick(folder: Path, name: str | None, number: int) -> tuple[mocap.MocapSequence, mocap.MocapSequence]:
    """Return a sequence and one of its copies."""
    copies = sorted(folder.glob("*_amp.npz"))
    if not copies:
        raise SystemExit(f"{folder}: no <dataset>_amp.npz; make it with a3dgen mocap --amputees 1")
    for path in copies:
        for intact in mocap.sequences(path.with_name(path.name.replace("_amp.npz", ".npz"))):
            if name in (None, f"{intact.subject}/{intact.stem}"):
                ending = f"_{intact.stem}_v{number}"
                for copy in mocap.sequences(path):
                    if copy.subject == intact.subject and copy.stem.endswith(ending):
                        return intact, copy
    raise SystemExit(f"{folder}: no sequence {name or ''} with an amputee copy {number}")


def project(points: np.ndarray, around: np.ndarray, view: float) -> np.ndarray:
    """Return (F, J, 2) m to the right and up: seen from one side, the intact pelvis stays in the middle."""
    a = np.radians(view)
    moved = points - np.concatenate([around[:, :1, :2], np.zeros((len(around), 1, 1))], 2)
    return np.stack([moved @ [np.cos(a), np.sin(a), 0], moved[..., 2] - around[..., 2].min()], -1)


def panel(rows: list[list[np.ndarray]], names: list[str], present: np.ndarray) -> Image.Image:
    """Draw a row of figures for each name; ``present`` is of the last row."""
    one = len(rows[0]) == 1  # an animation has its figures side by side
    size = (WIDE * len(rows), HIGH + 24) if one else (WIDE * len(rows[0]), (HIGH + 24) * len(rows))
    image = Image.new("RGB", (size[0] * FINER, size[1] * FINER), "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(14 * FINER)
    for r, (figures, name) in enumerate(zip(rows, names, strict=True)):
        left, top = (r * WIDE, 0) if one else (0, r * (HIGH + 24))
        draw.text(((left + 8) * FINER, (top + 4) * FINER), name, INK, font)
        there = np.ones(len(present), bool) if r == 0 else present
        for n, points in enumerate(figures):
            corner = np.array([left + n * WIDE + WIDE / 2, top + HIGH + 10])
            figure(draw, (corner + points * [SCALE, -SCALE]) * FINER, there)
    return image.resize(size, Image.Resampling.LANCZOS)


def figure(draw: ImageDraw.ImageDraw, at: np.ndarray, present: np.ndarray) -> None:
    """Draw bones; the first absent row of a limb holds the tip of its stump, and what hangs on it is not drawn."""
    for child, parent in enumerate(PARENT):
        if parent < 0 or not present[parent]:
            continue
        draw.line([tuple(at[parent]), tuple(at[child])], COLOURS[child], 5 * FINER)
        r = (3 if present[child] else 6) * FINER
        draw.ellipse([*(at[child] - r), *(at[child] + r)], COLOURS[child] if present[child] else STUMP)
    r = 9 * FINER
    draw.ellipse([*(at[10] - r), *(at[10] + r)], MIDDLE)


if __name__ == "__main__":
    main()
