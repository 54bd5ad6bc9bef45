"""Erasure through the stages: plans, twins, fallback, rejection, what is written, consent."""

from __future__ import annotations

import html
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from single_cut import H, K, W

from a3dgen.config import load_config
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import ConfigError
from a3dgen.core.records import AMPUTATED, OK, REJECTED, Bodies, Persons, Plates
from a3dgen.core.stage import Context, Inputs
from a3dgen.erasure.config import Bars, Erasing
from a3dgen.formats.a3d import Convention, encode
from a3dgen.formats.schema import keys_of
from a3dgen.io import images, rle
from a3dgen.removal.mask_ops import dilate
from a3dgen.stages import amputate, annotate, render, report

ONE = {"regions": "left_hand, right_knee", "residual": "0.5..0.6", "per_person": 1, "multi_limb": 0.0}


@pytest.fixture
def world(tmp_path, stage, body):
    """Return (inputs of one person, context): the drawn person's photo, their true fit, and a plate."""
    out = tmp_path / "build"
    (out / "background").mkdir(parents=True)
    Image.fromarray(stage.scene.rgb).save(tmp_path / "photo.png")
    images.write_image(out / "background" / "plate.png", stage.plate)
    images.write_mask(out / "background" / "mask.png", dilate(stage.scene.own, 6.0))
    keypoints = np.concatenate([stage.scene.keypoints, np.ones((44, 1))], 1)
    person = {
        "key": "coco/p", "subset": "COCO_val", "stem": "000000000001", "person_id": "7",
        "image": str(tmp_path / "photo.png"), "image_size": (W, H), "bbox": (60, 20, 260, 390),
        "keypoints": keypoints, "state": stage.scene.state, "K": K, "mask": json.dumps(rle.encode(stage.scene.own)),
    }  # fmt: skip
    fitted = {
        "key": "coco/p", "pose": stage.fit.pose, "betas": stage.fit.betas, "transl": stage.fit.transl, "K": K,
        "reproj_px": 1.0, "sigma": np.zeros(24), "alt_betas": np.zeros((3, body.num_betas)),
    }  # fmt: skip
    plate = {"key": "coco/p", "image": "background/plate.png", "mask": "background/mask.png", "occluders": "",
             "filled": 0.2, "method": "test"}  # fmt: skip
    inputs = Inputs(
        persons=Persons.from_rows([person]),
        bodies=Bodies.from_rows([fitted], B=body.num_betas),
        plates=Plates.from_rows([plate]),
    )
    return inputs, Context(3, BodyConfig(), out, out / "render")


def planned(world, erasing: Erasing, **config):
    inputs, context = world
    plans = amputate.run(amputate.Config(**{**ONE, **config}, erasing=erasing), inputs, context)
    return plans, replace(inputs, plans=plans.record), context


def reported(inputs, done, context) -> tuple[dict, str]:
    """Return the report's figures and its page, where every source was to be erased."""
    shard = replace(inputs, renders=done.record, outcomes={"render": done.outcome})
    asked = replace(context, settings={"render": {"mode": "erase", "modes": {}}})
    told = report.run(report.Config(), asked, [shard])
    return told, (context.out / report.FILE).read_text("utf-8")


