"""Which files of a photo folder are pictures, which are copies of another, and what each is called in the dataset."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from a3dgen.formats.names import safe_stem

PHOTOS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".heic", ".heif")
VIDEOS = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm")
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*")
LOSSLESS = (".png", ".tif", ".tiff", ".bmp", ".webp")


@dataclass(frozen=True)
class PhotoFile:
    """One file.

    Attributes:
        path: where it is. name: its path below the folder, with forward slashes. sha: SHA-256 of its content.
        stem: its name in the dataset, safe and unique. same_as: name of the file it is a copy of, or empty.
    """

    path: Path
    name: str
    sha: str
    stem: str
    same_as: str = ""

    @property
    def is_video(self) -> bool:
        return self.path.suffix.lower() in VIDEOS

    @property
    def path_is_text(self) -> bool:
        """Whether the path can be stored as text: file names may hold any bytes."""
        return str(self.path).isprintable()


def list_files(root: Path, without: Path | None, hash_names: bool) -> Iterator[PhotoFile | tuple[str, str]]:
    """Yield every picture and video below a folder in the order of their names; hidden files are passed over.

    Args:
        root: the folder.
        without: a folder not to look into (the build, if it lies inside).
        hash_names: name pictures by their content instead of by their file names.

    Yields:
        A file, or (name, reason) of one that cannot be read.
    """
    seen: dict[str, str] = {}
    stems: set[str] = set()
    for path in sorted(_walk(root, without), key=lambda p: p.relative_to(root).as_posix()):
        name = printable(path.relative_to(root).as_posix())
        try:
            if not is_picture(path):
                continue
            if not path.stat().st_size:
                yield name, "the file is empty"
                continue
            with path.open("rb") as file:
                sha = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            yield name, f"the file cannot be read: {error.strerror}"
            continue
        same = seen.setdefault(sha, name)
        stem = "" if same != name else _stem(name, sha, hash_names, stems)
        yield PhotoFile(path, name, sha, stem, same if same != name else "")


def has_photos(root: Path, without: Path | None) -> bool:
    """Whether there is any picture or video below a folder, readable or not."""
    return any(is_picture(path) for path in _walk(root, without))


def printable(name: str) -> str:
    """Return a file name with a question mark for every character that no table or message can hold."""
    return "".join(c if c.isprintable() else "?" for c in name)


def _walk(root: Path, without: Path | None) -> Iterator[Path]:
    barred = without.resolve() if without is not None else None
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        folders[:] = [f for f in folders if not f.startswith(".") and (here / f).resolve() != barred]
        yield from (here / f for f in files if not f.startswith("."))


def is_picture(path: Path) -> bool:
    """Whether a file is to be read: by its suffix, or by its first bytes where the suffix says nothing."""
    suffix = path.suffix.lower()
    if suffix in PHOTOS or suffix in VIDEOS:
        return path.is_file()
    if suffix and len(suffix) <= 5 and not suffix[1:].isdigit():
        return False
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(8).startswith(_MAGIC)


def _stem(name: str, sha: str, hash_names: bool, taken: set[str]) -> str:
    """Return a file's name in the dataset; names that differ only in case or odd characters get a digest."""
    if hash_names:
        stem = f"p{sha[:12]}"
    else:
        base, dot, suffix = name.rpartition(".")
        stem = safe_stem((base if dot and "/" not in suffix else name).replace("/", "_"))
    if stem.lower() in taken:
        stem = f"{stem}-{sha[:8]}"
    taken.add(stem.lower())
    return stem
