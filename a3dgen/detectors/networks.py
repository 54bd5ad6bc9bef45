"""MediaPipe's networks, taken once from its wheel into the cache folder and run by LiteRT.

The wheel of mediapipe 0.10.21 is the last that holds them. It need not be installed, and cannot be on Python 3.13: it
is fetched by pip as a file, whatever this Python, and only the four networks (Apache-2.0) are kept.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from numpy import ndarray

from a3dgen.core.errors import ConfigError, MissingDependency
from a3dgen.core.files import write_whole
from a3dgen.core.home import home

VERSION = "0.10.21"
# fmt: off
DIGESTS = {
    "pose_detection/pose_detection.tflite":
        "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    "pose_landmark/pose_landmark_full.tflite":
        "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    "face_detection/face_detection_full_range_sparse.tflite":
        "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",
    "face_detection/face_detection_short_range.tflite":
        "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
}
# fmt: on
"""Network -> SHA-256. Another release's networks would give other people."""
FETCH = (
    "download", "--quiet", "--no-deps", "--only-binary=:all:", "--python-version=312",
    "--platform=manylinux_2_28_x86_64", f"mediapipe=={VERSION}",
)  # fmt: skip
_MAX_BYTES = 16 << 20
"""The largest network has 6.5 MB; a crafted member may unpack to more than there is memory."""
log = logging.getLogger("a3dgen")


Network = Callable[[ndarray], list[ndarray]]
"""One input array to the arrays of all outputs, in the file's order."""


@cache
def network(name: str, inner: tuple[int, ...] = ()) -> Network:
    """Load a network, fetching all of them first if they are not there; one of each in a process.

    Args:
        name: key of ``DIGESTS``.
        inner: tensors within the network, by their index in the file, to be given after its outputs.

    Raises:
        MissingDependency: if LiteRT is missing, or the networks are and cannot be fetched.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise MissingDependency("ai-edge-litert", "the detector mediapipe") from error
    content = with_outputs((folder() / Path(name).name).read_bytes(), inner)
    with _without_information():
        interpreter = Interpreter(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
    (entry,) = interpreter.get_input_details()
    outputs = [detail["index"] for detail in interpreter.get_output_details()]

    def run(tensor: ndarray) -> list[ndarray]:
        interpreter.set_tensor(entry["index"], tensor)
        interpreter.invoke()
        return [interpreter.get_tensor(index) for index in outputs]

    return run


def with_outputs(content: bytes, inner: tuple[int, ...]) -> bytes:
    """Return a TFLite file of which some inner tensors are outputs too, after its own.

    The values of all outputs stay the same to the bit. Keeping every inner tensor, the interpreter's own way to read
    them, takes 80 MB and a fifth of the time. The table's layout: TensorFlow's ``schema.fbs`` (Model.subgraphs is
    field 2, SubGraph.outputs field 2); the longer list is put at the end, and its offset in the table mended.
    """
    if not inner:
        return content
    data = bytearray(content)
    (model,) = struct.unpack_from("<I", data, 0)
    graphs = _follow(data, _field(data, model, 2))
    place = _field(data, _follow(data, graphs + 4), 2)
    old = _follow(data, place)
    (count,) = struct.unpack_from("<I", data, old)
    outputs = [*struct.unpack_from(f"<{count}i", data, old + 4), *inner]
    data += bytes(-len(data) % 4)
    struct.pack_into("<I", data, place, len(data) - place)
    return bytes(data) + struct.pack(f"<I{len(outputs)}i", len(outputs), *outputs)


def _follow(data: bytearray, place: int) -> int:
    """Return where the FlatBuffers offset at a place leads."""
    return place + int(struct.unpack_from("<I", data, place)[0])


def _field(data: bytearray, table: int, number: int) -> int:
    """Return the place of a field of a FlatBuffers table, which must have it."""
    layout = table - int(struct.unpack_from("<i", data, table)[0])
    return table + int(struct.unpack_from("<H", data, layout + 4 + 2 * number)[0])


@contextmanager
def _without_information() -> Iterator[None]:
    """Leave out the lines ``INFO: ...`` that LiteRT writes to the standard error past Python; all others come later."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            said.seek(0)
            os.write(2, b"".join(line for line in said if not line.startswith(b"INFO: ")))


