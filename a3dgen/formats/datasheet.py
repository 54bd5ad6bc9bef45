"""dataset.json (every convention a reader cannot guess) and the datasheet README made from it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import numpy as np

import a3dgen
from a3dgen.appearance.look import garments_from_json
from a3dgen.core.records import SCHEMA_VERSION, STATE_NAMES
from a3dgen.formats.a3d import BOX_MARGIN, Convention, Samples
from a3dgen.geometry.regions import REGION_NAMES
from a3dgen.io.dataset_folder import MANIFEST

INTACT_NAME = "intact"
_GEOMETRY = {
    "residual": "residual: a limb ends in a closed, rounded residual limb whose tip lies where a3dgen_residual says",
    "collapse": "collapse: everything below the removed joint is one point, as in A3D; there is no stump, girth is 0",
}
_DEVICES = {
    "devices": "drawn as geometry; nothing suggests that a device is prescribed to, or fits, the person shown",
    "prosthesis": "a worn prosthesis never un-amputates: region, state 3, zeroed pose and file name stay as without it",
    "device_mask": "instance ids of a3dgen_devices; the person mask is body and cloth without devices",
    "reposed": "joints that turn otherwise than in the fit; a3dgen_fit_px and a3dgen_fit_sigma_m stay the fit's",
}


@dataclass
class Tally:
    """Counts over all written samples."""

    rows: Counter[str] = field(default_factory=Counter)
    regions: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    skin: Counter[str] = field(default_factory=Counter)
    garments: Counter[str] = field(default_factory=Counter)
    licenses: Counter[str] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    devices: Counter[str] = field(default_factory=Counter)
    people: Counter[str] = field(default_factory=Counter)
    inputs: dict[str, Any] = field(default_factory=lambda: defaultdict(lambda: hashlib.blake2b(digest_size=16)))

    def add(self, samples: Samples) -> None:
        """Count the samples of one block."""
        plans, n = samples.plans, len(samples.plans)
        self.rows[samples.subset] += n
        self.people[samples.subset] += len(set(plans.parent))
        self._digest(samples)
        for name, count in zip(REGION_NAMES, plans.removed.sum(0), strict=True):
            self.regions[name] += int(count)
        self.regions[INTACT_NAME] += int((~plans.removed.any(1)).sum())
        for state, count in enumerate(np.bincount(samples.renders.state.ravel(), minlength=len(STATE_NAMES))):
            self.states[STATE_NAMES[state]] += int(count)
        self.skin.update(str(s) for s in plans.skin)
        self.garments.update(g.kind for row in plans.garments for g in garments_from_json(row))
        self.modes.update(str(m) for m in samples.renders.mode)
        self.devices.update(f["type"] for row in samples.renders.devices for f in json.loads(row))
        self.licenses.update(str(x) or "not stated" for x in samples.persons.license)

    def _digest(self, samples: Samples) -> None:
        """Add what the source says of each sample's person; a subset's order, so the sum, is the sources' own."""
        digest, persons = self.inputs[samples.subset], samples.persons
        for i, key in enumerate(samples.plans.key):
            digest.update(f"{key} {samples.plans.parent[i]}".encode())
            for column in (persons.keypoints, persons.state, persons.image_size, persons.K):
                digest.update(np.ascontiguousarray(column[i]).tobytes())


