"""Rules between npz files and pictures: every row has its file, every file its row, sizes and masks agree."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import numpy as np

from a3dgen.core.errors import DataError
from a3dgen.core.machine import cores
from a3dgen.core.records import OUTSIDE, VISIBLE
from a3dgen.formats.a3d import BOX_MARGIN
from a3dgen.formats.schema import image_root, is_h36m
from a3dgen.formats.validation.columns import Columns
from a3dgen.formats.validation.device_rules import check_device_mask
from a3dgen.formats.validation.findings import Findings
from a3dgen.geometry.camera import inside_image, near_mask
from a3dgen.io.images import open_picture
from a3dgen.io.regular import leaves

IMAGE_TYPES = {".jpg", ".jpeg", ".png"}
BOX_TOL_PX = 0.01
EXIF_ORIENTATION, EXIF_MAKER, EXIF_GPS = 0x0112, 0x927C, 0x8825


def check_files(c: Columns, root: Path, found: Findings) -> None:
    """Open every picture and mask of one npz; report files without a row."""
    images, masks = root / image_root(c.subset) / "Images", root / image_root(c.subset) / "Masks"
    has_masks = "mask" in c.extra and masks.is_dir()
    if not has_masks:
        found.skip("masks", f"{c.file}: no masks are named or stored")
    with ThreadPoolExecutor(cores()) as pool:  # decoding, nearly all of the work, runs outside Python
        inside = (root, images, masks if has_masks else None)
        jobs = [pool.submit(_check_sample, c, i, *inside) for i in range(len(c.names))]
        for job in jobs:
            found.items.extend(job.result().items)
    below = c.subset.split("/", 1)[1] if is_h36m(c.subset) else "."
    prefix = "" if below == "." else f"{below}/"
    rows = set(c.names)
    for path in sorted((images / below).glob("*")):
        if prefix + path.name not in rows:
            found.error("files", f"{c.subset}/Images/{path.name}", "no row names this file")
    if has_masks:
        known = {*map(str, c.extra["mask"]), *map(str, c.extra["parts"]), *map(str, c.extra.get("device_mask", ()))}
        for path in sorted((masks / below).glob("*")):
            if prefix + path.name not in known:
                found.error("files", f"{c.subset}/Masks/{path.name}", "no row names this file")


def _check_sample(c: Columns, i: int, root: Path, images: Path, masks: Path | None) -> Findings:
    """Check the picture and the mask of one row."""
    found, name = Findings(), c.names[i]
    if _escapes(name):
        return found  # the naming rule reports it
    size = _check_image(root, images / name, f"{c.subset}/Images/{name}", found)
    if size is not None:
        _check_inside(c, i, size, found)
        if masks is not None:
            _check_mask(c, i, root, masks, size, found)
    return found


def _escapes(name: str) -> bool:
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts or "\x00" in name or not name


def _check_image(root: Path, path: Path, shown: str, found: Findings) -> tuple[int, int] | None:
    """Decode a picture (JPEG at 1/8 scale, which still reads every byte) and return its size."""
    if not os.path.lexists(path):
        found.error("files", shown, "the image is missing")
        return None
    if leaves(root, path):
        return None  # reported with all links
    if path.suffix.lower() not in IMAGE_TYPES:
        found.error("files", shown, "is neither JPEG nor PNG")
        return None
    try:
        with open_picture(path, formats=("JPEG", "PNG")) as image:
            size = image.size
            mode = image.mode
            exif = image.getexif()
            image.draft("RGB", (max(1, size[0] // 8), max(1, size[1] // 8)))
            image.load()
    except DataError as error:
        found.error("decode", shown, _why(path, error))
        return None
    if mode != "RGB":
        found.error("decode", shown, f"is {mode}, wanted RGB")
    if EXIF_GPS in exif or EXIF_MAKER in exif or exif.get(EXIF_ORIENTATION, 1) != 1:
        found.error("metadata", shown, "carries EXIF orientation, GPS or maker data")
    return size


def _why(path: Path, error: DataError) -> str:
    return f"cannot be decoded ({str(error).removeprefix(f'{path}: ')[:100]})"


def _check_inside(c: Columns, i: int, size: tuple[int, int], found: Findings) -> None:
    conf, points = c.points_2d[i, :, 2] > 0, c.points_2d[i, :, :2]
    limit = np.array(size) - 0.5
    if (conf & ((points < -0.5) | (points > limit)).any(-1)).any():
        found.error("inside", c.file, f"{c.names[i]}: a visible keypoint lies outside the {size[0]}x{size[1]} image")
    if not ((c.center[i] > -0.5) & (c.center[i] < limit)).all():
        found.error("box", c.file, f"{c.names[i]}: the box centre lies outside the {size[0]}x{size[1]} image")
    if "keypoints_2d" in c.extra:
        _check_box(c, i, size, found)
        _check_outside(c, i, size, found)


def _check_box(c: Columns, i: int, size: tuple[int, int], found: Findings) -> None:
    """The box follows from the keypoints that are present and in the image."""
    points, there = c.extra["keypoints_2d"][i, :, :2], c.extra["keypoints_2d"][i, :, 2] > 0
    chosen = points[there & inside_image(points, *size)]
    if not len(chosen):
        found.error("box", c.file, f"{c.names[i]}: no present keypoint lies in the image")
        return
    low, high = chosen.min(0), chosen.max(0)
    side = BOX_MARGIN * (high - low).max()
    if abs(c.scale[i] - side) > BOX_TOL_PX or np.abs(c.center[i] - (low + high) / 2).max() > BOX_TOL_PX:
        found.error("box", c.file, f"{c.names[i]}: center and scale are not the box of the present keypoints")


def _check_outside(c: Columns, i: int, size: tuple[int, int], found: Findings) -> None:
    """A keypoint is 'outside' where, and only where, it lies outside the picture."""
    there = c.extra["keypoints_2d"][i, :, 2] > 0
    outside = ~inside_image(c.extra["keypoints_2d"][i, :, :2], *size)
    if ((c.extra["state"][i] == OUTSIDE) != outside)[there].any():
        found.error("state", c.file, f"{c.names[i]}: 'outside' keypoints are not those outside the image")


def _check_mask(c: Columns, i: int, root: Path, masks: Path, size: tuple[int, int], found: Findings) -> None:
    name = str(c.extra["mask"][i])
    shown = f"{c.subset}/Masks/{name}"
    if _escapes(name):
        found.error("files", c.file, f"row {i}: the mask '{name[:80]}' leaves the Masks folder")
        return
    if PurePosixPath(name).with_suffix("") != PurePosixPath(c.names[i]).with_suffix(""):
        found.error("files", shown, f"does not have the base name of {c.names[i]}")
    try:
        if not os.path.lexists(masks / name):
            found.error("files", shown, "the mask is missing")
            return
        if leaves(root, masks / name):
            return  # reported with all links
        with open_picture(masks / name, formats=("JPEG", "PNG")) as image:
            if image.size != size:
                found.error("masks", shown, f"is {image.size}, its image is {size}")
                return
            mask = np.asarray(image if image.mode == "L" else image.convert("L")) > 127
    except DataError as error:
        found.error("decode", shown, _why(masks / name, error))
        return
    if not mask.any():
        found.error("masks", shown, "is empty")
        return
    if "device_mask" in c.extra:
        check_device_mask(c, i, root, masks, mask, found)
    _check_points_on_mask(c, i, mask, shown, found)


def _check_points_on_mask(c: Columns, i: int, mask: np.ndarray, shown: str, found: Findings) -> None:
    """Visible keypoints lie on the person; the margin allows for clothes, hair and the mask's edge."""
    points = c.points_2d[i, c.extra["state"][i] == VISIBLE, :2]
    for x, y in np.rint(points[~near_mask(points, mask)]).astype(int):
        found.error("masks", shown, f"a visible keypoint at ({x}, {y}) lies off the mask")
        return


