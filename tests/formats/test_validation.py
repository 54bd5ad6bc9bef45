"""Every kind of damage is found, and by the rule that is meant to find it."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from a3dgen.amputation.rebuild import BodyFit, Cut, rebuild
from a3dgen.bodies import load_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import DataError
from a3dgen.formats.schema import annotation_path
from a3dgen.formats.validation import validate
from a3dgen.io.npz import read

COCO, H36M = "COCO_train", "H36M/S1"
Arrays = dict[str, np.ndarray]


def edit(dataset: Path, subset: str, change: Callable[[Arrays], None]) -> None:
    """Rewrite one npz after a change to its arrays."""
    path = dataset / annotation_path(subset)
    data = dict(np.load(path, allow_pickle=True))
    change(data)
    np.savez(path, **data)


def put(key: str, index: tuple, value: object) -> Callable[[Arrays], None]:
    def change(data: Arrays) -> None:
        data[key] = data[key].copy()
        data[key][index] = value

    return change


def swap_sides(data: Arrays) -> None:
    k = data["body_keypoints_3d"].copy()
    k[:, [2, 5]] = k[:, [5, 2]]
    data["body_keypoints_3d"] = k


def shown_row(data: Arrays) -> int:
    return int(np.flatnonzero(data["body_keypoints_2d"][0, :, 2])[0])


def move_point(data: Arrays) -> None:
    data["body_keypoints_2d"][0, shown_row(data), 0] += 2


def outside_point(data: Arrays) -> None:
    data["body_keypoints_2d"][0, shown_row(data), :2] = (5000, 5)


def rename(index: int, make: Callable[[str], str]) -> Callable[[Arrays], None]:
    def change(data: Arrays) -> None:
        names = data["imgname"].astype(object)
        names[index] = make(str(names[index]))
        data["imgname"] = names if data["imgname"].dtype == object else names.astype("<U64")

    return change


ARRAY_DAMAGE = {
    "missing key": (COCO, lambda d: d.pop("betas"), "keys"),
    "dtype": (COCO, lambda d: d.update(betas=d["betas"].astype("f8")), "dtype"),
    "shape": (COCO, lambda d: d.update(scale=d["scale"][:, 0]), "shape"),
    "rows differ": (COCO, lambda d: d.update(betas=d["betas"][:-1]), "rows"),
    "one row": (COCO, lambda d: d.update({k: v[:1] for k, v in d.items()}), "rows"),
    "nan": (COCO, put("body_pose", (0, 5), np.nan), "finite"),
    "inf": (H36M, put("cam_t", (0, 0, 0), np.inf), "finite"),
    "label in the name": (COCO, rename(0, lambda n: n.replace("amp_7", "amp_8")), "label"),
    "region 13": (COCO, rename(0, lambda n: n.replace("amp_7", "amp_13")), "imgname"),
    "free name": (COCO, rename(0, lambda n: "photo.jpg"), "imgname"),
    "second label in the stem": (COCO, rename(2, lambda n: n.replace("full_", "full_stamp_10_")), "imgname"),
    "escaping name": (COCO, rename(0, lambda n: "../../" + n), "imgname"),
    "absolute name": (COCO, rename(0, lambda n: "/etc/" + n), "imgname"),
    "duplicate name": (COCO, lambda d: put("imgname", (1,), d["imgname"][0])(d), "duplicates"),
    "wrong subject": (H36M, rename(0, lambda n: n.replace("S1/", "S5/")), "imgname"),
    "descendants unmasked": (COCO, put("body_keypoints_3d", (0, 14), (0.1, 0.1, 0.1, 1)), "absence"),
    "amputated in 2D": (COCO, put("body_keypoints_2d", (0, 14), (20, 20, 1)), "absence"),
    "masked though present": (COCO, put("body_keypoints_3d", (0, 2), 0), "absence"),
    "opt flag": (COCO, put("body_opt_3d_joints", (0, 2), 0), "opt"),
    "pose not zeroed": (COCO, put("body_pose", (0, slice(12, 15)), 0.3), "pose"),
    "pose of a present joint": (COCO, put("body_pose", (0, slice(3, 6)), 0.9), "pose"),
    "matrix not zeroed": (H36M, put("smpl_pose", (0, 0, 3), np.eye(3)), "pose"),
    "matrix zeroed": (H36M, put("smpl_pose", (0, 0, 0), 0), "pose"),
    "no rotation": (H36M, put("smpl_pose", (0, 0, 0, 0, 0), 7), "rotation"),
    "reflected root": (COCO, put("global_orient", (0, 0, 0), (-1, 0, 0)), "rotation"),
    "root differs": (COCO, put("body_pose", (0, slice(0, 3)), (0.5, 0, 0)), "rotation"),
    "sides": (COCO, swap_sides, "sides"),
    "masked but placed": (COCO, put("body_keypoints_2d", (0, 14, 0), 5), "masked"),
    "confidence": (COCO, put("body_keypoints_2d", (2, 8, 2), 0.5), "confidence"),
    "not centred": (COCO, put("body_keypoints_3d", (0, 8, 0), 0.1), "origin"),
    "millimetres": (COCO, lambda d: d.update(body_keypoints_3d=d["body_keypoints_3d"] * 1000), "metres"),
    "scale over 200": (COCO, lambda d: d.update(scale=d["scale"] / 200), "scale"),
    "negative scale": (COCO, put("scale", (0, 0), -4), "scale"),
    "box too small": (COCO, put("scale", (0, 0), 20), "box"),
    "box elsewhere": (COCO, put("center", (0, 0), (3, 3)), "box"),
    "moved keypoint": (COCO, move_point, "2d"),
    "outside the image": (COCO, outside_point, "inside"),
    "two regions of a limb": (COCO, put("a3dgen_removed", (0, 6), True), "one region per limb"),
    "conf against extension": (H36M, put("a3dgen_removed", (0, 0), True), "label"),
    "state": (COCO, put("a3dgen_state", (0, 9), 3), "state"),
    "unknown state": (COCO, put("a3dgen_state", (0, 9), 9), "state"),
    "camera": (COCO, put("a3dgen_K", (0, 0, 0), 90), "projection"),
    "cam_t for root": (COCO, lambda d: d.update(a3dgen_root=d["a3dgen_transl"] + (0, 0.2, 0)), "projection"),
    "residual zero": (COCO, put("a3dgen_residual", (0, 7), 0), "residual"),
    "residual a hundredth off": (
        COCO,
        lambda d: put("a3dgen_residual", (0, 7), d["a3dgen_residual"][0, 7] * 1.01)(d),
        "residual",
    ),
    "all rows of cam_t scaled": (
        H36M,
        lambda d: d.update(cam_t=d["cam_t"] * 1.01, a3dgen_transl=d["a3dgen_transl"] * 1.01),
        "body",
    ),
    "residual without removal": (COCO, put("a3dgen_residual", (2, 7), 0.5), "residual"),
    "stump length": (COCO, put("a3dgen_stump_m", (0, 7), 0.39), "stump"),
    "stump on an intact body": (COCO, put("a3dgen_stump_m", (2, 7), 0.2), "stump"),
    "no girth": (COCO, put("a3dgen_stump_girth_m", (0, 7), 0), "stump"),
    "residual end gone": (COCO, put("a3dgen_residual_ends_3d", (0, 4), 0), "residual ends"),
    "skin": (COCO, put("a3dgen_skin", (0,), 11), "skin"),
    "garments": (COCO, put("a3dgen_garments", (0,), "T-shirt"), "garments"),
    "lost twin": (COCO, put("a3dgen_twin", (0,), "COCO_train/9"), "twin"),
    "twin of another skin": (COCO, put("a3dgen_skin", (0,), 9), "twin"),
    "betas": (COCO, put("betas", (0, 0), 9), "betas"),
    "height": (COCO, put("a3dgen_height_m", (0,), 170), "height"),
    "repeated key": (COCO, lambda d: put("a3dgen_key", (1,), d["a3dgen_key"][0])(d), "duplicates"),
}


@pytest.mark.parametrize("kind", ARRAY_DAMAGE)
def test_damaged_arrays_are_found(dataset: Path, kind: str) -> None:
    subset, change, rule = ARRAY_DAMAGE[kind]
    edit(dataset, subset, change)
    found = validate(dataset, quick=True)
    assert found.failed(strict=False)
    assert rule in {f.rule for f in found.items}, found.text(False)


def test_the_end_of_a_residual_limb_lies_at_its_length_to_a_tenth_of_a_millimetre(dataset: Path) -> None:
    def move(data: Arrays) -> None:
        ends = data["a3dgen_residual_ends_3d"] = data["a3dgen_residual_ends_3d"].copy()
        ends[0, 4, :3] += 0.001

    edit(dataset, COCO, move)
    told = [f.message for f in validate(dataset, quick=True).items if f.rule == "stump"]
    assert any("is not where the residual-limb end lies" in text for text in told), told


@pytest.mark.parametrize(("off", "finds"), [(0.0, False), (0.02, True)])
def test_the_end_of_a_short_residual_limb_is_held_against_the_limb_cut_again(
    dataset: Path, off: float, finds: bool
) -> None:
    """Row 0 gets a thigh cut at 0.3 under a hip bent by 1.5 rad: its end follows pelvis and thigh."""
    body, knee, hip = load_body(BodyConfig()), 7, 1

    def cut_short(data: Arrays) -> None:
        for key in ("pose", "residual", "residual_ends_3d", "stump_m", "stump_girth_m"):
            data[f"a3dgen_{key}"] = data[f"a3dgen_{key}"].copy()
        data["a3dgen_pose"][0, hip] = (-1.5, 0, 0)
        data["a3dgen_residual"][0, knee] = 0.3
        fit = BodyFit(*(data[f"a3dgen_{key}"][0].astype(np.float64) for key in ("pose", "betas", "transl")))
        stump = np.tile((2.2, 0.85, 0.16), (12, 1))
        cut = rebuild(
            body, fit, Cut(data["a3dgen_removed"][0], data["a3dgen_residual"][0].astype(np.float64), stump=stump)
        )
        data["a3dgen_stump_m"][0], data["a3dgen_stump_girth_m"][0] = cut.stump_length, cut.stump_girth
        data["a3dgen_residual_ends_3d"][0] = cut.ends
        data["a3dgen_residual_ends_3d"][0, 4, :3] += (off, 0, 0) - data["a3dgen_root"][0]

    edit(dataset, COCO, cut_short)
    found = validate(dataset, quick=True)
    assert ("stump" in {f.rule for f in found.items}) == finds, found.text(False)


def first(dataset: Path, pattern: str) -> Path:
    return sorted(dataset.glob(pattern))[0]


def exif(dataset: Path) -> None:
    path = first(dataset, "COCO_train/Images/*")
    image = Image.open(path)
    data = Image.Exif()
    data[0x0112] = 6
    image.save(path, exif=data)


def counts(dataset: Path) -> None:
    facts = json.loads((dataset / "dataset.json").read_text())
    facts["counts"]["samples"]["MPII"] = 99
    (dataset / "dataset.json").write_text(json.dumps(facts))


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


FILE_DAMAGE = {
    "image missing": (lambda d: first(d, "MPII/Images/*").unlink(), "files"),
    "mask missing": (lambda d: first(d, "MPII/Masks/*").unlink(), "files"),
    "image without a row": (lambda d: Image.new("RGB", (9, 9)).save(d / "MPII/Images/amp_0_x_v0.jpg"), "files"),
    "mask without a row": (lambda d: Image.new("L", (9, 9)).save(d / "MPII/Masks/amp_0_x_v0.png"), "files"),
    "stray file": (lambda d: (d / "OTHER").mkdir() or (d / "OTHER/x.jpg").write_bytes(b"x"), "files"),
    "truncated image": (lambda d: cut_short(first(d, "MPII/Images/*")), "decode"),
    "image is text": (lambda d: first(d, "MPII/Images/*").write_text("hello"), "decode"),
    "grey image": (lambda d: Image.new("L", (160, 120)).save(first(d, "MPII/Images/*")), "decode"),
    "image of another size": (lambda d: Image.new("RGB", (80, 60)).save(first(d, "MPII/Images/*")), "masks"),
    "mask of another size": (lambda d: Image.new("L", (80, 60), 255).save(first(d, "MPII/Masks/*")), "masks"),
    "empty mask": (lambda d: Image.new("L", (160, 120), 0).save(first(d, "MPII/Masks/*")), "masks"),
    "exif orientation": (exif, "metadata"),
    "datasheet missing": (lambda d: (d / "README.md").unlink(), "tree"),
    "facts unreadable": (lambda d: (d / "dataset.json").write_text("{"), "dataset.json"),
    "facts wrong": (counts, "counts"),
    "npz renamed": (lambda d: first(d, "MPII/annotation/*").rename(d / "MPII/annotation/x.npz"), "tree"),
    "npz truncated": (lambda d: cut_short(first(d, "MPII/annotation/*")), "read"),
    "npz is text": (lambda d: first(d, "MPII/annotation/*").write_text("no"), "read"),
}


@pytest.mark.parametrize("kind", FILE_DAMAGE)
def test_damaged_files_are_found(dataset: Path, kind: str) -> None:
    damage, rule = FILE_DAMAGE[kind]
    damage(dataset)
    found = validate(dataset, quick=True)
    assert found.failed(strict=False)
    assert rule in {f.rule for f in found.items}, found.text(False)


def flip(dataset: Path) -> None:
    """Change one bit of noise: the picture decodes as before."""
    path = first(dataset, "MPII/Masks/*")
    image = Image.open(path)
    image.putpixel((0, 0), 254)
    image.save(path)


MANIFEST_DAMAGE = {
    "a bit": (flip, "is damaged"),
    "a file more": (lambda d: (d / "notes.txt").write_text("x"), "is not in SHA256SUMS"),
    "a file less": (lambda d: (d / "README.md").unlink(), "is missing; SHA256SUMS lists it"),
    "no manifest": (lambda d: (d / "SHA256SUMS").unlink(), "is missing: nothing tells"),
    "half a manifest": (lambda d: cut_short(d / "SHA256SUMS"), "is not one of sha256sum's"),
    "a manifest that leads out": (
        lambda d: (d / "SHA256SUMS").write_text(f"{'0' * 64}  ../../etc/passwd\n"),
        "leads out of its folder",
    ),
}


@pytest.mark.parametrize("kind", MANIFEST_DAMAGE)
def test_every_byte_is_compared_with_the_manifest(dataset: Path, kind: str) -> None:
    damage, message = MANIFEST_DAMAGE[kind]
    damage(dataset)
    told = [f.message for f in validate(dataset).items if f.rule == "manifest"]
    assert any(message in text for text in told), told
    if kind == "a bit":
        found = validate(dataset, quick=True)
        assert not found.items
        assert "left out" in found.unchecked["manifest"]


def test_a_dataset_of_others_needs_no_manifest(dataset: Path) -> None:
    (dataset / "SHA256SUMS").unlink()
    facts = json.loads((dataset / "dataset.json").read_text())
    del facts["manifest"]
    (dataset / "dataset.json").write_text(json.dumps(facts))
    found = validate(dataset)
    assert not found.items
    assert "was not checked" in found.unchecked["manifest"]


def test_an_unknown_key_is_a_warning_and_an_error_when_strict(dataset: Path) -> None:
    edit(dataset, COCO, lambda d: d.update(note=np.zeros(len(d["betas"]))))
    found = validate(dataset, quick=True)
    assert not found.failed(strict=False)
    assert found.failed(strict=True)


def test_a_folder_that_is_no_dataset_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="A3D_Dataset"):
        validate(tmp_path)


class Evil:
    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("executed"),))


def test_a_pickle_that_would_execute_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": (1,)})
    with zipfile.ZipFile("bad.npz", "w") as archive:
        archive.writestr("imgname.npy", header.getvalue() + pickle.dumps(np.array([Evil()], object)))
    with pytest.raises(DataError, match=r"imgname.*not executed"):
        read("bad.npz")
    assert not Path("executed").exists()


def test_giant_headers_and_bombs_are_refused(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (1 << 40,)})
    with zipfile.ZipFile(tmp_path / "giant.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue())
    with pytest.raises(DataError, match="do not fit its header"):
        read(tmp_path / "giant.npz")
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", b"\0" * (8 << 20))
    with pytest.raises(DataError, match="more than the limit"):
        read(tmp_path / "bomb.npz", max_bytes=1 << 20)