def dataset_facts(
    seed: int,
    settings: Mapping[str, Any],
    convention: Convention,
    body: tuple[str, str],
    tally: Tally,
) -> dict[str, Any]:
    """Return the content of dataset.json: a function of config, inputs, seed and code version only.

    Args:
        body: name of the body model, and the digest of its arrays.
    """
    geometry = settings.get("amputate", {}).get("geometry", "residual")
    devices = {"devices": dict(sorted(tally.devices.items()))} if convention.devices else {}
    return {
        "generator": {"name": "a3dgen", "version": a3dgen.__version__, "schema": SCHEMA_VERSION},
        "body_model": body[0],
        "digests": {"body": body[1], "inputs": {k: v.hexdigest() for k, v in sorted(tally.inputs.items())}},
        "seed": seed,
        "config": _without_folders(dict(settings)),
        "counts": {
            "samples": dict(sorted(tally.rows.items())),
            "people": dict(sorted(tally.people.items())),
            "regions": {n: tally.regions[n] for n in (*REGION_NAMES, INTACT_NAME)},
            "keypoint_states": {n: tally.states[n] for n in STATE_NAMES},
            "skin": dict(sorted(tally.skin.items(), key=lambda kv: int(kv[0]))),
            "garments": dict(sorted(tally.garments.items())),
            **devices,
        },
        "licenses": dict(sorted(tally.licenses.items())),
        "conventions": conventions(convention, geometry),
        **({"modes": _modes(settings, tally)} if convention.modes else {}),
        "manifest": MANIFEST,
    }


MODE_MEANINGS = {
    "overlay": "the person is drawn: pixels and labels come from one body, the labels are exact",
    "erase": "the person is the photo's, a limb's pixels were taken away and the end closed with their own: the labels "
    "are pseudo-truth, the fit moved onto the photo's keypoints (a3dgen_registered_error says how far it is off)",
}
"""What a3dgen_mode means for the labels."""
PERMITTED_USE = (
    "Samples of mode `erase` show real people, recognisable, with an impairment they do not have. Use them only to",
    "train and test software that measures bodies; do not show them as pictures of amputees, do not identify anybody,",
    "and pass them on only under the source photos' licences. Intact samples of that mode went the same way: a limb",
    "was taken away and put back. Photos whose licence forbids derivatives are not among them.",
)


def _modes(settings: Mapping[str, Any], tally: Tally) -> dict[str, Any]:
    consent = bool(settings.get("privacy", {}).get("consent", False))
    return {"samples": dict(sorted(tally.modes.items())), "meaning": MODE_MEANINGS, "consent_stated": consent,
            "promise": PROMISES}  # fmt: skip


PROMISES = {
    "overlay": "the person's own outline is checked to be gone from the picture",
    "erase": "the pixels of the erased limb are checked to be gone; everything else of the person stays",
}


def conventions(convention: Convention, geometry: str = "residual") -> dict[str, str]:
    """Return every convention that a reader cannot guess, in words; ``geometry`` as in Plans."""
    return {
        "geometry": _GEOMETRY[geometry],
        "occluded_keypoints": "kept with confidence 1" if convention.keep_occluded else "written as (0, 0, 0)",
        "amputated_keypoints": "written as (0, 0, 0); 3D confidence 0, opt flag 0",
        "outside_keypoints": "2D written as (0, 0, 0); 3D kept",
        "keypoint_state": ", ".join(f"{i} {n}" for i, n in enumerate(STATE_NAMES)),
        "ajahr_conf": "1 = region amputated, all 0 = intact; most proximal region of a limb only",
        "keypoints_3d": "metres, camera axes (x right, y down, z forward), row 8 (MidHip) at the origin",
        "a3dgen_root": "row 8 in the camera frame: K (keypoints_3d + a3dgen_root) projects to a3dgen_keypoints_2d",
        "camera": "pinhole, pixel (0, 0) is the centre of the top-left pixel; lens distortion has been removed",
        "scale": f"box side in pixels: {BOX_MARGIN} x the larger side of the box of present keypoints in the image",
        "removed_pose": "COCO type: axis-angle 0 means identity, so apply the removal from the label; "
        "H36M type: all-zero matrices",
        "betas": "of the body model named here; has_betas is 1 only if they are SMPL's own",
        "residual": "place of the stump's tip along the segment proximal to the first absent joint; 1 = at the joint",
        "names": "(amp_<k>|full)_<stem>[_<person>]_v<n>: k = AJAHR region 0..11, full = intact (label 12)",
        "transl": "X_cam = FK(pose, betas) + a3dgen_transl; FK leaves the rest pelvis where the body model has it",
        **(_DEVICES if convention.devices else {}),
    }


