"""The background stage on small made-up photos, and on the real frames where they are present."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import ConfigError
from a3dgen.core.records import OCCLUDED, VISIBLE, Bodies, Persons, Plans
from a3dgen.core.stage import Context, Inputs
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.camera import project, undistort_image
from a3dgen.geometry.raster import silhouette
from a3dgen.geometry.skeleton import COCO_ROWS
from a3dgen.io import images
from a3dgen.io import rle as masks
from a3dgen.io.partial_pictures import decodable
from a3dgen.removal.config import PlateBars
from a3dgen.removal.mask_ops import distance_to
from a3dgen.stages import background
from a3dgen.stages.background import Config, safe_name

WIDTH, HEIGHT = 200, 240
K = np.array([[300.0, 0, 100], [0, 300, 120], [0, 0, 1]])
MAGENTA = (255, 0, 255)
TURN = np.array([np.pi, 0, 0])


def _photo() -> np.ndarray:
    rng = np.random.default_rng(5)
    rgb = np.empty((HEIGHT, WIDTH, 3))
    rgb[:150], rgb[150:] = (170, 190, 200), (120, 110, 90)
    return np.clip(rgb + rng.normal(0, 4, (HEIGHT, WIDTH, 1)), 0, 255).astype(np.uint8)


BARS = PlateBars(unexplained=44)
"""All keypoints of these people are labelled hidden."""


class World:
    """One body standing in a made-up photo; people differ only in what the source says about them."""

    def __init__(self, folder: Path, body: Any) -> None:
        self.folder, self.rows, self.bodies = folder, [], []
        self.pose = np.zeros((24, 3))
        self.pose[0] = TURN
        self.betas, self.transl = np.zeros(body.num_betas), np.array([0.0, 0.1, 3.2])
        posed = pose_body(body, self.pose, self.betas, self.transl)
        self.outline = silhouette(posed.vertices(body.mesh, self.betas), body.mesh.faces, K, WIDTH, HEIGHT)
        self.points = project(posed.keypoints[None], K[None])[0]
        self.photo = _photo()
        self.photo[self.outline] = MAGENTA

    def add(self, key: str, photo: np.ndarray | None = None, **columns: Any) -> None:
        path = self.folder / f"{safe_name(key)}.png"
        images.write_image(path, self.photo if photo is None else photo)
        keypoints, state = np.zeros((44, 3)), np.zeros(44, np.uint8)
        rows = list(COCO_ROWS)
        keypoints[rows, :2], keypoints[rows, 2], state[rows] = self.points[rows], 1, OCCLUDED
        row = {"key": key, "subset": "COCO_val", "stem": key, "image": str(path), "K": K, "state": state}
        row |= {"image_size": (WIDTH, HEIGHT), "bbox": (0, 0, 9, 9), "keypoints": keypoints}
        self.rows.append(row | columns)
        self.bodies.append(
            {
                "key": key,
                "pose": self.pose,
                "betas": self.betas,
                "transl": self.transl,
                "K": K,
                "reproj_px": 0.0,
                "sigma": np.zeros(24),
                "alt_betas": np.zeros((3, len(self.betas))),
            }
        )

    def run(self, out: Path, config: Config | None = None, only: slice = slice(None)) -> Any:
        plans = [
            {"key": f"{r['key']}/v{v}", "parent": r["key"], "removed": np.zeros(12, bool), "skin": 5, "garments": "[]"}
            for r in self.rows[only]
            for v in range(2)
        ]
        inputs = Inputs(Persons.from_rows(self.rows), Bodies.from_rows(self.bodies), Plans.from_rows(plans))
        context = Context(seed=3, body=BodyConfig(), out=out, folder=out / "background")
        return background.run(config or Config(segmenter="none", bars=BARS), inputs, context)


@pytest.fixture
def world(tmp_path: Path, body: Any) -> World:
    return World(tmp_path, body)


def _mask(mask: np.ndarray) -> str:
    return masks.to_json(masks.encode(mask))


def _magenta(image: np.ndarray) -> np.ndarray:
    return (image[..., 0] > 200) & (image[..., 1] < 80) & (image[..., 2] > 200)


def test_person_vanishes_with_and_without_a_mask(world: World, tmp_path: Path) -> None:
    world.add("a/masked", mask=_mask(world.outline))
    world.add("a/fitted")
    result = world.run(tmp_path / "out")
    assert result.outcome.counts() == {"ok": 2, "rejected": 0, "failed": 0}
    assert len(result.record) == 2, "one plate a person, not a sample"
    for i, source in enumerate(("source mask", "fitted body")):
        row = result.record.row(i)
        plate = images.read_rgb(tmp_path / "out" / row["image"])
        hole = images.read_mask(tmp_path / "out" / row["mask"])
        assert row["image"].startswith("background/images/")
        assert not _magenta(plate).any()
        assert row["filled"] == pytest.approx(hole.mean())
        np.testing.assert_array_equal(plate[~hole], world.photo[~hole])
        assert (hole | ~world.outline).all()
        assert row["method"].startswith(f"exemplar; {source}")
        assert row["occluders"] == ""


def test_result_depends_on_the_person_alone_and_is_cached(world: World, tmp_path: Path) -> None:
    for name in ("p", "q"):
        world.add(name, mask=_mask(world.outline))
    both = world.run(tmp_path / "one")
    alone = world.run(tmp_path / "two", only=slice(1, 2))
    path = both.record.image[1]
    assert path == alone.record.image[0]
    one, two = tmp_path / "one" / path, tmp_path / "two" / path
    assert one.read_bytes() == two.read_bytes()
    stamp = one.stat().st_mtime_ns
    again = world.run(tmp_path / "one")
    assert one.stat().st_mtime_ns == stamp
    assert again.record.row(1) == both.record.row(1)
    world.run(tmp_path / "one", Config(segmenter="none", bars=BARS, dilate=0.05))
    assert one.stat().st_mtime_ns != stamp
    assert not list((tmp_path / "one").rglob("*.tmp"))


def test_other_people_stay_and_the_nearer_one_stays_in_front(world: World, tmp_path: Path) -> None:
    other = np.zeros((HEIGHT, WIDTH), bool)
    other[140:165, 60:190] = True  # across the legs
    photo = world.photo.copy()
    photo[other] = (0, 160, 0)
    own = world.outline & ~other
    world.add("front", photo, mask=_mask(own), others=json.dumps([masks.encode(other)]))
    world.add("thing", photo, mask=_mask(own), objects=json.dumps([masks.encode(other)]))
    row = world.run(tmp_path).record.row(0)
    plate = images.read_rgb(tmp_path / row["image"])
    front = images.read_mask(tmp_path / row["occluders"])
    np.testing.assert_array_equal(plate[other], photo[other])
    assert (front & world.outline).sum() > 0.9 * (other & world.outline).sum()
    assert not (front & ~other).any()
    beside = other & ~world.outline & (distance_to(world.outline) < 12)
    assert front[beside].mean() > 0.95, "wide clothes do not hang before what surely is in front"
    hole = images.read_mask(tmp_path / row["mask"])
    green = (plate[..., 1] > 120) & (plate[..., 0] < 60) & hole
    assert not green.any(), "no pixel of another person is copied"
    thing = world.run(tmp_path).record.row(1)
    front = images.read_mask(tmp_path / thing["occluders"])
    assert (front & world.outline).sum() > 0.9 * (other & world.outline).sum(), "objects stay in front, too"
    np.testing.assert_array_equal(images.read_rgb(tmp_path / thing["image"])[front], photo[front])


def test_keypoints_labelled_visible_are_never_covered(world: World, tmp_path: Path) -> None:
    thing = world.outline.copy()
    thing[:100] = False
    state = np.zeros(44, np.uint8)
    state[list(COCO_ROWS)] = VISIBLE
    own = _mask(world.outline & ~thing)
    world.add("seen", mask=own, objects=json.dumps([masks.encode(thing)]), state=state)
    row = world.run(tmp_path).record.row(0)
    front = images.read_mask(tmp_path / row["occluders"])
    for x, y in world.points[list(COCO_ROWS)]:
        assert not front[round(y), round(x)]


def test_without_masks_whoever_stands_lower_is_in_front(world: World, tmp_path: Path) -> None:
    band = np.zeros((HEIGHT, WIDTH), bool)
    band[130:150, 60:190] = True
    lower = band.copy()
    lower[130:HEIGHT, 170:190] = True
    photo = world.photo.copy()
    photo[lower] = (0, 160, 0)
    world.add("behind", photo, others=json.dumps([masks.encode(band)]))
    world.add("nearer", photo, others=json.dumps([masks.encode(lower)]))
    record = world.run(tmp_path, Config(segmenter="none", bars=BARS, refine=False)).record
    plates = [images.read_rgb(tmp_path / path) for path in record.image]
    across = band & world.outline
    assert (plates[0][across] != photo[across]).any(1).mean() > 0.9
    np.testing.assert_array_equal(plates[1][across], photo[across])
    assert record.occluders[0] == ""
    assert record.occluders[1] != ""


def test_held_object_leaves_with_the_person(world: World, tmp_path: Path) -> None:
    x, y = world.points[COCO_ROWS[9]]
    club = np.zeros((HEIGHT, WIDTH), bool)
    club[int(y) - 30 : int(y) + 4, int(x) - 2 : int(x) + 3] = True
    photo = world.photo.copy()
    photo[club] = (255, 255, 0)
    world.add("club", photo, mask=_mask(world.outline & ~club), objects=json.dumps([masks.encode(club)]))
    row = world.run(tmp_path).record.row(0)
    plate = images.read_rgb(tmp_path / row["image"]).astype(int)
    assert not ((plate[..., 0] > 220) & (plate[..., 2] < 60)).any()
    assert "1 held" in row["method"]
    assert row["occluders"] == ""


def test_plate_is_undistorted(world: World, tmp_path: Path) -> None:
    dist = np.array([-0.2, 0.05, 0.001, 0.0, 0.0])
    world.add("lens", dist=dist, K_known=True)
    row = world.run(tmp_path).record.row(0)
    plate = images.read_rgb(tmp_path / row["image"])
    hole = images.read_mask(tmp_path / row["mask"])
    np.testing.assert_array_equal(plate[~hole], undistort_image(world.photo, K, dist)[~hole])


def test_bad_photos_are_rejected_with_a_reason(world: World, tmp_path: Path) -> None:
    for key in ("truncated", "missing", "wrong size", "everywhere", "good"):
        world.add(key, mask=_mask(world.outline))
    truncated = Path(world.rows[0]["image"])
    truncated.write_bytes(truncated.read_bytes()[:2000])
    Path(world.rows[1]["image"]).unlink()
    images.write_image(world.rows[2]["image"], world.photo[:100])
    world.rows[3]["mask"] = _mask(np.ones((HEIGHT, WIDTH), bool))
    result = world.run(tmp_path / "out")
    assert result.outcome.status.tolist() == ["rejected"] * 4 + ["ok"]
    for reason, words in zip(result.outcome.reason, ("trunc", "read", "annotation says", "invented"), strict=False):
        assert words in reason.lower(), reason


def test_a_photo_that_is_cut_short_is_used_as_far_as_it_goes(world: World, tmp_path: Path) -> None:
    world.add("cut", photo=np.vstack([world.photo, world.photo[:60]]), mask=_mask(world.outline))
    path = Path(world.rows[0]["image"])
    data = path.read_bytes()
    share = 1.0
    while decodable(path).size[1] > HEIGHT + 10:
        path.write_bytes(data[: int(len(data) * (share := share - 0.01))])
    height = decodable(path).size[1]
    assert height >= HEIGHT
    world.rows[0] |= {
        "image_size": (WIDTH, height),
        "mask": _mask(np.pad(world.outline, ((0, height - HEIGHT), (0, 0)))),
    }
    result = world.run(tmp_path / "out")
    assert result.outcome.counts()["ok"] == 1, result.outcome.reason
    plate = images.read_rgb(tmp_path / "out" / result.record.row(0)["image"])
    assert plate.shape == (height, WIDTH, 3)
    assert not _magenta(plate).any()


def test_without_source_area_the_fallback_is_used_and_named(world: World, tmp_path: Path) -> None:
    other = ~world.outline
    other[:3, :3] = False
    world.add("crowd", mask=_mask(world.outline), others=json.dumps([masks.encode(other)]))
    row = world.run(tmp_path / "a").record.row(0)
    assert row["method"].startswith("opencv (only ")
    outcome = world.run(tmp_path / "b", Config(segmenter="none", bars=BARS, fallback="")).outcome
    assert outcome.status[0] == "rejected"


def test_config_is_checked() -> None:
    with pytest.raises(ConfigError, match="segmenter"):
        Config(segmenter="magic")
    with pytest.raises(ConfigError, match="dilate"):
        Config(dilate=3.0)


@pytest.mark.slow
def test_other_inpainters_make_plates_too(world: World, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")

    class Grey(torch.nn.Module):
        def forward(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return image * (1 - mask) + 0.5 * mask

    path = tmp_path / "grey.pt"
    torch.jit.script(Grey()).save(str(path))
    world.add("p", mask=_mask(world.outline))
    for name, file in (("lama", str(path)), ("opencv", "ns")):
        row = world.run(
            tmp_path / name, Config(segmenter="none", bars=BARS, inpainter=name, inpainter_path=file)
        ).record.row(0)
        plate = images.read_rgb(tmp_path / name / row["image"])
        hole = images.read_mask(tmp_path / name / row["mask"])
        assert row["method"].startswith(f"{name}; source mask")
        assert not _magenta(plate).any()
        np.testing.assert_array_equal(plate[~hole], world.photo[~hole])
        assert name != "lama" or (plate[hole] == 128).all()
    outcome = world.run(
        tmp_path / "none", Config(segmenter="none", bars=BARS, inpainter="lama", inpainter_path="x.pt")
    ).outcome
    assert outcome.status[0] == "failed"
    assert "inpainter_path" in outcome.reason[0]


@pytest.mark.samples
def test_real_coco_person(samples: Path, tmp_path: Path, body: Any) -> None:
    notes = json.loads((samples / "coco/annotations/person_keypoints_val2017.json").read_text())
    note = next(a for a in notes["annotations"] if a["id"] == 442619)
    rgb = images.read_rgb(samples / "coco/val2017/000000000785.jpg")
    h, w = rgb.shape[:2]
    rle = masks.from_segmentation(note["segmentation"], w, h)
    person = masks.decode(rle)
    zero = np.zeros((44, 3))
    row = {"key": "785", "image": str(samples / "coco/val2017/000000000785.jpg"), "image_size": np.array((w, h)),
           "K": K, "dist": np.zeros(5), "mask": masks.to_json(rle), "others": "[]", "objects": "[]",
           "keypoints": zero, "state": np.zeros(44, np.uint8)}  # fmt: skip
    fit = {"pose": np.zeros((24, 3)), "betas": np.zeros(10), "transl": np.array([0, 0, -9.0]), "K": K}
    context = Context(0, BodyConfig(), tmp_path, tmp_path / "background")
    plate = background.make_plate(Config(segmenter="none", bars=BARS), row, fit, context)
    out = images.read_rgb(tmp_path / plate["image"])
    grey, snow = out.astype(float).mean(-1), rgb.astype(float).mean(-1)
    assert grey[person].mean() > 0.9 * snow[~images.read_mask(tmp_path / plate["mask"])].mean()
    red = (out[..., 0].astype(int) - out[..., 2] > 80) & person
    assert red.mean() < 0.001
