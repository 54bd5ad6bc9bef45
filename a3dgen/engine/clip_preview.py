"""Films of finished clips: the samples of every track in the order of time, as mp4."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from a3dgen.core.errors import DataError
from a3dgen.formats.dataset_rows import Row, rows
from a3dgen.formats.names import safe_stem
from a3dgen.geometry.regions import INTACT, label
from a3dgen.io.images import read_rgb

FOLDER = "clips"
"""Below the build folder."""
MOST_FPS = 60.0


def write_clips(out: Path) -> list[Path]:
    """Write ``<out>/clips/<track>_<amp_k|full>_v<n>.mp4`` of every track of at least two samples; return the paths.

    A frame of which there is no sample shows the one before it.

    Raises:
        DataError: if OpenCV cannot write mp4 here.
    """
    films: dict[str, list[tuple[float, Row]]] = {}
    for row in rows(out):
        if "track_id" in row.columns.extra and (track := str(row.extra("track_id"))):
            index = label(row.removed)
            name = f"{track}_{'full' if index == INTACT else f'amp_{index}'}_{Path(row.name).stem.rsplit('_', 1)[-1]}"
            films.setdefault(safe_stem(name.replace("/", "_")), []).append((float(row.extra("seconds")), row))
    made = []
    for name, frames in sorted(films.items()):
        if len(frames) > 1:
            path = out / FOLDER / f"{name}.mp4"
            _film(path, sorted(frames, key=lambda f: f[0]))
            made.append(path)
    return made


def _film(path: Path, frames: list[tuple[float, Row]]) -> None:
    times = np.array([seconds for seconds, _ in frames])
    step = max(float(np.median(np.diff(times))), 1 / MOST_FPS)
    first = read_rgb(frames[0][1].image)
    height, width = (side - side % 2 for side in first.shape[:2])
    path.parent.mkdir(parents=True, exist_ok=True)
    film = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 1 / step, (width, height))
    if not film.isOpened():
        raise DataError(f"{path}: this OpenCV cannot write mp4; the frames are in the dataset")
    try:
        for n, (seconds, row) in enumerate(frames):
            rgb = read_rgb(row.image)[:height, :width]
            until = times[n + 1] if n + 1 < len(frames) else seconds + step
            for _ in range(max(1, round((until - seconds) / step))):
                film.write(np.ascontiguousarray(rgb[..., ::-1]))
    finally:
        film.release()
