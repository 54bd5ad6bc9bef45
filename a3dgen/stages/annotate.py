"""Write A3D_Dataset: images, masks, npz files, dataset.json and the datasheet, moved into place whole."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from a3dgen.bodies import body_digest, load_body
from a3dgen.core.files import TEMPORARY, remove_temporary
from a3dgen.core.records import Plans, Renders
from a3dgen.core.stage import Context, Inputs
from a3dgen.erasure.config import ERASE, OVERLAY
from a3dgen.formats.a3d import Convention, Samples, encode
from a3dgen.formats.datasheet import Tally, dataset_facts, datasheet
from a3dgen.formats.names import NameBook
from a3dgen.formats.npz_stream import NpzStream, link_or_copy
from a3dgen.formats.schema import annotation_path, image_root, is_h36m, keys_of
from a3dgen.io.dataset_folder import DATASET_LIST, manifest_line, publish, write_manifest
from a3dgen.io.file_list import sha256_of
from a3dgen.stages.table import DATASET_FOLDER

VERSION = 4
MIN_ROWS = 2
"""A reader of this family fails on an npz of one row."""

log = logging.getLogger("a3dgen")


@dataclass(frozen=True)
class Config:
    """How the dataset is written.

    Attributes:
        occluded: ``mask`` writes occluded keypoints as (0, 0, 0), as the paper does; ``keep`` keeps their place.
        strict: leave the ``a3dgen_`` extension keys out.
        has_betas: value of the key ``has_betas``; by default 1 only for SMPL's own betas.
    """

    occluded: str = "mask"
    strict: bool = False
    has_betas: bool | None = None


def run(config: Config, context: Context, shards: Iterable[Inputs], listed: Path = DATASET_LIST) -> dict[str, Any]:
    """Write the dataset of all rendered samples.

    Args:
        config, context, shards: as of every gathering stage.
        listed: below the build folder, where the list of the dataset's files is kept.

    Returns:
        Facts for run.json: rows and files per subset, samples dropped and why.

    Raises:
        DataError: if two samples would have the same file name.
    """
    body = load_body(context.body)
    has_betas = body.smpl_betas if config.has_betas is None else config.has_betas
    devices = "devices" in context.settings.get("amputate", {})
    tracks = context.settings.get("fit", {}).get("temporal") == "on"
    modes = _modes(context.settings)
    convention = Convention(config.occluded == "keep", has_betas, config.strict, modes, devices, tracks)
    target, fresh = context.out / DATASET_FOLDER, context.out / f".{DATASET_FOLDER}{TEMPORARY}"
    remove_temporary(fresh)
    fresh.mkdir(parents=True)
    with ExitStack() as stack:
        writer = _Writer(context, fresh, convention, stack)
        for shard in shards:
            for samples in by_subset(shard):
                writer.add(samples, shard.pictures)
        dropped = writer.finish()
    model = body.name, body_digest(context.body)
    facts = dataset_facts(context.seed, context.settings, convention, model, writer.tally)
    (fresh / "dataset.json").write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")
    (fresh / "README.md").write_text(datasheet(facts))
    annotations = sorted(annotation_path(subset) for subset in writer.streams)
    write_manifest(fresh, writer.sums(), [*annotations, "dataset.json", "README.md"])
    writer.clear()
    publish(fresh, target, context.out / listed)
    return {"rows": dict(sorted(writer.tally.rows.items())), "dropped": dropped, "dataset": DATASET_FOLDER}


def by_subset(shard: Inputs) -> Iterator[Samples]:
    """Join the records of one shard by key and split the rendered samples by subset, in order."""
    if shard.renders is None or not len(shard.renders):
        return
    plans_at, persons_at, bodies_at = shard.plans.index(), shard.persons.index(), shard.bodies.index()
    plans = shard.plans.take([plans_at[k] for k in shard.renders.key])
    person_rows = np.array([persons_at[k] for k in plans.parent])
    body_rows = np.array([bodies_at[k] for k in plans.parent])
    plans = _without_absent_twins(plans, set(shard.renders.key))
    subsets = shard.persons.subset[person_rows]
    for subset in dict.fromkeys(subsets):
        rows = np.flatnonzero(subsets == subset)
        chosen, renders = plans.take(rows), shard.renders.take(rows)
        bodies = _registered(shard.bodies.spread(body_rows[rows]), renders)
        moved = chosen.reposed.any(1)
        bodies.pose = np.where(moved[:, None, None], chosen.pose, bodies.pose)
        bodies.transl = np.where(moved[:, None], chosen.transl, bodies.transl)
        yield Samples(subset, shard.persons.spread(person_rows[rows]), bodies, chosen, renders)


def _modes(settings: Mapping[str, Any]) -> bool:
    """Return whether some people of this build may be those of the photo."""
    render = settings.get("render", {})
    return any(m != OVERLAY for m in (render.get("mode", OVERLAY), *render.get("modes", {}).values()))


def _registered(bodies: SimpleNamespace, renders: Renders) -> SimpleNamespace:
    """Return the bodies with pose and place that a photo's person was registered by, where they are the photo's."""
    kept = renders.mode == ERASE
    if kept.any():
        bodies.pose = np.where(kept[:, None, None], renders.registered_pose, bodies.pose)
        moved = kept & np.isfinite(renders.registered_transl).all(1)
        bodies.transl = np.where(moved[:, None], renders.registered_transl, bodies.transl)
    return bodies


def _without_absent_twins(plans: Plans, rendered: set[str]) -> Plans:
    twin = np.array([t if t in rendered else "" for t in plans.twin], object)
    return dataclasses.replace(plans, twin=twin)


@dataclass
class _Writer:
    """Appends samples to one npz a subset and links their files into the new dataset folder."""

    context: Context
    folder: Path
    convention: Convention
    stack: ExitStack
    streams: dict[str, NpzStream] = field(default_factory=dict)
    waiting: dict[str, tuple[Samples, Mapping[str, str]]] = field(default_factory=dict)
    names: NameBook = field(default_factory=NameBook)
    tally: Tally = field(default_factory=Tally)

    def add(self, samples: Samples, digests: Mapping[str, str]) -> None:
        """Append samples of one subset, and SHA-256 by picture; a lone first sample waits until a second one comes."""
        if samples.subset in self.waiting:
            self._write(*self.waiting.pop(samples.subset))
        elif samples.subset not in self.streams and len(samples.plans) < MIN_ROWS:
            self.waiting[samples.subset] = samples, digests
            return
        self._write(samples, digests)

    def _write(self, samples: Samples, digests: Mapping[str, str]) -> None:
        subset = samples.subset
        columns = encode(samples, self.convention)
        if subset not in self.streams:
            path = self.folder / annotation_path(subset)
            scratch = self._scratch / subset.replace("/", "_")
            convention = self.convention
            keys = keys_of(subset, convention.strict, convention.modes, convention.devices, convention.tracks)
            stream = NpzStream(path, keys, scratch)
            self.streams[subset] = self.stack.enter_context(stream)
        self.streams[subset].append(columns)
        for name, key in zip(columns["imgname"], samples.plans.key, strict=True):
            self.names.take(f"{image_root(subset)}/{name}", str(key))
        self._link(samples, digests)
        self.tally.add(samples)

    @property
    def _scratch(self) -> Path:
        return self.folder / f".rows{TEMPORARY}"

    def _link(self, samples: Samples, digests: Mapping[str, str]) -> None:
        """H36M keeps its subject as a folder below Images/; all other subsets are flat."""
        root = self.folder / image_root(samples.subset)
        below = samples.subset.split("/", 1)[1] if is_h36m(samples.subset) else ""
        renders, lines = samples.renders, []
        for paths in zip(renders.image, renders.mask, renders.parts, renders.device_mask, strict=True):
            for path, kind in zip(paths, ("Images", "Masks", "Masks", "Masks"), strict=True):
                if path:
                    target = root / kind / below / Path(path).name
                    link_or_copy(self.context.out / path, target)
                    sha256 = digests.get(path) or sha256_of(target)
                    lines.append(manifest_line(sha256, target.relative_to(self.folder).as_posix()))
        with open(self._sums(samples.subset), "a", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            file.writelines(lines)

    def _sums(self, subset: str) -> Path:
        return self._scratch / f"{subset.replace('/', '_')}.sums"

    def sums(self) -> list[Path]:
        """Return the files of manifest lines, one a subset."""
        return [self._sums(subset) for subset in sorted(self.streams)]

    def clear(self) -> None:
        """Delete what was only needed while writing."""
        remove_temporary(self._scratch)

    def finish(self) -> dict[str, str]:
        """Write the npz files; return dropped sample keys with the reason."""
        for stream in self.streams.values():
            stream.finish()
        reason = "the only sample of its npz file; readers of this format need at least two"
        dropped = {str(samples.plans.key[0]): reason for samples, _ in self.waiting.values()}
        for key in dropped:
            log.warning("%s left out: %s", key, reason)
        return dropped