def test_a_pair_keeps_the_photos_person(world, stage) -> None:
    plans, inputs, context = planned(world, Erasing("erase"))
    rows = [plans.record.row(i) for i in range(2)]
    assert [r["mode"] for r in rows] == ["erase", "erase"]
    assert np.array_equal(rows[0]["erased"], rows[0]["removed"])
    assert np.array_equal(rows[1]["erased"], rows[0]["removed"])
    assert not rows[1]["removed"].any()
    done = render.run(render.Config(mode="erase", format="png"), inputs, context)
    assert done.outcome.status.tolist() == [OK, OK], done.outcome.reason
    amputee, twin = (done.record.row(i) for i in range(2))
    pictures = [images.read_rgb(context.out / r["image"]) for r in (amputee, twin)]
    masks = [images.read_mask(context.out / r["mask"]) for r in (amputee, twin)]
    far = ~dilate(stage.scene.own, 40.0)
    for picture in pictures:
        assert np.array_equal(picture[far], stage.scene.rgb[far])
    head = np.zeros((H, W), bool)
    head[:120] = True
    assert np.array_equal(pictures[0][head & ~dilate(masks[1] & ~masks[0], 20.0)],
                          stage.scene.rgb[head & ~dilate(masks[1] & ~masks[0], 20.0)])  # fmt: skip
    assert masks[0].sum() < masks[1].sum()
    assert (amputee["state"] == AMPUTATED).any()
    assert not (twin["state"] == AMPUTATED).any()
    assert amputee["mode"] == twin["mode"] == "erase"
    assert amputee["registered_error"] < 0.01
    off = np.abs(amputee["registered_pose"] - stage.fit.pose).max(1)
    ends = [7, 8, 20, 21]  # no keypoint tells how ankles and wrists turn
    assert np.delete(off, ends).max() < 0.05
    assert off.max() < 0.25
    assert np.abs(amputee["registered_transl"] - stage.fit.transl).max() < 0.02
    assert np.array_equal(np.isfinite(amputee["erased_frame"]).all(1), rows[0]["removed"])
    assert np.isnan(twin["erased_frame"]).all()
    region = int(np.flatnonzero(rows[0]["removed"])[0])
    x, y, dx, dy, half, tall = amputee["erased_frame"][region]
    gone, kept = (masks[0][int(y + s * dy), int(x + s * dx)] for s in (tall + 0.3 * half + 4, -0.5 * half))
    assert not gone
    assert kept


def test_what_the_photo_does_not_admit_is_drawn_or_left_out(world) -> None:
    hard = Bars(ring_px=500.0)
    plans, inputs, context = planned(world, Erasing("erase", bars=hard))
    assert set(plans.record.mode) == {"overlay"}
    assert "drawn, not erased" in plans.outcome.reason[0]
    assert "too small" in plans.outcome.reason[0]
    refused, _, _ = planned(world, Erasing("erase", bars=hard, otherwise="reject"))
    assert refused.outcome.status.tolist() == [REJECTED]
    assert "the photo admits no erasure" in refused.outcome.reason[0]
    assert "too small" in refused.outcome.reason[0]
    plans, inputs, context = planned(world, Erasing("erase"))  # render asks again, with its own bars
    done = render.run(render.Config(mode="erase", bars=hard), inputs, context)
    assert done.outcome.status.tolist() == [OK, OK]
    assert set(done.record.mode) == {"overlay"}
    assert "overlay instead of erasure" in done.outcome.reason[0]
    told, page = reported(inputs, done, context)
    assert (told["modes"], told["drawn_instead"]) == ({"overlay": 2}, 2)
    assert "2 of 2 samples show a drawn person" in page
    assert html.escape(done.outcome.reason[0]) in page
    told, page = reported(inputs, render.run(render.Config(mode="erase"), inputs, context), context)
    assert (told["modes"], told["drawn_instead"]) == ({"erase": 2}, 0)
    assert "drawn person although" not in page
    strict = replace(inputs, plans=replace(inputs.plans, otherwise=np.array(["reject"] * 2, object)))
    done = render.run(render.Config(mode="erase", bars=hard), strict, context)
    assert done.outcome.status.tolist() == [REJECTED] * 2


