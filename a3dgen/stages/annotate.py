"""Write A3D_Dataset: images, masks, npz files, dataset.json and the datasheet, moved into place whole."""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from a3dgen.bodies import body_digest, load_body
from a3dgen.core.records import Plans
from a3dgen.core.stage import Context, Inputs
from a3dgen.formats.a3d import Convention, Samples, encode
from a3dgen.formats.datasheet import Tally, dataset_facts, datasheet
from a3dgen.formats.names import NameBook
from a3dgen.formats.npz_stream import NpzStream, link_or_copy
from a3dgen.formats.schema import annotation_path, image_root, is_h36m, keys_of
from a3dgen.stages.table import DATASET_FOLDER

VERSION = 2
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


def run(config: Config, context: Context, shards: Iterable[Inputs]) -> dict[str, Any]:
    """Write the dataset of all rendered samples.

    Returns:
        Facts for run.json: rows and files per subset, samples dropped and why.

    Raises:
        DataError: if two samples would have the same file name.
    """
    body = load_body(context.body)
    has_betas = body.smpl_betas if config.has_betas is None else config.has_betas
    convention = Convention(config.occluded == "keep", has_betas, config.strict)
    target, fresh = context.out / DATASET_FOLDER, context.out / f".{DATASET_FOLDER}.tmp"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    with ExitStack() as stack:
        writer = _Writer(context, fresh, convention, stack)
        for shard in shards:
            for samples in by_subset(shard):
                writer.add(samples)
        dropped = writer.finish()
    model = body.name, body_digest(context.body)
    facts = dataset_facts(context.seed, context.settings, convention, model, writer.tally)
    (fresh / "dataset.json").write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")
    (fresh / "README.md").write_text(datasheet(facts))
    _swap(fresh, target)
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
        yield Samples(
            subset,
            shard.persons.spread(person_rows[rows]),
            shard.bodies.spread(body_rows[rows]),
            plans.take(rows),
            shard.renders.take(rows),
        )


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
    waiting: dict[str, Samples] = field(default_factory=dict)
    names: NameBook = field(default_factory=NameBook)
    tally: Tally = field(default_factory=Tally)

    def add(self, samples: Samples) -> None:
        """Append samples of one subset; a lone first sample waits until a second one comes."""
        if samples.subset in self.waiting:
            self._write(self.waiting.pop(samples.subset))
        elif samples.subset not in self.streams and len(samples.plans) < MIN_ROWS:
            self.waiting[samples.subset] = samples
            return
        self._write(samples)

    def _write(self, samples: Samples) -> None:
        subset = samples.subset
        columns = encode(samples, self.convention)
        if subset not in self.streams:
            path = self.folder / annotation_path(subset)
            scratch = self.folder / ".rows" / subset.replace("/", "_")
            stream = NpzStream(path, keys_of(subset, self.convention.strict), scratch)
            self.streams[subset] = self.stack.enter_context(stream)
        self.streams[subset].append(columns)
        for name, key in zip(columns["imgname"], samples.plans.key, strict=True):
            self.names.take(f"{image_root(subset)}/{name}", str(key))
        self._link(samples)
        self.tally.add(samples)

    def _link(self, samples: Samples) -> None:
        """H36M keeps its subject as a folder below Images/; all other subsets are flat."""
        root = self.folder / image_root(samples.subset)
        below = samples.subset.split("/", 1)[1] if is_h36m(samples.subset) else ""
        for column, kind in ((samples.renders.image, "Images"), (samples.renders.mask, "Masks"),
                             (samples.renders.parts, "Masks")):  # fmt: skip
            for path in filter(None, column):
                link_or_copy(self.context.out / path, root / kind / below / Path(path).name)

    def finish(self) -> dict[str, str]:
        """Write the npz files; return dropped sample keys with the reason."""
        for stream in self.streams.values():
            stream.finish()
        shutil.rmtree(self.folder / ".rows", ignore_errors=True)
        reason = "the only sample of its npz file; readers of this format need at least two"
        dropped = {str(s.plans.key[0]): reason for s in self.waiting.values()}
        for key in dropped:
            log.warning("%s left out: %s", key, reason)
        return dropped


def _swap(fresh: Path, target: Path) -> None:
    """Move a finished dataset into place; the old one is only removed once the new one stands there."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    fresh.rename(target)
    shutil.rmtree(old, ignore_errors=True)
