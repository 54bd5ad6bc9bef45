"""Plan of the demo's pictures: scene, people, camera; each a function of its key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from a3dgen.core.rng import generator_for
from a3dgen.demo import materials
from a3dgen.demo.joint_angles import FAMILIES, draw_pose
from a3dgen.demo.people import Person, draw_betas, draw_person_look, stand
from a3dgen.demo.scenes import DemoScene, make_scene
from a3dgen.demo.trace import BOX, solid
from a3dgen.demo.viewpoint import Viewpoint, look_at
from a3dgen.geometry.body import BodyData

STUDIO_DISTANCE, STUDIO_FOCAL = 4.6, 1146.0
"""Of the studio's cameras: how far (m) from its middle, and their focal length (px)."""
COCO_TRAIN, COCO_VAL, MPII, H36M = "coco_train", "coco_val", "mpii", "h36m"
CAMERAS = ("54138969", "55011271", "58860488", "60457274")
_BLOCK = (
    (COCO_TRAIN, 1, ""), (COCO_VAL, 1, ""), (MPII, 1, ""), (H36M, 2, "S1"), (H36M, 2, "S11"), (COCO_TRAIN, 2, ""),
    (COCO_VAL, 2, ""), (MPII, 2, ""), (H36M, 1, "S1"), (H36M, 1, "S11"), (COCO_TRAIN, 3, ""), (COCO_VAL, 3, ""),
    (MPII, 3, ""),
)  # fmt: skip
"""24 people: source, people in the picture (cameras of one instant for H36M), subject."""
_TAKES = {"stand": "Discussion", "walk": "Walking", "reach": "Directions", "sit": "SittingDown", "crouch": "Waiting",
          "sport": "Greeting"}  # fmt: skip
_SIZES = {COCO_TRAIN: ((640, 480), (480, 640)), COCO_VAL: ((640, 427), (427, 640)), MPII: ((1280, 720),)}
_OUTDOORS = ("street", "field", "room")


@dataclass(frozen=True)
class DemoShot:
    """One picture to take.

    Attributes:
        source: which tree it goes to. number: counts the pictures of a tree. people: how many are in it.
        subject, take, camera: for H36M.
    """

    source: str
    number: int
    people: int
    subject: str = ""
    take: str = ""
    camera: str = ""

    @property
    def key(self) -> str:
        """The name all randomness of the picture is drawn by (the moment's, for H36M: its cameras share it)."""
        return f"{self.source}/{self.subject}/{self.number}"

    @property
    def name(self) -> str:
        """A name no other picture has."""
        return f"{self.source}{self.subject}_{self.number:06d}{'_' + self.camera if self.camera else ''}"


def list_shots(people: int) -> Iterator[DemoShot]:
    """Yield the pictures for this many people, the same first ones for a larger number."""
    counts: dict[str, int] = {}
    left = people
    while left > 0:
        for source, wanted, subject in _BLOCK:
            n = min(wanted, left)
            if n <= 0:
                return
            left -= n
            number = counts[source + subject] = counts.get(source + subject, 0) + 1
            if source != H36M:
                yield DemoShot(source, number, n)
                continue
            family = FAMILIES[(number + (subject == "S11")) % len(FAMILIES)]
            take = f"{_TAKES[family]}_{1 + (number // len(FAMILIES)) % 2}"
            for camera in range(n):
                name = CAMERAS[(camera + 2 * number) % len(CAMERAS)]
                yield DemoShot(source, number, 1, subject, take, name)


def arrange(body: BodyData, shot: DemoShot, seed: int) -> tuple[DemoScene, list[Person], Viewpoint]:
    """Return the scene, the people in it and the camera of one picture."""
    if shot.source == H36M:
        return _in_the_studio(body, shot, seed)
    rng = generator_for(seed, "demo.arrange", shot.key)
    kinds = _OUTDOORS[shot.number % 3 :] + _OUTDOORS[: shot.number % 3]
    kind = kinds[(COCO_TRAIN, COCO_VAL, MPII).index(shot.source)]
    scene = make_scene(rng, kind)
    sizes = _SIZES[shot.source]
    upright = len(sizes) > 1 and (kind == "room" or shot.people == 1) and rng.random() < 0.5
    width, height = sizes[1 if upright else 0]
    focal = float(np.hypot(width, height) * rng.uniform(0.85, 1.2))
    share = rng.uniform(0.62, 0.82) if shot.people == 1 else rng.uniform(0.55, 0.7)
    if rng.random() < 0.12:
        share *= 1.35  # some pictures cut off the feet
    depth = float(np.clip(1.75 * focal / (share * height), *scene.reach))
    centre = np.array([rng.uniform(-0.2, 0.2), rng.uniform(*scene.height), 0.0])
    half = 0.5 * width / focal * depth
    people = [
        _one(body, rng, scene, spot, (shot.number * 3 + i + len(shot.source)) % len(FAMILIES))
        for i, spot in enumerate(_spots(rng, shot.people, depth, half, scene.reach[1] + 0.5))
    ]
    aim = np.array([float(np.mean([p.place[0] for p in people])), rng.uniform(0.8, 0.95), depth])
    rotation = look_at(centre, aim, rng.normal(0, 0.012))
    K = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1.0]])
    return scene, people, Viewpoint(K, width, height, rotation, centre, np.zeros(5))


