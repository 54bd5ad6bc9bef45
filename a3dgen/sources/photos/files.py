"""Which files of a photo folder are pictures, which are copies of another, and what each is called in the dataset."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from a3dgen.formats.names import safe_stem
from a3dgen.sources.photos.kinds import SUFFIXES, VIDEO, Kind, kind_of

PHOTOS = tuple(s for kind, suffixes in SUFFIXES.items() if kind != VIDEO for s in suffixes)
VIDEOS = SUFFIXES[VIDEO]
LOSSLESS = ("PNG", "TIFF", "BMP", "WebP")
READ_ALREADY = "a link to a folder that is read already"
SYSTEM_FILES = ("thumbs.db", "ehthumbs.db", "desktop.ini")
SYSTEM_FOLDERS = ("__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found")


@dataclass(frozen=True)
class PhotoFile:
    """One file.

    Attributes:
        path: where it is. name: its path below the folder, with forward slashes. sha: SHA-256 of its content.
        stem: its name in the dataset, safe and unique. same_as: name of the file it is a copy of, or empty.
        kind: what its bytes say it is, a key of ``kinds.SUFFIXES``.
    """

    path: Path
    name: str
    sha: str
    stem: str
    same_as: str = ""
    kind: str = "JPEG"

    @property
    def is_video(self) -> bool:
        return self.kind == VIDEO

    @property
    def path_is_text(self) -> bool:
        """Whether the path can be stored as text: file names may hold any bytes."""
        return str(self.path).isprintable()


def list_files(
    root: Path, without: Path | None, hash_names: bool, only: str = ""
) -> Iterator[PhotoFile | tuple[str, str]]:
    """Yield every picture and video below a folder in the order of their names; hidden files are passed over.

    Linked folders are followed, each folder once. What a file is, its bytes say (``kinds``).

    Args:
        root: the folder.
        without: a folder not to look into (the build, if it lies inside).
        hash_names: name pictures by their content instead of by their file names.
        only: name of the one file that is wanted, directly in the folder; nothing else is looked at.

    Yields:
        A file, or (name, reason) of one that cannot be read.
    """
    seen: dict[str, str] = {}
    stems: set[str] = set()
    files = [(root / only, "")] if only else _walk(root, without)
    for path, refusal in sorted(files, key=lambda found: found[0].relative_to(root).as_posix()):
        name = printable(path.relative_to(root).as_posix())
        try:
            kind = None if refusal else _kind(path)
            refusal = refusal or (kind.refusal if kind else "")
            if refusal:
                yield name, refusal
                continue
            if kind is None:
                continue
            with path.open("rb") as file:
                sha = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            yield name, f"the file cannot be read: {error.strerror}"
            continue
        same = seen.setdefault(sha, name)
        stem = "" if same != name else _stem(name, sha, hash_names, stems)
        yield PhotoFile(path, name, sha, stem, same if same != name else "", kind.name)


def has_photos(root: Path, without: Path | None) -> bool:
    """Whether there is any picture or video below a folder, readable or not."""
    return next(list_files(root, without, False), None) is not None


def no_pictures(root: Path, without: Path | None) -> dict[str, int]:
    """Count files that are neither pictures nor videos, by suffix, the most frequent first."""
    counts: Counter[str] = Counter()
    for path, refusal in _walk(root, without):
        try:
            if not refusal and path.is_file() and _kind(path) is None:
                counts[printable(path.suffix.lower()) or "without suffix"] += 1
        except OSError:
            continue  # ``list_files`` says so
    return dict(sorted(counts.items(), key=lambda c: (-c[1], c[0])))


def printable(name: str) -> str:
    """Return a file name with a question mark for every character that no table or message can hold."""
    return "".join(c if c.isprintable() else "?" for c in name)


def _kind(path: Path) -> Kind | None:
    """Return what a file is; None if it is nothing to be read or refused."""
    if path.name.endswith(".icloud"):
        return Kind("iCloud", "the picture is in iCloud and not on this machine: download it there first")
    known = path.suffix.lower() in PHOTOS + VIDEOS
    if not path.is_file():
        why = "a link whose target is not there" if path.is_symlink() else "not a regular file"
        return Kind("", why) if known else None
    if not path.stat().st_size:
        return Kind("", "the file is empty") if known else None
    return kind_of(path)


def _walk(root: Path, without: Path | None) -> Iterator[tuple[Path, str]]:
    """Yield (file, "") of all files, and (folder, reason) of folders that are not read.

    A folder's own place comes first, links to it after: a linked folder's files are called by the link only if the
    folder lies elsewhere.
    """
    seen = {_identity(root)}
    barred = without.resolve() if without is not None else None
    folders, links = [root], list[Path]()
    while folders or links:
        here = folders.pop() if folders else links.pop(0)
        if here.is_symlink() and here != root:
            why = _no_way(here, root, seen)
            if why:
                yield here, why
                continue
        try:
            inside = sorted(os.scandir(here), key=lambda entry: entry.name)
        except OSError as error:
            yield here, f"the folder cannot be read: {error.strerror}"
            continue
        for entry in inside:
            path = here / entry.name
            if not entry.is_dir():
                if _visible(entry.name):
                    yield path, ""
            elif not entry.name.startswith(".") and entry.name not in SYSTEM_FOLDERS and path.resolve() != barred:
                if entry.is_symlink():
                    links.append(path)
                elif _identity(path) in seen:
                    yield path, READ_ALREADY
                else:
                    seen.add(_identity(path))
                    folders.append(path)


def _no_way(link: Path, root: Path, seen: set[tuple[int, int]]) -> str:
    """Return why a linked folder is not followed; noted as seen and empty if it is."""
    try:
        identity = _identity(link)
    except OSError as error:
        return f"the linked folder cannot be read: {error.strerror}"
    if identity in seen:
        return READ_ALREADY
    if root.resolve().is_relative_to(link.resolve()):
        return "a link to a folder around this one is not followed"
    seen.add(identity)
    return ""


def _identity(folder: Path) -> tuple[int, int]:
    facts = folder.stat()
    return facts.st_dev, facts.st_ino


def _visible(name: str) -> bool:
    hidden = name.startswith(".") and not name.endswith(".icloud")
    return not hidden and name.lower() not in SYSTEM_FILES


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
