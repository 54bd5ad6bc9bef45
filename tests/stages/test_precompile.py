"""What is compiled ahead is what builds use: a kernel that is left out is compiled in every worker at once."""

from __future__ import annotations

import subprocess
import sys

CODE = """
from a3dgen.fit import chain, initial, precompile as fitting, pose_prior
from a3dgen.geometry import raster
from a3dgen.removal import colours, rays, texture
from a3dgen.stages import precompile as drawing

fitting.compile_kernels()
drawing.compile_drawing()
kernels = [pose_prior.prior_energy, initial.place, initial.place_points, chain._minimise, raster._cover,
           texture._nearest, rays._follow]
print([k.__name__ for k in kernels if not k.signatures])
print([s[0].mutable for s in colours._nearest.signatures])
"""


def test_kernels_of_builds_are_compiled_ahead() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "[False]"]
