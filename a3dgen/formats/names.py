"""Names of samples, and the AJAHR label that readers find in them."""

from __future__ import annotations

import hashlib
import re

from jaxtyping import Bool
from numpy import ndarray

from a3dgen.core.errors import DataError
from a3dgen.geometry.regions import INTACT, NUM_REGIONS, label

_LABEL = re.compile(r"amp_(\d+)")
"""What the readers of this family search for, anywhere in the name."""
_SAMPLE = re.compile(r"(?:amp_(\d+)|full)_.+_v(\d+)\.[^./]+")
_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")
MAX_STEM = 100


def safe_stem(stem: str) -> str:
    """Return a source's file stem as it may stand in a sample name.

    Characters that some file system or shell takes amiss become ``_``; ``amp_<digits>``, which readers would take for
    a label, loses its underscore (``stamp_10`` becomes ``stamp-10``); a very long stem ends in a digest of the rest.
    """
    safe = _UNSAFE.sub("_", stem).strip("_") or "photo"
    if len(safe) > MAX_STEM:
        digest = hashlib.blake2b(stem.encode("utf-8", "replace"), digest_size=4).hexdigest()
        safe = f"{safe[: MAX_STEM - 9]}-{digest}"
    return _LABEL.sub(r"amp-\1", safe)


def sample_name(removed: Bool[ndarray, "12"], stem: str, person_id: str, variant: int, ext: str) -> str:
    """Return ``(amp_<k>|full)_<stem>[_<person id>]_v<n>.<ext>``.

    Args:
        removed: the removed AJAHR regions; the first names the sample, none makes it ``full``.
        stem: file stem of the source photo (H36M: without the subject).
        person_id: the person within the photo; may be empty.
        variant: counts the person's samples.
        ext: file suffix, with or without its dot.
    """
    region = label(removed)
    start = "full" if region == INTACT else f"amp_{region}"
    middle = safe_stem(stem) + (f"_{_UNSAFE.sub('_', person_id)}" if person_id else "")
    # again over both: the person may complete the pattern ("ramp" + "_7")
    middle = _LABEL.sub(r"amp-\1", middle)
    return f"{start}_{middle}_v{variant}.{ext.lstrip('.')}"


def parse_label(name: str) -> int:
    """Return the AJAHR label 0..12 in a sample's name (folders before it are ignored).

    Raises:
        DataError: if the name is none that ``sample_name`` makes, or holds a second label.
    """
    base = name.replace("\\", "/").rpartition("/")[2]
    match, found = _SAMPLE.fullmatch(base), _LABEL.findall(name)
    if match is None or len(found) > 1 or found != [g for g in match.groups()[:1] if g is not None]:
        raise DataError(f"'{name}' is not the name of a sample: wanted amp_<0..11>_..._v<n> or full_..._v<n>")
    region = int(match[1]) if match[1] is not None else INTACT
    if match[1] is not None and region >= NUM_REGIONS:
        raise DataError(f"'{name}' is labelled {region}; removed regions are 0..{NUM_REGIONS - 1}")
    return region


class NameBook:
    """All names of one dataset, each given once. Holds eight bytes a name, as a dataset may have millions."""

    def __init__(self) -> None:
        self._taken: set[int] = set()

    def take(self, path: str, key: str) -> str:
        """Register the path of a sample and return it.

        Args:
            path: subset folder and name; compared without regard to case, as some file systems do.
            key: the sample's key, for the message.

        Raises:
            DataError: if a sample has it.
        """
        digest = hashlib.blake2b(path.lower().encode("utf-8", "replace"), digest_size=8).digest()
        number = int.from_bytes(digest, "little")
        if number in self._taken:
            raise DataError(
                f"'{key}' and another sample would both be called '{path}'; rename one source photo, or give the "
                f"sources different subsets"
            )
        self._taken.add(number)
        return path
