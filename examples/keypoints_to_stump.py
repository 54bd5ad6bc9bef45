"""From the 2D keypoints of one person to the closed mesh of an amputee, as a GLB file.

    python examples/keypoints_to_stump.py person.glb --region left_knee --residual 0.6
    python examples/keypoints_to_stump.py person.glb --keypoints keypoints.json --size 1920 1080

``keypoints.json`` holds [[x, y, confidence], ...] in COCO's order; without it, a standing person in a 640x480 photo.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import trimesh

import a3dgen

STANDING = [
    (320, 92), (328, 84), (313, 84), (340, 90), (301, 90), (357, 138), (283, 138), (372, 200), (268, 200),
    (379, 258), (261, 258), (343, 258), (298, 258), (347, 345), (294, 345), (350, 425), (291, 425),
]  # fmt: skip
"""x, y in px, in COCO's order: nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles; left before right."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("out", type=Path, help="the GLB file to write")
    parser.add_argument("--keypoints", type=Path, help="JSON of (17, 3) numbers")
    parser.add_argument("--size", type=int, nargs=2, default=(640, 480), metavar=("W", "H"), help="of the photo, px")
    parser.add_argument("--region", choices=a3dgen.REGION_NAMES, default="left_knee")
    parser.add_argument("--residual", type=float, default=0.6, help="tip of the residual limb along its segment")
    args = parser.parse_args()

    points = json.loads(args.keypoints.read_text()) if args.keypoints else [(x, y, 1) for x, y in STANDING]
    bodies = a3dgen.public("fit")(np.array(points, float), tuple(args.size))
    amputee = a3dgen.amputate(a3dgen.load_body(), bodies, args.region, args.residual)

    mesh = trimesh.Trimesh(amputee.vertices * [1, -1, -1], amputee.mesh.faces, process=False)  # glTF: y up, z back
    mesh.export(args.out)
    region = a3dgen.REGION_NAMES.index(args.region)
    print(f"{args.out}: watertight {mesh.is_watertight}, joints known to {100 * bodies.sigma[0, 1:].mean():.0f} cm")
    if amputee.stump_length[region] > 0:
        print(f"residual limb {100 * amputee.stump_length[region]:.1f} cm of {100 * amputee.segment[region]:.1f} cm")


if __name__ == "__main__":
    main()
