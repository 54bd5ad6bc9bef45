"""Builds from a folder of photos: the configuration of ``custom``, people first, then the rest, and review.csv."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from a3dgen.config import BuildConfig, load_config, packaged_configs
from a3dgen.core.errors import ConfigError
from a3dgen.core.user_paths import user_path
from a3dgen.engine.ledger import Ledger, StageBook
from a3dgen.engine.review_table import count_proposed, write_review
from a3dgen.formats.names import safe_stem
from a3dgen.sources.photos.files import PHOTOS, VIDEOS, has_photos

SOURCE_OPTIONS = (
    "detector", "weights", "person_weights", "keypoints", "present_regions", "review", "name", "clouds",
)  # fmt: skip
PATH_OPTIONS = ("weights", "person_weights", "keypoints", "present_regions", "review", "clouds")
OPTION_NAMES = (*SOURCE_OPTIONS, "regions", "residual", "per_person", "erase", "consent", "devices", "clip")
CLIP = (
    "fit.temporal=on", "amputate.per_track=true", "background.clips=true", "render.clips=true",
    "sources.photos.video_fps=25",
)  # fmt: skip
"""Keys of ``--clip``."""
"""Options of ``a3dgen custom`` that stand for configuration keys."""
_AS_OPTION = {
    "sources.photos.detector": "--detector",
    "amputate: unknown": "--regions: unknown",
    "amputate: residual": "--residual",
    "amputate: per_person": "--per-person",
    "devices: devices.use": "--devices",
}
"""Beginning of a message -> the option that it is about."""


@dataclass(frozen=True)
class PhotoBuild:
    """What came of a folder of photos.

    Attributes:
        ledger: of the build, None if nobody was found. nobody: then, why.
        review: the table of everybody found. people: how many it lists. proposed: of how many it proposes that they
            lack a limb.
    """

    ledger: Ledger | None
    nobody: str = ""
    review: Path = Path()
    people: int = 0
    proposed: int = 0


def configure_photos(
    photos: str,
    options: Mapping[str, object],
    sets: Sequence[str] = (),
    out: str | None = None,
    workers: int | None = None,
) -> BuildConfig:
    """Return configs/custom.yaml with a folder and options put in.

    Args:
        photos: the folder; with the option ``clip`` also one video.
        options: by ``OPTION_NAMES``; None or empty = not given.
        sets: further keys, ``key=value``. out: build folder. workers: processes.

    Raises:
        ConfigError: if the folder is not there, or an option is wrong.
    """
    folder, clip = user_path(photos), bool(options.get("clip"))
    keys: list[str] = []
    if folder.is_file() and clip:
        keys = [f"sources.photos.only={folder.name}"]
        if not options.get("name"):
            keys.append(f"sources.photos.name={safe_stem(folder.stem)}")
        folder = folder.parent
    if folder.is_file():
        raise ConfigError(f"{photos}: a file; give the folder that holds the photos")
    if not folder.is_dir():
        raise ConfigError(f"{photos}: no such folder; give the folder that holds the photos")
    keys.append(f"sources.photos.root={folder.absolute()}")
    if clip:
        keys += CLIP
    for name in SOURCE_OPTIONS:
        value = str(options.get(name) or "")
        if value:
            keys.append(f"sources.photos.{name}={_absolute(value) if name in PATH_OPTIONS else value}")
    if options.get("clouds"):
        keys.append("fit.cloud=on")
    regions = [n.strip() for n in str(options.get("regions") or "").split(",") if n.strip()]
    if regions:
        keys.append(f"amputate.regions={regions[0] if len(regions) == 1 else '[' + ', '.join(regions) + ']'}")
    if options.get("residual"):
        keys.append(f"amputate.residual={options['residual']}")
    if options.get("per_person") is not None:
        keys.append(f"amputate.per_person={options['per_person']}")
    if options.get("erase"):
        keys.append("render.mode=erase")
    if options.get("consent"):
        keys.append("privacy.consent=true")
    if options.get("devices"):
        keys.append(f"devices.use={options['devices']}")
    try:
        return load_config("custom", [*keys, *sets], out=out, workers=workers)
    except ConfigError as error:
        raise ConfigError(_as_option(str(error))) from None


def build_photos(config: BuildConfig, photos: str, review: str, run: Callable[[BuildConfig], Ledger]) -> PhotoBuild:
    """Find people, build the rest if there are any, and write the review table.

    Args:
        config: of ``configure_photos``. photos: the folder as the user wrote it, for messages.
        review: the user's own table, or empty for review.csv in the build folder.
        run: builds, but stops if nobody is found (``Build.stop_if_nobody``), and returns the ledger.

    Raises:
        ConfigError: if the folder holds no photo.
    """
    if not has_photos(user_path(photos), config.out):
        raise ConfigError(
            f"{photos}: no photo or video in it ({', '.join((*PHOTOS, *VIDEOS))} are read); nothing was touched. Is "
            f"its drive mounted?"
        )
    ledger = run(config)
    found = ledger.stages["ingest"]
    if not found.rows["Persons"]:
        return PhotoBuild(None, f"no dataset made ({_most_frequent_reasons(found)})")
    table = user_path(review) if review else config.out / "review.csv"
    return PhotoBuild(ledger, "", table, write_review(config.out, table), count_proposed(table))


def _absolute(text: str) -> str:
    return str(user_path(text).absolute())


def _as_option(text: str) -> str:
    """Return a message about a configuration key in the words of the command line."""
    text = text.removeprefix(f"{packaged_configs()['custom']}: ").replace("sources.photos: sources.", "sources.")
    for start, option in _AS_OPTION.items():
        if text.startswith(start):
            return f"{option}{text.removeprefix(start)}"
    return text


def _most_frequent_reasons(book: StageBook) -> str:
    reasons = [(n, masked) for group in book.reasons.values() for masked, (n, _) in group.items()]
    return ", ".join(f"{n} x {why}" for n, why in sorted(reasons, reverse=True)[:3])