def available() -> bool:
    """Whether the networks can be used here and now, without fetching anything."""
    return importlib.util.find_spec("ai_edge_litert") is not None and (
        _complete(_place()) or _complete(_shared()) or any(_sources())
    )


def folder(wheel: Path | None = None) -> Path:
    """Return the folder of the networks, filled from an installed mediapipe or from its wheel if need be.

    Args:
        wheel: where to take them from, whatever else there is.

    Raises:
        MissingDependency: if they are nowhere and cannot be fetched.
        ConfigError: if ``wheel`` does not hold them.
    """
    place = _place()
    if wheel is not None:
        if not take(wheel, place):
            raise ConfigError(f"{wheel} does not hold the networks of mediapipe {VERSION}: {_command(wheel.parent)}")
        return place
    for ready in (place, _shared()):
        if _complete(ready):
            return ready
    for source in _sources():
        if take(source, place):
            return place
    fetch(place)
    return place


def fetch(place: Path) -> None:
    """Download mediapipe's wheel with pip and take the networks from it.

    Raises:
        MissingDependency: if there is no pip, no network or no such wheel.
    """
    log.info("fetching the networks of mediapipe %s (a wheel of 36 MB, once)", VERSION)
    with tempfile.TemporaryDirectory(prefix="a3dgen-wheel-") as scratch:
        pip = [sys.executable, "-m", "pip"] if importlib.util.find_spec("pip") else [shutil.which("pip") or ""]
        if not pip[0]:
            raise _missing("there is no pip", place)
        command = [*pip, *FETCH, "--dest", scratch]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        wheels = sorted(Path(scratch).glob("mediapipe-*.whl"))
        if done.returncode or not wheels:
            lines = [line for line in done.stderr.splitlines() if line.strip()] or ["pip failed"]
            said = [line for line in lines if line.startswith("ERROR")] or lines
            raise _missing(said[-1].removeprefix("ERROR: "), place)
        if not take(wheels[0], place):
            raise ConfigError(f"{wheels[0].name} does not hold the networks of mediapipe {VERSION}")


def take(source: Path, place: Path) -> bool:
    """Copy the networks from a folder ``mediapipe/modules`` or a wheel; False if it does not hold exactly these."""
    content = {}
    for name, digest in DIGESTS.items():
        try:
            if source.is_dir():
                data = (source / name).read_bytes()
            else:
                with zipfile.ZipFile(source) as archive, archive.open(f"mediapipe/modules/{name}") as member:
                    data = member.read(_MAX_BYTES)
        except (OSError, KeyError, zipfile.BadZipFile, zlib.error):
            return False
        if hashlib.sha256(data).hexdigest() != digest:
            return False
        content[Path(name).name] = data
    place.mkdir(parents=True, exist_ok=True)
    for file, data in content.items():
        write_whole(place / file, data)
    return True


def _place() -> Path:
    return home() / "networks" / f"mediapipe-{VERSION}"


def _shared() -> Path:
    """Return where networks for all users of an environment lie, as in a container's image."""
    return Path(sys.prefix) / "share" / "a3dgen" / "networks" / f"mediapipe-{VERSION}"


def _complete(place: Path) -> bool:
    return all((place / Path(name).name).is_file() for name in DIGESTS)


def _sources() -> Iterator[Path]:
    """Give the modules of an installed mediapipe, and wheels that somebody put into the cache folder."""
    spec = importlib.util.find_spec("mediapipe")
    if spec is not None and spec.origin and (Path(spec.origin).parent / "modules" / next(iter(DIGESTS))).is_file():
        yield Path(spec.origin).parent / "modules"
    yield from sorted((home() / "networks").glob(f"mediapipe-{VERSION}-*.whl"))


def _missing(why: str, place: Path) -> MissingDependency:
    return MissingDependency(
        f"mediapipe=={VERSION}",
        f"the detector mediapipe ({why})",
        f"where there is a network, run '{_command(place.parent)}' and copy the wheel to that folder here",
    )


def _command(to: Path) -> str:
    return " ".join(["pip", *FETCH, "--dest", str(to)])