def _without_folders(value: Any) -> Any:
    """Replace absolute paths by their last part: where data lay on the builder's machine is nobody's business."""
    if isinstance(value, dict):
        return {k: _without_folders(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_folders(v) for v in value]
    if isinstance(value, PurePath) or (isinstance(value, str) and PurePath(value).is_absolute()):
        return PurePath(value).name
    return value


def datasheet(facts: dict[str, Any]) -> str:
    """Return the dataset's README.md."""
    counts = facts["counts"]
    open_body = facts["body_model"] != "smpl"
    betas = (
        "Its shape coefficients are the open body's own, **not SMPL's**: `has_betas` is 0."
        if open_body
        else "Its shape coefficients are SMPL's; the SMPL licence applies to what is derived from the model."
    )
    return "\n".join(
        [
            "# A3D dataset: synthetic amputees with exact labels",
            "",
            f"Body model: `{facts['body_model']}`. {betas}",
            "",
            f"Made by a3dgen {facts['generator']['version']} with seed {facts['seed']}.",
            "",
            "## What is in it",
            "",
            _table(("subset", "samples", "people"),
                   [(k, v, counts["people"].get(k, 0)) for k, v in counts["samples"].items()]),
            "",
            _table(("AJAHR region", "samples"), counts["regions"].items()),
            "",
            _table(("keypoint state", "rows"), counts["keypoint_states"].items()),
            "",
            _table(("Monk Skin Tone", "samples"), counts["skin"].items()),
            "",
            _table(("garment", "drawn"), counts["garments"].items()),
            "",
            *_about_devices(counts),
            "## Licences of what went in",
            "",
            _table(("source image licence", "samples"), facts["licenses"].items()),
            "",
            "The backgrounds are the source photos with the person removed; their licences and terms bind whoever",
            "passes this dataset on. The open body, its textures and garments carry CC0 assets.",
            "",
            *_mode_section(facts.get("modes")),
            "## Conventions",
            "",
            *(f"- **{k}**: {v}" for k, v in facts["conventions"].items()),
            "",
            "## Intended use and limits",
            "",
            "Training and testing of human mesh recovery and amputation classification. The people are synthetic:",
            "appearance, stump shape and clothing are modelled, poses are pseudo-ground truth fitted to annotations",
            "(`a3dgen_fit_px`, `a3dgen_fit_sigma_m` say how well). Frequencies of regions follow the configuration,",
            "not epidemiology. It is no basis for clinical decisions about a person.",
            "",
        ]
    )  # fmt: skip


def _mode_section(modes: dict[str, Any] | None) -> list[str]:
    if not modes:
        return []
    consent = "The builder states that the people agreed." if modes["consent_stated"] else ""
    return [
        "## People of the photos, and what they may be used for",
        "",
        _table(("a3dgen_mode", "samples", "meaning"),
               [(m, n, MODE_MEANINGS.get(m, "")) for m, n in modes["samples"].items()]),
        "",
        *PERMITTED_USE,
        *([consent] if consent else []),
        "",
    ]  # fmt: skip


def _about_devices(counts: Mapping[str, Any]) -> list[str]:
    if "devices" not in counts:
        return []
    return [
        _table(("assistive device", "drawn"), counts["devices"].items()),
        "",
        "Prostheses and walking aids are drawn, and who has which is sampled (`configs/device_use.json` names sources",
        "and marks proposals). **Nothing here suggests that a device is prescribed to, or fits, anybody**: sockets,",
        "alignment and lengths follow the synthetic body, not a clinical examination.",
        "",
    ]


def _table(head: tuple[str, ...], rows: Any) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(c) for c in row) + " |" for row in rows])
