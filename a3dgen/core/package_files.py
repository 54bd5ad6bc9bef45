"""Folders of data files that stand beside the package in a clone and inside it in an installed wheel."""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def data_folder(name: str) -> Path:
    """Return the folder ``configs`` or ``textures``.

    ``setup.cfg`` maps both into the package, so a wheel carries them as ``a3dgen/<name>``; an editable install and a
    clone on PYTHONPATH have them at the top level of the repository.

    Args:
        name: of the folder.

    Raises:
        FileNotFoundError: if neither place has it: the installation is incomplete.
    """
    package = Path(str(resources.files("a3dgen")))
    for folder in (package / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"a3dgen's folder '{name}' is neither in {package} nor beside it: install a3dgen again")