def _spots(rng: Generator, count: int, depth: float, half: float, farthest: float) -> list[tuple[float, float]]:
    """Return places (x, z): side by side with room between them, the next ones further back, partly hidden."""
    if count == 1:
        return [(float(rng.uniform(-0.25, 0.25)) * half, depth)]
    apart = float(np.clip(1.15 * half / count, 0.42, 0.8))
    order = rng.permutation(count)
    step = min(0.75, (farthest - depth) / max(count - 1, 1))
    return [
        (float((order[i] - (count - 1) / 2) * apart + rng.normal(0, 0.05)), depth + step * (i + rng.uniform(0, 0.2)))
        for i in range(count)
    ]


def _one(body: BodyData, rng: Generator, scene: DemoScene, spot: tuple[float, float], family: int) -> Person:
    """Draw one person at a place; a seat goes to the scene's solids."""
    betas, look = draw_betas(rng, body.num_betas), draw_person_look(rng)
    yaw = float(np.clip(rng.normal(0, 0.8), -2.2, 2.2)) if rng.random() < 0.85 else float(rng.uniform(2.2, 4.1))
    person = stand(body, draw_pose(rng, FAMILIES[family]), betas, look, spot, yaw)
    _seat(scene, person, rng)
    return person


def _seat(scene: DemoScene, person: Person, rng: Generator) -> None:
    if person.seat is None:
        return
    x, y, z, yaw = person.seat
    wood = ((0.30, 0.19, 0.11), (0.42, 0.29, 0.17), (0.16, 0.16, 0.17))[int(rng.integers(3))]
    half = 0.19
    scene.world.solids.append(solid(BOX, (x, y - 0.02, z), (half, 0.02, half), materials.WOOD, wood, yaw, 3))
    c, s = np.cos(yaw), np.sin(yaw)
    for a in (-0.85 * half, 0.85 * half):
        for b in (-0.85 * half, 0.85 * half):
            leg = (x + c * a + s * b, 0.5 * y - 0.02, z - s * a + c * b)
            scene.world.solids.append(solid(BOX, leg, (0.016, 0.5 * y - 0.02, 0.016), materials.WOOD, wood, yaw, 4))


def _in_the_studio(body: BodyData, shot: DemoShot, seed: int) -> tuple[DemoScene, list[Person], Viewpoint]:
    """All frames of a subject share room, body and clothes; the cameras of a moment share the moment."""
    scene = make_scene(generator_for(seed, "demo.studio"), "studio")
    who = generator_for(seed, "demo.subject", shot.subject)
    betas, look = draw_betas(who, body.num_betas), draw_person_look(who)
    rng = generator_for(seed, "demo.arrange", shot.key)
    family = next(f for f, take in _TAKES.items() if shot.take.startswith(take + "_"))
    spot = (float(rng.uniform(-0.8, 0.8)), float(rng.uniform(-0.8, 0.8)))
    person = stand(body, draw_pose(rng, family), betas, look, spot, float(rng.uniform(-np.pi, np.pi)))
    _seat(scene, person, rng)
    return scene, [person], studio_camera(seed, shot.subject, CAMERAS.index(shot.camera))


def studio_camera(seed: int, subject: str, index: int) -> Viewpoint:
    """Return one of the four calibrated cameras in the corners of the studio (recalibrated for each subject)."""
    rng = generator_for(seed, "demo.camera", f"{subject}/{index}")
    height = 1002 if index in (0, 3) else 1000
    turn = np.deg2rad(45 + 90 * index) + rng.normal(0, 0.05)
    centre = np.array([STUDIO_DISTANCE * np.sin(turn), rng.uniform(1.45, 1.7), STUDIO_DISTANCE * np.cos(turn)])
    rotation = look_at(centre, np.array([0.0, 0.85, 0.0]) + rng.normal(0, 0.05, 3), rng.normal(0, 0.01))
    fx = STUDIO_FOCAL + rng.normal(0, 2)
    cx, cy = 512 + rng.normal(0, 4), 512 + rng.normal(0, 4)
    K = np.array([[fx, 0, cx], [0, fx - 1 + rng.normal(0, 1), cy], [0, 0, 1.0]])
    k1, k2, k3 = -0.20 + rng.normal(0, 0.004), 0.24 + rng.normal(0, 0.004), -0.003
    dist = np.array([k1, k2, -0.0010 + rng.normal(0, 3e-4), -0.0012 + rng.normal(0, 3e-4), k3])
    return Viewpoint(K, 1000, height, rotation, centre, dist)
