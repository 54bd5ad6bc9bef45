"""Readers of point clouds: seven formats give the same points, damage is refused, scenes are cut per person."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import trimesh

from a3dgen.core.errors import ConfigError, DataError
from a3dgen.io import rle
from a3dgen.sources.clouds import KITTI_TO_CAMERA, READERS, Cloud, cut_person, find_cloud, photo_cloud, read_cloud

K = np.array([[500.0, 0, 319.5], [0, 500, 239.5], [0, 0, 1]])
POINTS = np.random.default_rng(0).uniform([-1, -1, 3], [1, 1, 5], (50, 3)).astype(np.float32).astype(np.float64)
PCD = (
    "# .PCD v0.7\nVERSION 0.7\nFIELDS x y z intensity\nSIZE 4 4 4 4\nTYPE F F F F\nCOUNT 1 1 1 1\n"
    "WIDTH {n}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {n}\nDATA {kind}\n"
)


def pcd(kind, points=POINTS):
    table = np.column_stack([points, np.ones(len(points))])
    head = PCD.format(n=len(points), kind=kind).encode()
    if kind == "ascii":
        return head + "\n".join(" ".join(f"{v:.9g}" for v in row) for row in table).encode()
    return head + table.astype("<f4").tobytes()


def write(folder, name):
    path = folder / name
    suffix = path.suffix
    if suffix == ".npz":
        np.savez(path, points=POINTS.astype(np.float32))
    elif suffix == ".npy":
        np.save(path, POINTS)
    elif suffix == ".ply":
        trimesh.PointCloud(POINTS).export(path)
    elif suffix == ".bin":
        path.write_bytes(np.column_stack([POINTS @ KITTI_TO_CAMERA, np.ones(50)]).astype("<f4").tobytes())
    else:
        path.write_bytes(pcd("binary" if "binary" in name else "ascii"))
    return path


@pytest.mark.parametrize("name", ["a.npz", "a.npy", "a.ply", "a_ascii.pcd", "a_binary.pcd", "a.bin"])
def test_every_format_gives_the_same_points(tmp_path, name):
    cloud = read_cloud(write(tmp_path, name))
    np.testing.assert_allclose(cloud.points, POINTS, atol=1e-5)
    np.testing.assert_array_equal(cloud.origin, 0)
    assert find_cloud(tmp_path, name.rpartition(".")[0]) is not None


def test_a_depth_picture_is_projected_back(tmp_path):
    depth = np.zeros((480, 640), np.uint16)
    depth[100:200, 300:400] = 2000
    depth[100:200, 350:400] = 3000
    cv2.imwrite(str(tmp_path / "a.png"), depth)
    with pytest.raises(DataError, match=r"write 'K' into a\.json"):
        read_cloud(tmp_path / "a.png")
    (tmp_path / "clouds.json").write_text(json.dumps({"K": K.tolist()}))
    cloud = read_cloud(tmp_path / "a.png")
    pixels = cloud.points[:, :2] / cloud.points[:, 2:] * 500 + K[:2, 2]
    assert set(np.unique(cloud.points[:, 2].round(6))) == {2.0, 3.0}
    assert np.abs(pixels - pixels.round()).max() < 1e-6
    assert not ((pixels[:, 0].round() >= 349) & (pixels[:, 0].round() <= 350)).any()  # the edge of two depths
    np.testing.assert_array_equal(cloud.K, K)
    (tmp_path / "a.json").write_text(json.dumps({"depth_scale": 0.0001}))
    assert read_cloud(tmp_path / "a.png").points[:, 2].max() == pytest.approx(0.3)


def test_lidar_to_camera_and_origin(tmp_path):
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = KITTI_TO_CAMERA, [0.1, -0.2, 0.3]
    lidar = (POINTS - T[:3, 3]) @ T[:3, :3]
    np.savez(tmp_path / "a.npz", points=lidar, T_cam_lidar=T, sd=0.015, person=np.arange(50) % 2)
    cloud = read_cloud(tmp_path / "a.npz")
    np.testing.assert_allclose(cloud.points, POINTS, atol=1e-9)
    np.testing.assert_allclose(cloud.origin, [0.1, -0.2, 0.3])
    assert cloud.sd == 0.015
    assert cloud.person.tolist() == [0, 1] * 25
    (tmp_path / "b.json").write_text(json.dumps({"origin": "fused"}))
    np.save(tmp_path / "b.npy", POINTS)
    assert np.isnan(read_cloud(tmp_path / "b.npy").origin).all()


BROKEN = {
    "no.npz": b"nothing", "empty.npz": b"", "no.npy": b"\x93NUMPY", "no.ply": b"ply\nend", "none.pcd": b"",
    "fields.pcd": pcd("ascii").replace(b"FIELDS x y z", b"FIELDS a b c"), "short.pcd": pcd("binary")[:-40],
    "cut.pcd": pcd("ascii")[:-600], "kind.pcd": pcd("ascii").replace(b"DATA ascii", b"DATA strange"),
    "size.pcd": pcd("binary").replace(b"SIZE 4 4 4 4", b"SIZE 4 4 x 4"), "odd.bin": b"123456789012345678",
    "words.pcd": pcd("ascii").replace(b" ", b" x", 40), "no.png": b"\x89PNG",
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_damage_is_an_error_that_names_the_file(tmp_path, name):
    (tmp_path / name).write_bytes(BROKEN[name])
    (tmp_path / "clouds.json").write_text(json.dumps({"K": K.tolist()}))
    with pytest.raises(DataError, match=name.replace(".", r"\.")):
        read_cloud(tmp_path / name)


def test_wrong_contents_are_errors(tmp_path):
    np.savez(tmp_path / "a.npz", xyz=POINTS)
    with pytest.raises(DataError, match="lacks 'points'; found xyz"):
        read_cloud(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", points=POINTS[:, :2])
    with pytest.raises(DataError, match="shape"):
        read_cloud(tmp_path / "b.npz")
    np.save(tmp_path / "c.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(DataError):
        read_cloud(tmp_path / "c.npy")
    (tmp_path / "d.json").write_text("[1]")
    np.save(tmp_path / "d.npy", POINTS)
    with pytest.raises(DataError, match="wanted an object"):
        read_cloud(tmp_path / "d.npy")


def test_an_unreadable_cloud_costs_its_people_the_cloud_and_no_more(tmp_path, caplog):
    (tmp_path / "x.npz").write_bytes(b"?")
    assert photo_cloud("sources.photos.clouds", str(tmp_path), "x.jpg") is None
    assert "fitted without it" in caplog.text
    assert photo_cloud("sources.photos.clouds", str(tmp_path), "y.jpg") is None
    assert photo_cloud("sources.photos.clouds", "", "x.jpg") is None
    with pytest.raises(ConfigError, match="no folder"):
        photo_cloud("sources.photos.clouds", str(tmp_path / "gone"), "x.jpg")


def test_scenes_are_cut_by_outline_box_or_number():
    pixels = POINTS[:, :2] / POINTS[:, 2:] * 500 + K[:2, 2]
    cloud = Cloud(np.concatenate([POINTS, [[np.nan, 0, 4]], -POINTS[:3]]), np.zeros(3), 0.01)
    box = np.array([200.0, 150, 320, 300])
    in_box = ((pixels > box[:2] - 15) & (pixels < box[2:] + 15)).all(1)
    row = cut_person(cloud, box, "", K, np.zeros(5))
    np.testing.assert_allclose(row["cloud"], POINTS[in_box], atol=1e-6)
    assert row["cloud_sd"] == 0.01
    mask = np.zeros((480, 640), bool)
    mask[:, :320] = True
    row = cut_person(cloud, box, rle.to_json(rle.encode(mask)), K, np.zeros(5))
    np.testing.assert_allclose(row["cloud"], POINTS[(pixels[:, 0] < 320.5) & (pixels > 0).all(1)], atol=1e-6)
    numbered = Cloud(POINTS, np.zeros(3), 0.0, np.arange(50) % 3, K)
    row = cut_person(numbered, box, "", np.eye(3), np.zeros(5), number=2)
    np.testing.assert_allclose(row["cloud"], POINTS[2::3], atol=1e-6)
    assert row["K_known"]
    assert np.array_equal(row["K"], K)


def test_the_readers_are_the_documented_formats():
    assert set(READERS) == {".npz", ".npy", ".ply", ".pcd", ".bin", ".png"}
