"""Benchmark of rendering: ``a3dgen bench render [--json]``, or ``python -m benchmarks.render``.

CPU time of one thread; a square photo of 256, 512 or 1,024 px which the person fills to 85 %; everything from the
body's geometry to the encoded files, see ``OURS``. Every sample has files of its own, as in a build: to replace a file
costs some file systems a millisecond.
What the samples of one person share (reading photo and plate, measuring light and grain) counts by a quarter, as the
default makes four samples a person. Next to it, in a process of its own, ``THEIRS``.
"""

from __future__ import annotations

import argparse
import json as json_text
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numba
import numpy as np
from scipy.spatial.transform import Rotation

from a3dgen.appearance.looks import LooksConfig, draw_look
from a3dgen.bodies import load_body
from a3dgen.compositing import draw as drawing
from a3dgen.compositing import scene
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.records import Bodies, Persons, Plans, Plates
from a3dgen.core.rng import generator_for
from a3dgen.core.stage import Context
from a3dgen.geometry.body import BodyData, pose_body
from a3dgen.geometry.camera import project
from a3dgen.geometry.reach import visibility_reach
from a3dgen.geometry.regions import REGION_NAMES
from a3dgen.io import images
from a3dgen.stages import drawing as stage
from a3dgen.stages import render
from a3dgen.stages.drawing import Brush

SIDES = (256, 512, 1024)
FILL = 0.85
SAMPLES_A_PERSON = 4
REPEATS = 24
OURS = (
    "a body, posed, every other one cut; clothes, shoes, hair; the photo's light, soft edges; shadows and contacts "
    "on the ground; grain, black level; visibility of joints, stumps and regions; whether the person is in the photo's "
    "light; JPEG and mask, encoded and written"
)
THEIRS = (
    "a posed body with one texture through pyrender, colour and depth read back; nothing cut, worn, labelled or written"
)
CUTS = (None, "left_knee", None, "right_elbow", None, "left_hand", None, "right_foot")
STEPS = {"measure": "measure", "unlike": "light", "check_told": "compare", "_write": "encode"}
SUBJECT_STEPS = {"rebuild": "geometry", "build_subject": "subject"}
DRAWING_STEPS = {"_render": "draw", "ground_shadow": "shadow", "compose": "composite"}


class Stopwatch:
    """Adds up the time spent in named functions of a module, while it is active."""

    def __init__(self, module: Any, names: dict[str, str]) -> None:
        self.module, self.names = module, names
        self.spent: dict[str, float] = dict.fromkeys(names.values(), 0.0)
        self._plain = {name: getattr(module, name) for name in names}

    def __enter__(self) -> Stopwatch:
        for name, label in self.names.items():
            setattr(self.module, name, self._timed(self._plain[name], label))
        return self

    def __exit__(self, *_: object) -> None:
        for name, function in self._plain.items():
            setattr(self.module, name, function)

    def _timed(self, function: Callable[..., Any], label: str) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            start = time.process_time()
            try:
                return function(*arguments, **options)
            finally:
                self.spent[label] += time.process_time() - start

        return timed


def pose_of(step: int) -> np.ndarray:
    """Return one of a few everyday poses, rad."""
    rng = np.random.default_rng(step)
    pose = rng.normal(0, 0.08, (24, 3))
    pose[16] += [0, -0.2, -0.9]
    pose[17] += [0, 0.2, 0.9]
    pose[[18, 19], 1] += [-0.6, 0.6]
    pose[4] += [0.3, 0, 0]
    turn = Rotation.from_euler("x", np.pi) * Rotation.from_euler("y", rng.uniform(-0.8, 0.8))
    pose[0] = turn.as_rotvec()
    return pose


