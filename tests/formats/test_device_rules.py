"""Keys of assistive devices: written, read back, exported, and every kind of damage to them is found by its rule."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from made_up_dataset import HEIGHT, WIDTH, build
from PIL import Image

from a3dgen.analysis.stats import stats
from a3dgen.core.records import OCCLUDED, VISIBLE, Plans, Renders
from a3dgen.data import A3DDataset, flip
from a3dgen.devices.device import AID_POINTS, Device, devices_to_json
from a3dgen.formats.exports.coco import export
from a3dgen.formats.schema import DEVICE_KEYS, annotation_path
from a3dgen.formats.validation import validate
from a3dgen.formats.validation.device_rules import _above_ground
from a3dgen.geometry.camera import default_K, project
from a3dgen.geometry.devices.wheelchair import RACING, WHEEL_M, hub_height
from a3dgen.geometry.skeleton import JOINT
from a3dgen.stages import annotate

COCO = "COCO_train"
CRUTCH = Device("forearm_crutch", "left", colours=((40, 60, 160),), tip=(0.3, 0.9, 4.0), up=(0.0, -1.0, 0.0))
LEG = Device("transfemoral", "left", "left_knee")


def with_devices(root: Path, plan: dict, render: dict) -> None:
    """Give a sample of the made-up build a crutch, and who lacks the left knee a prosthesis."""
    worn = [LEG] if plan["removed"][7] else []
    devices = [*worn, CRUTCH]
    plan |= {"devices": devices_to_json(devices), "reposed": np.arange(24) == JOINT["left_elbow"]}
    points, aids = np.zeros((24, 4)), np.zeros((8, 4))
    aids[1], aids[0] = (*CRUTCH.tip, 1), (0.28, 0.1, 4.0, 1)
    if worn:
        points[12:18] = [(0.05 * k, 0.1, 4.0, 1) for k in range(6)]
    ids = np.zeros((HEIGHT, WIDTH), np.uint8)
    for n in range(len(devices)):
        ids[:10, 10 * n : 10 * n + 10] = n + 1
    path = render["mask"].replace(".png", "_devices.png")
    Image.fromarray(ids).save(root / path)
    Image.fromarray(np.where(ids > 0, 0, 255).astype(np.uint8)).save(root / render["mask"])
    facts = [{**d.facts(), "id": n + 1, "pixels": 100, "whole_pixels": 120} for n, d in enumerate(devices)]
    status = [(1 if plan["removed"][:3].any() else 0), 0, 2 if worn else 0, 0]
    render |= {
        "devices": json.dumps(facts), "device_mask": path, "prosthetic": points, "aids": aids, "prosthesis": status,
        "prosthetic_state": np.where(points[:, 3] > 0, VISIBLE, 3),
        "hidden_by": (render["state"] == OCCLUDED).astype(int),
    }  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("with_devices")
    context, shards = build(root)
    shard, done = shards[0], []
    fits = shard.bodies.index()
    for i in range(len(shard.plans)):
        plan, render = shard.plans.row(i), shard.renders.row(i)
        fit = shard.bodies.row(fits[str(plan["parent"])])
        plan |= {"pose": fit["pose"], "transl": fit["transl"]}
        with_devices(root, plan, render)
        done.append((plan, render))
    plans, renders = Plans.from_rows([p for p, _ in done]), Renders.from_rows([r for _, r in done])
    context = dataclasses.replace(context, settings={"amputate": {"devices": {"use": "balanced"}}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(annotate, "load_body", lambda config: SimpleNamespace(name="anny24-adults", smpl_betas=False))
        annotate.run(annotate.Config(), context, [dataclasses.replace(shard, plans=plans, renders=renders)])
    return root / annotate.DATASET_FOLDER


@pytest.fixture
def dataset(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "A3D_Dataset"))


def found(dataset: Path) -> set[str]:
    return {f.rule for f in validate(dataset, quick=True).items} - {"manifest"}


def edit(dataset: Path, key: str, change: Callable[[np.ndarray], None]) -> None:
    path = dataset / annotation_path(COCO)
    data = dict(np.load(path, allow_pickle=True))
    value = data[key].astype(object) if data[key].dtype.kind == "U" else data[key].copy()
    change(value)
    data[key] = value.astype(str) if data[key].dtype.kind == "U" else value
    np.savez(path, **data)


def put(index: object, value: object) -> Callable[[np.ndarray], None]:
    def change(array: np.ndarray) -> None:
        array[index] = value

    return change


def listed(change: Callable[[list], object]) -> Callable[[np.ndarray], None]:
    def edit_json(array: np.ndarray) -> None:
        facts = json.loads(array[0])
        change(facts)
        array[0] = json.dumps(facts)

    return edit_json


DAMAGE: dict[str, tuple[str, Callable[[np.ndarray], None], str]] = {
    "status beyond the list": ("prosthesis", put((0, 2), 9), "prosthesis"),
    "a worn prosthesis called intact": ("prosthesis", put((0, 2), 0), "prosthesis"),
    "none worn though one is listed": ("prosthesis", put((0, 2), 1), "prosthesis"),
    "doffed in view though none is listed": ("prosthesis", lambda a: a.__setitem__(a == 1, 4), "prosthesis"),
    "a worn prosthesis called doffed": ("devices", listed(lambda f: f[0].update(doffed=True)), "prosthesis"),
    "a prosthesis on a whole limb": ("prosthesis", put((0, 3), 2), "prosthesis"),
    "not JSON": ("devices", put(0, "{"), "devices"),
    "an unknown device": ("devices", listed(lambda f: f[0].update(type="jetpack")), "devices"),
    "ids out of order": ("devices", listed(lambda f: f[0].update(id=5)), "devices"),
    "a prosthesis of another region": ("devices", listed(lambda f: f[0].update(region="left_hip")), "prosthesis"),
    "pixels miscounted": ("devices", listed(lambda f: f[0].update(pixels=7)), "device mask"),
    "a device taken off the list": ("devices", listed(lambda f: f.pop()), "aids"),
    "another aid than the twin's": ("devices", listed(lambda f: f[1].update(type="cane")), "twin"),
    "a tip off the ground": ("devices", listed(lambda f: f[1].update(tip=[0.3, 0.8, 4.0])), "ground"),
    "no mask named": ("device_mask", put(0, ""), "device mask"),
    "another sample's mask": ("device_mask", lambda a: a.__setitem__(0, a[1]), "files"),
    "a prosthetic point where none is": ("prosthetic_3d", put((0, 0), (0.1, 0.1, 0.1, 1)), "prosthetic points"),
    "a brim that is gone": ("prosthetic_3d", put((0, 12), 0), "prosthetic points"),
    "a 3D point moved": ("prosthetic_3d", put((0, 13, 0), 0.7), "projection"),
    "a 2D point moved": ("prosthetic_2d", lambda a: a.__setitem__((0, 13, 0), a[0, 13, 0] + 2), "projection"),
    "a point's state": ("prosthetic_state", put((0, 13), OCCLUDED), "prosthetic points"),
    "a hook that is an unknown state": ("prosthetic_state", put((0, 0), 7), "prosthetic points"),
    "an aid's point without an aid": ("aid_3d", put((0, 4), (0.1, 0, 0, 1)), "aids"),
    "a grip below its tip": ("aid_3d", put((0, 0, 1), 2.5), "aids"),
    "hidden by nothing": ("hidden_by", put(slice(None), 0), "hidden by"),
    "a visible point that is hidden": ("hidden_by", put((0, 0), 1), "hidden by"),
    "a device that hides nothing": ("hidden_by", lambda a: a.__setitem__(a == 1, 3), "hidden by"),
    "a joint that stands otherwise": ("reposed", put((0, JOINT["left_elbow"]), False), "twin"),
}


def test_an_undamaged_dataset_passes_and_holds_all_keys(written: Path) -> None:
    assert found(written) == set()
    data = np.load(written / annotation_path(COCO), allow_pickle=True)
    assert set(DEVICE_KEYS) <= set(data.files)
    for name, key in DEVICE_KEYS.items():
        assert data[name].shape[1:] == key.shape


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_to_a_key_is_found(dataset: Path, name: str) -> None:
    key, change, rule = DAMAGE[name]
    edit(dataset, f"a3dgen_{key}", change)
    assert rule in found(dataset)


def damage_mask(dataset: Path, change: Callable[[np.ndarray], None]) -> None:
    path = next((dataset / COCO / "Masks").glob("amp_7*_devices.png"))
    ids = np.array(Image.open(path))
    change(ids)
    Image.fromarray(ids).save(path)


def test_damage_to_a_mask_is_found(dataset: Path) -> None:
    damage_mask(dataset, lambda ids: ids.__setitem__((slice(0, 2), slice(0, 2)), 9))  # an id that is not listed
    assert "device mask" in found(dataset)
    damage_mask(dataset, lambda ids: ids.__setitem__(ids == 9, 1))
    assert found(dataset) == set()

    def move(ids: np.ndarray) -> None:
        ids[...] = np.roll(ids, 40, 0)

    damage_mask(dataset, move)  # onto the person
    assert "device mask" in found(dataset)


def test_a_frame_off_the_ground_is_found() -> None:
    hubs = ("left_hub", "right_hub")
    for kind, height, names, more in (("walker", 0.0, ("left_tip", "right_tip"), {}), ("wheelchair", WHEEL_M, hubs, {}),
                                      ("wheelchair", hub_height(RACING), hubs, {"kind": "racing"})):  # fmt: skip
        turn = np.diag([1.0, -1.0, -1.0])  # up is against the camera's y
        device = Device(kind, frame={"turn": turn.ravel().tolist(), "at": [0.1, 1.0, 4.0], **more})
        points = np.zeros((8, 3))
        for name, x in zip(names, (-0.3, 0.3), strict=True):
            points[AID_POINTS.index(name)] = (x, 1.0 - height, 4.0)
        assert _above_ground(device, points) < 1e-9
        points[AID_POINTS.index(names[1]), 1] += 0.02
        assert _above_ground(device, points) == pytest.approx(0.02)


def test_a_worn_prosthesis_never_un_amputates(written: Path) -> None:
    data = np.load(written / annotation_path(COCO), allow_pickle=True)
    worn = (data["a3dgen_prosthesis"] == 2).any(1)
    assert worn.any()
    assert data["a3dgen_removed"][worn, 7].all()
    gone = data["a3dgen_state"][worn] == 3
    assert gone.any()
    assert (data["body_keypoints_3d"][worn][gone[:, :25]] == 0).all()
    assert all("amp_7" in str(n) for n in data["imgname"][worn])


def test_coco_export_names_prostheses_and_devices(written: Path, tmp_path: Path) -> None:
    content = json.loads(export(written, tmp_path / "coco.json")[0].read_text())
    people = [a for a in content["annotations"] if a["category_id"] == 1]
    assert {p["prosthesis"]["left_leg"] for p in people} == {"intact", "worn:transfemoral"}
    names = {c["id"]: c["name"] for c in content["categories"]}
    drawn = [names[a["category_id"]] for a in content["annotations"] if a["category_id"] != 1]
    assert drawn.count("forearm_crutch") == len(people)
    assert drawn.count("transfemoral") == 2
    assert len({a["id"] for a in content["annotations"]}) == len(content["annotations"])
    assert all(a["area"] == 100 for a in content["annotations"] if a["category_id"] != 1)
    full = json.loads(export(written, tmp_path / "full.json", with_prosthesis=True)[0].read_text())["annotations"]
    more = {p["prosthesis"]["left_leg"]: q["area"] - p["area"] for p, q in zip(people, full, strict=False)}
    assert more == {"intact": 0, "worn:transfemoral": 100}  # the crutch stays out of the mask
    for p in people:
        seen = np.reshape(p["prosthetic_keypoints"], (24, 3))
        limb = np.arange(24) // 6 == 2
        assert (seen[~limb] == 0).all()
        assert (seen[limb, 2] == (0 if p["prosthesis"]["left_leg"] == "intact" else 2)).all()


def test_coco_export_with_prosthetic_joints_in_the_place_of_absent_ones(written: Path, tmp_path: Path) -> None:
    plain = json.loads(export(written, tmp_path / "coco.json")[0].read_text())
    joints = json.loads(export(written, tmp_path / "joints.json", prosthetic_as_joints=True)[0].read_text())
    names = joints["categories"][0]["keypoints"]
    assert len(names) == len(joints["categories"][0]["sigmas"]) == 31
    for one, other in zip(*(c["annotations"] for c in (plain, joints)), strict=True):
        if one["category_id"] != 1:
            continue
        before, after = np.reshape(one["keypoints"], (25, 3)), np.reshape(other["keypoints"], (31, 3))
        drawn, changed = np.reshape(one["prosthetic_keypoints"], (24, 3)), (before != after[:25]).any(1)
        worn = one["prosthesis"]["left_leg"] != "intact"
        assert {names[k] for k in np.flatnonzero(changed)} == ({"left_knee", "left_ankle"} if worn else set())
        if worn:
            assert (
                after[[names.index(f"left_{n}") for n in ("knee", "ankle", "heel", "big_toe")]] == drawn[14:18]
            ).all()
            assert after[names.index("left_small_toe"), 2] == 0
            assert other["presence"][names.index("left_knee")] == 1


def test_statistics_and_loader(written: Path) -> None:
    facts = stats(written)
    assert facts["prosthesis"]["worn"] == 2
    assert facts["devices"] == {"forearm_crutch": 6, "transfemoral": 2}
    plain, full = A3DDataset(written), A3DDataset(written, devices=True)
    assert "prosthesis" not in plain[0]
    item = full[0]
    assert item["prosthesis"].tolist() == [0, 0, 2, 0]
    assert item["device_mask"].shape == (256, 256)
    sample = {k: v.numpy() for k, v in item.items() if k in ("keypoints_2d", "keypoints_3d", "state", "pose", "removed",
                                                            "prosthesis", "device_mask")}  # fmt: skip
    mirrored = flip(sample | {"center": np.zeros(2)}, 256)
    assert mirrored["prosthesis"].tolist() == [0, 0, 0, 2]
    assert (mirrored["device_mask"] == sample["device_mask"][:, ::-1]).all()


def test_prosthetic_points_project(written: Path) -> None:
    data = np.load(written / annotation_path(COCO), allow_pickle=True)
    there = data["a3dgen_prosthetic_3d"][..., 3] > 0
    camera = (data["a3dgen_prosthetic_3d"][..., :3] + data["a3dgen_root"][:, None])[there]
    assert np.abs(project(camera, default_K(WIDTH, HEIGHT)) - data["a3dgen_prosthetic_2d"][..., :2][there]).max() < 1e-6
