"""What stages and engine share: context, inputs and outputs of a stage, and one outcome for every key."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from a3dgen.core import interrupts
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.columns import Record
from a3dgen.core.errors import A3dgenError, Rejected
from a3dgen.core.records import FAILED, OK, REJECTED, Bodies, Outcome, Persons, Plans, Plates, Renders, Shapes
from a3dgen.core.worker_memory import release_holes

log = logging.getLogger("a3dgen")


@dataclass(frozen=True)
class Context:
    """What every stage may know besides its config.

    Attributes:
        seed: the build's seed.
        body: which body model; workers load it lazily through ``a3dgen.bodies.load_body`` (cached per process).
        out: the build folder; every path in a record is relative to it, except Persons.image.
        folder: this stage's own folder below it, for the files it writes.
        settings: what of the configuration decides the content of the dataset, as plain JSON (no output folder, no
            worker count, no shard size); ``annotate`` records it in dataset.json.
    """

    seed: int
    body: BodyConfig
    out: Path
    folder: Path
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Inputs:
    """The records of one shard, as far as earlier stages have produced them, and their outcomes by stage.

    For ``fit`` also the shapes of all subjects, and who is in the pieces of recordings that go on in the shards beside;
    for gathering stages also path -> SHA-256 of the pictures.
    """

    persons: Persons
    bodies: Bodies | None = None
    plans: Plans | None = None
    plates: Plates | None = None
    renders: Renders | None = None
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    shapes: Shapes | None = None
    beside: Persons | None = None
    pictures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Output:
    """What a shard stage returns: its record, and one Outcome row for every input key."""

    record: Record
    outcome: Outcome


def each(
    keys: Iterable[str],
    work: Callable[[str], list[dict[str, Any]] | dict[str, Any]],
    record: type[Record],
    **letters: int,
) -> Output:
    """Run ``work`` for every key and collect rows and outcomes.

    Args:
        keys: the stage's input keys.
        work: returns one row, or a list of rows, of ``record``; a row may hold ``"_remark"`` for the Outcome.
            ``Rejected`` marks the key rejected; any other exception is retried once, then marks it failed.
        record: the record class the rows belong to.
        letters: lettered dimensions, needed if there are no rows (``B=10``).
    """
    rows: list[dict[str, Any]] = []
    outcome: list[dict[str, Any]] = []
    for key in interrupts.checked(keys):
        try:
            found, status, reason = _twice(work, key), OK, ""
            found = found if isinstance(found, list) else [found]
            reason = "; ".join(r.pop("_remark") for r in found if r.get("_remark"))
            for r in found:
                r.pop("_remark", None)
            rows.extend(found)
        except Rejected as error:
            status, reason = REJECTED, str(error)
        except A3dgenError as error:
            status, reason = FAILED, str(error)
        except (KeyboardInterrupt, MemoryError):
            raise
        except OSError as error:
            if _fatal(error):
                raise
            status, reason = FAILED, f"{type(error).__name__}: {error}"
        except Exception as error:
            log.debug("'%s' failed", key, exc_info=True)
            status, reason = FAILED, f"{type(error).__name__}: {error}"
        outcome.append({"key": key, "status": status, "reason": reason})
        release_holes()
    return Output(record.from_rows(rows, **letters), Outcome.from_rows(outcome))


def _twice(work: Callable[[str], Any], key: str) -> Any:
    try:
        return work(key)
    except (Rejected, A3dgenError, OSError, KeyboardInterrupt, MemoryError):
        raise
    except Exception:
        log.debug("'%s' failed, trying once more", key, exc_info=True)
        return work(key)


def _fatal(error: OSError) -> bool:
    """A full or read-only disk stops the build; a single unreadable file does not."""
    import errno

    return error.errno in (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO)
