"""What a file is, by its first bytes; its name decides only where they say nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HEAD = 512
"""Bytes that are looked at: MPEG transport streams repeat their mark every 188 or 192."""
VIDEO = "video"
SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "WebP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp", ".dib"),
    "HEIC": (".heic", ".heif", ".hif"),
    VIDEO: (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".3gp", ".3g2", ".mts", ".m2ts", ".m2t", ".mpg", ".mpeg",
            ".wmv", ".asf", ".flv", ".f4v", ".ogv", ".vob", ".mxf", ".qt"),
}  # fmt: skip
"""Kinds that are read -> the suffixes they usually have."""
RAW = (
    ".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".raf", ".orf", ".rw2", ".rwl", ".pef",
    ".srw", ".x3f", ".3fr", ".iiq", ".erf", ".kdc", ".mrw", ".dcr", ".mos", ".raw", ".gpr",
)  # fmt: skip
OTHERS = {
    "GIF": (".gif",),
    "AVIF": (".avif", ".avifs"),
    "JPEG XL": (".jxl",),
    "JPEG 2000": (".jp2", ".j2k", ".jpx", ".jpf", ".j2c"),
    "Photoshop": (".psd", ".psb"),
    "OpenEXR": (".exr",),
    "DICOM": (".dcm", ".dicom"),
    "PDF": (".pdf",),
    "EPS": (".eps", ".ai"),
    "SVG": (".svg",),
    "TGA": (".tga",),
    "PNM": (".ppm", ".pgm", ".pnm"),
    "ICO": (".ico",),
    "GIMP": (".xcf",),
}
"""Kinds of pictures that are not read -> their suffixes."""
ARCHIVES = (".zip", ".rar", ".7z", ".tar", ".tgz", ".gz", ".bz2", ".xz")
SMALL_COPIES = (".lrv", ".thm")
"""Small copies that cameras keep beside their videos."""
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1", b"heif")
_AUDIO_BRANDS = (b"M4A ", b"M4B ", b"M4P ")
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)


@dataclass(frozen=True)
class Kind:
    """A kind of file: its name, and why such a file is not read (empty if it is)."""

    name: str
    refusal: str = ""


def kind_of(path: Path) -> Kind | None:
    """Return what a file is, or None if it is no picture, video or archive.

    Raises:
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    suffix = path.suffix.lower()
    named = _by_suffix(suffix)
    if head.startswith(b"version https://git-lfs.github.com/spec/"):
        return named and Kind(named.name, "a Git LFS pointer in place of the file: run 'git lfs pull'")
    if suffix in SMALL_COPIES:
        return Kind("small copy", "a camera's small copy of a video beside it")
    found = _by_bytes(head)
    if found is None:
        return _damage(named, head) or named if named and not named.refusal else named
    if found == "TIFF" and suffix in RAW:
        return named
    if found in SUFFIXES:
        return Kind(found)
    return _unread(found, suffix if suffix in RAW else "")


def suffix_lies(path: Path, kind: str) -> bool:
    """Whether a file's suffix is that of another kind, or of none."""
    return path.suffix.lower() not in SUFFIXES[kind]


def _by_suffix(suffix: str) -> Kind | None:
    for name, suffixes in SUFFIXES.items():
        if suffix in suffixes:
            return Kind(name)
    if suffix in RAW:
        return _unread("raw", suffix)
    if suffix in ARCHIVES:
        return Kind("archive", "an archive is not opened: unpack it")
    return next((_unread(name) for name, suffixes in OTHERS.items() if suffix in suffixes), None)


def _unread(name: str, suffix: str = "") -> Kind:
    if name == "raw":
        return Kind(
            name, f"camera raw files{f' ({suffix[1:].upper()})' if suffix else ''} are not read: export JPEG or PNG"
        )
    return Kind(name, f"{name} files are not read: save it as JPEG or PNG")


def _damage(named: Kind, head: bytes) -> Kind | None:
    """Return what is so about a file that ought to be a picture, where its bytes tell that."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return Kind(named.name, "a web page was saved in place of the file: fetch it again")
    if len(head) >= 16 and not any(head):
        return Kind(named.name, "the file begins with zeros: a copy that was never finished")
    return None


def _by_bytes(head: bytes) -> str | None:
    """Return the kind that the first bytes tell; signatures as the formats' specifications give them."""
    for start, name in _STARTS:
        if head.startswith(start):
            return name
    if head[:4] == b"RIFF":
        return {b"WEBP": "WebP", b"AVI ": VIDEO}.get(head[8:12])
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    if head[128:132] == b"DICM":
        return "DICOM"
    for first, step in ((0, 188), (4, 192)):
        packets = [head[first + k * step : first + k * step + 4] for k in range(3)]
        if all(
            len(p) == 4 and p[0] == 0x47 and p[3] & 0x30 for p in packets
        ):  # ISO/IEC 13818-1: sync byte, some content
            return VIDEO
    return _by_box(head)


_STARTS = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\x1a\x45\xdf\xa3", VIDEO),  # Matroska, WebM
    (b"\0\0\x01\xba", VIDEO),  # MPEG programme stream
    (b"\0\0\x01\xb3", VIDEO),  # MPEG elementary stream
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", VIDEO),  # ASF, WMV
    (b"FLV\x01", VIDEO),
    (b"GIF8", "GIF"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"8BPS", "Photoshop"),
    (b"v/1\x01", "OpenEXR"),
    (b"FUJIFILMCCD-RAW", "raw"),
    (b"IIRO", "raw"),
    (b"IIU\0", "raw"),
    (b"FOVb", "raw"),
    (b"%PDF-", "PDF"),
    (b"%!PS", "EPS"),
)


def _by_box(head: bytes) -> str | None:
    """QuickTime, MP4, 3GP, HEIC, AVIF and Canon's raw files share one container (ISO/IEC 14496-12)."""
    box = head[4:8]
    if box in (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"):
        return VIDEO
    if box != b"ftyp":
        return None
    length = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[i : i + 4] for i in range(16, length - 3, 4))]
    if any(b in (b"avif", b"avis") for b in brands):
        return "AVIF"
    if brands[0] in _HEIC_BRANDS:
        return "HEIC"
    if brands[0] == b"crx ":
        return "raw"
    return None if brands[0] in _AUDIO_BRANDS else VIDEO
