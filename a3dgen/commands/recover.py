"""``a3dgen recover``: photos of people with limb loss to their own bodies."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy import ndarray

from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import ConfigError, DataError
from a3dgen.core.files import write_whole
from a3dgen.engine.recover import recover_people
from a3dgen.engine.recovered_dataset import write_dataset
from a3dgen.io.images import write_image
from a3dgen.recovery.person import Recovery
from a3dgen.report.recovered import overlay, recovered_page, write_page
from a3dgen.sources.photos.decode import load_photo
from a3dgen.sources.photos.files import PhotoFile, list_files
from a3dgen.sources.photos.videos import sampled_frames

log = logging.getLogger("a3dgen")
MAX_SIDE = 1600
"""Larger photos are scaled down, px."""
FRAMES_A_SECOND, FRAMES = 1.0, 60


def run(args: argparse.Namespace) -> int:
    """Recover everybody in the photos; write pictures, meshes, JSON, the page and the dataset."""
    out, failed = Path(args.out), 0
    found: list[tuple[str, ndarray, list[Recovery]]] = []
    rows: list[tuple[Recovery, dict[str, Any], ndarray]] = []
    for name, picture in pictures(Path(args.photos), out):
        if isinstance(picture, str):
            print(f"{name}: {picture}")
            failed += 1
            continue
        both = recover_people(picture, name, geometry=args.geometry)
        people = [recovery for recovery, _ in both]
        found.append((name, picture, people))
        for recovery, row in both:
            stem = recovery.key.replace("/", "_")
            write_image(out / "overlays" / f"{stem}.jpg", overlay(picture, recovery))
            if args.glb and recovery.amputee is not None:
                write_whole(out / f"{stem}.glb", recovery.glb())
            rows.append((recovery, row, picture))
        if not args.json:
            print(f"{name}: " + ("; ".join(_said(p) for p in people) or "nobody found"))
    if not found and not failed:
        raise ConfigError(f"{args.photos}: no photo or video in it")
    out.mkdir(parents=True, exist_ok=True)
    told = [p.plain() for _, _, people in found for p in people]
    write_whole(out / "recovered.json", json.dumps(told, indent=1).encode())
    write_page(out / "recovered.html", recovered_page(found, BodyConfig()))
    remark = write_dataset(out, rows)
    if args.json:
        print(json.dumps(told, indent=1))
    else:
        print(f"page: {out / 'recovered.html'}\n{remark}")
    return 1 if failed and not found else 0


def pictures(path: Path, out: Path) -> Iterator[tuple[str, ndarray | str]]:
    """Yield name and pixels of every photo and sampled video frame, or the reason why one cannot be read.

    Raises:
        ConfigError: if there is no such file or folder.
    """
    if path.is_file():
        files: Iterator[PhotoFile | tuple[str, str]] = (
            f for f in list_files(path.parent, out, False) if isinstance(f, PhotoFile) and f.path.name == path.name
        )
    elif path.is_dir():
        files = list_files(path, out, False)
    else:
        raise ConfigError(f"no photo or folder '{path}'")
    for file in files:
        if not isinstance(file, PhotoFile):
            yield file
        elif not file.same_as:
            try:
                if file.is_video:
                    for frame in sampled_frames(file.path, FRAMES_A_SECOND, FRAMES):
                        yield f"{file.stem}-f{frame.number:06d}", frame.rgb
                else:
                    photo = load_photo(file.path, MAX_SIDE, file.kind)
                    if photo.remark:
                        log.warning("%s: %s", file.name, photo.remark)
                    yield file.stem, photo.rgb
            except DataError as error:
                yield file.name, str(error)


def _said(person: Recovery) -> str:
    limbs = person.plain()["limbs"]
    parts = [f"{fact['clinical']} ({fact['probability']['absent']:.0%})" for fact in limbs if "clinical" in fact]
    parts += [f"{fact['limb']} cannot be told" for fact in limbs if fact["said"] == "unsure"]
    return f"{person.key.rpartition('/')[2]}: {', '.join(parts) or 'all limbs there'}" + (
        f" (no body: {person.reason})" if person.reason else ""
    )
