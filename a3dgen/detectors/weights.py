"""Networks are read from local files and folders: nothing is ever downloaded, and no weights file runs code.

PyTorch's and detectron2's weights are pickles. The packages that use them unpickle whatever they are given; so they are
given a copy made of what such a file may hold, tensors and plain values.
"""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal

import numpy as np

from a3dgen.core.errors import ConfigError, DataError
from a3dgen.core.user_paths import user_path
from a3dgen.io.unpickle import read_pickle

CONFIG_OPTION = "sources.photos.detector_config"
TRANSFORMERS_FOLDER = "a local folder of weights (config.json, *.safetensors)"
_DEPTH = 12
_KEPT = (str, bytes, int, float, bool, type(None))


def local_path(option: str, path: str, kind: Literal["file", "folder"], wanted: str) -> Path:
    """Return the file or folder that the user named in ``option``.

    Args:
        wanted: what to give there, for the message.

    Raises:
        ConfigError: if it is not there.
    """
    found = user_path(path)
    if not path or not (found.is_dir() if kind == "folder" else found.is_file()):
        raise ConfigError(f"{option}: no {kind} '{path}'; give {wanted}")
    return found


def silence() -> None:
    """Keep the bars of the transformers library, which shows one for every file it loads, off the terminal."""
    from transformers.utils import logging

    logging.disable_progress_bar()


@contextmanager
def harmless_copy(option: str, path: Path) -> Iterator[Path]:
    """Give a copy of a weights file that holds tensors, arrays and plain values only, for packages that unpickle it.

    Args:
        option: by which the user named the file. path: a .pkl, .pt or .pth file.

    Raises:
        ConfigError: if it asks for anything to be run, is damaged or no weights.
    """
    content = plain_weights(option, path)
    with tempfile.TemporaryDirectory(prefix="a3dgen-weights-") as folder:
        copy = Path(folder) / path.name
        if path.suffix.lower() == ".pkl":
            copy.write_bytes(pickle.dumps(content, protocol=4))
        else:
            import torch

            torch.save(content, copy)
        yield copy


def plain_weights(option: str, path: Path) -> dict[str, Any]:
    """Return what a weights file holds, without running anything in it; what is not plain data in it is left out.

    Raises:
        ConfigError: as ``harmless_copy``.
    """
    try:
        content = read_pickle(path) if path.suffix.lower() == ".pkl" else _tensors(path)
    except DataError as error:
        raise ConfigError(f"{option}: {error}") from None
    if not isinstance(content, Mapping):
        raise ConfigError(f"{option} {path}: holds a {type(content).__name__}, not a table of weights")
    return dict(_plain(content, 0))


class _Ignored:
    """Stands for everything in a checkpoint's notes that is no tensor (NumPy values, logs of the training)."""

    def __init__(self, *_args: Any, **_options: Any) -> None:
        """Take anything, keep nothing."""

    def __setstate__(self, _state: Any) -> None:
        """Take anything, keep nothing."""


_NAMES = (
    "numpy.ndarray", "numpy.dtype", "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "mmengine.logging.history_buffer.HistoryBuffer",
    "argparse.Namespace", "_codecs.encode",
)  # fmt: skip
"""What checkpoints of mmpose and detectron2 name besides tensors, in notes that nobody needs here."""


def _tensors(path: Path) -> Any:
    import torch

    allow = getattr(torch.serialization, "safe_globals", None)  # older releases refuse such a file
    with allow([(_Ignored, name) for name in _NAMES]) if allow else nullcontext():
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # pickle's, zip's and torch's own
            first = next((line for line in str(error).splitlines() if "nsupported" in line), str(error).split("\n")[0])
            raise DataError(
                f"{path}: cannot be read as tensors alone ({first.strip()[:160]}); nothing in it was run; "
                "save its state_dict anew with torch.save, or as safetensors"
            ) from None


def _plain(value: Any, depth: int) -> Any:
    """Return a value without what is ignored; a list that would lose an entry is left out as a whole (as None)."""
    if depth > _DEPTH:
        return None
    if isinstance(value, Mapping):
        return {k: _plain(v, depth + 1) for k, v in value.items() if isinstance(k, (str, int, float, tuple))}
    if isinstance(value, (list, tuple)):
        inner = [_plain(v, depth + 1) for v in value]
        lost = any(new is None and old is not None for new, old in zip(inner, value, strict=True))
        return None if lost else type(value)(inner) if type(value) in (list, tuple) else inner
    if isinstance(value, (*_KEPT, np.ndarray, np.generic)):
        return value
    return value if type(value).__module__ == "torch" else None