def place(body: BodyData, pose: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return camera (3, 3) and translation (3,) at which the body's height is ``FILL`` of the side."""
    K = np.array([[1.2 * side, 0, (side - 1) / 2], [0, 1.2 * side, (side - 1) / 2], [0, 0, 1.0]])
    betas, transl = np.zeros(body.num_betas), np.array([0.0, 0.0, 3.0])
    for _ in range(8):
        vertices = pose_body(body, pose, betas, transl).vertices(body.mesh, betas).astype(np.float64)
        pixels = project(vertices, K)
        low, high = pixels.min(0), pixels.max(0)
        transl[2] *= (high - low)[1] / (FILL * side)
        transl[:2] += ((side - 1) / 2 - (low + high) / 2) * transl[2] / K[0, 0]
    return K, transl


def photo_of(side: int) -> np.ndarray:
    """Return a made-up photo (side, side, 3): sky, ground, texture and grain."""
    rng = np.random.default_rng(side)
    y, x = np.mgrid[:side, :side] / side
    base = np.where((y < 0.55)[..., None], [150, 175, 205], [125, 120, 95]) + (30 * x)[..., None]
    coarse = rng.normal(0, 12, (side // 16, side // 16))
    coarse = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)[..., None]
    return np.clip(base + coarse + rng.normal(0, 3, (side, side, 3)), 0, 255).astype(np.uint8)


def rows_of(body: BodyData, side: int, folder: Path) -> tuple[dict, dict, dict, list[dict]]:
    """Write photo and plate; return rows of Persons, Bodies and Plates, and the rows of Plans."""
    photo = folder / "photo.jpg"
    images.write_image(photo, photo_of(side), quality=90)
    images.write_image(folder / "plate.png", images.read_rgb(photo))
    images.write_mask(folder / "mask.png", np.zeros((side, side), bool))
    pose = pose_of(1)
    K, transl = place(body, pose, side)
    person = {
        "key": "p", "subset": "BENCH", "stem": "1", "image": str(photo), "image_size": (side, side),
        "bbox": (0, 0, side, side), "keypoints": np.zeros((44, 3)), "state": np.zeros(44), "K": K,
    }  # fmt: skip
    fitted = {
        "key": "p", "pose": pose, "betas": np.zeros(body.num_betas), "transl": transl, "K": K, "reproj_px": 1.0,
        "sigma": np.zeros(24), "alt_betas": np.zeros((3, body.num_betas)),
    }  # fmt: skip
    plate = {"key": "p", "image": "plate.png", "mask": "mask.png", "occluders": "", "filled": 0.2, "method": ""}
    plans = []
    for i, region in enumerate(CUTS):
        removed, residual = np.zeros(12, bool), np.ones(12, np.float32)
        if region:
            removed[REGION_NAMES.index(region)] = True
            residual[REGION_NAMES.index(region)] = 0.6
        look = draw_look(generator_for(0, "bench", str(i // 2)), LooksConfig(), removed, residual.astype(float))
        plans.append(
            {"key": f"p/{i}", "parent": "p", "variant": i, "removed": removed, "residual": residual, **look.columns()}
        )
    records = (Persons.from_rows([person]), Bodies.from_rows([fitted], B=body.num_betas), Plates.from_rows([plate]))
    table = Plans.from_rows(plans)
    return (*(r.row(0) for r in records), [table.row(i) for i in range(len(table))])


def measure_side(body: BodyData, side: int, config: render.Config) -> tuple[float, dict[str, float]]:
    """Return the median time of a sample (ms) and what its steps take (ms, mean)."""
    reach = visibility_reach(body)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        person, fitted, plate, plans = rows_of(body, side, folder)
        context = Context(0, BodyConfig(), folder, folder / "render")

        def load() -> scene.Scene:
            return scene.load_scene(person, fitted, plate, body, folder)

        place_ = load()

        def sample(plan: dict[str, Any], brush: Brush) -> None:
            render.render_sample(config, person, fitted, plan, place_, reach, brush)

        brush = Brush(config, body, context)
        for plan in plans:  # fill the pools: textures, garments, topologies
            sample(plan, brush)
        shared = _median([_timed(load) for _ in range(5)])
        times = []
        watches = (Stopwatch(render, STEPS), Stopwatch(stage, SUBJECT_STEPS), Stopwatch(drawing, DRAWING_STEPS))
        with watches[0], watches[1], watches[2]:
            for step in range(REPEATS):
                if step % len(plans) == 0:  # an intact picture serves its own amputee, as in a build
                    brush = Brush(config, body, replace(context, folder=folder / f"render{step}"))
                plan = plans[step % len(plans)]
                times.append(_timed(lambda p=plan, b=brush: sample(p, b)))
        parts = {label: spent / REPEATS * 1e3 for watch in watches for label, spent in watch.spent.items()}
        parts["other"] = sum(times) / REPEATS - sum(parts.values())
        parts["scene, a quarter"] = shared / SAMPLES_A_PERSON
    return _median(times) + shared / SAMPLES_A_PERSON, parts


def pyrender_times(sides: tuple[int, ...] = SIDES) -> dict[str, float]:
    """Return the median time (ms) of posing a plain textured body and drawing it with pyrender."""
    from a3dgen.renderers import Item, flat_light, get_renderer

    body = load_body(BodyConfig())
    mesh, renderer, out = body.mesh, get_renderer("pyrender"), {}
    texture = np.full((512, 512, 4), 170, np.uint8)
    labels = (mesh.face_part + 1).astype(np.uint8)
    for side in sides:
        pose = pose_of(1)
        K, transl = place(body, pose, side)

        def sample(pose=pose, transl=transl) -> np.ndarray:
            vertices = pose_body(body, pose, np.zeros(body.num_betas), transl).vertices(mesh, np.zeros(body.num_betas))
            return Item(vertices, mesh.faces, mesh.uv, mesh.face_uv, labels, texture, "skin")

        def draw(K=K, side=side, sample=sample) -> None:
            renderer._draw([sample()], K, side, side, flat_light(0.6))

        draw()
        out[str(side)] = round(_median([_timed(draw) for _ in range(12)]), 1)
    return out


def _timed(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return (time.process_time() - start) * 1e3


def _median(values: list[float]) -> float:
    return float(np.median(values))


def run(renderer: str = "cpu", pyrender: bool = True) -> dict[str, Any]:
    """Return the figures by side: ``ms_per_sample``, ``pyrender_ms``, their ``ratio``, ``breakdown_ms`` by step."""
    cv2.setNumThreads(1)
    numba.set_num_threads(1)
    body, config = load_body(BodyConfig()), render.Config(renderer=renderer, reject_invisible=False)
    figures: dict[str, Any] = {"ms_per_sample": {}, "breakdown_ms": {}, "pyrender_ms": {}, "renderer": renderer}
    figures |= {"drawn": OURS, "pyrender_draws": THEIRS}
    for side in SIDES:
        whole, parts = measure_side(body, side, config)
        figures["ms_per_sample"][str(side)] = round(whole, 1)
        figures["breakdown_ms"][str(side)] = {k: round(v, 2) for k, v in parts.items()}
    if pyrender:
        figures["pyrender_ms"] = pyrender_apart()
        ours = figures["ms_per_sample"]
        figures["ratio"] = {side: round(ours[side] / ms, 3) for side, ms in figures["pyrender_ms"].items()}
    return figures


def pyrender_apart(sides: tuple[int, ...] = SIDES) -> dict[str, float]:
    """Return pyrender's ms a frame by side, or nothing if it is not installed.

    It runs in a process of its own: two OpenGL contexts in one can crash.
    """
    command = [sys.executable, "-m", "benchmarks.render", "--pyrender-only", *map(str, sides)]
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root)
    if done.returncode:
        sys.stderr.write(f"pyrender could not be measured: {done.stderr.strip().splitlines()[-1:]}\n")
        return {}
    return json_text.loads(done.stdout.strip().splitlines()[-1])


def table(figures: dict[str, Any]) -> str:
    """Return the figures as text."""
    lines = [f"ms a sample, one thread, renderer {figures['renderer']}", f"ours: {OURS}", f"pyrender: {THEIRS}"]
    lines.append("side   all  pyrender  ratio  steps")
    for side, whole in figures["ms_per_sample"].items():
        steps = ", ".join(f"{k} {v:g}" for k, v in figures["breakdown_ms"][side].items())
        theirs, ratio = (figures.get(k, {}).get(side, float("nan")) for k in ("pyrender_ms", "ratio"))
        lines.append(f"{side:>4} {whole:6.1f} {theirs:8.1f} {ratio:7.2f}  {steps}")
    return "\n".join(lines)


def main(json: bool = False, renderer: str = "cpu") -> None:
    """Run the benchmark and print its figures, as one JSON object or as a table."""
    figures = run(renderer)
    sys.stdout.write((json_text.dumps(figures) if json else table(figures)) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--renderer", default="cpu", choices=("cpu", "gl"))
    parser.add_argument("--pyrender-only", type=int, nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.pyrender_only:
        sys.stdout.write(json_text.dumps(pyrender_times(tuple(options.pyrender_only))) + "\n")
    else:
        main(options.json, options.renderer)
