"""Local weights of networks: checked files and folders, never downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from a3dgen.core.errors import ConfigError

CONFIG_OPTION = "sources.photos.detector_config"
TRANSFORMERS_FOLDER = "a local folder of weights (config.json, *.safetensors)"


def local_path(option: str, path: str, kind: Literal["file", "folder"], wanted: str) -> Path:
    """Return the file or folder that the user named in ``option``.

    Args:
        wanted: what to give there, for the message.

    Raises:
        ConfigError: if it is not there.
    """
    found = Path(path).expanduser()
    if not path or not (found.is_dir() if kind == "folder" else found.is_file()):
        raise ConfigError(f"{option}: no {kind} '{path}'; give {wanted}")
    return found


def silence() -> None:
    """Keep the bars of the transformers library, which shows one for every file it loads, off the terminal."""
    from transformers.utils import logging

    logging.disable_progress_bar()