def check_links(root: Path, found: Findings) -> None:
    """Report links that lead out of the dataset (what they show is not in it, and may be anything) and odd files."""
    for folder, folders, files in os.walk(root):
        for name in sorted(folders + files):
            path = Path(folder) / name
            shown = path.relative_to(root).as_posix()
            if path.is_symlink() and leaves(root, path):
                found.error("links", shown, "is a link that leads out of the dataset; it is not followed")
            elif path.exists() and not (path.is_file() or path.is_dir()):
                found.error("links", shown, "is a pipe or device, not a file")


def check_stray(root: Path, subsets: list[str], found: Findings) -> None:
    """Report pictures and npz files that belong to no subset."""
    known = {image_root(s) for s in subsets}
    subjects = {s.split("/", 1)[1] for s in subsets if is_h36m(s)}
    for path in sorted(root.rglob("*")):
        if not path.is_file() or path.parent == root:
            continue
        relative = path.relative_to(root)
        parts = relative.parts
        owner = next((k for k in known if relative.as_posix().startswith(f"{k}/")), None)
        inside = parts[len(PurePosixPath(owner).parts) :] if owner else ()
        good = len(inside) >= 2 and inside[0] in ("Images", "Masks", "annotation")
        if owner == "H36M" and good and inside[0] != "annotation":
            good = inside[1] in subjects
        if good and inside[0] == "annotation" and (len(inside) != 2 or path.suffix != ".npz"):
            good = False
        if not good:
            found.error("files", relative.as_posix(), "belongs to no subset of this dataset")
