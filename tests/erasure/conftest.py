"""A drawn person before a backdrop, with the truth: the same picture without a limb."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from dressed_look import LOOK
from scipy.spatial.transform import Rotation
from single_cut import H, K, W

from a3dgen.amputation.rebuild import BodyFit, Cut, rebuild
from a3dgen.appearance.dressed_person import build_subject
from a3dgen.appearance.look import Look
from a3dgen.core.records import VISIBLE
from a3dgen.geometry.camera import project
from a3dgen.lighting.light import Light
from a3dgen.lighting.srgb import to_linear, to_srgb
from a3dgen.removal.photo import RemovalScene
from a3dgen.renderers import get_renderer
from benchmarks.erase_truth import covered


def backdrop() -> np.ndarray:
    y, x = np.mgrid[:H, :W]
    rgb = np.stack([120 + 60 * (y < 230) + 0.1 * x, 130 + 50 * (y < 230), 110 + 80 * (y < 230) - 0.1 * x], -1)
    noise = np.random.default_rng(0).normal(0, 3, rgb.shape)
    return np.clip(rgb + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def stage(body):
    """``fit``, ``scene`` (of the intact person), ``plate``, and ``shoot(cut)`` -> (picture, mask)."""
    pose = np.zeros((24, 3))
    pose[16], pose[17] = [0, 0, -0.6], [0, 0, 0.6]
    pose[1], pose[2] = [0, 0, 0.15], [0, 0, -0.15]
    pose[0] = (Rotation.from_euler("x", 180, degrees=True) * Rotation.from_euler("y", 15, degrees=True)).as_rotvec()
    fit = BodyFit(pose, np.zeros(body.num_betas), np.array([0.0, 0.35, 2.55]))
    sh = np.zeros((9, 3))
    sh[0] = 0.5 / 0.282095
    light = Light(sh, np.array([0.4, -0.7, -0.6]), np.full(3, 0.6))
    scene_light = to_linear(backdrop())

    def shoot(cut: Cut) -> tuple[np.ndarray, np.ndarray]:
        look = Look.from_columns(LOOK)
        items = build_subject(body, rebuild(body, fit, cut), covered(look, cut))
        frame = get_renderer("cpu").render(items, K, W, H, light, (0, 0, W, H), 2)
        alpha = frame.rgba[..., 3:]
        rgb = to_srgb(scene_light * (1 - alpha) + frame.rgba[..., :3]).astype(float)
        grain = np.random.default_rng(1).normal(0, 2, rgb.shape)
        return np.clip(rgb + grain, 0, 255).astype(np.uint8), alpha[..., 0] > 0.5

    photo, mask = shoot(Cut())
    posed = rebuild(body, fit, Cut()).posed
    scene = RemovalScene(
        photo, mask, [], [], mask, project(posed.keypoints, K), np.full(44, VISIBLE, np.uint8), 330.0
    )  # fmt: skip
    return SimpleNamespace(fit=fit, scene=scene, shoot=shoot, K=K, plate=backdrop())


@pytest.fixture(scope="session")
def subject(stage, body):
    """The intact person, prepared for erasure; there is no plate."""
    from a3dgen.erasure.subject import prepare

    return prepare(stage.scene, stage.fit, K, body)