def test_who_has_no_plate_to_be_drawn_into_keeps_their_photo_if_asked(world, stage) -> None:
    plans, inputs, context = planned(world, Erasing(instead="erase"))
    assert set(plans.record.mode) == {"overlay"}
    assert set(plans.record.otherwise) == {"erase"}
    assert render.run(render.Config(), inputs, context).record.mode.tolist() == ["overlay"] * 2, "the plate is good"
    bad = replace(inputs, plates=replace(inputs.plates, refused=np.array(["somebody would be cut"], object)))
    done = render.run(render.Config(), bad, context)
    assert done.record.mode.tolist() == ["erase"] * 2, done.outcome.reason
    doubt = dilate(stage.scene.own, 30.0) & ~dilate(stage.scene.own, 12.0)
    images.write_mask(context.out / "background" / "doubt.png", doubt)
    unsure = replace(inputs, plates=replace(inputs.plates, doubt=np.array(["background/doubt.png"], object)))
    done = render.run(render.Config(), unsure, context)
    assert done.record.mode.tolist() == ["erase"] * 2, done.outcome.reason
    hard = render.run(render.Config(bars=Bars(ring_px=500.0)), bad, context)
    assert hard.outcome.status.tolist() == [REJECTED] * 2
    assert "somebody would be cut" in hard.outcome.reason[0]
    assert "too small" in hard.outcome.reason[0]
    _, never, _ = planned(world, Erasing())
    done = render.run(render.Config(), replace(never, plates=bad.plates), context)
    assert done.outcome.reason.tolist() == ["somebody would be cut"] * 2
    _, never, _ = planned(world, Erasing(instead="erase", bars=Bars(ring_px=500.0)))
    assert "erase" not in set(never.plans.otherwise)


def test_shares_licences_and_controls(world) -> None:
    inputs, context = world
    plans, _, _ = planned(world, Erasing("both", share=0.0))
    assert set(plans.record.mode) == {"overlay"}
    closed = Persons.from_rows([{**inputs.persons.row(0), "license": "Attribution-NoDerivs License"}])
    plans, _, _ = planned((replace(inputs, persons=closed), context), Erasing("erase"))
    assert set(plans.record.mode) == {"overlay"}
    plans, found, _ = planned(world, Erasing("erase"), per_person=0)
    assert plans.record.mode.tolist() == ["erase"]
    assert plans.record.erased.sum() == 1
    assert not plans.record.removed.any()
    done = render.run(render.Config(mode="erase"), found, context)
    assert done.record.mode.tolist() == ["erase"]


def test_the_face_can_be_blurred_in_both_twins(world, stage) -> None:
    _, inputs, context = planned(world, Erasing("erase"))
    done = render.run(render.Config(mode="erase", format="png", blur_faces=True), inputs, context)
    nose = np.rint(stage.scene.keypoints[0]).astype(int)
    face = np.s_[nose[1] - 6 : nose[1] + 6, nose[0] - 6 : nose[0] + 6]
    for path in done.record.image:
        rgb = images.read_rgb(context.out / path)[face].astype(float)
        assert rgb.std(axis=(0, 1)).mean() < 0.6 * stage.scene.rgb[face].astype(float).std(axis=(0, 1)).mean()


def test_the_written_rows_carry_mode_and_registered_pose(world, stage) -> None:
    _, inputs, context = planned(world, Erasing("erase"))
    done = render.run(render.Config(mode="erase"), inputs, context)
    moved = done.record.registered_pose + 0.001
    elsewhere = done.record.registered_transl + 0.002
    shard = replace(inputs, renders=replace(done.record, registered_pose=moved, registered_transl=elsewhere))
    samples = next(iter(annotate.by_subset(shard)))
    columns = encode(samples, Convention(modes=True))
    assert set(columns) == set(keys_of("COCO_val", modes=True))
    assert columns["a3dgen_mode"].tolist() == ["erase", "erase"]
    assert np.array_equal(columns["a3dgen_pose"], moved)
    assert np.array_equal(columns["a3dgen_transl"], elsewhere)
    assert set(encode(samples, Convention())) == set(keys_of("COCO_val"))


def test_photo_folders_need_consent(tmp_path) -> None:
    keys = [f"sources.photos.root={tmp_path}", "render.mode=erase"]
    with pytest.raises(ConfigError, match=r"overlay_else 'erase'.*--consent"):
        load_config("custom", [keys[0], "render.overlay_else=erase"])
    with pytest.raises(ConfigError, match="--consent"):
        load_config("custom", keys)
    config = load_config("custom", [*keys, "privacy.consent=true", "privacy.blur_faces=self"])
    assert config.stages["amputate"].erasing.mode == "erase"
    assert config.stages["render"].blur_faces
    assert config.settings()["privacy"] == {"consent": True}
    with pytest.raises(ConfigError, match=r"render\.mode"):
        load_config("demo", ["amputate.erasing.mode=erase"])
