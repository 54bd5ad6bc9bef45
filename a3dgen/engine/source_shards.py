"""The shards of ingest: written beside those of the last run, and put in their place once all sources are read."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from a3dgen.core.errors import NobodyThere
from a3dgen.core.files import TEMPORARY, append_names, move_over, remove, remove_temporary
from a3dgen.core.stage import Output
from a3dgen.engine.build_folder import remove_shards_from
from a3dgen.engine.disk_space import count_pixels
from a3dgen.engine.freshness import DONE
from a3dgen.engine.pictures import doubt
from a3dgen.engine.pieces_beside import ENDS, ends
from a3dgen.engine.subject_shapes import count_subjects
from a3dgen.engine.tasks import shard_path, summary
from a3dgen.io.file_list import list_path, times_of
from a3dgen.io.shards import sidecar_path, write_json, write_shard


class SourceShards:
    """Takes what is read of the sources; nothing of the last run is touched before ``commit``.

    Args:
        out: the build folder. stage: name of the ingesting stage. depends: what its result depends on.
        clips: whether frames of a recording are fitted together, so that shards must tell what goes on beside them.
    """

    def __init__(self, out: Path, stage: str, depends: Mapping[str, Any], clips: bool = False) -> None:
        self.out, self.stage, self.depends, self.clips = out, stage, dict(depends), clips
        self.fresh = out / stage / f".fresh{TEMPORARY}"
        self.count = self.people = 0
        remove_temporary(self.fresh)

    def write(self, outputs: Iterable[Output]) -> Iterator[dict[str, Any]]:
        """Write shards and yield the facts of each, with the ``seconds`` that it took.

        Raises:
            NobodyThere: if there is nobody.
        """
        start = time.perf_counter()
        for output in outputs:
            sidecar = {"stage": self.stage, "shard": self.count, "depends": self.depends, **summary(output.outcome)}
            sidecar["subjects"] = count_subjects(output.record)
            if self.clips:
                sidecar[ENDS] = ends(output.record)
            sidecar["pixels"] = count_pixels(output.record)
            records = {type(output.record).__name__: output.record, "Outcome": output.outcome}
            written = write_shard(self.fresh / f"{self.count:06d}.h5", records, sidecar)
            self.count += 1
            self.people += len(output.record)
            yield {**written, "seconds": time.perf_counter() - start}
            start = time.perf_counter()
        if not self.count:
            raise NobodyThere(
                "the sources hold no people that can be read (what was left out is said above): check "
                "sources.<name>.root and its filters; what was built is untouched"
            )

    def commit(self, stages: Iterable[str], shard_size: int) -> None:
        """Put the new shards in the place of the old ones; killed half way, all is read again."""
        folder = self.out / self.stage
        remove(folder / DONE)
        for number in range(self.count):
            new, path = self.fresh / f"{number:06d}.h5", shard_path(self.out, self.stage, number)
            doubt(path)
            names = [p.relative_to(self.out).as_posix() for p in (path, sidecar_path(path))]
            append_names(list_path(path), names)
            remove(sidecar_path(path))
            move_over(new, path)
            move_over(sidecar_path(new), sidecar_path(path))
            for name, changed in times_of(self.out, names).items():
                append_names(list_path(path), [name], changed)
        for stage in stages:
            remove_shards_from(self.out / stage, self.count)
        remove_temporary(self.fresh)
        write_json(folder / DONE, {"depends": self.depends, "shards": self.count, "shard_size": shard_size})

    def withdraw(self) -> None:
        """Leave the old shards in place; the sources are read again the next time."""
        remove_temporary(self.fresh)
        remove(self.out / self.stage / DONE)
