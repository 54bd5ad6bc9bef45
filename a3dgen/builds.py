"""Builds from Python, as the commands make them: ``a3dgen.build`` and ``a3dgen.custom``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from a3dgen.core.errors import ConfigError, DataError
from a3dgen.stages.table import DATASET_FOLDER, REPORT_FILE


@dataclass(frozen=True)
class BuildResult:
    """What a build left behind.

    Attributes:
        out: the build folder. dataset: its A3D_Dataset. report: its report page.
        counts: stage -> status (ok, rejected, failed) -> keys. No key vanishes: they add up to what was read.
        reasons: stage -> reason -> keys, of those that were rejected or failed.
    """

    out: Path
    dataset: Path
    report: Path
    counts: Mapping[str, Mapping[str, int]]
    reasons: Mapping[str, Mapping[str, int]]


def build(
    config: str = "demo", out: str | Path | None = None, *, workers: int | None = None, **overrides: Any
) -> BuildResult:
    """Build a dataset, or bring it up to date; what is finished is kept.

    Args:
        config: a packaged configuration (``demo``, ``coco``, ``mpii``, ``h36m``) or a YAML file.
        out: the build folder; by default ``build/<config>``.
        workers: processes; 0 = in this one, None = one a core. A script that asks for workers needs the usual
            ``if __name__ == "__main__":``, because they import it.
        overrides: configuration keys, as nested mappings: ``demo={"people": 4}, sources={"coco": {"root": "/data"}}``.

    Raises:
        ConfigError: for a wrong key or value, or a path that is not there.
        DataError: if an input file cannot be read.
    """
    from a3dgen.commands.build import run_build, showing
    from a3dgen.config import load_config

    settings = load_config(config, assignments(overrides), out=_text(out), workers=workers)
    if not settings.sources:
        raise ConfigError(f"{config}: no sources; set e.g. sources={{'coco': {{'root': '/data/coco'}}}}")
    with showing(quiet=True) as progress:
        return _result(run_build(settings, progress), settings.out)


def custom(
    photos: str | Path, out: str | Path | None = None, *, workers: int | None = None, **options: Any
) -> BuildResult:
    """Build a dataset from a folder of photos, and write ``review.csv``, which steers the next run.

    Args:
        photos: the folder; folders inside it are read too.
        out: the build folder; by default ``build/custom``.
        workers: as for ``build``.
        options: those of ``a3dgen custom``: ``regions="left_knee,right_hand"``, ``residual="0.3..0.6"``,
            ``per_person=4``, ``detector``, ``weights``, ``person_weights``, ``keypoints``, ``present_regions``,
            ``review``, ``name``, ``devices="clinical"``; any other name is a configuration key, as for ``build``.

    Raises:
        ConfigError: for a wrong option, or if the folder is not there.
        DataError: if nobody is found in the photos.
    """
    from a3dgen.commands.custom import run_photos
    from a3dgen.engine.photo_build import OPTION_NAMES, configure_photos

    given = {name: options.pop(name, None) for name in OPTION_NAMES}
    settings = configure_photos(str(photos), given, assignments(options), _text(out), workers)
    done = run_photos(settings, str(photos), given["review"], quiet=True)
    if done.ledger is None:
        raise DataError(f"nobody found in {photos}: {done.nobody}")
    return _result(done.ledger, settings.out)


def _text(path: str | Path | None) -> str | None:
    return None if path is None else str(path)


def _result(ledger: Any, out: Path) -> BuildResult:
    return BuildResult(
        out,
        out / DATASET_FOLDER,
        out / REPORT_FILE,
        {name: dict(book.counts) for name, book in ledger.stages.items()},
        {
            name: {masked: n for group in book.reasons.values() for masked, (n, _) in group.items()}
            for name, book in ledger.stages.items()
        },
    )


def assignments(overrides: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return nested configuration keys as ``a.b=value`` texts, values as YAML flow."""
    import yaml

    out: list[str] = []
    for name, value in overrides.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping):
            out += assignments(value, f"{key}.")
            continue
        plain = list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value
        text = yaml.safe_dump(plain, default_flow_style=True, width=10**9).removesuffix("\n").removesuffix("\n...")
        out.append(f"{key}={plain if isinstance(plain, str) else text}")
    return out
