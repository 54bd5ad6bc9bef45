"""The render stage on a made-up photo: files, masks, states, determinism, rejections."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from dressed_look import LOOK
from PIL import Image
from scipy.spatial.transform import Rotation

from a3dgen.appearance.dressed_person import build_subject
from a3dgen.bodies import load_body
from a3dgen.compositing import scene
from a3dgen.compositing.compose import black_level
from a3dgen.compositing.scene import load_scene
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import ConfigError
from a3dgen.core.records import AMPUTATED, OK, REJECTED, VISIBLE, Bodies, Persons, Plans, Plates
from a3dgen.core.stage import Context, Inputs
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.camera import project
from a3dgen.geometry.regions import REGION_NAMES, absent_rows
from a3dgen.io import images, rle
from a3dgen.lighting.likeness import LightBars
from a3dgen.lighting.photo_style import PhotoStyle
from a3dgen.renderers import get_renderer
from a3dgen.stages import drawing, render

W, H = 320, 400
K = np.array([[430.0, 0, 165.0], [0, 430.0, 190.0], [0, 0, 1]])


def standing(yaw: float = 25.0) -> np.ndarray:
    pose = np.zeros((24, 3))
    pose[16], pose[17] = [0, 0, -0.9], [0, 0, 0.9]
    pose[0] = (Rotation.from_euler("x", 180, degrees=True) * Rotation.from_euler("y", yaw, degrees=True)).as_rotvec()
    return pose


def backdrop() -> np.ndarray:
    y, x = np.mgrid[:H, :W]
    rgb = np.stack([120 + 60 * (y < 230) + 0.1 * x, 130 + 50 * (y < 230), 110 + 80 * (y < 230) - 0.1 * x], -1)
    noise = np.random.default_rng(0).normal(0, 3, rgb.shape)
    return np.clip(rgb + noise, 0, 255).astype(np.uint8)


def plan_row(key: str, region: str | None, residual: float = 1.0, **columns):
    removed = np.zeros(12, bool)
    fractions = np.ones(12, np.float32)
    if region is not None:
        removed[REGION_NAMES.index(region)] = True
        fractions[REGION_NAMES.index(region)] = residual
    return {"key": key, "parent": "p", "removed": removed, "residual": fractions, **LOOK, **columns}


@pytest.fixture
def world(tmp_path, body):
    """Return (inputs of three samples of one person, context)."""
    out = tmp_path / "build"
    (out / "background").mkdir(parents=True)
    photo = tmp_path / "photo.jpg"
    Image.fromarray(backdrop()).save(photo, quality=88, subsampling=2)
    images.write_image(out / "background" / "plate.png", images.read_rgb(photo))
    images.write_mask(out / "background" / "mask.png", np.zeros((H, W), bool))
    pose, betas, transl = standing(), np.zeros(body.num_betas), np.array([0.0, 0.35, 2.55])
    posed = pose_body(body, pose, betas, transl)
    outline = np.zeros((H, W), np.uint8)
    points = project(posed.vertices(body.mesh, betas).astype(float), K)
    cv2.fillConvexPoly(outline, cv2.convexHull(points.astype(np.int32)), 1)
    person = {
        "key": "p", "subset": "COCO_val", "stem": "000000000001", "person_id": "7", "image": str(photo),
        "image_size": (W, H), "bbox": (60, 20, 260, 390), "keypoints": np.zeros((44, 3)),
        "state": np.zeros(44, np.uint8), "K": K, "mask": json.dumps(rle.encode(outline > 0)),
    }  # fmt: skip
    fitted = {
        "key": "p",
        "pose": pose,
        "betas": betas,
        "transl": transl,
        "K": K,
        "reproj_px": 1.0,
        "sigma": np.zeros(24),
        "alt_betas": np.zeros((3, body.num_betas)),
    }
    plate = {
        "key": "p", "image": "background/plate.png", "mask": "background/mask.png", "occluders": "",
        "filled": 0.2, "method": "test",
    }  # fmt: skip
    plans = [
        plan_row("p/full_v0", None),
        plan_row("p/amp_7_v0", "left_knee", 0.6),
        plan_row("p/amp_0_v0", "right_hand", 0.6),
    ]
    inputs = Inputs(
        persons=Persons.from_rows([person]),
        bodies=Bodies.from_rows([fitted], B=body.num_betas),
        plans=Plans.from_rows(plans),
        plates=Plates.from_rows([plate]),
    )
    return inputs, Context(3, BodyConfig(), out, out / "render")


def with_occluder(inputs: Inputs, context: Context, mask: np.ndarray) -> Inputs:
    images.write_mask(context.out / "background" / "front.png", mask)
    plates = inputs.plates.row(0)
    return replace(inputs, plates=Plates.from_rows([{**plates, "occluders": "background/front.png"}]))


def test_a_plate_that_cannot_be_trusted_is_rejected_where_it_is_seen(world) -> None:
    inputs, context = world
    one = replace(inputs, plans=inputs.plans.take(np.array([0])))
    doubt = np.zeros((H, W), bool)
    doubt[60:110, 10:60] = True  # beside the person: 2500 px of a person some 330 px tall
    for name, mask in (("seen", doubt), ("hidden", np.zeros_like(doubt))):
        if name == "hidden":
            mask[150:200, 155:175] = True  # behind the trunk
        images.write_mask(context.out / "background" / f"{name}.png", mask)
        plates = Plates.from_rows([{**inputs.plates.row(0), "doubt": f"background/{name}.png"}])
        found = render.run(render.Config(max_doubt=0.015), replace(one, plates=plates), context)
        assert found.outcome.status.tolist() == [REJECTED if name == "seen" else OK]
        if name == "seen":
            assert "cannot be told" in found.outcome.reason[0]
            found = render.run(render.Config(max_doubt=0.1), replace(one, plates=plates), context)
            assert found.outcome.status.tolist() == [OK]


def in_doubt(world, where: np.ndarray) -> tuple[Inputs, Context]:
    inputs, context = world
    images.write_mask(context.out / "background" / "seen.png", where)
    plates = Plates.from_rows([{**inputs.plates.row(0), "doubt": "background/seen.png"}])
    return replace(inputs, plates=plates), context


def beside(world, near: int, far: int) -> np.ndarray:
    """Return what lies between two distances (px) from the outline of the fitted body."""
    inputs, context = world
    rows = (r.row(0) for r in (inputs.persons, inputs.bodies, inputs.plates))
    person, fitted, plate = rows
    body = load_body(context.body)
    scene = load_scene(person, fitted, plate, body, context.out)
    outline = drawing.fitted_outline(body, fitted, scene).astype(np.uint8)
    grown = [cv2.dilate(outline, np.ones((2 * n + 1,) * 2, np.uint8)) > 0 for n in (near, far)]
    return grown[1] & ~grown[0]


def test_who_is_refused_for_their_plate_is_not_coloured(world, monkeypatch) -> None:
    """Twin refused: whoever hides less is refused with them, not dressed, and would be refused if drawn."""
    part, context = in_doubt(world, beside(world, 2, 6))
    config = render.Config(max_doubt=0.015)
    with monkeypatch.context() as patch:
        patch.setattr(drawing, "outline", lambda *_: None)
        whole = render.run(config, part, context).outcome
    dressed = []

    def dress(*given):
        dressed.append(given)
        return build_subject(*given)

    def colours(*_):
        raise AssertionError("coloured")

    monkeypatch.setattr(drawing, "build_subject", dress)
    monkeypatch.setattr(drawing, "draw", colours)
    early = render.run(config, part, context).outcome
    assert whole.status.tolist() == early.status.tolist() == [REJECTED] * 3
    assert whole.reason[0] == early.reason[0]
    assert all("cannot be told" in reason for reason in early.reason)
    assert len(dressed) == 1  # one look


def test_who_is_refused_in_any_clothes_is_not_dressed(world, monkeypatch) -> None:
    part, context = in_doubt(world, beside(world, 14, 40))

    def dress(*_):
        raise AssertionError("dressed")

    monkeypatch.setattr(drawing, "build_subject", dress)
    found = render.run(render.Config(max_doubt=0.015), part, context).outcome
    assert found.status.tolist() == [REJECTED] * 3
    assert all("whatever they wear" in reason for reason in found.reason)


def test_samples_are_drawn_masked_and_measured(world) -> None:
    inputs, context = world
    result = render.run(render.Config(parts=True), inputs, context)
    assert result.outcome.status.tolist() == [OK] * 3, result.outcome.reason
    photo = images.read_rgb(inputs.persons.image[0])
    for i, row in enumerate(result.record.row(j) for j in range(3)):
        picture = images.read_rgb(context.out / row["image"])
        mask = images.read_mask(context.out / row["mask"])
        labels = images.read_labels(context.out / row["parts"])
        assert picture.shape == (H, W, 3)
        assert np.array_equal(labels > 0, mask)
        assert 0.05 < mask.mean() < 0.5
        far = ~cv2.dilate(mask.astype(np.uint8), np.ones((41, 41))).astype(bool)
        far[330:] = False  # the ground, where a shadow may lie
        assert far.mean() > 0.3
        assert np.abs(picture.astype(int) - photo)[far].max() <= 3  # JPEG with the photo's own tables
        assert np.abs(picture.astype(int) - photo)[mask].mean() > 20
        removed = inputs.plans.removed[i]
        assert (row["state"] == AMPUTATED).tolist() == absent_rows(removed).tolist()
        visible = project(row["keypoints"], K)[row["state"] == VISIBLE]
        x, y = np.rint(visible).astype(int).T
        assert mask[y, x].all()
        assert row["height"] > 1.2
    gone = result.record.visible[1]  # of a left leg cut above the knee
    assert gone[REGION_NAMES.index("left_knee")] > 0.5
    assert gone[REGION_NAMES.index("left_foot")] == 0
    assert gone[REGION_NAMES.index("right_foot")] > 0.5


def test_a_photo_without_its_end_marker_is_drawn_on_as_before(world) -> None:
    inputs, context = world
    before = render.run(render.Config(), inputs, context)
    pictures = [images.read_rgb(context.out / name) for name in before.record.image]
    path = Path(inputs.persons.image[0])
    path.write_bytes(path.read_bytes()[:-2])
    result = render.run(render.Config(), inputs, context)
    assert result.outcome.status.tolist() == [OK] * 3, result.outcome.reason
    for name, picture in zip(result.record.image, pictures, strict=True):
        np.testing.assert_array_equal(images.read_rgb(context.out / name), picture)


def test_names_and_compression_follow_the_source(world) -> None:
    inputs, context = world
    result = render.run(render.Config(), inputs, context)
    assert result.record.image.tolist() == [
        "render/COCO_val/Images/full_000000000001_7_v0.jpg",
        "render/COCO_val/Images/amp_7_000000000001_7_v0.jpg",
        "render/COCO_val/Images/amp_0_000000000001_7_v0.jpg",
    ]
    assert result.record.mask[1] == "render/COCO_val/Masks/amp_7_000000000001_7_v0.png"
    source, made = images.jpeg_tables(inputs.persons.image[0]), images.jpeg_tables(context.out / result.record.image[0])
    assert made == source
    png = render.run(render.Config(format="png", masks=False), inputs, context).record
    assert png.image[0].endswith(".png")
    assert png.mask[0] == ""


def test_twins_differ_only_around_the_removed_limb(world) -> None:
    inputs, context = world
    record = render.run(render.Config(shadow=0.0, format="png"), inputs, context).record
    one, other = (images.read_rgb(context.out / record.image[i])[:150].astype(int) for i in (0, 2))
    assert (one == other).mean() > 0.99  # head and shoulders are one picture, to the grain
    whole, cut = (images.read_mask(context.out / record.mask[i]) for i in (0, 2))
    assert (whole & ~cut).sum() > 30
    rows, columns = np.nonzero(whole != cut)
    assert np.ptp(rows) < 150
    assert np.ptp(columns) < 110


def test_same_input_gives_the_same_files_in_any_order(world) -> None:
    inputs, context = world
    first = render.run(render.Config(), inputs, context).record
    bytes_of = {p: (context.out / p).read_bytes() for p in [*first.image, *first.mask]}
    turned = replace(inputs, plans=inputs.plans.take([2, 0, 1]))
    second = render.run(render.Config(), turned, context).record
    assert {p: (context.out / p).read_bytes() for p in [*second.image, *second.mask]} == bytes_of
    assert np.array_equal(second.state, first.state[[2, 0, 1]])


def test_what_stands_in_front_stays_in_front(world) -> None:
    inputs, context = world
    front = np.zeros((H, W), bool)
    front[:, 150:190] = True
    result = render.run(render.Config(format="png"), with_occluder(inputs, context, front), context)
    picture = images.read_rgb(context.out / result.record.image[0])
    photo = images.read_rgb(inputs.persons.image[0])
    assert np.abs(picture.astype(int) - photo)[:, 155:185].max() == 0
    assert not images.read_mask(context.out / result.record.mask[0])[front].any()
    assert (result.record.state[0] == VISIBLE).sum() < 40


def test_what_stands_in_front_is_as_soft_as_a_blurred_photo(world, monkeypatch) -> None:
    inputs, context = world
    front = np.zeros((H, W), bool)
    front[:, 150:190] = True
    inputs = with_occluder(inputs, context, front)
    rows = [r.row(0) for r in (inputs.persons, inputs.bodies, inputs.plates)]
    partly = []
    for blur in (0.0, 2.5):
        monkeypatch.setattr(scene, "read_style", lambda *_, blur=blur: PhotoStyle(blur=blur))
        edge = load_scene(*rows, load_body(context.body), context.out).front
        partly.append(int(((edge > 0.05) & (edge < 0.95)).sum()))
    assert partly[1] > 1.7 * partly[0]


def test_samples_whose_stump_is_hidden_are_rejected_unless_told_otherwise(world) -> None:
    inputs, context = world
    front = np.zeros((H, W), bool)
    front[230:] = True
    hidden = with_occluder(inputs, context, front)
    result = render.run(render.Config(), hidden, context)
    assert result.outcome.status.tolist() == [OK, REJECTED, OK]
    assert "left knee" in result.outcome.reason[1]
    assert render.run(render.Config(reject_invisible=False), hidden, context).outcome.status.tolist() == [OK] * 3
    everything = with_occluder(inputs, context, np.ones((H, W), bool))
    assert set(render.run(render.Config(reject_invisible=False), everything, context).outcome.status) == {REJECTED}


def test_a_limb_that_nobody_could_see_missing_is_rejected_unless_told_otherwise(world) -> None:
    """In the dark an amputee looks like anybody else."""
    inputs, context = world
    night = np.full((H, W, 3), 1, np.uint8)
    for path in (inputs.persons.image[0], context.out / inputs.plates.image[0]):
        images.write_image(path, night)
    result = render.run(render.Config(), inputs, context)
    assert result.outcome.status.tolist() == [OK, REJECTED, REJECTED]
    assert "limb not seen to be missing" in result.outcome.reason[1]
    assert "left knee" in result.outcome.reason[1]
    assert render.run(render.Config(min_told=0.0), inputs, context).outcome.status.tolist() == [OK] * 3


def test_a_person_without_a_plate_is_accounted_for(world) -> None:
    inputs, context = world
    result = render.run(render.Config(), replace(inputs, plates=Plates.from_rows([])), context)
    assert set(result.outcome.status) == {REJECTED}
    assert "plate" in result.outcome.reason[0]
    spoilt = Plates.from_rows([{**inputs.plates.row(0), "refused": "would cut 5.0% off somebody"}])
    result = render.run(render.Config(), replace(inputs, plates=spoilt), context)
    assert set(result.outcome.reason) == {"would cut 5.0% off somebody"}, "kept for erasure: nobody is drawn over it"


def test_a_dead_context_is_replaced_once(world, monkeypatch) -> None:
    inputs, context = world
    want = render.run(render.Config(), inputs, context)
    before = (context.out / want.record.image[0]).read_bytes()
    renderer = get_renderer("cpu")
    monkeypatch.setattr(renderer, "render", lambda *_: (_ for _ in ()).throw(RuntimeError("context lost")))
    again = render.run(render.Config(), inputs, context)
    assert again.outcome.status.tolist() == [OK] * 3
    assert get_renderer("cpu") is not renderer
    assert (context.out / again.record.image[0]).read_bytes() == before


def test_wrong_settings_are_told() -> None:
    for wrong in ({"mode": "replace"}, {"renderer": "g1"}, {"format": "gif"}, {"supersample": 5}, {"shadow": 2.0}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            render.Config(**wrong)


def test_a_person_who_is_not_in_the_photos_light_is_rejected(world) -> None:
    inputs, context = world
    hole = rle.decode(json.loads(inputs.persons.mask[0]))
    images.write_mask(context.out / "background" / "mask.png", hole)
    images.write_image(context.out / "background" / "plate.png", backdrop())
    plates = Plates.from_rows([inputs.plates.row(0)])
    dark = (backdrop() * 0.1).astype(np.uint8)  # the photo is dark, its plate is not: the light is read wrongly
    Image.fromarray(dark).save(inputs.persons.image[0], quality=95)
    result = render.run(render.Config(), replace(inputs, plates=plates), context)
    assert result.outcome.status.tolist() == [REJECTED] * 3
    assert all("not in the photo's light" in r and "stops brighter" in r for r in result.outcome.reason.tolist())
    free = render.Config(light=LightBars(brighter=9.0))
    assert OK in render.run(free, replace(inputs, plates=plates), context).outcome.status.tolist()


def test_black_is_read_with_the_removed_person(world, body) -> None:
    inputs, context = world
    snow = np.clip(backdrop().astype(int) // 12 + 8, 0, 255).astype(np.uint8)  # nothing darker than 12 steps
    images.write_image(context.out / "background" / "plate.png", snow)
    dressed_in_black = snow.copy()
    dressed_in_black[100:300, 120:200] = 2
    Image.fromarray(dressed_in_black).save(inputs.persons.image[0], quality=100)
    rows = [record.row(0) for record in (inputs.persons, inputs.bodies, inputs.plates)]
    scene = load_scene(*rows, body, context.out)
    assert scene.black.max() < 0.3 * black_level(snow).min()
