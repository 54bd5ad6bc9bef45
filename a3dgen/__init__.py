"""a3dgen: synthetic amputee training data for human mesh recovery, with exact labels.

From files to a dataset:

    build(config, out, **overrides)     a dataset from COCO, MPII, Human3.6M or the demo, as `a3dgen build`
    custom(folder, out, ...)            a dataset from a folder of photos, as `a3dgen custom`
    validate(folder)                    check a dataset against every rule of the A3D format
    mocap.convert(MocapConfig(...))     joints of AMASS's sequences, amputee copies included, as `a3dgen mocap`
    A3DDataset(folder, subsets)         a torch Dataset of crops with labels (needs torch)

One person, as arrays:

    load_body(name)                     the open body `anny`, or your SMPL file
    fit(keypoints, image_size, K)       SMPL pose, betas and translation from 2D keypoints, as `Bodies`
    fit_sequence(keypoints, size, fps)  the same of one person in a video, steady over time
    Lifter.load()(pixels, conf, K)      joint rotations of one person in a video, by a small network
    amputate(body, fit, regions)        the posed, cut, closed mesh, as `Amputee`
    recover(image)                      which limbs people in a photo have, and the bodies they have, as `Recovery`
    render(body, amputee, K, size)      draw the dressed person: picture, depth, part labels, mask
    Region                              the 12 AJAHR regions; `REGION_NAMES` in their order

Units: metres, radians, pixels; the camera frame is OpenCV's (x right, y down, z forward); pixel (0, 0) is the centre of
the top-left pixel. Everything is imported on first use: `import a3dgen` itself takes milliseconds.

    >>> import a3dgen
    >>> a3dgen.REGION_NAMES[7]
    'left_knee'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

_PUBLIC = {
    "build": "a3dgen.builds",
    "custom": "a3dgen.builds",
    "fit": "a3dgen.api",
    "fit_sequence": "a3dgen.api",
    "Lifter": "a3dgen.learning.lifter",
    "amputate": "a3dgen.api",
    "render": "a3dgen.api",
    "recover": "a3dgen.api",
    "load_body": "a3dgen.api",
    "BuildResult": "a3dgen.builds",
    "Picture": "a3dgen.api",
    "validate": "a3dgen.formats.validation",
    "A3DDataset": "a3dgen.data",
    "mocap": "a3dgen.mocap",
    "Amputee": "a3dgen.amputation.rebuild",
    "Look": "a3dgen.appearance.look",
    "Region": "a3dgen.geometry.regions",
    "REGION_NAMES": "a3dgen.geometry.regions",
    "Persons": "a3dgen.core.records",
    "Bodies": "a3dgen.core.records",
    "Plans": "a3dgen.core.records",
    "Recovery": "a3dgen.recovery.person",
    "A3dgenError": "a3dgen.core.errors",
}
"""Name -> module that defines it, imported when the name is first used."""

__all__ = ["__version__", *_PUBLIC]

if TYPE_CHECKING:
    from a3dgen import mocap as mocap
    from a3dgen.amputation.rebuild import Amputee as Amputee
    from a3dgen.api import Picture as Picture
    from a3dgen.api import amputate as amputate
    from a3dgen.api import fit as fit
    from a3dgen.api import fit_sequence as fit_sequence
    from a3dgen.api import load_body as load_body
    from a3dgen.api import recover as recover
    from a3dgen.api import render as render
    from a3dgen.appearance.look import Look as Look
    from a3dgen.builds import BuildResult as BuildResult
    from a3dgen.builds import build as build
    from a3dgen.builds import custom as custom
    from a3dgen.core.errors import A3dgenError as A3dgenError
    from a3dgen.core.records import Bodies as Bodies
    from a3dgen.core.records import Persons as Persons
    from a3dgen.core.records import Plans as Plans
    from a3dgen.data import A3DDataset as A3DDataset
    from a3dgen.formats.validation import validate as validate
    from a3dgen.geometry.regions import REGION_NAMES as REGION_NAMES
    from a3dgen.geometry.regions import Region as Region
    from a3dgen.learning.lifter import Lifter as Lifter
    from a3dgen.recovery.person import Recovery as Recovery


def public(name: str) -> Any:
    """Import and return a public name; ``a3dgen.fit`` is also a package, which calls the function of that name."""
    return getattr(import_module(_PUBLIC[name]), name)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'a3dgen' has no attribute '{name}'")
    inner = {"fit": "a3dgen.fit", "mocap": "a3dgen.mocap"}.get(name)
    value = globals()[name] = import_module(inner) if inner else public(name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
